"""What a network for videos is shown: an image, and a mask of the frame before, a false one or its own."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from mobilekit.compress.graph.untouched import evaluating
from mobilekit.compress.outputs import first_of
from mobilekit.core.errors import ModelError, RecipeError
from mobilekit.core.seeding import child_seed
from mobilekit.data.augmentation.configs import PreviousMaskConfig
from mobilekit.data.previous_masks import previous_mask
from mobilekit.data.task import Labelled


class Frame(NamedTuple):
    """What a network for videos takes: an image, and the mask of the frame before."""

    image: Tensor
    """`[C, H, W]`, in a batch `[N, C, H, W]`."""
    mask: Tensor
    """`[K, H, W]`, in a batch `[N, K, H, W]`."""


class Moving(NamedTuple):
    """A frame whose mask of the frame before the network may have to make itself."""

    image: Tensor
    """`[C, H, W]`, in a batch `[N, C, H, W]`."""
    mask: Tensor
    """Of the frame before, or where the network makes that itself what it is shown with `before`; as of `Frame`."""
    before: Tensor
    """The frame before, like `image`; where `own` is false it is not looked at."""
    own: Tensor
    """Whether the network makes the mask itself, bool `[]`, in a batch `[N]`."""
    still: Tensor
    """Where the truth is the same in both frames, nowhere if `own` is false; bool `[H, W]`, in a batch `[N, H, W]`."""


def followed(network: nn.Module, moving: Moving) -> tuple[Frame, Tensor]:
    """Let a network make the masks of the frames before that are to be its own.

    It runs as it would on a device: in evaluation mode, and no gradient goes through what it made.

    Args:
        network: takes an image and a mask, and answers with logits `[N, classes, H, W]`, first if several.
        moving: a batch.

    Returns:
        What the network is shown; and its answers to the frames before that are its own, probabilities
        `[own, classes, H, W]`, empty where there are none.
    """
    if not moving.own.any():
        return Frame(moving.image, moving.mask), moving.mask[:0]
    with evaluating(network):
        logits = first_of(network(moving.before[moving.own], moving.mask[moving.own]))
    torch.clear_autocast_cache()  # it holds the weights of this run, through which no gradient goes
    found = logits.float().softmax(1)
    if found.shape[2:] != moving.mask.shape[2:]:
        found = functional.interpolate(found, moving.mask.shape[2:], mode="bilinear")
    mask = moving.mask.clone()
    found = found.to(mask)
    mask[moving.own] = found if mask.shape[1] == found.shape[1] else 1 - found[:, :1]
    return Frame(moving.image, mask), found


def unsteadiness(logits: Tensor, before: Tensor, moving: Moving) -> Tensor:
    """Return how far answers are from those to the frame before, where the truth is the same, shape `[]`.

    The Kullback-Leibler divergence KL(before ‖ now), in nats, mean over pixels; no gradient goes through the
    answer before. In the manner of temporal consistency losses (Liu et al., Efficient Semantic Video Segmentation
    with Per-frame Inference, 2020), whose optical flow drawn frames do not need.

    Args:
        logits: of the whole batch, `[N, classes, h, w]`.
        before: as `followed` returns them.
        moving: the batch.
    """
    still = moving.still[moving.own]
    if not still.any():
        return logits.new_zeros(())
    now = logits[moving.own].float().log_softmax(1)
    if now.shape[2:] != still.shape[1:]:  # as `followed` resizes: probabilities
        now = (
            functional.interpolate(now.exp(), still.shape[1:], mode="bilinear")
            .clamp_min(1e-8)
            .log()
        )
    apart = functional.kl_div(now, before.float(), reduction="none").sum(1)
    return apart[still].mean()


class Judged(Dataset[Any]):
    """A test set for a network for videos: each image with a slightly wrong mask, always the same.

    Args:
        data: that is judged on.
        channels: of the mask.
        seed: of the run.
    """

    def __init__(self, data: Labelled, channels: int, seed: int) -> None:
        self._data, self._channels, self._seed = data, channels, seed

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> tuple[Frame, Tensor]:
        image, target = self._data[index]
        assert isinstance(target, Tensor)  # noqa: S101  a segmentation
        rng = np.random.default_rng(child_seed(self._seed, "judged mask", str(index)))
        classes = len(self._data.classes)
        return Frame(image, previous_mask(target, classes, self._channels, "slight", rng)), target


def mask_channels(
    config: PreviousMaskConfig | None, data: Labelled, inputs: Sequence[Tensor]
) -> int:
    """Return how many channels the mask of the frame before has; 0 where the network takes none.

    Args:
        config: how one is shown; None: not.
        data: that is trained on.
        inputs: examples of the network's.

    Raises:
        RecipeError: a mask for a network that takes none, none for one that takes one, or no segmentation.
        ModelError: a mask of another number of classes.
    """
    if config is None:
        if len(inputs) > 1 and data.task == "segmentation":
            raise RecipeError(
                "train: the network takes a mask of the frame before; say how: previous_mask = { empty = 0.3,"
                " slight = 0.4, strong = 0.3 }"
            )
        return 0
    if data.task != "segmentation":
        raise RecipeError(
            f"train: previous_mask is made of the masks of a segmentation; the data are a {data.task}"
        )
    if len(inputs) < 2:
        raise RecipeError(
            "train: previous_mask is set, but the network has no input for it; take one that has, such as"
            " net = { kind = 'mobile-hourglass', previous_mask = 10 }, or leave it out"
        )
    channels = int(inputs[1].shape[1])
    if channels not in {1, len(data.classes)}:
        raise ModelError(
            f"train: the network's previous mask has {channels} channels; {data.provenance} has"
            f" {len(data.classes)} classes: give it as many, or 1"
        )
    return channels
