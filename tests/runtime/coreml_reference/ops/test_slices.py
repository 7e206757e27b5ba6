import itertools

import numpy as np
import pytest
import torch

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime.coreml_reference.ops.slices import TABLE

X = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
BOUNDS = [
    {"begin": (0, 1, 2), "end": (3, 3, 5)},
    {"begin": (-2, 0, -3), "end": (-1, 4, -1)},
    {"begin": (0, 0, 0), "end": (3, 4, 5), "stride": (2, 3, 1)},
    {"begin": (2, 3, 4), "end": (0, 1, 0), "stride": (-1, -2, -3)},
    {"begin": (-1, -1, -1), "end": (-4, -3, -6), "stride": (-2, -1, -2)},
    {"begin": (1, 1, 1), "end": (1, 4, 5)},
    {"begin": (0, 2, 9), "end": (3, 9, 9)},
    {"begin": (1, 2, 3), "end": (2, 3, 4), "begin_mask": (True, False, True)},
    {"begin": (1, 2, 3), "end": (2, 3, 4), "end_mask": (False, True, True)},
    {"begin": (1, 2, 3), "end": (9, 9, 9), "squeeze_mask": (True, False, True)},
    {"begin": (-1, 2, 3), "end": (0, 0, 0), "squeeze_mask": (True, True, False),
     "end_mask": (False, False, True)},
    {"begin": (2, 3, 4), "end": (0, 0, 0), "stride": (-1, -1, -2),
     "end_mask": (True, False, True), "begin_mask": (False, True, True)},
]  # fmt: skip


def arrays(case):
    kinds = {True: np.bool_, False: np.int32}
    return {name: np.array(v, kinds[name.endswith("mask")]) for name, v in case.items()}


def numpy_slices(case):
    names = ("begin", "end", "stride", "begin_mask", "end_mask", "squeeze_mask")
    begin, end, stride, opened, closed, squeezed = (case.get(name) for name in names)
    places = []
    for axis in range(3):
        start = None if opened and opened[axis] else begin[axis]
        if squeezed and squeezed[axis]:
            places.append(start or 0)
            continue
        stop = None if closed and closed[axis] else end[axis]
        places.append(slice(start, stop, stride[axis] if stride else 1))
    return tuple(places)


@pytest.mark.parametrize("case", BOUNDS, ids=str)
def test_slice_by_index(agrees, case):
    agrees("slice_by_index", x=X, **arrays(case), expected=X[numpy_slices(case)])


# Not the case whose end lies before the axis: coremltools clamps that to 0 in the constant itself
# when it infers the shape, so no file holds one.
@pytest.mark.parametrize("case", BOUNDS[:4] + BOUNDS[7:10], ids=str)
def test_slice_by_index_agrees_with_coremltools(agrees, case):
    agrees("slice_by_index", x=X, **arrays(case))


@pytest.mark.parametrize("stride", [1, 2, -1, -3])
def test_slice_by_index_of_one_axis(stride):
    for begin, end in itertools.product(range(-7, 8), repeat=2):
        found = TABLE["slice_by_index"](
            x=torch.arange(5), begin=begin, end=torch.tensor([end]), stride=stride
        )
        assert found.tolist() == list(range(5))[begin:end:stride]


def test_slice_by_index_to_a_number(agrees):
    given = {"begin": np.array([2], np.int32), "end": np.array([0], np.int32)}
    x = np.array([4, 5, 6], np.float32)
    agrees("slice_by_index", x=x, **given, squeeze_mask=np.array([True]), expected=np.float32(6))


@pytest.mark.parametrize("operator", ["slice_by_index", "slice_update"])
def test_slices_refuse(operator):
    x = torch.arange(5)
    more = {"update": torch.arange(5)} if operator == "slice_update" else {}
    with pytest.raises(ArtifactError, match=rf"operator {operator}: stride = \[0\] holds a 0"):
        TABLE[operator](x=x, begin=0, end=5, stride=0, **more)
    with pytest.raises(ArtifactError, match=rf"operator {operator}: begin = 5 is outside \[-5, 5"):
        TABLE[operator](x=x, begin=5, end=0, squeeze_mask=torch.tensor([True]), **more)


@pytest.mark.parametrize("case", BOUNDS, ids=str)
def test_slice_update(agrees, case):
    expected = X.copy()
    window = X[numpy_slices(case)]
    update = -1 - np.arange(window.size, dtype=np.float32).reshape(window.shape)
    expected[numpy_slices(case)] = update
    agrees("slice_update", x=X, update=update, **arrays(case), expected=expected)


@pytest.mark.parametrize("case", [BOUNDS[1], BOUNDS[2], BOUNDS[7]], ids=str)
def test_slice_update_agrees_with_coremltools(agrees, case):
    update = -X[numpy_slices(case)]
    agrees("slice_update", x=X, update=update, **arrays(case))


