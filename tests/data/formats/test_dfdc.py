"""A tiny DFDC, written as it is published; the level of a video's frame number n tells both."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mobilekit.core.errors import DataError, RuntimeUnavailableError
from mobilekit.data import video
from mobilekit.data.catalog import DfdcConfig, open_data
from mobilekit.data.formats import dfdc

FRAMES = 8


def save(path: Path, level: int = 0, frames: int = FRAMES) -> None:
    """Write a video of 48 × 32 pixels; the frame number n has the level + 10 n, its left third is black."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((frames, 32, 48, 3), np.uint8)
    for number in range(frames):
        pixels[number, :, 16:] = level + 10 * number
    video.write_video(path, pixels, 10)


def part(root: Path, originals: list[str], fakes: int) -> dict[str, dict[str, str]]:
    """Write a part of the training videos."""
    metadata = {}
    for number, name in enumerate(originals):
        save(root / f"{name}.mp4", 20)
        metadata[f"{name}.mp4"] = {"label": "REAL", "split": "train"}
        for fake in range(fakes):
            save(root / f"{name}{fake}.mp4", 100 + number)
            entry = {"label": "FAKE", "split": "train", "original": f"{name}.mp4"}
            metadata[f"{name}{fake}.mp4"] = entry
    (root / "metadata.json").write_text(json.dumps(metadata))
    return metadata


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    part(tmp_path / "dfdc_train_part_0", ["a", "b", "c", "d"], 2)
    part(tmp_path / "dfdc_train_part_1", ["e", "f", "g", "h"], 1)
    return tmp_path


def held_back(root: Path, labels: list[tuple[str, str]]) -> None:
    for name, label in labels:
        save(root / name, 100 if label in {"1", "FAKE"} else 20)
    with (root / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("filename", "label"), *labels])


def names(data) -> set[str]:
    return {clip.path.stem for clip in data.images._clips}


def test_originals_and_their_fakes_stay_together(archive: Path) -> None:
    train, test = (dfdc(archive, split, 16, count=2, share=0.6) for split in ("train", "test"))
    assert (train.task, train.classes) == ("classification", ("real", "fake"))
    assert len(names(train)) + len(names(test)) == 20
    assert not {name[0] for name in names(train)} & {name[0] for name in names(test)}
    assert names(train)
    assert names(test)
    assert len(train) == 2 * len(names(train))


def test_the_division_follows_the_seed_and_grows_with_the_share(archive: Path) -> None:
    half, most = (names(dfdc(archive, "train", 16, share=share)) for share in (0.5, 0.8))
    assert half <= most
    parts = {frozenset(names(dfdc(archive, "test", 16, share=0.5, seed=n))) for n in range(4)}
    assert len(parts) > 1


def test_a_configuration_gives_the_same(archive: Path) -> None:
    config = DfdcConfig(str(archive), size=24, frames=3, share=0.5, seed=2)
    for split, data in zip(("train", "test"), open_data(config), strict=True):
        direct = dfdc(archive, split, 24, count=3, share=0.5, seed=2)
        assert (names(data), len(data)) == (names(direct), len(direct))
        assert data[0][0].shape == (3, 24, 24)


