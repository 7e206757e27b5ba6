"""What goes at a sparsity: the groups of weights that a criterion finds least important, and no others.

Pruned groups stay pruned while the sparsity grows, whatever the criterion says of zeros; where it falls
again (dense-sparse-dense) weights come back from zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from mobilekit.compress.sparsity.clustering import Clusters
from mobilekit.compress.sparsity.comparisons import Comparison
from mobilekit.compress.sparsity.criteria import Criterion
from mobilekit.compress.sparsity.grouped import Grouped
from mobilekit.compress.sparsity.masks import zero, zero_state
from mobilekit.compress.sparsity.roles import Scale
from mobilekit.compress.sparsity.selection import Piece, count_of, lowest_of_all
from mobilekit.core.errors import ModelError
from mobilekit.core.seeding import child_seed

PIECE = 1 << 20
"""Weights of which scores are computed at once."""


@dataclass(eq=False)
class Sparsifier:
    """The dead groups of a network, and what finds more of them."""

    groups: Sequence[Grouped]
    comparisons: Sequence[Comparison]
    criterion: Criterion
    seed: int = 0
    least: int = 1
    """Groups of each layer that stay, the most important; none is protected where single weights go."""
    scales: Mapping[str, Scale] = field(default_factory=dict)
    """Of the batch norm behind the filters, by the name of their weight, for `batch_norm_scale`."""
    clusters: Clusters | None = None
    dead: list[Tensor] = field(init=False)
    """Whether each group is zero, bool, shape `[count]` per entry of `groups`."""
    _reference: dict[int, Tensor] = field(init=False, default_factory=dict)
    _dtype: torch.dtype = field(init=False)
    """Of all scores: that of the widest weight, at least float32."""

    def __post_init__(self) -> None:
        dtypes = (group.weight.dtype for group in self.groups)
        self._dtype = reduce(torch.promote_types, dtypes, torch.float32)
        self.dead = [
            torch.zeros(group.count, dtype=torch.bool, device=group.weight.device)
            for group in self.groups
        ]
        if self.criterion.needs == "reference":
            self._remember()

    @property
    def sparsity(self) -> float:
        """Share of the weights that are in dead groups, 0–1."""
        total = sum(group.count * group.size for group in self.groups)
        gone = sum(
            int(dead.count_nonzero()) * group.size
            for group, dead in zip(self.groups, self.dead, strict=True)
        )
        return gone / total

    @property
    def count(self) -> tuple[int, int]:
        """How many groups are dead, and how many there are."""
        return sum(int(dead.count_nonzero()) for dead in self.dead), sum(
            one.count for one in self.groups
        )

    @property
    def most(self) -> int:
        """How many groups are dead in the end, the ones that must stay aside."""
        return self.counted(1.0)

    def counted(self, share: float, least: int | None = None) -> int:
        """Return how many groups are dead at a share of the final sparsity.

        Args:
            share: of each comparison's sparsity, 0–1.
            least: groups of each layer that stay; those that do by default.
        """
        return sum(
            self._count(comparison, share * comparison.sparsity, least)
            for comparison in self.comparisons
        )

    @torch.no_grad()
    def update(self, share: float) -> bool:
        """Choose what is dead at a share of the final sparsity, and zero it.

        Args:
            share: of each comparison's sparsity, 0–1.

        Returns:
            Whether anything changed.

        Raises:
            ModelError: a weight or gradient that is no number, or no gradient where one is needed.
        """
        self.settle()
        changed = False
        for comparison in self.comparisons:
            changed |= self._compare(comparison, share * comparison.sparsity)
        if changed:
            self.apply()
            if self.criterion.updating:
                self._remember()
        return changed

    @torch.no_grad()
    def apply(self, optimizer: Optimizer | None = None) -> None:
        """Zero the dead groups, and what the optimizer remembers of them."""
        self.settle()
        for group, dead in zip(self.groups, self.dead, strict=True):
            zero(group, dead)
            if optimizer is not None:
                zero_state(group, dead, optimizer)

    def settle(self) -> None:
        """Move masks and references to where the weights are: a trainer moves the network late."""
        for i, group in enumerate(self.groups):
            self.dead[i] = self.dead[i].to(group.weight.device)
            if i in self._reference:
                self._reference[i] = self._reference[i].to(group.weight.device)

    def state_dict(self) -> dict[str, Any]:
        """Return tensors by name: masks, and the reference of the criterion where it has one."""
        state = {f"dead.{i}": dead.clone() for i, dead in enumerate(self.dead)}
        state |= {f"reference.{i}": kept.clone() for i, kept in self._reference.items()}
        return state | ({} if self.clusters is None else self.clusters.state_dict())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take what `state_dict` gave.

        Raises:
            ModelError: it is of other groups.
        """
        mine = {f"dead.{i}": dead for i, dead in enumerate(self.dead)}
        mine |= {f"reference.{i}": reference for i, reference in self._reference.items()}
        for name, tensor in mine.items():
            kept = state.get(name)
            if not isinstance(kept, Tensor) or kept.shape != tensor.shape:
                raise ModelError("the masks in the checkpoint are of another network or recipe")
        for name, tensor in mine.items():
            tensor.copy_(state[name])
        if self.clusters is not None:
            self.clusters.load_state_dict(state)

    def _remember(self) -> None:
        for i, group in enumerate(self.groups):
            kept = self._reference.get(i)
            if kept is None:
                self._reference[i] = group.weight.detach().clone()
            else:
                kept.copy_(group.weight.detach())

    def _compare(self, comparison: Comparison, sparsity: float) -> bool:
        before = [self.dead[i] for i in comparison.members]
        count = self._count(comparison, sparsity)
        if count == sum(int(dead.count_nonzero()) for dead in before):
            return False
        if self.groups[comparison.members[0]].within is not None:
            now = [self._within_blocks(i, sparsity) for i in comparison.members]
        else:
            now = self._lowest(comparison, count)
        changed = False
        for i, old, new in zip(comparison.members, before, now, strict=True):
            changed |= not torch.equal(old, new)
            self.dead[i] = new
        return changed

    def _count(self, comparison: Comparison, sparsity: float, least: int | None = None) -> int:
        """Return how many groups go at a sparsity."""
        members = [self.groups[i] for i in comparison.members]
        if members[0].within is not None:
            return sum(
                one.count
                // one.view().shape[one.within]
                * count_of(sparsity, one.view().shape[one.within])
                for one in members
                if one.within is not None
            )
        total = sum(one.count for one in members)
        least = self.least if least is None else least
        stay = sum(min(least, one.count) for one in members if one.dims)
        return min(count_of(sparsity, total), total - stay)

    def _lowest(self, comparison: Comparison, count: int) -> list[Tensor]:
        pieces: list[Piece] = []
        marks = [torch.empty_like(self.dead[i]) for i in comparison.members]
        for i, weight, room in zip(comparison.members, comparison.weights, marks, strict=True):
            first = 0
            for piece in self._pieces(i, weight):
                pieces.append(replace(piece, mark=room[first : first + piece.size]))
                first += piece.size
        try:
            lowest_of_all(pieces, count)
        except ModelError as problem:
            raise ModelError(f"{self._undefined(comparison)}: {problem}") from problem
        return marks

    def _undefined(self, comparison: Comparison) -> str:
        """Name the layers of which some score is not a number."""
        found = []
        for i, weight in zip(comparison.members, comparison.weights, strict=True):
            scores = [piece.scores(slice(None)) for piece in self._pieces(i, weight)]
            if any(bool(each.isnan().any()) for each in scores):
                found.append(self.groups[i].layer or self.groups[i].name)
        return ", ".join(found)

    def _pieces(self, i: int, weight: float) -> list[Piece]:
        """Return the scores of a layer's groups, those that are dead lowest, shape `[count]` together."""
        group = self.groups[i]
        if group.dims:
            return [Piece.of(self._ranked(i, weight))]
        values, other = self._flat(group, group.weight), self._other(i)
        return [
            self._weights(values[part], other[part], self.dead[i][part], weight)
            for first in range(0, group.count, PIECE)
            for part in [slice(first, first + PIECE)]
        ]

    def _ranked(self, i: int, weight: float) -> Tensor:
        """Return the scores of a layer's groups, the dead lowest, those that must stay highest."""
        group, dead = self.groups[i], self.dead[i]
        scores = self._scores(i)
        self._check(group, scores)
        scores = scores.masked_fill(dead, -torch.inf)
        if self.clusters is not None:
            scores = self.clusters.apart(group, scores)
        scores = _weighted(scores, weight).to(self._dtype).masked_fill(dead, -torch.inf)
        stay = min(self.least, group.count)
        scores[scores.argsort(descending=True, stable=True)[:stay]] = torch.inf
        return scores

    def _weights(self, values: Tensor, other: Tensor, dead: Tensor, weight: float) -> Piece:
        """Return the scores of some weights, each a group."""
        any_dead = bool(dead.any())

        def scores(of: slice) -> Tensor:
            found = self.criterion.formula(values[of].to(self._dtype), other[of].to(self._dtype))
            found = _weighted(found, weight)
            return found.masked_fill(dead[of], -torch.inf) if any_dead else found

        return Piece(len(values), scores)

    def _flat(self, group: Grouped, tensor: Tensor) -> Tensor:
        return group.view(tensor.detach()).reshape(-1)

    def _other(self, i: int) -> Tensor:
        """Return what the criterion compares single weights with, shape `[weights]`."""
        group, needs = self.groups[i], self.criterion.needs
        if needs == "reference":
            return self._flat(group, self._reference[i])
        if needs == "gradient":
            return self._flat(group, self._gradient(group))
        if needs == "generator":
            return self._random(group)
        return self._flat(group, group.weight)

    def _random(self, group: Grouped) -> Tensor:
        """Return a number per group, the same ones at each call, shape `[count]`."""
        device = group.weight.device
        generator = torch.Generator(device).manual_seed(child_seed(self.seed, group.name))
        return torch.rand(group.count, generator=generator, device=device)

    def _gradient(self, group: Grouped) -> Tensor:
        if group.weight.grad is None:
            raise ModelError(
                f"{group.layer or group.name}: {self.criterion.name} needs gradients, and there are none;"
                " prune after a backward, before zero_grad"
            )
        return group.weight.grad

    def _scores(self, i: int) -> Tensor:
        """Return the mean of the criterion over each group, shape `[count]`."""
        group, needs = self.groups[i], self.criterion.needs
        if needs == "generator":
            return self._random(group).to(self._dtype)
        if needs == "scale":
            return self.scale(group).to(self._dtype)
        weight = group.view().detach().to(self._dtype)
        if self.criterion.by_filter:
            return self.criterion.formula(group.rows(weight), weight)
        other = weight
        if needs == "reference":
            other = group.view(self._reference[i]).to(self._dtype)
        elif needs == "gradient":
            other = group.view(self._gradient(group)).detach().to(self._dtype)
        return group.mean(self.criterion.formula(weight, other))

    def scale(self, group: Grouped) -> Tensor:
        """Return the size of the batch-norm scale behind each filter, shape `[count]`.

        Raises:
            ModelError: there is no batch norm behind the layer.
        """
        if group.name not in self.scales:
            raise ModelError(
                f"{group.layer or group.name}: batch_norm_scale needs a batch norm behind it, and there is none;"
                " leave the layer out, or take another criterion"
            )
        return self.scales[group.name].sizes()

    def _check(self, group: Grouped, scores: Tensor) -> None:
        if bool(scores.isnan().any()):
            raise ModelError(
                f"{group.layer or group.name}: the scores of its weights are not all numbers: a weight or a"
                " gradient is NaN"
            )

    def _within_blocks(self, i: int, sparsity: float) -> Tensor:
        """Mark the lowest of each block, of equal ones the later, shape `[count]`."""
        group = self.groups[i]
        assert group.within is not None  # noqa: S101
        view = group.view().detach()
        values, other = self._flat(group, group.weight), self._other(i)
        scores = self.criterion.formula(values.to(self._dtype), other.to(self._dtype))
        self._check(group, scores)
        scores = scores.masked_fill(self.dead[i], -torch.inf).view(view.shape)
        size = view.shape[group.within]
        order = scores.flip(group.within).argsort(dim=group.within, stable=True)
        lowest = order.narrow(group.within, 0, count_of(sparsity, size))
        mark = torch.zeros(view.shape, dtype=torch.bool, device=view.device)
        return mark.scatter_(group.within, size - 1 - lowest, value=True).reshape(-1)


def _weighted(scores: Tensor, weight: float) -> Tensor:
    """Lower what costs more; a score below zero is lowered by a greater factor."""
    if weight == 1:
        return scores
    return torch.where(scores < 0, scores / weight, scores * weight)
