"""Mirror a face with its labels: what was the left eye becomes the right one."""

import torch
from torch import Tensor

MIRRORED = ((2, 3), (4, 5))
"""Class numbers that change places: the brows, and the eyes."""
_CLASSES = 256


def flipped(image: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return an image and its labels mirrored left to right, the sides of brows and eyes exchanged.

    Doing it twice gives back what was there.

    Args:
        image: `[..., H, W]`.
        labels: a class per pixel, 0–255, integers of any type, `[..., H, W]`.

    >>> flipped(torch.tensor([[1.0, 0.0]]), torch.tensor([[2, 5]]))
    (tensor([[0., 1.]]), tensor([[4, 3]]))
    """
    table = torch.arange(_CLASSES, device=labels.device)
    for one, other in MIRRORED:
        table[one], table[other] = other, one
    swapped = table[labels.long()].to(labels.dtype)
    return image.flip(-1), swapped.flip(-1)
