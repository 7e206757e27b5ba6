"""How much of an error is the network's own: what PyTorch itself loses at a precision.

A network may amplify rounding errors a thousandfold; no file can then be closer to PyTorch than
PyTorch at that precision is to the exact result. Where a file misses the table's bound, this is
measured on the same inputs, and the bound becomes the larger of the two.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from mobilekit.runtime.program import flat

if TYPE_CHECKING:
    from mobilekit.core.tensors import Arrays
    from mobilekit.runtime.program import Program


def own_error(program: "Program", samples: "list[Arrays]", precision: str) -> dict[str, float]:
    """Return the relative L2 error of each output that PyTorch itself has at a precision.

    float32 is compared with float64; float16 (each operator's result and each weight rounded,
    sums in float32, as phones do) with float32.

    Args:
        program: the network.
        samples: inputs in the network's layout.
        precision: float32 or float16.
    """
    module = program.exported.module()
    plain = fx.Interpreter(module)
    exact, rough = (
        (in_float64(program), plain) if precision == "float32" else (plain, Rounding(module))
    )
    signal = dict.fromkeys((spec.name for spec in program.outputs), 0.0)
    error = dict(signal)
    for arrays in samples:
        # Copies: a network may change its inputs in place.
        values = [torch.tensor(arrays[spec.name]) for spec in program.inputs]
        wide = [
            v.double() if precision == "float32" and v.is_floating_point() else v.clone()
            for v in values
        ]
        with torch.no_grad():
            truth, found = flat(exact.run(*wide)), flat(rough.run(*values))
        for spec, first, second in zip(program.outputs, truth, found, strict=True):
            x, y = first.double(), second.double()
            finite = x.isfinite() & y.isfinite()  # an overflow excuses no error elsewhere
            signal[spec.name] += float((x[finite] ** 2).sum())
            error[spec.name] += float(((x - y)[finite] ** 2).sum())
    return {name: (error[name] / signal[name]) ** 0.5 if signal[name] else 0.0 for name in signal}


class Rounding(fx.Interpreter):
    """Runs a program in float32 and rounds weights and results to float16."""

    def run_node(self, n: fx.Node) -> Any:
        """Run one node, and round what it gives."""
        return _rounded(super().run_node(n))


def _rounded(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and value.dtype == torch.float32:
        return value.half().float()
    if isinstance(value, (tuple, list)):
        return type(value)(_rounded(part) for part in value)
    return value


def in_float64(program: "Program") -> fx.Interpreter:
    """Return an interpreter of the program in float64."""
    return Widening(unguarded(program))


def unguarded(program: "Program") -> fx.GraphModule:
    """Return the program as a module that does not refuse inputs of another type."""
    module = program.exported.module()
    for node in module.graph.nodes:
        if node.op == "call_module" and str(node.target).startswith("_guards"):
            module.graph.erase_node(node)
    return module


class Widening(fx.Interpreter):
    """Runs a program in float64: weights, constants and results."""

    def run_node(self, n: fx.Node) -> Any:
        """Run one node on float64 values."""
        value = super().run_node(n)
        if isinstance(value, torch.Tensor) and value.dtype == torch.float32:
            return value.double()
        return value
