import numpy as np
import pytest
import torch

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime.coreml_reference.ops import OPERATORS
from tests.runtime.coreml_reference import loops

TOLERANCE = 4e-6
"""Sums of at most 60 products in float32: 60 · 2^-24, against float64 loops."""


def drawn(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def computed(operator, **inputs):
    given = {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in inputs.items()}
    return OPERATORS[operator](**given).numpy()


def same(found, wanted):
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE * np.abs(wanted).max())


def pads_of(flat):
    return list(zip(flat[::2], flat[1::2], strict=True))


@pytest.mark.parametrize(
    ("size", "kernel", "strides", "pad", "dilations"),
    [
        ((9,), (3,), (2,), (1, 2), (2,)),
        ((7, 6), (3, 2), (2, 1), (0, 1, 2, 0), (1, 2)),
        ((4, 5, 3), (2, 3, 1), (1, 2, 1), (1, 0, 0, 1, 1, 1), (2, 1, 1)),
    ],
)
def test_conv_of_one_to_three_dimensions(size, kernel, strides, pad, dilations):
    x, weight, bias = drawn(2, 4, *size), drawn(6, 2, *kernel), drawn(6)
    found = computed(
        "conv", x=x, weight=weight, bias=bias, strides=np.array(strides), pad_type="custom",
        pad=np.array(pad), dilations=np.array(dilations), groups=2,
    )  # fmt: skip
    wanted = loops.conv(x, weight, strides, pads_of(pad), dilations, 2)
    same(found, wanted + bias.reshape(1, -1, *[1] * len(size)))


def test_conv_defaults():
    """Stride and dilation 1, no padding, no bias, one group."""
    x, weight = drawn(1, 3, 5, 6), drawn(2, 3, 3, 2)
    same(
        computed("conv", x=x, weight=weight),
        loops.conv(x, weight, (1, 1), [(0, 0), (0, 0)], (1, 1)),
    )


def test_conv_pad_counts_only_when_custom():
    x, weight = drawn(1, 1, 5, 5), drawn(1, 1, 3, 3)
    found = computed("conv", x=x, weight=weight, pad_type="valid", pad=np.array([1, 1, 1, 1]))
    same(found, loops.conv(x, weight, (1, 1), [(0, 0), (0, 0)], (1, 1)))


@pytest.mark.parametrize(
    ("pad_type", "pads"),
    # 7 elements, stride 2: 4 windows reach 3 · 2 + 4 = 10 elements, 3 of padding;
    # 6 elements, stride 2: 3 windows reach 2 · 2 + 3 = 7, 1 of padding.
    [("same", [(1, 2), (0, 1)]), ("same_lower", [(2, 1), (1, 0)])],
)
def test_conv_same_padding_puts_the_odd_element(pad_type, pads):
    x, weight = drawn(1, 2, 7, 6), drawn(3, 2, 4, 3)
    found = computed("conv", x=x, weight=weight, strides=np.array([2, 2]), pad_type=pad_type)
    assert found.shape == (1, 3, 4, 3)
    same(found, loops.conv(x, weight, (2, 2), pads, (1, 1)))


@pytest.mark.parametrize("operator", ["conv", "conv_transpose"])
def test_unknown_padding_is_refused(operator):
    with pytest.raises(ArtifactError, match="pad_type 'full' is not supported"):
        computed(operator, x=drawn(1, 1, 3), weight=drawn(1, 1, 2), pad_type="full")


@pytest.mark.parametrize(
    ("size", "kernel", "strides", "pad", "dilations"),
    [
        ((5,), (3,), (2,), (1, 0), (2,)),
        ((4, 3), (3, 2), (2, 3), (1, 1, 0, 1), (1, 2)),
        ((2, 3, 2), (2, 3, 2), (2, 1, 2), (0, 1, 1, 1, 0, 0), (1, 1, 1)),
    ],
)
def test_conv_transpose_of_one_to_three_dimensions(size, kernel, strides, pad, dilations):
    x, weight, bias = drawn(2, 4, *size), drawn(4, 3, *kernel), drawn(6)
    found = computed(
        "conv_transpose", x=x, weight=weight, bias=bias, strides=np.array(strides),
        pad_type="custom", pad=np.array(pad), dilations=np.array(dilations), groups=2,
    )  # fmt: skip
    full = loops.conv_transpose(x, weight, strides, dilations, 2)
    for axis, (before, after) in enumerate(pads_of(pad), 2):
        full = np.take(full, range(before, full.shape[axis] - after), axis)
    same(found, full + bias.reshape(1, -1, *[1] * len(size)))


