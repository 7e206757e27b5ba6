import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.verify.intermediates import FileValue, NetworkValue
from mobilekit.verify.matching import arrangements, difference, match, scaled

BOUND = 1e-5


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def network(**values: np.ndarray) -> list[NetworkValue]:
    return [NetworkValue(node, node, f"net.{node}", array) for node, array in values.items()]


def chain(*arrays: np.ndarray, operator: str = "CONV_2D") -> list[FileValue]:
    return [
        FileValue(f"t{i}", operator, i, array, (i - 1,) if i else ())
        for i, array in enumerate(arrays)
    ]


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
    st.integers(0, 99),
)
def test_one_arrangement_undoes_any_transposition(
    shape: list[int], random: object, seed: int
) -> None:
    original = noise(seed, *shape)
    order = list(range(len(shape)))
    random.shuffle(order)  # type: ignore[attr-defined]
    squeezed = original.reshape([size for size in shape if size != 1])
    found = list(arrangements(original.transpose(order), tuple(shape)))
    assert any(np.array_equal(one, squeezed) for one in found)
    assert all(one.shape == squeezed.shape for one in found)


def test_a_flattened_image_is_found_whichever_axis_was_last() -> None:
    image = noise(0, 1, 4, 5, 6)  # NCHW
    last = image.transpose(0, 2, 3, 1)
    for flat in (image.reshape(1, -1), last.reshape(1, -1)):
        assert any(np.array_equal(a, image[0]) for a in arrangements(flat, image.shape))
        assert any(np.array_equal(a, flat[0]) for a in arrangements(last, flat.shape))


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
def test_a_value_is_found_in_any_order_of_axes(order: tuple[int, ...]) -> None:
    values = [noise(i, 1, 4, 5, 6) for i in range(5)]
    file = chain(*(value.transpose(order) for value in values))
    found, cleared = match(
        file, network(**dict(zip("abcde", values, strict=True))), BOUND, "float32"
    )
    assert [m.place for m in found if m is not None] == [0, 1, 2, 3, 4]
    assert all(m is not None and m.good and m.difference.relative_l2 == 0 for m in found)
    assert all(cleared)


def test_values_within_a_fused_operator_have_no_counterpart_and_are_no_error() -> None:
    a, inner, b = noise(0, 1, 40), noise(1, 1, 40), noise(2, 1, 40)
    found, cleared = match(chain(a, inner, b), network(a=a, b=b), BOUND, "float32")
    assert found[1] is None
    assert cleared == [True, True, True]


def test_an_error_goes_on_and_its_counterpart_is_the_nearest_later_value() -> None:
    a, b, c, d = (noise(i, 1, 50) for i in range(4))
    file = chain(a, b + 0.01 * noise(9, 1, 50), c + 0.1 * noise(8, 1, 50))
    found, cleared = match(file, network(a=a, b=b, c=c, d=d), BOUND, "float32")
    assert cleared == [True, False, False]
    assert [m.place for m in found if m is not None] == [0, 1, 2]
    expected = 0.01 * np.linalg.norm(noise(9, 1, 50)) / np.linalg.norm(b)
    assert found[1] is not None
    assert found[1].difference.relative_l2 == pytest.approx(expected, rel=1e-4)
    assert not found[1].good


def test_what_is_computed_for_nothing_is_no_error() -> None:
    a, b = noise(0, 1, 50), noise(1, 1, 50)
    file = [
        FileValue("a", "X", 0, a),
        FileValue("left over", "SPLIT", 1, noise(5, 1, 50), (0,), needed=False),
        FileValue("b", "X", 1, b, (0,), pinned="b"),
    ]
    found, cleared = match(file, network(a=a, b=b), BOUND, "float32")
    assert cleared == [True, True, True]
    assert found[1] is None


def test_a_right_branch_does_not_clear_a_wrong_one() -> None:
    a, left, right, both = (noise(i, 1, 50) for i in range(4))
    file = [
        FileValue("a", "X", 0, a),
        FileValue("left", "X", 1, left + 1, (0,)),
        FileValue("right", "X", 2, right, (0,)),
        FileValue("both", "X", 3, both + 1, (1, 2)),
    ]
    found, cleared = match(file, network(a=a, left=left, right=right, both=both), BOUND, "float32")
    assert cleared == [True, False, True, False]
    assert found[1] is not None
    assert found[1].place == 1


