"""Options of augmentations: what is refused, and with which words."""

from typing import Any

import msgspec
import pytest

from mobilekit.core.errors import RecipeError
from mobilekit.data.augmentation.configs import (
    Affine,
    AugmentationConfig,
    Colour,
    Erase,
    Flip,
    PreviousMaskConfig,
)

ALL = (Flip(), Affine(), Colour(), Erase())


def test_options_come_back_as_they_went() -> None:
    text = msgspec.json.encode(ALL)
    assert msgspec.json.decode(text, type=tuple[AugmentationConfig, ...]) == ALL


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "flop"}, "'flop'"),
        ({"kind": "flip", "chance": 1}, "`chance`"),
        ({"kind": "flip", "probability": 0}, "> 0.0"),
        ({"kind": "colour", "hue": 0.6}, "<= 0.5"),
        ({"kind": "affine", "scale": [1.1, 0.9]}, r"scale is a least and a greatest factor"),
        ({"kind": "affine", "scale": [0, 1]}, r"above 0, not \[0\.0, 1\.0\]"),
        ({"kind": "affine", "rotation": 0, "scale": [1, 1], "shift": 0}, "affine: nothing moves"),
        ({"kind": "colour", "brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}, "nothing changes"),
        ({"kind": "erase", "area": [0.5, 1.5]}, "erase: area is a least and a greatest share"),
        ({"kind": "erase", "aspect": [0, 1]}, "erase: aspect is a least and a greatest ratio"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises((msgspec.ValidationError, RecipeError), match=words):
        msgspec.convert(options, AugmentationConfig)


def test_shares_of_masks_add_to_one() -> None:
    assert PreviousMaskConfig(0.1, 0.2, 0.7).strong == 0.7
    assert PreviousMaskConfig(0.1, 0.2, 0.3, 0.4).own == 0.4
    with pytest.raises(RecipeError, match=r"previous_mask: the shares add to 0\.9, not to 1"):
        PreviousMaskConfig(0.3, 0.3, 0.3)
