"""Instances files written here, with images beside them."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mobilekit.core.errors import DataError
from mobilekit.data.formats import coco
from mobilekit.data.formats.placement import FILL

CATEGORIES = [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}, {"id": 90, "name": "cup"}]
WIDTH, HEIGHT = 40, 20


def rectangle(left: int, top: int, right: int, bottom: int) -> list[float]:
    return [left, top, right, top, right, bottom, left, bottom]


def thing(number: int, image: int, category: int, box: tuple, **more) -> dict:
    left, top, width, height = box
    whole = {"id": number, "image_id": image, "category_id": category, "bbox": list(box),
             "iscrowd": 0, "area": width * height,
             "segmentation": [rectangle(left, top, left + width, top + height)]}  # fmt: skip
    return whole | more


def runs(top: int, bottom: int, first: int, last: int) -> list[int]:
    """Runs of a rectangle of an image of 40 × 20, by columns."""
    counts, outside = [], first * HEIGHT + top
    for _ in range(first, last):
        counts += [outside, bottom - top]
        outside = HEIGHT - (bottom - top)
    return [*counts, (WIDTH - last) * HEIGHT + HEIGHT - bottom]


THINGS = [
    thing(1, 7, 1, (2.0, 3.0, 10.0, 12.0)),
    thing(2, 7, 18, (5.0, 5.0, 4.0, 4.0)),
    thing(3, 7, 1, (30.0, 10.0, 20.0, 20.0)),  # reaches over the edge
    thing(4, 7, 1, (1.0, 1.0, 0.0, 5.0)),  # empty
    thing(5, 8, 18, (0.0, 0.0, 40.0, 20.0), iscrowd=1,
          segmentation={"size": [HEIGHT, WIDTH], "counts": runs(4, 10, 0, 20)}),
    thing(6, 8, 90, (10.0, 2.0, 5.0, 5.0)),
    thing(7, 9, 1, (0.0, 0.0, 40.0, 20.0)),
]  # fmt: skip


def write(
    path: Path, part: str, things: list[dict], images: tuple[int, ...] = (7, 8, 9, 10)
) -> None:
    (path / "annotations").mkdir(exist_ok=True)
    (path / part).mkdir(exist_ok=True)
    entries = []
    for number in images:
        pixels = np.full((HEIGHT, WIDTH, 3), number, np.uint8)
        pixels[:, : WIDTH // 2] = 255 - number
        name = f"{number:012d}.png"
        Image.fromarray(pixels).save(path / part / name)
        entries.append(
            {"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT, "license": 3}
        )
    file = {
        "info": {"year": 2017},
        "images": entries,
        "categories": CATEGORIES,
        "annotations": things,
    }
    (path / "annotations" / f"instances_{part}.json").write_text(json.dumps(file))


def edit(path: Path, change) -> None:
    source = path / "annotations" / "instances_val2017.json"
    file = json.loads(source.read_text())
    change(file)
    source.write_text(json.dumps(file))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "val2017", THINGS)
    write(tmp_path, "train2017", THINGS[6:])
    return tmp_path


def many(path: Path, broken: list[dict]) -> None:
    """A set of 300 sound objects and some broken ones."""
    sound = [thing(1000 + i, 7, 1, (i % 30, i % 10, 5.0, 5.0)) for i in range(300)]
    write(path, "val2017", [*sound, *broken])


def test_boxes_are_edges_and_crowds_and_empty_ones_are_left_out(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        data = coco(folder, "test", "detection")
    assert (data.task, data.classes) == ("detection", ("person", "dog", "cup"))  # by number
    assert len(data) == 3
    image, target = data[0]
    assert (image.dtype, image.shape) == (torch.float32, (3, HEIGHT, WIDTH))
    assert set(target) == {"boxes", "labels"}
    assert target["boxes"].dtype == torch.float32
    assert target["boxes"].tolist() == [[2, 3, 12, 15], [5, 5, 9, 9], [30, 10, 40, 20]]
    assert target["labels"].dtype == torch.int64
    assert target["labels"].tolist() == [1, 2, 1]
    assert data[1][1]["labels"].tolist() == [3]
    assert "left out crowds: 1, empty boxes: 1" in caplog.text
    assert "3 of 4 images show a class" in data.provenance
    np.testing.assert_array_equal(np.rint(data[1][0][0].numpy() * 255)[:, 0], [247] * HEIGHT)


def test_the_split_chooses_the_files(folder: Path) -> None:
    data = coco(folder, "train", "detection")
    assert len(data) == 1
    assert "train2017" in data.provenance


def test_smaller_objects_lie_in_front_and_crowds_count_for_pixels(folder: Path) -> None:
    data = coco(folder, "test", "segmentation")
    assert data.classes == ("background", "person", "dog", "cup")
    mask = data[0][1]
    assert (mask.dtype, mask.shape) == (torch.int64, (HEIGHT, WIDTH))
    expected = np.zeros((HEIGHT, WIDTH), np.int64)
    expected[3:15, 2:12] = 1
    expected[10:20, 30:40] = 1
    expected[5:9, 5:9] = 2
    np.testing.assert_array_equal(mask, expected)
    expected = np.zeros((HEIGHT, WIDTH), np.int64)
    expected[4:10, :20] = 2
    expected[2:7, 10:15] = 3
    np.testing.assert_array_equal(data[1][1], expected)
    assert data.labels_of(1) == {0, 2, 3}


def test_runs_as_text(folder: Path) -> None:
    # 40 columns of 20 pixels, the first of which lies inside: 0 outside, 20 inside, 780 outside.
    # 20 = 10100 with the sign bit set, so a second piece of 0: 32 + 4 + 16 + 48 = "d", "0";
    # 780 = 01100 11000 0, low end first: 12 + 32 + 48 = "\\", 24 + 32 + 48 = "h", "0".
    outline = {"size": [HEIGHT, WIDTH], "counts": "0d0\\h0"}
    write(folder, "val2017", [thing(1, 7, 90, (0.0, 0.0, 1.0, 20.0), segmentation=outline)])
    mask = coco(folder, "test", "segmentation")[0][1]
    assert (mask[:, 0] == 3).all()
    assert not mask[:, 1:].any()


@pytest.mark.parametrize("task", ["detection", "segmentation"])
def test_chosen_classes_are_numbered_as_given_and_other_images_left_out(
    folder: Path, task: str
) -> None:
    data = coco(folder, "test", task, classes=("cup", "dog"))  # type: ignore[arg-type]
    assert len(data) == 2
    whole = coco(folder, "test", task)  # type: ignore[arg-type]
    part = whole.restricted(("cup", "dog"))
    assert part.classes == data.classes
    assert len(part) == len(data)
    for (image, found), (other, expected) in zip(
        [data[0], data[1]], [part[0], part[1]], strict=True
    ):
        torch.testing.assert_close(image, other)
        torch.testing.assert_close(found, expected)


def test_the_background_need_not_be_named_but_may(folder: Path) -> None:
    data = coco(folder, "test", "segmentation", classes=("background", "cup"))
    assert data.classes == ("background", "cup")
    with pytest.raises(DataError, match="has no class background"):
        coco(folder, "test", "detection", classes=("background", "cup"))


@pytest.mark.parametrize("task", ["detection", "segmentation"])
def test_classes_are_kept_without_reading_an_image(
    folder: Path, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = coco(folder, "test", task)  # type: ignore[arg-type]
    monkeypatch.setattr(type(data.images), "__getitem__", None)
    assert len(data.restricted(("person",))) == 2
    assert len(data.restricted(("cup",))) == 1


def test_letterboxed_images_keep_their_proportions(folder: Path) -> None:
    image, target = coco(folder, "test", "detection", size=20)[0]
    assert image.shape == (3, 20, 20)
    # 40 × 20 becomes 20 × 10, 5 pixels from the top.
    np.testing.assert_array_equal(
        np.rint(image[:, [0, 4, 15, 19]].numpy() * 255), np.full((3, 4, 20), FILL[0])
    )
    assert np.rint(image[0, 5:15, 0].numpy() * 255).tolist() == [248] * 10
    assert target["boxes"].tolist() == [[1, 6.5, 6, 12.5], [2.5, 7.5, 4.5, 9.5], [15, 10, 20, 15]]
    mask = coco(folder, "test", "segmentation", size=20)[0][1]
    assert not mask[:5].any()
    assert not mask[15:].any()
    assert (mask[10:15, 15:] == 1).all()
    assert int((mask == 2).sum()) == 4


def test_resized_images_fill_the_canvas(folder: Path) -> None:
    image, target = coco(folder, "test", "detection", size=20, fit="resize")[0]
    assert np.rint(image[0, :, 0].numpy() * 255).tolist() == [248] * 20
    assert target["boxes"].tolist() == [[1, 3, 6, 15], [2.5, 5, 4.5, 9], [15, 10, 20, 20]]
    mask = coco(folder, "test", "segmentation", size=20, fit="resize")[0][1]
    assert (mask[10:, 15:] == 1).all()
    assert not mask[:10, 15:].any()


def test_a_tall_image_is_letterboxed_from_the_left(folder: Path) -> None:
    Image.new("RGB", (10, 30), (9, 9, 9)).save(folder / "val2017" / "000000000007.png")

    def tall(file: dict) -> None:
        file["images"][0] |= {"width": 10, "height": 30}
        file["annotations"] = [thing(1, 7, 1, (0.0, 0.0, 10.0, 30.0))]

    edit(folder, tall)
    image, target = coco(folder, "test", "detection", size=15)[0]
    assert target["boxes"].tolist() == [[5, 0, 10, 15]]
    assert np.rint(image[0, 7].numpy() * 255).tolist() == [114] * 5 + [9] * 5 + [114] * 5


def test_targets_do_not_share_memory(folder: Path) -> None:
    data = coco(folder, "test", "detection")
    data[0][1]["boxes"].zero_()
    data[0][1]["labels"].zero_()
    assert data[0][1]["boxes"].any()
    assert data[0][1]["labels"].all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"task": "detect"},
            r"task is segmentation or detection, not 'detect' Did you mean detection\?",
        ),
        ({"fit": "crop"}, "fit is letterbox or resize, not 'crop'"),
        ({"size": 0}, "size must be at least 1 pixel, not 0"),
        (
            {"classes": ("persn",)},
            r"has no class persn\. Did you mean person\? It has person, dog, cup",
        ),
        ({"classes": ()}, "at least one class"),
        ({"split": "val"}, "train or test, not 'val'"),
    ],
)
def test_options_that_cannot_be_are_refused(folder: Path, options: dict, words: str) -> None:
    with pytest.raises(DataError, match=words):
        coco(folder, **({"split": "test", "task": "detection"} | options))


def test_missing_files_and_folders_are_named(folder: Path) -> None:
    with pytest.raises(DataError, match="no such folder; expected a folder with annotations"):
        coco(folder / "none", "test", "detection")
    (folder / "val2017").rename(folder / "elsewhere")
    with pytest.raises(
        DataError, match=r"val2017: no such folder; expected the images of instances_val"
    ):
        coco(folder, "test", "detection")
    (folder / "annotations" / "instances_val2017.json").unlink()
    with pytest.raises(DataError, match=r"instances_val2017.json: is missing"):
        coco(folder, "test", "detection")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("}", "", "no instances file of COCO"),
        ('"bbox": [', '"bbox": [9, ', r"length 4.*annotations\[0\].bbox"),
        ('"image_id"', '"image"', "missing required field `image_id`"),
        ('"categories"', '"classes"', "missing required field `categories`"),
        ('"name": "dog"', '"name": "cup"', "a name and a number of its own"),
        ('"id": 18', '"id": 1', "a name and a number of its own"),
        ('"width": 40', '"width": "40"', "Expected `int`, got `str`"),
    ],
)
def test_a_file_of_another_format_is_refused(folder: Path, old: str, new: str, words: str) -> None:
    source = folder / "annotations" / "instances_val2017.json"
    source.write_text(source.read_text().replace(old, new))
    with pytest.raises(DataError, match=words):
        coco(folder, "test", "detection")


def test_a_truncated_file_is_refused(folder: Path) -> None:
    source = folder / "annotations" / "instances_val2017.json"
    source.write_bytes(source.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"no instances file of COCO \(.*truncated"):
        coco(folder, "test", "segmentation")


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (thing(5, 77, 1, (1.0, 1.0, 2.0, 2.0)), "object 5 (unknown image 77)"),
        (thing(5, 7, 2, (1.0, 1.0, 2.0, 2.0)), "object 5 (unknown category 2)"),
        (thing(5, 7, 1, (1.0, 1.0, 2.0, 2.0), segmentation=[]), "object 5 (polygons of [] values)"),
        (
            thing(5, 7, 1, (1.0, 1.0, 2.0, 2.0), segmentation=[[1.0, 2.0]]),
            "object 5 (polygons of [2]",
        ),
        (
            thing(5, 7, 1, (1.0, 1.0, 2.0, 2.0), segmentation={"size": [40, 20], "counts": [800]}),
            "object 5 (runs of an image of 20 × 40 pixels)",
        ),
        (
            thing(5, 7, 1, (1.0, 1.0, 2.0, 2.0), segmentation={"size": [20, 40], "counts": [799]}),
            "object 5 (runs of 799 pixels for an image of 800)",
        ),
        (
            thing(5, 7, 1, (1.0, 1.0, 2.0, 2.0), segmentation={"size": [20, 40], "counts": "0P"}),
            "object 5 (runs that end within a number)",
        ),
    ],
)
def test_broken_objects_are_left_out_with_a_warning_or_refused(
    tmp_path: Path, broken: dict, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    many(tmp_path, [broken])
    with caplog.at_level(logging.WARNING):
        data = coco(tmp_path, "test", "segmentation")
    assert "1 of 301 objects are broken" in caplog.text
    assert words in caplog.text
    assert "1 of 301 objects left out as broken" in data.provenance
    many(tmp_path, [broken] * 4)
    with pytest.raises(DataError, match=r"4 of 304 objects are broken: .*, …; at most 1% may be"):
        coco(tmp_path, "test", "segmentation")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: path.unlink(), "(missing)"),
        (lambda path: path.write_bytes(b""), "(no image)"),
        (lambda path: path.write_bytes(path.read_bytes()[:50]), "("),
        (lambda path: Image.new("RGB", (20, 40)).save(path), "(20 × 40 pixels, not 40 × 20)"),
    ],
)
def test_broken_images_are_left_out_with_a_warning_or_refused(
    tmp_path: Path, change, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = tuple(range(1, 121))
    things = [thing(i, i, 1, (1.0, 1.0, 5.0, 5.0)) for i in numbers]
    write(tmp_path, "val2017", things, numbers)
    change(tmp_path / "val2017" / "000000000002.png")
    with caplog.at_level(logging.WARNING):
        data = coco(tmp_path, "test", "detection")
    assert f"1 of 120 images are broken: 000000000002.png {words}" in caplog.text
    assert len(data) == 119
    change(tmp_path / "val2017" / "000000000003.png")
    with pytest.raises(DataError, match="2 of 120 images are broken"):
        coco(tmp_path, "test", "detection")


def test_no_image_with_a_class_is_refused(folder: Path) -> None:
    write(folder, "val2017", THINGS[6:])
    with pytest.raises(DataError, match="no image shows cup"):
        coco(folder, "test", "detection", classes=("cup",))


def test_more_classes_than_a_mask_holds_are_refused(folder: Path) -> None:
    def more(file: dict) -> None:
        file["categories"] = [{"id": i, "name": f"c{i}"} for i in range(1, 256)]

    edit(folder, more)
    with pytest.raises(DataError, match="255 classes; a mask holds at most 254"):
        coco(folder, "test", "segmentation")
    assert len(coco(folder, "test", "detection").classes) == 255


def test_boxes_are_those_of_the_pixels_as_stored(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:, :20] = 255
    Image.fromarray(pixels).save(folder / "val2017" / "000000000007.png", exif=exif)
    image = coco(folder, "test", "detection")[0][0]
    np.testing.assert_array_equal(image.numpy().transpose(1, 2, 0) * 255, pixels)
