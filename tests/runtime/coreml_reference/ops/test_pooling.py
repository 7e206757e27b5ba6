import numpy as np
import pytest
import torch

from mobilekit.runtime.coreml_reference.ops import OPERATORS
from tests.runtime.coreml_reference import loops

TOLERANCE = 2e-6
"""At most 12 additions and a division in float32: 16 · 2^-24, rounded up."""
REDUCTIONS = {
    "avg_pool": lambda values, padding: values.sum(0) / (len(values) + padding),
    "max_pool": lambda values, _: values.max(0),
    "l2_pool": lambda values, _: np.sqrt((values**2).sum(0)),
}


def drawn(*shape):
    # Shifted below zero, so that a padding of zeros would win a maximum.
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32) - 2


def computed(operator, x, kernel, strides, **options):
    options = {
        k: torch.tensor(v) if isinstance(v, (list, tuple)) else v for k, v in options.items()
    }
    if strides is not None:
        options["strides"] = torch.tensor(strides)
    found = OPERATORS[operator](x=torch.from_numpy(x), kernel_sizes=torch.tensor(kernel), **options)
    return found.numpy()


def same(found, wanted):
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("operator", REDUCTIONS)
@pytest.mark.parametrize(
    ("size", "kernel", "strides", "pad"),
    [
        ((9,), (3,), (2,), (1, 0)),
        ((7, 6), (3, 2), (2, 3), (1, 1, 0, 1)),
        ((4, 5, 3), (2, 3, 2), (1, 2, 1), (1, 0, 1, 1, 0, 1)),
    ],
)
def test_pool_of_one_to_three_dimensions(operator, size, kernel, strides, pad):
    x = drawn(2, 3, *size)
    found = computed(operator, x, kernel, strides, pad_type="custom", pad=pad)
    pads = list(zip(pad[::2], pad[1::2], strict=True))
    same(found, loops.pooled(x, kernel, strides, pads, REDUCTIONS[operator]))


@pytest.mark.parametrize("operator", REDUCTIONS)
def test_strides_are_one_and_padding_none_by_default(operator):
    x = drawn(1, 2, 5, 4)
    found = computed(operator, x, (2, 3), None, pad_type="valid")
    same(found, loops.pooled(x, (2, 3), (1, 1), [(0, 0), (0, 0)], REDUCTIONS[operator]))


@pytest.mark.parametrize("operator", REDUCTIONS)
@pytest.mark.parametrize(
    ("pad_type", "pads"), [("same", [(0, 1), (1, 1)]), ("same_lower", [(1, 0), (1, 1)])]
)
def test_same_padding(operator, pad_type, pads):
    """6 elements, kernel 3, stride 2: one of padding; 5 elements, kernel 3, stride 1: two."""
    x = drawn(1, 2, 6, 5)
    found = computed(operator, x, (3, 3), (2, 1), pad_type=pad_type)
    same(found, loops.pooled(x, (3, 3), (2, 1), pads, REDUCTIONS[operator]))


@pytest.mark.parametrize("ceil", [False, True])
def test_padding_excluded_from_the_average(ceil):
    x = drawn(1, 2, 7, 8)
    found = computed(
        "avg_pool", x, (3, 3), (3, 2), pad_type="custom", pad=(1, 1, 1, 1),
        exclude_padding_from_average=True, ceil_mode=ceil,
    )  # fmt: skip
    pads = [(1, 1), (1, 1)]
    same(found, loops.pooled(x, (3, 3), (3, 2), pads, lambda v, _: v.mean(0), ceil))


@pytest.mark.parametrize("operator", REDUCTIONS)
@pytest.mark.parametrize("pad", [(0, 0, 0, 0), (1, 1, 1, 1)])
@pytest.mark.parametrize("size", [(7, 8), (6, 5), (8, 9)])
def test_ceil_mode(operator, pad, size):
    x = drawn(1, 2, *size)
    found = computed(operator, x, (3, 2), (2, 3), pad_type="custom", pad=pad, ceil_mode=True)
    pads = list(zip(pad[::2], pad[1::2], strict=True))
    same(found, loops.pooled(x, (3, 2), (2, 3), pads, REDUCTIONS[operator], ceil=True))


@pytest.mark.parametrize("include", [False, True])
@pytest.mark.parametrize("ceil", [False, True])
def test_average_agrees_with_pytorch(ceil, include):
    x = torch.from_numpy(drawn(2, 3, 10, 7))
    net = torch.nn.AvgPool2d((3, 2), (2, 2), (1, 1), ceil_mode=ceil, count_include_pad=include)
    found = computed(
        "avg_pool", x.numpy(), (3, 2), (2, 2), pad_type="custom", pad=(1, 1, 1, 1),
        ceil_mode=ceil, exclude_padding_from_average=not include,
    )  # fmt: skip
    same(found, net(x).numpy())
