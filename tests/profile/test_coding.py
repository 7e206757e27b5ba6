"""Entropy-coded sizes: what is counted is what an encoder writes, and a decoder reads back."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.profile import huffman
from mobilekit.profile.coding import (
    FLOAT_BITS,
    HEADER_BITS,
    coded,
    dense_bits,
    dense_stream,
    restored,
    sparse_bits,
    sparse_streams,
)

counts = st.dictionaries(st.integers(0, 40), st.integers(1, 1000), min_size=1, max_size=24)
values = st.lists(
    st.sampled_from([0.0, 0.0, 0.0, 0.0, 1.5, -2.0, 0.25]), min_size=1, max_size=300
).map(lambda one: np.array(one, np.float32))


@given(counts)
def test_codes_are_prefix_free_complete_and_within_a_bit_of_the_entropy(
    found: dict[int, int],
) -> None:
    widths = huffman.lengths(found)
    table = huffman.codes(widths)
    assert all(len(table[symbol]) == width for symbol, width in widths.items())
    texts = sorted(table.values())
    assert not any(b.startswith(a) for a, b in itertools.pairwise(texts))
    total = sum(found.values())
    entropy = -sum(c / total * math.log2(c / total) for c in found.values())
    mean = sum(found[symbol] * width for symbol, width in widths.items()) / total
    assert entropy - 1e-9 <= mean <= entropy + 1
    if len(found) > 1:
        assert sum(2.0**-width for width in widths.values()) == 1.0


@given(st.lists(st.integers(0, 9), min_size=1, max_size=200))
def test_a_stream_is_read_back(stream: list[int]) -> None:
    widths = huffman.lengths({symbol: stream.count(symbol) for symbol in stream})
    table = huffman.codes(widths)
    bits = huffman.encode(stream, table)
    assert len(bits) == sum(widths[symbol] for symbol in stream)
    assert huffman.decode(bits, table, len(stream)) == stream


def test_a_code_too_long_for_its_table_is_refused() -> None:
    fibonacci = [1, 1]
    while len(fibonacci) < 40:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    with pytest.raises(ValueError, match="39 bits"):
        huffman.lengths(dict(enumerate(fibonacci)))


@given(values, st.integers(2, 8))
def test_gaps_and_indices_stand_for_the_weights(flat: np.ndarray, gap_bits: int) -> None:
    book = np.unique(flat[flat != 0])
    gaps, indices = sparse_streams(flat, book, gap_bits)
    assert gaps.max(initial=0) < 2**gap_bits
    assert np.array_equal(restored(gaps, indices, book, flat.size), flat)


@given(values)
def test_what_is_counted_is_what_an_encoder_writes(flat: np.ndarray) -> None:
    book = np.unique(flat[flat != 0])

    def written(stream: np.ndarray, symbols: int) -> int:
        found = stream.tolist()
        table = huffman.codes(huffman.lengths({one: found.count(one) for one in found}))
        return len(huffman.encode(found, table)) + huffman.LENGTH_BITS * symbols

    base = HEADER_BITS + FLOAT_BITS * len(book)
    dense = dense_stream(flat, book)
    assert dense_bits(flat, book) == base + written(dense, len(book) + 1)
    gaps, indices = sparse_streams(flat, book, 3)
    both = written(gaps, 8) + written(indices, len(book) + 1)
    assert sparse_bits(flat, book, 3) == base + both


def test_a_tensor_takes_the_way_that_is_smallest() -> None:
    generator = np.random.default_rng(0)
    floats = generator.normal(size=5000).astype(np.float32)
    shared = generator.choice(np.float32([-1, 0.5, 1]), 5000)
    pruned = np.where(generator.random(5000) < 0.95, 0, shared).astype(np.float32)
    report = coded({"floats": floats, "shared": shared, "pruned": pruned})
    assert [one.way for one in report.tensors] == ["float32", "dense", "sparse"]
    free, dense, sparse = (one.bits for one in report.tensors)
    assert free == HEADER_BITS + 32 * 5000
    assert dense == pytest.approx(5000 * 5 / 3, rel=0.05)
    assert sparse < 5000 * 0.5
    assert report.float_bytes == 60000
    assert report.size_bytes == math.ceil((free + dense + sparse) / 8)


def test_nothing_but_zeros_takes_next_to_nothing() -> None:
    report = coded({"zero": np.zeros((64, 64), np.float32)})
    assert report.tensors[0].nonzero == 0
    assert report.size_bytes < 64


def test_many_values_have_no_code_book() -> None:
    spread = np.arange(1, 20001, dtype=np.float32)
    assert coded({"w": spread}).tensors[0].way == "float32"
