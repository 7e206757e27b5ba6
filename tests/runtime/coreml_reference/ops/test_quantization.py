import numpy as np
import pytest
import torch

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime.coreml_reference.ops import OPERATORS

X = np.random.default_rng(0).uniform(-3, 3, (2, 3, 4)).astype(np.float32)
SCALES = np.array([0.01, 0.02, 0.05], np.float32)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("zero", [None, 3])
def test_quantize_per_tensor(agrees, dtype, zero):
    given = {} if zero is None else {"zero_point": getattr(np, dtype)(zero)}
    agrees("quantize", input=X, scale=np.float32(0.02), output_dtype=dtype, **given)


@pytest.mark.parametrize("axis", [1, -2])
@pytest.mark.parametrize("zero", [None, [0, 7, 100]])
def test_quantize_along_an_axis(agrees, axis, zero):
    given = {} if zero is None else {"zero_point": np.array(zero, np.uint8)}
    agrees("quantize", input=X, scale=SCALES, axis=np.int32(axis), output_dtype="uint8", **given)


def test_quantize_rounds_ties_to_even_and_clamps():
    x = torch.tensor([0.5, 1.5, -2.5, 1000.0, -1000.0])
    found = OPERATORS["quantize"](input=x, scale=1.0, output_dtype="int8")
    assert found.dtype == torch.int8
    assert found.tolist() == [0, 2, -2, 127, -128]


def test_quantize_refuses_other_types():
    with pytest.raises(ArtifactError, match="output_dtype 'int4' is not supported"):
        OPERATORS["quantize"](input=torch.ones(1), scale=1.0, output_dtype="int4")


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("along", [False, True])
@pytest.mark.parametrize("zero", [False, True])
def test_dequantize(dtype, along, zero):
    whole = np.random.default_rng(1).integers(0, 127, (2, 3, 4)).astype(dtype)
    scale = SCALES if along else np.float32(0.3)
    shift = np.array([1, 5, 9], dtype) if along else dtype(9)
    broad = (1, 3, 1) if along else ()
    wanted = np.reshape(scale, broad) * (
        whole.astype(np.float32) - (np.reshape(shift, broad).astype(np.float32) if zero else 0)
    )
    given = {"scale": torch.from_numpy(scale) if along else float(scale)}
    if zero:
        given["zero_point"] = torch.from_numpy(shift) if along else int(shift)
    if along:
        given["axis"] = 1
    found = OPERATORS["dequantize"](input=torch.from_numpy(whole), **given)
    np.testing.assert_array_equal(found.numpy(), wanted)
