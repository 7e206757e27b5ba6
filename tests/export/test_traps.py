"""Each known trap springs without the pre-flight, and does not with it."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from mobilekit.core.errors import ExportError
from mobilekit.core.targets import CoremlTarget, OnnxTarget, Target, TfliteTarget, format_of
from mobilekit.core.tensors import TensorSpec
from mobilekit.export.preflight import CHECKS, find_traps, rules
from mobilekit.export.program import trace
from mobilekit.export.traps import TRAPS
from mobilekit.runtime import open_model

COREML = CoremlTarget(precision="float32")
TFLITE = TfliteTarget()
PLAIN = TensorSpec("x", (1, 4, 13, 11))
Net = Callable[[torch.Tensor], Any]


def _resize(**options: Any) -> Net:
    return lambda x: functional.interpolate(x, **options)


WRONG: dict[str, tuple[str, Target, nn.Module | Net]] = {
    "antialias-coreml": (
        "antialiased-resize", COREML, _resize(size=(7, 6), mode="bilinear", antialias=True),
    ),
    "gelu-tanh-coreml": (
        "gelu-tanh", COREML, lambda x: functional.gelu(3 * x, approximate="tanh"),
    ),
    "nearest-up-tflite": ("fractional-nearest", TFLITE, _resize(size=(20, 17), mode="nearest")),
    "nearest-down-tflite": ("fractional-nearest", TFLITE, _resize(size=(7, 5), mode="nearest")),
    "bilinear-factor-tflite": (
        "scaled-bilinear", TFLITE, _resize(scale_factor=1.7, mode="bilinear"),
    ),
    "bilinear-half-of-an-odd-size-tflite": (
        "scaled-bilinear", TFLITE, _resize(scale_factor=0.5, mode="bilinear"),
    ),
    "divisor-onnx": (
        "average-divisor", OnnxTarget(dynamic_batch=False),
        nn.AvgPool2d(3, 2, padding=1, ceil_mode=True, divisor_override=5),
    ),
    "nearest-factor-tflite": (
        "fractional-nearest", TFLITE, _resize(scale_factor=1.5, mode="nearest"),
    ),
}  # fmt: skip
"""Nets whose file, made without the guard, computes something else: trap, target, net."""


@pytest.mark.parametrize("name", WRONG)
def test_a_silent_trap_gives_wrong_values_without_the_guard_and_right_ones_with_it(
    name: str, apply: Any, roundtrip: Any, float32_bar: float
) -> None:
    trap, target, function = WRONG[name]
    net = function if isinstance(function, nn.Module) else apply(function)
    bare = roundtrip(net, (PLAIN,), target, guarded=False)
    assert bare.relative_l2 > 10 * float32_bar
    assert bare.converted.notes == ()
    guarded = roundtrip(net, (PLAIN,), target)
    assert guarded.relative_l2 <= float32_bar
    assert [note.partition(":")[0] for note in guarded.converted.notes] == [trap]


FAILING: dict[str, tuple[str, Target, nn.Module | Net]] = {
    "bicubic-coreml": ("bicubic-resize", COREML, _resize(size=(20, 17), mode="bicubic")),
    "bicubic-corners-coreml": (
        "bicubic-resize", COREML, _resize(scale_factor=1.7, mode="bicubic", align_corners=True),
    ),
    "antialias-bicubic-coreml": (
        "antialiased-resize", COREML, _resize(size=(7, 6), mode="bicubic", antialias=True),
    ),
    "antialias-tflite": (
        "antialiased-resize", TFLITE, _resize(size=(7, 6), mode="bilinear", antialias=True),
    ),
    "antialias-bicubic-tflite": (
        "antialiased-resize", TFLITE, _resize(size=(7, 6), mode="bicubic", antialias=True),
    ),
    "nearest-exact-coreml": (
        "fractional-nearest", COREML, _resize(size=(20, 17), mode="nearest-exact"),
    ),
    "bilinear-factor-coreml": (
        "scaled-bilinear", COREML, _resize(scale_factor=1.7, mode="bilinear"),
    ),
    "antialias-then-factor-coreml": (
        "scaled-bilinear", COREML,
        lambda x: functional.interpolate(2 * x, scale_factor=(0.7, 1.7), mode="bilinear"),
    ),
    "divisor-coreml": (
        "average-divisor", COREML, nn.AvgPool2d((3, 2), 2, padding=1, divisor_override=4),
    ),
    "affine-grid-coreml": ("affine-grid", COREML, lambda x: functional.affine_grid(
        x[:, 0, :2, :3], [1, 4, 5, 6], align_corners=False,
    )),
    "celu-coreml": ("celu", COREML, lambda x: functional.celu(x, alpha=0.7)),
    "shuffle-coreml": ("channel-shuffle", COREML, nn.ChannelShuffle(2)),
    "circular-coreml": (
        "circular-pad", COREML, lambda x: functional.pad(x, (1, 2, 3, 0), mode="circular"),
    ),
    "transposed-tflite": (
        "transposed-convolution", TFLITE, nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1),
    ),
    "transposed-output-padding-tflite": (
        "transposed-convolution", TFLITE,
        nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1),
    ),
    "topk-values-tflite": ("topk", TFLITE, lambda x: torch.topk(x.flatten(1), 100)[0]),
    "topk-values-of-an-axis-tflite": (
        "topk", TFLITE, lambda x: torch.topk(x, 3, dim=2, largest=False)[0],
    ),
    "topk-integers-tflite": (
        "topk", TFLITE, lambda x: torch.topk((9 * x).int(), 3)[0].float(),
    ),
    "ceil-mode-tflite": (
        "ceil-mode-average", TFLITE, nn.AvgPool2d(2, 4, ceil_mode=True),
    ),
    "adaptive-max-tflite": ("adaptive-max-pool", TFLITE, nn.AdaptiveMaxPool2d((5, 4))),
}  # fmt: skip
"""Nets that the bare converter refuses, or makes a file of that does not load."""


@pytest.mark.parametrize("name", FAILING)
def test_an_operator_that_a_converter_lacks_is_rewritten(
    name: str, apply: Any, roundtrip: Any, float32_bar: float
) -> None:
    trap, target, function = FAILING[name]
    net = function if isinstance(function, nn.Module) else apply(function)
    with pytest.raises(ExportError):
        roundtrip(net, (PLAIN,), target, guarded=False)
    guarded = roundtrip(net, (PLAIN,), target)
    assert guarded.relative_l2 <= float32_bar
    assert [note.partition(":")[0] for note in guarded.converted.notes] == [trap]


UNTOUCHED: dict[str, tuple[Target, nn.Module | Net]] = {
    "nearest-whole": (TFLITE, _resize(scale_factor=2, mode="nearest")),
    "bilinear": (TFLITE, _resize(size=(20, 17), mode="bilinear")),
    "gelu": (COREML, functional.gelu),
    "zero-pad": (COREML, lambda x: functional.pad(x, (1, 2, 3, 0))),
    "transposed-k4s2p1": (TFLITE, nn.ConvTranspose2d(4, 3, 4, stride=2, padding=1)),
    "transposed-k2s2": (TFLITE, nn.ConvTranspose2d(4, 3, 2, stride=2)),
    "transposed-coreml": (COREML, nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1)),
    "topk-both": (TFLITE, lambda x: torch.topk(x, 3, dim=1)),
    "topk-positions": (TFLITE, lambda x: torch.topk(x, 3)[1]),
    "bicubic-tflite": (TFLITE, _resize(size=(20, 17), mode="bicubic")),
}


@pytest.mark.parametrize("name", UNTOUCHED)
def test_what_converts_well_is_left_alone_and_right(
    name: str, apply: Any, roundtrip: Any, float32_bar: float
) -> None:
    target, function = UNTOUCHED[name]
    net = function if isinstance(function, nn.Module) else apply(function)
    trip = roundtrip(net, (PLAIN,), target)
    assert trip.converted.notes == ()
    assert trip.relative_l2 <= float32_bar


REFUSED: dict[str, tuple[str, Target, Net, str]] = {
    "sort": ("sort", TFLITE, lambda x: torch.sort(x, dim=-1)[0], "no sort"),
    "argsort": ("sort", TFLITE, lambda x: torch.argsort(x, dim=-1), "no sort"),
    "fft-coreml": ("fft", COREML, lambda x: torch.fft.fft2(x).abs(), "Fourier"),
    "rand-like-coreml": ("random", COREML, lambda x: x + torch.rand_like(x), "random"),
    "rand-like-tflite": ("random", TFLITE, lambda x: x + torch.rand_like(x), "random"),
    "rand-like-onnx": ("random", OnnxTarget(), lambda x: x + torch.rand_like(x), "random"),
    "randn-onnx": ("random", OnnxTarget(), lambda x: x + torch.randn(1, 4, 13, 11), "random"),
    "bernoulli-onnx": ("random", OnnxTarget(), lambda x: torch.bernoulli(x.sigmoid()), "random"),
    "dropout-onnx": (
        "random", OnnxTarget(), lambda x: functional.dropout(x, training=True), "random",
    ),
    "fft-tflite": ("fft", TFLITE, lambda x: torch.fft.rfft(x).abs(), "Fourier"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_exact_form_is_refused_in_one_line_with_its_place(
    name: str, apply: Any, roundtrip: Any
) -> None:
    trap, target, function, words = REFUSED[name]
    net = nn.Sequential()
    net.add_module("inner", apply(function))
    with pytest.raises(ExportError) as raised:
        roundtrip(net, (PLAIN,), target)
    line = str(raised.value)
    assert line.startswith(f"{format_of(target)}: {trap}: ")
    assert words in line
    assert "inner" in line
    assert re.search(r"\(\w+\.py:\d+\)", line)
    assert "\n" not in line


BEYOND = 3_000_000_000
NARROWED: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "written": lambda k: (k * BEYOND).float() / 1e9,
    "stored": lambda k: (k + torch.tensor([[BEYOND, 1]])).float() / 1e9,
}


@pytest.mark.parametrize("target", [COREML, TFLITE, OnnxTarget()])
@pytest.mark.parametrize("name", NARROWED)
def test_an_int64_constant_beyond_int32_is_refused_where_it_is_narrowed(
    name: str, target: Target, apply: Any, roundtrip: Any, float32_bar: float
) -> None:
    net, specs = apply(NARROWED[name]), (TensorSpec("k", (1, 2), "int64"),)
    if isinstance(target, OnnxTarget):
        assert roundtrip(net, specs, target).relative_l2 <= float32_bar
        return
    assert roundtrip(net, specs, target, guarded=False).relative_l2 > 0.1
    with pytest.raises(
        ExportError, match=r"int64-constant: .*conftest\.py:\d+\) holds .*3000000000"
    ):
        roundtrip(net, specs, target)


def test_large_numbers_that_are_no_int64_values_are_left_alone(apply: Any) -> None:
    nets = (lambda x: x * BEYOND, lambda x: x[:, 1:], lambda x: x.clamp(max=1e12))
    for function in nets:
        program = trace(apply(function), (PLAIN,))
        assert find_traps(program, TFLITE) == ()
        assert find_traps(program, COREML) == ()


@pytest.mark.parametrize("corners", [None, True])
def test_sizes_that_float32_rounds_down_are_right_in_core_ml(
    corners: bool | None, apply: Any, roundtrip: Any, float32_bar: float
) -> None:
    spec = TensorSpec("x", (1, 4, 30, 30))
    net = apply(_resize(scale_factor=(1.3, 2.6), mode="bilinear", align_corners=corners))
    bare = roundtrip(net, (spec,), COREML, guarded=False)
    assert bare.outputs["output"].shape == (1, 4, 38, 77)
    assert bare.references["output"].shape == (1, 4, 39, 78)
    assert roundtrip(net, (spec,), COREML).relative_l2 <= float32_bar
    line = TensorSpec("x", (1, 4, 30))
    net = apply(_resize(scale_factor=1.3, mode="linear", align_corners=corners))
    assert roundtrip(net, (line,), COREML).relative_l2 <= float32_bar


def test_a_rewrite_leaves_the_batch_free(roundtrip: Any) -> None:
    net = nn.Sequential(nn.Conv2d(4, 4, 1), nn.AvgPool2d(3, divisor_override=5))
    trip = roundtrip(trace(net.eval(), (PLAIN,), free_batch=True), (PLAIN,), OnnxTarget())
    assert not any("batch" in note for note in trip.converted.notes)
    runner = open_model(trip.path)
    x = np.random.default_rng(0).standard_normal((3, *PLAIN.shape[1:])).astype(np.float32)
    with torch.no_grad():
        expected = net(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(runner.run({"x": x})["output"], expected, rtol=1e-4, atol=1e-5)


def test_a_sort_converts_bare_to_a_file_that_the_interpreter_cannot_load(
    apply: Any, roundtrip: Any
) -> None:
    with pytest.raises(ExportError, match=r"of no use.*STABLEHLO_SORT"):
        roundtrip(apply(lambda x: torch.sort(x, dim=-1)[0]), (PLAIN,), TFLITE, guarded=False)


@pytest.mark.parametrize("target", [COREML, TFLITE, OnnxTarget()])
def test_detection_post_processing_is_refused_with_the_way_out(
    target: Target, roundtrip: Any
) -> None:
    from torchvision.ops import roi_align

    class Detector(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            boxes = torch.zeros(2, 5) + x.mean()
            return roi_align(x, boxes, output_size=(2, 2))

    with pytest.raises(ExportError, match="export backbone and heads"):
        roundtrip(Detector(), (PLAIN,), target)


def test_every_rule_is_in_the_table_and_every_rewritten_trap_has_a_rule() -> None:
    known = {trap.name: trap for trap in TRAPS}
    ruled = {rule.trap for group in rules().values() for rule in group}
    ruled |= {check.trap for check in CHECKS}
    assert ruled <= set(known)
    elsewhere = {"alias"}  # removed after decomposition, by the converter's own module
    for trap in TRAPS:
        if trap.action in {"rewritten", "refused"}:
            assert trap.name in ruled | elsewhere, trap.name
    for group in rules().values():
        for rule in group:
            assert rule.formats <= set(known[rule.trap].formats), rule.trap


def test_finding_traps_changes_nothing_and_names_the_place(apply: Any) -> None:
    net = nn.Sequential(nn.Conv2d(4, 4, 1))
    net.add_module("tail", apply(WRONG["gelu-tanh-coreml"][2]))
    program = trace(net.eval(), (PLAIN,))
    before = str(program.exported.graph)
    (finding,) = find_traps(program, COREML)
    assert (finding.trap, finding.action) == ("gelu-tanh", "rewritten")
    assert finding.operator == "aten.gelu"
    assert finding.module == "tail"
    assert re.fullmatch(r"conftest\.py:\d+", finding.source)
    assert str(program.exported.graph) == before
    assert find_traps(program, TFLITE) == ()


def test_several_of_a_kind_are_one_note(apply: Any, roundtrip: Any, float32_bar: float) -> None:
    net = nn.Sequential(*[nn.GELU(approximate="tanh") for _ in range(3)])
    trip = roundtrip(net, (PLAIN,), COREML)
    (note,) = trip.converted.notes
    assert note.endswith("(and 2 more)")
    assert trip.relative_l2 <= float32_bar


def test_alias_nodes_do_not_stop_core_ml(apply: Any, roundtrip: Any, float32_bar: float) -> None:
    net = apply(lambda x: torch.ops.aten.alias(x) * 2)
    assert roundtrip(net, (PLAIN,), COREML).relative_l2 <= float32_bar


def test_a_scale_and_shift_per_channel_gets_no_epsilon_in_float32(
    apply: Any, roundtrip: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    factor = torch.tensor([2.0, 3.0, 5.0, 7.0]).reshape(1, 4, 1, 1)
    net = apply(lambda x: x * factor + factor.flip(1))
    # one multiplication and one addition: each rounds by at most 2^-24 relative
    assert roundtrip(net, (PLAIN,), COREML).relative_l2 <= 2 * 2**-24
    monkeypatch.setattr("mobilekit.export.coreml._passes", lambda ct, _target: ct.PassPipeline())
    # 1 - 1 / sqrt(1 + 1e-5) = 5e-6 of x * factor, which is most of the result
    assert 3e-6 < roundtrip(net, (PLAIN,), COREML).relative_l2 < 7e-6


def test_flatten_converts_with_a_fixed_batch_in_lite_rt_and_a_free_one_in_onnx(
    roundtrip: Any, float32_bar: float
) -> None:
    net = nn.Sequential(nn.Conv2d(4, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(1), nn.Linear(2, 3))
    free = trace(net.eval(), (PLAIN,), free_batch=True)
    for program, target in ((net, TFLITE), (free, OnnxTarget())):
        trip = roundtrip(program, (PLAIN,), target)
        assert trip.relative_l2 <= float32_bar
        assert trip.converted.notes == ()


def test_flatten_with_a_free_batch_does_not_convert_bare() -> None:
    net = nn.Sequential(nn.Conv2d(4, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(1), nn.Linear(2, 3))
    import litert_torch

    with pytest.raises(Exception, match=r"[Ss]hape|concrete|Jit"):
        litert_torch.convert(
            net.eval(),
            (torch.zeros(2, *PLAIN.shape[1:]),),
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=8)},),
        )
