"""Pictures of measurements as SVG, each of one kind and one device: nothing to download, no script."""

import math
from collections.abc import Sequence
from html import escape

from mobilekit.core.device_figures import Operator, ThermalCourse
from mobilekit.core.device_words import THERMAL
from mobilekit.report import words
from mobilekit.report.device_measurements import Measurement

WIDTH, LEFT, ROW, BINS = 720, 20, 56, 72
BLUE, RED, GREY = "#3566b8", "#b3261e", "#8a929c"
UNIT_COLOURS = {"cpu": GREY, "gpu": "#0a7a3b", "npu": BLUE, "ane": BLUE, "unassigned": "#d8a200"}
MOST_OPERATORS = 20


def distributions(found: Sequence[Measurement]) -> str:
    """Draw each measurement's runs as a histogram, all on one scale from 0; those beyond p99 are left out.

    Files whose tool kept no single runs have none.
    """
    shown = [one for one in found if one.inference.samples_ns]
    if not shown:
        return ""
    most = max(one.summary.p99_ns or one.summary.max_ns for one in shown) or 1
    parts = []
    for index, one in enumerate(shown):
        top = index * ROW
        parts.append(_text(LEFT, top + 14, f"{one.title}: p50 {_ms(one.summary.p50_ns)} ms"))
        parts += _bars(one.inference.samples_ns, most, top + ROW - 4)
    bottom = len(shown) * ROW
    parts.append(_text(LEFT, bottom + 14, "0 ms"))
    parts.append(_text(WIDTH - LEFT, bottom + 14, f"{_ms(most)} ms", "end"))
    return _svg("latency distributions", bottom + 20, parts)


def _bars(samples: Sequence[int], most: int, bottom: int) -> list[str]:
    counts = [0] * BINS
    for sample in samples:
        if sample <= most:
            counts[min(sample * BINS // most, BINS - 1)] += 1
    step, high = (WIDTH - 2 * LEFT) / BINS, max(counts) or 1
    return [
        f'<rect x="{LEFT + at * step:.1f}" y="{bottom - 32 * count / high:.1f}" width="{step - 1:.1f}"'
        f' height="{32 * count / high:.1f}" fill="{BLUE}"/>'
        for at, count in enumerate(counts)
        if count
    ]


def front(found: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """Return the measurements that no other one beats: in accuracy, median latency and size at once.

    All have a metric, the same one.
    """
    rated = [(_rating(one), one) for one in found]
    return tuple(
        one
        for rating, one in rated
        if not any(
            other != rating and all(a <= b for a, b in zip(other, rating, strict=True))
            for other, _ in rated
        )
    )


def pareto(found: Sequence[Measurement]) -> str:
    """Draw accuracy over latency, the discs' areas as sizes; what no other one beats is filled.

    Args:
        found: of one device, with one and the same metric.
    """
    if not found:
        return ""
    height, bottom = 300, 260
    slow = max(one.summary.p50_ns for one in found) * 1.15 or 1
    values = [one.metric.value for one in found if one.metric]
    low, high = min(values), max(values)
    margin = (high - low) * 0.15 or 0.01
    low, high = low - margin, high + margin
    largest = max(one.size_bytes for one in found)
    best = front(found)
    parts = [
        f'<path d="M{LEFT + 40} 10V{bottom}H{WIDTH - LEFT}" fill="none" stroke="{GREY}"/>',
        _text(LEFT + 40, bottom + 18, "0 ms"),
        _text(WIDTH - LEFT, bottom + 18, f"{_ms(slow)} ms", "end"),
        _text(LEFT + 36, 18, f"{high:.3f}", "end"),
        _text(LEFT + 36, bottom, f"{low:.3f}", "end"),
    ]
    for one in found:
        x = LEFT + 40 + (WIDTH - 2 * LEFT - 40) * one.summary.p50_ns / slow
        y = bottom - (bottom - 10) * (_value(one) - low) / (high - low)
        radius = max(14 * math.sqrt(one.size_bytes / largest), 2)
        fill = BLUE if one in best else "none"
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{fill}" fill-opacity="0.6"'
            f' stroke="{BLUE}"/>'
        )
        label = f"{one.model} {one.variant} {words.size(one.size_bytes)}"
        right = x > WIDTH / 2
        parts.append(
            _text(
                x + (-1 if right else 1) * (radius + 4), y + 4, label, "end" if right else "start"
            )
        )
    return _svg("accuracy over latency and size", height, parts)


def heat(course: ThermalCourse, until_ms: float) -> str:
    """Draw the thermal state over time; nothing where single moments were not kept.

    Args:
        course: its changes; a state stays until the next.
        until_ms: at least how long the last one stayed, since the first run.
    """
    if not course.samples:
        return ""
    last = max(course.samples[-1].at_ms, until_ms, 1.0)
    top = max(THERMAL.index(course.max), 1)
    points = ""
    for sample in course.samples:
        x = LEFT + 70 + (WIDTH - 2 * LEFT - 70) * sample.at_ms / last
        y = 80 - 66 * THERMAL.index(sample.state) / top
        points += f"H{x:.1f}V{y:.1f}" if points else f"M{x:.1f} {y:.1f}"
    points += f"H{WIDTH - LEFT:.1f}"
    parts = [
        f'<path d="{points}" fill="none" stroke="{RED}" stroke-width="2"/>',
        *(
            _text(LEFT + 64, 84 - 66 * index / top, THERMAL[index], "end")
            for index in range(top + 1)
        ),
        _text(WIDTH - LEFT, 100, f"{last / 1000:.1f} s", "end"),
    ]
    return _svg("thermal state over time", 106, parts)


def operators(found: Sequence[Operator]) -> str:
    """Draw the costliest operators as bars, coloured by where they run.

    Times where they were measured; else the shares that Core ML estimates.
    """
    timed = [one for one in found if one.mean_ns is not None]
    chosen = timed or [one for one in found if one.cost_weight is not None]
    ordered = sorted(chosen, key=_cost, reverse=True)[:MOST_OPERATORS]
    if not ordered or not _cost(ordered[0]):
        return ""
    parts = []
    for index, one in enumerate(ordered):
        top = 18 * index
        width = (WIDTH - 2 * LEFT - 400) * _cost(one) / _cost(ordered[0])
        value = f"{_cost(one) / 1e6:.3f} ms" if timed else words.share(one.cost_weight)
        parts.append(_text(LEFT + 290, top + 13, f"{one.index} {one.type} {one.name}"[:44], "end"))
        parts.append(
            f'<rect x="{LEFT + 296}" y="{top + 3}" width="{max(width, 1):.1f}" height="12"'
            f' fill="{UNIT_COLOURS[one.device]}"/>'
        )
        parts.append(_text(LEFT + 302 + width, top + 13, f"{value}, {one.device}"))
    return _svg("operators", 18 * len(ordered) + 4, parts)


def _cost(one: Operator) -> float:
    return one.mean_ns if one.mean_ns is not None else one.cost_weight or 0.0


def _value(one: Measurement) -> float:
    return one.metric.value if one.metric else 0.0


def _rating(one: Measurement) -> tuple[float, float, float]:
    return -_value(one), one.summary.p50_ns, one.size_bytes


def _ms(value: float) -> str:
    return words.milliseconds(value / 1e6)


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="12" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _svg(label: str, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}"'
        f' height="{height:.0f}">{"".join(parts)}</svg>'
    )
