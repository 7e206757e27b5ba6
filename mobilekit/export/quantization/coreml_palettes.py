"""Weights as indices into a table: by k-means or evenly spaced, one table for all or per group.

Binary weights are sign · mean |w| per output channel (Rastegari et al., "XNOR-Net", ECCV 2016, eq. 6).
Ternary ones are −s, 0 or s: 0 where |w| ≤ Δ = 0.7 · mean |w|, s the mean |w| of the others (Li et al.,
"Ternary weight networks", 2016, eqs. 5–6); there per layer, here per output channel. Both are tables of
their own per output channel: scales that come after a table leave the fast kernels of iOS 18.
"""

import numpy as np

from mobilekit.core.kmeans import kmeans, nearest
from mobilekit.core.quantization import Weights
from mobilekit.export.quantization.coreml_encoding import (
    Constant,
    Encoded,
    Input,
    Link,
    Numbers,
    Stored,
    extent,
    packed,
)
from mobilekit.export.quantization.coreml_integers import rounded_up

TERNARY = 0.7
"""Weights of a smaller share of the mean size are 0."""


def palette(constant: Constant, form: Weights) -> Encoded:
    """Store weights as indices into tables."""
    rows = constant.rows
    groups = len(rows) // form.group if form.group else 1
    scales = largest(rows) if form.scaled else None
    tables = tables_of(_grouped(rows, groups, scales), form, _weight(rows, groups, scales))
    tables = tables.astype(rows.dtype)
    indices = nearest(_grouped(rows, groups, scales), tables).reshape(rows.shape)
    return _encoded(constant, form.bits, tables, indices, scales)


def signs(constant: Constant, form: Weights) -> Encoded:
    """Store binary or ternary weights."""
    flat = constant.rows.reshape(len(constant.rows), -1).astype(np.float32)
    sizes = np.abs(flat)
    mean = sizes.mean(axis=1, keepdims=True)
    if form.encoding == "binary":
        tables = np.concatenate([-mean, mean], axis=1)
        indices = (flat >= 0).astype(np.intp)
    else:
        kept = sizes > TERNARY * mean
        scale = (sizes * kept).sum(axis=1, keepdims=True) / np.maximum(
            kept.sum(axis=1, keepdims=True), 1
        )
        tables = np.concatenate([-scale, np.zeros_like(scale), scale, scale], axis=1)
        indices = np.where(kept, np.sign(flat) + 1, 1).astype(np.intp)
    tables = tables.astype(constant.values.dtype)
    return _encoded(constant, form.bits, tables, indices.reshape(constant.rows.shape), None)


def tables_of(rows: Numbers, form: Weights, weights: Numbers | None) -> Numbers:
    """Return the table of each row, growing.

    Args:
        rows: `[G, n]`.
        form: k-means or uniform, and how many bits.
        weights: `[G, n]`, of the squared errors; None for 1.

    Returns:
        `[G, 2^bits]`.
    """
    if not form.uniform:
        return kmeans(rows, 2**form.bits, weights)
    low, high = rows.min(axis=1, keepdims=True), rows.max(axis=1, keepdims=True)
    steps = np.arange(2**form.bits) / (2**form.bits - 1)
    found: Numbers = low.astype(np.float64) * (1 - steps) + high.astype(np.float64) * steps
    return found


def largest(rows: Numbers) -> Numbers:
    """Return the largest size of each output channel, `[O, 1, …]`; 1 where all is 0."""
    sizes = np.abs(rows.reshape(len(rows), -1).astype(np.float32)).max(axis=1)
    found = rounded_up(sizes, rows.dtype)
    return np.where(found > 0, found, np.ones_like(found)).reshape(-1, *[1] * (rows.ndim - 1))


def table_shape(constant: Constant, tables: Numbers) -> tuple[int, ...]:
    """Return the shape of tables `[G, size]` as the expressions of iOS 18 want it."""
    return (*constant.shape(len(tables)), tables.shape[1], 1)


def scaled(constant: Constant, scales: Numbers) -> Link:
    """Return the last link of scaled weights: it takes what the one before it decodes."""
    return Link(
        "constexpr_blockwise_shift_scale",
        {"data": "unscaled", "scale": Stored(constant.kind, constant.spread(scales))},
    )


def _encoded(
    constant: Constant, bits: int, tables: Numbers, indices: Numbers, scales: Numbers | None
) -> Encoded:
    values = np.take_along_axis(tables, indices.reshape(len(tables), -1), axis=1).reshape(
        indices.shape
    )
    numbers = constant.spread(indices.astype(np.uint8))
    inputs: dict[str, Input]
    if not constant.modern:
        inputs = {
            "indices": Stored("UINT8", packed(numbers, bits)),
            "lut": Stored(constant.kind, tables.reshape(-1)),
            "shape": extent(constant),
        }
        return Encoded((Link("constexpr_lut_to_dense", inputs),), constant.spread(values))
    table = tables.reshape(table_shape(constant, tables))
    inputs = {"indices": Stored(f"UINT{bits}", numbers), "lut": Stored(constant.kind, table)}
    if scales is None:
        return Encoded((Link("constexpr_lut_to_dense", inputs),), constant.spread(values))
    outputs = (("unscaled", constant.kind, constant.values.shape),)
    links = (Link("constexpr_lut_to_dense", inputs, outputs), scaled(constant, scales))
    product = values.astype(np.float32) * scales.astype(np.float32)
    return Encoded(links, constant.spread(product.astype(values.dtype)))


def _grouped(rows: Numbers, groups: int, scales: Numbers | None) -> Numbers:
    if scales is not None:
        rows = rows.astype(np.float32) / scales.astype(np.float32)
    return rows.reshape(groups, -1)


def _weight(rows: Numbers, groups: int, scales: Numbers | None) -> Numbers | None:
    """Return what a squared error before scaling weighs after it."""
    if scales is None:
        return None
    return np.broadcast_to(scales.astype(np.float64) ** 2, rows.shape).reshape(groups, -1)
