"""A recipe's form of its files: checked against the network, written down, and the network left alone."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import nn

from mobilekit.compress.base import Context
from mobilekit.compress.registry import methods, step_of
from mobilekit.compress.steps.quantize import Quantize, plan_of, step_among
from mobilekit.core.errors import NoEffectError, RecipeError
from mobilekit.core.quantization import Quantization
from mobilekit.core.quantization_plan import LayerPlan
from mobilekit.core.targets import TfliteTarget
from mobilekit.data.catalog import DigitsConfig
from mobilekit.pipeline import calibrating
from mobilekit.pipeline.request import ExportRequest, Plan

CONTEXT = Context((torch.zeros(1, 3, 8, 8),))


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)
    )


def test_the_network_stays_as_it_is_and_the_report_has_the_plan() -> None:
    made = network()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    after, report = Quantize("int8", {"4": "weights:int8", "0": "float"}).apply(made, CONTEXT)
    assert all(torch.equal(value, before[name]) for name, value in after.state_dict().items())
    assert report.plan is not None
    assert report.plan.form == "static:int8"
    assert report.plan.layers == (LayerPlan("4", "weights:int8"),)
    assert report.plan.forms == {"4": "weights:int8", "0": "float"}
    assert report.notes == ("files are made in static:int8", "but for 4 weights:int8, 0 float")
    assert msgspec.json.decode(msgspec.json.encode(report), type=type(report)) == report


def test_the_last_pattern_that_matches_counts() -> None:
    found = plan_of(network(), "weights:int8", {"*": "weights:int4", "4": "weights:int8"})
    assert found.forms == {"0": "weights:int4"}


def test_what_it_leaves_to_the_files_is_said_in_their_words() -> None:
    step = Quantize("int8", {"4": "float"}, observer="mse", strict=True)
    assert step.wanted == Quantization("static:int8", {"4": "float"}, "mse", strict=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"form": "weights:int5"}, "of 5 bits does not exist"),
        ({"form": "float"}, "float is what files are without this step"),
        ({"layers": {"0": "statik:int8"}}, "is no form"),
        ({"observer": "median"}, "median"),
        ({"calibrate_count": 0}, "calibrate_count"),
        ({"bits": 8}, "bits"),
    ],
)
def test_wrong_options_are_told_with_their_place(options: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words) as caught:
        step_of({"kind": "quantize", **options}, "steps[2]")
    assert str(caught.value).startswith("steps[2]")


def test_patterns_without_a_layer_have_the_nearest_name() -> None:
    step = Quantize(layers={"fou": "float"})
    with pytest.raises(RecipeError, match="no layer with weights is called 'fou'"):
        step.apply(network(), CONTEXT)


def test_a_network_without_weights_is_an_error() -> None:
    with pytest.raises(NoEffectError, match="no layers with weights"):
        Quantize().apply(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)), CONTEXT)


def test_one_step_says_the_form() -> None:
    steps = ({"kind": "fold"}, {"kind": "quantize", "form": "weights:palette4"})
    found = step_among(steps)
    assert found is not None
    assert found.wanted.form == "weights:palette4"
    assert step_among(steps[:1]) is None
    with pytest.raises(RecipeError, match=r"steps\[2\].*steps\[1\] says the form"):
        step_among((*steps, {"kind": "quantize"}))


def test_it_is_listed_with_the_steps() -> None:
    assert [one.place for one in methods() if one.kind == "quantize"] == ["steps"]


@pytest.mark.parametrize(
    ("request_", "folder", "count"),
    [({}, Path("photos"), 9), ({"calibrate": Path("mine"), "calibrate_count": 3}, Path("mine"), 3)],
)
def test_its_images_calibrate_where_the_command_line_names_none(
    request_: dict[str, Any], folder: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def choose(path: Path | None, number: int, *_: Any, **__: Any) -> None:
        asked.append((path, number))
        raise InterruptedError

    monkeypatch.setattr(calibrating, "choose_images", choose)
    plan = Plan(
        request=ExportRequest(reference="recipe.toml", **request_),
        targets=(TfliteTarget(quantize="static:int8"),),
        seed=0,
        steps=({"kind": "quantize", "calibrate": "photos", "calibrate_count": 9},),
        data=DigitsConfig(10, 10),
    )
    with pytest.raises(InterruptedError):
        calibrating.ranges(None, plan, None)  # type: ignore[arg-type]
    assert asked == [(folder, count)]
