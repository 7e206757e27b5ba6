import itertools

import numpy as np
import pytest
import torch

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime.coreml_reference.ops.gather import TABLE

RNG = np.random.default_rng(4)
X = RNG.normal(size=(3, 4, 5)).astype(np.float32)
MODES = {
    "update": lambda _, new: new,
    "add": lambda old, new: old + new,
    "sub": lambda old, new: old - new,
    "mul": lambda old, new: old * new,
    "div": lambda old, new: old / new,
    "max": max,
    "min": min,
}


def whole(*shape, below):
    return RNG.integers(0, below, size=shape).astype(np.int32)


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_gather(agrees, axis, shape):
    given = {} if axis is None else {"axis": np.int32(axis)}
    indices = whole(*shape, below=3) if shape else np.int32(2)
    agrees("gather", x=X, indices=indices, **given, expected=np.take(X, indices, axis or 0))


def test_gather_agrees_with_coremltools(agrees):
    agrees("gather", x=X, indices=whole(2, 2, below=4), axis=np.int32(1))
    agrees("gather", opset="iOS15", x=X, indices=np.array([-1, 0], np.int32), axis=np.int32(-2))


@pytest.mark.parametrize(("axis", "batch"), [(1, 1), (2, 1), (2, 2), (-1, 1)])
@pytest.mark.parametrize("extra", [(), (3,), (2, 2)])
def test_gather_by_batches(agrees, axis, batch, extra):
    indices = whole(*X.shape[:batch], *extra, below=X.shape[axis])
    place = axis % 3
    parts = [
        np.take(X[where], indices[where], axis=place - batch)
        for where in itertools.product(*map(range, X.shape[:batch]))
    ]
    expected = np.stack(parts).reshape(*X.shape[:batch], *parts[0].shape)
    given = {"axis": np.int32(axis), "batch_dims": np.int32(batch)}
    agrees("gather", x=X, indices=indices, **given, expected=expected)


def test_gather_by_batches_agrees_with_coremltools(agrees):
    given = {"axis": np.int32(2), "batch_dims": np.int32(1)}
    agrees("gather", opset="iOS16", x=X, indices=whole(3, 2, below=5), **given)


GATHERS = {
    "gather": {"x": torch.zeros(3), "indices": torch.tensor([-1])},
    "gather_along_axis": {"x": torch.zeros(3), "indices": torch.tensor([-1])},
    "gather_nd": {"x": torch.zeros(3), "indices": torch.tensor([[-1]])},
    "scatter": {"data": torch.zeros(3), "indices": torch.tensor([-1]), "updates": torch.ones(1)},
    "scatter_along_axis": {
        "data": torch.zeros(3),
        "indices": torch.tensor([-1]),
        "updates": torch.ones(1),
    },
    "scatter_nd": {
        "data": torch.zeros(3),
        "indices": torch.tensor([[-1]]),
        "updates": torch.ones(1),
    },
}


@pytest.mark.parametrize("operator", GATHERS)
def test_negative_indices_count_from_the_end_unless_validated(operator):
    found = TABLE[operator](**GATHERS[operator], validate_indices=False)
    assert found.tolist() == ([0, 0, 1] if operator.startswith("scatter") else [0])
    with pytest.raises(ArtifactError, match=rf"operator {operator}: indices = -1 is outside \[0"):
        TABLE[operator](**GATHERS[operator], validate_indices=True)


@pytest.mark.parametrize("operator", GATHERS)
@pytest.mark.parametrize("wrong", [3, -4])
def test_indices_beyond_the_axis_are_refused(operator, wrong):
    given = GATHERS[operator] | {"indices": torch.full_like(GATHERS[operator]["indices"], wrong)}
    with pytest.raises(ArtifactError, match=rf"operator {operator}: indices = {wrong} is outside"):
        TABLE[operator](**given)


def test_gather_refuses_batches_beyond_the_axis():
    with pytest.raises(ArtifactError, match=r"operator gather: batch_dims = 2 is outside \[0, 1"):
        TABLE["gather"](x=torch.zeros(2, 3), indices=torch.zeros(2, 2), axis=1, batch_dims=2)


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_gather_along_axis(agrees, axis):
    shape = list(X.shape)
    shape[axis or 0] = 2
    given = {} if axis is None else {"axis": np.int32(axis)}
    agrees("gather_along_axis", x=X, indices=whole(*shape, below=X.shape[axis or 0]), **given)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("shape", [(4,), (2, 3)])
