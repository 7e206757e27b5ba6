import numpy as np
import pytest
import torch
from torch import nn

from mobilekit.runtime.program import Program
from mobilekit.verify.intermediates import of_coreml, of_network, of_tflite, output_nodes
from tests.verify.conftest import Converted, small, traced

HALF = 2.0**-11  # unit roundoff of float16


def test_the_values_of_the_network_are_those_of_its_modules(
    program: Program, inputs: dict[str, np.ndarray]
) -> None:
    net = small()
    seen: dict[str, np.ndarray] = {}
    for name, module in net.named_modules():
        if not list(module.children()) and not isinstance(module, nn.ReLU):
            module.register_forward_hook(
                lambda _m, _i, out, name=name: seen.update({name: out.detach().clone().numpy()})
            )
    with torch.no_grad():
        net(torch.from_numpy(inputs["image"]))
    values = {v.module: v.array for v in of_network(program, inputs, "float32") if v.module in seen}
    assert set(values) == set(seen)
    for name, value in values.items():
        # Same operators in the same order: the same bits but for a choice of kernel.
        np.testing.assert_allclose(value, seen[name], rtol=1e-5, atol=1e-6)


def test_an_in_place_operator_does_not_overwrite_what_it_read(
    program: Program, inputs: dict[str, np.ndarray]
) -> None:
    values = {v.module: v.array for v in of_network(program, inputs, "float32")}
    before, after = values["branch.body.1"], values["branch.body.2"]
    assert before.min() < 0
    np.testing.assert_array_equal(after, np.maximum(before, 0))


def test_the_inputs_come_first(program: Program, inputs: dict[str, np.ndarray]) -> None:
    first = of_network(program, inputs, "float32")[0]
    assert first.operator == "input"
    np.testing.assert_array_equal(first.array, inputs["image"])


@pytest.mark.parametrize(("precision", "unit"), [("float32", 2.0**-24), ("float16", HALF)])
def test_own_errors_are_of_the_size_of_the_unit_roundoff(
    program: Program, inputs: dict[str, np.ndarray], precision: str, unit: float
) -> None:
    values = of_network(program, inputs, precision)
    errors = {v.module: v.own_error for v in values if v.module}
    # One rounding errs by at most `unit`, RMS unit / √3 or so; some ten operators add up, and sums
    # of up to 72 terms (3·3·8) in float32 add √72 roundings: between a tenth and a hundred units.
    assert all(unit / 10 < error < 100 * unit for error in errors.values())


def test_output_nodes_are_those_that_the_graph_returns(program: Program) -> None:
    assert output_nodes(program) == {"scores": "linear"}


def test_a_program_with_two_outputs_names_both() -> None:
    class Two(nn.Module):
        def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"up": torch.exp(image), "down": torch.neg(image)}

    assert output_nodes(traced(Two())) == {"up": "exp", "down": "neg"}


@pytest.mark.parametrize("kind", ["tflite", "coreml"])
def test_a_files_values_come_in_order_with_their_sources(
    kind: str, request: pytest.FixtureRequest
) -> None:
    file: Converted = request.getfixturevalue(kind)
    take = of_tflite if kind == "tflite" else of_coreml
    values = take(file.path, file.feed, {"scores": "linear"})
    assert [v.pinned for v in values if v.pinned] == ["linear"]
    assert values[-1].pinned == "linear"
    assert all(source < place for place, v in enumerate(values) for source in v.sources)
    # One chain with a branch: every value but the first comes from an earlier one.
    assert all(v.sources for v in values[1:])
    assert any(len(v.sources) == 2 for v in values)
    assert all(v.array.dtype.kind == "f" for v in values)
    assert [v.index for v in values] == sorted(v.index for v in values)
