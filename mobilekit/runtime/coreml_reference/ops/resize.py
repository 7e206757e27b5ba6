"""Resizing, cropping and resampling of images."""

from typing import Any

import torch
from torch import Tensor

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime.coreml_reference.context import Handler
from mobilekit.runtime.coreml_reference.ops.sampling import grid, interpolated, nearest, sampled
from mobilekit.runtime.coreml_reference.ops.windows import integers


def upsample_bilinear(
    *,
    x: Tensor,
    scale_factor_height: float = 1,
    scale_factor_width: float = 1,
    align_corners: bool = True,
    half_pixel_centers: bool | None = None,
) -> Tensor:
    """Resize the last two axes by factors; half-pixel centres unless corners are aligned."""
    if half_pixel_centers is None:
        half_pixel_centers = not align_corners
    mode = "STRICT_ALIGN_CORNERS" if align_corners else "DEFAULT"
    mode = "UNALIGN_CORNERS" if half_pixel_centers else mode
    for axis, factor in ((-2, scale_factor_height), (-1, scale_factor_width)):
        size = x.shape[axis]
        count = int(size * factor + 1e-6)
        if count != size or not align_corners:
            x = interpolated(x, x.dim() + axis, grid(size, count, mode))
    return x


def upsample_nearest_neighbor(
    *, x: Tensor, scale_factor_height: float = 1, scale_factor_width: float = 1
) -> Tensor:
    """Repeat pixels of the last two axes by factors."""
    for axis, factor in ((-2, scale_factor_height), (-1, scale_factor_width)):
        size = x.shape[axis]
        count = int(size * factor + 1e-6)
        if count == size * int(factor) and factor == int(factor):
            x = x.repeat_interleave(int(factor), x.dim() + axis) if factor != 1 else x
        else:
            x = nearest(x, x.dim() + axis, _corners_of(size, count))
    return x


def resize_bilinear(
    *,
    x: Tensor,
    target_size_height: int = 1,
    target_size_width: int = 1,
    sampling_mode: str = "DEFAULT",
) -> Tensor:
    """Resize the last two axes to a size."""
    for axis, count in ((-2, target_size_height), (-1, target_size_width)):
        x = interpolated(x, x.dim() + axis, grid(x.shape[axis], count, sampling_mode))
    return x


def resize_nearest_neighbor(
    *, x: Tensor, target_size_height: int, target_size_width: int
) -> Tensor:
    """Resize the last two axes to a size; pixel ⌊(i + ½) · size / count⌋.

    Unlike `upsample_nearest_neighbor`, it looks at the centre of each output pixel: coremltools
    writes it for TensorFlow's nearest resize with `half_pixel_centers`.
    """
    for axis, count in ((-2, target_size_height), (-1, target_size_width)):
        x = nearest(x, x.dim() + axis, _centres_of(x.shape[axis], count))
    return x


def resize(
    *,
    x: Tensor,
    shape: Any,
    resized_dims: int,
    interpolation_mode: str = "LINEAR",
    sampling_mode: str = "DEFAULT",
) -> Tensor:
    """Resize the last `resized_dims` axes to the last entries of `shape`; 0 keeps an axis.

    Nearest values are those of `resize_nearest_neighbor` in the mode DEFAULT, as coremltools' own
    test of this operator has them, and those nearest to the mode's positions otherwise.
    """
    wanted = integers(shape, 1, 0)
    for offset in range(1, int(resized_dims) + 1):
        axis, count = x.dim() - offset, wanted[-offset] or x.shape[-offset]
        if interpolation_mode == "LINEAR":
            x = interpolated(x, axis, grid(x.shape[axis], count, sampling_mode))
        elif interpolation_mode == "NEAREST_NEIGHBOR":
            positions = (
                _centres_of(x.shape[axis], count)
                if sampling_mode == "DEFAULT"
                else grid(x.shape[axis], count, sampling_mode) + 0.5
            )
            x = nearest(x, axis, positions)
        else:
            raise ArtifactError(
                f"operator resize: interpolation_mode {interpolation_mode!r} is not supported"
            )
    return x


def crop(*, x: Tensor, crop_height: Any, crop_width: Any) -> Tensor:
    """Cut rows (before, after) and columns (before, after) from the last two axes."""
    (top, bottom), (left, right) = integers(crop_height, 2, 0), integers(crop_width, 2, 0)
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]


def crop_resize(
    *,
    x: Tensor,
    roi: Tensor | None = None,
    boxes: Tensor | None = None,
    box_indices: Tensor | None = None,
    target_height: int = 1,
    target_width: int = 1,
    normalized_coordinates: bool = False,
    spatial_scale: float = 1.0,
    box_coordinate_mode: str = "CORNERS_HEIGHT_FIRST",
    sampling_mode: str = "DEFAULT",
    pad_value: float | None = None,
) -> Tensor:
    """Cut boxes out of x [B, C, H, W] and resize each to one size.

    `roi` [N, 1, 4 or 5, 1, 1] is the form up to iOS 16: with 5 values the first is the image's
    index, with 4 each box is cut from every image. `boxes` [N, 4] is the form from iOS 17 on.
    """
    size = (int(target_height), int(target_width))
    options = (normalized_coordinates, spatial_scale, box_coordinate_mode)
    outside = None if pad_value is None else float(pad_value)
    if boxes is not None:
        where = torch.arange(len(boxes)) if box_indices is None else box_indices.reshape(-1)
        cuts = [
            _box(x[int(i)][None], box, options, (size, sampling_mode, outside))
            for i, box in zip(where, boxes.float(), strict=True)
        ]
        return torch.cat(cuts)
    assert roi is not None  # noqa: S101  every version has one of the two
    rows = roi.reshape(roi.shape[0], -1).float()
    found = []
    for row in rows:
        images = x if len(row) == 4 else x[int(row[0])][None]
        found.append(_box(images, row[-4:], options, (size, sampling_mode, outside)))
    return torch.stack(found)


