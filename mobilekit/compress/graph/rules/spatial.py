"""Operators that work on the map of each channel: pooling, resizing, padding."""

import torch

from mobilekit.compress.graph.labels import Component, compact, pattern
from mobilekit.compress.graph.tracing import Tracing


def by_channel(t: Tracing) -> None:
    """Pass channels on; what varies over a map is tied over it."""
    labels = t.labels(t.call.inputs[0])
    kept = _flat(t, labels.components, tuple(range(min(2, len(labels.shape)))))
    for value in t.call.outputs:
        t.give(value, kept)


def grid(t: Tracing) -> None:
    """Pass the channels of what is sampled; the positions are fixed."""
    for value in t.call.inputs[1:]:
        t.pin(t.labels(value).components, f"positions to sample ({t.where()})")
    by_channel(t)


def pad(t: Tracing) -> None:
    """Pad with a constant: over maps nothing changes, over channels new ones are born."""
    value = t.call.inputs[0]
    labels, amounts = t.labels(value), t.call.argument("pad")
    rank = len(labels.shape)
    padded = {rank - 1 - i // 2 for i, amount in enumerate(amounts) if amount}
    out = t.call.outputs[0]
    grown = padded & {d for part in labels.components for d in pattern(part)}
    spatial = {d for d in grown if d >= 2}
    kept = _flat(t, labels.components, tuple(set(range(rank)) - spatial))
    result = []
    for part in kept:
        if not set(pattern(part)) & padded:
            result.append(part)
            continue
        whole = part.expand(
            [part.shape[d] if d not in padded else n for d, n in enumerate(labels.shape)]
        )
        wide = compact_pad(whole, amounts, padded)
        born = wide < 0
        fresh = wide.clone()
        fresh[born] = t.atoms.fresh(int(born.sum()))
        result.append(compact(fresh))
    t.give(out, result)


def compact_pad(part: Component, amounts: list[int], padded: set[int]) -> Component:
    """Pad an array of atoms with -1 along the padded dimensions that it varies along."""
    rank = part.ndim
    own = [
        amount if (d := rank - 1 - i // 2) in padded and part.shape[d] > 1 else 0
        for i, amount in enumerate(amounts)
    ]
    return torch.nn.functional.pad(part, own, value=-1)


def _flat(t: Tracing, components: tuple[Component, ...], keep: tuple[int, ...]) -> list[Component]:
    found = []
    for part in components:
        if not set(pattern(part)) & set(keep):
            t.pin([part], f"mixed over the map ({t.where()})")
        elif set(pattern(part)) <= set(keep):
            found.append(part)
        else:
            found.append(t.collapsed(part, keep))
    return found


RULES = {
    "constant_pad_nd": pad,
    "grid_sampler_2d": grid,
    "grid_sampler_3d": grid,
    **dict.fromkeys(
        (
            "_adaptive_avg_pool2d",
            "_adaptive_avg_pool3d",
            "_upsample_bicubic2d_aa",
            "_upsample_bilinear2d_aa",
            "_upsample_nearest_exact1d",
            "_upsample_nearest_exact2d",
            "_upsample_nearest_exact3d",
            "adaptive_avg_pool2d",
            "adaptive_avg_pool3d",
            "adaptive_max_pool2d",
            "adaptive_max_pool3d",
            "avg_pool2d",
            "avg_pool3d",
            "max_pool2d_with_indices",
            "max_pool3d_with_indices",
            "max_unpool2d",
            "reflection_pad1d",
            "reflection_pad2d",
            "reflection_pad3d",
            "replication_pad1d",
            "replication_pad2d",
            "replication_pad3d",
            "upsample_bicubic2d",
            "upsample_bilinear2d",
            "upsample_linear1d",
            "upsample_nearest1d",
            "upsample_nearest2d",
            "upsample_nearest3d",
            "upsample_trilinear3d",
        ),
        by_channel,
    ),
}
