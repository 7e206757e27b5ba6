"""What each layer may become and what is chosen of it, without files."""

import pytest
import torch
from torch import nn

from mobilekit.core.reports import LayerQuantization
from mobilekit.core.tensors import TensorSpec
from mobilekit.export.program import trace
from mobilekit.pipeline.mixing import Mixing, choices_of, solved
from mobilekit.search.allotment import Choice

FORMS = ("weights:palette2", "weights:palette8")


def row(layer: str, words: str, size: int, error: float) -> LayerQuantization:
    return LayerQuantization(layer, layer, words, words, 80, size, size, 1.0, error)


def rows(*layers: str) -> dict[str, tuple[LayerQuantization, ...]]:
    return {
        "weights:palette2": tuple(row(layer, "weights:palette2", 20, 0.1) for layer in layers),
        "weights:palette8": tuple(row(layer, "weights:palette8", 80, 1e-4) for layer in layers),
    }


def test_errors_weigh_as_much_as_the_norm_after_them_lets_through() -> None:
    first, norm, last = nn.Conv2d(3, 2, 1, bias=False), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1)
    norm.running_var = torch.tensor([1.0, 100.0]) - norm.eps
    program = trace(
        nn.Sequential(first, norm, last).eval(), (TensorSpec("x", (1, 3, 4, 4), layout="NCHW"),)
    )
    weight = first.weight.detach().double().flatten(1)
    moved = {"0.weight": torch.tensor([3.0, 0.05]).double(), "2.weight": torch.ones(2).double()}
    found = choices_of(rows("0", "2"), program, moved)
    # of the file's weights w_o f_o, a tenth of the energy errs, as much in each of the 6 numbers
    energy = float((weight**2).sum(1) @ torch.tensor([1.0, 0.01]).double())
    wanted = 0.1 * energy / 6 * (3.0 / 1.0 + 0.05 / 0.01)
    assert found["0"][0].error == pytest.approx(wanted, rel=1e-6)
    other = float((last.weight.detach().double() ** 2).sum())
    assert found["2"][0].error == pytest.approx(0.1 * other / 4 * 2, rel=1e-6)


def test_the_layer_that_matters_gets_the_bits() -> None:
    choices = {
        "a": [Choice("weights:palette2", 20, 0.5), Choice("weights:palette8", 80, 1e-3)],
        "b": [Choice("weights:palette2", 20, 0.1), Choice("weights:palette8", 80, 1e-4)],
    }
    mixed = solved(Mixing("coreml", FORMS, "mean_bits", 5.0), rows("a", "b"), choices)
    layers = dict.fromkeys(choices, mixed.quantization.form) | mixed.quantization.layers
    assert layers == {"a": "weights:palette8", "b": "weights:palette2"}
    assert mixed.mean_bits == 5.0
    assert mixed.expected_sqnr_db == pytest.approx(9.9568, abs=1e-3)
    assert mixed.uniform[0] == "weights:palette2 for all: 2.00 bits, 2.2 dB expected"
