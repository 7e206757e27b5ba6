"""Activation functions.

Source: the operator definitions of coremltools (`iOS15` and `iOS17`, activation). alpha and beta
are single numbers, except in prelu and softplus_parametric, where they are per channel ([C]).
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from mobilekit.runtime.coreml_reference.context import Handler
from mobilekit.runtime.coreml_reference.ops.values import (
    Number,
    position,
    real,
    refused,
    tensor,
)


def clamped_relu(*, x: Tensor, alpha: Number, beta: Number) -> Tensor:
    """Return `min(beta, x)` where x >= 0, else `min(beta, alpha * x)`."""
    return torch.minimum(torch.where(x >= 0, x, alpha * x), tensor(beta))


def elu(*, x: Tensor, alpha: Number) -> Tensor:
    """Return x where x > 0, else `alpha * (e^x - 1)`."""
    return torch.where(x > 0, x, alpha * torch.expm1(x))


def gelu(*, x: Tensor, mode: str = "EXACT") -> Tensor:
    """Return the Gaussian error linear unit.

    EXACT is `x / 2 * (1 + erf(x / sqrt 2))`; TANH_APPROXIMATION is
    `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))`; SIGMOID_APPROXIMATION is
    `x * sigmoid(1.702 x)`.

    Raises:
        ArtifactError: another mode.
    """
    if mode == "EXACT":
        return functional.gelu(x)
    if mode == "TANH_APPROXIMATION":
        return functional.gelu(x, approximate="tanh")
    if mode == "SIGMOID_APPROXIMATION":
        return x * torch.sigmoid(1.702 * x)
    modes = "EXACT, TANH_APPROXIMATION, SIGMOID_APPROXIMATION"
    raise refused("gelu", "mode", mode, f"is none of {modes}")


def leaky_relu(*, x: Tensor, alpha: Number) -> Tensor:
    """Return x where x >= 0, else `alpha * x`."""
    return functional.leaky_relu(x, real(alpha))


def linear_activation(*, x: Tensor, alpha: Number, beta: Number) -> Tensor:
    """Return `alpha * x + beta`."""
    return alpha * x + beta


def prelu(*, x: Tensor, alpha: Number) -> Tensor:
    """Return x where x > 0, else `alpha_c * x`; x is [N, C, ...], alpha [C]."""
    return torch.where(x > 0, x, _per_channel("prelu", "alpha", alpha, x) * x)


def relu6(*, x: Tensor) -> Tensor:
    """Return `min(max(x, 0), 6)`."""
    return torch.clamp(x, 0, 6)


def scaled_tanh(*, x: Tensor, alpha: Number, beta: Number) -> Tensor:
    """Return `alpha * tanh(beta * x)`."""
    return alpha * torch.tanh(beta * x)


def sigmoid_hard(*, x: Tensor, alpha: Number, beta: Number) -> Tensor:
    """Return `min(max(alpha * x + beta, 0), 1)`."""
    return torch.clamp(alpha * x + beta, 0, 1)


def softmax(*, x: Tensor, axis: Number = -1) -> Tensor:
    """Return `e^x` divided by its sum along the axis."""
    return torch.softmax(x, dim=position("softmax", axis, x.dim()))


def softplus_parametric(*, x: Tensor, alpha: Number, beta: Number) -> Tensor:
    """Return `alpha_c * log(1 + e^(beta_c * x))`; x is [N, C, ...], alpha and beta [C]."""
    scale = _per_channel("softplus_parametric", "alpha", alpha, x)
    return scale * _softplus(_per_channel("softplus_parametric", "beta", beta, x) * x)


def thresholded_relu(*, x: Tensor, alpha: Number) -> Tensor:
    """Return x where x >= alpha, else 0."""
    return torch.where(x < alpha, torch.zeros_like(x), x)


def _softplus(x: Tensor) -> Tensor:
    """Return `log(1 + e^x)` without the linear shortcut of torch's own."""
    return torch.logaddexp(x, torch.zeros_like(x))


def _softsign(x: Tensor) -> Tensor:
    return x / (1 + torch.abs(x))


def _per_channel(operator: str, parameter: str, value: Number, x: Tensor) -> Tensor:
    vector = tensor(value).reshape(-1)
    if x.dim() < 2 or vector.numel() not in {1, x.shape[1]}:
        raise refused(operator, parameter, list(vector.shape), f"does not fit x {list(x.shape)}")
    return vector.reshape(-1, *[1] * (x.dim() - 2))


def _unary(function: Callable[[Tensor], Tensor]) -> Handler:
    def handler(*, x: Tensor) -> Tensor:
        return function(x)

    return handler


TABLE: dict[str, Handler] = {
    "clamped_relu": clamped_relu,
    "elu": elu,
    "gelu": gelu,
    "leaky_relu": leaky_relu,
    "linear_activation": linear_activation,
    "prelu": prelu,
    "relu": _unary(torch.relu),
    "relu6": relu6,
    "scaled_tanh": scaled_tanh,
    "sigmoid": _unary(torch.sigmoid),
    "sigmoid_hard": sigmoid_hard,
    "silu": _unary(functional.silu),
    "softmax": softmax,
    "softplus": _unary(_softplus),
    "softplus_parametric": softplus_parametric,
    "softsign": _unary(_softsign),
    "tanh": _unary(torch.tanh),
    "thresholded_relu": thresholded_relu,
}
