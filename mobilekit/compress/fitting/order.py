"""In which order images are shown: a function of seed and step alone, so that any step can be gone on from."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from mobilekit.core.errors import DataError, RecipeError
from mobilekit.core.seeding import child_seed


class Moment(NamedTuple):
    """An image, and when in the training it is shown."""

    image: int
    epoch: int
    step: int
    """Since the beginning of the training."""


class Order(Sampler[int]):
    """The images of one process: its part of each batch of an epoch, which all processes draw alike.

    The images that do not fill a last batch are left out; they are others in each epoch.

    Args:
        count: of images.
        batch: images per step, of all processes together.
        seed: of the order.
        world: how many processes there are.
        rank: says which of them this is; asked when an epoch begins, for processes may start after this.

    Raises:
        DataError: fewer images than a batch.
        RecipeError: a batch that the processes cannot share evenly.
    """

    def __init__(
        self,
        count: int,
        batch: int,
        seed: int,
        world: int = 1,
        rank: Callable[[], int] = lambda: 0,
    ) -> None:
        if batch % world:
            raise RecipeError(
                f"batch_size: {batch} images cannot be shared by {world} devices; take a multiple"
            )
        if count < batch:
            raise DataError(f"the data set has {count} images, fewer than a batch of {batch}")
        self._count, self._batch, self._seed = count, batch, seed
        self._rank, self._world = rank, world
        self.epoch, self.first = 0, 0

    @property
    def steps(self) -> int:
        """How many batches an epoch has."""
        return self._count // self._batch

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of an epoch; where it is the present one, stay."""
        if epoch != self.epoch:
            self.epoch, self.first = epoch, 0

    def go_to(self, step: int) -> None:
        """Go to a step, counted from the beginning of the training."""
        self.epoch, self.first = divmod(step, self.steps)

    def __iter__(self) -> Iterator[int]:
        return (moment.image for moment in self.moments())

    def moments(self) -> Iterator[Moment]:
        """Yield the rest of the epoch, each image with its moment."""
        generator = torch.Generator().manual_seed(child_seed(self._seed, "order", str(self.epoch)))
        order = torch.randperm(self._count, generator=generator)
        each = self._batch // self._world
        for step in range(self.first, self.steps):
            start = step * self._batch + self._rank() * each
            for index in order[start : start + each].tolist():
                yield Moment(index, self.epoch, self.epoch * self.steps + step)
        self.first = 0

    def __len__(self) -> int:
        return self.steps * (self._batch // self._world)


class Moments(Sampler[Moment]):
    """An order's images with their moments, for data that are shown otherwise each time.

    Args:
        order: that is gone through.
    """

    def __init__(self, order: Order) -> None:
        self._order = order

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of an epoch; where it is the present one, stay."""
        self._order.set_epoch(epoch)

    def __iter__(self) -> Iterator[Moment]:
        return self._order.moments()

    def __len__(self) -> int:
        return len(self._order)


class Resumable(DataLoader[Any]):
    """A loader that goes on at any step of a training.

    Args:
        images: map style.
        order: of the images.
        size: images of one batch here.
        moments: ask the images for moments instead of numbers.
        options: of `DataLoader`.
    """

    def __init__(
        self, images: Dataset[Any], order: Order, size: int, moments: bool = False, **options: Any
    ) -> None:
        sampler: Sampler[Any] = Moments(order) if moments else order
        super().__init__(images, batch_size=size, sampler=sampler, **options)
        self.order = order
        self.done = 0
        """Steps since the beginning of the training."""

    def __len__(self) -> int:
        return self.order.steps

    def state_dict(self) -> dict[str, Any]:
        """Return where the training is."""
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the training was."""
        self.done = int(state["done"])
        self.order.go_to(self.done)
