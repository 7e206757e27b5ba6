"""Tracing: names, normalization, modes, and what cannot be followed."""

import collections
import dataclasses
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from mobilekit.core.artifact import Normalization
from mobilekit.core.errors import ModelError
from mobilekit.core.tensors import TensorSpec
from mobilekit.export.program import flatten, trace
from mobilekit.runtime.program import run

IMAGE = TensorSpec("image", (1, 3, 8, 6), layout="NCHW")


class Pair(NamedTuple):
    scores: torch.Tensor
    boxes: torch.Tensor


@dataclasses.dataclass
class Held:
    logits: torch.Tensor
    hidden: torch.Tensor | None = None


torch.utils._pytree.register_dataclass(Held)


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (lambda x: x + 1, ["output"]),
        (lambda x: (x + 1, x + 2, x + 3), ["output", "output_1", "output_2"]),
        (lambda x: [x + 1], ["output"]),
        (lambda x: {"zeta": x + 1, "alpha": x + 2}, ["zeta", "alpha"]),
        (lambda x: collections.OrderedDict(out=x + 1, aux=x + 2), ["out", "aux"]),
        (lambda x: {"maps": (x + 1, x + 2), "out": x}, ["maps_0", "maps_1", "out"]),
        (lambda x: {"a b": x + 1, "3": x + 2}, ["a_b", "output_1"]),
        (lambda x: Pair(x + 1, x + 2), ["scores", "boxes"]),
        (lambda x: Held(x + 1), ["logits"]),
        (lambda x: Held(x + 1, x + 2), ["logits", "hidden"]),
    ],
)
def test_outputs_are_flat_and_named(function: Any, names: list[str], apply: Any) -> None:
    program = trace(apply(function), (IMAGE,))
    assert [spec.name for spec in program.outputs] == names
    given = {"image": np.zeros(IMAGE.shape, np.float32)}
    outputs = run(program, given)
    # Each net adds n to its n-th tensor and 0 to a tensor that it passes on.
    expected = [value.numpy() for _, value in flatten(function(torch.zeros(IMAGE.shape)))]
    for name, value in zip(names, expected, strict=True):
        assert (outputs[name] == value).all(), name


def test_given_output_names_win(apply: Any) -> None:
    program = trace(apply(lambda x: (x, x * 2)), (IMAGE,), output_names=("one", "two"))
    assert [spec.name for spec in program.outputs] == ["one", "two"]


def test_a_wrong_number_of_output_names_is_refused(apply: Any) -> None:
    with pytest.raises(ModelError, match="2 output names for 1 outputs"):
        trace(apply(lambda x: x), (IMAGE,), output_names=("one", "two"))


@pytest.mark.parametrize(
    "normalization",
    [
        Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 1 / 255),
        Normalization((127.5,), (127.5,)),
        Normalization((0.0,), (1.0,), 1 / 255),
    ],
)
def test_normalization_is_the_formula_in_float64(normalization: Normalization, apply: Any) -> None:
    program = trace(apply(lambda x: x), (IMAGE,), normalization=normalization)
    pixels = np.random.default_rng(0).integers(0, 256, IMAGE.shape).astype(np.float32)
    column = (-1, 1, 1)
    mean = np.array(normalization.mean).reshape(column)
    std = np.array(normalization.std).reshape(column)
    expected = (pixels.astype(np.float64) * normalization.scale - mean) / std
    found = run(program, {"image": pixels})["output"]
    # Four roundings of float32 (two constants, product, sum) of terms no greater than 3/std.
    assert (
        np.abs(found - expected).max() <= 4 * 2**-24 * (np.abs(expected) + np.abs(mean / std)).max()
    )


@pytest.mark.parametrize(
    ("normalization", "spec", "words"),
    [
        (Normalization((0.1, 0.2)), IMAGE, "--mean: 2 values for the 3 channels of image"),
        (Normalization((0.1,), (1.0, 2.0)), IMAGE, "--std: 2 values"),
        (Normalization((0.1,)), TensorSpec("rows", (1, 3)), "rows, is no float image"),
        (Normalization((0.1,), (0.0,)), IMAGE, "--std"),
    ],
)
def test_statistics_that_do_not_fit_are_refused(
    normalization: Normalization, spec: TensorSpec, words: str, apply: Any
) -> None:
    with pytest.raises(ModelError, match=words):
        trace(apply(lambda x: x), (spec,), normalization=normalization)


def test_the_module_is_left_as_found() -> None:
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.Dropout(0.5))
    net.train()
    net[1].eval()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    torch_state = torch.get_rng_state()
    program = trace(net, (IMAGE,))
    assert [part.training for part in net.modules()] == [True, True, False, True]
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert torch.equal(torch.get_rng_state(), torch_state)
    given = {"image": np.ones(IMAGE.shape, np.float32)}
    net.eval()
    with torch.no_grad():
        expected = net(torch.ones(IMAGE.shape)).numpy()
    # The program holds evaluation mode, whatever the module was in.
    assert np.abs(run(program, given)["output"] - expected).max() <= 1e-6


def test_several_inputs_keep_their_order_and_types(apply: Any) -> None:
    specs = (TensorSpec("b", (2, 3)), TensorSpec("a", (2,), "int64"), TensorSpec("m", (2,), "bool"))
    program = trace(apply(lambda b, a, m: b[a].sum(1) * m), specs)
    assert program.inputs == specs
    b = np.arange(6, dtype=np.float32).reshape(2, 3)
    given = {"b": b, "a": np.array([1, 0]), "m": np.array([True, False])}
    assert run(program, given)["output"].tolist() == [12.0, 0.0]


def test_control_flow_on_data_names_the_line_and_the_way_out() -> None:
    class Branching(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.sum() > 0:
                return x
            return -x

    with pytest.raises(ModelError) as raised:
        trace(Branching(), (IMAGE,))
    line = str(raised.value)
    assert "depends on its data" in line
    assert "test_program.py:" in line
    assert "post-processing" in line
    assert "\n" not in line


def test_outputs_that_are_no_tensors_are_refused(apply: Any) -> None:
    with pytest.raises(ModelError, match="returns a str"):
        trace(apply(lambda _: "cat"), (IMAGE,))
    with pytest.raises(ModelError, match="returns no tensor"):
        trace(apply(lambda _: ()), (IMAGE,))


def test_a_net_that_fails_on_its_inputs_says_so_in_one_line() -> None:
    with pytest.raises(ModelError) as raised:
        trace(nn.Conv2d(5, 2, 1), (IMAGE,))
    line = str(raised.value)
    assert "image 1x3x8x6" in line
    assert "5 channels" in line
    assert "\n" not in line
