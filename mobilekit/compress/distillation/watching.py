"""The features of student and teacher while both run: which layers, through which adapters, how far apart."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mobilekit.compress.distillation import features as losses
from mobilekit.compress.distillation.adapters import adapter
from mobilekit.compress.distillation.boundaries import (
    before_activations,
    boundaries,
    check_before,
)
from mobilekit.compress.distillation.capture import captured, feature_shapes
from mobilekit.compress.distillation.pairs import Shapes, pairs
from mobilekit.core.errors import ModelError

FeatureLoss = Literal[
    "none", "attention_transfer", "fitnet", "activation_boundary", "similarity_preserving"
]
SAME_WIDTH = ("fitnet", "activation_boundary")
"""Losses that compare channel by channel, and so need adapters."""


class Watched:
    """Layers of two networks that are compared whenever both have run; `close` takes the hooks away.

    Args:
        loss: any but `none`.
        student: that trains.
        teacher: whose layers' names count, without what is wrapped around it.
        inputs: examples of the positional inputs of both.
        patterns: student's pattern of names to the teacher's; by resolution without.

    Raises:
        RecipeError: patterns that do not fit, or that name what an activation made where that is not meant.
        NoEffectError: no resolution in common.
        ModelError: a network that does not run, or features that do not fit.
    """

    def __init__(
        self,
        loss: FeatureLoss,
        student: nn.Module,
        teacher: nn.Module,
        inputs: Sequence[Tensor],
        patterns: Mapping[str, str] | None = None,
    ) -> None:
        self._loss = loss
        mine, its = feature_shapes(student, inputs), feature_shapes(teacher, inputs)
        if not its:
            raise ModelError(
                "distill: the teacher's layers cannot be told apart (an exported program has none); leave"
                " features out, or give it as path/to/file.py:factory"
            )
        if loss == "activation_boundary":
            self.pairs = _before(student, teacher, inputs, (mine, its), patterns)
        else:
            self.pairs = pairs(mine, its, patterns)
        same = loss not in SAME_WIDTH
        self.adapters = nn.ModuleList(
            nn.Identity() if same else adapter(mine[one], its[two]) for one, two in self.pairs
        )
        like = next((each for each in student.parameters() if each.is_floating_point()), None)
        if like is not None:
            self.adapters.to(like.device, like.dtype)
        self._open = contextlib.ExitStack()
        self._mine = self._open.enter_context(captured(student, {one for one, _ in self.pairs}))
        self._its = self._open.enter_context(captured(teacher, {two for _, two in self.pairs}))

    def distance(self) -> Tensor:
        """Return the mean loss over the pairs, of what each network made last; shape `[]`."""
        loss: Callable[..., Tensor] = getattr(losses, self._loss)
        terms = []
        for (one, two), made in zip(self.pairs, self.adapters, strict=True):
            options: dict[str, Any] = {"adapter": made} if self._loss in SAME_WIDTH else {}
            if self._loss == "activation_boundary":
                options["capped"] = True  # a student that equals its teacher has nothing to learn
            terms.append(loss(self._mine[one], self._its[two], **options))
        return torch.stack(terms).mean()

    def close(self) -> None:
        """Take away the hooks."""
        self._open.close()


def _before(
    student: nn.Module,
    teacher: nn.Module,
    inputs: Sequence[Tensor],
    shapes: tuple[Shapes, Shapes],
    patterns: Mapping[str, str] | None,
) -> tuple[tuple[str, str], ...]:
    """Pair layers whose outputs no activation has cut off yet."""
    mine, its = boundaries(student, inputs), boundaries(teacher, inputs)
    if patterns is None:
        return pairs(
            before_activations("student", shapes[0], mine),
            before_activations("teacher", shapes[1], its),
        )
    found = pairs(shapes[0], shapes[1], patterns)
    check_before("student", [one for one, _ in found], mine, shapes[0])
    check_before("teacher", [two for _, two in found], its, shapes[1])
    return found
