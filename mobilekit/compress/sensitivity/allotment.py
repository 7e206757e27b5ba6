"""From a report to a sparsity per layer, as `context` of a sparsification takes it."""

import glob
import math

from mobilekit.core.errors import NoEffectError, RecipeError
from mobilekit.core.reports import SensitivityReport


def sparsities_for(
    report: SensitivityReport, bound: float, final: float | None = None
) -> dict[str, float]:
    """Return a sparsity per layer: as far as the bound allows, scaled down so that `final` goes of all.

    Let mᵢ be how many of the nᵢ groups of part i were zero at its largest sparsity within the bound
    (`SensitivityReport.within`), M = Σ mᵢ and T = ⌊final · Σ nᵢ⌋. Part i loses ⌊T · mᵢ / M⌋ groups, and
    those with the largest remainders one more (of equal ones the first), so that exactly T go and none
    loses more than mᵢ. Without `final`, part i loses mᵢ.

    By group, each layer that makes the channels gets the sparsity of its group, the least of them where it
    is in several.

    Args:
        report: of an analysis; its granularity and criterion are those to sparsify with.
        bound: least SQNR in dB; of other measures, largest distance from the baseline.
        final: share of all groups that goes, 0–1.

    Returns:
        Sparsities by pattern of the layers' names; 0 for those that bear nothing.

    Raises:
        RecipeError: `final` out of range, or more than the bound allows; how much it allows is said.
        NoEffectError: not one group can go.
    """
    if final is not None and not 0 < final < 1:
        raise RecipeError(
            f"sensitivity: final is a share between 0 and 1, such as 0.5, not {final:g}"
        )
    found = report.within(bound)
    counts = {name: 0 if row is None else row.removed for name, row in found.items()}
    most, total = sum(counts.values()), sum(part.count for part in report.parts)
    if most == 0:
        raise NoEffectError(
            f"sensitivity: a bound of {bound:g} ({report.measure}) lets no {report.by} lose anything;"
            " loosen it, or measure smaller sparsities"
        )
    if final is not None:
        counts = _scaled(counts, _target(final, total, most, bound))
    sparsities: dict[str, float] = {}
    for part in report.parts:
        for layer in part.layers:
            pattern, share = glob.escape(layer), counts[part.name] / part.count
            sparsities[pattern] = min(share, sparsities.get(pattern, 1.0))
    return sparsities


def _target(final: float, total: int, most: int, bound: float) -> int:
    target = int(final * total + 1e-9)
    if target > most:
        allowed = math.floor(1000 * most / total) / 1000
        raise RecipeError(
            f"sensitivity: a bound of {bound:g} allows {allowed:g} of all groups to go, not {final:g};"
            " loosen the bound or lower final"
        )
    if target == 0:
        raise NoEffectError(
            f"sensitivity: {final:g} of {total} groups takes none of them away; raise final"
        )
    return target


def _scaled(counts: dict[str, int], target: int) -> dict[str, int]:
    """Divide a target in proportion to some counts, by largest remainders.

    >>> _scaled({"a": 4, "b": 2, "c": 1}, 4)
    {'a': 2, 'b': 1, 'c': 1}
    """
    most = sum(counts.values())
    shares = {name: divmod(target * count, most) for name, count in counts.items()}
    missing = target - sum(whole for whole, _ in shares.values())
    extra = set(sorted(shares, key=lambda name: -shares[name][1])[:missing])
    return {name: whole + (name in extra) for name, (whole, _) in shares.items()}
