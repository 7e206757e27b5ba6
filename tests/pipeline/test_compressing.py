"""Steps on a network that has been built."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from mobilekit.compress.steps.fold import Fold
from mobilekit.core.artifact import Normalization
from mobilekit.core.errors import (
    ArtifactError,
    ElsewhereError,
    MobilekitError,
    ModelError,
    NoEffectError,
)
from mobilekit.core.reports import KeptInput, StepReport
from mobilekit.core.tensors import Kept, TensorSpec
from mobilekit.nets.sources import Source, load_source
from mobilekit.pipeline.compressing import changed, compress, prune
from mobilekit.pipeline.request import ExportRequest, Plan

NETS = Path(__file__).parents[1] / "e2e" / "nets.py"


def tiny() -> Source:
    inputs = (TensorSpec("image", (1, 3, 32, 32), layout="NCHW"),)
    return load_source(f"{NETS}:tiny", arguments={}, weights=None, inputs=inputs)


def plan(*steps: dict[str, Any]) -> Plan:
    return Plan(request=ExportRequest(reference="tiny"), targets=(), seed=0, steps=steps)


def test_steps_act_in_their_order_and_report() -> None:
    source = tiny()
    said: list[str] = []
    steps = [{"kind": "prune", "sparsity": 0.5, "round_to": 1}, {"kind": "fold"}]
    smaller, reports = compress(source, plan(*steps), said.append)
    assert [report.kind for report in reports] == ["prune", "fold"]
    assert reports[0].params_after == reports[1].params_before
    assert said[0] == "step 1 of 2: prune"
    kinds = [type(module) for module in smaller.module.modules()]
    assert nn.BatchNorm2d not in kinds
    assert nn.BatchNorm2d in [type(module) for module in source.module.modules()]
    assert smaller.module(torch.zeros(2, 3, 32, 32)).shape == (2, 5)


def test_without_steps_nothing_happens() -> None:
    source = tiny()
    assert compress(source, plan(), lambda _: None) == (source, ())


def test_a_step_that_finds_nothing_to_do_is_an_error() -> None:
    with pytest.raises(NoEffectError, match=r"^steps\[0\]: prune: "):
        compress(tiny(), plan({"kind": "prune"}), lambda _: None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "prune", "budget": {"macs": 1e-9}}, "prune: the budget cannot be met"),
        ({"kind": "train"}, "train: the recipe names no data set"),
        ({"kind": "specialize", "keep": ["a"], "classes": ["a", "b"]}, "specialize: 2 classes are"),
        ({"kind": "prune", "channels": {"nowhere": [0]}}, "prune: .*nowhere"),
    ],
)
def test_what_fails_names_its_place_in_the_recipe(options: dict[str, Any], words: str) -> None:
    steps = [{"kind": "fold"}, options]
    with pytest.raises(MobilekitError, match=rf"^steps\[1\]: {words}") as caught:
        compress(tiny(), plan(*steps), lambda _: None)
    assert str(caught.value).count(f"{options['kind']}:") == 1
    assert "\n" not in str(caught.value)


def test_a_process_that_is_done_says_so_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    def done(*_: Any) -> None:
        raise ElsewhereError("the first process goes on alone")

    monkeypatch.setattr(Fold, "apply", done)
    with pytest.raises(ElsewhereError, match=r"^the first process goes on alone$"):
        compress(tiny(), plan({"kind": "fold"}), lambda _: None)


def test_a_wrong_option_names_its_step() -> None:
    with pytest.raises(MobilekitError, match=r"steps\[0\]: .*spartisy"):
        compress(tiny(), plan({"kind": "prune", "spartisy": 0.5}), lambda _: None)


def test_statistics_are_estimated_on_images() -> None:
    source = tiny()
    moved, (report,) = compress(source, plan({"kind": "recalibrate"}), lambda _: None)
    assert "8 inputs of bundled photographs" in report.notes[0]
    assert "few" in report.notes[1]
    before, after = (dict(one.module.named_buffers()) for one in (source, moved))
    means = [name for name in before if name.endswith("running_mean")]
    assert all(not torch.equal(before[name], after[name]) for name in means)


def test_what_is_known_of_a_network_survives_its_pruning(tmp_path: Path) -> None:
    request = ExportRequest(
        reference="mobile-hourglass",
        arguments={"size": "64"},
        out=tmp_path / "small",
    )
    prune(request, {"sparsity": 0.5}, lambda _: None)
    whole = load_source("mobile-hourglass", arguments={"size": "64"}, weights=None)
    for place in (tmp_path / "small", tmp_path / "small" / "program.pt2"):
        smaller = load_source(str(place), arguments={}, weights=None)
        assert smaller.labels == whole.labels
        assert len(smaller.labels) > 1
        assert smaller.colours == whole.colours
        assert smaller.state == whole.state
        assert smaller.normalization == whole.normalization
        assert smaller.weights == whole.weights == "shipped"
        assert smaller.reference == "mobile-hourglass"
        assert [step.kind for step in smaller.steps] == ["prune"]
        assert smaller.inputs == whole.inputs


def test_a_program_that_is_not_the_one_described_is_refused(tmp_path: Path) -> None:
    request = ExportRequest(
        reference=f"{NETS}:tiny",
        inputs=(TensorSpec("image", (1, 3, 32, 32), layout="NCHW"),),
        out=tmp_path / "small",
    )
    prune(request, {"sparsity": 0.5, "round_to": 1}, lambda _: None)
    with (tmp_path / "small" / "program.pt2").open("ab") as file:
        file.write(b"more")
    with pytest.raises(ArtifactError, match=r"program\.pt2: is not the program"):
        load_source(str(tmp_path / "small"), arguments={}, weights=None)
    (tmp_path / "small" / "network.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"network\.json: not the description"):
        load_source(str(tmp_path / "small"), arguments={}, weights=None)


def test_inputs_that_lost_channels_lose_their_normalization_too() -> None:
    source = dataclasses.replace(tiny(), normalization=Normalization((1, 2, 3), (4, 5, 6), 0.5))
    kept = StepReport("prune", 2, 1, kept_inputs=(KeptInput(0, (0, 2)),))
    smaller = changed(source, nn.Identity(), kept)
    assert smaller.inputs[0].shape == (1, 2, 32, 32)
    assert smaller.inputs[0].whole == source.inputs[0]
    assert smaller.normalization == Normalization((1, 3), (4, 6), 0.5)
    again = StepReport("prune", 2, 1, kept_inputs=(KeptInput(0, (1,)),))
    assert changed(smaller, nn.Identity(), again).inputs[0].kept == Kept((1, 3, 32, 32), (2,))
    flat = StepReport("prune", 2, 1, kept_inputs=(KeptInput(0, (1,), flat=True),))
    with pytest.raises(ModelError, match="normalized per channel"):
        changed(source, nn.Identity(), flat)
