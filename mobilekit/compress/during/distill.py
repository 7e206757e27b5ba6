"""Let the network learn from another one: from its outputs, its features, or both.

What it does:
    Minimises β · (α · L_logits + (1 − α) · L_features) + (1 − β) · L_task. The teacher runs on the same
    inputs, in evaluation mode and without gradients, in fewer bits if asked. Features are compared layer
    by layer, in pairs by name patterns, or at the end of each stage of a resolution that both networks
    have; layers of other widths get an adapter that trains and is thrown away. With `mutual`, the other
    network trains too, and each learns from the other.

When to use it:
    With a better network of the same task: to train a small one, or to win back what compression lost
    (`teacher = "self"`: the network as it was before the first step).

When not:
    For outputs that are no class scores, but for `logits_mse`.

Source:
    Equation 2.4 of Hubens' thesis. The losses name theirs: `distillation/logits.py`, `features.py`.
"""

import contextlib
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import msgspec
import torch
from msgspec import Meta
from torch import Tensor, nn
from torch.nn import functional

from mobilekit.compress.base import Batch, Context, Handle
from mobilekit.compress.distillation import features as feature_losses
from mobilekit.compress.distillation import logits as logit_losses
from mobilekit.compress.distillation.adapters import adapter
from mobilekit.compress.distillation.capture import captured, feature_shapes
from mobilekit.compress.distillation.mixture import Mixture
from mobilekit.compress.distillation.pairs import pairs
from mobilekit.compress.distillation.resizing import resized
from mobilekit.compress.distillation.teacher import Teacher
from mobilekit.compress.outputs import first_of
from mobilekit.compress.specialization.teacher import restricted_teacher
from mobilekit.core.errors import NoEffectError, RecipeError
from mobilekit.data.task import IGNORED

Fraction = Annotated[float, Meta(ge=0, le=1)]
LogitLoss = Literal["soft_target", "logits_mse", "decoupled", "mutual"]
FeatureLoss = Literal[
    "none", "attention_transfer", "fitnet", "activation_boundary", "similarity_preserving"
]
Precision = Literal["as_found", "bfloat16", "float16"]
_SAME_WIDTH = ("fitnet", "activation_boundary")


