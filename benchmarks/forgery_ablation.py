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

from mobilekit.core.ablations import Ablation, FileFigures, LineResult
from mobilekit.profile import host

ROUNDS, RUNS = 7, 100


def main() -> int:
    """Print accuracy, loss, area, bytes, megabits of non-zeros, MACs and latency of each line; always 0."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--ablation", type=Path, default=Path("build/dfbuster-ablation"))
    options = parser.parse_args()
    table = msgspec.json.decode((options.ablation / "ablation.json").read_bytes(), type=Ablation)
    load = outcome.load()
    times: list[list[float]] = [[] for _ in table.results]
    for _ in range(ROUNDS):
        for line, seen in zip(table.results, times, strict=True):
            path = options.ablation / Path(line.folder).name / file_of(line)[0]
            (report,) = host.measure([path], threads=1, runs=RUNS)
            seen.append(report.median_ms)
    result: dict[str, object] = {
        "load_average": load,
        "data": list(table.results[0].data),
        "lines": [
            row(line, statistics.median(seen))
            for line, seen in zip(table.results, times, strict=True)
        ],
    }
    return outcome.finish(result | {"met": True}, options.json)


def file_of(line: LineResult) -> tuple[str, FileFigures]:
    """Return the smallest LiteRT file of a line, by name and by its figures."""
    known = [file for file in line.files if file.format == "tflite"]
    small = min(known, key=lambda file: file.size_bytes)
    form = "" if small.form == "float32" else f"-{small.form.replace(':', '-')}"
    return f"model{form}.tflite", small


def row(line: LineResult, milliseconds: float) -> dict[str, object]:
    """Return what the thesis prints of a line, and bytes, MACs and latency."""
    _, file = file_of(line)
    return {
        "line": line.name,
        "form": file.form,
        **{name: [round(one[name], 4) for one in line.figures] for name in line.figures[0]},
        "of_the_file": {name: round(value, 4) for name, value in file.figures.items()},
        "bytes": file.size_bytes,
        "parameters": line.params,
        "megabits_non_zero": round(line.megabits, 2),
        "macs": line.macs,
        "litert_ms": round(milliseconds, 4),
    }


if __name__ == "__main__":
    sys.exit(main())
