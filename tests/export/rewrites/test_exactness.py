"""Each rewrite computes what PyTorch's own operator computes, whatever the sizes and options."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from mobilekit.core.errors import ExportError
from mobilekit.core.targets import CoremlTarget, Target, TfliteTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.export.preflight import rewrite
from mobilekit.export.program import trace

COREML, TFLITE = CoremlTarget(), TfliteTarget()
SIZES = st.integers(2, 9)
FEW = settings(max_examples=6, deadline=None)
# Sums of at most 9 x 9 products of weights that add to 1 (bicubic: their sizes to 2) and normal
# values; each rounding is at most 2^-24 of the largest.
EPSILON = 100 * 2**-24


class Apply(nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


def _check(net: nn.Module, shape: tuple[int, ...], target: Target, gone: str) -> None:
    """The rewritten program lacks the operator and gives the same values."""
    net = net.eval()
    rewritten, notes = rewrite(trace(net, (TensorSpec("x", shape),)), target)
    assert notes
    assert gone not in str(rewritten.exported.graph)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, found = net(x.clone()), rewritten.module(x.clone())[0]
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    assert float((found - expected).abs().max()) <= EPSILON * float(expected.abs().max() + 1)


@FEW
@given(SIZES, SIZES, SIZES, SIZES, st.booleans(), st.sampled_from(["bilinear", "bicubic"]))
def test_antialiased_resize(
    h: int, w: int, rows: int, columns: int, corners: bool, mode: str
) -> None:
    net = Apply(
        lambda x: functional.interpolate(
            x, size=(rows, columns), mode=mode, antialias=True, align_corners=corners
        )
    )
    _check(net, (1, 2, h, w), TFLITE, "_aa")


@FEW
@given(SIZES, SIZES, st.floats(0.5, 3.0), st.booleans(), st.booleans())
def test_bicubic_resize_by_a_factor(
    h: int, w: int, factor: float, corners: bool, recompute: bool
) -> None:
    net = Apply(
        lambda x: functional.interpolate(
            x, scale_factor=factor, mode="bicubic", align_corners=corners,
            recompute_scale_factor=recompute,
        )
    )  # fmt: skip
    _check(net, (1, 2, h, w), COREML, "bicubic")


ODD = st.floats(0.5, 3.0).filter(lambda factor: not (factor * 64).is_integer())


@FEW
@given(SIZES, SIZES, ODD, ODD, st.booleans())
def test_bilinear_resize_by_factors(
    h: int, w: int, down: float, across: float, corners: bool
) -> None:
    net = Apply(
        lambda x: functional.interpolate(
            x, scale_factor=(down, across), mode="bilinear", align_corners=corners
        )
    )
    _check(net, (1, 2, h, w), COREML, str(down))


@FEW
@given(SIZES, ODD, st.booleans())
def test_linear_resize_by_a_factor(w: int, factor: float, corners: bool) -> None:
    net = Apply(
        lambda x: functional.interpolate(
            x, scale_factor=factor, mode="linear", align_corners=corners
        )
    )
    _check(net, (1, 2, w), COREML, "upsample")


@FEW
@given(
    h=st.integers(5, 9), w=st.integers(5, 9),
    kernel=st.tuples(st.integers(2, 4), st.integers(2, 4)), stride=st.integers(1, 5),
    padding=st.integers(0, 1), ceil=st.booleans(), counted=st.booleans(), divisor=st.integers(1, 20),
)  # fmt: skip
def test_averages_with_a_divisor(
    h: int, w: int, kernel: tuple[int, int], stride: int, padding: int, ceil: bool,
    counted: bool, divisor: int,
) -> None:  # fmt: skip
    net = nn.AvgPool2d(kernel, stride, padding, ceil, counted, divisor)
    _check(net, (1, 2, h, w), COREML, f", {divisor})")


@FEW
@given(SIZES, st.integers(2, 4), st.integers(1, 4), st.integers(0, 1), st.booleans())
def test_averages_whose_last_window_is_dropped(
    w: int, kernel: int, more: int, padding: int, counted: bool
) -> None:
    stride = kernel + more
    height = stride - padding  # a second window would begin where the image and its padding end
    net = nn.AvgPool2d((kernel, 2), (stride, 1), padding, True, counted)
    _check(net, (1, 2, height, w), TFLITE, f"[{stride}, 1], [{padding}")


@FEW
@given(SIZES, SIZES, st.integers(1, 3), st.booleans())
def test_affine_grid(h: int, w: int, batch: int, corners: bool) -> None:
    net = Apply(lambda x: functional.affine_grid(x, [batch, 4, h, w], align_corners=corners))
    _check(net, (batch, 2, 3), COREML, "affine_grid")


def test_the_grid_of_a_volume_is_refused_by_its_operator() -> None:
    net = Apply(lambda x: functional.affine_grid(x, [1, 4, 5, 6, 7], align_corners=False))
    with pytest.raises(
        ExportError, match=r"affine-grid: aten\.affine_grid_generator .* no volumes"
    ):
        rewrite(trace(net, (TensorSpec("x", (1, 3, 4)),)), COREML)


@FEW
@given(SIZES, SIZES, SIZES, SIZES, st.sampled_from(["nearest", "nearest-exact"]))
def test_nearest_resize_to_a_size(h: int, w: int, rows: int, columns: int, mode: str) -> None:
    if rows % h == 0 and columns % w == 0:
        rows = rows + 1 if h > 1 else rows
    net = Apply(lambda x: functional.interpolate(x, size=(rows, columns), mode=mode))
    _check(net, (1, 2, h, w), TFLITE, "upsample")


@FEW
@given(SIZES, SIZES, st.floats(0.5, 3.0).filter(lambda f: f != int(f)))
def test_nearest_resize_by_a_factor(h: int, w: int, factor: float) -> None:
    net = Apply(lambda x: functional.interpolate(x, scale_factor=factor, mode="nearest"))
    _check(net, (1, 2, h, w), TFLITE, "upsample")


@FEW
@given(
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    extra=st.integers(0, 2),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2]),
    bias=st.booleans(),
    dimensions=st.sampled_from([1, 2]),
)
def test_transposed_convolution(
    kernel: int, stride: int, padding: int, extra: int, dilation: int, groups: int, bias: bool,
    dimensions: int,
) -> None:  # fmt: skip
    span = dilation * (kernel - 1) + 1
    extra = min(extra, max(stride, dilation) - 1)
    balanced = padding == 0 or stride == 1 or span - stride == 2 * padding
    size = [5, 4][:dimensions]
    least = min((n - 1) * stride - 2 * padding + span + extra for n in size)
    if (balanced and not extra) or least < 1 or (extra and stride == 1 and dilation == 1):
        return
    kind = nn.ConvTranspose1d if dimensions == 1 else nn.ConvTranspose2d
    net = kind(
        4, 6, kernel, stride, padding, output_padding=extra, groups=groups, bias=bias,
        dilation=dilation,
    )  # fmt: skip
    _check(net, (1, 4, *size), TFLITE, "transposed")
    rewritten, _ = rewrite(trace(net.eval(), (TensorSpec("x", (1, 4, *size)),)), TFLITE)
    for node in rewritten.exported.graph.nodes:
        if "conv_transpose" in str(node.target):
            assert not any(any(values) for values in node.args[4:6])


@FEW
@given(SIZES, SIZES, st.integers(1, 9), st.integers(1, 9))
def test_adaptive_max_pool(h: int, w: int, rows: int, columns: int) -> None:
    _check(nn.AdaptiveMaxPool2d((rows, columns)), (1, 2, h, w), TFLITE, "adaptive")


@FEW
@given(st.tuples(*[st.integers(0, 4)] * 4))
def test_circular_pad(pad: tuple[int, ...]) -> None:
    net = Apply(lambda x: functional.pad(x, pad, mode="circular"))
    _check(net, (1, 2, 4, 5), COREML, "circular")


@pytest.mark.parametrize(
    ("groups", "shape"), [(2, (1, 4, 3, 3)), (3, (2, 6, 2, 2)), (4, (1, 8, 5))]
)
def test_channel_shuffle(groups: int, shape: tuple[int, ...]) -> None:
    _check(nn.ChannelShuffle(groups), shape, COREML, "channel_shuffle")


@pytest.mark.parametrize("alpha", [0.3, 1.0, 2.5])
def test_celu(alpha: float) -> None:
    _check(nn.CELU(alpha), (3, 50), COREML, "celu")
    _check(nn.Sequential(nn.Linear(50, 4), nn.CELU(alpha, inplace=True)), (3, 50), COREML, "celu")


def test_an_operator_in_place_is_seen_by_all_who_read_its_tensor_later() -> None:
    def overwriting(x: torch.Tensor) -> torch.Tensor:
        before = x * 2
        kept = before + 0
        functional.celu(before, inplace=True)
        return before + 10 * kept

    _check(Apply(overwriting), (3, 50), COREML, "celu")


@pytest.mark.parametrize(
    "function",
    [
        lambda x: functional.celu(x, inplace=True),
        lambda x: (y := x * 2, functional.celu(y[:1], inplace=True))[0],
        lambda x: (y := x * 2, z := y[:1], functional.celu(y, inplace=True), z)[-1],
    ],
)
def test_an_operator_in_place_on_a_view_is_refused(function: Any) -> None:
    program = trace(Apply(function), (TensorSpec("x", (3, 50)),))
    with pytest.raises(ExportError, match="overwrites an input or a view"):
        rewrite(program, COREML)


def test_gelu_tanh_is_the_formula_in_float64() -> None:
    net = nn.GELU(approximate="tanh")
    _check(net, (3, 50), COREML, "gelu")
    rewritten, _ = rewrite(trace(net, (TensorSpec("x", (1, 101)),)), COREML)
    x = torch.linspace(-6, 6, 101).reshape(1, 101)
    wide = x.double()
    formula = 0.5 * wide * (1 + torch.tanh(math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3)))
    assert float((rewritten.module(x)[0] - formula).abs().max()) <= 8 * 2**-24 * 6


@FEW
@given(st.integers(0, 2), st.integers(1, 5), st.booleans())
def test_topk_values(axis: int, k: int, largest: bool) -> None:
    net = Apply(lambda x: torch.topk(x, k, dim=axis, largest=largest)[0])
    _check(net, (5, 6, 7), TFLITE, "never")
    masked = Apply(lambda x: torch.topk(torch.where(x > 0, x, -torch.inf), k, dim=axis)[0])
    rewritten, _ = rewrite(trace(masked, (TensorSpec("x", (5, 6, 7)),)), TFLITE)
    x = torch.randn((5, 6, 7), generator=torch.Generator().manual_seed(2))
    assert torch.equal(rewritten.module(x)[0], masked(x))
