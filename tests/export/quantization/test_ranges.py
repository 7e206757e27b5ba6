"""Ranges of activations: what each observer keeps, bounded memory, values that no range holds."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.core.errors import DataError
from mobilekit.core.quantization import Observer
from mobilekit.export.quantization.ranges import BINS, TAIL, Histogram, Ranges

OBSERVERS: tuple[Observer, ...] = ("minmax", "percentile", "mse", "entropy")


def _values(kind: str, seed: int = 0, count: int = 100_000) -> np.ndarray:
    generator = np.random.default_rng(seed)
    normal = generator.standard_normal(count).astype(np.float32)
    return {
        "normal": lambda: normal,
        "relu": lambda: np.maximum(normal, 0),
        "silu": lambda: 3 * normal / (1 + np.exp(-3 * normal)),
        "laplace": lambda: generator.laplace(size=count).astype(np.float32),
        "heavy": lambda: generator.standard_t(3, size=count).astype(np.float32),
        "uniform": lambda: generator.uniform(-1, 1, count).astype(np.float32),
    }[kind]()


def _histogram(*arrays: np.ndarray) -> Histogram:
    histogram = Histogram("tensor")
    for array in arrays:
        histogram.add(array)
    return histogram


def _error(values: np.ndarray, ends: tuple[float, float]) -> float:
    """The squared error of 8-bit integers with a zero point."""
    step = (ends[1] - ends[0]) / 255
    zero = round(-ends[0] / step)
    stored = (np.clip(np.rint(values / step) + zero, 0, 255) - zero) * step
    return float(((stored - values) ** 2).mean())


@given(
    seed=st.integers(0, 999),
    scales=st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=5),
    shift=st.floats(-3, 3),
)
def test_a_histogram_depends_on_the_values_alone(
    seed: int, scales: list[float], shift: float
) -> None:
    generator = np.random.default_rng(seed)
    arrays = [
        (scale * (generator.standard_normal((3, 7)) + shift)).astype(np.float32) for scale in scales
    ]
    one, other = _histogram(*arrays), _histogram(*[a.ravel()[:5] for a in arrays[::-1]])
    for array in arrays:
        other.add(array.ravel()[5:])
    np.testing.assert_array_equal(one.counts, other.counts)
    np.testing.assert_array_equal(one.edges, other.edges)
    everything = np.concatenate([a.ravel() for a in arrays])
    wanted, _ = np.histogram(everything.astype(np.float64), one.edges)
    np.testing.assert_array_equal(one.counts, wanted)
    assert len(one.counts) <= BINS
    assert 0.0 in one.edges


@given(seed=st.integers(0, 99), observer=st.sampled_from(OBSERVERS))
def test_a_range_contains_zero_and_lies_within_the_values(seed: int, observer: Observer) -> None:
    generator = np.random.default_rng(seed)
    values = generator.standard_normal(500) * 10.0 ** generator.uniform(-5, 5)
    values += generator.uniform(-4, 4) * values.std()
    low, high = _histogram(values).range(observer)
    held = values.astype(np.float32)
    assert min(float(held.min()), 0.0) <= low <= 0.0 <= high <= max(float(held.max()), 0.0)
    assert low < high


def test_minmax_is_exact_and_needs_no_counts() -> None:
    values = _values("normal")
    histogram = Histogram("tensor", counted=False)
    histogram.add(values)
    assert histogram.range("minmax") == (float(values.min()), float(values.max()))
    with pytest.raises(DataError, match="no counts were kept for mse"):
        histogram.range("mse")


@pytest.mark.parametrize("kind", ["normal", "laplace", "heavy", "relu"])
def test_percentile_leaves_out_its_share_at_each_end(kind: str) -> None:
    values = _values(kind)
    histogram = _histogram(values)
    width = histogram.edges[1] - histogram.edges[0]
    low, high = histogram.range("percentile")
    beyond = TAIL * values.size
    assert (values > high + width).sum() <= beyond <= (values > high - width).sum()
    assert (values < low - width).sum() <= beyond
    assert kind == "relu" or beyond <= (values < low + width).sum()


@pytest.mark.parametrize("kind", ["normal", "laplace", "heavy", "relu", "silu", "uniform"])
def test_mse_loses_little_more_than_the_best_of_all_ranges(kind: str) -> None:
    values = _values(kind, count=20_000)
    histogram = _histogram(values)
    low, high = histogram.range("minmax")
    shares = np.linspace(0.1, 1, 31)
    best = min(_error(values, (low * a, high * b)) for a, b in itertools.product(shares, shares))
    # Bins are spread evenly; SiLU's least value, where its density has a pole, is not.
    assert _error(values, histogram.range("mse")) <= 1.1 * best


def test_mse_of_sixteen_bits_keeps_more_than_that_of_eight() -> None:
    histogram = _histogram(_values("heavy"))
    narrow, wide = histogram.range("mse", 8), histogram.range("mse", 16)
    assert wide[0] <= narrow[0]
    assert wide[1] >= narrow[1]
    assert wide[1] - wide[0] > 1.1 * (narrow[1] - narrow[0])


def test_entropy_keeps_what_is_even_and_drops_what_is_far() -> None:
    values = _values("uniform")
    assert _histogram(values).range("entropy") == _histogram(values).range("minmax")
    far = np.append(values, np.float32(8.0))
    low, high = _histogram(far).range("entropy")
    assert high < 3.0
    assert low == pytest.approx(-1.0, abs=0.01)


def test_entropy_of_a_mirrored_tensor_is_mirrored() -> None:
    values = _values("silu")
    low, high = _histogram(values).range("entropy")
    # the bins of negative values are closed at the other end
    width = np.diff(_histogram(values).edges)[0]
    assert _histogram(-values).range("entropy") == pytest.approx((-high, -low), abs=2 * width)


@pytest.mark.parametrize("observer", OBSERVERS)
def test_constant_tensors(observer: Observer) -> None:
    assert _histogram(np.zeros(9)).range(observer) == (0.0, 1.0)
    assert _histogram(np.full(9, 2.5)).range(observer) == (0.0, 2.5)
    assert _histogram(np.full(9, -2.5)).range(observer) == (-2.5, 0.0)
    assert _histogram(np.full(9, 1e-38, np.float32)).range(observer)[1] > 0.0


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_what_no_range_holds_is_one_line(value: float) -> None:
    with pytest.raises(DataError, match="tensor becomes infinite") as raised:
        _histogram(np.array([0.0, value]))
    assert "\n" not in str(raised.value)


def test_tensors_that_were_not_met() -> None:
    ranges = Ranges("mse")
    with pytest.raises(DataError, match="no values of conv were met"):
        ranges.range("conv")
    ranges.add("conv", np.zeros((0, 3)))
    assert "conv" in ranges
    assert "other" not in ranges
    with pytest.raises(DataError, match="conv has no values"):
        ranges.range("conv")


def test_ranges_take_the_observer_they_were_made_for() -> None:
    values = _values("heavy")
    ranges = Ranges("percentile")
    ranges.add("a", values)
    assert list(ranges) == ["a"]
    assert ranges.range("a") == _histogram(values).range("percentile")
    assert ranges.range("a", "minmax") == _histogram(values).range("minmax")
    plain = Ranges()
    plain.add("a", values)
    assert plain.range("a") == _histogram(values).range("minmax")
