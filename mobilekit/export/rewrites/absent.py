"""Operators that no phone format has in any form."""

from torch import nn

from mobilekit.export.rewrites.rule import Operand, Refused, Rule

_ALL = frozenset({"coreml", "tflite", "onnx"})
_PHONES = frozenset({"coreml", "tflite"})


def _detection(_arguments: dict[str, Operand]) -> nn.Module:
    raise Refused(
        "detection post-processing has no operator in the phone formats; export backbone and heads"
        " only, and decode and suppress boxes in the app"
    )


def _fft(_arguments: dict[str, Operand]) -> nn.Module:
    raise Refused("Fourier transforms have no operator in the phone formats")


def _random(_arguments: dict[str, Operand]) -> nn.Module:
    raise Refused(
        "draws random numbers, so no file can compute what the network computes; make the numbers an"
        " input, or leave the operator out for inference"
    )


def _dropout(arguments: dict[str, Operand]) -> nn.Module | None:
    training, share = bool(arguments["train"]), float(arguments["p"])
    return _random(arguments) if training and share > 0 else None


RULES: tuple[Rule, ...] = (
    Rule(
        "detection-post-processing", _ALL,
        (
            "torchvision.nms.default", "torchvision.roi_align.default",
            "torchvision.roi_pool.default", "torchvision.ps_roi_align.default",
            "torchvision.deform_conv2d.default",
        ),
        _detection,
    ),
    Rule("random", _ALL, ("aten.dropout.default", "aten.feature_dropout.default"), _dropout),
    Rule(
        "random", _ALL,
        tuple(
            f"aten.{name}"
            for name in (
                "rand.default", "rand_like.default", "randn.default", "randn_like.default",
                "randint.default", "randint.low", "randint_like.default",
                "randint_like.low_dtype", "randperm.default", "bernoulli.default", "bernoulli.p",
                "multinomial.default", "normal.Tensor_float", "normal.float_Tensor",
                "normal.Tensor_Tensor", "normal_.default", "uniform.default", "uniform_.default",
                "bernoulli_.float", "normal_functional.default", "exponential.default",
            )
        ),
        _random,
    ),
    Rule(
        "fft", _PHONES,
        (
            "aten.fft_fft.default", "aten.fft_fft2.default", "aten.fft_rfft.default",
            "aten.fft_rfft2.default", "aten.fft_irfft2.default", "aten.fft_fftn.default",
            "aten.fft_ifft2.default", "aten.fft_rfftn.default", "aten.fft_irfftn.default",
        ),
        _fft,
    ),
)  # fmt: skip