def test_gather_nd(agrees, depth, shape):
    indices = np.stack([whole(*shape, below=X.shape[k]) for k in range(depth)], axis=-1)
    expected = X[tuple(np.moveaxis(indices, -1, 0))]
    agrees("gather_nd", x=X, indices=indices, expected=expected)


@pytest.mark.parametrize(("batch", "depth"), [(1, 1), (1, 2), (2, 1)])
def test_gather_nd_by_batches(agrees, batch, depth):
    shape = (*X.shape[:batch], 2)
    parts = [whole(*shape, below=X.shape[batch + k]) for k in range(depth)]
    indices = np.stack(parts, axis=-1)
    expected = np.stack(
        [
            X[where][tuple(np.moveaxis(indices[where], -1, 0))]
            for where in itertools.product(*map(range, X.shape[:batch]))
        ]
    )
    expected = expected.reshape(*shape, *X.shape[batch + depth :])
    agrees("gather_nd", x=X, indices=indices, batch_dims=np.int32(batch), expected=expected)


def test_gather_nd_refuses_vectors_that_are_too_long():
    with pytest.raises(ArtifactError, match=r"operator gather_nd: batch_dims = 1 does not fit x"):
        TABLE["gather_nd"](x=torch.zeros(2, 3), indices=torch.zeros(2, 1, 2), batch_dims=1)


@pytest.mark.parametrize("mode", [None, *MODES])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_scatter(agrees, mode, axis):
    place = (axis or 0) % 3
    indices = np.array([1, 0, 1] if mode != "update" else [2, 0, 1], np.int32)
    shape = [*X.shape]
    shape[place] = 3
    updates = RNG.uniform(0.5, 2, size=shape).astype(np.float32)
    expected = np.moveaxis(X.copy(), place, 0)
    for k, index in enumerate(indices):
        for inner in np.ndindex(expected.shape[1:]):
            new = np.moveaxis(updates, place, 0)[(k, *inner)]
            old = expected[(index, *inner)]
            expected[(index, *inner)] = MODES[mode or "add"](old, new)
    given = {"axis": None if axis is None else np.int32(axis), "mode": mode}
    agrees(
        "scatter",
        data=X,
        indices=indices,
        updates=updates,
        **{name: value for name, value in given.items() if value is not None},
        expected=np.moveaxis(expected, 0, place),
    )


def test_scatter_at_one_number(agrees):
    expected = X.copy()
    expected[:, 2] = 7
    given = {"axis": np.int32(1), "mode": "update", "expected": expected}
    updates = np.full((3, 5), 7, np.float32)
    agrees("scatter", data=X, indices=np.int32(2), updates=updates, **given)


@pytest.mark.parametrize("mode", [None, *MODES])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_scatter_along_axis(agrees, mode, axis):
    place = (axis or 0) % 3
    # Two updates of the same element, except for `update`, whose order is not defined.
    base = [1, 0] if mode == "update" else [1, 1]
    shape = [*X.shape]
    shape[place] = 2
    order = np.array(base, np.int32).reshape([-1 if k == place else 1 for k in range(3)])
    indices = np.ascontiguousarray(np.broadcast_to(order, shape))
    updates = RNG.uniform(0.5, 2, size=shape).astype(np.float32)
    expected = X.copy()
    for where in np.ndindex(*shape):
        target = list(where)
        target[place] = indices[where]
        target = tuple(target)
        expected[target] = MODES[mode or "add"](expected[target], updates[where])
    given = {"axis": None if axis is None else np.int32(axis), "mode": mode}
    agrees(
        "scatter_along_axis",
        data=X,
        indices=indices,
        updates=updates,
        **{name: value for name, value in given.items() if value is not None},
        expected=expected,
    )


