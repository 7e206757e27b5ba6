"""Rows of the tables on speed, one table for each kind of measurement."""

from collections.abc import Sequence

from mobilekit.core.device_checks import summary_of
from mobilekit.core.device_figures import Check, ThermalCourse
from mobilekit.core.device_words import Kind
from mobilekit.report import words
from mobilekit.report.device_measurements import Measurement
from mobilekit.report.device_regressions import ALPHA, Change
from mobilekit.report.tables import Row, metric_words

TITLES: dict[Kind, str] = {
    "device": "Measured on devices",
    "simulator": "Measured in simulators: of use for outputs, not for the speed of a phone",
    "host": "Measured on computers, not on phones",
    "emulated": "Emulated: right outputs or not; times of emulation say nothing of speed",
}
COLUMNS = (
    "device", "model", "precision", "runtime", "asked for", "accelerated", "runs", "p50 ms", "p90 ms",
    "p99 ms", "all stages ms", "first ms", "load ms", "peak MB", "heat", "size", "metric", "outputs",
    "max |error|", "classes",
)  # fmt: skip
UNTIMED = (
    "device", "model", "precision", "runtime", "asked for", "size", "metric", "outputs", "max |error|",
    "classes",
)  # fmt: skip
WIDE = {"device", "first ms", "max |error|", "classes"}
"""What a terminal has no room for; the device stands above its table there."""
CHANGE_COLUMNS = (
    "device", "model", "precision", "runtime", "asked for", "before ms", "now ms", "change", "p", "verdict",
)  # fmt: skip


def columns(kind: Kind) -> tuple[str, ...]:
    """Return the columns of a kind: an emulator's times are not shown."""
    return UNTIMED if kind == "emulated" else COLUMNS


def narrow(kind: Kind, shown: Sequence[Row]) -> tuple[str, ...]:
    """Return the columns of one device's table on a terminal: those in which anything stands."""
    return tuple(
        name
        for name in columns(kind)
        if name not in WIDE and any(row.get(name, words.NONE) != words.NONE for row in shown)
    )


def rows(found: Sequence[Measurement]) -> list[Row]:
    """Return one row per measurement of one kind, by device and then by speed."""
    ordered = sorted(found, key=lambda one: (one.device, one.model, one.summary.p50_ns))
    return [_row(one) | (_times(one) if one.timed else {}) for one in ordered]


def change_rows(changes: Sequence[Change]) -> list[Row]:
    """Return one row per file that was measured before and now."""
    return [
        {
            "device": one.device,
            "model": one.model,
            "precision": one.variant,
            "runtime": one.runtime,
            "asked for": one.asked,
            "before ms": _ms(one.before_ns),
            "now ms": _ms(one.now_ns),
            "change": f"{one.change:+.1%}",
            "p": words.NONE if one.p is None else f"{one.p:.2g}",
            "verdict": one.verdict if not one.reason else f"{one.verdict}: {one.reason}",
        }
        for one in changes
    ]


def change_note(least: float) -> str:
    """Say how a change is judged."""
    return (
        f"slower, faster: the medians differ by more than {least:.0%}, and a two-sided Mann–Whitney U test on the"
        f" single runs gives p < {ALPHA:g} after Holm's correction for the number of rows. The runs of one"
        " measurement follow one another, and share its heat and its neighbours: repeat before you believe."
    )


def _row(one: Measurement) -> Row:
    return {
        "device": one.device,
        "model": one.model,
        "precision": one.variant,
        "runtime": one.runtime,
        "asked for": one.asked,
        "size": words.size(one.size_bytes),
        "metric": metric_words(one.metric),
    } | _outputs(one.verification)


def _times(one: Measurement) -> Row:
    found = one.summary
    whole = one.end_to_end
    return {
        "accelerated": words.share(one.residency),
        "runs": str(found.n),
        "p50 ms": _ms(found.p50_ns),
        "p90 ms": _ms(found.p90_ns),
        "p99 ms": _ms(found.p99_ns),
        "all stages ms": words.NONE if whole is None else _ms(summary_of(whole).p50_ns),
        "first ms": _ms(one.first_ns),
        "load ms": _ms(one.load_ns),
        "peak MB": words.NONE if one.peak_mb is None else f"{one.peak_mb:.1f}",
        "heat": _heat(one.thermal),
    }


def _ms(value: float | None) -> str:
    return words.NONE if value is None else words.milliseconds(value / 1e6)


def _heat(course: ThermalCourse | None) -> str:
    if course is None:
        return words.NONE
    return course.start if course.start == course.max else f"{course.start} → {course.max}"


def _outputs(check: Check | None) -> Row:
    if check is None:
        return {"outputs": words.NONE}
    return {
        "outputs": "pass" if check.passed else "fail",
        "max |error|": f"{check.max_abs:.2g}",
        "classes": words.share(check.argmax_agreement),
    }
