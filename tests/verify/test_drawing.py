from pathlib import Path

import pytest

from mobilekit.core.errors import OutputError
from mobilekit.verify.drawing import draw
from mobilekit.verify.layerwise import LayerError, LayerFinding

LAYERS = (
    LayerError(0, "a", "CONV_2D", "within", "conv", "conv2d", "stem", 1e-7, bound=1e-5),
    LayerError(1, "b", "PAD", "unmatched"),
    LayerError(2, "c", "GELU", "beyond", "gelu", "gelu", "act", 3e-4, bound=1e-5),
    LayerError(3, "d", "ADD", "within", "add", "add", "", 0.0, bound=1e-5),
)


def test_marks_the_rise_and_is_the_same_picture_each_time(tmp_path: Path) -> None:
    finding = LayerFinding("model.tflite", LAYERS, LAYERS[2])
    first, second = tmp_path / "first.svg", tmp_path / "second.svg"
    draw(finding, first, "model.tflite")
    draw(finding, second, "model.tflite")
    text = first.read_text()
    assert "GELU" in text
    assert "act" in text
    assert first.read_bytes() == second.read_bytes()


def test_draws_pixels_too(tmp_path: Path) -> None:
    path = tmp_path / "layers.png"
    draw(LayerFinding("model.tflite", LAYERS[:1]), path, "model.tflite")
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_draws_a_file_of_which_nothing_could_be_compared(tmp_path: Path) -> None:
    path = tmp_path / "layers.svg"
    draw(LayerFinding("model.tflite", LAYERS[1:2]), path, "model.tflite")
    assert path.stat().st_size > 0


def test_a_path_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        draw(LayerFinding("m", LAYERS), tmp_path / "file" / "layers.svg", "m")
