"""Plans of forms: which targets are made in a recipe's form, and how long the ranges of a training hold."""

import pytest

from mobilekit.core.errors import RecipeError
from mobilekit.core.quantization import Quantization
from mobilekit.core.quantization_plan import QuantizationPlan, as_planned, trained_plan
from mobilekit.core.reports import StepReport
from mobilekit.core.targets import (
    CoremlTarget,
    OnnxTarget,
    SourceTarget,
    Target,
    TfliteTarget,
    quantization_of,
)

INT8 = Quantization("static:int8", {"head": "float"}, "mse")
TRAINED = StepReport("train", 1, 1, plan=QuantizationPlan("static:int8"))


def done(kind: str) -> StepReport:
    return StepReport(kind, 1, 1)


def test_targets_of_both_formats_get_the_form_and_others_stay() -> None:
    targets: tuple[Target, ...] = (
        CoremlTarget("ios18"),
        TfliteTarget(),
        OnnxTarget(),
        SourceTarget(),
    )
    found = as_planned(targets, INT8)
    assert [quantization_of(one) for one in found] == [INT8, INT8, None, None]
    assert isinstance(found[0], CoremlTarget)
    assert found[0].minimum_os == "ios18"
    assert as_planned(targets, None) == targets


def test_a_target_that_says_the_same_keeps_what_else_it_says() -> None:
    own = TfliteTarget(quantize="int8", observer="entropy", strict=True)
    (found,) = as_planned((own,), INT8)
    assert quantization_of(found) == Quantization(
        "static:int8", {"head": "float"}, "entropy", strict=True
    )


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (
            TfliteTarget(quantize="weights:int4"),
            "weights:int4, and the step quantize says static:int8",
        ),
        (TfliteTarget(precision="float16"), "float16, and the step quantize says static:int8"),
        (
            CoremlTarget(quantize="int8", layers={"stem": "float"}),
            "static:int8 with layers of its own, and the step quantize says static:int8 with others",
        ),
        (CoremlTarget("ios16"), "static:int8 needs ios17, the file is for ios16"),
    ],
)
def test_contradictions_name_the_target(target: Target, words: str) -> None:
    with pytest.raises(RecipeError, match=words) as caught:
        as_planned((OnnxTarget(), target), INT8)
    assert str(caught.value).startswith("targets[1]: ")


def test_a_form_that_one_format_lacks_names_its_nearest() -> None:
    with pytest.raises(RecipeError, match=r"targets\[0\].*tflite has no weights:palette4"):
        as_planned((TfliteTarget(),), Quantization("weights:palette4"))


def test_float16_is_what_core_ml_files_are_already() -> None:
    targets = (CoremlTarget(), TfliteTarget(precision="float16"))
    assert as_planned(targets, Quantization("float16")) == targets


@pytest.mark.parametrize("kind", ["fold", "prune", "flush_denormals", "specialize", "quantize"])
def test_ranges_hold_where_layers_read_what_they_read(kind: str) -> None:
    assert trained_plan((done("fold"), TRAINED, done(kind))) == TRAINED.plan


@pytest.mark.parametrize("kind", ["train", "equalize", "correct_biases", "recalibrate"])
def test_ranges_are_gone_where_a_step_moved_them(kind: str) -> None:
    assert trained_plan((TRAINED, done(kind))) is None


def test_a_plan_of_forms_alone_has_no_ranges() -> None:
    planned = StepReport("quantize", 1, 1, plan=QuantizationPlan("static:int8"))
    assert trained_plan((planned,)) is None
    assert trained_plan(()) is None