def test_samples_are_the_frames_in_order(archive: Path) -> None:
    data = dfdc(archive / "dfdc_train_part_0", "train", 16, count=4)
    assert len(data) == 4 * len(names(data))
    for index in range(len(data)):
        clip = data.images._clips[index // 4]
        image, target = data[index]
        assert (image.dtype, image.shape) == (torch.float32, (3, 16, 16))
        fake = len(clip.path.stem) == 2
        assert (target.dtype, int(target)) == (torch.int64, int(fake))
        assert data.labels_of(index) == {int(fake)}
        # The square in the middle: columns 8 to 40 of 48, black up to 16; frames 1, 3, 5 and 7.
        level = image[0, 8, 8].item() * 255 - 10 * (1 + 2 * (index % 4))
        assert level == pytest.approx(100 if fake else 20, abs=8)
        assert image[:, :, :3].max() < 0.1 < image[:, :, 5:].min()


def test_frames_in_any_order_are_the_same(archive: Path) -> None:
    data, again = (dfdc(archive, "train", 16, count=3) for _ in range(2))
    forward = [data[index][0] for index in range(len(data))]
    for index in np.random.default_rng(0).permutation(len(data)):
        assert torch.equal(again[int(index)][0], forward[index])


def test_a_video_is_decoded_once_for_neighbours(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = dfdc(archive, "train", 16, count=4)
    decoded: list[Path] = []
    plain = video.read_frames
    monkeypatch.setattr(
        video, "read_frames", lambda path, count: decoded.append(path) or plain(path, count)
    )
    for index in range(len(data)):
        data[index]
    assert len(decoded) == len(names(data))


def test_short_videos_give_all_their_frames(tmp_path: Path) -> None:
    part(tmp_path, ["a"], 0)
    save(tmp_path / "a.mp4", frames=3)
    found = 0
    for split in ("train", "test"):
        try:
            found += len(dfdc(tmp_path, split, 16))
        except DataError as problem:
            assert "no video falls into this split" in str(problem)  # noqa: PT017
    assert found == 3


def test_held_back_videos_are_the_test_split(archive: Path) -> None:
    held_back(archive / "test", [("x.mp4", "1"), ("y.mp4", "0")])
    held_back(archive / "validation", [("z.mp4", "FAKE")])
    test = dfdc(archive, "test", 16, count=2)
    assert names(test) == {"x", "y"}
    assert [int(test[index][1]) for index in range(4)] == [1, 1, 0, 0]
    assert len(names(dfdc(archive, "train", 16))) == 20
    assert names(dfdc(archive / "validation", "test", 16)) == {"z"}
    with pytest.raises(DataError, match=r"only labels\.csv, which names no original"):
        dfdc(archive / "test", "train", 16)


def test_boxes_say_what_is_cut_out(tmp_path: Path) -> None:
    pixels = np.full((4, 40, 60, 3), 200, np.uint8)
    pixels[:2, 10:22, 20:28] = 0  # at first here,
    pixels[2:, 10:22, 40:48] = 0  # and then there
    held_back(tmp_path, [("a.mp4", "0")])
    video.write_video(tmp_path / "a.mp4", pixels, 10)
    rows = [[3, 40, 10, 48, 22], [0, 20, 10, 28, 22]]
    (tmp_path / "boxes.json").write_text(json.dumps({"a.mp4": rows, "other.mp4": []}))
    data = dfdc(tmp_path, "test", 18, count=4)
    # The side is 12 and 50 %: 18 pixels, the box in rows 3 to 15, columns 5 to 13.
    expected = np.full((18, 18), 200)
    expected[3:15, 5:13] = 0
    for index in range(4):
        found = data[index][0][1].numpy() * 255
        assert np.abs(found - expected).mean() < 8  # a hard edge in a small lossy video
        assert (found[4:14, 6:12] < 60).all()


def test_metadata_that_names_absent_files_is_refused(archive: Path) -> None:
    (archive / "dfdc_train_part_0" / "b0.mp4").unlink()
    with pytest.raises(DataError, match=r"1 of 20 videos are broken: b0\.mp4 \(missing\)"):
        dfdc(archive, "train", 16)


def test_videos_that_no_list_names_are_counted(archive: Path) -> None:
    save(archive / "dfdc_train_part_0" / "stray.mp4")
    words = r"1 of 21 videos are broken: stray\.mp4 \(not in metadata\.json\)"
    with pytest.raises(DataError, match=words):
        dfdc(archive, "test", 16)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty"), (None, "truncated: "), (b"no video" * 9, "damaged, or no video")],
)
def test_broken_videos_are_counted(archive: Path, content: bytes | None, words: str) -> None:
    path = archive / "dfdc_train_part_1" / "h.mp4"
    path.write_bytes(path.read_bytes()[:-9] if content is None else content)
    with pytest.raises(DataError, match=rf"1 of 20 videos are broken: h\.mp4 \({words}"):
        dfdc(archive, "train", 16)


@pytest.mark.parametrize(
    ("name", "entry", "words"),
    [
        ("a.mp4", {"label": "FAEK"}, r"a\.mp4 \(unknown label 'FAEK'\)"),
        ("../a.mp4", {"label": "FAKE"}, r"\.\./a\.mp4 \(no plain name of a file\)"),
    ],
)
def test_wrong_entries_are_counted(
    archive: Path, name: str, entry: dict[str, str], words: str
) -> None:
    path = archive / "dfdc_train_part_0" / "metadata.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: entry}))
    with pytest.raises(DataError, match=f"videos are broken: {words}"):
        dfdc(archive, "train", 16)


@pytest.mark.parametrize(
    ("rows", "words"), [([], "no box in"), ([[0, 9, 9, 9, 20]], "an empty box in")]
)
def test_videos_without_a_face_are_counted(
    tmp_path: Path, rows: list[list[int]], words: str
) -> None:
    held_back(tmp_path, [("a.mp4", "0"), ("b.mp4", "1")])
    boxes = {"a.mp4": [[0, 9, 9, 20, 20]], "b.mp4": rows}
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    with pytest.raises(DataError, match=rf"broken: b\.mp4 \(no face: {words} boxes\.json"):
        dfdc(tmp_path, "test", 16)


@pytest.mark.parametrize("edge", [50, 1e12])
def test_a_box_outside_of_the_frame_stops_with_the_name(tmp_path: Path, edge: float) -> None:
    held_back(tmp_path, [("a.mp4", "0")])
    row = [3, edge, 0, edge + 9, 9] if edge < 100 else [3, 0, 0, edge, 9]
    (tmp_path / "boxes.json").write_text(json.dumps({"a.mp4": [row]}))
    words = r"a\.mp4: frame 3: no face in it: its box .*; mend boxes\.json"
    with pytest.raises(DataError, match=words):
        dfdc(tmp_path, "test", 16)[0]


def test_few_broken_ones_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    held_back(tmp_path, [("a.mp4", "0")])
    copied = (tmp_path / "a.mp4").read_bytes()
    rows = ["filename,label"]
    for number in range(100):
        (tmp_path / f"a{number}.mp4").write_bytes(copied)
        rows.append(f"a{number}.mp4,{number % 2}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    with caplog.at_level("WARNING"):
        data = dfdc(tmp_path, "test", 16, count=1)
    assert "1 of 101 videos are broken: a.mp4 (not in labels.csv)" in caplog.text
    assert "100 frames of 50 real and 50 fake videos (1 of 101 videos left out" in data.provenance


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metadata.json", '{"a.mp4": {"label": "REA'),
        ("metadata.json", '{"a.mp4": {"split": "train"}}'),
        ("labels.csv", "file,class\na.mp4,1\n"),
        ("labels.csv", "filename,label\n"),
        ("labels.csv", "filename,label\na.mp4\n"),
        ("labels.csv", "filename,label\na.mp4,1\na.mp4,0\n"),
    ],
)
def test_damaged_lists_are_refused(tmp_path: Path, name: str, content: str) -> None:
    save(tmp_path / "a.mp4")
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=rf"{name}: cannot be read|broken: a\.mp4 \(unknown label"):
        dfdc(tmp_path, "test", 16)


