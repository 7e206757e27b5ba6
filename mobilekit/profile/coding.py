"""How small a network's weights can be stored: shared values, gaps between non-zeros, Huffman codes.

Deep compression (Han, Mao, Dally, ICLR 2016): a pruned tensor is stored as the gaps between its non-zeros
and the indices of their values in a code book; both are Huffman-coded. A gap that is too long for its
symbols is bridged by filler zeros. Everything that a decoder needs is counted: code books as float32, the
tables of both codes, a header per tensor. A tensor is stored in the way that takes least: so, densely as
indices alone, or as the float32 that it is.
"""

import math
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from mobilekit.profile import huffman

if TYPE_CHECKING:
    from mobilekit.core.tensors import Array

Way = Literal["float32", "dense", "sparse"]
FLOAT_BITS = 32
HEADER_BITS = 64
"""Per tensor: the way, the number of values in the code book, of entries and of symbols for gaps."""
MOST_VALUES = 4096
"""Distinct values beyond which a tensor has no code book."""
GAP_BITS = (2, 3, 4, 5, 6, 7, 8)
"""Sizes of gap symbols that are tried; Han et al. take 8 for convolutions and 5 for linear layers."""

Indices = npt.NDArray[np.int64]


class CodedTensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tensor in the way that takes least."""

    name: str
    elements: int
    nonzero: int
    values: int
    """Distinct values other than zero."""
    way: Way
    bits: int
    """All that a decoder needs, header included."""
    gap_bits: int = 0
    """Of one symbol for a gap, before it is coded."""


class CodedReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A network, tensor by tensor."""

    tensors: tuple[CodedTensor, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all tensors."""
        return math.ceil(sum(one.bits for one in self.tensors) / 8)

    @property
    def float_bytes(self) -> int:
        """Bytes of the same tensors as float32."""
        return sum(one.elements for one in self.tensors) * FLOAT_BITS // 8

    @property
    def ratio(self) -> float:
        """How many times smaller than float32."""
        return self.float_bytes / self.size_bytes if self.size_bytes else 1.0


def coded(tensors: "Mapping[str, Array]") -> CodedReport:
    """Return how small each tensor can be stored, without loss.

    Args:
        tensors: parameters, and buffers that the network needs, by name; float32 values.
    """
    return CodedReport(tuple(_coded(name, np.asarray(value)) for name, value in tensors.items()))


def _coded(name: str, value: "Array") -> CodedTensor:
    flat = value.reshape(-1).astype(np.float32)
    nonzero = int(np.count_nonzero(flat))
    raw = HEADER_BITS + FLOAT_BITS * flat.size
    book = _book(flat)
    if book is None:
        return CodedTensor(name, flat.size, nonzero, 0, "float32", raw)
    best = CodedTensor(name, flat.size, nonzero, len(book), "float32", raw)
    dense = dense_bits(flat, book)
    if dense < best.bits:
        best = CodedTensor(name, flat.size, nonzero, len(book), "dense", dense)
    for gap_bits in GAP_BITS:
        sparse = sparse_bits(flat, book, gap_bits)
        if sparse < best.bits:
            best = CodedTensor(name, flat.size, nonzero, len(book), "sparse", sparse, gap_bits)
    return best


def _book(flat: npt.NDArray[np.float32]) -> npt.NDArray[np.float32] | None:
    """Return the distinct values but zero; None where there are too many to share."""
    some = flat[: 4 * MOST_VALUES]
    if len(np.unique(some)) > MOST_VALUES + 1:
        return None
    found = np.unique(flat)
    found = found[found != 0]
    return found if len(found) <= MOST_VALUES else None


def dense_bits(flat: npt.NDArray[np.float32], book: npt.NDArray[np.float32]) -> int:
    """Return the bits of a tensor as one coded index per weight, 0 for zero."""
    return (
        HEADER_BITS + FLOAT_BITS * len(book) + _stream_bits(dense_stream(flat, book), len(book) + 1)
    )


def sparse_bits(flat: npt.NDArray[np.float32], book: npt.NDArray[np.float32], gap_bits: int) -> int:
    """Return the bits of a tensor as coded gaps and coded indices, fillers among them."""
    gaps, indices = sparse_streams(flat, book, gap_bits)
    symbols = 2**gap_bits
    codes = _stream_bits(gaps, symbols) + _stream_bits(indices, len(book) + 1)
    return HEADER_BITS + FLOAT_BITS * len(book) + codes


def dense_stream(flat: npt.NDArray[np.float32], book: npt.NDArray[np.float32]) -> Indices:
    """Return the index of each weight: 0 for zero, i + 1 for the i-th value of the code book.

    >>> dense_stream(np.float32([0, 2, -1]), np.float32([-1, 2])).tolist()
    [0, 2, 1]
    """
    indices = np.searchsorted(book, flat) + 1
    return np.where(flat == 0, 0, indices).astype(np.int64)


def sparse_streams(
    flat: npt.NDArray[np.float32], book: npt.NDArray[np.float32], gap_bits: int
) -> tuple[Indices, Indices]:
    """Return the zeros before each entry, and the entries' indices; filler entries have index 0.

    >>> gaps, indices = sparse_streams(np.float32([0] * 5 + [3]), np.float32([3]), 2)
    >>> gaps.tolist(), indices.tolist()
    ([3, 1], [0, 1])
    """
    longest = 2**gap_bits - 1
    places = np.flatnonzero(flat)
    before = np.diff(places, prepend=-1) - 1
    fillers = before // (longest + 1)  # each stands for `longest` zeros and its own
    count = len(places) + int(fillers.sum())
    gaps = np.full(count, longest, np.int64)
    indices = np.zeros(count, np.int64)
    entries = np.cumsum(fillers) + np.arange(len(places))
    gaps[entries] = before - fillers * (longest + 1)
    indices[entries] = dense_stream(flat[places], book)
    return gaps, indices


def restored(
    gaps: Indices, indices: Indices, book: npt.NDArray[np.float32], size: int
) -> npt.NDArray[np.float32]:
    """Return the weights that two streams stand for."""
    flat = np.zeros(size, np.float32)
    places = np.cumsum(gaps + 1) - 1
    flat[places] = np.concatenate([np.zeros(1, np.float32), book])[indices]
    return flat


def _stream_bits(stream: Indices, symbols: int) -> int:
    """Return the bits of a Huffman-coded stream with its table."""
    counts = Counter(stream.tolist())
    widths = huffman.lengths(counts)
    return huffman.table_bits(symbols) + sum(
        counts[symbol] * width for symbol, width in widths.items()
    )
