"""Batch-norm statistics of an untrained network, warmed on noise so that nothing hides behind 0 and 1."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional

from mobilekit.core.tensors import TensorSpec

BATCH = 4
PASSES = 2
COARSE = 6
"""Side of the grid that smooth noise is made from."""


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's own generator inside the block, and leave it as it was found."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def example_inputs(
    specs: tuple[TensorSpec, ...], seed: int, batch: int | None = None
) -> tuple[torch.Tensor, ...]:
    """Return inputs for each spec: smooth and white noise for floats, zeros for integers.

    Every other sample of an image is smooth, as photographs are: statistics taken from white
    noise alone make a network amplify photographs beyond reason.

    Args:
        specs: input specs, in the order of `forward`.
        seed: of the noise.
        batch: replaces the first dimension where it is 1.
    """
    generator = torch.Generator().manual_seed(seed)
    found = []
    for spec in specs:
        shape = list(spec.shape)
        if batch is not None and shape and shape[0] == 1:
            shape[0] = batch
        dtype = getattr(torch, spec.dtype)
        if not dtype.is_floating_point:
            found.append(torch.zeros(shape, dtype=dtype))
            continue
        values = torch.randn(shape, generator=generator)
        if len(shape) == 4:
            values[1::2] = _smooth(values[1::2].shape, generator)
        found.append(values.to(dtype))
    return tuple(found)


def _smooth(shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    """Return slow waves with a little noise and strong contrast [N, C, H, W]."""
    coarse = torch.randn((*shape[:2], COARSE, COARSE), generator=generator)
    waves = functional.interpolate(coarse, size=shape[2:], mode="bilinear")
    return 1.5 * waves + 0.25 * torch.randn(shape, generator=generator)


def warm_batch_norm(module: nn.Module, specs: tuple[TensorSpec, ...], seed: int) -> None:
    """Set each batch norm's running statistics to the average over a few noise batches.

    Dropout stays off; modes, momenta and the global generator are left as found. Nothing happens
    in a network without batch norm.
    """
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]  # noqa: SLF001
    norms = [norm for norm in norms if norm.track_running_stats and norm.running_mean is not None]
    if not norms:
        return
    modes = {m: m.training for m in module.modules()}
    momenta = {norm: norm.momentum for norm in norms}
    module.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the cumulative average
        norm.train()
    try:
        with torch.no_grad(), seeded(seed):
            for index in range(PASSES):
                module(*example_inputs(specs, seed + index, BATCH))
    finally:
        for norm, momentum in momenta.items():
            norm.momentum = momentum
        for part, training in modes.items():
            part.training = training
