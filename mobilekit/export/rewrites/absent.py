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
