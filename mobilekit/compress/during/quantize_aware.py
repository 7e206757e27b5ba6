"""Train on the grid that a quantized file will have, so that quantizing costs nothing afterwards.

What it does:
    While the network runs, its convolutions, linear layers and attention hold rounded weights, with a
    scale per output channel; for `static` and `dynamic` forms what these layers read, and for `static`
    ones what the network returns, is rounded too. Gradients pass through the rounding to weights that
    stay fine. In the end the weights are left on their grid: a file's integers are those trained for, in
    every format, batch norms folded or not. What was used is the report's plan.

When to use it:
    Where quantizing after training loses too much: 4 bits, small networks. On trained weights, for a tenth
    of the training, at a small rate; from scratch with `start_at`.

When not:
    For float16, and for 8 bits that lose nothing: `--quantize` alone is enough.

Source:
    Jacob et al. 2018, section 3 (`observed`); Esser et al. 2020, "Learned step size quantization",
    equations 1 to 5 (`learned`); Cho et al. 2022, "DKM" (`weights:paletteN`); Krishnamoorthi 2018,
    section 4.3, for norms that stop learning. Departures: integers are −Q to Q, as both formats have
    them; activations are rounded where layers read them, behind any norm, sum and activation function, so
    what a file rounds in between, such as both terms of a sum, is not; weights are exchanged while the
    network runs, not parametrized, so that their names stay.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
import torch
from msgspec import Meta
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from mobilekit.compress.base import Batch, Context, Handle
from mobilekit.compress.quantization.activations import Activations
from mobilekit.compress.quantization.hooks import Hooks
from mobilekit.compress.quantization.planning import plan_of
from mobilekit.compress.quantization.swapping import Swap
from mobilekit.compress.quantization.targets import Target, targets, trainable
from mobilekit.compress.quantization.weights import check_palettes, grid_of
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError
from mobilekit.core.quantization import FLOAT, Form
from mobilekit.core.quantization_plan import QuantizationPlan


class QuantizeAware(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the method."""

    form: str = "static:int8"
    """What to train for, in the words of `--quantize`: `static:int8`, `weights:int4`, `dynamic:int8`, ..."""
    layers: dict[str, str] = {}
    """Pattern of names → words of a form, or `float`; the last that matches counts."""
    scales: Literal["observed", "learned"] = "observed"
    """From the sizes of weights and the moving range of activations, or learned as well."""
    start_at: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    """Share of the training before which nothing is rounded; activations are looked at all the same."""
    freeze_norms_at: Annotated[float, Meta(ge=0, le=1)] = 0.75
    """Share of the training after which batch norms keep their statistics, and use them."""

    def __post_init__(self) -> None:
        for words in (self.form, *self.layers.values()):
            if words != FLOAT or words == self.form:
                trainable(words)

    def start(self, network: nn.Module, context: Context) -> Handle:
        """Begin to train on the grid.

        Raises:
            NoEffectError: there is no layer to quantize.
            RecipeError: a pattern that matches no layer, the method twice, or a palette before a norm.
            ModelError: a weight that is computed from others.
        """
        if getattr(network, _MARK, False):
            raise RecipeError(
                "quantize_aware: it acts in this training already; give `layers` forms"
            )
        wanted, floats = targets(network, self.form, self.layers)
        check_palettes(network, wanted, context.inputs)
        return Rounding(network, wanted, floats, self)


_MARK = "_quantize_aware"


