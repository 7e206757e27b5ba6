import numpy as np
import pytest
import torch
from scipy import special

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime.coreml_reference.ops.reduction import TABLE

RNG = np.random.default_rng(2)
X = (RNG.uniform(0.2, 2.0, size=(2, 3, 4)) * np.sign(RNG.normal(size=(2, 3, 4)))).astype(np.float32)
POSITIVE = np.abs(X)
WHOLE = RNG.integers(1, 5, size=(2, 3, 4)).astype(np.int32)
REDUCTIONS = sorted(name for name in TABLE if name.startswith("reduce_") and "arg" not in name)
AXES = [None, [0], [-1], [0, 2], [2, 0], [-1, -2, -3]]


@pytest.mark.parametrize("keep_dims", [None, False, True])
@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("operator", REDUCTIONS)
def test_axes(agrees, operator, axes, keep_dims):
    given = {} if axes is None else {"axes": np.array(axes, np.int32)}
    if keep_dims is not None:
        given["keep_dims"] = keep_dims
    x = POSITIVE if operator == "reduce_log_sum" else X
    if operator == "reduce_log_sum_exp" and not keep_dims and axes == [2, 0]:
        given["expected"] = special.logsumexp(x, axis=(0, 2))
    agrees(operator, x=x, **given)


@pytest.mark.parametrize("operator", REDUCTIONS)
def test_integers_give_integers(agrees, operator):
    agrees(operator, x=WHOLE, axes=np.array([1], np.int32))
    found = TABLE[operator](x=torch.from_numpy(WHOLE))
    assert found.dtype == torch.int32


def test_no_axes_reduce_nothing():
    empty = torch.empty(0, dtype=torch.int32)
    x = torch.from_numpy(X)
    assert torch.equal(TABLE["reduce_sum"](x=x, axes=empty), x)
    assert torch.equal(TABLE["reduce_l1_norm"](x=x, axes=empty, keep_dims=True), x.abs())


def test_log_sum_exp_does_not_overflow(agrees):
    agrees("reduce_log_sum_exp", x=X + np.float32(1000), axes=np.array([1], np.int32))


def test_axis_out_of_range_is_refused():
    with pytest.raises(ArtifactError, match=r"operator reduce_max: axes = 3 is outside \[-3, 3\)"):
        TABLE["reduce_max"](x=torch.from_numpy(X), axes=torch.tensor([3]))


@pytest.mark.parametrize("keep_dims", [None, False, True])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, -3])
@pytest.mark.parametrize("operator", ["reduce_argmax", "reduce_argmin"])
def test_arg(agrees, operator, axis, keep_dims):
    given = {} if axis is None else {"axis": np.int32(axis)}
    if keep_dims is not None:
        given["keep_dims"] = keep_dims
    agrees(operator, x=X, **given)


@pytest.mark.parametrize("operator", ["reduce_argmax", "reduce_argmin"])
def test_arg_takes_the_first_of_equal_values(agrees, operator):
    agrees(operator, x=np.array([[1, 2, 2, 1], [3, 3, 3, 3]], np.int32))


@pytest.mark.parametrize("operator", ["reduce_argmax", "reduce_argmin"])
def test_arg_output_types(agrees, operator):
    for dtype in ("int32", "uint16"):
        agrees(operator, x=X, output_dtype=dtype)
    with pytest.raises(ArtifactError, match="output_dtype = 'fp32' is neither int32 nor uint16"):
        TABLE[operator](x=torch.from_numpy(X), output_dtype="fp32")


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("reverse", [None, False, True])
@pytest.mark.parametrize("exclusive", [None, False, True])
@pytest.mark.parametrize("x", [X, WHOLE])
def test_cumsum(agrees, x, axis, exclusive, reverse):
    # coremltools' folding of exclusive sums raises (a mistake in its call of np.zeros): NumPy here.
    given = {"axis": axis, "exclusive": exclusive, "reverse": reverse}
    place = 0 if axis is None else axis
    values = np.flip(x, place) if reverse else x
    sums = np.cumsum(values, axis=place, dtype=x.dtype)
    sums = sums - values if exclusive else sums
    expected = np.flip(sums, place) if reverse else sums
    agrees("cumsum", x=x, expected=expected, **{k: v for k, v in given.items() if v is not None})


def test_cumsum_inclusive_agrees_with_coremltools(agrees):
    agrees("cumsum", x=X, axis=np.int32(1))
    agrees("cumsum", x=X, axis=np.int32(2), reverse=True)


def test_cumsum_of_nothing_is_nothing():
    assert TABLE["cumsum"](x=torch.empty(2, 0), axis=1, exclusive=True).shape == (2, 0)


def test_saved_program(run_program):
    from coremltools.converters.mil.mil import Builder as mb

    def build(x):
        running = mb.cumsum(x=x, axis=2, exclusive=True, reverse=True)
        norm = mb.reduce_l2_norm(x=running, axes=[0, -1], keep_dims=True)
        best = mb.reduce_argmax(x=running, axis=1, keep_dims=False, output_dtype="uint16")
        return norm, mb.cast(x=best, dtype="int32"), mb.reduce_log_sum_exp(x=x, axes=[1])

    running = np.flip(np.cumsum(np.flip(X, 2), axis=2), 2) - X
    found = run_program(build, {"x": X})
    norm = np.sqrt((running**2).sum(axis=(0, 2), keepdims=True))
    np.testing.assert_allclose(found[0], norm, rtol=2e-6)
    np.testing.assert_array_equal(found[1], running.argmax(axis=1))
    np.testing.assert_allclose(found[2], special.logsumexp(X, axis=1), rtol=2e-6)
