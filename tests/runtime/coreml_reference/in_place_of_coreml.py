"""A pytest plugin: coremltools' own operator tests, with the executor in the place of Core ML.

Apple runs those tests against the framework; on other machines they stop before the comparison.
"""

# ruff: noqa: E402  coremltools reads the environment when it is imported
import itertools
import os
from pathlib import Path

import numpy as np

os.environ["PYMIL_TEST_TARGETS"] = "mlprogram"
os.environ["INCLUDE_MIL_FP32_UNIT_TESTS"] = "1"

from mobilekit.runtime.coreml_reference import ReferenceRunner
from mobilekit.runtime.coreml_reference.loader import quiet_coremltools

quiet_coremltools()
import coremltools as ct
from coremltools.converters.mil import testing_utils
from coremltools.converters.mil.mil.ops.tests import testing_utils as operator_tests

PER_TEST = int(os.environ.get("PER_TEST", "3"))


def features(runner, data):
    given = {}
    for spec in runner.inputs:
        array = np.asarray(data[spec.name])
        if spec.layout == "NHWC":
            array = array.reshape(1, *array.shape[:2], -1)
        given[spec.name] = array.astype(spec.dtype)
    return given


def compare(mlmodel, input_key_values, expected_outputs, state=None, **_options):
    """Check every output; float16 in the test or the program costs up to 2^-10 of the largest."""
    runner = state or ReferenceRunner(Path(mlmodel.package_path))
    found = runner.run(features(runner, input_key_values))
    for name, expected in (expected_outputs or {}).items():
        wanted = np.asarray(expected)
        array = found[name].reshape(wanted.shape) if wanted.ndim == 0 else found[name]
        assert array.shape == wanted.shape
        finite = wanted[np.isfinite(wanted)] if wanted.dtype.kind == "f" else wanted
        atol = 2e-3 * float(np.abs(finite.astype(float)).max(initial=0))
        np.testing.assert_allclose(array, wanted, rtol=2e-3, atol=atol)
    return found


testing_utils.macos_compatible_with_deployment_target = lambda _target: True
operator_tests.compare_backend = compare
ct.models.MLModel.make_state = lambda self: ReferenceRunner(Path(self.package_path))


def pytest_collection_modifyitems(items):
    """Keep float32 programs that are run, and a few cases of each test, evenly spread."""

    def key(item):
        return str(item.path), item.nodeid.split("[")[0]

    def wanted(item):
        backend = getattr(item, "callspec", None) and item.callspec.params.get("backend")
        return "builder_to_backend" in item.name and getattr(backend, "precision", "") == "fp32"

    kept = []
    for _, group in itertools.groupby(filter(wanted, items), key):
        cases = list(group)
        kept += cases[:: max(len(cases) // PER_TEST, 1)][:PER_TEST]
    items[:] = kept
