"""What the ranges of a training do to a network's outputs, by hand."""

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from mobilekit.core.quantization_plan import LayerPlan, QuantizationPlan, Range
from mobilekit.core.reports import LayerQuantization
from mobilekit.core.tensors import TensorSpec
from mobilekit.export.program import trace
from mobilekit.export.quantization.trained_error import trained_error
from mobilekit.verify.conditioning import unguarded

ROW = LayerQuantization("0", "w", "static:int8", "static:int8", 3, 3, 3, 1.0, 0.0)
INPUT = np.array([[1.0, 3.0, -2.0]], np.float32)


def error(range_: Range | None, row: LayerQuantization = ROW) -> float:
    network = nn.Sequential(nn.Linear(3, 1, bias=False), nn.ReLU())
    with torch.no_grad():
        network[0].weight.fill_(1.0)
    program = trace(network.eval(), (TensorSpec("x", (1, 3)),))
    plan = QuantizationPlan("static:int8", (LayerPlan("0", "static:int8", (), (), range_),))
    found = trained_error(program, unguarded(program), [{"x": INPUT}], [row], plan)
    return found[program.outputs[0].name]


def test_what_is_beyond_the_range_is_clipped() -> None:
    # 3 becomes 2.54 (127 steps of 0.02): 1 + 2.54 − 2 where the network has 1 + 3 − 2
    assert error(Range(-2.56, 2.54)) == pytest.approx(0.46 / 2.0, rel=1e-4)


def test_a_wide_range_leaves_half_a_step_of_each() -> None:
    assert error(Range(-128.0, 127.0)) == 0.0
    assert error(Range(-64.0, 63.5)) == 0.0
    assert 0 < error(Range(-4.0, 3.97)) <= 3 * (7.97 / 255) / 2 / 2.0


def test_layers_with_other_integers_or_none_stay_as_they_are() -> None:
    narrow = Range(-0.5, 0.5)
    assert error(narrow) > 0.1
    assert error(None) == 0.0
    for stored in ("float", "weights:int8", "static:int8x16"):
        assert error(narrow, msgspec.structs.replace(ROW, stored=stored)) == 0.0
