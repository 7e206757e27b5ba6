"""Weights on a grid: its integers, its scales, and what batch norms and second quantizers make of them."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mobilekit.compress.quantization.grids import NARROWEST, Learned, Observed, levels_of
from mobilekit.compress.sparsity.granularity import of_layer
from mobilekit.compress.sparsity.grouped import Grouped

LAYERS = {
    "convolution": lambda: nn.Conv2d(6, 8, 3),
    "depthwise": lambda: nn.Conv2d(6, 12, 3, groups=6),
    "transposed": lambda: nn.ConvTranspose2d(6, 4, 3),
    "transposed groups": lambda: nn.ConvTranspose2d(6, 4, 3, groups=2),
    "linear": lambda: nn.Linear(10, 7),
}


def layer(kind: str, seed: int = 0) -> tuple[nn.Module, Grouped]:
    made = LAYERS[kind]()
    with torch.no_grad():
        generator = torch.Generator().manual_seed(seed)
        made.weight.normal_(generator=generator)
    if isinstance(made, nn.Linear):
        return made, Grouped("weight", made.weight, (1,))
    return made, of_layer("filter", made)[0]


def by_channel(made: nn.Module) -> np.ndarray:
    """Return weights in float64, output channel first, without the code under test."""
    weight = made.weight.detach().numpy().astype(np.float64)
    if isinstance(made, nn.ConvTranspose2d):
        groups = made.groups
        parts = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
        weight = np.concatenate([part.swapaxes(0, 1) for part in parts])
    return weight.reshape(len(weight), -1)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("bits", [4, 8])
def test_integers_are_those_of_numpy(kind: str, bits: int) -> None:
    made, channels = layer(kind)
    grid, q = Observed(channels, bits), 2 ** (bits - 1) - 1
    before = by_channel(made)
    scale = np.abs(before).max(1, keepdims=True) / q
    expected = np.rint(before / scale)
    with torch.no_grad():
        made.weight.copy_(grid(made.weight))
    found = by_channel(made) / scale
    assert np.array_equal(np.rint(found), expected)
    assert np.abs(found - expected).max() <= q * 2**-22
    assert (np.abs(expected).max(1) == q).all()
    assert np.allclose(grid.scales(made.weight).numpy(), scale.ravel(), rtol=2**-22, atol=0)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("learned", [False, True])
def test_quantized_again_by_the_greatest_weight_the_integers_are_the_same(
    kind: str, bits: int, learned: bool
) -> None:
    made, channels = layer(kind, 3)
    q = levels_of(bits)
    grid = Learned(channels, bits) if learned else Observed(channels, bits)
    grid.begin(made.weight)
    if isinstance(grid, Learned):
        with torch.no_grad():
            grid.relative.mul_(torch.linspace(0.3, 3, grid.relative.numel()).view_as(grid.relative))
    grid.begin(made.weight)
    scales = grid.scales(made.weight).double().numpy()
    with torch.no_grad():
        made.weight.copy_(grid(made.weight))
    baked = by_channel(made)
    mine = np.rint(baked / scales[:, None])
    again = np.rint(baked / (np.abs(baked).max(1, keepdims=True) / q))
    assert np.array_equal(mine, again)
    assert (np.abs(mine).max(1) == q).all()


@pytest.mark.parametrize("bits", [4, 8])
def test_a_batch_norm_that_is_folded_changes_signs_at_most(bits: int) -> None:
    made, channels = layer("convolution")
    generator = torch.Generator().manual_seed(5)
    factor = torch.randn(8, 1, 1, 1, generator=generator) * 3
    grid, q = Observed(channels, bits), levels_of(bits)
    own = by_channel(made)
    integers = np.rint(own / (np.abs(own).max(1, keepdims=True) / q))
    folded = copy.deepcopy(made)
    with torch.no_grad():
        folded.weight.mul_(factor)
        expected = factor * grid(made.weight)
        found = grid(folded.weight)
    assert torch.allclose(found, expected, rtol=2**-20, atol=0)
    theirs = by_channel(folded)
    scaled = np.rint(theirs / (np.abs(theirs).max(1, keepdims=True) / q))
    assert np.array_equal(scaled, np.sign(factor.numpy().reshape(8, 1)) * integers)


def test_zeros_and_channels_of_zeros_stay() -> None:
    made, channels = layer("convolution")
    with torch.no_grad():
        made.weight[2] = 0
        made.weight[:, 1] = 0
    for grid in (Observed(channels, 4), Learned(channels, 4)):
        grid.begin(made.weight)
        found = grid(made.weight)
        assert bool(found.isfinite().all())
        assert torch.equal(found[2], torch.zeros_like(found[2]))
        assert torch.equal(found[:, 1], torch.zeros_like(found[:, 1]))
        assert bool((grid.scales(made.weight) > 0).all())


def test_observed_scales_let_all_gradients_through() -> None:
    made, channels = layer("depthwise")
    above = torch.randn(made.weight.shape, generator=torch.Generator().manual_seed(1))
    Observed(channels, 4)(made.weight).backward(above)
    assert torch.allclose(made.weight.grad, above, rtol=2**-21, atol=0)


def test_learned_scales_move_by_gradient_descent_as_in_the_paper() -> None:
    made, channels = layer("linear")
    grid, rate = Learned(channels, 4), 0.01
    grid.begin(made.weight)
    with torch.no_grad():
        grid.relative.mul_(0.7)
    above = torch.randn(7, 10, generator=torch.Generator().manual_seed(1))
    weight, before = (
        made.weight.detach().double().numpy(),
        grid.scales(made.weight).double().numpy(),
    )
    grid(made.weight).backward(above)
    with torch.no_grad():
        grid.relative -= rate * grid.relative.grad
    share = weight / before[:, None]
    inside = np.abs(share) < 7
    slopes = np.where(inside, np.rint(share) - share, np.sign(share) * 7)
    gradient = (above.double().numpy() * slopes).sum(1) / math.sqrt(10 * 7)
    moved = grid.scales(made.weight).double().numpy() - before
    assert np.allclose(moved, -rate * gradient, rtol=1e-3, atol=1e-7)
    assert np.array_equal(made.weight.grad.numpy() != 0, inside)


def test_learned_scales_stay_between_their_ends() -> None:
    made, channels = layer("linear")
    grid = Learned(channels, 4)
    grid.begin(made.weight)
    most = made.weight.abs().amax(1) / 7
    for value, expected in ((100.0, most), (-1.0, most * NARROWEST)):
        with torch.no_grad():
            grid.relative.fill_(value)
        grid.begin(made.weight)
        assert torch.allclose(grid.scales(made.weight), expected, rtol=1e-6)


def test_grids_are_parametrizations_too() -> None:
    made, channels = layer("linear")
    expected: Tensor = Observed(channels, 4)(made.weight).detach()
    nn.utils.parametrize.register_parametrization(made, "weight", Observed(channels, 4))
    assert torch.equal(made.weight, expected)
