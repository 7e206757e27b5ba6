import numpy as np
import pytest
import torch

from mobilekit.runtime.coreml_reference.ops import OPERATORS

TOLERANCE = 2e-6
"""Sums of at most 12 products in float32: 16 · 2^-24 of the largest value, rounded up."""


def drawn(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def computed(operator, **inputs):
    given = {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in inputs.items()}
    return OPERATORS[operator](**given).numpy()


def same(found, wanted):
    assert found.shape == wanted.shape
    scale = max(np.abs(wanted).max(), 1)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE * scale)


@pytest.mark.parametrize("shape", [(5,), (2, 5), (2, 3, 4, 5)])
def test_linear(shape):
    x, weight, bias = drawn(*shape), drawn(4, 5), drawn(4)
    product = x.astype(np.float64) @ weight.T
    same(computed("linear", x=x, weight=weight), product)
    same(computed("linear", x=x, weight=weight, bias=bias), product + bias)


@pytest.mark.parametrize("transpose_x", [False, True])
@pytest.mark.parametrize("transpose_y", [False, True])
def test_matmul_transposes_the_last_two_axes_and_broadcasts_the_others(transpose_x, transpose_y):
    x, y = drawn(2, 1, 3, 4), drawn(5, 4, 2)
    found = computed(
        "matmul",
        x=np.ascontiguousarray(np.swapaxes(x, -1, -2)) if transpose_x else x,
        y=np.ascontiguousarray(np.swapaxes(y, -1, -2)) if transpose_y else y,
        transpose_x=transpose_x,
        transpose_y=transpose_y,
    )
    same(found, x.astype(np.float64) @ y)


def test_matmul_does_not_transpose_by_default_nor_vectors():
    x, y = drawn(3, 3), drawn(3, 3, seed=1)
    same(computed("matmul", x=x, y=y), x.astype(np.float64) @ y)
    same(computed("matmul", x=x, y=y[0], transpose_y=True), x.astype(np.float64) @ y[0])
    same(computed("matmul", x=x[0], y=y, transpose_x=True), x[0].astype(np.float64) @ y)


def test_products_of_integers_and_mixed_ones():
    whole = np.array([[1, -2], [3, 4]], np.int32)
    np.testing.assert_array_equal(computed("matmul", x=whole, y=whole), whole @ whole)
    x = drawn(2, 2)
    same(computed("matmul", x=x, y=whole), x.astype(np.float64) @ whole)
    same(
        computed("linear", x=x, weight=whole, bias=np.array([1, 2], np.int32)),
        x.astype(np.float64) @ whole.T + [1, 2],
    )


@pytest.mark.parametrize(
    ("equation", "a", "b"),
    [
        ("nchw,nwhu->nchu", (2, 3, 4, 5), (2, 5, 4, 2)),
        ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
        ("ij,kj->ik", (2, 3), (4, 3)),
    ],
)
def test_einsum(equation, a, b):
    x, y = drawn(*a), drawn(*b)
    found = OPERATORS["einsum"](values=tuple(map(torch.from_numpy, (x, y))), equation=equation)
    same(found.numpy(), np.einsum(equation, x.astype(np.float64), y))


@pytest.mark.parametrize("mask", ["none", "added", "kept"])
def test_scaled_dot_product_attention(mask):
    query, key, value = drawn(2, 3, 4, 6), drawn(2, 3, 5, 6), drawn(2, 3, 5, 7)
    scores = query.astype(np.float64) @ np.swapaxes(key, -1, -2) / np.sqrt(6)
    given = {}
    if mask == "added":
        given["attn_mask"] = drawn(4, 5)
        scores = scores + given["attn_mask"]
    if mask == "kept":
        given["attn_mask"] = np.arange(20).reshape(4, 5) % 3 > 0
        scores = np.where(given["attn_mask"], scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    wanted = weights / weights.sum(-1, keepdims=True) @ value
    found = computed("scaled_dot_product_attention", query=query, key=key, value=value, **given)
    same(found, wanted)
