"""What is said of a video before a frame is decoded."""

import sys
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from mobilekit.core.errors import DataError, RuntimeUnavailableError
from mobilekit.data.video import look, promised_frames, read_frames, write_video


@pytest.fixture
def short(tmp_path: Path) -> Path:
    write_video(tmp_path / "a.mp4", np.zeros((5, 32, 48, 3), np.uint8), 25)
    return tmp_path / "a.mp4"


def test_promise_and_count_agree(short: Path) -> None:
    assert promised_frames(short) == look(short).frames == 5


def test_the_reason_is_told_without_the_path(short: Path) -> None:
    whole = short.read_bytes()
    short.write_bytes(whole[:-1])
    length = len(whole)
    with pytest.raises(
        ValueError, match=f"^truncated: {length - 1:,} bytes of at least {length:,}$"
    ):
        promised_frames(short)
    with pytest.raises(ValueError, match=r"^missing$"):
        promised_frames(short.with_name("none.mp4"))


def test_other_containers_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for _ in range(7):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 48, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert look(path).frames == promised_frames(path) == len(read_frames(path)) == 7


@pytest.mark.parametrize(
    ("name", "words"), [("a.mkv", "holds no frame"), ("a.mp4", "holds no pictures")]
)
def test_a_video_without_a_frame_is_refused(tmp_path: Path, name: str, words: str) -> None:
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        container.start_encoding()
    for action in (look, read_frames, lambda path: read_frames(path, count=3)):
        with pytest.raises(DataError, match=f"{name}: {words}"):
            action(tmp_path / name)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(DataError, match=r"a\.mp4: holds no pictures"):
        look(path)
    with wave.open(str(tmp_path / "b.mp4"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(800))
    with pytest.raises(DataError, match=r"b\.mp4: damaged, or no video"):
        look(tmp_path / "b.mp4")


def test_without_the_library_the_extra_is_named(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    for action in (look, promised_frames, read_frames, lambda path: write_video(path, [], 1)):
        with pytest.raises(RuntimeUnavailableError, match=r"pip install 'mobilekit\[video\]'"):
            action(short)
