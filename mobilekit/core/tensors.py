"""What goes into a network and comes out of it: names, shapes, types, layouts."""

import math
import re
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from mobilekit.core.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[np.generic]
    Arrays: TypeAlias = dict[str, Array]

Layout = Literal["NCHW", "NHWC", "plain"]
DTYPES = ("float32", "float16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool")
IMAGE_CHANNELS = (1, 3, 4)
INTEGER_BOUNDS = (8, 4, 2, 1)
"""Integer inputs are drawn below the first of these that a network takes (indices must fit its
tables); 1 leaves zeros."""

_INPUT = re.compile(r"^(?:(?P<name>[A-Za-z_]\w*)=)?(?P<shape>\d+(?:x\d+)*)(?::(?P<dtype>\w+))?$")


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of an image or vector an input takes, once its other features have been pruned."""

    shape: tuple[int, ...]
    """Of the whole, batch first, in the layout of the network (NCHW for an image)."""
    indices: tuple[int, ...]
    """Along the second axis, in the order in which they are fed."""
    flat: bool = False
    """The whole is flattened to `[N, C·H·W]` first, and the indices are those of single values."""


class TensorSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input or output.

    `shape` is in the order of `layout`; `plain` means that no axis is a channel axis to move.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    layout: Layout = "plain"
    kept: Kept | None = None
    """What an input takes of a larger one; None where it takes all."""
    step: float = 0.0
    """Of integers that stand for floats, `(integer - zero) * step`; 0 for values that stand for themselves."""
    zero: int = 0
    """Integer that stands for 0.0, where there is a `step`."""

    @property
    def whole(self) -> "TensorSpec":
        """The tensor of which this one takes a part; itself where it takes all.

        >>> TensorSpec("x", (1, 2), kept=Kept((1, 1, 28, 28), (3, 700), flat=True)).whole.layout
        'NCHW'
        """
        if self.kept is None:
            return self
        layout: Layout = "NCHW" if len(self.kept.shape) == 4 else "plain"
        return TensorSpec(self.name, self.kept.shape, self.dtype, layout)

    def keeping(self, indices: tuple[int, ...], *, flat: bool = False) -> "TensorSpec":
        """Return the spec of an input that takes only some channels of this one, or some single values.

        >>> TensorSpec("x", (1, 3, 8, 8), layout="NCHW").keeping((0, 2)).shape
        (1, 2, 8, 8)
        """
        before = self.kept or Kept(
            self.shape, tuple(range(math.prod(self.shape[1 : None if flat else 2])))
        )
        kept = Kept(before.shape, tuple(before.indices[i] for i in indices), before.flat or flat)
        shape = (self.shape[0], len(indices), *(() if kept.flat else self.shape[2:]))
        return TensorSpec(self.name, shape, self.dtype, "plain" if kept.flat else self.layout, kept)

    def in_layout(self, layout: Layout) -> "TensorSpec":
        """Return this spec with its axes in another order; only 4-d image layouts move.

        >>> TensorSpec("x", (1, 3, 8, 6), layout="NCHW").in_layout("NHWC").shape
        (1, 8, 6, 3)
        """
        if self.layout == layout or "plain" in {self.layout, layout}:
            return self
        shape = tuple(self.shape[axis] for axis in axes(self.layout, layout))
        return msgspec.structs.replace(self, shape=shape, layout=layout)


def has_integers(specs: "tuple[TensorSpec, ...]") -> bool:
    """Say whether an input holds integers or booleans."""
    return any(not spec.dtype.startswith("float") for spec in specs)


def axes(source: Layout, target: Layout) -> tuple[int, ...]:
    """Return the transposition that brings `source` order into `target` order.

    >>> axes("NCHW", "NHWC")
    (0, 2, 3, 1)
    """
    return tuple(source.index(letter) for letter in target)


def to_layout(array: "Array", source: Layout, target: Layout) -> "Array":
    """Bring an array from one layout into another; `plain` arrays are left alone."""
    if source == target or "plain" in {source, target}:
        return array
    return array.transpose(axes(source, target))


def part(array: "Array", spec: TensorSpec) -> "Array":
    """Take the part of a whole (`spec.whole`, in the network's layout) that an input keeps.

    Args:
        array: of the shape `spec.whole.shape`, with any batch.
        spec: of the input.
    """
    if spec.kept is None:
        return array
    whole = array.reshape(len(array), -1) if spec.kept.flat else array
    return whole[:, list(spec.kept.indices)]


def parse_input(text: str, position: int = 0) -> TensorSpec:
    """Read `[name=]1x3x224x224[:dtype]`.

    Unnamed inputs are called `input`, `input_1`, … by their position. A 4-d floating-point or
    uint8 input with 1, 3 or 4 channels is an image in NCHW order; any other is `plain`.

    Raises:
        UsageError: the text is of another form, or the type is unknown.

    >>> parse_input("image=1x3x224x224")
    TensorSpec(name='image', shape=(1, 3, 224, 224), dtype='float32', layout='NCHW', kept=None, step=0.0, zero=0)
    """
    match = _INPUT.match(text)
    if match is None:
        raise UsageError(
            f"--input {text!r}: expected [name=]1x3x224x224[:dtype], such as image=1x3x224x224:float32"
        )
    dtype = match["dtype"] or "float32"
    if dtype not in DTYPES:
        raise UsageError(f"--input {text!r}: unknown dtype {dtype!r}; one of {', '.join(DTYPES)}")
    shape = tuple(int(size) for size in match["shape"].split("x"))
    if 0 in shape:
        raise UsageError(f"--input {text!r}: a dimension of 0 holds nothing; sizes start at 1")
    name = match["name"] or ("input" if position == 0 else f"input_{position}")
    return TensorSpec(name, shape, dtype, guess_layout(shape, dtype))


def guess_layout(shape: tuple[int, ...], dtype: str = "float32") -> Layout:
    """Say whether a shape is an image in NCHW order, as `parse_input` does."""
    floating = dtype.startswith("float") or dtype == "uint8"
    return "NCHW" if len(shape) == 4 and shape[1] in IMAGE_CHANNELS and floating else "plain"
