"""Which classes stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.compress.specialization.selection import select
from mobilekit.core.errors import NoEffectError, RecipeError

NAMES = ["background", "cat", "cow", "dog", "sheep"]


@given(st.data())
def test_the_background_comes_first_and_the_rest_in_its_old_order(data: st.DataObject) -> None:
    count = data.draw(st.integers(3, 12))
    names = [f"class {n}" for n in range(count)]
    first = data.draw(st.none() | st.integers(0, count - 1))
    others = [n for n in range(count) if n != first]
    most = len(others) - 1
    kept = data.draw(st.lists(st.sampled_from(others), min_size=1, max_size=most, unique=True))
    chosen = select(names, [names[n] for n in kept], first)
    expected = ([] if first is None else [first]) + sorted(kept)
    assert list(chosen.index) == expected
    assert list(chosen.classes) == [names[n] for n in expected]
    if first is not None:
        assert select(names, [names[n] for n in kept], names[first]) == chosen


@pytest.mark.parametrize("name", ["background", "__background__"])
def test_class_0_is_the_background_if_it_is_called_so(name: str) -> None:
    assert select([name, "cat", "dog"], ["dog"]).index == (0, 2)
    assert select(["cat", name, "dog"], ["dog"]).index == (2,)


def test_the_background_may_be_named_too() -> None:
    assert select(NAMES, ["dog", "background"]).index == (0, 3)


@pytest.mark.parametrize(
    ("keep", "background", "said"),
    [
        (["dgo"], None, r"keep names 'dgo', .* 5 classes\. Did you mean dog\?"),
        (["dog", "dog"], None, "keep names 'dog' more than once"),
        ([], None, "keep names no class besides the background"),
        (["background"], None, "keep names no class besides the background"),
        (["dog"], "backgroud", r"background names 'backgroud', .* Did you mean background\?"),
        (["dog"], 5, "background is class 5, but there are 5 classes"),
        (["dog"], -1, "background is class -1"),
        ("dog", None, "keep is a list of names, not the text 'dog'"),
    ],
)
def test_what_cannot_be_kept_is_refused(
    keep: list[str], background: str | int | None, said: str
) -> None:
    with pytest.raises(RecipeError, match=said):
        select(NAMES, keep, background)


def test_to_keep_everything_has_no_effect() -> None:
    with pytest.raises(NoEffectError, match="all 5 classes are kept"):
        select(NAMES, NAMES[1:])


def test_a_name_of_two_classes_is_ambiguous_only_if_it_is_asked_for() -> None:
    names = ["background", "N/A", "cat", "N/A", "dog"]
    assert select(names, ["dog"]).index == (0, 4)
    with pytest.raises(RecipeError, match="classes 1 and 3 are both called so"):
        select(names, ["N/A"])
