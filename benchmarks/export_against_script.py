"""The whole of `mobilekit export` against a straight script that verifies nothing.

Wall time of `mobilekit export torchvision:mobilenet_v2 --to coreml,tflite` (imports, conversions,
verification on 8 images, latency) over that of `peers/straight_export.py`, both from cold
processes, alternating; and the largest resident set of any one of our processes over that of the
converter alone. Bars: at most 0.9 and at most 1.2.

    python benchmarks/export_against_script.py [--pairs 5] [--json FILE]
"""

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import outcome
import psutil

NET = "torchvision:mobilenet_v2"
PEER = Path(__file__).parent / "peers" / "straight_export.py"
MOST_WALL, MOST_MEMORY = 0.9, 1.2
INTERVAL_S = 0.02
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Run:
    """One command: wall time, and the largest resident set of any one of its processes."""

    seconds: float
    peak_bytes: int


def measure(command: list[str]) -> Run:
    """Run a command to its end and watch it with all its descendants."""
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        env={**os.environ, **ONE_THREAD},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    peaks: dict[int, int] = {}
    watcher = threading.Thread(target=_watch, args=(process, peaks))
    watcher.start()
    _, words = process.communicate()
    seconds = time.monotonic() - started
    watcher.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{words.decode()[-2000:]}")
    return Run(seconds, max(peaks.values()))


def _watch(process: "subprocess.Popen[bytes]", peaks: dict[int, int]) -> None:
    root = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            family = [root, *root.children(recursive=True)]
            for one in family:
                peaks[one.pid] = max(peaks.get(one.pid, 0), _high_water(one))
        except psutil.NoSuchProcess:
            continue
        finally:
            time.sleep(INTERVAL_S)


def _high_water(process: psutil.Process) -> int:
    """Return the peak resident set where the system keeps it, else the present one."""
    status = Path(f"/proc/{process.pid}/status")
    try:
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return int(process.memory_info().rss)


def pair(folder: Path, *, ours_first: bool) -> tuple[Run, Run]:
    """Measure ours and the peer, in the given order."""
    ours = [sys.executable, "-m", "mobilekit", "export", NET, "--to", "coreml,tflite", "--quiet"]
    ours += ["--out", str(folder / "ours")]
    peer = [sys.executable, str(PEER), str(folder)]
    if ours_first:
        first = measure(ours)
        return first, measure(peer)
    second = measure(peer)
    return measure(ours), second


def main() -> int:
    parser = outcome.parser(__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    load = outcome.load()
    with tempfile.TemporaryDirectory(prefix="mobilekit-") as name:
        folder = Path(name)
        alone = {
            kind: measure([sys.executable, str(PEER), str(folder), kind]).peak_bytes
            for kind in ("coreml", "tflite")
        }
        runs = [pair(folder, ours_first=bool(index % 2)) for index in range(options.pairs)]
    wall = statistics.median(ours.seconds / peer.seconds for ours, peer in runs)
    memory = statistics.median(ours.peak_bytes for ours, _ in runs) / max(alone.values())
    result = {
        "net": NET,
        "pairs": options.pairs,
        "load_average": load,
        "cores": len(psutil.Process().cpu_affinity()),
        "ours_s": [round(ours.seconds, 2) for ours, _ in runs],
        "peer_s": [round(peer.seconds, 2) for _, peer in runs],
        "wall_ratio": round(wall, 3),
        "most_wall_ratio": MOST_WALL,
        "ours_peak_bytes": [ours.peak_bytes for ours, _ in runs],
        "converter_alone_peak_bytes": alone,
        "memory_ratio": round(memory, 3),
        "most_memory_ratio": MOST_MEMORY,
        "met": wall <= MOST_WALL and memory <= MOST_MEMORY,
    }
    return outcome.finish(result, options.json)


if __name__ == "__main__":
    sys.exit(main())
