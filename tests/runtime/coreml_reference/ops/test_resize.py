"""Resizes against PyTorch, SciPy-free loops of the documented formulas, and Core ML's own numbers.

Where a literal result stands here, it is from coremltools' operator tests, which Apple runs against
the framework.
"""

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime.coreml_reference.ops import OPERATORS

TOLERANCE = 2e-6
"""Two linear interpolations in float32: a handful of roundings of 2^-24 each."""
IMAGE = torch.arange(1.0, 17).reshape(1, 1, 4, 4)
PAIR = torch.tensor([0.0, 1.0]).reshape(1, 1, 2)


def drawn(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def same(found, wanted, tolerance=TOLERANCE):
    wanted = np.asarray(wanted)
    assert tuple(found.shape) == wanted.shape
    np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


@pytest.mark.parametrize("size", [(10, 12), (7, 5), (13, 6)])
def test_upsample_bilinear_is_pytorchs_with_recomputed_factors(size):
    x = drawn(2, 3, 5, 4)
    factors = {
        "scale_factor_height": size[0] / 5 + 1e-6,
        "scale_factor_width": size[1] / 4 + 1e-6,
    }
    for corners in (True, False):
        found = OPERATORS["upsample_bilinear"](x=x, align_corners=corners, **factors)
        same(found, functional.interpolate(x, size, mode="bilinear", align_corners=corners))


def test_upsample_bilinear_defaults():
    """Factors of 1; corners aligned."""
    x = drawn(1, 2, 3, 4)
    same(OPERATORS["upsample_bilinear"](x=x), x)
    same(
        OPERATORS["upsample_bilinear"](x=PAIR, scale_factor_width=3), [[[0, 0.2, 0.4, 0.6, 0.8, 1]]]
    )


@pytest.mark.parametrize(
    ("half", "wanted"),
    [
        (True, [0.0, 0.0, 1 / 3, 2 / 3, 1.0, 1.0]),
        (None, [0.0, 0.0, 1 / 3, 2 / 3, 1.0, 1.0]),
        (False, [0.0, 1 / 3, 2 / 3, 1.0, 1.0, 1.0]),
    ],
)
def test_upsample_bilinear_half_pixel_centers(half, wanted):
    found = OPERATORS["upsample_bilinear"](
        x=PAIR, scale_factor_width=3, align_corners=False, half_pixel_centers=half
    )
    same(found, [[wanted]])


@pytest.mark.parametrize("factors", [(2, 3), (1.5, 2.5), (0.5, 1)])
def test_upsample_nearest_takes_the_pixel_at_or_before(factors):
    x = drawn(2, 3, 6, 4)
    found = OPERATORS["upsample_nearest_neighbor"](
        x=x, scale_factor_height=factors[0], scale_factor_width=factors[1]
    )
    same(found, functional.interpolate(x, scale_factor=factors, mode="nearest"))


@pytest.mark.parametrize(
    ("mode", "count", "wanted"),
    [
        ("UNALIGN_CORNERS", 5, [0.0, 0.1, 0.5, 0.9, 1.0]),
        ("STRICT_ALIGN_CORNERS", 5, [0.0, 0.25, 0.5, 0.75, 1.0]),
        ("ALIGN_CORNERS", 5, [0.0, 0.25, 0.5, 0.75, 1.0]),
        ("DEFAULT", 5, [0.0, 0.4, 0.8, 1.0, 1.0]),
        ("OFFSET_CORNERS", 5, [0.1, 0.3, 0.5, 0.7, 0.9]),
        ("DEFAULT", 6, [0.0, 1 / 3, 2 / 3, 1.0, 1.0, 1.0]),
        ("OFFSET_CORNERS", 6, [1 / 12, 0.25, 5 / 12, 7 / 12, 0.75, 11 / 12]),
        ("ALIGN_CORNERS", 1, [0.5]),
        ("STRICT_ALIGN_CORNERS", 1, [0.0]),
        ("DEFAULT", 1, [0.0]),
    ],
)
def test_resize_bilinear_samples_the_documented_grid(mode, count, wanted):
    """The grids in the documentation of MIL's resize_bilinear."""
    for operator, size in (
        ("resize_bilinear", {"target_size_height": 1, "target_size_width": count}),
        ("resize", {"shape": torch.tensor([0, count]), "resized_dims": 2}),
    ):
        same(OPERATORS[operator](x=PAIR, sampling_mode=mode, **size), [[wanted]])


def test_resize_bilinear_both_axes_and_defaults():
    x = drawn(2, 3, 5, 4)
    found = OPERATORS["resize_bilinear"](
        x=x, target_size_height=7, target_size_width=9, sampling_mode="UNALIGN_CORNERS"
    )
    same(found, functional.interpolate(x, (7, 9), mode="bilinear", align_corners=False))
    same(OPERATORS["resize_bilinear"](x=x), x[:, :, :1, :1])


@pytest.mark.parametrize("operator", ["resize_bilinear", "resize"])
def test_unknown_sampling_mode_is_refused(operator):
    size = {
        "resize_bilinear": {"target_size_height": 2, "target_size_width": 2},
        "resize": {"shape": torch.tensor([2, 2]), "resized_dims": 2},
    }
    with pytest.raises(ArtifactError, match="sampling_mode 'CUBIC' is not supported"):
        OPERATORS[operator](x=PAIR, sampling_mode="CUBIC", **size[operator])


@pytest.mark.parametrize("size", [(7, 9), (3, 2), (10, 8), (5, 4)])
def test_resize_nearest_looks_at_the_centres_of_pixels(size):
    """As PyTorch's `nearest-exact` and TensorFlow's `half_pixel_centers`."""
    x = drawn(2, 3, 5, 4)
    wanted = functional.interpolate(x, size, mode="nearest-exact")
    found = OPERATORS["resize_nearest_neighbor"](
        x=x, target_size_height=size[0], target_size_width=size[1]
    )
    same(found, wanted)
    found = OPERATORS["resize"](
        x=x, shape=torch.tensor(size), resized_dims=2, interpolation_mode="NEAREST_NEIGHBOR"
    )
    same(found, wanted)


def test_resize_nearest_as_core_ml_computes_it():
    x = torch.tensor([-6.174, 9.371]).reshape(1, 1, 2, 1)
    found = OPERATORS["resize"](
        x=x, shape=torch.tensor([1, 1, 3, 2]), resized_dims=2,
        interpolation_mode="NEAREST_NEIGHBOR", sampling_mode="DEFAULT",
    )  # fmt: skip
    same(found, np.array([[[[-6.174] * 2, [9.371] * 2, [9.371] * 2]]]))


def test_resize_nearest_in_another_mode():
    """Corners aligned: positions 0, ½, 1, 1½, 2 of three pixels; halves go up."""
    found = OPERATORS["resize"](
        x=torch.tensor([[10.0, 20.0, 30.0]]), shape=torch.tensor([5]), resized_dims=1,
        interpolation_mode="NEAREST_NEIGHBOR", sampling_mode="ALIGN_CORNERS",
    )  # fmt: skip
    same(found, [[10.0, 20.0, 20.0, 30.0, 30.0]])


def test_resize_takes_the_last_axes_and_zero_keeps_one():
    x = drawn(2, 3, 4, 5)
    found = OPERATORS["resize"](x=x, shape=torch.tensor([9, 0, 7]), resized_dims=2)
    assert found.shape == (2, 3, 4, 7)
    same(found, OPERATORS["resize"](x=x, shape=torch.tensor([7]), resized_dims=1))
    with pytest.raises(ArtifactError, match="interpolation_mode 'CUBIC'"):
        OPERATORS["resize"](
            x=x, shape=torch.tensor([7]), resized_dims=1, interpolation_mode="CUBIC"
        )


def test_crop():
    x = drawn(2, 3, 6, 7)
    found = OPERATORS["crop"](
        x=x, crop_height=torch.tensor([1, 2]), crop_width=torch.tensor([0, 3])
    )
    same(found, x[:, :, 1:4, 0:4])


BOX = [1.0, 1.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("box", "size", "options", "wanted"),
    [
        (BOX, 2, {}, [[6, 7], [10, 11]]),
        (BOX, 1, {}, [[8.5]]),
        (BOX, 4, {}, [[18 + 4 * i + j for j in range(4)] for i in range(4)]),
        ([2.0, 2, 1, 1], 2, {}, [[11, 10], [7, 6]]),
        ([0.0, 0, 1 / 3, 1 / 3], 2, {"normalized_coordinates": True}, [[1, 2], [5, 6]]),
        ([2.0, 2, 4, 4], 2, {"spatial_scale": 0.5}, [[6, 7], [10, 11]]),
        ([0.0, 1, 2, 3], 2, {"box_coordinate_mode": "CORNERS_HEIGHT_FIRST"}, [[2, 4], [10, 12]]),
        ([1.0, 0, 3, 2], 2, {"box_coordinate_mode": "CORNERS_WIDTH_FIRST"}, [[2, 4], [10, 12]]),
        ([1.0, 2, 2, 2], 2, {"box_coordinate_mode": "CENTER_SIZE_HEIGHT_FIRST"}, [[2, 4], [10, 12]]),
        ([2.0, 1, 2, 2], 2, {"box_coordinate_mode": "CENTER_SIZE_WIDTH_FIRST"}, [[2, 4], [10, 12]]),
    ],
)  # fmt: skip
def test_crop_resize_of_one_box(box, size, options, wanted):
    wanted = torch.tensor(wanted, dtype=torch.float32)
    if size == 4:
        wanted = 6 + (wanted - 18) // 4 * 4 / 3 + (wanted - 18) % 4 / 3
    given = {"target_height": size, "target_width": size, "sampling_mode": "ALIGN_CORNERS"}
    found = OPERATORS["crop_resize"](
        x=IMAGE, roi=torch.tensor(box).reshape(1, 1, 4, 1, 1), **given, **options
    )
    same(found, wanted[None, None, None])
    found = OPERATORS["crop_resize"](x=IMAGE, boxes=torch.tensor([box]), **given, **options)
    same(found, wanted[None, None])


def test_crop_resize_pads_outside():
    """Literal numbers of coremltools' test; its 7.899 is 7.9 to the precision of float16."""
    boxes = torch.tensor([[0.1, 0.3, 1.3, 1.0], [0.5, 1.8, 1.0, 0.3], [0.0, 0.4, 0.6, 0.7]])
    wanted = torch.tensor([3.1, 5.2, 9, 9, 9, 7.9, 9, 13.9, 2.2, 3.1, 9.4, 10.3])
    found = OPERATORS["crop_resize"](
        x=IMAGE, boxes=boxes, box_indices=torch.zeros(3, dtype=torch.int32), target_height=2,
        target_width=2, normalized_coordinates=True, sampling_mode="ALIGN_CORNERS", pad_value=9.0,
    )  # fmt: skip
    same(found, wanted.reshape(3, 1, 2, 2))


def test_crop_resize_chooses_images():
    x = torch.cat([IMAGE, IMAGE * 10, IMAGE * 100])
    roi = torch.tensor([[2.0, *BOX], [1.0, *BOX]]).reshape(2, 1, 5, 1, 1)
    given = {"target_height": 2, "target_width": 2, "sampling_mode": "ALIGN_CORNERS"}
    inner = IMAGE[:, :, 1:3, 1:3]
    found = OPERATORS["crop_resize"](x=x, roi=roi, **given)
    same(found, torch.stack([inner * 100, inner * 10]))
    every = OPERATORS["crop_resize"](x=x, roi=roi[:1, :, 1:], **given)
    same(every, torch.cat([inner, inner * 10, inner * 100])[None])
    found = OPERATORS["crop_resize"](
        x=x, boxes=torch.tensor([BOX, BOX]), box_indices=torch.tensor([2, 0]), **given
    )
    same(found, torch.cat([inner * 100, inner]))
    found = OPERATORS["crop_resize"](x=x, boxes=torch.tensor([BOX, BOX]), **given)
    same(found, torch.cat([inner, inner * 10]))


def test_crop_resize_defaults_to_one_pixel_of_the_first_mode():
    same(OPERATORS["crop_resize"](x=IMAGE, boxes=torch.tensor([BOX])), [[[[6.0]]]])
    with pytest.raises(ArtifactError, match="box_coordinate_mode 'CENTRE'"):
        OPERATORS["crop_resize"](x=IMAGE, boxes=torch.tensor([BOX]), box_coordinate_mode="CENTRE")


PADDINGS = {"constant": "zeros", "border": "border"}


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("corners", [True, False])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("coordinates_mode", ["minus_one_to_one", "zero_to_one", "unnormalized"])
def test_resample_is_pytorchs_grid_sample(mode, corners, padding, coordinates_mode):
    x = drawn(2, 3, 5, 4)
    points = torch.rand(2, 6, 7, 2, generator=torch.Generator().manual_seed(1)) * 3 - 1.5
    wanted = functional.grid_sample(x, points, mode, PADDINGS[padding], corners)
    size = torch.tensor([4.0, 5.0])
    given, name = points, f"normalized_{coordinates_mode}"
    if coordinates_mode == "zero_to_one":
        given = (points + 1) / 2
    if coordinates_mode == "unnormalized":
        name = "unnormalized"
        unit = (points + 1) / 2
        given = unit * (size - 1) if corners else unit * size - 0.5
    found = OPERATORS["resample"](
        x=x, coordinates=given, sampling_mode=mode, padding_mode=padding, padding_value=0.0,
        coordinates_mode=name, align_corners=corners,
    )  # fmt: skip
    same(found, wanted, 1e-5)  # positions of up to 7 pixels lose 2^-21 each


@pytest.mark.parametrize(
    ("padding", "line"),
    # The documentation's examples: |1 2 3| with two more pixels on each side.
    [
        ("constant", [9, 9, 1, 2, 3, 9, 9]),
        ("border", [1, 1, 1, 2, 3, 3, 3]),
        ("reflection", [3, 2, 1, 2, 3, 2, 1]),
        ("symmetric", [2, 1, 1, 2, 3, 3, 2]),
    ],
)
def test_resample_outside_the_image(padding, line):
    columns = torch.arange(-2.0, 5)
    for mode in ("bilinear", "nearest"):
        along_x = torch.stack([columns, torch.zeros(7)], -1)[None, None]
        found = OPERATORS["resample"](
            x=torch.tensor([[[[1.0, 2.0, 3.0]]]]), coordinates=along_x, sampling_mode=mode,
            padding_mode=padding, padding_value=9.0, coordinates_mode="unnormalized",
            align_corners=True,
        )  # fmt: skip
        same(found, [[[line]]])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"sampling_mode": "bicubic"}, "sampling_mode 'bicubic'"),
        ({"padding_mode": "wrap"}, "padding_mode 'wrap'"),
        ({"coordinates_mode": "polar"}, "coordinates_mode 'polar'"),
    ],
)
def test_resample_refuses_what_it_does_not_know(changed, words):
    options = {
        "sampling_mode": "bilinear", "padding_mode": "constant", "padding_value": 0.0,
        "coordinates_mode": "unnormalized", "align_corners": True,
    }  # fmt: skip
    with pytest.raises(ArtifactError, match=words):
        OPERATORS["resample"](x=IMAGE, coordinates=torch.zeros(1, 1, 1, 2), **(options | changed))


