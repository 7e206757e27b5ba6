"""Figure: the ablation of Table 6.5 of Hubens' thesis, line by line, on drawn forgeries.

No bar: it is reported. Bytes are those of the smallest LiteRT file of a line; files are timed in turns.
First: `mobilekit run models/dfbuster/ablation.toml --out build/dfbuster-ablation`.
"""

import os
import statistics
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import msgspec
import outcome

from mobilekit.core.ablations import Ablation, LineResult
from mobilekit.core.artifact import ModelFile, read_manifest
from mobilekit.core.targets import format_of, variant_of
from mobilekit.profile import host

ROUNDS, RUNS = 7, 100


def main() -> int:
    """Print accuracy, loss, area, bytes, megabits of non-zeros, MACs and latency of each line; always 0."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--ablation", type=Path, default=Path("build/dfbuster-ablation"))
    options = parser.parse_args()
    table = msgspec.json.decode((options.ablation / "ablation.json").read_bytes(), type=Ablation)
    load = outcome.load()
    folders = [options.ablation / Path(line.folder).name for line in table.results]
    files = [smallest(folder) for folder in folders]
    times: list[list[float]] = [[] for _ in files]
    for _ in range(ROUNDS):
        for folder, file, seen in zip(folders, files, times, strict=True):
            (report,) = host.measure([folder / file.path], threads=1, runs=RUNS)
            seen.append(report.median_ms)
    result: dict[str, object] = {
        "load_average": load,
        "data": list(table.results[0].data),
        "lines": [
            row(line, file, statistics.median(seen))
            for line, file, seen in zip(table.results, files, times, strict=True)
        ],
    }
    return outcome.finish(result | {"met": True}, options.json)


def smallest(folder: Path) -> ModelFile:
    """Return the smallest LiteRT file of a line."""
    known = [file for file in read_manifest(folder).files if format_of(file.target) == "tflite"]
    return min(known, key=lambda file: file.size_bytes)


def row(line: LineResult, file: ModelFile, milliseconds: float) -> dict[str, object]:
    """Return what the thesis prints of a line, and bytes, MACs and latency."""
    found = file.metric.figures if file.metric else {}
    return {
        "line": line.name,
        "form": variant_of(file.target),
        **{name: [round(one[name], 4) for one in line.figures] for name in line.figures[0]},
        "of_the_file": {name: round(value, 4) for name, value in found.items()},
        "bytes": file.size_bytes,
        "parameters": line.params,
        "megabits_non_zero": round(line.megabits, 2),
        "macs": line.macs,
        "litert_ms": round(milliseconds, 4),
    }


if __name__ == "__main__":
    sys.exit(main())
