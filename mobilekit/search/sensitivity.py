"""How much an error of each layer's weights moves the outputs: all layers in one backward pass per draw.

An error δ of a layer's weights moves the outputs y by J δ, to first order. For errors that are independent
of one another, with a variance σ_o² per output channel o,

    E‖J δ‖² = Σ_o σ_o² ‖J_o‖²_F,    ‖J_o‖²_F = E_v ‖∂(vᵀ y)/∂W_o‖²,    v of random signs

(Hutchinson's estimator), so a few backward passes give the sensitivity of every channel of every layer.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mobilekit.runtime.program import flat, place_of, weights_of

if TYPE_CHECKING:
    from mobilekit.core.tensors import Arrays
    from mobilekit.runtime.program import Program

DRAWS = 4
"""Random directions per sample."""


def sensitivities(
    program: "Program", samples: "Sequence[Arrays]", *, draws: int = DRAWS, seed: int = 0
) -> dict[str, Tensor]:
    """Return, per parameter, the relative energy that unit errors of each output channel cause.

    Args:
        program: the network; it is left as found.
        samples: inputs in the network's layout.
        draws: random directions per sample.
        seed: of the directions.

    Returns:
        Name → float64 `[O]`, for parameters of two dimensions and more: with errors of variance σ_o² in
        the weights of channel o, the outputs move by Σ_o σ_o² s_o of their own energy. 0 for a layer
        that no output hears.
    """
    module = program.exported.module()
    place = place_of(program)
    names = {place + name: name for name in weights_of(program)}
    parameters = {name: value for name, value in module.named_parameters() if name in names}
    for value in module.parameters():
        value.requires_grad_(value.is_floating_point())
    generator = torch.Generator().manual_seed(seed)
    found = {
        names[name]: torch.zeros(len(value), dtype=torch.float64)
        for name, value in parameters.items()
    }
    for arrays in samples:
        inputs = [torch.tensor(arrays[spec.name]) for spec in program.inputs]
        outputs = [one for one in flat(module(*inputs)) if one.requires_grad]
        energy = sum(float((one.detach().double() ** 2).sum()) for one in outputs)
        for draw in range(draws):
            signs = [_signs(one, generator) for one in outputs]
            gradients = torch.autograd.grad(
                outputs, list(parameters.values()), signs, retain_graph=draw + 1 < draws,
                allow_unused=True,
            )  # fmt: skip
            for name, gradient in zip(parameters, gradients, strict=True):
                if gradient is not None and energy:
                    squares = (gradient.double() ** 2).flatten(1).sum(1)
                    found[names[name]] += squares / (energy * draws * len(samples))
    return found


def _signs(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randint(0, 2, like.shape, generator=generator).to(like.dtype) * 2 - 1


def expected(sensitivity: Tensor, weight: Tensor, relative: float, *, by_channel: bool) -> float:
    """Return the relative energy by which outputs move when a layer's weights err by a relative energy.

    Args:
        sensitivity: of the layer, `[O]`.
        weight: `[O, …]`.
        relative: energy of the errors over that of the weights.
        by_channel: errors are in proportion to the largest weight of each output channel (a scale per
            channel); else as large everywhere (a table per tensor).
    """
    total = relative * float((weight.double() ** 2).sum())
    per = weight[0].numel()
    if not by_channel:
        return total / weight.numel() * float(sensitivity.sum())
    peaks = weight.abs().flatten(1).amax(1).double() ** 2
    whole = float(peaks.sum())
    return float((peaks / whole * total / per) @ sensitivity) if whole else 0.0