class Distill(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the method."""

    teacher: str = "self"
    """A network by reference, or `self`: this one before the first step of the recipe."""
    loss: LogitLoss = "soft_target"
    features: FeatureLoss = "none"
    alpha: Fraction | None = None
    """Share of the logits in what the teacher says; by default 1 without features, 0.5 with them."""
    beta: Fraction = 0.5
    """Share of the teacher; 0: the task alone."""
    temperature: Annotated[float, Meta(gt=0)] = 4.0
    """Of `soft_target` and `decoupled`."""
    pairs: dict[str, str] | None = None
    """Student's name patterns to the teacher's; by resolution without."""
    precision: Precision = "as_found"
    """Of what the teacher computes."""

    def start(self, network: nn.Module, context: Context) -> Handle:
        """Begin to teach a network.

        Raises:
            NoEffectError: β is 0.
            RecipeError: no teacher can be had, or options that do not go together.
            ModelError: teacher and network do not fit each other.
        """
        other = self._other(network, context)
        return distill(network, other, context, self)

    def _other(self, network: nn.Module, context: Context) -> nn.Module:
        if self.teacher == "self":
            return context.original if context.original is not None else network
        if context.load is None:
            raise RecipeError(f"distill: there is no way to load the teacher {self.teacher!r} here")
        return context.load(self.teacher)


def distill(
    network: nn.Module, teacher: nn.Module, context: Context, config: Distill | None = None
) -> "Learning":
    """Begin to teach a network by another one.

    Args:
        network: the student, which trains.
        teacher: is copied, and so stays as it is now; it may be the student itself.
        context: example inputs, needed for features; the classes that a specialized student kept.
        config: options; the teacher's name in them counts for nothing.
    """
    config = config or Distill()
    if config.beta == 0:
        raise NoEffectError("distill: with beta 0 the teacher is not listened to")
    if config.loss == "mutual" and config.features != "none":
        raise RecipeError("distill: mutual learning compares logits only; leave features out")
    other: nn.Module = Teacher.before(teacher).network
    if context.kept_classes:
        other = restricted_teacher(other, context.kept_classes)
    return Learning(network, other, context, config)


class Learning(Handle):
    """A student with its teacher."""

    def __init__(
        self, network: nn.Module, other: nn.Module, context: Context, config: Distill
    ) -> None:
        alpha = config.alpha
        if alpha is None:
            alpha = 1.0 if config.features == "none" else 0.5
        if alpha < 1 and config.features == "none":
            raise RecipeError(
                "distill: alpha below 1 weighs features; say which loss: features = ..."
            )
        self._mixture, self._config = Mixture(alpha, config.beta), config
        self.task_weight = self._mixture.weights[2]
        self._mutual = config.loss == "mutual"
        precision = None if config.precision == "as_found" else getattr(torch, config.precision)
        self._teacher = Teacher(other, precision)
        self._peer = nn.ModuleList([other.train().requires_grad_()] if self._mutual else [])
        self._adapters = nn.ModuleList()
        self._pairs: tuple[tuple[str, str], ...] = ()
        self._open = contextlib.ExitStack()
        self._value = torch.zeros(())
        self._mine: Mapping[str, Tensor] = {}
        self._its: Mapping[str, Tensor] = {}
        if self._mixture.weights[1] > 0:
            self._pair(network, other, context)

    def _pair(self, network: nn.Module, other: nn.Module, context: Context) -> None:
        if not context.inputs:
            raise RecipeError("distill: features need example inputs of the network")
        mine, its = feature_shapes(network, context.inputs), feature_shapes(other, context.inputs)
        self._pairs = pairs(mine, its, self._config.pairs)
        for one, two in self._pairs:
            same = self._config.features not in _SAME_WIDTH
            self._adapters.append(nn.Identity() if same else adapter(mine[one], its[two]))
        like = next((each for each in network.parameters() if each.is_floating_point()), None)
        if like is not None:
            self._adapters.to(like.device, like.dtype)
        self._mine = self._open.enter_context(captured(network, {one for one, _ in self._pairs}))
        self._its = self._open.enter_context(captured(other, {two for _, two in self._pairs}))

    def modules(self) -> list[nn.Module]:
        """Return what trains with the student: adapters, and a peer."""
        return [self._adapters, self._peer]

    def penalty(self, batch: Batch, outputs: Any) -> Tensor | None:
        """Return what the teacher weighs in with, shape `[]`."""
        self._settle(batch)
        logits, features, _ = self._mixture.weights
        mine = first_of(outputs)
        if self._mutual:
            return self._with_peer(mine, batch, logits)
        its = first_of(self._teacher(*batch.inputs))
        total = mine.new_zeros(())
        if logits > 0:
            total = total + logits * self._logits(mine, its, batch)
        if features > 0:
            total = total + features * self._features()
        self._value = total.detach()
        return total

    def finish(self) -> tuple[str, ...]:
        """Say what was learnt from."""
        features = f", {self._config.features} of {len(self._pairs)} pairs" if self._pairs else ""
        return (f"distill: {self._config.loss}{features}, beta {self._config.beta}",)

    def close(self) -> None:
        """Take away the hooks."""
        self._open.close()

    def figures(self) -> dict[str, float]:
        """Return the teacher's part of the loss."""
        return {"distillation": float(self._value)}

    def _settle(self, batch: Batch) -> None:
        """Move the teacher to where the inputs are."""
        device = next((each.device for each in batch.inputs if isinstance(each, Tensor)), None)
        if device is not None:
            self._teacher.network.to(device)

    def _logits(self, mine: Tensor, its: Tensor, batch: Batch) -> Tensor:
        temperature = self._config.temperature
        if self._config.loss == "logits_mse":
            return logit_losses.logits_mse(mine, its)
        if self._config.loss == "decoupled":
            labels = _labels(batch)
            mine = _as_fine(mine, labels)
            return logit_losses.decoupled(mine, its, labels, temperature=temperature)
        return logit_losses.soft_target(mine, its, temperature)

    def _features(self) -> Tensor:
        loss = getattr(feature_losses, self._config.features)
        terms = []
        for (one, two), made in zip(self._pairs, self._adapters, strict=True):
            options: dict[str, Callable[[Tensor], Tensor]] = {}
            if self._config.features in _SAME_WIDTH:
                options = {"adapter": made}
            terms.append(loss(self._mine[one], self._its[two], **options))
        return torch.stack(terms).mean()

    def _with_peer(self, mine: Tensor, batch: Batch, weight: float) -> Tensor:
        """Let each learn from the other; the peer learns the task as well."""
        its = first_of(self._peer[0](*batch.inputs))
        labels = _labels(batch)
        task = functional.cross_entropy(_as_fine(its, labels), labels)
        both = logit_losses.mutual(mine, its) + logit_losses.mutual(its, mine)
        self._value = (weight * both).detach()
        return weight * both + self.task_weight * task


def _labels(batch: Batch) -> Tensor:
    if not isinstance(batch.target, Tensor):
        raise RecipeError("distill: this loss needs labels, one class per example or pixel")
    if batch.target.ndim < 3:
        return batch.target
    return batch.target.where(batch.target != IGNORED, logit_losses.IGNORED)


def _as_fine(logits: Tensor, labels: Tensor) -> Tensor:
    """Resize a map of logits, `[N, C, h, w]`, to that of its labels, `[N, H, W]`."""
    return resized(logits, labels.shape[1:]) if logits.ndim == 4 else logits
