"""How dense the filters of a network are: the ratio of norms l1 / l2 over one value per filter.

What it does:
    Each 3-D filter k of layer l gives one value, the mean of |W| over its weights,
    n = Σ |W| / (N_w · N_h · N_c). The values of all layers make a vector N; the term is
    λ · ‖N‖₁ / ‖N‖₂ (between λ for one filter that lives and λ · √K for K equal ones), over all layers
    together or per layer and then added. Its gradient is known in closed form,
    ∂(‖N‖₁/‖N‖₂)/∂nᵢ = (1 − nᵢ · ‖N‖₁/‖N‖₂²) / ‖N‖₂, and is added where backward left the others:
    filters above ‖N‖₂²/‖N‖₁ grow, those below shrink.

When to use it:
    In training, for a network whose filters shall be removed afterwards, with `zeroing` at the end of
    each epoch; λ 0.5 to 0.7 for two layers, 0.001 to 0.005 for VGG11 are the source's choices.

When not:
    With filters that are scaled back by a norm right behind them (batch norm, instance norm): the scale
    of a single filter is then free, and shrinking costs the network nothing; watch what `zeroing` takes.

Source:
    Berthelier's thesis, section 3.3: equations 3.2 (n), 3.4 (N), 3.5 (ratio), 3.6 (λ). Equation 3.2 as
    printed divides by N_k^l, the number of filters of the layer, and not by the weights of one; this is
    `literal`. The text divides N by its length before 3.5, which a ratio of norms does not feel:
    `vector` and `none` differ for the plain l1 and l2 only. With `numerator` the l1 above is a mean and
    the term falls with K; that alone brings the source's λ for LeNet with normalization (0.5 over 70
    filters) and for VGG11 without (0.005) together, so it may be what was run.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mobilekit.compress.sparsity.grouped import Grouped
from mobilekit.core.errors import ModelError, RecipeError

Form = Literal["ratio", "l1", "l2"]
Scope = Literal["global", "layer"]
Normalization = Literal["none", "vector", "numerator"]


@dataclass(frozen=True)
class KernelSparsity:
    """What is minimised, beside the loss of the task."""

    strength: float = 0.5
    """λ, at least 0."""
    form: Form = "ratio"
    """‖N‖₁ / ‖N‖₂, or with what it is compared: ‖N‖₁ or ‖N‖₂."""
    scope: Scope = "global"
    """One vector N for all layers, or one per layer; then the terms of the layers are added."""
    normalization: Normalization = "vector"
    """By the length of N is divided: nothing, N itself, or only the ‖N‖₁ of the ratio."""
    literal: bool = False
    """Divide Σ |W| by the layer's number of filters, as equation 3.2 is printed."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.strength) and self.strength >= 0):
            raise RecipeError(
                f"kernel sparsity: strength must be finite and at least 0, not {self.strength}"
            )


def values(layers: Sequence[Grouped], *, literal: bool = False) -> dict[str, Tensor]:
    """Return the value n of each filter, per layer, shape `[filters]`, at least float32, ≥ 0.

    Args:
        layers: filters, as `groups_of` finds them.
        literal: divide by the layer's number of filters instead of the weights of one.

    >>> pair = torch.tensor([[[[1.0, -3.0]]], [[[0.0, 0.0]]]])  # two filters of two weights
    >>> values([Grouped("conv.weight", pair, (1, 2, 3))])
    {'conv.weight': tensor([2., 0.])}
    """
    with torch.no_grad():
        found = _values(layers, literal)
    return {layer.name: one for layer, one in zip(layers, found, strict=True)}


def penalty(layers: Sequence[Grouped], term: KernelSparsity) -> Tensor:
    """Return the term with its graph, shape `[]`, for a loss that autograd goes through.

    `add_gradient` gives the same gradient for a fraction of the time.
    """
    _check(layers)
    rows, counts = _rows(_values(layers, term.literal), term)
    return (term.strength * _terms(rows, counts, term)).sum()


