"""Videos that are written hold what was given, and come whole or not at all."""

import resource
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from mobilekit.core.errors import DataError, OutputError
from mobilekit.data.video import look, read_frames, write_video

# What the encoder loses on flat colours and slow ramps, at the quality it is asked for.
LEVELS = 6


def ramps(count: int, height: int = 32, width: int = 48) -> list[np.ndarray]:
    rows, columns = np.mgrid[:height, :width]
    return [
        np.stack([columns * 4, rows * 6, np.full_like(rows, 10 * i)], 2).astype(np.uint8)
        for i in range(count)
    ]


def test_frames_come_back(tmp_path: Path) -> None:
    frames = ramps(12)
    write_video(tmp_path / "new" / "a.mp4", iter(frames), Fraction(30000, 1001))
    found = read_frames(tmp_path / "new" / "a.mp4")
    assert len(found) == 12
    for expected, pixels in zip(frames, found, strict=True):
        assert (pixels.dtype, pixels.shape) == (np.uint8, expected.shape)
        assert np.abs(pixels.astype(int) - expected).mean() < LEVELS
    facts = look(tmp_path / "new" / "a.mp4")
    assert (facts.frames, facts.width, facts.height) == (12, 48, 32)
    assert facts.rate == Fraction(30000, 1001)


def test_odd_sides_grow_by_the_edge(tmp_path: Path) -> None:
    frames = ramps(2, 33, 47)
    write_video(tmp_path / "a.mp4", frames, 10)
    found = read_frames(tmp_path / "a.mp4")[0].astype(int)
    assert found.shape == (34, 48, 3)
    assert np.abs(found[:33, :47] - frames[0]).mean() < LEVELS
    assert np.abs(found[33] - found[32]).mean() < LEVELS


def test_a_video_without_a_frame_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.mp4: no frame to write"):
        write_video(tmp_path / "a.mp4", [], 10)
    assert not list(tmp_path.iterdir())


def test_what_was_there_stays_when_a_frame_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"before")
    with pytest.raises(DataError, match=r"frames of 48 × 32 pixels .* found one of 24 × 16"):
        write_video(path, [*ramps(3), *ramps(1, 16, 24)], 10)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_without_room_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 128, 128, 3), dtype=np.uint8)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(
            OutputError, match=r"a\.mp4: a file grows larger than the system allows"
        ):
            write_video(tmp_path / "a.mp4", noise, 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())
