"""Inputs to verify on: what the network takes, and as telling as it takes."""

import numpy as np
import pytest
import torch
from torch import nn

from mobilekit.core.tensors import TensorSpec
from mobilekit.export.program import trace
from mobilekit.pipeline import samples

INDICES = (TensorSpec("k", (1, 16), "int64"),)


@pytest.mark.parametrize(("rows", "most"), [(1000, 7), (5, 3), (1, 0)])
def test_integers_are_as_wide_as_the_network_takes(rows: int, most: int) -> None:
    program = trace(nn.Embedding(rows, 4).eval(), INDICES)
    images = samples.choose_images(None, 1, 0)
    (noise,) = samples.sample_inputs(program, images, None, 0)
    values = np.concatenate([arrays["k"] for arrays in noise.inputs])
    assert values.max() == most
    assert noise.provenance == f"seeded noise, integers 0-{most}"
    samples.with_references(program, [noise], threads=1)


def test_a_network_of_floats_is_not_run_to_choose_its_inputs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = trace(nn.ReLU(), (TensorSpec("x", (1, 4)),))
    monkeypatch.setattr(torch.nn.Module, "__call__", None)
    images = samples.choose_images(None, 1, 0)
    (noise,) = samples.sample_inputs(program, images, None, 0)
    assert noise.provenance == "seeded noise"
