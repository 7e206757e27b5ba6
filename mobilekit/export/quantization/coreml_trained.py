"""Ranges of training for the integers of a Core ML file: which of its values layers were trained to read."""

from collections.abc import Collection, Sequence

from mobilekit.export.quantization.coreml_activations import CORES, MOVES, bindings
from mobilekit.export.quantization.coreml_layers import Fate
from mobilekit.export.quantization.coreml_package import Package, blocks, inputs_of
from mobilekit.export.quantization.coreml_weights import argument
from mobilekit.export.quantization.ranges import Ranges
from mobilekit.export.quantization.trained import Node, Read, planned, refused, said, spread

_COMPUTED = frozenset({"classify", "const", "dequantize", "quantize"})
CHOOSERS = (MOVES - _COMPUTED) | {"max_pool", "upsample_nearest_neighbor"}
"""Operators that choose among the values they take."""


def with_trained(
    package: Package, fates: Sequence[Fate], integer: Collection[str], statistics: Ranges
) -> tuple[Ranges, tuple[str, ...]]:
    """Return calibrated ranges with those of training in their place, and what to say of them.

    Args:
        package: the file of floats; operators are looked up in it.
        fates: what becomes of each layer.
        integer: outputs of the operators that have integer activations.
        statistics: of calibration, with the plan of the network's training.
    """
    trained = planned(statistics.plan, [(fate.layer, fate.asked) for fate in fates])
    read = [
        Read(fate.layer, argument(taker, "x"), range_)
        for fate, range_ in zip(fates, trained, strict=True)
        if range_ is not None
        for taker in fate.weight.takers
        if taker.type in CORES and taker.outputs[0].name in integer
    ]
    if not read:
        return statistics, ()

    def calibrated(name: str) -> tuple[float, float]:
        return statistics.range(name) if name in statistics else (0.0, 0.0)

    nodes = _nodes(package)
    other = refused(read, nodes, inputs_of(package.spec).keys(), calibrated)
    read = [one for one in read if one.layer not in other]
    ends = spread(read, nodes, calibrated, tied=False)
    used = [one.layer for one in read if ends[one.tensor] == (one.range.low, one.range.high)]
    shared = "another layer reads the same values in another range"
    other |= {one.layer: shared for one in read if one.layer not in used}
    return statistics.fixed(ends), said(used, other)


def _nodes(package: Package) -> list[Node]:
    return [
        Node(
            tuple(binding.name for binding in bindings(one) if binding.name),
            tuple(output.name for output in one.outputs),
            one.type in CHOOSERS,
        )
        for block in blocks(package.spec)
        for one in block.operations
        if one.type != "const"
    ]
