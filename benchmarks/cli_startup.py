"""Figure: `mobilekit --help` and `mobilekit nets` ≤ 0.30 s median, and ≤ 0.15 × `yolo help`.

The peer (ultralytics) is found as `yolo` beside the interpreter or on the PATH; without it only
the absolute bar is judged, and the output says so.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import outcome

BAR_S, BAR_RATIO = 0.30, 0.15
BESIDE = Path(sys.executable).parent


def main() -> int:
    """Print medians and ratios; 1 when a bar is missed."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--peer", help="path of the `yolo` command")
    arguments = parser.parse_args()
    own = str(BESIDE / "mobilekit")
    lines = {"mobilekit --help": [own, "--help"], "mobilekit nets": [own, "nets"]}
    peer = arguments.peer or shutil.which("yolo", path=f"{BESIDE}{os.pathsep}{os.environ['PATH']}")
    if peer:
        lines["yolo help"] = [peer, "help"]
    load = outcome.load()
    samples: dict[str, list[float]] = {name: [] for name in lines}
    for index in range(arguments.runs + 1):
        for name, line in lines.items():
            start = time.perf_counter()
            subprocess.run(line, capture_output=True, check=True)
            if index:
                samples[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in samples.items()}
    result: dict[str, object] = {"median_s": medians, "load_average": load}
    slowest = max(medians["mobilekit --help"], medians["mobilekit nets"])
    met = slowest <= BAR_S
    if peer:
        result["ratio"] = slowest / medians["yolo help"]
        met = met and slowest / medians["yolo help"] <= BAR_RATIO
    else:
        result["peer"] = "not installed: pip install 'mobilekit[bench]'"
    result["met"] = met
    return outcome.finish(result, arguments.json)


if __name__ == "__main__":
    sys.exit(main())
