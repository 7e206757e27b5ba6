"""Ranges of training in the place of calibrated ones: which tensors get which."""

from collections.abc import Callable

import pytest

from mobilekit.core.quantization import parse
from mobilekit.core.quantization_plan import LayerPlan, QuantizationPlan, Range
from mobilekit.export.quantization.trained import Node, Read, planned, refused, said, spread

NARROW, WIDE = Range(-1.0, 2.0), Range(-3.0, 1.0)


def never(name: str) -> tuple[float, float]:
    raise AssertionError(f"{name} was asked for")


def to(low: float, high: float) -> Callable[[str], tuple[float, float]]:
    return lambda _name: (low, high)


def test_a_layer_s_own_tensor_has_its_range_whoever_else_takes_it() -> None:
    nodes = [Node(("x",), ("y",), False), Node(("x", "y"), ("sum",), False)]
    assert spread([Read("", "x", NARROW)], nodes, never) == {"x": (-1.0, 2.0)}


def test_two_layers_that_read_one_tensor_share_the_widest() -> None:
    assert spread([Read("", "x", NARROW), Read("", "x", WIDE)], [], never) == {"x": (-3.0, 2.0)}


def test_a_range_goes_back_through_moves_and_no_further() -> None:
    nodes = [
        Node(("image",), ("relu",), False),
        Node(("relu",), ("pooled",), True),
        Node(("pooled",), ("padded",), True),
        Node(("padded",), ("conv",), False),
    ]
    found = spread([Read("", "padded", NARROW)], nodes, never)
    assert found == dict.fromkeys(("padded", "pooled", "relu"), (-1.0, 2.0))


def test_halves_of_a_tensor_share_a_range_and_so_do_what_is_joined() -> None:
    nodes = [
        Node(("whole",), ("left", "right"), True),
        Node(("left",), ("new",), False),
        Node(("new", "right"), ("joined",), True),
        Node(("joined",), ("end",), False),
    ]
    found = spread([Read("", "left", NARROW), Read("", "joined", WIDE)], nodes, never)
    assert set(found) == {"left", "whole", "joined", "new", "right"}
    assert set(found.values()) == {(-3.0, 2.0)}
    loose = spread([Read("", "left", NARROW), Read("", "joined", WIDE)], nodes, never, tied=False)
    assert (loose.pop("left"), loose.pop("joined")) == ((-1.0, 2.0), (-3.0, 1.0))
    assert set(loose.values()) == {(-3.0, 2.0)}


def test_what_an_operator_without_a_trained_range_takes_too_keeps_its_calibrated_width() -> None:
    nodes = [
        Node(("whole",), ("part",), True),
        Node(("part",), ("conv",), False),
        Node(("whole",), ("sum",), False),
    ]
    found = spread([Read("", "part", NARROW)], nodes, to(-0.5, 7.0))
    assert found == {"part": (-1.0, 7.0), "whole": (-1.0, 7.0)}


@pytest.mark.parametrize(
    ("form", "expected"),
    [("static:int8", NARROW), ("static:int8:integer-io", NARROW), ("static:int8x16", None),
     ("weights:int8", None), (None, None)],
)  # fmt: skip
def test_only_the_integers_that_were_trained_for_count(
    form: str | None, expected: Range | None
) -> None:
    plan = QuantizationPlan("static:int8", (LayerPlan("stem", "static:int8", (), (), NARROW),))
    wanted = parse(form) if form else None
    assert planned(plan, [("stem", wanted), ("other", wanted)]) == [expected, None]
    assert planned(None, [("stem", wanted)]) == [None]


def test_what_is_said_names_the_layers_that_are_not_as_trained() -> None:
    assert said([], {}) == ()
    first, second, third = said(["a", "b"], dict.fromkeys("cdefg", "a reason") | {"h": "another"})
    assert first.startswith("what 2 layers read has the range of training")
    assert second == "c, d, e and 2 more: not the range of training: a reason"
    assert third == "h: not the range of training: another"


@pytest.mark.parametrize(
    ("ends", "far"), [((-1.0, 2.0), False), ((-0.5, 9.0), False), ((0.0, 255.0), True), ((0.0, 0.1), True)]
)  # fmt: skip
def test_a_layer_whose_values_are_far_from_those_of_training_is_refused(
    ends: tuple[float, float], far: bool
) -> None:
    nodes = [Node(("image",), ("x",), False)]
    found = refused([Read("stem", "x", NARROW)], nodes, {"image"}, to(*ends))
    assert bool(found) == far


def test_pixels_that_are_normalized_in_training_alone_are_seen() -> None:
    nodes = [Node(("image",), ("padded",), True)]
    read = [Read("stem", "padded", NARROW)]
    assert refused(read, nodes, {"image"}, to(-1.1, 2.2)) == {}
    said_of = refused(read, nodes, {"image"}, to(0.0, 1.0))
    assert said_of == {"stem": "the file gives it 0 to 1, training gave it -1 to 2"}
