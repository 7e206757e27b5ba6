import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.cli import options
from mobilekit.core.artifact import Normalization
from mobilekit.core.errors import DataError, UsageError
from mobilekit.core.targets import CoremlTarget, OnnxTarget, TfliteTarget

CHOICES = {
    "precision": None, "minimum_os": "ios16", "image_input": True, "float16_io": False,
    "layout": "nchw", "dynamic_batch": False,
}  # fmt: skip


def test_each_format_takes_the_choices_it_has():
    assert options.parse_targets("coreml, TFLITE,onnx,coreml", CHOICES) == (
        CoremlTarget("ios16", "float16", image_input=True),
        TfliteTarget("float32", "nchw"),
        OnnxTarget("float32", dynamic_batch=False),
    )


def test_precision_applies_to_the_formats_that_have_it():
    coreml, tflite, onnx = options.parse_targets(
        "coreml,tflite,onnx", CHOICES | {"precision": "float16"}
    )
    assert (coreml.precision, tflite.precision, onnx.precision) == ("float16", "float16", "float32")


def test_normalization_is_none_unless_asked_for():
    assert options.parse_normalization(None, None, None) is None
    assert options.parse_normalization("0.5", None, "1/255") == Normalization(
        (0.5,), (1.0,), 1 / 255
    )


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=4))
def test_numbers_come_back_as_written(values: list[float]):
    assert options.parse_numbers("--mean", ",".join(map(repr, values))) == tuple(values)


@pytest.mark.parametrize("text", ["", "a", "1;2", "1,,2"])
def test_other_numbers_are_refused(text: str):
    with pytest.raises(UsageError, match="--mean"):
        options.parse_numbers("--mean", text)


def test_arguments_may_hold_equal_signs():
    assert options.parse_arguments(["a=1", "path=x=y"]) == {"a": "1", "path": "x=y"}


def test_labels_are_lines_without_blanks(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("cat\n\n dog \n")
    assert options.parse_labels(path) == ("cat", "dog")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="UTF-8"):
        options.parse_labels(path)
    path.write_text("\n")
    with pytest.raises(DataError, match="no label"):
        options.parse_labels(path)
