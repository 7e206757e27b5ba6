"""What a network is told of the frame before."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.special import softmax

from mobilekit import pipeline
from mobilekit.core.errors import ModelError
from mobilekit.core.tensors import TensorSpec
from mobilekit.data.video import write_video
from mobilekit.pipeline import parsing
from mobilekit.pipeline.answering import Answering
from mobilekit.pipeline.painting import fed_back


def quiet(_words: str) -> None:
    """Say nothing."""


def following(channels: int, classes: int, seen: list[np.ndarray]) -> Answering:
    """Return a fake network with state, which notes what it is told of the frame before."""

    def compute(arrays):
        seen.append(arrays["previous"])
        height, width = arrays["image"].shape[2:]
        bias = np.arange(classes, dtype=np.float32).reshape(1, -1, 1, 1)
        image = arrays["image"].mean(axis=1, keepdims=True)
        return {"logits": (bias * image).reshape(1, classes, height, width)}

    return Answering(
        name="fake",
        by="hand",
        inputs=(
            TensorSpec("image", (1, 3, 8, 8), layout="NCHW"),
            TensorSpec("previous", (1, channels, 8, 8), layout="NCHW"),
        ),
        weights="given",
        labels=(),
        colours=(),
        state={"logits": "previous"},
        pixels="0-1",
        normalization=None,
        compute=compute,
    )


def frames() -> list[np.ndarray]:
    return [np.full((16, 16, 3), level, np.uint8) for level in (40, 120, 250)]


@pytest.mark.parametrize("channels", [3, 1])
def test_frames_are_told_the_soft_max_of_the_one_before(
    channels: int, tmp_path: Path, monkeypatch
) -> None:
    seen: list[np.ndarray] = []
    net = following(channels, 3, seen)
    monkeypatch.setattr(parsing, "open_network", lambda *_, **__: net)
    write_video(tmp_path / "in.mp4", frames(), 10)
    request = pipeline.ParseRequest(path=tmp_path / "in.mp4", out=tmp_path / "out.mp4")
    assert pipeline.parse(request, quiet).frames == 3
    assert not seen[0].any()
    for told, level in zip(seen[1:], (40, 120), strict=True):
        expected = softmax(np.arange(3) * level / 255)
        expected = expected if channels == 3 else 1 - expected[:1]
        assert told.shape == (1, channels, 8, 8)
        # H.264 may move a gray by a few of 255 levels.
        assert told.mean(axis=(0, 2, 3)) == pytest.approx(expected, abs=0.02)


def test_a_picture_has_no_frame_before(tmp_path: Path, monkeypatch) -> None:
    seen: list[np.ndarray] = []
    monkeypatch.setattr(parsing, "open_network", lambda *_, **__: following(3, 3, seen))
    Image.fromarray(frames()[0]).save(tmp_path / "in.png")
    request = pipeline.ParseRequest(path=tmp_path / "in.png", out=tmp_path / "out.png")
    assert pipeline.parse(request, quiet).shares["class 2"] == 1
    assert [each.any() for each in seen] == [False]


def test_what_does_not_fit_is_not_fed_back() -> None:
    logits = np.zeros((1, 5, 8, 8), np.float32)
    with pytest.raises(ModelError, match=r"logits 1×5×8×8 cannot be fed back to previous 1×3×8×8"):
        fed_back(following(3, 3, []), {"logits": logits})
