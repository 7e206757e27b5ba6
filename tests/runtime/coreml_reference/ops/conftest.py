"""coremltools' own constant folding (NumPy) as an oracle, and a way through a saved file."""

import gc
import warnings

import numpy as np
import pytest
import torch

from mobilekit.runtime.coreml_reference.loader import quiet_coremltools
from mobilekit.runtime.coreml_reference.ops import OPERATORS
from mobilekit.runtime.coreml_reference.ops.values import TensorList

TOLERANCE = 2e-6
"""16 units in the last place of float32 (2^-23 each): a few roundings, and libm against SLEEF."""


def as_given(value, *, wrapped=False):
    """Turn a NumPy value into what the engine passes: numbers without axes as Python values.

    With `wrapped`, they come as tensors without axes instead, as if computed in the program.
    """
    if isinstance(value, list | tuple):
        return tuple(as_given(part, wrapped=wrapped) for part in value)
    if value is None or isinstance(value, str | TensorList):
        return value
    array = np.asarray(value)
    if array.ndim or wrapped:
        kind = {"f": np.float32, "i": np.int32, "b": np.bool_, "u": np.int32}[array.dtype.kind]
        return torch.from_numpy(np.array(array, dtype=kind))
    return array.item()


def as_arrays(result):
    parts = result if isinstance(result, tuple | list) else (result,)
    return [part.numpy() if isinstance(part, torch.Tensor) else np.asarray(part) for part in parts]


@pytest.fixture(scope="session")
def inferred():
    """Compute an operator by coremltools' value inference."""
    quiet_coremltools()
    import coremltools as ct
    from coremltools.converters.mil.mil import Builder as mb
    from coremltools.converters.mil.mil import Function

    def infer(operator, opset="iOS18", **inputs):
        copies = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in inputs.items()}
        with Function({}, opset_version=getattr(ct.target, opset)):
            found = getattr(mb, operator)(**copies)
        outputs = found if isinstance(found, tuple | list) else (found,)
        values = [output.val for output in outputs]
        assert all(value is not None for value in values), "coremltools does not fold this"
        return values

    return infer


@pytest.fixture(scope="session")
def agrees(inferred):
    """Check a handler against coremltools' folding, or against `expected`.

    Numbers without axes are given once as Python values and once as tensors.
    """

    def check(operator, *, expected=None, opset="iOS18", tolerance=TOLERANCE, **inputs):
        if expected is None:
            expected = inferred(operator, opset, **inputs)
        wanted = [np.asarray(part) for part in as_arrays(expected)]
        for wrapped in (False, True):
            given = {name: as_given(v, wrapped=wrapped) for name, v in inputs.items()}
            found = as_arrays(OPERATORS[operator](**given))
            assert len(found) == len(wanted)
            for one, other in zip(found, wanted, strict=True):
                assert one.shape == other.shape
                exact = other.dtype.kind in "iub"
                assert not exact or one.dtype.kind in "iub"
                scale = (
                    0.0
                    if exact or not other.size
                    else np.abs(other[np.isfinite(other)]).max(initial=0)
                )
                np.testing.assert_allclose(
                    one, other, rtol=0 if exact else tolerance, atol=tolerance * scale
                )

    return check


@pytest.fixture
def run_program(tmp_path):
    """Save a program made with coremltools' builder and run the file; float32 throughout."""
    quiet_coremltools()
    import coremltools as ct
    from coremltools.converters.mil.mil import Builder as mb
    from coremltools.converters.mil.mil import types

    from mobilekit.runtime.coreml_reference import ReferenceRunner

    kinds = {"float32": types.fp32, "int32": types.int32}

    def run(build, arrays, opset="iOS17", passes=None):
        target = getattr(ct.target, opset)
        specs = [mb.TensorSpec(a.shape, dtype=kinds[a.dtype.name]) for a in arrays.values()]
        program = mb.program(input_specs=specs, opset_version=target)(build)
        path = tmp_path / "program.mlpackage"
        with warnings.catch_warnings():
            # coremltools leaves its temporary folders to the garbage collector.
            warnings.simplefilter("ignore", ResourceWarning)
            model = ct.convert(
                program,
                source="milinternal",
                convert_to="mlprogram",
                minimum_deployment_target=target,
                compute_precision=ct.precision.FLOAT32,
                pass_pipeline=passes or ct.PassPipeline.EMPTY,
                skip_model_load=True,
            )
            model.save(str(path))
            del model
            outputs = ReferenceRunner(path).run(arrays)
            gc.collect()
        return list(outputs.values())

    return run
