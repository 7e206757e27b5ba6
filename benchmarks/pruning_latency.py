"""Figure: LiteRT latency of a network pruned by half over the dense one: at most 0.45.

resnet18 and Mobile-Hourglass, half of the channels of each layer by the command line's defaults, float32,
one thread, both files in turn in one process; medians of 60 runs each. Beside the ratio of the medians
stand the quartiles of the ratios of neighbouring runs, and where the pruned file's time goes.
"""

import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import outcome

from mobilekit.profile.delegation import xnnpack_profile
from mobilekit.profile.host import measure

NETS = ("torchvision:resnet18", "mobile-hourglass:f32t6")
BAR, RUNS = 0.45, 60


def main() -> int:
    """Print a row per network; 1 when a bar is missed."""
    options = outcome.parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [row(net, Path(folder)) for net in NETS]
    met = all(one["met"] for one in rows)
    return outcome.finish({"runs": RUNS, "met": met, "rows": rows}, options.json)


def row(net: str, folder: Path) -> dict[str, object]:
    """Export a network dense and pruned, and time both."""
    name = net.rpartition(":")[2]
    dense, pruned, small = (folder / f"{name}-{part}" for part in ("dense", "pruned", "small"))
    run("export", net, "--to", "tflite", "--runs", "0", "--out", str(dense))
    run("prune", net, "--sparsity", "0.5", "--out", str(pruned))
    run("export", str(pruned / "program.pt2"), "--to", "tflite", "--runs", "0", "--out", str(small))
    load = outcome.load()
    reports = measure([dense / "model.tflite", small / "model.tflite"], runs=RUNS)
    pairs = zip(reports[0].samples_ns, reports[1].samples_ns, strict=True)
    quartiles = statistics.quantiles([second / first for first, second in pairs], n=4)
    medians = [statistics.median(report.samples_ns) / 1e6 for report in reports]
    ratio = medians[1] / medians[0]
    return {
        "network": name,
        "dense_ms": medians[0],
        "pruned_ms": medians[1],
        "ratio": round(ratio, 3),
        "ratio_quartiles": [round(one, 3) for one in quartiles],
        "load_average": load,
        "slowest_ms": {
            part: slowest(folder / "model.tflite")
            for part, folder in (("dense", dense), ("pruned", small))
        },
        "bar": BAR,
        "met": ratio <= BAR,
    }


def slowest(file: Path, count: int = 5) -> dict[str, float]:
    """Return the kernels that take longest, summed by what the runtime calls them, in ms."""
    taken: Counter[str] = Counter()
    for kernel in xnnpack_profile(file).operators:
        taken[kernel.operator] += kernel.mean_ns / 1e6
    return {name: round(time, 2) for name, time in taken.most_common(count)}


def run(*arguments: str) -> None:
    """Run a command of mobilekit, quietly."""
    line = [sys.executable, "-m", "mobilekit", *arguments, "--quiet"]
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
