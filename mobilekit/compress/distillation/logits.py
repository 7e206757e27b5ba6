"""How far a student's logits are from its teacher's.

What it does:
    Each loss takes logits of the student and of the teacher, `[N, C]` (classification) or `[N, C, H, W]`
    (segmentation: each pixel counts as an example), and returns a number, the mean over examples, at
    least 0 and 0 when the two agree. A teacher's map of another height and width is resized to the
    student's (`resizing`), logits before softmax. Everything is computed in float32 at least, and no
    gradient goes to the teacher. A single logit, C = 1, is that of a sigmoid: it counts as the two
    logits [0, z], whose softmax is the same.

When to use it:
    With a teacher whose classes are the student's, in the same order. `soft_target` first; `decoupled`
    where a confident teacher hides what it knows of the other classes.

When not:
    For outputs that are not logits (boxes, depth); `logits_mse` fits those with bounded values.

Source:
    `soft_target`: Hinton et al. 2015, section 2, softmax of equation 1 (equation 2.3 of Hubens' thesis).
    `logits_mse`: Ba and Caruana 2014, equation 1, as a mean over logits and without ½.
    `mutual`: Zhang et al. 2018, section 3.1. `decoupled`: Zhao et al. 2022, equation 7.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from mobilekit.compress.distillation.resizing import resized
from mobilekit.core.errors import ModelError, RecipeError

IGNORED = -100
"""A label that says: this example does not count (PyTorch's own for cross-entropy)."""


def soft_target(student: Tensor, teacher: Tensor, temperature: float = 4.0) -> Tensor:
    """Return T² · KL(softmax(teacher / T) ‖ softmax(student / T)).

    Args:
        student: logits, `[N, C]` or `[N, C, H, W]`.
        teacher: logits, `[N, C]` or `[N, C, H', W']`.
        temperature: T, above 0; T² keeps the gradient's size when T changes.

    Returns:
        Mean over examples, in nats, shape `[]`.

    Raises:
        ModelError: shapes that do not fit.
        RecipeError: a temperature that is not above 0.

    >>> soft_target(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 3.0]])).item()  # same softmax
    0.0
    """
    _check_temperature(temperature)
    mine, other = _examples(student, teacher)
    divergence = _divergence(
        (mine / temperature).log_softmax(1), (other / temperature).log_softmax(1)
    )
    return temperature**2 * divergence.mean()


def mutual(student: Tensor, peer: Tensor) -> Tensor:
    """Return KL(softmax(peer) ‖ softmax(student)) for two networks that train together.

    Each is once the student; for the other's step the roles change. It is `soft_target` at T = 1.

    Args:
        student: logits, `[N, C]` or `[N, C, H, W]`.
        peer: logits of the other network, `[N, C]` or `[N, C, H', W']`; no gradient goes there.

    Returns:
        Mean over examples, in nats, shape `[]`.

    Raises:
        ModelError: shapes that do not fit.
    """
    return soft_target(student, peer, temperature=1.0)


def logits_mse(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean squared difference of the logits themselves.

    Args:
        student: logits, `[N, C]` or `[N, C, H, W]`.
        teacher: logits, `[N, C]` or `[N, C, H', W']`.

    Returns:
        Mean over examples and classes, shape `[]`.

    Raises:
        ModelError: shapes that do not fit.

    >>> logits_mse(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 4.0]])).item()
    2.0
    """
    mine, other = _alike(student, teacher)
    return functional.mse_loss(mine, other)


def decoupled(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    alpha: float = 1.0,
    beta: float = 8.0,
    temperature: float = 4.0,
) -> Tensor:
    """Return T² · (α · TCKD + β · NCKD), where KL = TCKD + (1 − p) · NCKD, p the teacher's of the label.

    TCKD is the divergence of the two-way distributions [label, all others], NCKD that of the
    distributions over the other classes alone. With two classes NCKD is 0.

    Args:
        student: logits, `[N, C]` or `[N, C, H, W]`.
        teacher: logits, `[N, C]` or `[N, C, H', W']`.
        labels: int64, `[N]` or `[N, H, W]`, 0 to C − 1; for C = 1 it is 0 or 1. -100 does not count.
        alpha: weight of the label's part, at least 0.
        beta: weight of the other classes' part, at least 0.
        temperature: T, above 0.

    Returns:
        Mean over examples that count, in nats, shape `[]`; 0 where none does.

    Raises:
        ModelError: shapes that do not fit.
        RecipeError: an option out of range.
    """
    _check_temperature(temperature)
    if not (alpha >= 0 and beta >= 0 and math.isfinite(alpha + beta)):
        raise RecipeError(f"decoupled: alpha and beta must be at least 0, not {alpha} and {beta}")
    if labels.shape != (len(student), *student.shape[2:]):
        raise ModelError(
            f"decoupled: labels for logits {list(student.shape)} have shape "
            f"{[len(student), *student.shape[2:]]}, not {list(labels.shape)}"
        )
    mine, other = _examples(student, teacher)
    flat = labels.reshape(-1)
    counts = flat != IGNORED
    flat = flat.where(counts, 0).unsqueeze(1)
    (label, rest), (label_other, rest_other) = (
        _parts(logits / temperature, flat) for logits in (mine, other)
    )
    losses = alpha * _divergence(label, label_other) + beta * _divergence(rest, rest_other)
    return temperature**2 * losses.where(counts, 0).sum() / counts.sum().clamp_min(1)


def _parts(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return log p of [label, others], `[M, 2]`, and of the others among themselves, `[M, C - 1]`."""
    places = torch.arange(logits.shape[1] - 1, device=logits.device)
    others = logits.gather(1, places + (places >= labels))
    both = torch.cat([logits.gather(1, labels), others.logsumexp(1, keepdim=True)], 1)
    return both.log_softmax(1), others.log_softmax(1)


def _divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """Return KL(teacher ‖ student) of log-probabilities `[M, C]`, per example, `[M]`."""
    return functional.kl_div(student, teacher, reduction="none", log_target=True).sum(1)


def _examples(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Return both as one row of at least two logits per example, `[M, C]`."""
    mine, other = (
        logits.movedim(1, -1).reshape(-1, logits.shape[1]) for logits in _alike(student, teacher)
    )
    if mine.shape[1] == 1:
        mine, other = (functional.pad(logits, (1, 0)) for logits in (mine, other))
    return mine, other


def _alike(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Return both in one type and size, the teacher without its graph."""
    fits = student.ndim == teacher.ndim and student.shape[:2] == teacher.shape[:2]
    if student.ndim not in {2, 4} or not fits:
        raise ModelError(
            "distillation: logits of student and teacher are both [N, C] or both [N, C, H, W] with the "
            f"same N and C, not {list(student.shape)} and {list(teacher.shape)}"
        )
    wide = torch.promote_types(student.dtype, torch.float32)
    teacher = teacher.detach().to(wide)
    if student.ndim == 4:
        teacher = resized(teacher, student.shape[2:])
    return student.to(wide), teacher


def _check_temperature(temperature: float) -> None:
    if not (temperature > 0 and math.isfinite(temperature)):
        raise RecipeError(f"distillation: temperature must be above 0, not {temperature}")
