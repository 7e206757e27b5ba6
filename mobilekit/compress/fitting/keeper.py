"""Where a training can go on from: one checkpoint, replaced as a whole."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.utilities import rank_zero_only

from mobilekit.core import files
from mobilekit.core.errors import OutputError
from mobilekit.core.histories import checkpoints


@rank_zero_only
def forget(folder: Path) -> None:
    """Take away the checkpoints, so that nothing goes on from them; nothing else.

    Raises:
        OutputError: they cannot be removed.
    """
    for path in checkpoints(folder):
        if path.is_file():
            with files.explained(path, whole=False):
                path.unlink(missing_ok=True)


class Keeper(pl.Callback):
    """Writes a checkpoint at the end of each epoch, and every so many steps within.

    Args:
        path: of the checkpoint.
        every: steps between two; 0: epochs only.
    """

    def __init__(self, path: Path, every: int) -> None:
        self._path, self._every = path, every
        self._steps = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count from the step at which this begins."""
        del pl_module
        self._steps = trainer.global_step

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Write one when it is time; the last step of an epoch is left to its end."""
        del pl_module, outputs, batch, batch_idx
        stepped = trainer.global_step > self._steps  # not amid gradients that are still collected
        self._steps = trainer.global_step
        due = self._every and stepped and trainer.global_step % self._every == 0
        if due and not trainer.is_last_batch:
            self._write(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write one."""
        del pl_module
        self._write(trainer)

    def _write(self, trainer: pl.Trainer) -> None:
        fresh = self._path.with_name(f".{self._path.name}.part")
        try:
            trainer.save_checkpoint(fresh)
            if trainer.is_global_zero:
                fresh.replace(self._path)
        except (OSError, RuntimeError) as problem:  # torch says of a full disk: unexpected pos
            fresh.unlink(missing_ok=True)
            raise OutputError(
                f"{self._path}: the checkpoint cannot be written ({' '.join(str(problem).split())[:120]})"
            ) from problem
        trainer.strategy.barrier("checkpoint")
