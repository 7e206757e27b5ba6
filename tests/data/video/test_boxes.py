"""Boxes written here by hand, and by FFmpeg."""

from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.data.video import write_video
from mobilekit.data.video.boxes import frames_of


def box(kind: bytes, *inside: bytes) -> bytes:
    body = b"".join(inside)
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def track(kind: bytes, count: int) -> bytes:
    sizes = box(b"stsz", bytes(8), count.to_bytes(4, "big"), bytes(4 * count))
    return box(
        b"trak",
        box(b"tkhd", bytes(84)),
        box(b"mdia", box(b"hdlr", bytes(8), kind, bytes(13)), box(b"minf", box(b"stbl", sizes))),
    )


START = box(b"ftyp", b"isom", bytes(4))
DATA = box(b"mdat", bytes(50))


def written(path: Path, *boxes: bytes) -> Path:
    path.write_bytes(b"".join(boxes))
    return path


@pytest.mark.parametrize("index_first", [True, False])
def test_the_track_of_pictures_is_counted(tmp_path: Path, index_first: bool) -> None:
    index = box(b"moov", box(b"mvhd", bytes(100)), track(b"soun", 40), track(b"vide", 7))
    order = [index, DATA] if index_first else [DATA, index]
    assert frames_of(written(tmp_path / "a.mp4", START, *order)) == 7
    nothing = box(b"moov", track(b"vide", 0))
    assert frames_of(written(tmp_path / "a.mp4", START, nothing)) == 0


def test_sizes_of_8_bytes_and_open_ends_are_read(tmp_path: Path) -> None:
    index = box(b"moov", track(b"vide", 3))
    large = (1).to_bytes(4, "big") + b"mdat" + (66).to_bytes(8, "big") + bytes(50)
    assert frames_of(written(tmp_path / "a.mp4", START, large, index)) == 3
    open_end = bytes(4) + b"mdat" + bytes(50)
    assert frames_of(written(tmp_path / "a.mp4", START, index, open_end)) == 3


@given(count=st.integers(1, 12))
def test_a_real_file_agrees(tmp_path_factory: pytest.TempPathFactory, count: int) -> None:
    path = tmp_path_factory.mktemp("video") / "a.mp4"
    write_video(path, np.zeros((count, 16, 16, 3), np.uint8), 10)
    with av.open(str(path)) as container:
        assert frames_of(path) == container.streams.video[0].frames == count


@given(st.data())
def test_every_cut_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = START + box(b"moov", track(b"vide", 7)) + DATA
    # Behind the box that says what the file is; at the end of the index nothing is known to be missing.
    places = [n for n in range(8, len(whole)) if n not in {len(START), len(whole) - len(DATA)}]
    cut = whole[: data.draw(st.sampled_from(places))]
    path = written(tmp_path_factory.mktemp("video") / "a.mp4", cut)
    with pytest.raises(ValueError, match=f"^truncated: {len(cut)} bytes of at least"):
        frames_of(path)


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        ([], "empty"),
        ([START, DATA], "it has no index"),
        ([START, box(b"moov", track(b"soun", 4))], "holds no pictures"),
        ([START, box(b"moov", box(b"trak"))], "holds no pictures"),
        ([START, (4).to_bytes(4, "big") + b"moov" + bytes(9)], "a box without a size"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, boxes: list[bytes], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        frames_of(written(tmp_path / "a.mp4", *boxes))


def test_others_do_not_say_it(tmp_path: Path) -> None:
    assert frames_of(written(tmp_path / "a.avi", b"RIFF\x04\0\0\0AVI ")) is None
    assert frames_of(written(tmp_path / "a.avi", b"x")) is None
    fragments = box(b"moov", box(b"mvex"), track(b"vide", 0))
    assert frames_of(written(tmp_path / "a.mp4", START, fragments)) is None
