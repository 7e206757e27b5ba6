"""How images are shown while a network trains: otherwise each time, a function of seed and moment alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mobilekit.compress.fitting.frames import Frame, Moving
from mobilekit.compress.fitting.mixing import mixed
from mobilekit.compress.fitting.order import Moment
from mobilekit.core.errors import RecipeError
from mobilekit.core.seeding import child_seed
from mobilekit.data.augmentation.augmented import augmented, check_augmentations
from mobilekit.data.augmentation.configs import AugmentationConfig, PreviousMaskConfig
from mobilekit.data.distortions import distorted
from mobilekit.data.previous_masks import drawn_kind, previous_mask, two_frames
from mobilekit.data.task import Labelled

STAGES = 3
"""Into which progressive learning divides a training."""


@dataclass(frozen=True)
class Showing:
    """What is done to the images of a training; nothing by default."""

    augment: tuple[AugmentationConfig, ...] = ()
    progressive: bool = False
    """Distort images more in each third of the training."""
    mixup: float = 0.0
    """α of the Beta distribution by which two images are mixed; 0: none are."""
    previous_mask: PreviousMaskConfig | None = None
    """Give the network a mask of the frame before, too: a false one, or its own."""


class Shown(Dataset[Any]):
    """A data set as a training shows it.

    Args:
        data: that is trained on.
        showing: what is done to it.
        seed: of the run.
        steps: of the whole training.
        channels: of the mask of the frame before; 0 without one.

    Raises:
        RecipeError: data that it cannot be done to.
    """

    def __init__(
        self, data: Labelled, showing: Showing, seed: int, steps: int, channels: int = 0
    ) -> None:
        if showing.mixup and data.task != "classification":
            raise RecipeError(
                f"train: mixup mixes the classes of images; the data are a {data.task}: leave mixup out"
            )
        if showing.progressive and data.task != "classification":
            raise RecipeError(
                f"train: progressive warps images, and what a {data.task} marks in them would not follow:"
                " leave it out"
            )
        self._data, self._showing, self._seed = data, showing, seed
        self._steps, self._channels = steps, channels
        self._mirrored = check_augmentations(showing.augment, data)
        self.provenance = data.provenance

    def __len__(self) -> int:
        return len(self._data)

    def __getitems__(self, moments: Sequence[Moment]) -> list[Any]:
        """Return the samples of a batch."""
        samples = [self[moment] for moment in moments]
        if not self._showing.mixup:
            return samples
        first = moments[0]  # another one in each process
        rng = self._generator("mixup", first.epoch, first.image)
        return mixed(samples, self._showing.mixup, rng)

    def __getitem__(self, moment: Moment) -> Any:
        image, target = augmented(
            self._data[moment.image],
            self._showing.augment,
            self._mirrored,
            self._generator("augment", moment.epoch, moment.image),
        )
        if self._showing.progressive:
            image = self._distorted(image, moment)
        if self._showing.previous_mask is None:
            return image, target
        rng = self._generator("previous mask", moment.epoch, moment.image)
        kind = drawn_kind(self._showing.previous_mask, rng)
        assert isinstance(target, Tensor)  # noqa: S101  a segmentation
        mask = previous_mask(target, len(self._data.classes), self._channels, kind, rng)
        if not self._showing.previous_mask.own:
            return Frame(image, mask), target
        own = torch.tensor(kind == "own")
        still = torch.zeros_like(target, dtype=torch.bool)
        now, before, still = two_frames(image, target, rng) if own else (image, image, still)
        return Moving(now, mask, before, own, still), target

    def _distorted(self, image: Tensor, moment: Moment) -> Tensor:
        rng = self._generator("distort", moment.epoch, moment.image)
        match STAGES * moment.step // self._steps:
            case 0:
                return distorted(image, 0, rng)
            case 1:
                return distorted(image, 1, rng)
            case _:
                return distorted(image, 2, rng)

    def _generator(self, name: str, epoch: int, index: int) -> np.random.Generator:
        return np.random.default_rng(child_seed(self._seed, name, str(epoch), str(index)))
