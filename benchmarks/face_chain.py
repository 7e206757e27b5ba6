"""Figure: the whole chain on Mobile-Hourglass f32-τ6 (thesis' stem), against its float dense self.

Trained, sparsified while it trains, pruned, folded, in integers of 8 bits. Bars: at least 5 times fewer bytes and
4 times faster on LiteRT, mean F1 on held-out faces within a point, both formats verified. First:
`mobilekit run models/mobile-hourglass/chain.toml --out build/mobile-hourglass-chain`.
"""

import os
import statistics
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import outcome
from exported import floats

from mobilekit.core.artifact import read_manifest
from mobilekit.profile import host

SMALLER, FASTER, POINTS = 5.0, 4.0, 1.0
ROUNDS, RUNS = 5, 30
FIGURE, SIZE = "mean_f1", 64
INT8 = "model-static-int8.tflite"
DENSE = "mobile-hourglass:f32t6"
"""As drawn: neither bytes nor time depend on its values."""


def main() -> int:
    """Print the stages and the ratios; 1 when a bar is missed."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--chain", type=Path, default=Path("build/mobile-hourglass-chain"))
    options = parser.parse_args()
    manifest = read_manifest(options.chain)
    stages = [
        {"step": step.kind, "parameters": step.params_after}
        | {f"{FIGURE} of {one.data}": round(one.figures[FIGURE], 4) for one in step.metrics}
        for step in manifest.steps
    ]
    dense_f1 = manifest.steps[0].metrics[0].figures[FIGURE]
    (small,) = (file for file in manifest.files if file.path == INT8)
    with tempfile.TemporaryDirectory() as scratch:
        dense = floats(
            DENSE, Path(scratch) / "dense", "--input", f"image=1x3x{SIZE}x{SIZE}", "--count", "1"
        )
        files = {"dense": dense, "chain": options.chain / INT8}
        load = outcome.load()
        times: dict[str, list[float]] = {name: [] for name in files}
        for _ in range(ROUNDS):
            for name, path in files.items():
                (report,) = host.measure([path], threads=1, runs=RUNS)
                times[name].append(report.median_ms)
        bytes_ = {name: path.stat().st_size for name, path in files.items()}
    faster = statistics.median(a / b for a, b in zip(times["dense"], times["chain"], strict=True))
    smaller = bytes_["dense"] / bytes_["chain"]
    lost = 100 * (dense_f1 - small.metric.figures[FIGURE]) if small.metric else None
    passed = {file.path: file.parity.verdict for file in manifest.files}
    result = {
        "load_average": load,
        "stages": stages,
        "verdicts": passed,
        "bytes": bytes_,
        "times_smaller": round(smaller, 2),
        "times_faster": round(faster, 2),
        "f1_points_lost": None if lost is None else round(lost, 2),
        "met": lost is not None
        and lost <= POINTS
        and smaller >= SMALLER
        and faster >= FASTER
        and set(passed.values()) == {"pass"},
    }
    return outcome.finish(result, options.json)


if __name__ == "__main__":
    sys.exit(main())
