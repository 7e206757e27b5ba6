import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.core.targets import CoremlTarget, TfliteTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.pipeline.adapting import from_file, pixel_scale, to_file

IMAGE = TensorSpec("image", (1, 3, 2, 4), layout="NCHW")


def test_an_image_moves_to_the_files_axes_and_back():
    array = np.arange(24, dtype=np.float32).reshape(1, 3, 2, 4)
    moved = to_file({"image": array}, (IMAGE,), (IMAGE.in_layout("NHWC"),))
    assert moved["image"].shape == (1, 2, 4, 3)
    assert moved["image"][0, 1, 3, 2] == array[0, 2, 1, 3]
    assert moved["image"].flags.c_contiguous
    back = from_file(moved, (IMAGE,), (IMAGE.in_layout("NHWC"),))
    assert np.array_equal(back["image"], array)


@given(st.integers(0, 255), st.sampled_from([1.0, 1 / 255]))
def test_eight_bit_pixels_survive_the_scale(pixel: int, scale: float):
    array = np.full((1, 3, 2, 4), np.float32(pixel * scale), np.float32)
    file = TensorSpec("image", (1, 2, 4, 3), "uint8", "NHWC")
    moved = to_file({"image": array}, (IMAGE,), (file,), scale)["image"]
    assert moved.dtype == np.uint8
    assert (moved == pixel).all()


def test_class_probabilities_stand_for_the_only_output():
    logits = TensorSpec("logits", (1, 3))
    file = (TensorSpec("classLabel", (), "string"), TensorSpec("p", (), "dictionary"))
    found = from_file({"classLabel": np.array(["a"]), "p": np.arange(3.0)}, (logits,), file)
    assert list(found) == ["logits"]
    assert found["logits"].shape == (1, 3)


def test_only_core_ml_scales_pixels_and_only_without_normalization():
    assert pixel_scale(CoremlTarget(image_input=True), normalized=False) == 1 / 255
    assert pixel_scale(CoremlTarget(image_input=True), normalized=True) == 1.0
    assert pixel_scale(TfliteTarget(), normalized=False) == 1.0
