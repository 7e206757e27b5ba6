"""Canonical Huffman codes: the shortest that give each symbol a whole number of bits (Huffman 1952)."""

import heapq
from collections.abc import Mapping, Sequence

LENGTH_BITS = 5
"""Bits in which a table holds the length of one symbol's code, so the longest has 31."""
LONGEST = 2**LENGTH_BITS - 1


def lengths(counts: Mapping[int, int]) -> dict[int, int]:
    """Return the length of each symbol's code, in bits; a single symbol gets one bit.

    Args:
        counts: symbol → how often it occurs; those that do not occur get no code.

    Raises:
        ValueError: a code would be longer than a table can hold (31 bits).

    >>> lengths({0: 8, 1: 1, 2: 1})
    {0: 1, 1: 2, 2: 2}
    """
    heap: list[tuple[int, int, tuple[int, ...]]] = [
        (count, symbol, (symbol,)) for symbol, count in counts.items() if count
    ]
    found = {symbol: 0 for _, symbol, _ in heap}
    if len(heap) == 1:
        return dict.fromkeys(found, 1)
    heapq.heapify(heap)
    while len(heap) > 1:
        (first, mark, some), (second, _, others) = heapq.heappop(heap), heapq.heappop(heap)
        for symbol in (*some, *others):
            found[symbol] += 1
        heapq.heappush(heap, (first + second, mark, (*some, *others)))
    if max(found.values(), default=0) > LONGEST:
        raise ValueError(f"a code of {max(found.values())} bits does not fit a table")
    return found


def codes(widths: Mapping[int, int]) -> dict[int, str]:
    """Return the canonical code of each symbol as a text of 0 and 1: lengths say all.

    >>> codes({0: 1, 1: 2, 2: 2})
    {0: '0', 1: '10', 2: '11'}
    """
    found, code, before = {}, 0, 0
    for symbol in sorted(widths, key=lambda one: (widths[one], one)):
        code <<= widths[symbol] - before
        before = widths[symbol]
        found[symbol] = format(code, f"0{before}b")
        code += 1
    return found


def table_bits(symbols: int) -> int:
    """Return the bits of a code's table: a length for each of so many symbols, 0 for one that never occurs."""
    return LENGTH_BITS * symbols


def encode(stream: Sequence[int], table: Mapping[int, str]) -> str:
    """Return a stream of symbols as a text of 0 and 1."""
    return "".join(table[symbol] for symbol in stream)


def decode(bits: str, table: Mapping[int, str], count: int) -> list[int]:
    """Read so many symbols back.

    >>> decode("0110", {0: "0", 1: "10", 2: "11"}, 3)
    [0, 2, 0]
    """
    known = {code: symbol for symbol, code in table.items()}
    found: list[int] = []
    code = ""
    for bit in bits:
        if len(found) == count:
            break
        code += bit
        if code in known:
            found.append(known[code])
            code = ""
    return found