def test_a_damaged_file_of_boxes_is_refused(archive: Path) -> None:
    (archive / "dfdc_train_part_0" / "boxes.json").write_text('{"a.mp4": [[0, 1, 2, 3]]}')
    with pytest.raises(DataError, match=r"boxes\.json: cannot be read .*get it again"):
        dfdc(archive, "train", 16)


def test_a_video_with_more_frames_than_its_header_promises_is_named(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = dfdc(archive, "train", 16)
    monkeypatch.setattr(video, "read_frames", lambda *_: [np.zeros((8, 8, 3), np.uint8)] * 50)
    with pytest.raises(DataError, match=r"\.mp4: its header promises 8 frames, and more are there"):
        data[0]


def test_a_video_that_changes_later_stops_with_its_name(archive: Path) -> None:
    data = dfdc(archive, "train", 16)
    save(data.images._clips[0].path, frames=2)
    with pytest.raises(DataError, match=r"\.mp4: its header promised 8 frames, 2 are there"):
        data[0]
    data.images._clips[1].path.unlink()
    with pytest.raises(DataError, match=r"\.mp4: missing"):
        data[FRAMES]


def test_folders_without_a_list_and_options_out_of_range_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.mp4")
    with pytest.raises(DataError, match=r"has neither metadata\.json nor labels\.csv"):
        dfdc(tmp_path, "train", 16)
    for options in ({"count": 0}, {"share": 1.0}, {"size": 0}):
        with pytest.raises(DataError, match="must be at least 1, and share"):
            dfdc(tmp_path, "train", **{"size": 16, **options})


def test_without_the_library_the_extra_is_named(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(RuntimeUnavailableError, match=r"pip install 'mobilekit\[video\]'"):
        dfdc(archive, "train", 16)
