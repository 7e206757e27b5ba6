"""Channels as numbers: which live or die together, which must stay, and why.

An *atom* is one index of one dimension of one parameter (the seventh filter of a convolution), or a
channel that is born without a parameter (padding). Rules tie atoms to one another and pin them; when
all is said, tied atoms form *channels*, and each is free or pinned.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor


@dataclass(frozen=True, order=True)
class Axis:
    """One dimension of one parameter or buffer, by its state-dict name."""

    parameter: str
    dimension: int


class Atoms:
    """Hands atoms out and remembers what ties and pins them."""

    def __init__(self) -> None:
        self.count = 0
        self._first: dict[Axis, int] = {}
        self._sizes: dict[Axis, int] = {}
        self._owners: dict[int, Axis] = {}
        self._ties: list[tuple[Tensor, Tensor]] = []
        self._pins: list[tuple[Tensor, str]] = []

    def fresh(self, count: int) -> Tensor:
        """Hand out `count` new atoms, shape `[count]`."""
        made = torch.arange(self.count, self.count + count)
        self.count += count
        return made

    def of_axis(self, axis: Axis, size: int) -> Tensor:
        """Return the atoms of a parameter's dimension, the same ones each time, shape `[size]`."""
        if axis not in self._first:
            self._first[axis] = self.count
            self._owners[self.count] = axis
            self._sizes[axis] = size
            return self.fresh(size)
        first = self._first[axis]
        return torch.arange(first, first + size)

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Every parameter dimension that has atoms."""
        return tuple(self._first)

    def size(self, axis: Axis) -> int:
        """Return how many atoms a dimension has."""
        return self._sizes[axis]

    def owner(self, atoms: Tensor) -> Axis | None:
        """Return the parameter's dimension whose atoms these are, all of them and in order."""
        first = int(atoms[0]) if atoms.numel() else -1
        axis = self._owners.get(first)
        if axis is None or not torch.equal(atoms, self.of_axis(axis, self._sizes[axis])):
            return None
        return axis

    def tie(self, first: Tensor, second: Tensor) -> None:
        """Let atoms live or die together, element by element, with broadcasting."""
        if first.numel() == 1 and second.numel() == 1 and first.view(()) == second.view(()):
            return
        left, right = torch.broadcast_tensors(first, second)  # type: ignore[no-untyped-call]
        self._ties.append((left.reshape(-1), right.reshape(-1)))

    def pin(self, atoms: Tensor, why: str) -> None:
        """Let atoms stay, for a reason that a person can read."""
        self._pins.append((torch.unique(atoms), why))

    def resolve(self) -> "Channels":
        """Join what is tied."""
        if self._ties:
            left = torch.cat([pair[0] for pair in self._ties]).numpy()
            right = torch.cat([pair[1] for pair in self._ties]).numpy()
        else:
            left = right = np.zeros(0, dtype=np.int64)
        links = coo_array((np.ones(len(left), np.int8), (left, right)), (self.count, self.count))
        count, channel = connected_components(links, directed=False)
        pins: dict[int, list[str]] = {}
        for atoms, why in self._pins:
            for number in set(channel[atoms.numpy()].tolist()):
                reasons = pins.setdefault(number, [])
                if why not in reasons:
                    reasons.append(why)
        return Channels(int(count), torch.from_numpy(channel.astype(np.int64)), pins)


@dataclass(frozen=True)
class Channels:
    """What the ties make of the atoms."""

    count: int
    of_atom: Tensor
    """Channel of each atom, shape `[atoms]`."""
    pins: dict[int, list[str]]
    """Why a channel must stay, for those that must."""

    @cached_property
    def pinned(self) -> Tensor:
        """Whether each channel must stay, shape `[channels]`."""
        mask = torch.zeros(self.count, dtype=torch.bool)
        mask[list(self.pins)] = True
        return mask

    def of(self, atoms: Tensor) -> Tensor:
        """Return the channels of atoms, in the same shape."""
        return self.of_atom[atoms]

    def reasons(self, channels: Iterable[int]) -> tuple[str, ...]:
        """Return why any of these channels stay, each reason once."""
        found: dict[str, None] = {}
        for channel in channels:
            found.update(dict.fromkeys(self.pins.get(channel, ())))
        return tuple(found)
