"""Colours over photographs, and pages of them."""

import io

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from mobilekit.report import overlay
from mobilekit.report.contact_sheet import Entry, sheet
from mobilekit.report.lettering import caption, with_legend


def test_classes_follow_the_highest_score_at_another_size() -> None:
    scores = np.zeros((3, 4, 4), np.float32)
    scores[1, :, :2] = 2
    scores[2, :, 2:] = 2
    found = overlay.classes_of(scores, 8, 12)
    assert found.shape == (8, 12)
    assert (found[:, :5] == 1).all()
    assert (found[:, 7:] == 2).all()
    assert (overlay.classes_of(np.zeros((3, 2, 2), np.float32), 5, 5) == 0).all()


def test_colours_are_mixed_by_the_opacity_and_the_background_stays() -> None:
    pixels = np.full((1, 2, 3), 100, np.uint8)
    classes = np.array([[0, 1]], np.uint8)
    colours = overlay.palette(("#000000", "#ff8000"), 2)
    drawn = overlay.coloured(pixels, classes, colours, 0.5)
    assert drawn.tolist() == [[[100, 100, 100], [178, 114, 50]]]


@pytest.mark.parametrize("count", [2, 10, 150])
def test_classes_without_colours_get_different_ones(count: int) -> None:
    found = overlay.palette((), count)
    assert found.shape == (count, 3)
    assert len(np.unique(found, axis=0)) == count


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_heat_is_half_magma(value: float) -> None:
    pixels = np.full((6, 9, 3), 80, np.uint8)
    drawn = overlay.heated(pixels, np.full((2, 3), value, np.float32))
    magma = np.array(mpl.colormaps["magma"](value)[:3]) * 255
    assert np.abs(drawn - (40 + magma / 2)).max() <= 0.51


def test_a_png_holds_the_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(overlay.png(pixels)))), pixels)


def test_the_legend_has_each_colour_but_the_background() -> None:
    colours = overlay.palette(("#000000", "#ff8000", "#0080ff"), 3)
    drawn = with_legend(np.full((4, 10, 3), 7, np.uint8), ("none", "one", "two"), colours)
    assert (drawn[:4, :10] == 7).all()
    beside = {tuple(each) for each in drawn[:, 10:].reshape(-1, 3).tolist()}
    assert {(255, 128, 0), (0, 128, 255)} <= beside
    assert (0, 0, 0) not in beside


def test_a_line_that_is_too_long_is_cut() -> None:
    assert caption("word " * 100, 60).shape == caption("word", 60).shape
    assert (caption("word " * 100, 60)[:, -1] == 250).all()


def test_a_sheet_has_every_picture_and_fills_the_last_row() -> None:
    tiles = [np.full((4, 4, 3), 20 * (i + 1), np.uint8) for i in range(5)]
    page = sheet([Entry((tile, tile)) for tile in tiles], 2, 8)
    assert page.shape == (3 * 8 + 4 * 10, 2 * (8 + 3 + 8) + 3 * 10, 3)
    for i in range(5):
        assert (page == 20 * (i + 1)).all(axis=2).sum() == 2 * 64
