import numpy as np
import pytest
import torch

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime.coreml_reference.ops.shape import TABLE
from mobilekit.runtime.coreml_reference.ops.values import TensorList

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
INTS = X.astype(np.int32)


def vector(*values):
    return np.array(values, np.int32)


@pytest.mark.parametrize("sizes", [(6, 4), (-1,), (4, -1, 2), (0, 0, 4), (2, -1, 0), (1, 2, 0, 0)])
def test_reshape(agrees, sizes):
    agrees("reshape", x=X, shape=vector(*sizes))


def test_reshape_fills_zeros_from_the_right(agrees):
    x = np.arange(100, dtype=np.float32).reshape(2, 50)
    agrees("reshape", x=x, shape=vector(1, 0, -1, 0))
    agrees("reshape", x=x, shape=vector(1, 0, -1, 0), expected=x.reshape(1, 1, 2, 50))


def test_reshape_before_ios17(agrees):
    agrees("reshape", opset="iOS15", x=X, shape=vector(0, -1, 2))


def test_reshape_to_a_scalar():
    found = TABLE["reshape"](x=torch.ones(1, 1), shape=torch.empty(0, dtype=torch.int32))
    assert found.shape == ()


@pytest.mark.parametrize("sizes", [(5, 5), (-1, -1), (-1, 7), (-2, 12)])
def test_reshape_refuses_what_does_not_fit(sizes):
    with pytest.raises(ArtifactError, match=r"operator reshape: shape = .* does not fit x \[2, 3"):
        TABLE["reshape"](x=torch.from_numpy(X), shape=torch.tensor(sizes))


def test_reshape_like(agrees):
    references = [np.zeros((2, 2, 9), np.float32), np.zeros((5, 3, 2), np.float32)]
    inputs = {"x": X, "ref_tensors": references, "begins": [0, 1], "ends": [2, 0]}
    agrees("reshape_like", **inputs, end_masks=[False, True], expected=X.reshape(2, 2, 3, 2))
    one = {"x": X, "ref_tensors": [X[..., None]], "begins": [-4], "ends": [-1]}
    agrees("reshape_like", **one, end_masks=[False], expected=X)
    with pytest.raises(ArtifactError, match=r"operator reshape_like: ref_tensors = \[3\]"):
        TABLE["reshape_like"](
            x=torch.ones(4),
            ref_tensors=(torch.ones(3),),
            begins=(0,),
            ends=(1,),
            end_masks=(False,),
        )


@pytest.mark.parametrize("perm", [(2, 0, 1), (-1, -3, -2), (0, 1, 2)])
def test_transpose(agrees, perm):
    agrees("transpose", x=X, perm=vector(*perm))


def test_transpose_refuses_what_is_no_permutation():
    with pytest.raises(ArtifactError, match=r"perm = \[0, 0, 1\] is no permutation of 3 axes"):
        TABLE["transpose"](x=torch.from_numpy(X), perm=torch.tensor([0, 0, 1]))


@pytest.mark.parametrize("axes", [(0,), (-1,), (1, 3), (-1, 0), (-2, -4), (4, 3)])
def test_expand_dims(agrees, axes):
    agrees("expand_dims", x=X, axes=vector(*axes))


def test_expand_dims_of_a_number(agrees):
    agrees("expand_dims", x=np.float32(3), axes=vector(0), expected=np.array([3], np.float32))


@pytest.mark.parametrize("axes", [None, (0,), (-2,), (0, 3), (3, -5)])
def test_squeeze(agrees, axes):
    agrees("squeeze", x=X[None, :, :, None], **({} if axes is None else {"axes": vector(*axes)}))


def test_squeeze_leaves_longer_axes(agrees):
    agrees("squeeze", x=X[None], axes=vector(0, 1), expected=X)


@pytest.mark.parametrize("axis", [None, 0, 2, 3, -1])
def test_flatten2d(agrees, axis):
    given = {} if axis is None else {"axis": np.int32(axis)}
    shape = (1, 24) if axis == 0 else (24, 1) if axis == 3 else None
    agrees("flatten2d", x=X, **given, **({"expected": X.reshape(shape)} if shape else {}))


