"""Every compressed form against coremltools' own decoding, bit for bit, through saved files."""

import numpy as np
import pytest

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime.coreml_reference import ReferenceRunner
from mobilekit.runtime.coreml_reference.loader import load_package, quiet_coremltools
from mobilekit.runtime.coreml_reference.ops import OPERATORS

RNG = np.random.default_rng(0)


def packed(values, bits):
    """Write integers of a few bits one after the other, lowest bit first."""
    stream = ((values.reshape(-1, 1) >> np.arange(bits)) & 1).astype(np.uint8)
    return np.packbits(stream.reshape(-1), bitorder="little")


def affine(dtype, axis, vector):
    def make(mb):
        count = (6, 8)[axis]
        shape = (count,) if vector else ()
        info = np.iinfo(dtype)
        return mb.constexpr_affine_dequantize(
            quantized_data=RNG.integers(info.min, info.max, (6, 8)).astype(dtype),
            zero_point=RNG.integers(info.min, info.max, shape).astype(dtype),
            scale=RNG.random(shape).astype(np.float32),
            axis=np.int32(axis),
        )

    return make


def old_lut(bits):
    def make(mb):
        return mb.constexpr_lut_to_dense(
            indices=packed(RNG.integers(0, 2**bits, 48), bits),
            lut=RNG.standard_normal(2**bits).astype(np.float32),
            shape=np.array([6, 8], np.uint32),
        )

    return make


def old_sparse(mb):
    mask = RNG.integers(0, 2, 48)
    return mb.constexpr_sparse_to_dense(
        nonzero_data=RNG.standard_normal(mask.sum()).astype(np.float32),
        mask=packed(mask, 1),
        shape=np.array([6, 8], np.uint32),
    )


def cast(mb):
    values = RNG.standard_normal((6, 8)).astype(np.float16)
    return mb.constexpr_cast(source_val=values, output_dtype="fp32")


def kind(name):
    from coremltools.converters.mil.mil import types

    return types.nptype_from_builtin(types.string_to_builtin(name))


def blockwise(name, scale_shape, offset):
    def make(mb):
        high = 2 ** int(name.lstrip("uint")) // (1 if name[0] == "u" else 2)
        low = 0 if name[0] == "u" else -high
        given = {}
        if offset:
            given["offset"] = RNG.integers(low, high, scale_shape).astype(kind(name))
        return mb.constexpr_blockwise_shift_scale(
            data=RNG.integers(low, high, (6, 8)).astype(kind(name)),
            scale=RNG.random(scale_shape).astype(np.float32),
            **given,
        )

    return make


def lut(bits, groups, vector=1, axis=None):
    def make(mb):
        return mb.constexpr_lut_to_dense(
            indices=RNG.integers(0, 2**bits, (6, 8)).astype(kind(f"uint{bits}")),
            lut=RNG.standard_normal((*groups, 2**bits, vector)).astype(np.float32),
            **({} if axis is None else {"vector_axis": np.int32(axis)}),
        )

    return make


def sparse(mb):
    mask = RNG.integers(0, 2, (6, 8))
    return mb.constexpr_sparse_to_dense(
        nonzero_data=RNG.standard_normal(mask.sum()).astype(np.float32),
        mask=mask.astype(kind("uint1")),
    )


def sparse_lut(groups, vector=1, axis=None):
    def make(mb):
        mask = RNG.integers(0, 2, (6, 8))
        found, values = mb.constexpr_lut_to_sparse(
            indices_mask=mask.astype(kind("uint1")),
            indices_nonzero_data=RNG.integers(0, 4, mask.sum()).astype(kind("uint2")),
            lut=RNG.standard_normal((*groups, 4, vector)).astype(np.float32),
            **({} if axis is None else {"vector_axis": np.int32(axis)}),
        )
        return mb.constexpr_sparse_to_dense(nonzero_data=values, mask=found)

    return make


def sparse_blockwise(offset):
    def make(mb):
        mask = RNG.integers(0, 2, (6, 8))
        given = {"offset": RNG.integers(-9, 9, (6, 2)).astype(np.int8)} if offset else {}
        found, values = mb.constexpr_sparse_blockwise_shift_scale(
            data_mask=mask.astype(kind("uint1")),
            nonzero_data=RNG.integers(-128, 128, mask.sum()).astype(np.int8),
            scale=RNG.random((6, 2)).astype(np.float32),
            **given,
        )
        return mb.constexpr_sparse_to_dense(nonzero_data=values, mask=found)

    return make