def test_a_pinned_output_is_compared_with_its_node_alone() -> None:
    a, b = noise(0, 1, 20), noise(1, 1, 20)
    swapped = [FileValue("out", "X", 0, b, pinned="a"), FileValue("more", "X", 1, a, pinned="b")]
    found, cleared = match(swapped, network(a=a, b=b), BOUND, "float32")
    assert [m.place for m in found if m is not None] == [0, 1]
    assert cleared == [False, False]


def test_a_padding_before_a_wrong_operator_is_not_blamed() -> None:
    a, b = noise(0, 1, 4, 6, 6), noise(1, 1, 4, 6, 6)
    padded = np.pad(a, ((0, 0), (0, 0), (1, 1), (1, 1)))
    file = [
        FileValue("a", "RELU", 0, a),
        FileValue("p", "PAD", 1, padded, (0,)),
        FileValue("b", "CONV_2D", 2, b * 1.1, (1,)),
    ]
    found, cleared = match(file, network(a=a, b=b), BOUND, "float32")
    assert found[1] is None
    assert cleared == [True, False, False]
    assert found[2] is not None
    assert found[2].place == 1


def test_a_wholly_wrong_value_belongs_to_the_next_value_of_its_sizes() -> None:
    a, b, c = noise(0, 1, 4, 5, 5), noise(1, 1, 4, 5, 5), noise(2, 1, 4, 5, 5)
    file = chain(a, noise(7, 1, 4, 5, 5))
    found, _ = match(file, network(a=a, b=b, c=c), BOUND, "float32")
    assert found[1] is not None
    assert found[1].place == 1
    # Independent values of equal energy are √2 apart; 100 of them scatter by some 10 %.
    assert found[1].difference.relative_l2 == pytest.approx(2**0.5, rel=0.3)


def test_the_own_error_of_pytorch_widens_the_bound_of_a_value() -> None:
    a = noise(0, 1, 50)
    off = a * np.float32(1 + 3e-4)
    for own, good in ((0.0, False), (1e-4, True), (7e-5, False)):  # 4 times own in float32
        values = [NetworkValue("a", "a", "", a, own)]
        found, _ = match([FileValue("t", "X", 0, off, pinned="a")], values, BOUND, "float32")
        assert found[0] is not None
        assert found[0].good is good


def test_infinities_where_the_network_is_finite_are_never_good() -> None:
    a = noise(0, 1, 50)
    broken = a.copy()
    broken[0, :3] = np.inf
    broken[0, 3] = -np.inf
    pinned = [FileValue("t", "X", 0, broken, pinned="a")]
    found, cleared = match(pinned, network(a=a), BOUND, "float32")
    assert found[0] is not None
    assert found[0].difference.non_finite == 4
    assert cleared == [False]


def test_equal_infinities_are_no_difference() -> None:
    a = np.array([1.0, np.inf, -np.inf, np.nan])
    found = difference(a, a.copy())
    assert (found.relative_l2, found.max_abs, found.non_finite) == (0.0, 0.0, 0)
    assert difference(a, np.array([1.0, -np.inf, np.inf, np.nan])).non_finite == 2


def test_a_reference_of_zeros_has_a_finite_relative_error() -> None:
    zeros = np.zeros(4)
    assert difference(zeros, zeros).relative_l2 == 0.0
    assert difference(zeros, np.ones(4)).relative_l2 == 1.0


def test_a_factor_and_an_offset_per_channel_are_recognized_in_any_layout() -> None:
    x = noise(0, 1, 5, 6, 7).astype(np.float64)
    factor, offset = (noise(seed, 1, 5, 1, 1).astype(np.float64) for seed in (1, 2))
    other = x * factor + offset
    assert scaled(x, other, BOUND)
    assert scaled(x, other.transpose(0, 2, 3, 1), BOUND)
    other[0, 2, 3, 3] += 0.1
    assert not scaled(x, other, BOUND)
    assert not scaled(x, np.maximum(x, 0), BOUND)


def test_too_few_values_per_channel_tell_nothing() -> None:
    assert not scaled(noise(0, 1, 10).astype(float), noise(1, 1, 10).astype(float), BOUND)
    assert not scaled(noise(0, 3, 10).astype(float), noise(1, 3, 10).astype(float), BOUND)


def test_a_value_that_is_not_finite_is_no_scaled_one() -> None:
    x = noise(0, 1, 5, 6, 7).astype(np.float64)
    y = x.copy()
    y[0, 0, 0, 0] = np.inf
    assert not scaled(x, y, BOUND)