@pytest.mark.parametrize("mode", [None, *MODES])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_scatter_nd(agrees, mode, depth):
    vectors = [[1, 2, 3], [0, 1, 2], [1, 2, 3]] if mode != "update" else [[1, 2, 3], [0, 1, 2]]
    indices = np.array(vectors, np.int32)[:, :depth]
    updates = RNG.uniform(0.5, 2, size=(len(vectors), *X.shape[depth:])).astype(np.float32)
    expected = X.copy()
    for vector, update in zip(indices, updates, strict=True):
        for inner in np.ndindex(update.shape):
            target = (*vector, *inner)
            expected[target] = MODES[mode or "add"](expected[target], update[inner])
    given = {} if mode is None else {"mode": mode}
    inputs = {"data": X, "indices": indices, "updates": updates}
    agrees("scatter_nd", **inputs, **given, expected=expected)


def test_scatter_div_of_integers_is_cut():
    found = TABLE["scatter"](
        data=torch.tensor([-7, 7], dtype=torch.int32),
        indices=torch.tensor([0, 1]),
        updates=torch.tensor([2, 2], dtype=torch.int32),
        mode="div",
    )
    assert found.tolist() == [-3, 3]


@pytest.mark.parametrize("operator", ["scatter", "scatter_along_axis", "scatter_nd"])
def test_scatter_refuses_other_modes_and_leaves_its_input(operator):
    given = GATHERS[operator]
    with pytest.raises(ArtifactError, match=f"operator {operator}: mode = 'mean' is none of add"):
        TABLE[operator](**given, mode="mean")
    TABLE[operator](**given, mode="update")
    assert given["data"].tolist() == [0, 0, 0]


def test_scatter_nd_refuses_vectors_that_are_too_long():
    with pytest.raises(ArtifactError, match=r"operator scatter_nd: indices = \[1, 2\] for data"):
        TABLE["scatter_nd"](data=torch.zeros(3), indices=torch.zeros(1, 2), updates=torch.zeros(1))


@pytest.mark.parametrize("axis", [None, 0, 1, -1, -2])
@pytest.mark.parametrize("values", [None, (np.float32(2.5), np.float32(-1)), (True, False)])
def test_one_hot(agrees, axis, values):
    indices = np.array([0, 3, 1, 7, -1], np.int32)
    on, off = values or (np.int32(1), np.int32(0))
    expected = np.where(np.arange(4) == indices[:, None], on, off)
    given = {} if axis is None else {"axis": np.int32(axis)}
    if values:
        given |= {"on_value": on, "off_value": off}
    agrees(
        "one_hot",
        indices=indices,
        one_hot_vector_size=np.int32(4),
        **given,
        expected=np.moveaxis(expected, -1, -1 if axis is None else axis),
    )


def test_one_hot_of_a_matrix_and_of_a_number(agrees):
    indices = whole(2, 3, below=4)
    expected = np.moveaxis(np.eye(4, dtype=np.int32)[indices], -1, 1)
    size = np.int32(4)
    agrees(
        "one_hot", indices=indices, one_hot_vector_size=size, axis=np.int32(1), expected=expected
    )
    agrees(
        "one_hot", indices=np.int32(2), one_hot_vector_size=size, expected=np.eye(4, dtype=int)[2]
    )


def test_saved_program(run_program):
    from coremltools.converters.mil.mil import Builder as mb

    def build(x, i):
        rows = mb.gather(x=x, indices=i, axis=1, batch_dims=1, validate_indices=True)
        more = mb.scatter(data=x, indices=[1, 1], updates=rows, axis=1, mode="max")
        return (
            rows,
            more,
            mb.one_hot(indices=i, one_hot_vector_size=5, axis=0, on_value=2, off_value=1),
        )

    i = np.array([[0, 2], [1, 1], [3, 0]], np.int32)
    rows = np.take_along_axis(X, i[:, :, None], axis=1)
    more = X.copy()
    more[:, 1] = np.maximum(more[:, 1], rows.max(axis=1))
    found = run_program(build, {"x": X, "i": i})
    np.testing.assert_array_equal(found[0], rows)
    np.testing.assert_array_equal(found[1], more)
    np.testing.assert_array_equal(found[2], np.where(np.arange(5)[:, None, None] == i, 2, 1))
