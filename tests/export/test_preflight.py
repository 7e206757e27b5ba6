"""Overflow of float16, places of operators, converters' errors in one line."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mobilekit.core.targets import CoremlTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.export.preflight import find_traps, operator_at, overflowing, place_of, rewrite
from mobilekit.export.program import trace

X = TensorSpec("x", (1, 4))


class Loud(nn.Module):
    """Multiplies by `factor`, then divides by it: in between the values leave float16."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        louder = x * self.factor
        return (louder + 1) / self.factor


def _ones() -> dict[str, np.ndarray]:
    return {"x": np.ones(X.shape, np.float32)}


def test_the_first_operator_beyond_float16_is_named() -> None:
    net = nn.Sequential()
    net.add_module("attention", Loud(1e6))
    (finding,) = overflowing(trace(net, (X,)), [_ones()])
    assert (finding.trap, finding.action, finding.operator) == (
        "float16-overflow", "warned", "aten.mul.Tensor",
    )  # fmt: skip
    assert finding.module == "attention"
    assert finding.source.startswith("test_preflight.py:")
    assert "reaches 1e+06" in finding.text
    assert "65,504" in finding.text


@pytest.mark.parametrize(("factor", "count"), [(65504.0, 0), (65520.0, 1), (-65520.0, 1)])
def test_the_limit_is_65504_in_magnitude(factor: float, count: int) -> None:
    # +1 keeps 65505 and so rounds to 65504 in float16; in float32 it is beyond by one.
    net = nn.Sequential(nn.Identity())
    net.add_module("gain", type("Gain", (nn.Module,), {"forward": lambda _, x: x * factor})())
    assert len(overflowing(trace(net, (X,)), [_ones()])) == count


def test_each_image_counts_and_none_does_without_images() -> None:
    program = trace(Loud(1e4), (X,))
    quiet, loud = _ones(), {"x": np.full(X.shape, 10, np.float32)}
    assert overflowing(program, []) == ()
    assert overflowing(program, [quiet]) == ()
    assert len(overflowing(program, [quiet, loud, quiet])) == 1


def test_what_float16_really_loses_is_what_is_reported(roundtrip: Any) -> None:
    """The Core ML file at float16 gives infinities exactly where the check warned."""
    for factor in (10.0, 1e6):
        program = trace(Loud(factor), (X,))
        warned = bool(overflowing(program, [_ones()]))
        found = roundtrip(program, (X,), CoremlTarget()).outputs["output"]
        assert warned == (not np.isfinite(found).all()), factor


def test_an_infinite_reference_is_no_overflow(apply: Any) -> None:
    program = trace(apply(lambda x: torch.where(x > 0, x, -torch.inf)), (X,))
    assert overflowing(program, [{"x": -np.ones(X.shape, np.float32)}]) == ()


def test_places_are_module_paths_and_lines_of_the_users_source() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Sequential(Loud(2.0)))
    program = trace(net, (X,))
    places = {
        str(node.target): place_of(node)
        for node in program.exported.graph.nodes
        if node.op == "call_function"
    }
    module, source = places["aten.mul.Tensor"]
    assert module == "1.0"
    assert source.startswith("test_preflight.py:")
    assert places["aten.linear.default"][0] == "0"
    assert not any(source.startswith("program.py") for _, source in places.values())


@pytest.mark.parametrize(
    "words",
    [
        "Unsupported fx node mul, kind mul",
        "Lowering not found: aten.mul.Tensor",
        "No ONNX function found for <OpOverload(op='aten.mul', overload='Tensor')>",
        "PyTorch convert function for op 'mul' not implemented.",
    ],
)
def test_converters_words_lead_to_the_operator(words: str) -> None:
    program = trace(nn.Sequential(Loud(2.0)), (X,))
    line = operator_at(program, NotImplementedError(f"{words}\nand\nmore"))
    assert line.startswith("operator mul in 0 (test_preflight.py:")
    assert "\n" not in line


def test_an_error_that_names_a_node_is_put_where_that_node_is() -> None:
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 2))
    program = trace(net, (TensorSpec("x", (1, 3, 4, 4)),))
    words = (
        "Lowering not found: aten.conv2d.default While executing %conv2d_1 : [num_users=1] = call"
        ' Original traceback: File "/somewhere/else.py", line 3'
    )
    line = operator_at(program, RuntimeError(words))
    assert line.startswith("operator conv2d in 1 ")
    assert line.endswith("cannot be converted: Lowering not found: aten.conv2d.default")


def test_an_error_without_an_operator_keeps_its_words() -> None:
    line = operator_at(trace(Loud(2.0), (X,)), ValueError("\x1b[31mout of\nluck\x1b[0m"))
    assert line == "the converter failed: ValueError: out of luck"


def test_a_program_without_traps_is_returned_as_it_is() -> None:
    program = trace(Loud(2.0), (X,))
    same, notes = rewrite(program, CoremlTarget())
    assert same is program
    assert notes == ()
    assert find_traps(program, CoremlTarget()) == ()


def test_a_rewrite_keeps_names_weights_and_values() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.GELU(approximate="tanh"), nn.Linear(4, 2)).eval()
    program = trace(net, (X,))
    rewritten, _ = rewrite(program, CoremlTarget())
    assert (rewritten.inputs, rewritten.outputs) == (program.inputs, program.outputs)
    weights = [value for value in rewritten.exported.state_dict.values() if value.dim() == 2]
    assert {tuple(value.shape) for value in weights} == {(4, 4), (2, 4)}
    x = torch.linspace(-3, 3, 4).reshape(1, 4)
    with torch.no_grad():
        assert torch.allclose(rewritten.module(x)[0], net(x), atol=1e-6)
    assert "gelu" not in str(rewritten.exported.graph)
    assert "gelu" in str(program.exported.graph)
