"""A wrong word is told with the words that there are, at any depth of a configuration."""

from enum import Enum
from typing import Annotated, Literal

import msgspec
import pytest

from mobilekit.core.choices import CHOICES, choices_of
from mobilekit.core.config import from_mapping
from mobilekit.core.errors import RecipeError


class Colour(Enum):
    RED = "red"
    GREEN = "green"


class Circle(msgspec.Struct, tag_field="kind", tag="circle", forbid_unknown_fields=True):
    colour: Colour = Colour.RED


class Square(msgspec.Struct, tag_field="kind", tag="square", forbid_unknown_fields=True):
    side: float = 1.0


class Page(msgspec.Struct, forbid_unknown_fields=True):
    size: Literal["small", "large"] | None = None
    shapes: tuple[Circle | Square, ...] = ()
    sides: dict[str, Literal["left", "right"]] = {}
    known: Annotated[str, msgspec.Meta(extra={CHOICES: ("one", "two")})] = "one"
    width: int = 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"size": "lage"}, "'lage' - at `$.size`; there are large, small. Did you mean large?"),
        ({"sides": {"x": "up"}}, "'up' - at `$.sides[...]`; there are left, right."),
        (
            {"shapes": [{"kind": "circle", "colour": "gren"}]},
            "'gren' - at `$.shapes[0].colour`; there are red, green. Did you mean green?",
        ),
        (
            {"shapes": [{"kind": "circl"}]},
            "'circl' - at `$.shapes[0].kind`; there are circle, square. Did you mean circle?",
        ),
        (
            {"widht": 2},
            "unknown field `widht`; the options are size, shapes, sides, known, width. Did you mean width?",
        ),
        ({"width": "2"}, "Expected `int`, got `str` - at `$.width`"),
    ],
)
def test_wrong_words_are_told_with_the_right_ones(content: object, words: str) -> None:
    with pytest.raises(RecipeError) as found:
        from_mapping(content, Page, "recipe.toml")
    assert str(found.value).startswith("recipe.toml: ")
    assert str(found.value).endswith(words)


def test_words_come_from_types() -> None:
    assert choices_of(Colour) == ("red", "green")
    assert choices_of(Literal["a", "b"] | dict[str, int]) == ("a", "b")
    assert choices_of(Annotated[str, msgspec.Meta(extra={CHOICES: ("x",)})] | Literal["y"]) == (
        "x",
        "y",
    )
    assert choices_of(int) == choices_of(str | None) == ()
