"""The one adapter between methods that act during training and Lightning: a callback."""

import math
from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from mobilekit.compress.acting import Acting
from mobilekit.compress.base import Batch
from mobilekit.core.errors import ModelError, TrainingError


class ActingCallback(pl.Callback):
    """Lets methods act in a Lightning training, one's own module or mobilekit's.

    Modules that train beside the network (adapters, peers) must be registered in the Lightning module
    before training, such as `self.beside = acting.modules()`. Automatic optimization with one optimizer
    is meant.

    Args:
        acting: of the network that the Lightning module runs once per step.
    """

    def __init__(self, acting: Acting) -> None:
        self.acting = acting
        self._target: Any = None
        self._seen: tuple[tuple[Any, ...], Any] = ((), None)
        self._steps = 0
        self._loss = torch.zeros(())
        """Sum over the batches since the last step."""
        self._hooks: list[Any] = []
        self._randomness: dict[str, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Watch the network where it is now, and go on with the random numbers of the checkpoint."""
        del pl_module
        self.acting.settle()
        self._steps = trainer.global_step
        self._hooks.append(self.acting.network.register_forward_hook(self._see))
        if self._randomness:
            torch.set_rng_state(self._randomness["cpu"])
            if torch.cuda.is_available() and "cuda" in self._randomness:
                torch.cuda.set_rng_state(self._randomness["cuda"])
        self._randomness = {}

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Note the labels."""
        del trainer, pl_module, batch_idx
        self._target = batch[1] if isinstance(batch, (list, tuple)) and len(batch) > 1 else None

    def on_before_backward(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor
    ) -> None:
        """Add the methods' terms to the loss, in the loss's own scale."""
        del pl_module
        factor = 1.0 / trainer.accumulate_grad_batches
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        if scaler is not None:
            factor *= scaler.get_scale()
        with trainer.precision_plugin.train_step_context():
            term = self.acting.penalty(Batch(*self._seen_batch()), self._seen[1])
        weight = self.acting.task_weight
        if weight != 1:
            loss.mul_(weight)
        if term is not None:
            loss.add_(term.to(loss.dtype), alpha=factor)
        self._loss = self._loss.to(loss.device) + loss.detach() / factor

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Add gradients in closed form, and note the learning rate of this step.

        Raises:
            TrainingError: the loss or a gradient is not finite.
        """
        del pl_module
        self._check(trainer)
        self.acting.after_backward()
        self.acting.before_step(optimizer)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Act after each step of the optimizer, and at the end of an epoch."""
        del pl_module, outputs, batch, batch_idx
        if trainer.global_step > self._steps:
            self._steps = trainer.global_step
            self.acting.after_step(self._progress(trainer), trainer.optimizers[0])
        if trainer.is_last_batch:  # before the epoch is judged
            self.acting.after_epoch(self._progress(trainer), trainer.optimizers[0])

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Stop watching."""
        del trainer, pl_module, stage
        self._unwatch()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Stop watching: Lightning tears nothing down then."""
        del trainer, pl_module, exception
        self._unwatch()

    def _unwatch(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the methods and of torch's random numbers: tensors, numbers, texts."""
        randomness = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            randomness["cuda"] = torch.cuda.get_rng_state()
        return {"acting": self.acting.state_dict(), "randomness": randomness}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take what `state_dict` gave.

        Raises:
            ModelError: it is of other methods, or of another network.
        """
        if not isinstance(state_dict.get("acting"), Mapping):
            raise ModelError("checkpoint: it holds nothing of the methods of this training")
        self.acting.load_state_dict(state_dict["acting"])
        self._randomness = state_dict["randomness"]

    def _see(self, _network: nn.Module, inputs: tuple[Any, ...], outputs: Any) -> None:
        if torch.is_grad_enabled():
            self._seen = (inputs, outputs)

    def _seen_batch(self) -> tuple[tuple[Any, ...], Any]:
        return self._seen[0], self._target

    def _progress(self, trainer: pl.Trainer) -> float:
        """Return the share of all steps that are done; by epochs where the loader does not know its length."""
        total = trainer.estimated_stepping_batches
        if 0 < total < math.inf:
            return min(trainer.global_step / total, 1.0)
        epochs = trainer.max_epochs or 0  # below 0: endless, so that nothing is known of its end
        return (
            min((trainer.current_epoch + trainer.is_last_batch) / epochs, 1.0)
            if epochs > 0
            else 0.0
        )

    def _check(self, trainer: pl.Trainer) -> None:
        """Stop before weights take up what is not finite; with several processes, in all of them at once."""
        loss, self._loss = self._loss, torch.zeros(())
        scaled = getattr(trainer.precision_plugin, "scaler", None) is not None  # skips such steps
        slopes = [each.grad for each in self.acting.network.parameters() if each.grad is not None]
        norm = get_total_norm([] if scaled else slopes)
        if bool((loss.to(norm.device) + norm).isfinite()):
            return
        at = f"the loss is {float(loss):.4g} at step {trainer.global_step}"
        for name, parameter in self.acting.network.named_parameters():
            if not bool(parameter.detach().isfinite().all()):
                raise TrainingError(f"{at}: {name} has values that are not finite")
        for name, parameter in self.acting.network.named_parameters():
            if parameter.grad is not None and not bool(parameter.grad.isfinite().all()):
                raise TrainingError(
                    f"{at}; {name} is the first with a gradient that is not finite; look for such values in"
                    " the data, or try a smaller learning rate"
                )
        if not bool(loss.isfinite()):
            raise TrainingError(f"{at}; look for values in the data that are not finite")
