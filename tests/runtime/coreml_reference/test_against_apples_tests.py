"""coremltools' own operator tests, whose expected values Apple checks against the framework."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).with_name("in_place_of_coreml.py")
FAMILIES = (
    "iOS14/test_image_resizing.py", "iOS15/test_image_resizing.py", "iOS16/test_image_resizing.py",
    "iOS17/test_image_resizing.py", "iOS14/test_conv.py", "iOS14/test_pool.py",
    "iOS14/test_linear.py", "iOS14/test_normalization.py", "iOS16/test_constexpr_ops.py",
    "iOS17/test_quantization.py", "iOS18/test_compression.py", "iOS18/test_transformers.py",
)  # fmt: skip
NOT_COMPARABLE = {
    # A box far outside the image, for which the documentation gives no result.
    "TestCropResize::test_builder_to_backend_smoke": "iOS15/test_image_resizing.py",
    # Counts casts of a float16 program.
    "TestResample::test_builder_to_backend_smoke": "iOS15/test_image_resizing.py",
}


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_family(family, tmp_path):
    spec = importlib.util.find_spec("coremltools")
    tests = Path(spec.origin).parent / "converters/mil/mil/ops/tests" / family
    skipped = [name for name, place in NOT_COMPARABLE.items() if place == family]
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-p", PLUGIN.stem, "-p", "no:cacheprovider", "-q",
            "-W", "ignore", "-c", "/dev/null", "--rootdir", str(tmp_path), "--tb=short",
            *[f"--deselect=::{name}" for name in skipped], str(tests),
        ],
        capture_output=True, text=True, check=False, cwd=tmp_path, env={
            **os.environ, "PYTHONPATH": str(PLUGIN.parent),
        },
    )  # fmt: skip
    failed = re.findall(r"^FAILED (.*?)(?: - .*)?$", done.stdout, re.MULTILINE)
    failed = [line for line in failed if not any(name in line for name in skipped)]
    assert not failed, done.stdout[-3000:]
    assert re.search(r"[1-9]\d* passed", done.stdout), done.stdout[-3000:] + done.stderr[-2000:]
