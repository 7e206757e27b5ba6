"""Let the network learn from another one: from its outputs, its features, or both.

What it does:
    Minimises β · (α · L_logits + (1 − α) · L_features) + (1 − β) · L_task. The teacher runs on the same
    inputs, in evaluation mode and without gradients, in fewer bits if asked. Features are compared layer
    by layer, in pairs by name patterns, or at the end of each stage of a resolution that both networks
    have; layers of other widths get an adapter that trains and is thrown away. `activation_boundary`
    compares features before their activation: by itself it pairs layers whose output an activation takes as
    it is, such as batch norms before a ReLU, and it refuses pairs of activations. With `mutual`, the other
    network trains too, and each learns from the other. A teacher that was trained on images of another
    normalization sees its own.

When to use it:
    With a better network of the same task: to train a small one, or to win back what compression lost
    (`teacher = "self"`: the network as it was before the first step; `before`: as this step finds it).

When not:
    For outputs that are no class scores, but for `logits_mse`. Detectors of torchvision return losses while
    they train, and are refused.

Source:
    Equation 2.4 of Hubens' thesis. The losses name theirs: `distillation/logits.py`, `features.py`.
    Departure: `activation_boundary` has a margin of at most the teacher's own |t|, so that a student that
    equals its teacher costs nothing.
"""

import functools
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
import torch
from msgspec import Meta
from torch import Tensor, nn
from torch.nn import functional

from mobilekit.compress.asking import asking, check_takes, examples
from mobilekit.compress.base import Batch, Context, Handle
from mobilekit.compress.distillation import logits as logit_losses
from mobilekit.compress.distillation.memory import digest, recall, remembered
from mobilekit.compress.distillation.mixture import Mixture
from mobilekit.compress.distillation.renormalized import Renormalized
from mobilekit.compress.distillation.resizing import resized
from mobilekit.compress.distillation.teacher import Teacher
from mobilekit.compress.distillation.watching import FeatureLoss, Watched
from mobilekit.compress.outputs import first_of
from mobilekit.compress.specialization.detection import is_detector
from mobilekit.compress.specialization.teacher import RestrictedTeacher, restricted_teacher
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError
from mobilekit.data.task import IGNORED

Fraction = Annotated[float, Meta(ge=0, le=1)]
LogitLoss = Literal["soft_target", "logits_mse", "decoupled", "mutual"]
Precision = Literal["as_found", "bfloat16", "float16"]