@torch.no_grad()
def add_gradient(layers: Sequence[Grouped], term: KernelSparsity, scale: float = 1.0) -> Tensor:
    """Add the term's gradient to the weights' `.grad`: once per optimizer step, after backward.

    A filter of zeros stays where it is, and so does a layer (or network) of zeros only, where the ratio
    is not defined: its gradient is 0 there and its value 0.

    Args:
        layers: filters, as `groups_of` finds them; one without a gradient gets one.
        term: what is minimised.
        scale: that of the loss, where gradients have not been unscaled yet (mixed precision).

    Returns:
        The term's value, λ included and unscaled, shape `[]`.
    """
    _check(layers)
    found = _values(layers, term.literal)
    rows, counts = _rows(found, term)
    slopes = term.strength * scale * _slopes(rows, counts, term)
    if term.scope == "global":
        parts = slopes[0].split([len(one) for one in found])  # type: ignore[no-untyped-call]
    else:
        parts = [row[: len(one)] for row, one in zip(slopes, found, strict=True)]
    for layer, slope in zip(layers, parts, strict=True):
        _add(layer, layer.spread(slope / _divisor(layer, term.literal)))
    return (term.strength * _terms(rows, counts, term)).sum()


def _check(layers: Sequence[Grouped]) -> None:
    if not layers:
        raise ModelError("kernel sparsity: no layers were given")


def _values(layers: Sequence[Grouped], literal: bool) -> list[Tensor]:
    found = []
    for layer in layers:
        view = layer.view()
        wide = torch.promote_types(view.dtype, torch.float32)
        total = view.abs().sum(layer.dims, dtype=wide)
        found.append(total.reshape(-1) / _divisor(layer, literal))
    return found


def _divisor(layer: Grouped, literal: bool) -> int:
    return layer.count if literal else layer.size


def _rows(found: list[Tensor], term: KernelSparsity) -> tuple[Tensor, Tensor]:
    """Return the vectors N, padded with zeros, `[vectors, longest]`, and their lengths, `[vectors, 1]`."""
    if term.scope == "global":
        found = [torch.cat(found)]
    lengths = found[0].new_tensor([len(one) for one in found]).unsqueeze(1)
    return pad_sequence(found, batch_first=True), lengths


def _terms(rows: Tensor, lengths: Tensor, term: KernelSparsity) -> Tensor:
    """Return the term of each vector, without λ, shape `[vectors, 1]`."""
    largest, unit = _unit(rows)
    total, norm = unit.sum(1, keepdim=True), torch.linalg.vector_norm(unit, dim=1, keepdim=True)
    lengths = torch.ones_like(lengths) if term.normalization == "none" else lengths
    if term.form != "ratio":
        return largest * (total if term.form == "l1" else norm) / lengths
    ratio = torch.where(norm > 0, total / torch.where(norm > 0, norm, 1), 0)
    return ratio / lengths if term.normalization == "numerator" else ratio


def _slopes(rows: Tensor, lengths: Tensor, term: KernelSparsity) -> Tensor:
    """Return the derivative of each vector's term by its values, shape `[vectors, longest]`."""
    largest, unit = _unit(rows)
    norm = torch.linalg.vector_norm(unit, dim=1, keepdim=True)
    safe = torch.where(norm > 0, norm, 1)
    lengths = torch.ones_like(lengths) if term.normalization == "none" else lengths
    if term.form == "l1":
        return torch.ones_like(rows) / lengths
    if term.form == "l2":
        return unit / safe / lengths
    direction = unit / safe
    slopes = (1 - direction * direction.sum(1, keepdim=True)) / (safe * largest)
    slopes = torch.where(norm > 0, slopes, 0)
    return slopes / lengths if term.normalization == "numerator" else slopes


def _unit(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Scale vectors so that their greatest value is 1: no square underflows.

    A vector that is too small for a finite gradient of the ratio counts as zero.
    """
    least = torch.finfo(rows.dtype).tiny / torch.finfo(rows.dtype).eps
    largest = rows.detach().amax(1, keepdim=True)
    alive = largest > least
    largest = torch.where(alive, largest, 1)
    return largest, torch.where(alive, rows / largest, 0)


def _add(layer: Grouped, slope: Tensor) -> None:
    """Add slope · sign(W) to a weight's gradient."""
    weight = layer.weight
    slope = slope.to(weight.dtype)
    if weight.grad is None:
        weight.grad = torch.zeros_like(weight)
    layer.view(weight.grad).addcmul_(layer.view().sign(), slope)