def test_conv_transpose_defaults_are_the_full_result():
    x, weight = drawn(1, 2, 3, 4), drawn(2, 3, 2, 3)
    same(
        computed("conv_transpose", x=x, weight=weight),
        loops.conv_transpose(x, weight, (1, 1), (1, 1)),
    )


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("whole_shape", [True, False])
def test_conv_transpose_output_shape_is_pytorchs_output_padding(extra, whole_shape):
    """PyTorch's k3 s2 p1 with output_padding: the row behind has values, not the bias alone."""
    net = torch.nn.ConvTranspose2d(3, 2, 3, 2, 1, output_padding=extra)
    x = torch.from_numpy(drawn(1, 3, 4, 5))
    with torch.no_grad():
        wanted = net(x)
    shape = list(wanted.shape) if whole_shape else list(wanted.shape[2:])
    found = OPERATORS["conv_transpose"](
        x=x, weight=net.weight.data, bias=net.bias.data, strides=torch.tensor([2, 2]),
        pad_type="custom", pad=torch.tensor([1, 1, 1, 1]), output_shape=torch.tensor(shape),
    )  # fmt: skip
    same(found.numpy(), wanted.numpy())


def test_conv_transpose_beyond_the_full_result_has_the_bias():
    x, weight, bias = drawn(1, 1, 2), drawn(1, 1, 2), drawn(1)
    found = computed(
        "conv_transpose", x=x, weight=weight, bias=bias, output_shape=np.array([1, 1, 5])
    )
    full = loops.conv_transpose(x, weight, (1,), (1,))
    same(found, np.concatenate([full, np.zeros((1, 1, 2))], 2) + bias)


@pytest.mark.parametrize(("pad_type", "begin"), [("same", 0), ("same_lower", 1)])
def test_conv_transpose_same_keeps_size_times_stride(pad_type, begin):
    """3 · 2 = 6 of the 7 full elements: the odd one goes behind, or before."""
    x, weight = drawn(1, 2, 3), drawn(2, 1, 3)
    found = computed("conv_transpose", x=x, weight=weight, strides=np.array([2]), pad_type=pad_type)
    full = loops.conv_transpose(x, weight, (2,), (1,))
    same(found, full[:, :, begin : begin + 6])


def test_conv_quantized_scales_each_filter():
    x, scale, shift, bias = drawn(1, 2, 5), drawn(3), drawn(3, seed=1), drawn(3, seed=2)
    whole = np.random.default_rng(0).integers(-128, 128, (3, 1, 2)).astype(np.int8)
    dense = whole * scale.reshape(-1, 1, 1) + shift.reshape(-1, 1, 1)
    with pytest.raises(ArtifactError, match="quantization_type 'lut'"):
        computed(
            "conv_quantized", x=x, weight=whole, quantization_type="lut", quant_scale=scale,
            quant_bias=shift,
        )  # fmt: skip
    found = computed(
        "conv_quantized", x=np.repeat(x, 3, 1), weight=np.repeat(whole, 2, 1), bias=bias, nbits=8,
        quantization_type="linear", quant_scale=scale, quant_bias=shift, strides=np.array([2]),
        pad_type="custom", pad=np.array([1, 0]), dilations=np.array([2]), groups=3,
    )  # fmt: skip
    wanted = loops.conv(np.repeat(x, 3, 1), np.repeat(dense, 2, 1), (2,), [(1, 0)], (2,), 3)
    same(found, wanted + bias.reshape(1, -1, 1))
