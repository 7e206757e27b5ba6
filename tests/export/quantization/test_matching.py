"""Constants of a file find the layers they come from."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.export.quantization.matching import NEAR, match, residual


def _weights(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _factors(seed: int, channels: int, dimensions: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    factors = generator.uniform(0.01, 20.0, channels) * generator.choice([-1.0, 1.0], channels)
    return factors.reshape(channels, *[1] * (dimensions - 1)).astype(np.float32)


@given(
    seed=st.integers(0, 999),
    outputs=st.integers(2, 20),
    inputs=st.integers(3, 6),
    kernel=st.integers(1, 3),
    half=st.booleans(),
)
def test_batch_norms_and_float16_hide_no_layer(
    seed: int, outputs: int, inputs: int, kernel: int, half: bool
) -> None:
    shape = (outputs, inputs, kernel, kernel)
    network = {f"block.{index}.weight": _weights(seed * 9 + index, *shape) for index in range(5)}
    constants = {
        f"c{index}": (weights * _factors(seed + index, outputs, 4)).astype(
            np.float16 if half else np.float32
        )
        for index, weights in enumerate(network.values())
    }
    order = np.random.default_rng(seed).permutation(5)
    found = match({f"c{index}": constants[f"c{index}"] for index in order}, network)
    assert found == {f"c{index}": f"block.{index}" for index in range(5)}


@pytest.mark.parametrize("flip", [False, True])
def test_a_transposed_convolution_with_its_axes_swapped_or_reversed(flip: bool) -> None:
    network = {"up": _weights(0, 4, 6, 2, 2), "down": _weights(1, 6, 4, 2, 2)}
    constant = network["up"].swapaxes(0, 1) * _factors(2, 6, 4)
    if flip:
        constant = constant[:, :, ::-1, ::-1]
    assert match({"c": constant}, network) == {"c": "up"}


def test_groups_that_a_converter_split_and_matrices_with_outputs_last() -> None:
    network = {
        "up": _weights(0, 8, 3, 4, 4),
        "down": _weights(1, 8, 4, 3, 3),
        "b": _weights(2, 2, 6, 5),
    }
    constants = {
        "first": network["up"][:4].swapaxes(0, 1),
        "second": network["up"][4:].swapaxes(0, 1),
        "group": network["down"][2:4] * 3,
        "product": network["b"].reshape(12, 5).T,
    }
    found = match(constants, network)
    assert found == {"first": "up", "second": "up", "group": "down", "product": "b"}


def test_a_linear_layer_as_a_pointwise_convolution_and_the_other_way_round() -> None:
    network = {"fc.weight": _weights(0, 5, 7), "conv.weight": _weights(1, 5, 7, 1, 1)}
    constants = {
        "a": network["fc.weight"][:, :, None, None],
        "b": network["conv.weight"].reshape(5, 7),
    }
    assert match(constants, network) == {"a": "fc", "b": "conv"}


def test_other_constants_and_vectors_match_nothing() -> None:
    network = {"fc": _weights(0, 5, 7), "bias": _weights(1, 5)}
    constants = {
        "noise": _weights(2, 5, 7),
        "vector": network["bias"],
        "column": _weights(3, 35, 1),
    }
    assert match(constants, network) == {}


def test_copies_are_taken_in_order_and_a_shared_layer_twice() -> None:
    weights = _weights(0, 4, 4, 3, 3)
    network = {"first": weights, "second": weights.copy(), "other": _weights(1, 4, 4, 3, 3)}
    found = match({"a": weights, "b": weights * 2, "c": weights * 3}, network)
    assert found == {"a": "first", "b": "second", "c": "first"}


def test_nearly_equal_layers_go_to_the_nearer() -> None:
    first = _weights(0, 4, 9)
    second = first + np.float32(1e-4) * _weights(1, 4, 9)
    found = match({"a": second, "b": first}, {"first": first, "second": second})
    assert found == {"a": "second", "b": "first"}


def test_filters_that_a_batch_norm_made_zero_and_pruned_ones() -> None:
    first, second = _weights(0, 40, 9), _weights(1, 40, 9)
    first[::4] = 0.0
    constants = {"b": second * (np.arange(40) % 3 > 0)[:, None], "a": first * 2}
    assert match(constants, {"first": first, "second": second}) == {"b": "second", "a": "first"}


def test_single_inputs_need_one_factor_for_all() -> None:
    column = _weights(0, 6, 1)
    assert match({"c": column * 3}, {"depthwise": column}) == {"c": "depthwise"}
    assert match({"c": column * _factors(1, 6, 2)}, {"depthwise": column}) == {}


def test_residual_is_the_sine_squared_of_one_filter() -> None:
    # cos² of the angle between (1, 2) and (2, 1) is (4/5)²
    assert residual(np.array([[1.0, 2.0]]), np.array([[2.0, 1.0]])) == pytest.approx(1 - 16 / 25)
    weights = _weights(0, 3, 4)
    assert residual(weights.astype(np.float16), weights) < 1e-6 < NEAR
    assert residual(np.zeros((2, 2)), np.zeros((2, 2))) == 0.0
    assert residual(np.zeros((2, 2)), np.ones((2, 2))) == 1.0


def test_many_large_layers_of_one_shape_take_no_time() -> None:
    network = {f"block{index}": _weights(index, 768, 768) for index in range(24)}
    started = time.perf_counter()
    found = match({name: weights * 2 for name, weights in network.items()}, network)
    assert time.perf_counter() - started < 5.0  # all of 48 · 24 pairs in full: some 10 s
    assert found == {name: name for name in network}
