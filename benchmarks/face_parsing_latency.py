"""Figure: LiteRT latency of face parsing at 256 px, 2 threads: U-Net, Mobile-Hourglass f32-τ6 light, its int8.

Bars: at least 5 times faster than U-Net; int8 at least 2.2 times faster than its float32. Weights are as
drawn (cost does not depend on them), runs alternate, ratios are medians over rounds.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")

import outcome

from mobilekit.profile import host

FASTER, INT8 = 5.0, 2.2
THREADS, ROUNDS = 2, 5
RUNS = {"unet": 4, "hourglass": 15, "int8": 20}


def main() -> int:
    """Print the ratios; 1 when one is missed."""
    parser = outcome.parser(__doc__)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        files = exported(Path(scratch))
        load = outcome.load()
        times: dict[str, list[float]] = {name: [] for name in files}
        for _ in range(ROUNDS):
            for name, path in files.items():
                (report,) = host.measure([path], threads=THREADS, runs=RUNS[name])
                times[name].append(report.median_ms)
    over = [a / b for a, b in zip(times["unet"], times["hourglass"], strict=True)]
    smaller = [a / b for a, b in zip(times["hourglass"], times["int8"], strict=True)]
    result = {
        "load_average": load,
        "median_ms": {name: round(statistics.median(each), 1) for name, each in times.items()},
        "unet_over_hourglass": round(statistics.median(over), 2),
        "float_over_int8": round(statistics.median(smaller), 2),
        "met": statistics.median(over) >= FASTER and statistics.median(smaller) >= INT8,
    }
    return outcome.finish(result, options.json)


def exported(scratch: Path) -> dict[str, Path]:
    """Export both networks to LiteRT."""
    for name, more in (
        ("unet", []),
        ("mobile-hourglass:light", ["--quantize", "static:int8"]),
    ):
        line = [sys.executable, "-m", "mobilekit", "export", name, "--to", "tflite", *more]
        line += ["--runs", "0", "--count", "1", "--calibrate-count", "4", "--quiet"]
        line += ["--out", str(scratch / name.partition(":")[0])]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    hourglass = scratch / "mobile-hourglass"
    return {
        "unet": scratch / "unet" / "model.tflite",
        "hourglass": hourglass / "model.tflite",
        "int8": hourglass / "model-static-int8.tflite",
    }


if __name__ == "__main__":
    sys.exit(main())
