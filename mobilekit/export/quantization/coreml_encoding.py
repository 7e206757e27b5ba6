"""Weights as a chain of constant expressions: what each stores, and what they decode to.

A chain ends in the tensor that the operators take; its earlier links have outputs of their own, which
later links name. Which expressions there are depends on the system: those of iOS 16 have their tensors
packed in bytes, those of iOS 18 know integers of 1 to 6 bits.
"""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mobilekit.export.quantization.coreml_package import BLOB

Numbers: TypeAlias = npt.NDArray[Any]

FLOATS = {"float16": "FLOAT16", "float32": "FLOAT32"}
_BITS = {
    "FLOAT16": 16, "FLOAT32": 32, "INT8": 8, "UINT8": 8, "UINT32": 32, "INT4": 4, "UINT1": 1,
    "UINT2": 2, "UINT3": 3, "UINT4": 4, "UINT6": 6,
}  # fmt: skip
_INLINE = {"FLOAT16", "FLOAT32", "INT8", "UINT8", "UINT32"}


@dataclass(frozen=True)
class Constant:
    """Weights as the file has them."""

    name: str
    values: Numbers
    """`[…]` in the file's own order of axes, float16 or float32."""
    output: int
    """Axis of the output channels."""
    input: int
    """Axis of the inputs that are summed."""
    modern: bool
    """The expressions are those of iOS 18."""
    operators: tuple[str, ...] = ()
    """Types of the operators that take it."""

    @property
    def kind(self) -> str:
        """MIL type of the values."""
        return FLOATS[self.values.dtype.name]

    @property
    def rows(self) -> Numbers:
        """`[O, …]`: output channels first."""
        return np.moveaxis(self.values, self.output, 0)

    def spread(self, rows: Numbers) -> Numbers:
        """Bring `[O, …]` into the file's own order of axes."""
        return np.ascontiguousarray(np.moveaxis(rows, 0, self.output))

    def shape(self, outputs: int = 1, inputs: int = 1) -> tuple[int, ...]:
        """Return the shape of what is shared by all but some outputs and inputs: ones elsewhere."""
        found = [1] * self.values.ndim
        found[self.input], found[self.output] = inputs, outputs
        return tuple(found)


@dataclass(frozen=True)
class Stored:
    """A tensor in the file."""

    kind: str
    """MIL type, such as UINT4."""
    values: Numbers
    """Integers of fewer than 8 bits one per element."""

    @property
    def size_bytes(self) -> int:
        """Bytes of its elements."""
        return -(-self.values.size * _BITS[self.kind] // 8)

    @property
    def inline(self) -> bool:
        """Whether it lies in the specification itself: it takes no more than the head of a blob."""
        return self.kind in _INLINE and self.size_bytes <= BLOB

    @property
    def whole_bytes(self) -> int:
        """Bytes in the file, with the head of its blob and what it is filled up with."""
        if self.inline:
            return self.size_bytes
        return BLOB + -(-self.size_bytes // BLOB) * BLOB


Input: TypeAlias = "Stored | int | str"
"""A tensor, a number, or the end of an earlier output's name."""


@dataclass(frozen=True)
class Link:
    """One constant expression."""

    kind: str
    inputs: dict[str, Input]
    outputs: tuple[tuple[str, str, tuple[int, ...]], ...] = ()
    """End of the name, type and shape of each; none for the last link, which gives the weights."""


@dataclass(frozen=True)
class Encoded:
    """Weights as the file is to hold them."""

    links: tuple[Link, ...]
    decoded: Numbers = field(repr=False)
    """What they decode to, in the constant's own shape and type."""

    @property
    def stored(self) -> tuple[Stored, ...]:
        """All tensors of all links."""
        return tuple(
            value
            for link in self.links
            for value in link.inputs.values()
            if isinstance(value, Stored)
        )

    @property
    def size_bytes(self) -> int:
        """Bytes of all tensors but the shape that the expressions of iOS 16 repeat."""
        return sum(part.size_bytes for part in self.stored if part.kind != "UINT32")

    @property
    def whole_bytes(self) -> int:
        """Bytes of all tensors with the heads of their blobs."""
        return sum(part.whole_bytes for part in self.stored)


def floats(constant: Constant) -> Encoded:
    """Store float32 weights as float16."""
    half = constant.values.astype(np.float16)
    link = Link("constexpr_cast", {"source_val": Stored("FLOAT16", half), "output_dtype": "=fp32"})
    return Encoded((link,), half.astype(np.float32))


def packed(values: Numbers, bits: int) -> Numbers:
    """Pack integers into bytes, lowest bits first, as the expressions of iOS 16 have them.

    >>> packed(np.array([1, 2, 3, 0, 3]), 2).tolist()
    [57, 3]
    """
    flat = values.reshape(-1).astype(np.uint8)
    if bits == 8:
        return flat
    parts = (flat[:, None] >> np.arange(bits, dtype=np.uint8)) & 1
    return np.packbits(parts.reshape(-1), bitorder="little")


def extent(constant: Constant) -> Stored:
    """Return the shape of a constant as the expressions of iOS 16 want it."""
    return Stored("UINT32", np.array(constant.values.shape, np.uint32))
