import numpy as np
import pytest
import torch

from mobilekit.runtime.coreml_reference.ops import OPERATORS

TOLERANCE = 4e-6
"""Mean, variance and division in float32: about 64 · 2^-24 of the largest value."""


def drawn(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32) + 0.5


def computed(operator, **inputs):
    given = {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in inputs.items()}
    return OPERATORS[operator](**given).numpy()


def same(found, wanted, tolerance=TOLERANCE):
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


def along(vector, rank):
    return vector.reshape(1, -1, *[1] * (rank - 2)).astype(np.float64)


@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 3, 4, 5), (1, 3, 2, 4, 3)])
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("epsilon", [None, 0.25])
def test_batch_norm(shape, affine, epsilon):
    x, mean, variance = drawn(*shape), drawn(3), drawn(3, seed=1) ** 2 + 0.1
    gamma, beta = drawn(3, seed=2), drawn(3, seed=3)
    options = {"gamma": gamma, "beta": beta} if affine else {}
    if epsilon is not None:
        options["epsilon"] = epsilon
    rank = len(shape)
    wanted = (x - along(mean, rank)) / np.sqrt(along(variance, rank) + (epsilon or 1e-5))
    if affine:
        wanted = wanted * along(gamma, rank) + along(beta, rank)
    same(computed("batch_norm", x=x, mean=mean, variance=variance, **options), wanted)


@pytest.mark.parametrize("shape", [(2, 3, 7), (2, 3, 4, 5)])
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("epsilon", [None, 0.25])
def test_instance_norm(shape, affine, epsilon):
    x, gamma, beta = drawn(*shape), drawn(3, seed=2), drawn(3, seed=3)
    options = {"gamma": gamma, "beta": beta} if affine else {}
    if epsilon is not None:
        options["epsilon"] = epsilon
    axes = tuple(range(2, len(shape)))
    wide = x.astype(np.float64)
    wanted = (wide - wide.mean(axes, keepdims=True)) / np.sqrt(
        wide.var(axes, keepdims=True) + (epsilon or 1e-5)
    )
    if affine:
        wanted = wanted * along(gamma, len(shape)) + along(beta, len(shape))
    same(computed("instance_norm", x=x, **options), wanted)


@pytest.mark.parametrize(
    ("axes", "scale_shape"), [([2], (5,)), ([-2, -1], (4, 5)), ([0, 2], (3, 5)), (None, (3, 4, 5))]
)
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("epsilon", [None, 0.25])
def test_layer_norm(axes, scale_shape, affine, epsilon):
    x, gamma, beta = drawn(3, 4, 5), drawn(*scale_shape, seed=2), drawn(*scale_shape, seed=3)
    options = {"gamma": gamma, "beta": beta} if affine else {}
    if epsilon is not None:
        options["epsilon"] = epsilon
    if axes is not None:
        options["axes"] = np.array(axes)
    used = tuple(axis % 3 for axis in axes or range(3))
    wide = x.astype(np.float64)
    wanted = (wide - wide.mean(used, keepdims=True)) / np.sqrt(
        wide.var(used, keepdims=True) + (epsilon or 1e-5)
    )
    if affine:
        broad = [x.shape[axis] if axis in used else 1 for axis in range(3)]
        wanted = wanted * gamma.reshape(broad) + beta.reshape(broad)
    same(computed("layer_norm", x=x, **options), wanted)


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 2, 3, 4), (2, 3, 2, 3, 4)])
@pytest.mark.parametrize("epsilon", [None, 3.0])
def test_l2_norm_over_the_last_three_axes(agrees, shape, epsilon):
    """Against coremltools' own folding; everything before the last three axes is a batch."""
    given = {} if epsilon is None else {"epsilon": np.float32(epsilon)}
    agrees("l2_norm", x=drawn(*shape), **given)


def test_local_response_norm_as_core_ml_computes_it():
    """The numbers of coremltools' own test, which Apple runs against the framework."""
    x = np.array([[[1.0, -7.0], [5.0, -6.0], [-3.0, -5.0]]], np.float32)
    two = [[[0.99996257, -6.98716545], [4.99531746, -5.99191284], [-2.99898791, -4.99531746]]]
    same(computed("local_response_norm", x=x, size=2), np.array(two), 1e-7 * 2)


@pytest.mark.parametrize("shape", [(2, 6, 3), (2, 6, 3, 4)])
@pytest.mark.parametrize(
    "options",
    [{}, {"alpha": 0.5}, {"beta": 2.0}, {"k": 3.0}, {"alpha": 2.0, "beta": 0.5, "k": 0.5}],
)
@pytest.mark.parametrize("size", [1, 3, 4, 5])
def test_local_response_norm_over_neighbouring_channels(shape, options, size):
    x = drawn(*shape)
    alpha, beta, k = (options.get(n, v) for n, v in (("alpha", 1e-4), ("beta", 0.75), ("k", 1.0)))
    reach = {1: 0, 3: 1, 4: 1, 5: 2}[size]
    wide = x.astype(np.float64)
    wanted = np.empty_like(wide)
    for c in range(6):
        near = wide[:, max(c - reach, 0) : c + reach + 1]
        wanted[:, c] = wide[:, c] / (k + alpha / size * (near**2).sum(1)) ** beta
    same(computed("local_response_norm", x=x, size=size, **options), wanted)
