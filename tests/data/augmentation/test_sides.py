"""Classes of one side become those of the other in a mirror."""

import pytest

from mobilekit.core.errors import RecipeError
from mobilekit.data.augmentation.sides import mirrored_classes
from mobilekit.data.face_labels import FACE_LABELS


def test_classes_of_faces_change_sides() -> None:
    assert mirrored_classes(FACE_LABELS) == (0, 1, 3, 2, 5, 4, 6, 7, 8, 9)


@pytest.mark.parametrize("joint", [" ", "-", "_"])
def test_names_are_joined_in_any_way(joint: str) -> None:
    assert mirrored_classes((f"Left{joint}hand", "leftover", f"RIGHT{joint}hand")) == (2, 1, 0)


def test_sides_alone_are_classes_too() -> None:
    assert mirrored_classes(("left", "right", "straight on")) == (1, 0, 2)


def test_mirroring_twice_changes_nothing() -> None:
    once = mirrored_classes(FACE_LABELS)
    assert [once[number] for number in once] == list(range(len(FACE_LABELS)))


def test_one_side_alone_cannot_be_mirrored() -> None:
    with pytest.raises(RecipeError, match="flip: class 'left eye' becomes 'right eye' in a mirror"):
        mirrored_classes(("background", "left eye", "nose"))
