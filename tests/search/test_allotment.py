"""Choices within a budget against all that there are."""

import ctypes
import itertools
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilekit.core.errors import RecipeError
from mobilekit.search import allotment
from mobilekit.search.allotment import Choice, by_size, least_error, least_size

layers = st.lists(
    st.lists(st.tuples(st.integers(1, 50), st.floats(0, 10)), min_size=1, max_size=3),
    min_size=1,
    max_size=4,
).map(
    lambda some: {
        f"l{i}": [Choice(f"f{k}", size, error) for k, (size, error) in enumerate(one)]
        for i, one in enumerate(some)
    }
)


@settings(max_examples=40, deadline=None)
@given(layers, st.integers(1, 160))
def test_no_other_choice_of_the_size_errs_less(choices: dict[str, list[Choice]], size: int) -> None:
    every = [c for c in itertools.product(*choices.values()) if sum(x.size for x in c) <= size]
    if not every:
        with pytest.raises(RecipeError, match="no choice of these forms takes"):
            least_error(choices, size)
        return
    found = least_error(choices, size)
    assert found.keys() == choices.keys()
    assert sum(one.size for one in found.values()) <= size
    best = min(sum(x.error for x in c) for c in every)
    assert sum(one.error for one in found.values()) == pytest.approx(best, rel=1e-4, abs=1e-4)


@settings(max_examples=40, deadline=None)
@given(layers, st.floats(0, 40))
def test_no_other_choice_of_the_error_is_smaller(
    choices: dict[str, list[Choice]], error: float
) -> None:
    every = [c for c in itertools.product(*choices.values()) if sum(x.error for x in c) <= error]
    if not every:
        with pytest.raises(RecipeError, match="no choice of these forms errs so little"):
            least_size(choices, error)
        return
    found = least_size(choices, error)
    assert sum(one.error for one in found.values()) <= error * (1 + 1e-6) + 1e-9
    assert sum(one.size for one in found.values()) <= min(sum(x.size for x in c) for c in every)


def test_by_size_gives_the_small_form_until_it_fits() -> None:
    choices = {
        name: [Choice("int8", 8 * size, 1.0), Choice("int4", 4 * size, 9.0)]
        for name, size in {"a": 1, "b": 10, "c": 5}.items()
    }
    found = by_size(choices, 90, largest_first=True)
    assert {name: one.name for name, one in found.items()} == {
        "a": "int8",
        "b": "int4",
        "c": "int8",
    }
    found = by_size(choices, 90, largest_first=False)
    assert {name: one.name for name, one in found.items()} == {
        "a": "int4",
        "b": "int4",
        "c": "int4",
    }
    with pytest.raises(RecipeError, match="takes 10 bytes"):
        by_size(choices, 10, largest_first=True)


def test_the_solver_s_own_words_are_held_back(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    library, solve = ctypes.CDLL(None), allotment.milp

    def chatty(*given: Any, **options: Any) -> Any:
        library.puts(b"by the library's buffer")
        os.write(1, b"by the descriptor\n")
        return solve(*given, **options)

    monkeypatch.setattr(allotment, "milp", chatty)
    library.puts(b"before")
    found = least_error({"a": [Choice("weights:palette8", 80, 0.1)]}, 80)
    library.puts(b"after")
    library.fflush(None)
    assert found["a"].size == 80
    assert capfd.readouterr().out == "before\nafter\n"