def test_slice_update_leaves_its_input_and_checks_the_size():
    x = torch.zeros(4)
    found = TABLE["slice_update"](x=x, update=torch.ones(2), begin=1, end=3)
    assert (x.tolist(), found.tolist()) == ([0, 0, 0, 0], [0, 1, 1, 0])
    with pytest.raises(ArtifactError, match=r"operator slice_update: update = \[3\] for \[2\]"):
        TABLE["slice_update"](x=x, update=torch.ones(3), begin=1, end=3)


@pytest.mark.parametrize(
    ("begin", "size"),
    [((0, 1, 2), (3, 2, 1)), ((1, -2, 0), (-1, 1, -1)), ((-3, 0, -1), (1, 4, -1))],
)
def test_slice_by_size(agrees, begin, size):
    agrees("slice_by_size", x=X, begin=np.array(begin, np.int32), size=np.array(size, np.int32))


@pytest.mark.parametrize(("begin", "size"), [(4, 2), (-6, 1), (6, -1), (0, -2)])
def test_slice_by_size_refuses_to_leave_the_tensor(begin, size):
    with pytest.raises(ArtifactError, match=f"operator slice_by_size: size = {size} from {begin}"):
        TABLE["slice_by_size"](x=torch.arange(5), begin=begin, size=size)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize(("size", "stride"), [(2, None), (3, 1), (2, 2), (1, 2)])
def test_sliding_windows(agrees, axis, size, stride):
    windows = np.lib.stride_tricks.sliding_window_view(X, size, axis=axis)
    expected = np.moveaxis(windows, -1, axis % 3 + 1)
    expected = expected.take(range(0, expected.shape[axis % 3], stride or 1), axis=axis % 3)
    given = {} if stride is None else {"stride": np.int32(stride)}
    agrees(
        "sliding_windows", x=X, axis=np.int32(axis), size=np.int32(size), **given, expected=expected
    )


def test_sliding_windows_refuse_what_does_not_fit():
    with pytest.raises(ArtifactError, match=r"operator sliding_windows: size = 6 for x \[5\]"):
        TABLE["sliding_windows"](x=torch.arange(5), axis=0, size=6)


@pytest.mark.parametrize(("axis", "count"), [(0, 3), (1, 2), (-1, 5), (-2, 1)])
def test_split_evenly(agrees, axis, count):
    agrees("split", x=X, axis=np.int32(axis), num_splits=np.int32(count))


@pytest.mark.parametrize(("axis", "sizes"), [(1, (1, 3)), (-1, (2, 2, 1)), (0, (3,))])
@pytest.mark.parametrize("counted", [True, False])
def test_split_by_sizes(agrees, axis, sizes, counted):
    given = {"num_splits": np.int32(len(sizes))} if counted else {}
    agrees("split", x=X, axis=np.int32(axis), split_sizes=np.array(sizes, np.int32), **given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"num_splits": 2}, "num_splits = 2 does not divide 5"),
        ({}, "num_splits = None does not divide 5"),
        ({"split_sizes": torch.tensor([2, 2])}, r"split_sizes = \[2, 2\] does not add up to 5"),
    ],
)
def test_split_refuses(given, words):
    with pytest.raises(ArtifactError, match=f"operator split: {words}"):
        TABLE["split"](x=torch.arange(5), axis=0, **given)


@pytest.mark.parametrize("lower", [None, -1, 0, 1, 7])
@pytest.mark.parametrize("upper", [None, -1, 0, 2, 7])
def test_band_part(agrees, lower, upper):
    given = {"lower": lower, "upper": upper}
    agrees("band_part", x=X, **{k: np.int32(v) for k, v in given.items() if v is not None})


def test_band_part_drops_what_is_not_finite():
    x = torch.full((2, 2), float("inf"))
    assert TABLE["band_part"](x=x, lower=0, upper=0).tolist() == [[np.inf, 0], [0, np.inf]]


def test_saved_program(run_program):
    from coremltools.converters.mil.mil import Builder as mb

    def build(x, first):
        cut = mb.slice_by_index(
            x=x,
            begin=mb.concat(values=[first, np.array([3, 4], np.int32)], axis=0),
            end=[0, 0, 0],
            stride=[1, -1, -2],
            end_mask=[False, False, True],
            squeeze_mask=[True, False, False],
        )
        left, right = mb.split(x=cut, split_sizes=[2, 1], axis=1)
        new = mb.slice_update(x=cut, update=right, begin=[0, 1], end=[3, 2])
        return mb.sliding_windows(x=new, axis=0, size=2), mb.slice_by_size(
            x=left, begin=[1, 0], size=[-1, 1]
        )

    cut = X[2, 3:0:-1, 4::-2].copy()
    left = cut[1:, :1].copy()
    cut[:, 1:2] = cut[:, 2:]
    found = run_program(build, {"x": X, "first": np.array([2], np.int32)}, opset="iOS18")
    np.testing.assert_array_equal(found[0], np.stack([cut[:2], cut[1:]]))
    np.testing.assert_array_equal(found[1], left)
