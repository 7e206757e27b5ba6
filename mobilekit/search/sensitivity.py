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
_EPSILON = {"aten.batch_norm.default": 7, "aten._native_batch_norm_legit_no_training.default": 6}
"""Batch norm's operators → place of what is added to the variance."""
_CONVOLUTIONS = {"aten.conv1d.default", "aten.conv2d.default", "aten.conv3d.default"}


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


def factors(program: "Program") -> dict[str, Tensor]:
    """Return, per weight of a convolution, what a batch norm that is folded into it multiplies it by.

    Returns:
        Name → float64 `[O]`, γ / √(σ² + ε), for convolutions whose only taker is a batch norm.
    """
    signature = program.exported.graph_signature
    names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    place, found = place_of(program), {}
    for node in program.exported.graph.nodes:
        if str(node.target) not in _EPSILON or str(node.args[0].target) not in _CONVOLUTIONS:
            continue
        weight = node.args[0].args[1]
        if len(node.args[0].users) > 1 or len(weight.users) > 1 or weight.name not in names:
            continue
        scale, variance = (
            None if one is None else program.exported.state_dict.get(names.get(one.name, ""))
            for one in (node.args[1], node.args[4])
        )
        if variance is None:
            continue
        one = (variance.detach().double() + node.args[_EPSILON[str(node.target)]]).rsqrt()
        found[names[weight.name].removeprefix(place)] = (
            one if scale is None else one * scale.detach().double()
        )
    return found


def expected(
    sensitivity: Tensor,
    weight: Tensor,
    relative: float,
    *,
    by_channel: bool,
    factor: Tensor | None = None,
) -> float:
    """Return the relative energy by which outputs move when a layer's weights err by a relative energy.

    Args:
        sensitivity: of the layer, `[O]`.
        weight: `[O, …]`.
        relative: energy of the errors over that of the weights, both of the file.
        by_channel: errors are in proportion to the largest weight of each output channel (a scale per
            channel); else as large everywhere (a table per tensor).
        factor: `[O]`, by which the file's weights are larger than the network's; 1 where None.
    """
    squares = torch.ones(len(weight), dtype=torch.float64) if factor is None else factor**2
    moved = torch.where(squares > 0, sensitivity / squares.clamp_min(1e-300), 0.0)
    flat_weight = weight.double().flatten(1)
    total = relative * float((flat_weight**2).sum(1) @ squares)
    per = flat_weight.shape[1]
    if not by_channel:
        return total / weight.numel() * float(moved.sum())
    peaks = flat_weight.abs().amax(1) ** 2 * squares
    whole = float(peaks.sum())
    return float((peaks / whole * total / per) @ moved) if whole else 0.0
