"""Sensitivity analysis: what becomes of a network when one of its parts alone is made sparse.

What it does:
    Zeroes the lowest groups of one layer, or the lowest of one group of coupled channels, measures the
    network, and puts the weights back bit for bit; for each part and each sparsity.

When to use it:
    Before pruning, to see which layers bear it and which do not, and to choose a sparsity for each of them.

When not:
    As a forecast of the whole: the parts are measured one at a time and without training, and what
    several lose together is more than what each loses.

Source:
    Li et al. 2017, "Pruning filters for efficient convnets", section 3.2 and figure 2b; Han et al. 2015,
    "Learning both weights and connections", figure 6. Coupled channels are our own.
"""

import math
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from mobilekit.compress.graph.untouched import evaluating
from mobilekit.compress.sensitivity.measure import SQNR, Measure
from mobilekit.compress.sensitivity.parts import Part, parts_of
from mobilekit.compress.sensitivity.restoring import restoring
from mobilekit.compress.sensitivity.sweep import Sweep
from mobilekit.core.errors import ModelError
from mobilekit.core.reports import SensitivityPart, SensitivityReport, SensitivityRow


def sensitivity(
    network: nn.Module,
    inputs: Sequence[Tensor],
    measure: Measure,
    sweep: Sweep | None = None,
    progress: Callable[[str], None] = lambda _words: None,
) -> SensitivityReport:
    """Measure a network with one part after the other made sparse.

    Weights go and biases stay, as in `sparsify`: a zeroed filter makes a constant. Where a sparsity takes
    as many groups as a smaller one (or none), nothing is measured twice.

    Args:
        network: any module; weights, buffers and modes are left bit for bit as found, even after an error.
        inputs: examples of its positional inputs, to tell which layers make the outputs and which channels
            are coupled.
        measure: what is measured, such as `sqnr` or `labelled`.
        sweep: which parts, which sparsities; filters of each layer at 0.1 to 0.9 by default.
        progress: is told which part is next.

    Returns:
        The measurements.

    Raises:
        RecipeError: options out of range, or patterns that match no layer.
        NoEffectError: no part to make sparse.
        ModelError: a network that cannot be followed, or a measurement that is no finite number.
    """
    sweep = sweep or Sweep()
    parts, notes = parts_of(network, inputs, sweep)
    buffers = list(network.buffers())
    rows: list[SensitivityRow] = []
    with evaluating(network), restoring(buffers):
        progress("measuring the network as it is")
        baseline = _measured(network, measure, "the untouched network")
        for number, part in enumerate(parts, 1):
            progress(f"{sweep.by} {number} of {len(parts)}: {part.name or 'the network'}")
            rows += _swept(network, part, measure, sweep, baseline)
    return SensitivityReport(
        sweep.by,
        sweep.granularity,
        sweep.criterion,
        measure.name,
        measure.better,
        baseline,
        measure.provenance,
        tuple(SensitivityPart(part.name, part.count, part.layers) for part in parts),
        tuple(rows),
        notes,
    )


def _swept(
    network: nn.Module, part: Part, measure: Measure, sweep: Sweep, baseline: float | None
) -> list[SensitivityRow]:
    """Return one row per sparsity."""
    known = {0: baseline}
    rows = []
    for sparsity in sweep.sparsities:
        with restoring([*part.weights, *network.buffers()]):
            removed = part.zero(sparsity)
            if removed not in known:
                place = f"{part.name or 'the network'} at a sparsity of {sparsity:g}"
                known[removed] = _measured(network, measure, place)
        rows.append(SensitivityRow(part.name, sparsity, removed, known[removed]))
    return rows


def _measured(network: nn.Module, measure: Measure, place: str) -> float | None:
    """Return a value; None for an infinite SQNR.

    Raises:
        ModelError: it is no finite number.
    """
    modes = {module: module.training for module in network.modules()}
    try:
        value = float(measure.of(network))
    finally:
        for module, mode in modes.items():
            module.training = mode
    if math.isfinite(value):
        return value
    if value == math.inf and measure.name == SQNR:
        return None
    raise ModelError(
        f"sensitivity: {place}: {measure.name} is {value:g}, no finite number; the outputs or the loss are"
        " not finite. Leave this part out, or take smaller sparsities"
    )
