"""How large the groups of a network are: l1 over groups of the l2 norm inside.

What it does:
    For groups g of any granularity, λ · Σ_g ‖W_g‖₂ (group lasso). The gradient of a group is
    λ · W_g / ‖W_g‖₂, 0 for a group of zeros, and is added in closed form; or instead of it, after the
    optimizer's step, the proximal step W_g · max(0, 1 − τ/‖W_g‖₂) with τ = learning rate · λ, which
    alone makes whole groups exactly zero. `weighted` multiplies ‖W_g‖₂ by √p for groups of p weights,
    so that layers with large groups are not let off; `mean` is λ · Σ_g mean |w|: plain l1, divided by p,
    which makes single weights small and no group in particular.

When to use it:
    To make filters, kernels, rows or heads vanish while a network trains, without a schedule.

When not:
    When the sparsity is given beforehand: λ only steers it. Gradient and proximal step together count
    twice.

Source:
    Yuan and Lin 2006, section 2 (group lasso; its factor √p is `weighted`); Parikh and Boyd 2014,
    section 6.5.1 (the proximal step of a norm). `mean` is equation 4.1 of Hubens' thesis.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from mobilekit.compress.sparsity.grouped import Grouped
from mobilekit.core.errors import ModelError, RecipeError

Form = Literal["norm", "weighted", "mean"]


@dataclass(frozen=True)
class GroupPenalty:
    """What is minimised, beside the loss of the task."""

    strength: float = 1e-4
    """λ, at least 0."""
    form: Form = "norm"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.strength) and self.strength >= 0):
            raise RecipeError(
                f"group penalty: strength must be finite and at least 0, not {self.strength}"
            )

    def factor(self, size: int) -> float:
        """Return what multiplies the norm of a group of `size` weights, or their sum of |w| (`mean`)."""
        return (
            self.strength * {"norm": 1.0, "weighted": math.sqrt(size), "mean": 1 / size}[self.form]
        )


def group_norms(group: Grouped) -> Tensor:
    """Return the l2 norm of each group, at least float32; the dimensions of a group have size 1.

    >>> rows = Grouped("weight", torch.tensor([[3.0, 4.0], [0.0, 0.0]]), dims=(1,))
    >>> group_norms(rows)
    tensor([[5.],
            [0.]])
    """
    view = group.view()
    wide = torch.promote_types(view.dtype, torch.float32)
    if not group.dims:  # PyTorch would take none for all
        return view.to(wide).abs()
    norms: Tensor = torch.linalg.vector_norm(view, 2, group.dims, keepdim=True, dtype=wide)
    return norms


def penalty(groups: Sequence[Grouped], config: GroupPenalty) -> Tensor:
    """Return the term with its graph, shape `[]`, for a loss that autograd goes through.

    `add_gradient` gives the same gradient for a fraction of the time.
    """
    _check(groups)
    terms = []
    for group in groups:
        size = _sizes(group, config)
        terms.append(config.factor(group.size) * size.sum())
    return torch.stack(terms).sum()


@torch.no_grad()
def add_gradient(groups: Sequence[Grouped], config: GroupPenalty, scale: float = 1.0) -> Tensor:
    """Add the term's gradient to the weights' `.grad`: once per optimizer step, after backward.

    Args:
        groups: of any granularity; a weight without a gradient gets one.
        config: what is minimised.
        scale: that of the loss, where gradients have not been unscaled yet (mixed precision).

    Returns:
        The term's value, λ included and unscaled, shape `[]`.
    """
    _check(groups)
    terms = []
    for group in groups:
        if group.weight.grad is None:
            group.weight.grad = torch.zeros_like(group.weight)
        view, gradient = group.view(), group.view(group.weight.grad)
        factor = config.factor(group.size)
        sizes = _sizes(group, config)
        if config.form == "mean" or group.size == 1:
            gradient.add_(view.sign(), alpha=factor * scale)
        else:
            inverse = torch.where(sizes > 0, factor * scale / sizes, 0)
            if inverse.dtype == view.dtype:
                gradient.addcmul_(view, inverse)
            else:  # 1 / norm is out of the range of half precision before W / norm is
                gradient.add_((view * inverse).to(view.dtype))
        terms.append(factor * sizes.sum())
    return torch.stack(terms).sum()


@torch.no_grad()
def shrink(groups: Sequence[Grouped], config: GroupPenalty, step: float) -> None:
    """Shrink every group towards zero, in place, to exactly zero where it is smaller than the step.

    Args:
        groups: of any granularity, each weight in one group only.
        config: what is minimised.
        step: the learning rate of the optimizer's step before this one, at least 0.

    Raises:
        RecipeError: a step below 0.
        ModelError: a weight in several groups, for which there is no closed form.

    >>> weight = torch.tensor([[3.0, 4.0], [0.3, 0.4]])  # norms 5 and 0.5
    >>> shrink([Grouped("weight", weight, dims=(1,))], GroupPenalty(strength=1.0), step=1.0)
    >>> weight
    tensor([[2.4000, 3.2000],
            [0.0000, 0.0000]])
    """
    _check(groups)
    if not step >= 0:
        raise RecipeError(f"group penalty: a step must be at least 0, not {step}")
    seen: set[int] = set()
    for group in groups:
        if id(group.weight) in seen:
            raise ModelError(
                f"group penalty: {group.name} is in several groups; shrink has no closed form"
            )
        seen.add(id(group.weight))
    for group in groups:
        view, bound = group.view(), step * config.factor(group.size)
        if config.form == "mean":
            view.copy_(torch.sign(view) * (view.abs() - bound).clamp_min_(0))
            continue
        norms = group_norms(group)
        kept = (norms - bound).clamp_min_(0) / norms.clamp_min(torch.finfo(norms.dtype).tiny)
        if kept.dtype == view.dtype:
            view.mul_(kept)
        else:
            view.copy_(view * kept)


def _check(groups: Sequence[Grouped]) -> None:
    if not groups:
        raise ModelError("group penalty: no groups were given")


def _sizes(group: Grouped, config: GroupPenalty) -> Tensor:
    """Return what the term sums: norms, or for `mean` absolute weights."""
    if config.form == "mean":
        view = group.view()
        return view.to(torch.promote_types(view.dtype, torch.float32)).abs()
    return group_norms(group)
