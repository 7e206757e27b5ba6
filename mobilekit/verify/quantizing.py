"""How far a quantized network may be from the one of floats: what rounding of that size does to it.

A file of small integers is not meant to compute what the network computes, and how much it loses depends
on the network. What can be known is how large the errors of its weights are (they are read back from the
file) and how coarse its activations: the network is run with random errors of these sizes in their places,
and the file may be `FACTOR["quantized"]` times as far away as that. A layer that the converter broke, a
scale in the wrong place or a range that was not calibrated is far beyond it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from mobilekit.core.quantization import parse
from mobilekit.core.reports import LayerQuantization
from mobilekit.runtime.program import flat, place_of, weights_of
from mobilekit.verify.conditioning import unguarded

if TYPE_CHECKING:
    from mobilekit.core.tensors import Arrays
    from mobilekit.runtime.program import Program

LEVELS = {"int8": 255, "int16": 65535, "dynamic": 255}
"""Steps between the least and the greatest value of an activation."""
DRAWS = 2
_WEIGHTED = ("conv", "linear", "addmm", "mm", "matmul", "bmm")

Range = tuple[float, float]


def expected_error(
    program: "Program",
    samples: "Sequence[Arrays]",
    shown: "Sequence[Arrays]",
    layers: Sequence[LayerQuantization],
    form: str,
) -> dict[str, float]:
    """Return the relative L2 error of each output that errors of a file's size cause.

    Args:
        program: the network.
        samples: inputs to compare on, in the network's layout.
        shown: inputs that the ranges of activations come from; those compared on where there are none.
        layers: what is stored, and how far from the original it is.
        form: words of the form, for its activations.
    """
    activations = parse(form).activations
    module = unguarded(program)
    ranges: dict[str, Range] = {}
    if activations in {"int8", "int16"}:
        ranges = ranges_of(module, [_values(program, arrays) for arrays in (shown or samples)])
    plain = fx.Interpreter(module)
    signal = dict.fromkeys((spec.name for spec in program.outputs), 0.0)
    error = dict(signal)
    with torch.no_grad():
        for draw in range(DRAWS):
            noisy = Disturbed(module, disturbed(program, layers, draw), ranges, activations)
            for arrays in samples:
                truth = flat(plain.run(*_values(program, arrays)))
                found = flat(noisy.run(*_values(program, arrays)))
                for spec, x, y in zip(program.outputs, truth, found, strict=True):
                    finite = x.isfinite() & y.isfinite()
                    signal[spec.name] += float((x[finite].double() ** 2).sum())
                    error[spec.name] += float(((x - y)[finite].double() ** 2).sum())
    return {name: (error[name] / signal[name]) ** 0.5 if signal[name] else 0.0 for name in signal}


def ranges_of(module: fx.GraphModule, inputs: Iterable[Sequence[Tensor]]) -> dict[str, Range]:
    """Return the least and the greatest value that each node of a program gave, 0 among them."""
    seeing = _Seeing(module)
    with torch.no_grad():
        for values in inputs:
            seeing.run(*values)
    return seeing.ranges


def disturbed(
    program: "Program", layers: Sequence[LayerQuantization], seed: int
) -> dict[str, Tensor]:
    """Return the weights with random errors as large as those of the file, by the program's own names.

    The errors of an output channel are in proportion to its largest weight, as those of a scale per
    channel are.
    """
    generator = torch.Generator().manual_seed(seed)
    place, weights = place_of(program), weights_of(program)
    found = {}
    for row in layers:
        weight = weights.get(f"{row.layer}.weight", weights.get(row.layer))
        if weight is None or row.error_energy == 0.0:
            continue
        peaks = weight.abs().flatten(1).amax(1)
        noise = torch.randn(weight.shape, generator=generator)
        noise = noise * peaks.reshape(-1, *[1] * (weight.ndim - 1))
        energy = float((noise.double() ** 2).sum())
        share = weight.numel() / max(row.elements, 1)
        size = (row.error_energy / _scale(row, weight) * share / energy) ** 0.5 if energy else 0.0
        name = f"{row.layer}.weight" if f"{row.layer}.weight" in weights else row.layer
        found[place + name] = weight + noise * size
    return found


def _scale(row: LayerQuantization, weight: Tensor) -> float:
    """Return how much larger the file's weights are, squared: a norm may have been folded into them."""
    energy = float((weight.double() ** 2).sum())
    return row.signal_energy / energy if energy and row.signal_energy else 1.0


def _values(program: "Program", arrays: "Arrays") -> list[Tensor]:
    return [torch.tensor(arrays[spec.name]) for spec in program.inputs]


class _Seeing(fx.Interpreter):
    """Runs a program and remembers the range of each result."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.ranges: dict[str, Range] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Run one node and look at what it gives."""
        value = super().run_node(n)
        if n.op != "get_attr" and isinstance(value, Tensor) and value.is_floating_point():
            finite = value[value.isfinite()]
            if finite.numel():
                low, high = self.ranges.get(n.name, (0.0, 0.0))
                self.ranges[n.name] = (
                    min(low, float(finite.min())),
                    max(high, float(finite.max())),
                )
        return value


class Disturbed(fx.Interpreter):
    """Runs a program with other weights and with rounded activations."""

    def __init__(
        self,
        module: fx.GraphModule,
        weights: Mapping[str, Tensor],
        ranges: Mapping[str, Range],
        activations: str,
    ) -> None:
        super().__init__(module)
        self._weights, self._ranges = weights, ranges
        self._levels = LEVELS.get(activations, 0)

    def get_attr(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Return a parameter, or what stands for it."""
        return self._weights.get(str(target), super().get_attr(target, args, kwargs))

    def run_node(self, n: fx.Node) -> Any:
        """Run one node; round what it gives where that has a range."""
        source = n.args[0] if self._levels and not self._ranges and _weighs(n) else None
        if isinstance(source, fx.Node):
            self.env[source] = self._own_range(self.env[source])
        value = super().run_node(n)
        if n.name in self._ranges and isinstance(value, Tensor) and value.is_floating_point():
            return rounded(value, *self._ranges[n.name], self._levels)
        return value

    def _own_range(self, value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.is_floating_point() or not value.numel():
            return value
        low, high = min(0.0, float(value.min())), max(0.0, float(value.max()))
        return rounded(value, low, high, self._levels)


def rounded(value: Tensor, low: float, high: float, levels: int) -> Tensor:
    """Round to evenly spaced values from `low` to `high`.

    >>> rounded(torch.tensor([0.1, 0.6, 2.0]), 0.0, 1.0, 2)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if high <= low:
        return value
    step = (high - low) / levels
    return ((value.clamp(low, high) - low) / step).round() * step + low


def _weighs(node: fx.Node) -> bool:
    name = str(node.target)
    return (
        node.op == "call_function"
        and any(f"aten.{word}" in name for word in _WEIGHTED)
        and bool(node.args)
    )