class Rounding(Handle):
    """A network on its grid."""

    def __init__(
        self,
        network: nn.Module,
        wanted: list[Target],
        floats: tuple[str, ...],
        config: QuantizeAware,
    ) -> None:
        self._network, self._wanted, self._floats, self._config = network, wanted, floats, config
        self._form: Form = trainable(config.form)
        learned = config.scales == "learned"
        self.grids = nn.ModuleList(grid_of(each, learned=learned) for each in wanted)
        names = [each.name for each in wanted]
        self._swap = Swap(
            dict(zip(names, self.grids, strict=True)), {each.name: each.weight for each in wanted}
        )
        self._hooks, self._frozen, self._progress = Hooks(), list[nn.Module](), 0.0
        self._plan: QuantizationPlan | None = None
        setattr(network, _MARK, True)
        self._hooks.before(network, self._enter)
        self.activations = Activations(network, wanted, self._form, self._hooks, learned=learned)
        self._hooks.behind(network, self._leave)

    @property
    def active(self) -> bool:
        """Whether anything is rounded yet."""
        return self._progress >= self._config.start_at

    def modules(self) -> list[nn.Module]:
        """Return grids and ranges; of learned ones, the steps train."""
        return [self.grids, self.activations.ranges]

    def penalty(self, batch: Batch, outputs: Any) -> Tensor | None:
        """Return 0, of all that is learned: a training in several processes wants each in the loss."""
        del batch, outputs
        learned = [each.sum() for module in self.modules() for each in module.parameters()]
        return torch.stack(learned).sum() * 0 if learned else None

    def after_backward(self) -> None:
        """Carry gradients through the rounding, to the weights that are trained."""
        self._swap.pull()

    def after_step(self, progress: float, optimizer: Optimizer | None = None) -> None:
        """Note how far the training is."""
        del optimizer
        self._swap.back()
        self._progress = progress

    def finish(self) -> tuple[str, ...]:
        """Leave the weights on their grids, and say how many layers are.

        Raises:
            NoEffectError: the training ended before anything was rounded.
            TrainingError: an activation reached infinity.
        """
        if not self.active:
            raise NoEffectError(
                f"quantize_aware: the training ended at {self._progress:.2g} of its length, before start_at"
                f" {self._config.start_at:g}; nothing learnt to be rounded"
            )
        error = self._swap.error()
        self._swap.bake()
        self._plan = plan_of(
            self._config.form, self._wanted, self.grids, self._floats, self.activations
        )
        forms = [each.form.words for each in self._wanted]
        said = ", ".join(f"{forms.count(words)} {words}" for words in dict.fromkeys(forms))
        left = f"; {len(self._floats)} left float" if self._floats else ""
        return (f"quantize_aware: {said} layers{left}, weights moved by {error:.4f} of their size",)

    def close(self) -> None:
        """Take away hooks, and bring back trained weights and the modes of norms."""
        self._swap.back()
        self._hooks.remove()
        for norm in self._frozen:
            norm.train(self._network.training)
        self._frozen.clear()
        if hasattr(self._network, _MARK):
            delattr(self._network, _MARK)

    def plan(self) -> QuantizationPlan | None:
        """Return the grids of all layers; None before the end."""
        return self._plan

    def figures(self) -> dict[str, float]:
        """Return how far the rounded weights are from the trained ones, in shares of their size."""
        return {"rounding": self._swap.error() if self.active else 0.0}

    def state_dict(self) -> dict[str, Any]:
        """Return scales and ranges."""
        state: dict[str, Any] = {
            f"grids.{k}": each.clone() for k, each in self.grids.state_dict().items()
        }
        state |= {f"activations.{k}": v for k, v in self.activations.state_dict().items()}
        return state | {"layers": self._signature(), "progress": self._progress}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take scales and ranges."""
        if state.get("layers") != self._signature():
            raise ModelError("quantize_aware: the checkpoint is of another network or recipe")
        parts: dict[str, dict[str, Tensor]] = {"grids": {}, "activations": {}}
        for key, each in state.items():
            part, dot, name = key.partition(".")
            if dot:
                parts[part][name] = each
        self.grids.load_state_dict(parts["grids"])
        self.activations.load_state_dict(parts["activations"])
        self._progress = float(state["progress"])

    def _signature(self) -> str:
        layers = [
            f"{each.name} {each.form.words} {list(each.weight.shape)}" for each in self._wanted
        ]
        return "\n".join([self._config.scales, *layers])

    def _enter(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        if self._network.training and self._progress >= self._config.freeze_norms_at:
            for module in self._network.modules():
                if isinstance(module, _BatchNorm) and module.training:
                    module.eval()
                    self._frozen.append(module)
        self.activations.active = self.active
        if self.active:
            self._swap.put()
        return inputs

    def _leave(self, outputs: Any) -> Any:
        if outputs is not None:
            outputs = self.activations.of_outputs(outputs)
        if not torch.is_grad_enabled():
            self._swap.back()
        return outputs
