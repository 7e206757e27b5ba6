"""Steps on a network that has been built."""

from pathlib import Path

import pytest
import torch
from torch import nn

from mobilekit.core.errors import MobilekitError, NoEffectError
from mobilekit.core.tensors import TensorSpec
from mobilekit.nets.sources import Source, load_source
from mobilekit.pipeline.compressing import compress

NETS = Path(__file__).parents[1] / "e2e" / "nets.py"


def tiny() -> Source:
    inputs = (TensorSpec("image", (1, 3, 32, 32), layout="NCHW"),)
    return load_source(f"{NETS}:tiny", arguments={}, weights=None, inputs=inputs)


def test_steps_act_in_their_order_and_report() -> None:
    source = tiny()
    said: list[str] = []
    steps = [{"kind": "prune", "sparsity": 0.5, "round_to": 1}, {"kind": "fold"}]
    smaller, reports = compress(source, steps, 0, said.append)
    assert [report.kind for report in reports] == ["prune", "fold"]
    assert reports[0].params_after == reports[1].params_before
    assert said[0] == "step 1 of 2: prune"
    kinds = [type(module) for module in smaller.module.modules()]
    assert nn.BatchNorm2d not in kinds
    assert nn.BatchNorm2d in [type(module) for module in source.module.modules()]
    assert smaller.module(torch.zeros(2, 3, 32, 32)).shape == (2, 5)


def test_without_steps_nothing_happens() -> None:
    source = tiny()
    assert compress(source, [], 0, lambda _: None) == (source, ())


def test_a_step_that_finds_nothing_to_do_is_an_error() -> None:
    with pytest.raises(NoEffectError):
        compress(tiny(), [{"kind": "prune"}], 0, lambda _: None)


def test_a_wrong_option_names_its_step() -> None:
    with pytest.raises(MobilekitError, match=r"steps\[0\]: .*spartisy"):
        compress(tiny(), [{"kind": "prune", "spartisy": 0.5}], 0, lambda _: None)