class Distill(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the method."""

    teacher: str = "self"
    """A trained network by reference (a folder, a `.pt2`); `self`: this one before the first step; `before`: this
    one as the step finds it, such as trained by the step before."""
    loss: LogitLoss = "soft_target"
    """Of the outputs."""
    features: FeatureLoss = "none"
    """Loss of the features; `activation_boundary` takes those before an activation."""
    alpha: Fraction | None = None
    """Share of the logits in what the teacher says; by default 1 without features, 0.5 with them."""
    beta: Fraction = 0.5
    """Share of the teacher; 0: the task alone."""
    temperature: Annotated[float, Meta(gt=0)] = 4.0
    """Of `soft_target` and `decoupled`."""
    pairs: dict[str, str] | None = None
    """Student's name patterns to the teacher's own; by resolution without."""
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
        if self.teacher == "before":
            return network
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

    Raises:
        MobilekitError: as `Distill.start`.
    """
    for role, one in (("network", network), ("teacher", teacher)):
        if is_detector(one):
            raise ModelError(
                f"distill: the {role} is a detector: it returns losses while it trains, and boxes else. What"
                " can be distilled are tensors of logits, [N, C] or [N, C, H, W]; leave distill out"
            )
    config = config or Distill()
    if config.beta == 0:
        raise NoEffectError("distill: with beta 0 the teacher is not listened to")
    if config.loss == "mutual" and config.features != "none":
        raise RecipeError("distill: mutual learning compares logits only; leave features out")
    other: nn.Module = Teacher.before(teacher).network
    if teacher is not network:
        check_takes(f"distill: {_who(config)}", other, examples(context))
    if context.kept_classes and teacher is not network:
        other = restricted_teacher(other, context.kept_classes)
    learning = Learning(network, other, context, config)
    if teacher is network:
        learning.keep_teacher()
    return learning


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
        self._inner = _inner(other)
        self._keeps_teacher = False
        self._watched: Watched | None = None
        self._value = torch.zeros(())
        if self._mixture.weights[1] > 0:
            if not context.inputs:
                raise RecipeError("distill: features need example inputs of the network")
            assert config.features != "none"  # noqa: S101  by alpha
            self._watched = Watched(
                config.features, network, self._inner, context.inputs, config.pairs
            )

    def keep_teacher(self) -> None:
        """Let checkpoints hold the teacher's weights: those of the network itself cannot be had again."""
        self._keeps_teacher = not self._mutual

    def modules(self) -> list[nn.Module]:
        """Return what trains with the student: adapters, and a peer."""
        return [self._watched.adapters if self._watched else nn.ModuleList(), self._peer]

    def penalty(self, batch: Batch, outputs: Any) -> Tensor | None:
        """Return what the teacher weighs in with, shape `[]`."""
        self._settle(batch)
        logits, features, _ = self._mixture.weights
        mine = first_of(outputs)
        if not mine.ndim:
            raise ModelError(
                "distill: while it trains, the network returns a single number first, such as a loss; what"
                " can be distilled are tensors of logits, [N, C] or [N, C, H, W]"
            )
        if self._mutual:
            return self._with_peer(mine, batch, logits)
        with self._asking(batch):
            its = first_of(self._teacher(*batch.inputs))
        total = mine.new_zeros(())
        if logits > 0:
            total = total + logits * self._logits(mine, its, batch)
        if self._watched is not None:
            total = total + features * self._watched.distance()
        self._value = total.detach()
        return total

    def finish(self) -> tuple[str, ...]:
        """Say what was learnt from."""
        features = ""
        if self._watched is not None:
            features = f", {self._config.features} of {len(self._watched.pairs)} pairs"
        return (f"distill: {self._config.loss}{features}, beta {self._config.beta}",)

    def close(self) -> None:
        """Take away the hooks."""
        if self._watched is not None:
            self._watched.close()

    def figures(self) -> dict[str, float]:
        """Return the teacher's part of the loss."""
        return {"distillation": float(self._value)}

    def state_dict(self) -> dict[str, Any]:
        """Return adapters and peer; the teacher's weights where nothing else has them, else their digest."""
        adapters, peer = self.modules()
        state = remembered(adapters, "adapters.") | remembered(peer, "peer.")
        if self._keeps_teacher:
            return state | remembered(self._inner, "teacher.")
        return state if self._mutual else {**state, "teacher_digest": self._digest}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take adapters, peer and teacher.

        Raises:
            ModelError: they are of other networks.
        """
        if not (self._keeps_teacher or self._mutual or self._digest == state.get("teacher_digest")):
            raise ModelError(
                f"distill: {_who(self._config)} is not that of the checkpoint; give the one it was begun with"
            )
        adapters, peer = self.modules()
        recall(adapters, state, "adapters.")
        recall(peer, state, "peer.")
        if self._keeps_teacher:
            recall(self._inner, state, "teacher.")

    @functools.cached_property
    def _digest(self) -> str:
        return digest(self._inner)

    def _asking(self, batch: Batch) -> Any:
        return asking(f"distill: {_who(self._config)}", self._inner, batch.inputs)

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

    def _with_peer(self, mine: Tensor, batch: Batch, weight: float) -> Tensor:
        """Let each learn from the other; the peer learns the task as well."""
        with self._asking(batch):
            its = first_of(self._peer[0](*batch.inputs))
        labels = _labels(batch)
        task = functional.cross_entropy(_as_fine(its, labels), labels)
        both = logit_losses.mutual(mine, its) + logit_losses.mutual(its, mine)
        self._value = (weight * both).detach()
        return weight * both + self.task_weight * task


def _inner(network: nn.Module) -> nn.Module:
    """Return the network itself, without what distillation has put around it."""
    while isinstance(network, RestrictedTeacher | Renormalized):
        network = network.network
    return network


def _who(config: Distill) -> str:
    return (
        "the teacher" if config.teacher in {"self", "before"} else f"the teacher {config.teacher!r}"
    )


def _labels(batch: Batch) -> Tensor:
    if not isinstance(batch.target, Tensor):
        raise RecipeError("distill: this loss needs labels, one class per example or pixel")
    if batch.target.ndim < 3:
        return batch.target
    return batch.target.where(batch.target != IGNORED, logit_losses.IGNORED)


def _as_fine(logits: Tensor, labels: Tensor) -> Tensor:
    """Resize a map of logits, `[N, C, h, w]`, to that of its labels, `[N, H, W]`."""
    return resized(logits, labels.shape[1:]) if logits.ndim == 4 else logits
