from pathlib import Path

import pytest

from mobilekit.core.errors import ArtifactError
from mobilekit.profile.files import inspect_file


def test_a_litert_file_is_counted(tflite_file: Path):
    summary = inspect_file(tflite_file)
    assert summary.operators["CONV_2D"] == 1
    assert summary.operators["DEPTHWISE_CONV_2D"] == 1
    assert summary.operators["FULLY_CONNECTED"] == 1
    # weights 3·16·9 + 16·9 + 16·10 and biases 16 + 16 + 10; the pooling's axes are 2 more
    assert summary.parameters == 432 + 144 + 160 + 42 + 2
    assert summary.weight_bytes["float32"] == 4 * (432 + 144 + 160 + 42)
    assert summary.size_bytes == tflite_file.stat().st_size
    assert summary.inputs[0].shape == (1, 64, 64, 3)


def test_other_files_are_refused(tmp_path: Path):
    with pytest.raises(ArtifactError, match="no such file"):
        inspect_file(tmp_path / "x.tflite")
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(ArtifactError, match="not a model file"):
        inspect_file(tmp_path / "x.txt")
