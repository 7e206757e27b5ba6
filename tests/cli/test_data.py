"""`mobilekit data preview`: pages of what is drawn here."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobilekit import cli
from mobilekit.data import forgeries as package
from mobilekit.data.face_labels import FACE_COLOURS
from mobilekit.data.faces import clip, faces
from mobilekit.data.faces.dataset import camera_of
from mobilekit.data.faces.face import draw_face, draw_identity
from mobilekit.data.faces.ranges import ranges_of
from mobilekit.data.faces.render import render
from mobilekit.data.forgeries.dataset import Forgeries
from mobilekit.data.forgeries.splices import Face
from mobilekit.data.task import Labelled


@pytest.fixture
def preview(capfd):
    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = cli.execute(["data", "preview", *map(str, arguments)])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run


def contains(page: np.ndarray, part: np.ndarray) -> bool:
    """Say whether a picture stands somewhere on a page, pixel by pixel."""
    height, width = part.shape[:2]
    corners = np.argwhere((page == part[0, 0]).all(axis=2))
    return any(
        np.array_equal(page[y : y + height, x : x + width], part) for y, x in corners.tolist()
    )


def test_faces_stand_beside_their_masks(preview, tmp_path: Path) -> None:
    out = tmp_path / "page.png"
    drawn = ("--size", "48", "--rows", "2", "--columns", "3", "--seed", "5", "--json")
    code, said, err = preview("faces", "--out", out, *drawn)
    assert (code, err) == (0, "")
    assert json.loads(said)["pictures"] == 6
    page = np.asarray(Image.open(out))
    image, mask = faces("train", 6, 48, 5)[4]
    pixels = np.rint(image.numpy().transpose(1, 2, 0) * 255).astype(np.uint8)
    colours = np.array([list(bytes.fromhex(one[1:])) for one in FACE_COLOURS], np.uint8)
    for part in (pixels, colours[mask.numpy()]):  # pictures below 96 pixels are enlarged
        assert contains(page, part.repeat(2, 0).repeat(2, 1))


def test_a_clip_is_a_row(preview, tmp_path: Path) -> None:
    out = tmp_path / "page.png"
    size = ("--size", "96", "--rows", "1", "--columns", "3", "--style", "faces-hard")
    assert preview("clips", "--out", out, *size, "--quiet")[0] == 0
    page = np.asarray(Image.open(out))
    assert page.shape[1] > 3 * 96
    for frame in clip(0, 3, 96, style="faces-hard").images:
        pixels = np.rint(frame.numpy().transpose(1, 2, 0) * 255).astype(np.uint8)
        assert contains(page, pixels)


def sitting(rng: np.random.Generator, people: int) -> list[Face]:
    """Draw people in one pose, expression and light."""
    first = draw_face(rng, ranges_of("faces"))
    others = [
        replace(first, identity=draw_identity(rng, ranges_of("faces"))) for _ in range(1, people)
    ]
    portraits = [render(face, 48) for face in (first, *others)]
    return [Face(one.image.astype(np.float32) / np.float32(255), one.labels) for one in portraits]


def test_forgeries_stand_beside_what_is_spliced(preview, tmp_path: Path, monkeypatch) -> None:
    images = Forgeries(7, 4, ("self", "swap"), sitting, camera_of("faces"))
    asked = []

    def forgeries(*arguments: object, **options: object) -> Labelled:
        asked.append((arguments, options))
        return Labelled("classification", ("real", "fake"), images, "by hand")

    monkeypatch.setattr(package, "forgeries", forgeries, raising=False)
    out = tmp_path / "page.png"
    few = ("--size", "48", "--rows", "2", "--columns", "2", "--seed", "5", "--json")
    code, said, err = preview("forgeries", "--out", out, *few)
    assert (code, err) == (0, "")
    assert json.loads(said)["provenance"] == "by hand"
    assert asked == [(("train", 4, 48, 5), {"style": "faces"})]
    page = np.asarray(Image.open(out))
    for index in range(4):
        image, mask = images[index][0], images.mask(index).expand(3, -1, -1)
        for part in (image, mask):
            pixels = np.rint(part.numpy().transpose(1, 2, 0) * 255).astype(np.uint8)
            assert contains(page, pixels.repeat(2, 0).repeat(2, 1))


def test_the_same_page_twice_and_another_by_another_seed(preview, tmp_path: Path) -> None:
    few = ("--size", "32", "--rows", "1", "--columns", "2", "--quiet")
    pages = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert preview("faces", "--out", tmp_path / f"{name}.png", *few, "--seed", seed)[0] == 0
        pages.append((tmp_path / f"{name}.png").read_bytes())
    assert pages[0] == pages[1] != pages[2]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("faces", "--out", "page.jpg"), 2, "ends in .png"),
        (("faces", "--out", "file/page.png", "--rows", "1"), 3, "cannot be written"),
        (("faces", "--out", "page.png", "--size", "8"), 2, "16"),
        (("cats", "--out", "page.png"), 2, "forgeries"),
    ],
)
def test_wrong_input_is_one_line(
    arguments, code: int, words: str, preview, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine")
    found = preview(*arguments, "--quiet")
    assert found[:2] == (code, "")
    assert words in found[2]
    assert found[2].count("\n") == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file"]
