import json
import subprocess
import sys

import numpy as np
import pytest

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime import open_model
from mobilekit.runtime.coreml_reference import (
    ReferenceRunner,
    missing_operators,
    supported_operators,
)
from mobilekit.runtime.coreml_reference.contents import constants, operator_kinds
from mobilekit.runtime.coreml_reference.loader import load_package, quiet_coremltools
from mobilekit.runtime.coreml_reference.ops import OPERATORS


@pytest.fixture
def package(saved):
    quiet_coremltools()
    import coremltools as ct
    from coremltools.converters.mil.mil import Builder as mb

    weight = np.random.default_rng(0).standard_normal((64, 32)).astype(np.float32)

    @mb.program(input_specs=[mb.TensorSpec((1, 32))], opset_version=ct.target.iOS17)
    def program(x):
        return mb.relu(x=mb.linear(x=x, weight=weight), name="y")

    return saved(program)


def weights_of(package):
    return next(package.rglob("weight.bin"))


def test_package_is_opened_by_its_suffix(package):
    runner = open_model(package)
    assert isinstance(runner, ReferenceRunner)
    assert runner.run({"x": np.ones((1, 32), np.float32)})["y"].shape == (1, 64)


def test_contents(package):
    loaded = load_package(package)
    assert list(operator_kinds(loaded)) == ["linear", "relu"]
    assert ("fp32", 64 * 32, 64 * 32 * 4) in list(constants(loaded))


@pytest.mark.parametrize("part", ["Manifest.json", "model.mlmodel", "weight.bin"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "foreign"])
def test_damaged_package_is_refused_in_one_line(package, part, damage):
    path = next(package.rglob(part))
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(
            {"empty": b"", "cut": content[: len(content) // 2], "foreign": b"GIF89a" * 99}[damage]
        )
    with pytest.raises(ArtifactError) as caught:
        ReferenceRunner(package)
    assert str(package) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_package(tmp_path):
    file = tmp_path / "a.mlpackage"
    file.write_bytes(b"x")
    folder = tmp_path / "b.mlpackage"
    folder.mkdir()
    for path in (file, folder, tmp_path / "c.mlpackage"):
        with pytest.raises(ArtifactError, match=r"is no \.mlpackage"):
            load_package(path)


def test_other_kinds_of_model_are_refused(package):
    import coremltools as ct

    model = next(package.rglob("model.mlmodel"))
    spec = ct.proto.Model_pb2.Model()
    spec.specificationVersion = 4
    spec.neuralNetwork.SetInParent()
    model.write_bytes(spec.SerializeToString())
    with pytest.raises(ArtifactError, match="holds a neuralNetwork, not an ML program"):
        load_package(package)


def test_unknown_operator_is_named(package, monkeypatch):
    monkeypatch.delitem(OPERATORS, "relu")
    with pytest.raises(ArtifactError, match=r"operator relu \(y\): the reference executor does"):
        ReferenceRunner(package)


def test_unknown_parameter_is_named(package, monkeypatch):
    monkeypatch.setitem(OPERATORS, "linear", lambda *, x, bias=None: (x, bias))
    with pytest.raises(ArtifactError, match=r"operator linear \(\w+\): .* parameter 'weight'"):
        ReferenceRunner(package)


def test_all_operators_of_coremltools_are_known():
    assert len(supported_operators()) >= 150
    assert set(missing_operators()) <= {"_const_symbolic"}  # never in a file


def test_missing_operators_are_listed(monkeypatch):
    monkeypatch.delitem(OPERATORS, "conv")
    assert "conv" in missing_operators()


def test_tensorflow_stays_out_and_nothing_is_printed():
    """With TensorFlow in the process, importing triton (torch, torchvision) is a crash."""
    code = (
        "import json, sys\n"
        "from mobilekit.runtime.coreml_reference.loader import quiet_coremltools\n"
        "quiet_coremltools()\n"
        "import torchvision\n"
        "print(json.dumps('tensorflow' in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) is False
