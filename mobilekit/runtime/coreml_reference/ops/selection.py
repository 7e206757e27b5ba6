"""Operators that choose by value: sorting, the greatest, those not zero, boxes that do not overlap.

Source: the operator definitions of coremltools (`iOS15` to `iOS17`, tensor_operation). Equal values
keep their order.
"""

import math

import torch
from torch import Tensor

from mobilekit.runtime.coreml_reference.context import Handler
from mobilekit.runtime.coreml_reference.ops.values import (
    Number,
    flag,
    integer,
    position,
    real,
    refused,
)


def argsort(*, x: Tensor, axis: Number = -1, ascending: Number = False) -> Tensor:
    """Return the indices that sort x along the axis; equal values keep their order."""
    place = position("argsort", axis, x.dim())
    return torch.argsort(x, dim=place, descending=not flag(ascending), stable=True)


def topk(
    *,
    x: Tensor,
    k: Number = 1,
    axis: Number = -1,
    ascending: Number = False,
    sort: Number = True,  # noqa: ARG001  unsorted is "no order guaranteed": sorted is one
    return_indices: Number = True,
    output_indices_dtype: str = "int32",
) -> Tensor | tuple[Tensor, Tensor]:
    """Return the k greatest (ascending: least) values along the axis, and their indices.

    Equal values keep their order; k = -1 takes all.

    Raises:
        ArtifactError: k or the axis out of range, or an index type other than int32 and uint16.
    """
    if output_indices_dtype.lower() not in {"int32", "uint16"}:
        raise refused(
            "topk", "output_indices_dtype", output_indices_dtype, "is neither int32 nor uint16"
        )
    place = position("topk", axis, x.dim())
    count = x.shape[place] if integer(k) == -1 else integer(k)
    if not 0 <= count <= x.shape[place]:
        raise refused("topk", "k", count, f"is outside [0, {x.shape[place]}]")
    indices = argsort(x=x, axis=place, ascending=ascending).narrow(place, 0, count)
    values = x.gather(place, indices)
    return (values, indices) if flag(return_indices) else values


def non_zero(*, x: Tensor) -> Tensor:
    """Return the indices [N, rank] of the elements that are not zero, in row-major order."""
    return torch.nonzero(x)


def non_maximum_suppression(
    *,
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: Number,
    max_boxes: Number,
    score_threshold: Number | None = None,
    per_class_suppression: Number = False,
) -> tuple[Tensor, ...]:
    """Choose boxes in the order of their best score, dropping those that overlap a chosen one.

    Boxes are (centre x, centre y, width, height). Before iOS 17 boxes are [n, B, 4], scores
    [n, B, K], boxes below `score_threshold` are dropped, and the results are boxes, scores,
    indices [n, max_boxes] and counts [n]. From iOS 17, where the score threshold is gone, they are
    [n, 4, B] and [n, K, B], and there are no counts. Places left over hold zeros and index -1.
    With `per_class_suppression` a box only competes with those of its own best class.
    """
    last = score_threshold is None
    if last:
        boxes, scores = boxes.transpose(1, 2), scores.transpose(1, 2)
    lowest = -math.inf if score_threshold is None else real(score_threshold)
    limit, count = real(iou_threshold), integer(max_boxes)
    kept = [
        _survivors(boxes[i], scores[i], limit, lowest, classes=flag(per_class_suppression))[:count]
        for i in range(boxes.shape[0])
    ]
    chosen_boxes = torch.stack([_padded(boxes[i][k], count) for i, k in enumerate(kept)])
    chosen_scores = torch.stack([_padded(scores[i][k], count) for i, k in enumerate(kept)])
    indices = torch.stack([_padded(k + 1, count) - 1 for k in kept])
    if last:
        return chosen_boxes.transpose(1, 2), chosen_scores.transpose(1, 2), indices
    return chosen_boxes, chosen_scores, indices, torch.tensor([len(k) for k in kept])


def _survivors(
    boxes: Tensor, scores: Tensor, limit: float, lowest: float, *, classes: bool
) -> Tensor:
    best, labels = scores.max(dim=1)
    order = torch.argsort(best, descending=True, stable=True)
    waiting = order[best[order] >= lowest]
    kept = []
    while waiting.numel():
        first, rest = waiting[0], waiting[1:]
        kept.append(first)
        beaten = _overlap(boxes[first], boxes[rest]) > limit
        if classes:
            beaten &= labels[rest] == labels[first]
        waiting = rest[~beaten]
    return torch.stack(kept) if kept else order[:0]


def _overlap(one: Tensor, others: Tensor) -> Tensor:
    """Return the intersection over union of a box [4] with others [N, 4]; 0 for empty boxes."""
    low = torch.maximum(one[:2] - one[2:] / 2, others[:, :2] - others[:, 2:] / 2)
    high = torch.minimum(one[:2] + one[2:] / 2, others[:, :2] + others[:, 2:] / 2)
    shared = (high - low).clamp(min=0).prod(dim=1)
    union = one[2:].prod() + others[:, 2:].prod(dim=1) - shared
    return torch.where(union > 0, shared / union, torch.zeros_like(union))


def _padded(rows: Tensor, count: int) -> Tensor:
    blank = rows.new_zeros((count - rows.shape[0], *rows.shape[1:]))
    return torch.cat([rows, blank])


TABLE: dict[str, Handler] = {
    "argsort": argsort,
    "non_maximum_suppression": non_maximum_suppression,
    "non_zero": non_zero,
    "topk": topk,
}
