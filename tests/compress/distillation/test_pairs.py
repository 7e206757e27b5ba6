"""Which layers are paired."""

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilekit.compress.distillation.capture import feature_shapes
from mobilekit.compress.distillation.pairs import pairs
from mobilekit.core.errors import NoEffectError, RecipeError

SHAPE = st.one_of(
    st.tuples(st.just(1), st.integers(1, 9), st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.just(1), st.integers(1, 9)),
)
NETWORK = st.lists(SHAPE, max_size=8)


@settings(deadline=None)
@given(NETWORK, NETWORK)
def test_by_resolution_the_last_layers_of_each_are_paired(
    student: list[tuple[int, ...]], teacher: list[tuple[int, ...]]
) -> None:
    mine = {f"s{place}": shape for place, shape in enumerate(student)}
    other = {f"t{place}": shape for place, shape in enumerate(teacher)}
    expected = []
    for name, shape in mine.items():
        same = [n for n, s in mine.items() if len(s) == 4 and s[2:] == shape[2:]]
        partners = [n for n, s in other.items() if len(s) == 4 and s[2:] == shape[2:]]
        spatial = len(shape) == 4 and shape[2:] != (1, 1)
        if spatial and partners and name == same[-1]:
            expected.append((name, partners[-1]))
    if expected:
        assert pairs(mine, other) == tuple(expected)
    else:
        with pytest.raises(NoEffectError, match="no resolution in common"):
            pairs(mine, other)


def test_residual_networks_are_paired_at_their_stages() -> None:
    image = [torch.zeros(1, 3, 64, 64)]
    small = feature_shapes(torchvision.models.resnet18(), image)
    large = feature_shapes(torchvision.models.resnet34(), image)
    stages = tuple((f"layer{stage}", f"layer{stage}") for stage in (1, 2, 3, 4))
    assert pairs(small, large) == (("relu", "relu"), *stages)
    assert pairs(small, large, {"layer?": "layer?"}) == stages


def test_layers_that_two_patterns_match_alike_are_paired_once() -> None:
    shapes = {"a": (1, 2, 4, 4), "b": (1, 2, 4, 4)}
    assert pairs(shapes, shapes, {"b": "a", "[b]": "[a]", "a": "b"}) == (("a", "b"), ("b", "a"))


def test_patterns_that_do_not_match_as_many_are_told() -> None:
    shapes = {f"layer{number}": (1, 2, 4, 4) for number in range(5)}
    with pytest.raises(
        RecipeError, match=r"'layer\*' matches 5 .*layer0, layer1, layer2, ….* 1 of"
    ):
        pairs(shapes, shapes, {"layer*": "layer4"})


@pytest.mark.parametrize("patterns", [{"layr1": "layer1"}, {"layer1": "layr1"}])
def test_a_pattern_without_a_match_suggests_names(patterns: dict[str, str]) -> None:
    shapes = {"layer1": (1, 2, 4, 4)}
    with pytest.raises(RecipeError, match=r"'layr1' matches no layer of the .*Did you mean layer1"):
        pairs(shapes, shapes, patterns)


def test_no_pattern_at_all_is_refused() -> None:
    with pytest.raises(RecipeError, match="no pattern was given"):
        pairs({}, {}, {})
