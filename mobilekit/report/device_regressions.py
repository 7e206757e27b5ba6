"""Is a file slower than it was? The runs of two measurements, compared by a test of significance."""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from mobilekit.core.device_words import Kind
from mobilekit.core.reports import percentile
from mobilekit.report.device_measurements import Measurement

ALPHA = 0.01
LEAST_RUNS = 8
"""Of each measurement: fewer cannot reach `ALPHA` once several rows are corrected for."""
Outcome = Literal["slower", "faster", "same", "not tested"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One file on one device, before and now."""

    kind: Kind
    device: str
    model: str
    variant: str
    runtime: str
    asked: str
    before_ns: int
    """Median."""
    now_ns: int
    verdict: Outcome
    p: float | None = None
    """Of the two-sided Mann–Whitney U test, after Holm's correction."""
    reason: str = ""

    @property
    def change(self) -> float:
        """Now / before − 1 of the medians; above 0 is slower."""
        return self.now_ns / self.before_ns - 1 if self.before_ns else 0.0


class Comparison(msgspec.Struct, frozen=True):
    """What changed, and what cannot be compared."""

    changes: tuple[Change, ...]
    only_now: tuple[str, ...]
    only_before: tuple[str, ...]

    @property
    def slower(self) -> tuple[Change, ...]:
        """The regressions."""
        return tuple(one for one in self.changes if one.verdict == "slower")


Key = tuple[str, ...]


def compare(
    now: Iterable[Measurement], before: Iterable[Measurement], *, least: float
) -> Comparison:
    """Compare what was measured under the same conditions: kind, device, model, file, runtime, units.

    Args:
        now: measurements; of several under the same conditions, the runs are put together.
        before: the base.
        least: change of the medians (0–1) below which nothing is called slower or faster.
    """
    new, old = _grouped(now), _grouped(before)
    shared = [key for key in new if key in old]
    samples = [(_samples(new[key]), _samples(old[key])) for key in shared]
    tested = [index for index, pair in enumerate(samples) if min(map(len, pair)) >= LEAST_RUNS]
    corrected = holm([_mann_whitney(*samples[index]) for index in tested])
    known = dict(zip(tested, corrected, strict=True))
    changes = [
        _change(new[key][0], old[key][0], pair, known.get(index), least)
        for index, (key, pair) in enumerate(zip(shared, samples, strict=True))
    ]
    return Comparison(
        tuple(changes),
        tuple(" · ".join(key) for key in new if key not in old),
        tuple(" · ".join(key) for key in old if key not in new),
    )


def holm(found: Sequence[float]) -> list[float]:
    """Correct p-values for their number (Holm 1979): the chance of one false alarm among all stays bounded.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(found)), key=lambda index: found[index])
    corrected = [0.0] * len(found)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min((len(found) - rank) * found[index], 1.0))
        corrected[index] = largest
    return corrected


def _mann_whitney(now: Sequence[int], before: Sequence[int]) -> float:
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(now, before, alternative="two-sided").pvalue)


def _change(
    now: Measurement,
    before: Measurement,
    pair: tuple[tuple[int, ...], tuple[int, ...]],
    p: float | None,
    least: float,
) -> Change:
    medians = [
        percentile(runs, 50) if runs else one.summary.p50_ns
        for one, runs in zip((now, before), pair, strict=True)
    ]
    change = medians[0] / medians[1] - 1 if medians[1] else 0.0
    verdict: Outcome = "same"
    if p is None:
        verdict = "not tested"
    elif p < ALPHA and abs(change) > least:
        verdict = "slower" if change > 0 else "faster"
    return Change(
        kind=now.kind, device=now.device, model=now.model, variant=now.variant, runtime=now.runtime,
        asked=now.asked, before_ns=medians[1], now_ns=medians[0], p=p, verdict=verdict,
        reason="" if p is not None else f"fewer than {LEAST_RUNS} single runs are known",
    )  # fmt: skip


def _grouped(found: Iterable[Measurement]) -> dict[Key, list[Measurement]]:
    groups: dict[Key, list[Measurement]] = {}
    for one in found:
        if one.timed:
            key = (one.kind, one.device, one.model, one.file, one.variant, one.runtime, one.asked)
            groups.setdefault(key, []).append(one)
    return groups


def _samples(found: Sequence[Measurement]) -> tuple[int, ...]:
    return tuple(sample for one in found for sample in one.inference.samples_ns)
