"""How far a network is from itself once what its layers read is rounded and clipped as in its training.

Ranges of training may clip: that is learnt, and no fault of a file that does the same.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from mobilekit.core.quantization import FLOAT, parse
from mobilekit.core.quantization_plan import QuantizationPlan, Range
from mobilekit.core.reports import LayerQuantization
from mobilekit.export.quantization.trained import planned
from mobilekit.runtime.program import flat, place_of

if TYPE_CHECKING:
    from mobilekit.core.tensors import Arrays
    from mobilekit.runtime.program import Program

LEVELS = {"int8": 255, "int16": 65534}
"""Steps between the ends of a range."""


def trained_error(
    program: "Program",
    module: fx.GraphModule,
    samples: "Sequence[Arrays]",
    layers: Sequence[LayerQuantization],
    plan: QuantizationPlan,
) -> dict[str, float]:
    """Return the relative L2 error of each output that the ranges of training cause.

    Args:
        program: the network.
        module: what it computes.
        samples: inputs, in the network's layout.
        layers: how each layer is stored; only those with the integers of the plan are rounded.
        plan: of the training.
    """
    forms = [None if row.stored == FLOAT else parse(row.stored) for row in layers]
    names = [row.layer for row in layers]
    place = place_of(program)
    read: dict[str, tuple[Range, int]] = {}
    for name, form, range_ in zip(
        names, forms, planned(plan, zip(names, forms, strict=True)), strict=True
    ):
        if range_ is not None and form is not None:
            levels = LEVELS[form.activations]
            read |= {f"{place}{name}{end}": (range_, levels) for end in (".weight", "")}
    plain, rounding = fx.Interpreter(module), _Rounding(module, read)
    signal = dict.fromkeys((spec.name for spec in program.outputs), 0.0)
    error = dict(signal)
    with torch.no_grad():
        for arrays in samples:
            values = [torch.tensor(arrays[spec.name]) for spec in program.inputs]
            truth, found = flat(plain.run(*values)), flat(rounding.run(*values))
            for spec, x, y in zip(program.outputs, truth, found, strict=True):
                finite = x.isfinite() & y.isfinite()
                signal[spec.name] += float((x[finite].double() ** 2).sum())
                error[spec.name] += float(((x - y)[finite].double() ** 2).sum())
    return {name: (error[name] / signal[name]) ** 0.5 if signal[name] else 0.0 for name in signal}


class _Rounding(fx.Interpreter):
    """Runs a program with what some layers read on a grid."""

    def __init__(self, module: fx.GraphModule, read: Mapping[str, tuple[Range, int]]) -> None:
        super().__init__(module)
        self._read = read

    def run_node(self, n: fx.Node) -> Any:
        """Run one node; one that takes the weights of such a layer takes rounded values."""
        weight = n.args[1] if n.op == "call_function" and len(n.args) > 1 else None
        name = str(weight.target) if isinstance(weight, fx.Node) else ""
        if name not in self._read:
            return super().run_node(n)
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        return self.call_function(
            n.target, (_on_grid(args[0], *self._read[name]), *args[1:]), kwargs
        )


def _on_grid(values: Tensor, range_: Range, levels: int) -> Tensor:
    step = (range_.high - range_.low) / levels
    zero = round(-range_.low / step)
    return ((values / step).round() + zero).clamp(0, levels).sub(zero) * step