def test_shape_and_identity(agrees):
    agrees("shape", x=X)
    agrees("identity", x=X)
    ls = TensorList((torch.ones(2),), None, dynamic=True)
    assert TABLE["identity"](x=ls) is ls


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concat(agrees, axis):
    agrees("concat", values=[X, X + 100, X - 100], axis=np.int32(axis))
    agrees("concat", values=[X, X + 100], axis=np.int32(axis), interleave=False)


def test_concat_of_unequal_lengths(agrees):
    agrees("concat", values=[X, X[:, :1], X[:, 1:]], axis=np.int32(1))


def test_concat_of_numbers_is_a_vector(agrees):
    agrees("concat", values=[np.int32(4), np.int32(-1), np.int32(7)], axis=np.int32(0))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concat_interleaved(agrees, axis):
    # coremltools' folding ignores `interleave`: by hand.
    values = [X, X + 100, X - 100]
    shape = list(X.shape)
    shape[axis] *= 3
    expected = np.zeros(shape, np.float32)
    for i, value in enumerate(values):
        place = [slice(None)] * 3
        place[axis] = slice(i, None, 3)
        expected[tuple(place)] = value
    agrees("concat", values=values, axis=np.int32(axis), interleave=True, expected=expected)


def test_concat_interleaved_refuses_unequal_shapes():
    with pytest.raises(ArtifactError, match="operator concat: interleave = True for unequal"):
        TABLE["concat"](values=(torch.ones(2), torch.ones(3)), axis=0, interleave=True)


@pytest.mark.parametrize("axis", [0, 1, 3, -1, -4])
def test_stack(agrees, axis):
    agrees("stack", values=[X, X + 100], axis=np.int32(axis))


def test_stack_of_numbers(agrees):
    agrees("stack", values=[np.int32(4), np.int32(7)], axis=np.int32(0))


@pytest.mark.parametrize("pads", [(1, 2), (0, 3, 2, 1), (1, 0, 0, 2, 3, 1), (0, 0, 0, 0, 1, 1)])
@pytest.mark.parametrize("mode", [None, "constant", "reflect", "replicate"])
def test_pad(agrees, pads, mode):
    limited = np.minimum(pads, 1) if mode == "reflect" else np.array(pads)
    given = {} if mode is None else {"mode": mode}
    agrees("pad", x=X, pad=limited.astype(np.int32), **given)
    agrees("pad", x=X, pad=limited.astype(np.int32), **given, constant_val=np.float32(-7.5))


def test_pad_reflect_to_its_limit(agrees):
    agrees("pad", x=X, pad=vector(2, 2, 3, 3), mode="reflect")


def test_pad_replicate_beyond_the_axis(agrees):
    agrees("pad", x=X, pad=vector(5, 4), mode="replicate")


@pytest.mark.parametrize(
    ("pads", "mode", "words"),
    [
        ((1, 1), "wrap", "mode = 'wrap' is none of constant, reflect, replicate"),
        ((1, 1, 1), "constant", r"pad = \[1, 1, 1\] does not fit x"),
        ((-1, 0), "constant", r"pad = \[-1, 0\] does not fit x"),
        ((0, 4), "reflect", "pad = 4 reflects beyond an axis of 4"),
    ],
)
def test_pad_refuses(pads, mode, words):
    with pytest.raises(ArtifactError, match=f"operator pad: {words}"):
        TABLE["pad"](x=torch.from_numpy(X), pad=torch.tensor(pads), mode=mode)


def test_tile(agrees):
    agrees("tile", x=X, reps=vector(2, 1, 3))
    with pytest.raises(ArtifactError, match=r"operator tile: reps = \[2\] does not fit x"):
        TABLE["tile"](x=torch.from_numpy(X), reps=torch.tensor([2]))


@pytest.mark.parametrize("axes", [None, (0,), (-1, 1)])
def test_reverse(agrees, axes):
    agrees("reverse", x=X, **({} if axes is None else {"axes": vector(*axes)}))


def reversed_by_hand(x, lengths, along, batch):
    out = x.copy()
    for i, length in enumerate(lengths):
        part = np.moveaxis(out, (batch, along), (0, 1))[i]
        part[:length] = part[:length][::-1].copy()
    return out


@pytest.mark.parametrize(("along", "batch"), [(1, 0), (2, 1), (0, 2), (-1, -3)])
def test_reverse_sequence(agrees, along, batch):
    lengths = np.random.default_rng(3).integers(0, X.shape[along] + 1, X.shape[batch])
    agrees(
        "reverse_sequence",
        x=X,
        lengths=lengths.astype(np.int32),
        seq_axis=np.int32(along),
        batch_axis=np.int32(batch),
        expected=reversed_by_hand(X, lengths, along, batch),
    )


