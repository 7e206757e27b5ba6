"""Sparsities per layer out of a sensitivity report."""

from pathlib import Path

import msgspec
import pytest
import torch
from torch import nn

from mobilekit.compress.base import Context
from mobilekit.compress.during.sparsify import Sparsify
from mobilekit.compress.sensitivity.analysis import sensitivity
from mobilekit.compress.sensitivity.measure import Measure
from mobilekit.core.errors import RecipeError


def test_layers_are_pruned_as_far_as_the_report_allows(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(1, 10, 3), nn.Conv2d(10, 10, 3), nn.Conv2d(10, 2, 3))
    inputs = (torch.rand(1, 1, 12, 12),)

    def kept(net: nn.Module) -> float:  # the first layer must not lose anything
        return 1.0 - float(net[0].weight.flatten(1).any(1).logical_not().sum())

    report = sensitivity(network, inputs, Measure("accuracy", kept))
    path = tmp_path / "report.json"
    path.write_bytes(msgspec.json.encode({"network": "net", "report": report}))
    method = Sparsify(
        granularity="filter", context="sensitivity", report=str(path), bound=0.1, sparsity=0.3,
        schedule="one_shot",
    )  # fmt: skip
    handle = method.start(network, Context(inputs))
    handle.after_step(1.0)
    dead = [int(net.weight.flatten(1).any(1).logical_not().sum()) for net in network]
    assert dead == [
        0,
        6,
        0,
    ]  # 30 % of 20 filters, all of the second layer; the last makes the outputs


def test_it_needs_a_report(tmp_path: Path) -> None:
    context = Context((torch.rand(1, 1, 12, 12),))
    method = Sparsify(context="sensitivity")
    with pytest.raises(RecipeError, match="needs a report"):
        method.start(nn.Conv2d(1, 2, 3), context)
    missing = str(tmp_path / "none.json")
    method = Sparsify(context="sensitivity", report=missing)
    with pytest.raises(RecipeError, match=r"none\.json: cannot be read"):
        method.start(nn.Conv2d(1, 2, 3), context)
    broken = tmp_path / "broken.json"
    broken.write_text("{}")
    method = Sparsify(context="sensitivity", report=str(broken))
    with pytest.raises(RecipeError, match="is not a sensitivity report"):
        method.start(nn.Conv2d(1, 2, 3), context)
