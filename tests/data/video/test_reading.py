"""Frames that are read: which ones, which way up, and what a damaged file says."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.core.errors import DataError
from mobilekit.data.video import each_frame, look, read_frames, spread, write_video


@pytest.fixture
def counting(tmp_path: Path) -> Path:
    """20 frames; the level of number n is 12 n."""
    frames = [np.full((32, 48, 3), 12 * n, np.uint8) for n in range(20)]
    write_video(tmp_path / "a.mp4", frames, 10)
    return tmp_path / "a.mp4"


def numbers(frames: list[np.ndarray]) -> list[int]:
    return [round(float(pixels.mean()) / 12) for pixels in frames]


@given(st.integers(1, 500), st.integers(1, 40))
def test_frames_are_spread_evenly(frames: int, count: int) -> None:
    found = spread(frames, count)
    assert len(found) == min(frames, count)
    gaps = np.diff([-1 - found[0], *found, 2 * frames - found[-1]])  # mirrored at both ends
    if frames > count:
        assert max(gaps) - min(gaps) <= 2
    assert sorted(set(found)) == found
    assert 0 <= found[0] <= found[-1] < frames


def test_chosen_frames_are_those_that_are_named(counting: Path) -> None:
    assert numbers(read_frames(counting, count=4)) == [2, 7, 12, 17]
    assert numbers(read_frames(counting, count=1)) == [10]
    assert numbers(read_frames(counting, every=6)) == [0, 6, 12, 18]
    assert numbers(read_frames(counting)) == list(range(20))
    assert numbers(read_frames(counting, count=50)) == list(range(20))


def test_frames_come_one_by_one(counting: Path) -> None:
    stream = each_frame(counting)
    assert numbers([next(stream), next(stream)]) == [0, 1]
    stream.close()


@pytest.mark.parametrize(("matrix", "turns"), [((0, 1, -1, 0), 3), ((-1, 0, 0, -1), 2),
                                               ((0, -1, 1, 0), 1)])  # fmt: skip
def test_videos_of_a_turned_camera_come_upright(
    tmp_path: Path, matrix: tuple[int, ...], turns: int
) -> None:
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:16, :24] = 250  # the left upper quarter as stored
    write_video(tmp_path / "a.mp4", [pixels] * 3, 10)
    content = (tmp_path / "a.mp4").read_bytes()
    # ISO/IEC 14496-12, 8.3.2: x' = a x + c y, y' = b x + d y by the matrix of the track, in 16.16 numbers.
    place = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in matrix)
    turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    (tmp_path / "a.mp4").write_bytes(content[:place] + turned + content[place + 36 :])
    found = read_frames(tmp_path / "a.mp4")[0]
    height, width = found.shape[:2]
    assert (height, width) == ((48, 32) if turns % 2 else (32, 48))
    middle_x, middle_y = 12 - 24, 8 - 16  # of the bright quarter, from the middle of the frame
    x = width // 2 + matrix[0] * middle_x + matrix[2] * middle_y
    y = height // 2 + matrix[1] * middle_x + matrix[3] * middle_y
    assert found[y, x].min() > 200
    assert found[height - 1 - y, width - 1 - x].max() < 50


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda content: content[:-100], r"truncated: [\d,]+ bytes of at least"),
        (lambda content: content[:300], "truncated: 300 bytes"),
        (lambda _: b"", "empty"),
        (lambda _: b"no video" * 99, "damaged, or no video"),
        (lambda _: b"#EXTM3U\n#EXTINF:1,\nother.mp4\n", "damaged, or no video"),
        (lambda _: b"RIFF\x04\0\0\0AVI ", "damaged, or no video|holds no"),
    ],
)
def test_damaged_files_are_refused(
    counting: Path, damage: Callable[[bytes], bytes], words: str
) -> None:
    counting.write_bytes(damage(counting.read_bytes()))
    for action in (look, read_frames, lambda path: read_frames(path, count=2)):
        with pytest.raises(DataError, match=rf"a\.mp4: ({words}).*; get it again"):
            action(counting)


def test_an_unknown_codec_is_named(counting: Path) -> None:
    content = counting.read_bytes()
    code = next(name for name in (b"avc1", b"mp4v") if name in content[8:])
    start = content.index(b"stsd")
    counting.write_bytes(content[:start] + content[start:].replace(code, b"zzzz", 1))
    with pytest.raises(DataError, match=r"a\.mp4: its pictures are coded in a way"):
        read_frames(counting, count=2)


def test_a_frame_that_cannot_be_decoded_is_no_silent_gap(counting: Path) -> None:
    content = bytearray(counting.read_bytes())
    start = content.index(b"mdat") + 4
    content[start:] = bytes(len(content) - start)
    counting.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.mp4: damaged"):
        read_frames(counting)


def test_numbers_out_of_range_are_refused(counting: Path) -> None:
    with pytest.raises(DataError, match="count must be at least 1 frame, not 0"):
        read_frames(counting, count=0)
    with pytest.raises(DataError, match="every must be at least 1 frame, not 0"):
        read_frames(counting, every=0)
    with pytest.raises(DataError, match=r"b\.mp4: missing"):
        read_frames(counting.with_name("b.mp4"))
    with pytest.raises(DataError, match="is no file"):
        read_frames(counting.parent)
