"""What happened in each epoch: numbers for machines, weights of every epoch where asked for."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import msgspec
import torch
from safetensors.torch import save
from torch import Tensor, nn

from mobilekit.compress.acting import Acting
from mobilekit.compress.fitting.module import Fitting
from mobilekit.compress.fitting.order import Resumable
from mobilekit.compress.fitting.showing import Shown
from mobilekit.compress.fitting.tasks import METRICS
from mobilekit.core import files
from mobilekit.core.histories import HISTORY, records_name, weights_name
from mobilekit.core.progress import Advance
from mobilekit.core.quantization_plan import QuantizationPlan
from mobilekit.data.task import Labelled

PAUSE_S = 0.5
"""Seconds between two lines of progress within an epoch."""
MOST_FILTERS = 64
"""Filters of the first convolution that are recorded, the first ones."""


class Epoch(msgspec.Struct, frozen=True):
    """One epoch: loss of the task, mean over its steps; metric on the test set; figures of the methods."""

    epoch: int
    loss: float
    metric: float
    figures: dict[str, float]
    kept: bool = False
    """Whether its weights are in the folder."""


class History(msgspec.Struct, frozen=True, omit_defaults=True):
    """A training, epoch by epoch."""

    metric: str
    data: str
    epochs: tuple[Epoch, ...]
    plan: QuantizationPlan | None = None
    """Grids that the weights were left on in the end, where a method did so."""

    @property
    def last(self) -> Epoch:
        """The last epoch."""
        return self.epochs[-1]

    @property
    def best(self) -> Epoch:
        """The epoch of the greatest metric; the first of equals."""
        return max(self.epochs, key=lambda epoch: epoch.metric)


class Recorder(pl.Callback):
    """Writes the history, says how it goes, and tells the loader where it is.

    Args:
        acting: whose figures are noted.
        loader: of the training.
        progress: takes a line of text, or `Advance`.
        folder: for `history.json`, records and weights; None for none of them.
        keep_epochs: keep the weights of every epoch, as `epoch-001.safetensors`.
        digest: of the recipe, which a checkpoint is of.
    """

    def __init__(
        self,
        acting: Acting,
        loader: Resumable,
        progress: Callable[[str], None],
        folder: Path | None,
        keep_epochs: bool,
        digest: str,
    ) -> None:
        self._acting, self._loader, self._progress = acting, loader, progress
        self._folder, self._keep, self._digest = folder, keep_epochs, digest
        self.epochs: list[Epoch] = []
        self._losses: list[Tensor | float] = []
        self._trainer: pl.Trainer | None = None
        self._said = time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note whose processes share the losses."""
        del pl_module
        self._trainer = trainer

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Note the step, and say so now and then."""
        del pl_module, batch
        self._loader.done = trainer.current_epoch * self._loader.order.steps + batch_idx + 1
        self._losses.append(outputs["loss"].detach())
        if time.monotonic() - self._said > PAUSE_S:
            self._said = time.monotonic()
            loss = float(self._losses[-1])
            place = f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}"
            done, steps = batch_idx + 1, int(trainer.num_training_batches)
            if done < steps:  # the epoch's end has words of its own
                words = f"{place}, step {done} of {steps}: loss {loss:.4g}"
                self._say(trainer, Advance(words, done, steps))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note an epoch."""
        assert isinstance(pl_module, Fitting)  # noqa: S101  its own callback
        losses = self._shared()
        self._losses.clear()
        name = METRICS[pl_module.task]
        metric = float(trainer.callback_metrics.get(name, float("nan")))
        mean = sum(losses) / max(len(losses), 1)
        kept = self._keep and self._folder is not None
        numbers = pl_module.figures | self._acting.figures()
        one = Epoch(trainer.current_epoch + 1, mean, metric, numbers, kept)
        self.epochs.append(one)
        pl_module.log_dict(one.figures)
        figures = "".join(f", {key} {value:.4g}" for key, value in one.figures.items())
        words = f"epoch {one.epoch} of {trainer.max_epochs}: {name} {metric:.4f}, loss {mean:.4g}{figures}"
        steps = int(trainer.num_training_batches)
        self._say(trainer, Advance(words, steps, steps))
        if self._folder is not None and trainer.is_global_zero:
            network = self._acting.network
            if kept:
                _save(self._folder / weights_name(one.epoch), network.state_dict())
            records = self._acting.records() | _first_filters(network)
            _save(self._folder / records_name(one.epoch), records)
            self._write(pl_module)

    def _say(self, trainer: pl.Trainer, words: str) -> None:
        """Say something, once for all processes."""
        if trainer.is_global_zero:
            self._progress(words)

    def history(self, fitting: Fitting, data: str) -> History:
        """Return what was noted."""
        return History(METRICS[fitting.task], data, tuple(self.epochs))

    def state_dict(self) -> dict[str, Any]:
        """Return the epochs and the recipe's digest, as plain values."""
        epochs = [msgspec.to_builtins(epoch) for epoch in self.epochs]
        return {
            "digest": self._digest, "epochs": epochs, "losses": self._shared(), "done": self._loader.done,
        }  # fmt: skip

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take what `state_dict` gave."""
        self.epochs = [msgspec.convert(epoch, Epoch) for epoch in state_dict["epochs"]]
        self._losses = list(state_dict["losses"])
        self._loader.load_state_dict(state_dict)

    def _shared(self) -> list[float]:
        """Return the losses of the steps, each the mean over all processes."""
        mine = [float(loss) for loss in self._losses]
        if self._trainer is None or self._trainer.world_size == 1:
            return mine
        strategy = self._trainer.strategy
        together = torch.tensor(mine, dtype=torch.float64, device=strategy.root_device)
        mean: list[float] = strategy.reduce(together, reduce_op="mean").tolist()
        return mean

    def _write(self, fitting: Fitting) -> None:
        assert self._folder is not None  # noqa: S101  asked by the caller
        data = self._loader.dataset
        assert isinstance(data, Labelled | Shown)  # noqa: S101  its own loader
        history = self.history(fitting, data.provenance)
        text = msgspec.json.format(msgspec.json.encode(history), indent=2)
        files.write_text(self._folder / HISTORY, text.decode() + "\n")


def _first_filters(network: nn.Module) -> dict[str, Tensor]:
    """Return the filters of the first convolution, `filters.<weight>`, `[filters, C, H, W]`."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            return {
                f"filters.{name}.weight".replace("..", "."): module.weight[:MOST_FILTERS].float()
            }
    return {}


def _save(path: Path, tensors: Mapping[str, Any]) -> None:
    """Write tensors, tied ones once per name; what is no tensor is left out."""
    own = {
        name: each.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, each in tensors.items()
        if isinstance(each, Tensor)
    }
    files.write_bytes(path, save(own))