def test_reverse_sequence_defaults_to_the_first_axes():
    x = torch.from_numpy(X)
    given = {"x": x, "lengths": torch.tensor([2, 1, 2])}
    by_default = TABLE["reverse_sequence"](**given, batch_axis=1)
    assert torch.equal(by_default, TABLE["reverse_sequence"](**given, seq_axis=0, batch_axis=1))
    given = {"x": x, "lengths": torch.tensor([3, 1])}
    by_default = TABLE["reverse_sequence"](**given, seq_axis=1)
    assert torch.equal(by_default, TABLE["reverse_sequence"](**given, seq_axis=1, batch_axis=0))


@pytest.mark.parametrize(
    ("lengths", "along", "words"),
    [((1, 1), 0, "seq_axis = 0 is the batch axis"), ((1, 5), 2, r"lengths = \[1, 5\] for x")],
)
def test_reverse_sequence_refuses(lengths, along, words):
    with pytest.raises(ArtifactError, match=words):
        TABLE["reverse_sequence"](
            x=torch.from_numpy(X), lengths=torch.tensor(lengths), seq_axis=along
        )


@pytest.mark.parametrize("value", [None, np.float32(2.5), np.int32(3), True])
def test_fill(agrees, value):
    given = {} if value is None else {"value": value}
    agrees("fill", shape=vector(2, 3), **given)
    agrees("fill_like", ref_tensor=X, **given)


def test_fill_result_can_be_written():
    found = TABLE["fill"](shape=torch.tensor([2, 2]), value=1.0)
    found[0, 0] = 5
    assert found.tolist() == [[5, 1], [1, 1]]


@pytest.mark.parametrize(
    ("start", "end", "step"), [(0, 10, 3), (5, -4, -2), (3, 3, 1), (0, 9, 3), (5, 0, 1)]
)
def test_range_1d(agrees, start, end, step):
    bounds = {"start": np.int32(start), "end": np.int32(end), "step": np.int32(step)}
    agrees("range_1d", **bounds, expected=np.arange(start, end, step, dtype=np.int32))
    floats = {name: np.float32(value) / 2 for name, value in bounds.items()}
    agrees("range_1d", **floats, expected=np.arange(start / 2, end / 2, step / 2, np.float32))


def test_range_1d_refuses_a_step_of_zero():
    with pytest.raises(ArtifactError, match="operator range_1d: step = 0 never arrives"):
        TABLE["range_1d"](start=0, end=1, step=0)


def test_saved_program(run_program):
    from coremltools.converters.mil.mil import Builder as mb

    def build(x):
        turned = mb.transpose(x=x, perm=[2, 0, 1])
        flat = mb.reshape(x=turned, shape=[4, -1])
        padded = mb.pad(x=flat, pad=[1, 2, 2, 1], mode="reflect")
        joined = mb.concat(values=[padded, mb.reverse(x=padded, axes=[1])], axis=0, interleave=True)
        tiled = mb.tile(x=mb.expand_dims(x=joined, axes=[0]), reps=[2, 1, 1])
        return mb.squeeze(x=mb.stack(values=[tiled, tiled], axis=-1), axes=None), mb.shape(x=tiled)

    flat = X.transpose(2, 0, 1).reshape(4, 6)
    padded = np.pad(flat, [(1, 2), (2, 1)], "reflect")
    joined = np.stack([padded, padded[:, ::-1]], axis=1).reshape(14, 9)
    tiled = np.tile(joined[None], (2, 1, 1))
    found = run_program(build, {"x": X})
    np.testing.assert_array_equal(found[0], np.stack([tiled, tiled], -1))
    np.testing.assert_array_equal(found[1], [2, 14, 9])


def test_saved_program_of_reshape_like(run_program):
    from coremltools.converters.mil.mil import Builder as mb

    def build(x, y):
        return mb.reshape_like(
            x=x, ref_tensors=[y, y], begins=[0, 1], ends=[1, 0], end_masks=[False, True]
        )

    found = run_program(build, {"x": X, "y": np.zeros((4, 6), np.float32)})
    np.testing.assert_array_equal(found[0], X.reshape(4, 6))
