"""Weights whose smallest are 0 and left out: a bit per weight says where the others are.

Those that are left are stored as they are, as integers, or as indices into tables made for them alone.
Where more weights are 0 already than asked, they are left out too.
"""

import math

import numpy as np

from mobilekit.core.kmeans import nearest
from mobilekit.core.quantization import Form
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
from mobilekit.export.quantization.coreml_integers import decoded, rounded, scales_of
from mobilekit.export.quantization.coreml_palettes import largest, scaled, table_shape, tables_of


def sparse(constant: Constant, form: Form) -> Encoded:
    """Store the weights that are left."""
    kept = kept_of(constant, form)
    if form.weights.encoding == "int":
        return _integers(constant, form, kept)
    if form.weights.encoding == "palette":
        return _palette(constant, form, kept)
    left = Stored(constant.kind, constant.values[kept])
    inputs: dict[str, Input] = {"nonzero_data": left, "mask": _mask(kept)}
    if not constant.modern:
        bits = Stored("UINT8", packed(kept, 1))
        inputs = {"nonzero_data": left, "mask": bits, "shape": extent(constant)}
    values = np.where(kept, constant.values, np.zeros_like(constant.values))
    return Encoded((Link("constexpr_sparse_to_dense", inputs),), values)


def kept_of(constant: Constant, form: Form) -> Numbers:
    """Return which weights stay, in the constant's own shape: those of the greatest size.

    ⌊share · n⌋ are left out, or n of each m that follow one another along the inputs; of equal ones the
    first stay. Where all are 0, one stays: there is no tensor without elements.
    """
    sizes: Numbers = np.abs(constant.values.astype(np.float32))
    kept: Numbers = (
        _share(sizes, form.sparsity)
        if form.pattern is None
        else _pattern(sizes, constant.input, *form.pattern)
    )
    kept &= sizes > 0
    if not kept.any():
        kept.reshape(-1)[0] = True
    return kept


def _share(sizes: Numbers, share: float) -> Numbers:
    out = math.floor(share * sizes.size + 1e-9)
    flat = sizes.reshape(-1)
    least = np.partition(flat, out)[out]
    kept: Numbers = flat > least
    kept[np.flatnonzero(flat == least)[: flat.size - out - int(kept.sum())]] = True
    return kept.reshape(sizes.shape)


def _pattern(sizes: Numbers, axis: int, n: int, m: int) -> Numbers:
    rows = np.moveaxis(sizes, axis, -1)
    order = np.argsort(-rows.reshape(-1, m), axis=1, kind="stable")
    kept = np.zeros(order.shape, bool)
    np.put_along_axis(kept, order[:, : m - n], values=True, axis=1)
    return np.ascontiguousarray(np.moveaxis(kept.reshape(rows.shape), -1, axis))


def _integers(constant: Constant, form: Form, kept: Numbers) -> Encoded:
    scales = scales_of(constant, form.weights)
    whole = rounded(constant.values, scales, form.weights.bits)
    inputs: dict[str, Input] = {
        "data_mask": _mask(kept),
        "nonzero_data": Stored(f"INT{form.weights.bits}", whole[kept]),
        "scale": Stored(constant.kind, scales),
    }
    link = Link("constexpr_sparse_blockwise_shift_scale", inputs, _outputs(constant, kept))
    values = np.where(kept, decoded(whole, scales), np.zeros((), scales.dtype))
    return Encoded((link, Link("constexpr_sparse_to_dense", _DENSE)), values)


def _palette(constant: Constant, form: Form, kept: Numbers) -> Encoded:
    rows, left = constant.rows, np.moveaxis(kept, constant.output, 0)
    groups = len(rows) // form.weights.group if form.weights.group else 1
    scales = largest(rows) if form.weights.scaled else np.ones((1,) * rows.ndim, rows.dtype)
    near = rows.reshape(groups, -1)
    if form.weights.scaled:
        near = (rows.astype(np.float32) / scales.astype(np.float32)).reshape(groups, -1)
    weight = (left * scales.astype(np.float64) ** 2).reshape(groups, -1)
    there = left.reshape(groups, -1)
    # What is left out must not stretch a uniform table: it takes a value that is there.
    first = np.take_along_axis(near, there.argmax(axis=1)[:, None], axis=1)
    near = np.where(there, near, first)
    tables = tables_of(near, form.weights, weight).astype(rows.dtype)
    indices = nearest(near, tables)
    values = np.take_along_axis(tables, indices, axis=1).reshape(rows.shape)
    inputs: dict[str, Input] = {
        "indices_mask": _mask(kept),
        "indices_nonzero_data": Stored(
            f"UINT{form.weights.bits}",
            constant.spread(indices.reshape(rows.shape).astype(np.uint8))[kept],
        ),
        "lut": Stored(constant.kind, tables.reshape(table_shape(constant, tables))),
    }
    links: tuple[Link, ...] = (Link("constexpr_lut_to_sparse", inputs, _outputs(constant, kept)),)
    if not form.weights.scaled:
        links = (*links, Link("constexpr_sparse_to_dense", _DENSE))
    else:
        dense = (("unscaled", constant.kind, constant.values.shape),)
        links = (*links, Link("constexpr_sparse_to_dense", _DENSE, dense), scaled(constant, scales))
        values = (values.astype(np.float32) * scales.astype(np.float32)).astype(rows.dtype)
    return Encoded(links, np.where(kept, constant.spread(values), np.zeros((), rows.dtype)))


_DENSE: dict[str, Input] = {"nonzero_data": "left", "mask": "mask"}


def _outputs(constant: Constant, kept: Numbers) -> tuple[tuple[str, str, tuple[int, ...]], ...]:
    return (("mask", "UINT1", kept.shape), ("left", constant.kind, (int(kept.sum()),)))


def _mask(kept: Numbers) -> Stored:
    return Stored("UINT1", kept.astype(np.uint8))