def affine(
    *,
    x: Tensor,
    transform_matrix: Tensor,
    output_height: int,
    output_width: int,
    sampling_mode: str,
    padding_mode: str,
    padding_value: float,
    coordinates_mode: str,
    align_corners: bool,
) -> Tensor:
    """Sample x [B, C, H, W] at an affine map [B or 1, 6] of the output's positions in −1 … 1."""
    rows = _line(output_height, coordinates_mode)
    columns = _line(output_width, coordinates_mode)
    y, x_ = torch.meshgrid(rows, columns, indexing="ij")
    matrix = transform_matrix.float().reshape(-1, 2, 3).expand(x.shape[0], 2, 3)
    points = torch.stack([x_, y, torch.ones_like(x_)], -1)
    coordinates = torch.einsum("hwk,bjk->bhwj", points, matrix)
    return resample(
        x=x, coordinates=coordinates, sampling_mode=sampling_mode, padding_mode=padding_mode,
        padding_value=padding_value, coordinates_mode=coordinates_mode, align_corners=align_corners,
    )  # fmt: skip


def resample(
    *,
    x: Tensor,
    coordinates: Tensor,
    sampling_mode: str,
    padding_mode: str,
    padding_value: float,
    coordinates_mode: str,
    align_corners: bool,
) -> Tensor:
    """Sample x [B, C, H, W] at coordinates [B, H', W', 2] given as (x, y)."""
    sides = (x.shape[3], x.shape[2])
    columns, rows = (
        _pixels(coordinates[..., i].float(), size, coordinates_mode, align_corners=align_corners)
        for i, size in enumerate(sides)
    )
    return sampled(x, columns, rows, mode=sampling_mode, padding=padding_mode, value=padding_value)


def _corners_of(size: int, count: int) -> Tensor:
    return torch.arange(count, dtype=torch.float64) * (size / count)


def _centres_of(size: int, count: int) -> Tensor:
    return (torch.arange(count, dtype=torch.float64) + 0.5) * (size / count)


def _line(count: int, mode: str) -> Tensor:
    if mode != "normalized_minus_one_to_one":
        raise ArtifactError(f"operator affine: coordinates_mode {mode!r} is not supported")
    return torch.linspace(-1, 1, count) if count > 1 else torch.zeros(1)


def _pixels(value: Tensor, size: int, mode: str, *, align_corners: bool) -> Tensor:
    if mode == "unnormalized":
        return value
    if mode == "normalized_minus_one_to_one":
        value = (value + 1) / 2
    elif mode != "normalized_zero_to_one":
        raise ArtifactError(f"operator resample: coordinates_mode {mode!r} is not supported")
    return value * (size - 1) if align_corners else value * size - 0.5


def _box(
    images: Tensor,
    box: Tensor,
    options: tuple[bool, float, str],
    sampling: tuple[tuple[int, int], str, float | None],
) -> Tensor:
    """Cut one box out of images [B, C, H, W]; returns [B, C, height, width]."""
    normalized, scale, mode = options
    (height, width), sampling_mode, outside = sampling
    top, left, bottom, right = _corners(box.tolist(), mode)
    tall, wide = (images.shape[2] - 1, images.shape[3] - 1) if normalized else (1, 1)
    top, bottom = top * scale * tall, bottom * scale * tall
    left, right = left * scale * wide, right * scale * wide
    rows = top + grid(bottom - top + 1, height, sampling_mode)
    columns = left + grid(right - left + 1, width, sampling_mode)
    result = interpolated(interpolated(images, 2, rows), 3, columns)
    if outside is None:
        return result
    off = ((rows < 0) | (rows > images.shape[2] - 1))[:, None]
    off = off | ((columns < 0) | (columns > images.shape[3] - 1))[None]
    return torch.where(off, torch.tensor(outside, dtype=result.dtype), result)


def _corners(values: list[float], mode: str) -> tuple[float, float, float, float]:
    """Return top, left, bottom, right."""
    if mode.endswith("WIDTH_FIRST"):
        values = [values[1], values[0], values[3], values[2]]
    if mode.startswith("CORNERS_"):
        return values[0], values[1], values[2], values[3]
    if not mode.startswith("CENTER_SIZE_"):
        raise ArtifactError(f"operator crop_resize: box_coordinate_mode {mode!r} is not supported")
    y, x, height, width = values
    return y - height / 2, x - width / 2, y + height / 2, x + width / 2


TABLE: dict[str, Handler] = {
    "upsample_bilinear": upsample_bilinear,
    "upsample_nearest_neighbor": upsample_nearest_neighbor,
    "resize_bilinear": resize_bilinear,
    "resize_nearest_neighbor": resize_nearest_neighbor,
    "resize": resize,
    "crop": crop,
    "crop_resize": crop_resize,
    "affine": affine,
    "resample": resample,
}
