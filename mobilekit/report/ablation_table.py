"""The lines of an ablation as one table: a row per line and file, means over its seeds."""

import statistics
from collections.abc import Sequence

from mobilekit.core.ablations import Ablation, LineResult
from mobilekit.report import words

Row = dict[str, str]
FIRST = ("line", "parameters", "Mb non-zero", "MACs")
LAST = ("file", "size", "host ms", "verdict")


def rows(found: Ablation) -> list[Row]:
    """Return a row per line for the network, and one per file."""
    result = []
    for name in dict.fromkeys(line.name for line in found.results):
        seeds = [line for line in found.results if line.name == name]
        result.append(_network(name, seeds))
        result += [_file(place, seeds) for place in range(len(seeds[0].files))]
    return result


def columns(found: Ablation) -> tuple[str, ...]:
    """Return the headings: what it costs, figures of each data set, files."""
    names = dict.fromkeys(key for row in rows(found) for key in row)
    return (*FIRST, *(name for name in names if name not in {*FIRST, *LAST}), *LAST)


def notes(found: Ablation) -> list[str]:
    """Say which data the figures are of, and how many seeds they are means of."""
    last = found.results[-1]
    many = len({line.seed for line in found.results})
    said = [f"mean ± half a 95 % interval, {many} seeds"] if many > 1 else []
    return said + [f"({place + 1}) {data}" for place, data in enumerate(last.data)]


def _network(name: str, seeds: Sequence[LineResult]) -> Row:
    first = seeds[0]
    row = {
        "line": name,
        "parameters": words.count(first.params),
        "Mb non-zero": f"{statistics.fmean(line.megabits for line in seeds):.2f}",
        "MACs": words.count(first.macs),
    }
    for place, figures in enumerate(first.figures):
        behind = f" ({place + 1})" if place else ""
        for figure in figures:
            values = [
                line.figures[place][figure] for line in seeds if figure in line.figures[place]
            ]
            row[f"{figure.replace('_', ' ')}{behind}"] = spread(values)
    return row


def _file(place: int, seeds: Sequence[LineResult]) -> Row:
    files = [line.files[place] for line in seeds if place < len(line.files)]
    first = files[0]
    times = [file.latency_ms for file in files if file.latency_ms is not None]
    row = {
        "line": "",
        "file": f"{first.format} {first.form}",
        "size": words.size(round(statistics.fmean(file.size_bytes for file in files))),
        "host ms": words.milliseconds(statistics.median(times)) if times else words.NONE,
        "verdict": next((file.verdict for file in files if file.verdict != "pass"), "pass"),
    }
    for figure in first.figures:
        values = [file.figures[figure] for file in files if figure in file.figures]
        row[figure.replace("_", " ")] = spread(values)
    return row


def spread(values: Sequence[float]) -> str:
    """Write a mean with half of its 95 % interval (Student's t).

    >>> spread([0.5]), spread([0.4, 0.5, 0.6])
    ('0.5000', '0.5000 ± 0.2484')
    """
    mean, half = mean_and_half(values)
    return f"{mean:.4f}" if half is None else f"{mean:.4f} ± {half:.4f}"


def mean_and_half(values: Sequence[float]) -> tuple[float, float | None]:
    """Return a mean, and half of its 95 % interval; None for one value."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, None
    from scipy import stats

    deviation = statistics.stdev(values) / len(values) ** 0.5
    return mean, float(stats.t.ppf(0.975, len(values) - 1)) * deviation
