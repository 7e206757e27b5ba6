"""The comparison of a file's outputs with the network's, and the verdict on it."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from mobilekit.core.reports import InputSetParity, OutputParity, ParityReport, Verdict
from mobilekit.core.targets import Target, format_of, variant_of
from mobilekit.verify.tolerance import decibels, excused, greatest_relative_l2

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mobilekit.core.tensors import Array, Arrays

    Values = npt.NDArray[np.float64]

MARGIN_DEVIATIONS = 6.0
"""A position is decided where the margin exceeds this many times the error's allowed RMS."""


def judge(
    file: str,
    target: Target,
    runtime: str,
    sets: "list[tuple[str, list[Arrays], list[Arrays]]]",
    own: Callable[[int], dict[str, float]] | None = None,
) -> ParityReport:
    """Compare a file's outputs with the network's over sets of inputs.

    Args:
        file: name of the file.
        target: what it was exported as; picks the bound.
        runtime: what ran it.
        sets: name, the network's outputs per sample, the file's outputs per sample; the latter in
            the network's order of axes.
        own: gives, for the index of a set, the relative error that PyTorch itself has per output at
            the target's precision; asked only where the table's bound is missed.

    Returns:
        `pass` when every output of every set is within the bound and finite, else `fail` with the
        first reason.
    """
    rows, reason = [], ""
    for index, (name, references, actual) in enumerate(sets):
        misfit = _misfit(references, actual)
        if misfit:
            reason = reason or f"on {name}: {misfit}"
            continue
        bounds = dict.fromkeys(references[0], greatest_relative_l2(target))
        outputs = _compared(references, actual, bounds)
        if own is not None and _missed(outputs, bounds):
            errors = own(index)
            bounds = {key: excused(target, errors.get(key, 0.0)) for key in bounds}
            outputs = _compared(references, actual, bounds)
        rows.append(InputSetParity(name, len(references), outputs))
        reason = reason or _reason(name, outputs, bounds)
    verdict: Verdict = "fail" if reason else "pass"
    return ParityReport(
        file, format_of(target), variant_of(target), runtime, verdict, reason, tuple(rows)
    )


def _compared(
    references: "list[Arrays]", actual: "list[Arrays]", bounds: dict[str, float]
) -> tuple[OutputParity, ...]:
    return tuple(
        compare(key, [r[key] for r in references], [a[key] for a in actual], bounds[key])
        for key in references[0]
    )


def _missed(outputs: tuple[OutputParity, ...], bounds: dict[str, float]) -> bool:
    return any(
        not row.non_finite and (row.relative_l2 > bounds[row.output] or row.agreed < row.decided)
        for row in outputs
    )


def compare(
    output: str, references: "list[Array]", actual: "list[Array]", bound: float
) -> OutputParity:
    """Accumulate the differences of one output over all samples.

    Values that are not finite in the reference are expected to be the same in the file; they count
    as non-finite when they are not, and never enter the energies.

    Args:
        output: its name.
        references: the network's values, one array per sample.
        actual: the file's values, of the same shapes.
        bound: greatest relative L2 error, from which the margin of a decided position follows.
    """
    import numpy as np

    cut = threshold(references)
    signal = error = product = energy = worst = peak = 0.0
    non_finite = elements = decided = agreed = 0
    for reference_, actual_ in zip(references, actual, strict=True):
        first, second = reference_.astype(np.float64), actual_.astype(np.float64)
        finite = np.isfinite(first) & np.isfinite(second)
        same = (first == second) | (np.isnan(first) & np.isnan(second))
        non_finite += int((~finite & ~same).sum())
        elements += first.size
        x, y = first[finite], second[finite]
        difference = y - x
        signal += float(x @ x)
        error += float(difference @ difference)
        product += float(x @ y)
        energy += float(y @ y)
        worst = max(worst, float(np.abs(difference).max(initial=0.0)))
        peak = max(peak, float(np.abs(x).max(initial=0.0)))
        counts = agreement(first, second, bound, cut)
        decided, agreed = decided + counts[0], agreed + counts[1]
    return OutputParity(
        output, elements, signal, error, product, energy, worst, peak, non_finite, decibels(bound),
        decided, agreed,
    )  # fmt: skip


def threshold(references: "list[Array]") -> float | None:
    """Return where the one channel of a mask divides its two classes; None where that is not known.

    [N, 1] and [N, 1, H, W] are logits, cut at 0, where a value is negative, and probabilities, cut at
    0.5, where all lie within 0 and 1.
    """
    import numpy as np

    if any(one.ndim not in {2, 4} or one.shape[1] != 1 for one in references):
        return None
    values = np.concatenate([one.reshape(-1).astype(np.float64) for one in references])
    if (values < 0).any():
        return 0.0
    return 0.5 if (values <= 1).all() else None


def agreement(
    reference: "Values", actual: "Values", bound: float, cut: float | None = None
) -> tuple[int, int]:
    """Count the positions whose class is decided, and those on which both name the same class.

    Classes lie along axis 1 of [N, C] and [N, C, H, W]; a mask of one channel has two, below and above
    `cut`. A position is decided where the margin between the reference's two largest values, or to
    `cut`, exceeds six times the RMS error that the bound allows, so that near-ties decide nothing.
    """
    import numpy as np

    if reference.ndim not in {2, 4} or not reference.size or not np.isfinite(reference).all():
        return 0, 0
    if reference.shape[1] > 1:
        two = np.partition(reference, -2, axis=1)
        margin = two[:, -1] - two[:, -2]
        same = reference.argmax(axis=1) == actual.argmax(axis=1)
    elif cut is not None:
        margin = np.abs(reference - cut)
        same = (reference > cut) == (actual > cut)
    else:
        return 0, 0
    allowed = bound * math.sqrt(float(np.mean(reference**2)))
    decided = margin > MARGIN_DEVIATIONS * allowed
    return int(decided.sum()), int((decided & same).sum())


def _misfit(references: "list[Arrays]", actual: "list[Arrays]") -> str:
    """Say which output is missing or of another shape."""
    for reference, found in zip(references, actual, strict=True):
        for key, value in reference.items():
            if key not in found:
                return f"the file gives no output {key!r} (it gives {', '.join(sorted(found))})"
            if found[key].shape != value.shape:
                return f"{key}: shape {list(found[key].shape)} instead of {list(value.shape)}"
    return ""


def _reason(name: str, outputs: tuple[OutputParity, ...], bounds: dict[str, float]) -> str:
    for row in outputs:
        least = decibels(bounds[row.output])
        if row.non_finite:
            return f"on {name}: {row.output}: {row.non_finite} values are not finite"
        if row.sqnr_db < least:
            return f"on {name}: {row.output}: {row.sqnr_db:.1f} dB, less than {least:.0f} dB"
        if row.agreed < row.decided:
            return (
                f"on {name}: {row.output}: {row.decided - row.agreed} of {row.decided} decided"
                " positions name another class"
            )
    return ""
