"""The words of `--quantize`, and which format holds what."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.core.errors import RecipeError
from mobilekit.core.quantization import ALIASES, Weights, parse
from mobilekit.core.support import EXAMPLES, SYSTEMS, TABLE, nearest, require, row_of

FORMS = [
    "float16", "weights:int8", "weights:int8:tensor", "weights:int4", "weights:int4:block32",
    "weights:int8:block16", *(f"weights:palette{bits}" for bits in (8, 6, 4, 3, 2, 1)),
    "weights:palette4:uniform", "weights:palette3:group8", "weights:palette2:scaled",
    "weights:palette4:uniform:group4:scaled", "weights:binary", "weights:ternary", "dynamic:int8",
    "dynamic:int4", "static:int8", "static:int8:integer-io", "static:int8x16",
    "static:int8x16:integer-io", "sparse:0.75", "sparse:2:4", "sparse:0.75+palette4",
    "sparse:0.5+int8", "sparse:2:4+palette2:scaled",
]  # fmt: skip


@pytest.mark.parametrize("words", FORMS)
def test_words_that_a_form_gives_are_read_as_the_same_form(words: str) -> None:
    form = parse(words)
    assert form.words == words
    assert parse(form.words.upper()) == form


@pytest.mark.parametrize("short", ALIASES)
def test_short_names_mean_a_form(short: str) -> None:
    assert parse(short) == parse(ALIASES[short])
    assert parse(short).calibrated


def test_what_a_form_says_of_weights() -> None:
    assert parse("weights:int4:block32").weights == Weights("int", 4, "block", 32)
    palette = parse("weights:palette4:scaled:group16").weights
    assert (palette.bits, palette.group, palette.scaled, palette.uniform) == (4, 16, True, False)
    sparse = parse("sparse:2:4+int8")
    assert (sparse.sparsity, sparse.pattern, sparse.weights.bits) == (0.5, (2, 4), 8)
    assert parse("static:int8x16").activations == "int16"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("weights:int5", "int of 5 bits does not exist; there are 4, 8 bits"),
        ("weights:palette5", "there are 1, 2, 3, 4, 6, 8 bits"),
        ("wieghts:int8", "Did you mean weights:int8"),
        ("palette4", "Did you mean weights:palette4"),
        ("sparse:1.5", "between 0 and 1"),
        ("sparse:0", "between 0 and 1"),
        ("sparse:nan", "between 0 and 1"),
        ("sparse:4:2", "0 < n < m"),
        ("static:int4", "is no form"),
        ("weights:int4:block1", "is no form"),
        ("weights:int8:tensor:block4", "is no form"),
        ("weights:palette4:scaled:scaled", "is no form"),
        ("weights:palette4+int8", "is no form"),
        ("sparse:0.5+sparse:0.5", "is no form"),
        ("weights:", "is no form"),
        ("", "is no form"),
        ("+", "is no form"),
    ],
)
def test_words_of_no_form_say_so_in_one_line(words: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said.replace("(", "\\(")) as found:
        parse(words)
    assert "\n" not in str(found.value)


@given(st.text(alphabet="weightsinparl:+.0123456789 ", max_size=24))
def test_any_text_is_a_form_or_an_error_in_one_line(words: str) -> None:
    try:
        form = parse(words)
    except RecipeError as problem:
        said = str(problem)
    else:
        said = ""
        assert parse(form.words) == form
    assert "\n" not in said


def test_each_row_of_the_table_is_its_own_example_s() -> None:
    for row in TABLE:
        assert row_of(parse(row.example), row.format) is row
        assert row.example in EXAMPLES


@pytest.mark.parametrize(("words", "place"), [*itertools.product(FORMS, ("coreml", "tflite"))])
def test_a_form_that_a_format_lacks_names_one_that_it_has(words: str, place: str) -> None:
    form = parse(words)
    if row_of(form, place) is not None:  # type: ignore[arg-type]
        assert require(form, place).format == place  # type: ignore[arg-type]
        return
    other = nearest(form, place)  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match=other.replace("+", "\\+")):
        require(form, place)  # type: ignore[arg-type]
    assert row_of(parse(other), place) is not None  # type: ignore[arg-type]


def test_a_form_needs_its_system() -> None:
    with pytest.raises(RecipeError, match=r"needs ios18, the file is for ios17.*weights:palette4"):
        require(parse("weights:int4"), "coreml", "ios17")
    for row in TABLE:
        if row.format == "coreml":
            assert row.minimum in SYSTEMS
            require(parse(row.example), "coreml", row.minimum)


def test_core_ml_has_no_integer_ends() -> None:
    with pytest.raises(RecipeError, match=r"static:int8$"):
        require(parse("static:int8:integer-io"), "coreml")
