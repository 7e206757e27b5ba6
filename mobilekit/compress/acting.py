"""Several methods at work in one training, in any loop."""

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mobilekit.compress.base import Batch, Context, During, Handle
from mobilekit.core.errors import ModelError
from mobilekit.core.quantization_plan import QuantizationPlan

VERSION = 1
"""Of the form of a checkpoint's part."""


class Acting:
    """The handles of a training's methods, called as one; as a context manager it takes away their hooks.

    Args:
        network: that trains, in place.
        methods: in the order in which they act.
        context: example inputs and seed; a data set for methods that ask for one.

    Raises:
        MobilekitError: a method that cannot act on the network.
    """

    def __init__(self, network: nn.Module, methods: Sequence[During], context: Context) -> None:
        self.network = network
        self._kinds = [type(method).__name__ for method in methods]
        self.handles: list[Handle] = []
        try:
            for method in methods:
                self.handles.append(method.start(network, context))
            beside = self.modules()
            for handle in self.handles:
                handle.meet(beside)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def modules(self) -> nn.ModuleList:
        """Return what trains beside the network: adapters, peers."""
        return nn.ModuleList(module for handle in self.handles for module in handle.modules())

    def parameters(self) -> Iterator[nn.Parameter]:
        """Yield parameters to be given to the optimizer beside the network's."""
        yield from self.modules().parameters()

    def settle(self) -> None:
        """Follow the network to another device."""
        for handle in self.handles:
            handle.settle()

    @property
    def task_weight(self) -> float:
        """What the loss of the task is multiplied by."""
        weight = 1.0
        for handle in self.handles:
            weight *= handle.task_weight
        return weight

    def penalty(self, batch: Batch, outputs: Any) -> Tensor | None:
        """Return the sum of the methods' terms, shape `[]`; None where there are none."""
        terms = [handle.penalty(batch, outputs) for handle in self.handles]
        found = [term for term in terms if term is not None]
        return torch.stack(found).sum() if found else None

    def loss(self, task: Tensor, batch: Batch, outputs: Any) -> Tensor:
        """Return what is minimised: the task's loss, weighed, and the methods' terms; shape `[]`."""
        term = self.penalty(batch, outputs)
        total = self.task_weight * task
        return total if term is None else total + term

    def after_backward(self) -> None:
        """Add gradients in closed form; before the optimizer's step, gradients unscaled."""
        for handle in self.handles:
            handle.after_backward()

    def before_step(self, optimizer: Optimizer) -> None:
        """Note what the optimizer's next step goes by.

        To be called where a schedule changes the learning rate before `after_step`; without it, methods
        take the rate that they find then.
        """
        for handle in self.handles:
            handle.before_step(optimizer)

    def after_step(self, progress: float, optimizer: Optimizer | None = None) -> None:
        """Act after the optimizer's step, before gradients are cleared.

        Args:
            progress: share of all steps that are done, above 0, 1 after the last.
            optimizer: whose memory of dead weights is cleared too.
        """
        for handle in self.handles:
            handle.after_step(progress, optimizer)

    def after_epoch(self, progress: float, optimizer: Optimizer | None = None) -> None:
        """Act at the end of an epoch."""
        for handle in self.handles:
            handle.after_epoch(progress, optimizer)

    def finish(self) -> tuple[str, ...]:
        """End the methods and say what they did.

        Raises:
            NoEffectError: one of them did nothing.
        """
        try:
            return tuple(note for handle in self.handles for note in handle.finish())
        finally:
            self.close()

    def close(self) -> None:
        """Take away what hangs on the network."""
        for handle in self.handles:
            handle.close()

    def plan(self) -> QuantizationPlan | None:
        """Return, after `finish`, the grids that a method left the weights on; None where none did."""
        plans = [handle.plan() for handle in self.handles]
        return next((plan for plan in plans if plan is not None), None)

    def figures(self) -> dict[str, float]:
        """Return the methods' numbers; equal names are told apart by the method's place."""
        found: dict[str, float] = {}
        for place, handle in enumerate(self.handles):
            for name, value in handle.figures().items():
                found[f"{name}.{place}" if name in found else name] = value
        return found

    def records(self) -> dict[str, Tensor]:
        """Return the methods' tensors of interest; equal names are told apart by the method's place."""
        found: dict[str, Tensor] = {}
        for place, handle in enumerate(self.handles):
            for name, value in handle.records().items():
                found[f"{name}.{place}" if name in found else name] = value
        return found

    def state_dict(self) -> dict[str, Any]:
        """Return tensors, numbers and texts from which `load_state_dict` goes on."""
        parts = {
            str(place): {"kind": kind, "state": handle.state_dict()}
            for place, (kind, handle) in enumerate(zip(self._kinds, self.handles, strict=True))
        }
        return {"version": VERSION, "methods": parts}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take what `state_dict` gave.

        Raises:
            ModelError: it is of other methods, of another network, or of another version.
        """
        if state.get("version") != VERSION:
            raise ModelError(
                f"checkpoint: its version is {state.get('version')}, this program writes {VERSION}"
            )
        parts = state.get("methods", {})
        kinds = [part["kind"] for part in parts.values()]
        if kinds != self._kinds:
            raise ModelError(
                f"checkpoint: it is of a training with {', '.join(kinds) or 'no methods'}, not with"
                f" {', '.join(self._kinds) or 'none'}"
            )
        for part, handle in zip(parts.values(), self.handles, strict=True):
            handle.load_state_dict(part["state"])
