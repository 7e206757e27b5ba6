"""An untrained network, made such that nothing hides behind statistics of 0 and 1 or weights of 0."""

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
NOTHING = 1e-3
"""A weight whose values are all one number of at most this size lets its branch vanish."""
SCALES = (0.1, 0.2)
"""Range of awakened scales: the branch counts, and does not drown its shortcut."""
MATRIX_STD = 0.02
"""Of awakened matrices, as vision transformers initialize theirs (Dosovitskiy et al. 2021, code)."""


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's own generator inside the block, and leave it as it was found."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def example_inputs(
    specs: tuple[TensorSpec, ...], seed: int, batch: int | None = None, integers: int = 1
) -> tuple[torch.Tensor, ...]:
    """Return inputs for each spec: smooth and white noise for floats, small integers for others.

    Every other sample of an image is smooth, as photographs are: statistics taken from white
    noise alone make a network amplify photographs beyond reason.

    Args:
        specs: input specs, in the order of `forward`.
        seed: of the noise.
        batch: replaces the first dimension where it is 1.
        integers: integers are below it, and the largest one occurs; 1 leaves zeros and False.
    """
    generator = torch.Generator().manual_seed(seed)
    found = []
    for spec in specs:
        shape = list(spec.shape)
        if batch is not None and shape and shape[0] == 1:
            shape[0] = batch
        dtype = getattr(torch, spec.dtype)
        if not dtype.is_floating_point:
            found.append(_whole_numbers(shape, dtype, integers, generator))
            continue
        values = torch.randn(shape, generator=generator)
        if len(shape) == 4:
            values[1::2] = _smooth(values[1::2].shape, generator)
        found.append(values.to(dtype))
    return tuple(found)


def _whole_numbers(
    shape: list[int], dtype: torch.dtype, integers: int, generator: torch.Generator
) -> torch.Tensor:
    bound = min(integers, 2) if dtype == torch.bool else integers
    values = torch.randint(0, bound, shape, generator=generator)
    values.view(-1)[-1:] = bound - 1
    return values.to(dtype)


def _smooth(shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    """Return slow waves with a little noise and strong contrast [N, C, H, W]."""
    coarse = torch.randn((*shape[:2], COARSE, COARSE), generator=generator)
    waves = functional.interpolate(coarse, size=shape[2:], mode="bilinear")
    return 1.5 * waves + 0.25 * torch.randn(shape, generator=generator)


def awaken(module: nn.Module, seed: int) -> None:
    """Give weights that hide a branch, or the whole network, seeded values of a plausible size.

    Such are zero-initialized heads (ViT), layer scales of 1e-6 (ConvNeXt), gains of 0 at the end of
    residual branches. Biases stay: a bias of 0 hides nothing.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            first = weight.flatten()[:1]
            if name.endswith("bias") or not weight.numel() or not bool((weight == first).all()):
                continue
            if abs(float(first)) > NOTHING:
                continue
            if weight.numel() == max(weight.shape, default=1):
                weight.uniform_(*SCALES, generator=generator)
            else:
                weight.normal_(0.0, MATRIX_STD, generator=generator)


def warm_batch_norm(
    module: nn.Module, specs: tuple[TensorSpec, ...], seed: int, integers: int = 1
) -> None:
    """Set each fresh batch norm's running statistics to the average over a few noise batches.

    Statistics that are not 0 and 1 any more come from training (a factory may load weights itself)
    and stay. Dropout stays off; modes, momenta and the global generator are left as found. Nothing happens
    in a network without batch norm. Integer inputs are below `integers`.
    """
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]  # noqa: SLF001
    norms = [norm for norm in norms if norm.track_running_stats and _fresh(norm)]
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
                module(*example_inputs(specs, seed + index, BATCH, integers))
    finally:
        for norm, momentum in momenta.items():
            norm.momentum = momentum
        for part, training in modes.items():
            part.training = training


def _fresh(norm: nn.modules.batchnorm._BatchNorm) -> bool:
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        return False
    return not bool(mean.any()) and bool((variance == 1).all())
