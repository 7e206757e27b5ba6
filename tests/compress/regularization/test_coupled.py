"""Groups that lie in several parameters, against NumPy and autograd."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.regularization.coupled import (
    NONE,
    Member,
    add_gradient,
    coupled_norms,
    members_of,
    penalty,
    shrink,
)
from mobilekit.compress.regularization.group_penalty import GroupPenalty
from mobilekit.core.errors import ModelError, RecipeError

FORMS = ("norm", "weighted")
SHAPES = st.lists(
    st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple), min_size=1, max_size=4
)


def drawn(shapes: list[tuple[int, ...]], seed: int, channels: int = 4) -> list[Member]:
    generator = torch.Generator().manual_seed(seed)
    random = np.random.default_rng(seed)
    found = []
    for place, shape in enumerate(shapes):
        dimension = int(random.integers(len(shape)))
        maps = torch.from_numpy(random.integers(NONE, channels, shape[dimension]))
        weight = torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        found.append(Member(str(place), weight, dimension, maps))
    return found


def parts(members: list[Member]) -> dict[int, list[tuple[int, int]]]:
    """Which index of which member belongs to each channel."""
    found: dict[int, list[tuple[int, int]]] = {}
    for place, member in enumerate(members):
        for index, channel in enumerate(member.channels.tolist()):
            if channel != NONE:
                found.setdefault(channel, []).append((place, index))
    return found


def by_definition(members: list[Member], config: GroupPenalty) -> Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for indices in parts(members).values():
        slices = [members[m].weight.select(members[m].dimension, i).flatten() for m, i in indices]
        weights = torch.cat(slices)
        each = math.sqrt(len(weights)) if config.form == "weighted" else 1
        total = total + config.strength * each * weights.square().sum().sqrt()
    return total


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None, max_examples=60)
@given(SHAPES, st.integers(0, 1000))
def test_term_and_gradient_are_those_of_the_definition(
    form: str, shapes: list[tuple[int, ...]], seed: int
) -> None:
    members, config = drawn(shapes, seed), GroupPenalty(0.3, form)  # type: ignore[arg-type]
    weights = [member.weight for member in members]
    expected = by_definition(members, config)
    found = add_gradient(members, config)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(penalty(members, config).detach(), found, rtol=1e-12, atol=1e-14)
    if expected.requires_grad:
        slopes = torch.autograd.grad(expected, weights, allow_unused=True, retain_graph=True)
        again = torch.autograd.grad(penalty(members, config), weights)
        for weight, slope, same in zip(weights, slopes, again, strict=True):
            wanted = torch.zeros_like(weight) if slope is None else slope
            torch.testing.assert_close(weight.grad, wanted, rtol=1e-10, atol=1e-10)
            torch.testing.assert_close(same, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None, max_examples=60)
@given(SHAPES, st.floats(0, 5), st.integers(0, 1000))
def test_a_proximal_step_is_the_closed_form_shrinkage(
    form: str, shapes: list[tuple[int, ...]], step: float, seed: int
) -> None:
    members, config = drawn(shapes, seed), GroupPenalty(0.5, form)  # type: ignore[arg-type]
    expected = [member.weight.detach().numpy().copy() for member in members]
    rows = [np.moveaxis(e, m.dimension, 0) for e, m in zip(expected, members, strict=True)]
    for indices in parts(members).values():
        norm = np.sqrt(sum((rows[m][i] ** 2).sum() for m, i in indices))
        size = sum(rows[m][i].size for m, i in indices)
        bound = 0.5 * step * (math.sqrt(size) if form == "weighted" else 1)
        for m, i in indices:
            rows[m][i] = rows[m][i] * max(0.0, 1 - bound / norm)
    shrink(members, config, step)
    for member, values in zip(members, expected, strict=True):
        found = member.weight.detach().numpy()
        np.testing.assert_allclose(found, values, rtol=1e-10, atol=1e-12)
        assert ((found == 0) == (values == 0)).all()


def test_zero_channels_have_a_finite_gradient_of_zero() -> None:
    one, two = torch.zeros(2, 3), torch.zeros(3, 2)
    one[1], two[:, 1] = 2.0, 1.0
    members = [
        Member("one", one.requires_grad_(), 0, torch.tensor([0, 1])),
        Member("two", two.requires_grad_(), 1, torch.tensor([0, 1])),
    ]
    add_gradient(members, GroupPenalty(1.0))
    assert not one.grad[0].any()
    assert not two.grad[:, 0].any()
    assert one.grad[1].all()
    slopes = torch.autograd.grad(penalty(members, GroupPenalty(1.0)), [one, two])
    torch.testing.assert_close(slopes[0], one.grad)
    torch.testing.assert_close(slopes[1], two.grad)


class Residual(nn.Module):
    """Two convolutions that make the same channels, and one of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.inner = nn.Conv2d(8, 6, 3, padding=1)
        self.outer = nn.Conv2d(6, 8, 1)
        self.head = nn.Linear(8, 4)
        generator = torch.Generator().manual_seed(4)
        with torch.no_grad():
            for weight in self.parameters():
                weight.uniform_(-1, 1, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = F.relu(x + self.outer(F.relu(self.inner(x))))
        return self.head(x.mean((2, 3)))


def test_both_sides_of_a_residual_sum_vanish_together() -> None:
    network = Residual()
    members = members_of(ChannelGraph(network, [torch.zeros(1, 3, 8, 8)]), network)
    assert [(member.name, member.dimension) for member in members] == [
        ("stem.weight", 0),
        ("inner.weight", 0),
        ("outer.weight", 0),
    ]
    by_name = {member.name: member.channels for member in members}
    assert torch.equal(by_name["stem.weight"], by_name["outer.weight"])
    assert sorted(by_name["stem.weight"].tolist() + by_name["inner.weight"].tolist()) == list(
        range(14)
    )
    stem, outer = (getattr(network, name).weight.detach().numpy() for name in ("stem", "outer"))
    norms = np.sqrt((stem**2).sum((1, 2, 3)) + (outer**2).sum((1, 2, 3)))
    found = coupled_norms(members).detach()[by_name["stem.weight"]].numpy()
    np.testing.assert_allclose(found, norms, rtol=1e-6)
    bound = float(np.median(norms))
    head = network.head.weight.detach().clone()
    shrink(members, GroupPenalty(1.0), bound)
    for name in ("stem", "outer"):
        alive = getattr(network, name).weight.flatten(1).any(1).numpy()
        assert (alive == (norms > bound)).all()
    assert torch.equal(network.head.weight, head)


def test_an_index_map_follows_what_is_cut() -> None:
    (member,) = drawn([(4, 3)], 2)
    kept = torch.tensor([2, 0])
    dimension = member.dimension
    weight = member.weight.detach().index_select(dimension, kept)
    followed = member.follow(weight, kept)
    assert followed.channels.tolist() == [member.channels.tolist()[i] for i in (2, 0)]
    assert followed.weight is weight


def test_half_precision_sums_in_float32() -> None:
    weight = torch.full((2, 100), 300.0, dtype=torch.float16)
    norms = coupled_norms([Member("w", weight, 0, torch.tensor([0, 1]))])
    assert norms.tolist() == [3000.0, 3000.0]


def test_bad_use_is_named() -> None:
    weight = torch.zeros(3, 4)
    maps = torch.zeros(3, dtype=torch.int64)
    with pytest.raises(ModelError, match=r"int64 of shape \[4\], not int64 of \[3\]"):
        Member("w", weight, 1, maps)
    with pytest.raises(ModelError, match=r"int64 of shape \[3\], not float32 of \[3\]"):
        Member("w", weight, 0, maps.float())
    with pytest.raises(ModelError, match="there is no dimension 2"):
        Member("w", weight, 2, maps)
    member = Member("w", weight, 0, maps)
    with pytest.raises(ModelError, match="no coupled groups were given"):
        coupled_norms([])
    with pytest.raises(ModelError, match="in two coupled groups"):
        shrink([member, member], GroupPenalty(), 0.1)
    with pytest.raises(RecipeError, match="a step must be at least 0, not -1"):
        shrink([member], GroupPenalty(), -1)
    with pytest.raises(RecipeError, match="'mean' is plain l1"):
        add_gradient([member], GroupPenalty(1.0, "mean"))
