"""Labels of all classes as labels of the kept ones."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mobilekit.core.errors import DataError

IGNORED = -100
"""A label that says: this example does not count (PyTorch's own for cross-entropy)."""


def remap(
    target: Tensor,
    index: Sequence[int],
    ignore: int = IGNORED,
    other: int | None = None,
    count: int | None = None,
) -> Tensor:
    """Number labels anew.

    Args:
        target: old labels, of integers: `[N]` of a classifier or of the boxes of an image, `[H, W]` or
            `[N, H, W]` of a segmentation.
        index: old number of each new class.
        ignore: the label of what does not count; it stays as it is. Data sets often use 255.
        other: new label of the classes that are not kept. None: `ignore` for `[N]`, so that such examples
            (or boxes) can be left out, and 0, the background, for maps.
        count: of old classes; with it, labels beyond them are an error. Else they are classes not kept.

    Returns:
        New labels, int64, of the same shape.

    Raises:
        DataError: labels that are no integers, negative ones, or some beyond `count`.

    >>> remap(torch.tensor([7, 3, 5]), index=(3, 7)).tolist()
    [1, 0, -100]
    >>> remap(torch.tensor([[0, 3], [5, 255]]), index=(0, 3), ignore=255).tolist()
    [[0, 1], [0, 255]]
    """
    if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
        raise DataError(f"remap: labels are integers, not {target.dtype}")
    old = target.long()
    ignored = old == ignore
    wrong = ~ignored & (old < 0)
    if count is not None:
        wrong |= ~ignored & (old >= count)
    if bool(wrong.any()):
        label = int(old[wrong][0])
        raise DataError(
            f"remap: label {label} is no class{'' if count is None else f' of {count}'}; if it marks what"
            f" does not count, say ignore={label}"
        )
    if other is None:
        other = ignore if target.ndim < 2 else 0
    highest = int(old.max()) if old.numel() else 0
    table = torch.full((max(highest, *index) + 1,), other, device=target.device)
    table[list(index)] = torch.arange(len(index), device=target.device)
    return table[old.where(~ignored, 0)].where(~ignored, ignore)
