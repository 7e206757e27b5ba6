"""Does a smaller network compute what the larger one does?"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils import _pytree as pytree

from mobilekit.core.errors import ModelError

STEP = 32
"""Pixels that a map grows by for the second resolution, once for height and twice for width."""


def residual(
    before: nn.Module,
    after: nn.Module,
    samples: Sequence[Sequence[Tensor]],
    fed: Callable[[Sequence[Tensor]], Sequence[Tensor]] = list,
) -> float:
    """Return the largest |after − before| of any output over that output's largest |before|.

    Both run in evaluation mode, without gradients, and are left as found. `fed` says what `after` takes
    of a sample.

    Raises:
        ModelError: outputs of different structure, or values that are not finite.
    """
    worst = 0.0
    for sample in samples:
        first, second = _outputs(before, sample), _outputs(after, fed(sample))
        if len(first) != len(second):
            raise ModelError(f"{len(second)} outputs instead of {len(first)}")
        for one, two in zip(first, second, strict=True):
            if one.shape != two.shape:
                raise ModelError(
                    f"an output of shape {list(two.shape)} instead of {list(one.shape)}"
                )
            largest = float(one.abs().max()) if one.numel() else 0.0
            error = float((two - one).abs().max()) if one.numel() else 0.0
            ratio = error / largest if largest else error
            if not math.isfinite(ratio):
                raise ModelError("an output has values that are not finite")
            worst = max(worst, ratio)
    return worst


def resolutions(
    network: nn.Module, inputs: Sequence[Tensor], seed: int = 0
) -> tuple[list[Sequence[Tensor]], bool]:
    """Make inputs of noise at two resolutions; the second only where the network takes it.

    Returns:
        The inputs, a batch of two each where the network takes one; whether there are two resolutions.
    """
    generator = torch.Generator().manual_seed(seed)
    found: list[Sequence[Tensor]] = [_noise(inputs, generator, 0)]
    if not any(tensor.ndim == 4 for tensor in inputs):
        return found, False
    larger = _noise(inputs, generator, STEP)
    try:
        batches = [[out.shape[:1] for out in _outputs(network, one)] for one in (found[0], larger)]
    except Exception:  # noqa: BLE001  it is the network's right to take one resolution only
        return found, False
    if batches[0] != batches[1]:  # a view with numbers of its own makes images of the larger map
        return found, False
    return [*found, larger], True


def enlarged(samples: Sequence[Sequence[Tensor]]) -> list[Sequence[Tensor]]:
    """Return samples, and all of them again with their images at the second resolution."""
    larger = [
        [
            functional.interpolate(t, (t.shape[2] + STEP, t.shape[3] + 2 * STEP), mode="bilinear")
            if t.ndim == 4 and t.is_floating_point()
            else t
            for t in sample
        ]
        for sample in samples
    ]
    return [*samples, *larger]


def single_values(network: nn.Module, inputs: Sequence[Tensor]) -> tuple[list[Tensor], bool]:
    """Flatten the images of a network that does so itself: its single values are channels then.

    Returns:
        Inputs of shape `[N, C·H·W]`, if the network makes the same of them, else those given; and
        whether they are flattened.
    """
    noise = _noise(inputs, torch.Generator().manual_seed(0), 0)
    flat = [tensor.flatten(1) if tensor.ndim == 4 else tensor for tensor in noise]
    if all(one.ndim == two.ndim for one, two in zip(flat, noise, strict=True)):
        return list(inputs), False
    try:
        alike = residual(network, network, [noise], lambda _: flat) == 0
    except Exception:  # noqa: BLE001  most networks refuse a flat image, each in its own way
        return list(inputs), False
    return (
        ([t.flatten(1) if t.ndim == 4 else t for t in inputs], True)
        if alike
        else (list(inputs), False)
    )


def _noise(inputs: Sequence[Tensor], generator: torch.Generator, grow: int) -> list[Tensor]:
    made = []
    for tensor in inputs:
        shape = list(tensor.shape)
        if len(shape) == 4:
            shape = [*shape[:2], shape[2] + grow, shape[3] + 2 * grow]
        if tensor.is_floating_point():
            made.append(torch.randn(shape, generator=generator).to(tensor))
        else:
            made.append(tensor)
    return made


def _outputs(network: nn.Module, sample: Sequence[Tensor]) -> list[Tensor]:
    modes = {module: module.training for module in network.modules()}
    try:
        for module in modes:  # an exported program has no eval()
            module.training = False
        with torch.no_grad():
            leaves = pytree.tree_leaves(network(*sample))
        return [leaf.double() for leaf in leaves if isinstance(leaf, Tensor)]
    finally:
        for module, training in modes.items():
            module.training = training