def joint(mb):
    """A look-up table that is itself quantized."""
    table = mb.constexpr_blockwise_shift_scale(
        data=RNG.integers(-128, 128, (2, 1, 4, 1)).astype(np.int8),
        scale=RNG.random((2, 1, 1, 1)).astype(np.float32),
    )
    indices = RNG.integers(0, 4, (6, 8)).astype(kind("uint2"))
    return mb.constexpr_lut_to_dense(indices=indices, lut=table)


FORMS = {
    "affine int8": ("iOS16", affine(np.int8, 0, vector=True)),
    "affine uint8 axis 1": ("iOS16", affine(np.uint8, 1, vector=True)),
    "affine scalar": ("iOS16", affine(np.int8, 0, vector=False)),
    **{f"packed lut {bits}": ("iOS16", old_lut(bits)) for bits in (1, 2, 4, 6, 8)},
    "packed sparse": ("iOS16", old_sparse),
    "cast": ("iOS16", cast),
    "blocks int4": ("iOS18", blockwise("int4", (6, 2), offset=False)),
    "blocks uint4 offset": ("iOS18", blockwise("uint4", (3, 4), offset=True)),
    "blocks int8 offset": ("iOS18", blockwise("int8", (6, 1), offset=True)),
    "blocks one scale": ("iOS18", blockwise("uint8", (1, 1), offset=False)),
    **{f"lut {bits}": ("iOS18", lut(bits, (1, 1))) for bits in (1, 2, 3, 4, 6, 8)},
    "lut groups": ("iOS18", lut(2, (3, 2))),
    "lut vectors axis 0": ("iOS18", lut(2, (3, 1), 2, 0)),
    "lut vectors axis 1": ("iOS18", lut(3, (1, 2), 4, 1)),
    "sparse": ("iOS18", sparse),
    "sparse lut": ("iOS18", sparse_lut((2, 1))),
    "sparse lut vectors": ("iOS18", sparse_lut((1, 1), 2, 1)),
    "sparse lut vectors axis 0": ("iOS18", sparse_lut((1, 2), 2, 0)),
    "sparse blocks": ("iOS18", sparse_blockwise(offset=False)),
    "sparse blocks offset": ("iOS18", sparse_blockwise(offset=True)),
    "joint": ("iOS18", joint),
}


def decoded(operation):
    """Decode by coremltools; it has no answer for a table that is compressed itself."""
    if operation.op_type != "constexpr_lut_to_dense" or operation.lut.val is not None:
        return operation.materialized_val_inference()
    table = operation.lut.op.materialized_val_inference()  # [2, 1, 4, 1]
    indices = np.array(operation.indices.val, int)
    rows = np.arange(6)[:, None] // 3  # a table for each half of the rows
    return table[rows, 0, indices, 0]


@pytest.mark.parametrize("form", FORMS)
def test_form_is_decoded_as_coremltools_does(saved, form):
    quiet_coremltools()
    import coremltools as ct
    from coremltools.converters.mil.mil import Builder as mb

    opset, make = FORMS[form]

    def build(x):
        return mb.add(x=x, y=make(mb))

    program = mb.program(
        input_specs=[mb.TensorSpec((1,))], opset_version=getattr(ct.target, opset)
    )(build)
    path = saved(program, opset, pass_pipeline=ct.PassPipeline.EMPTY)
    (operation,) = [
        op for op in load_package(path).program.functions["main"].operations if op.op_type == "add"
    ]
    wanted = decoded(operation.y.op)
    assert operation.y.op.op_type.startswith("constexpr_")
    (found,) = ReferenceRunner(path).run({"x": np.zeros(1, np.float32)}).values()
    np.testing.assert_array_equal(found, wanted)
    assert found.std() > 0


def test_cast_refuses_integers():
    with pytest.raises(ArtifactError, match="output_dtype 'int32' is not supported"):
        OPERATORS["constexpr_cast"](source_val=1.0, output_dtype="int32")
