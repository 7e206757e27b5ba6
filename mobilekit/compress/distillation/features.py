"""How far a student's inner features are from its teacher's.

What it does:
    Each loss takes the outputs of a pair of layers, `[N, C, H, W]` or, but for `attention_transfer`,
    `[N, C]`, and returns a number that is at least 0. A teacher's map of another height and width is
    resized to the student's (`resizing`). Everything is computed in float32 at least, and no gradient
    goes to the teacher. Numbers of channels may differ for `attention_transfer` and
    `similarity_preserving`; for `fitnet` and `activation_boundary` an adapter, which trains with the
    student, makes the teacher's number out of the student's (`adapters`).

When to use it:
    Beside a logit loss, for a student that is much smaller or starts from nothing. `attention_transfer`
    asks least of the student, `fitnet` most.

When not:
    When the two networks have little in common: the features of a pair must mean the same.

Source:
    `attention_transfer`: Zagoruyko and Komodakis 2017, equation 2, its norm squared (as in their code;
    the norm itself has no gradient where student and teacher agree). `fitnet`: Romero et al. 2015,
    equation 3, as a mean over elements and without ½. `activation_boundary`: Heo et al. 2019, section 3,
    the differentiable loss with a margin, as a mean over elements. `similarity_preserving`: Tung and
    Mori 2019, equations 1 to 4.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from mobilekit.compress.distillation.resizing import resized
from mobilekit.core.errors import ModelError, RecipeError

Adapter = Callable[[Tensor], Tensor]


def attention_transfer(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the squared distance of the attention maps Q / ‖Q‖₂, Q = Σ_c A_c².

    Args:
        student: features, `[N, C, H, W]`, more than one pixel.
        teacher: features, `[N, C', H', W']`; its map, not its features, is resized.

    Returns:
        Sum over pixels, mean over examples: 0 to 2, whatever the resolution; shape `[]`.

    Raises:
        ModelError: shapes that do not fit, or maps of one pixel, which are always equal.

    >>> left = torch.tensor([[[[1.0, 0.0]], [[1.0, 0.0]]]])  # two channels that look to the left
    >>> attention_transfer(left, left[:, :1]).item(), attention_transfer(left, left.flip(3)).item()
    (0.0, 2.0)
    """
    mine, other = _alike(student, teacher)
    if mine.ndim != 4 or mine.shape[2] * mine.shape[3] == 1:
        raise ModelError(
            f"attention_transfer: features must be [N, C, H, W] of more than one pixel, not {list(mine.shape)}"
        )
    maps = [features.square().sum(1, keepdim=True) for features in (mine, other)]
    maps[1] = resized(maps[1], mine.shape[2:])
    one, two = (functional.normalize(each.flatten(1), dim=1) for each in maps)
    return (one - two).square().sum(1).mean()


def fitnet(student: Tensor, teacher: Tensor, adapter: Adapter | None = None) -> Tensor:
    """Return the mean squared difference of the features.

    Args:
        student: features, `[N, C, H, W]` or `[N, C]`.
        teacher: features, `[N, C', H', W']` or `[N, C']`.
        adapter: makes C' channels of the student's C (`adapters.adapter`); not needed where C = C'.

    Returns:
        Mean over elements, shape `[]`.

    Raises:
        ModelError: shapes that do not fit.
    """
    return functional.mse_loss(*_equal("fitnet", student, teacher, adapter))


def activation_boundary(
    student: Tensor,
    teacher: Tensor,
    margin: float = 1.0,
    adapter: Adapter | None = None,
    *,
    capped: bool = False,
) -> Tensor:
    """Return how far the student is from being as active as the teacher, by a margin.

    An element where the teacher is above 0 costs max(0, μ − s)², any other max(0, μ + s)². It is 0 when
    each s is at least μ on the teacher's side; so a student equal to its teacher costs nothing where
    |t| ≥ μ, with μ = 0, or when capped. Its gradient is continuous.

    Args:
        student: features *before* their activation, `[N, C, H, W]` or `[N, C]`.
        teacher: features before their activation, `[N, C', H', W']` or `[N, C']`.
        margin: μ, at least 0, in units of the features.
        adapter: makes C' channels of the student's C (`adapters.adapter`); not needed where C = C'.
        capped: ask of no element more than the teacher's own |t|: min(μ, |t|) in the place of μ.

    Returns:
        Mean over elements, shape `[]`.

    Raises:
        ModelError: shapes that do not fit.
        RecipeError: a margin below 0.

    >>> teacher = torch.tensor([[2.0, -2.0]])
    >>> activation_boundary(teacher, teacher).item(), activation_boundary(-teacher, teacher).item()
    (0.0, 9.0)
    """
    if not (margin >= 0 and math.isfinite(margin)):
        raise RecipeError(f"activation_boundary: margin must be at least 0, not {margin}")
    mine, other = _equal("activation_boundary", student, teacher, adapter)
    asked = other.abs().clamp_max(margin) if capped else margin
    return functional.relu(asked - torch.where(other > 0, mine, -mine)).square().mean()


def similarity_preserving(student: Tensor, teacher: Tensor) -> Tensor:
    """Return how differently student and teacher see which examples of a batch are alike.

    G = A · Aᵀ over the batch, rows scaled to ‖·‖₂ = 1; the loss is ‖G_student − G_teacher‖²_F / N². A
    batch of one example costs nothing.

    Args:
        student: features, `[N, …]`; channels, height and width are its own.
        teacher: features, `[N, …]`.

    Returns:
        Shape `[]`, 0 to 4 / N.

    Raises:
        ModelError: batches that differ.
    """
    if not student.ndim or not teacher.ndim or len(student) != len(teacher):
        raise ModelError(
            "similarity_preserving: features of student and teacher have the same N, not "
            f"{list(student.shape)} and {list(teacher.shape)}"
        )
    one, two = (_similarities(features) for features in _wide(student, teacher))
    return (one - two).square().mean()


def _similarities(features: Tensor) -> Tensor:
    """Return the rows of A · Aᵀ, each of norm 1, `[N, N]`."""
    rows = features.reshape(len(features), -1)
    return functional.normalize(rows @ rows.T, dim=1)


def _equal(
    loss: str, student: Tensor, teacher: Tensor, adapter: Adapter | None
) -> tuple[Tensor, Tensor]:
    """Return both in one shape, the student's through its adapter."""
    if adapter is not None:
        student = adapter(student)
    mine, other = _alike(student, teacher)
    if mine.shape[1] != other.shape[1]:
        raise ModelError(
            f"{loss}: the student's layer has {mine.shape[1]} channels, the teacher's {other.shape[1]}; "
            "give an adapter"
        )
    return mine, resized(other, mine.shape[2:]) if mine.ndim == 4 else other


def _alike(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Return both in one type, the teacher without its graph."""
    if student.ndim not in {2, 4} or student.ndim != teacher.ndim or len(student) != len(teacher):
        raise ModelError(
            "distillation: features of student and teacher are both [N, C, H, W] or both [N, C] with the "
            f"same N, not {list(student.shape)} and {list(teacher.shape)}"
        )
    return _wide(student, teacher)


def _wide(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    wide = torch.promote_types(student.dtype, torch.float32)
    return student.to(wide), teacher.detach().to(wide)