@pytest.mark.parametrize("matrices", [1, 2])
def test_affine_is_pytorchs(matrices):
    x = drawn(2, 3, 5, 4)
    matrix = drawn(matrices, 6) / 2
    grid = functional.affine_grid(
        matrix.reshape(-1, 2, 3).expand(2, 2, 3), [2, 3, 6, 7], align_corners=True
    )
    wanted = functional.grid_sample(x, grid, "bilinear", "zeros", align_corners=True)
    found = OPERATORS["affine"](
        x=x, transform_matrix=matrix, output_height=6, output_width=7, sampling_mode="bilinear",
        padding_mode="constant", padding_value=0.0, align_corners=True,
        coordinates_mode="normalized_minus_one_to_one",
    )  # fmt: skip
    same(found, wanted, 1e-5)


def test_bilinear_weights_by_hand():
    """A loop over pixels, for an odd ratio and the mode of half-pixel centres."""
    x = drawn(1, 1, 3, 5)
    found = OPERATORS["resize_bilinear"](
        x=x, target_size_height=4, target_size_width=3, sampling_mode="UNALIGN_CORNERS"
    )
    image, wanted = x[0, 0].double().numpy(), np.zeros((1, 1, 4, 3))
    for i, j in itertools.product(range(4), range(3)):
        y = min(max((i + 0.5) * 3 / 4 - 0.5, 0), 2)
        z = min(max((j + 0.5) * 5 / 3 - 0.5, 0), 4)
        for a, b in itertools.product(range(3), range(5)):
            weight = max(0, 1 - abs(y - a)) * max(0, 1 - abs(z - b))
            wanted[0, 0, i, j] += weight * image[a, b]
    same(found, wanted)
