"""Run as a program, with a folder, a strategy, and `kill`, `resume`, `twice` or `best`: each process writes its end."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import nn

from mobilekit.compress.base import Context
from mobilekit.compress.during.distill import Distill
from mobilekit.compress.during.group_penalty import GroupPenalty
from mobilekit.compress.during.kernel_sparsity import KernelSparsity
from mobilekit.compress.during.sparsify import Sparsify
from mobilekit.compress.fitting.fit import Course, fit
from mobilekit.compress.fitting.rates import OptimizerConfig
from mobilekit.compress.fitting.showing import Showing
from mobilekit.compress.fitting.together import is_first
from mobilekit.compress.training import ActingCallback
from mobilekit.data.augmentation.configs import Affine, Erase, Flip
from tests.compress.fitting.material import context, drawn, plain

METHODS = (
    Sparsify(sparsity=0.5, layers=("0", "4")),
    KernelSparsity(strength=0.5, threshold=0.2, layers=("2",)),
    GroupPenalty(strength=1e-3),
    Distill(features="fitnet", beta=0.3, pairs={"0": "0", "2": "2"}),
)


class Dump(pl.Callback):
    """Writes weights and masks of each process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_end(self, trainer: pl.Trainer, *_: object) -> None:
        (acting,) = [each.acting for each in trainer.callbacks if isinstance(each, ActingCallback)]  # type: ignore[attr-defined]
        content = {"weights": acting.network.state_dict(), "methods": acting.state_dict()}
        torch.save(content, self.folder / f"rank-{trainer.global_rank}.pt")


class Kill(pl.Callback):
    """Kills the first process half-way, in the middle of an epoch."""

    def on_train_batch_start(self, trainer: pl.Trainer, *_: object) -> None:
        if trainer.global_step == 5 and trainer.is_global_zero:
            os.kill(os.getpid(), signal.SIGKILL)


def best(network: nn.Module, chances: Context, folder: Path) -> None:
    """Train on images that are shown otherwise each time, and end with the best epoch."""
    showing = Showing((Flip(), Affine(), Erase()))
    optimizer = OptimizerConfig("sgd", 0.3, schedule="linear")
    course = Course(4, 20, optimizer, showing=showing, keep_best=True)
    history, _ = fit(network, [], course, chances)
    content = {"weights": network.state_dict(), "best": history.best.epoch}
    rank = os.environ.get("LOCAL_RANK", "0")
    torch.save(content, folder / f"best-{rank}.pt")


def main(folder: Path, flags: dict[str, Any], how: str) -> None:
    torch.set_num_threads(1)
    network = plain().double()
    if how == "best":
        best(network, context(folder, 65, dtype=torch.float64, flags=flags), folder)
        return
    course = Course(3, 20, OptimizerConfig("adam", 1e-2), checkpoint_every=2)
    chances = context(folder, 65, dtype=torch.float64, flags=flags, resume=how == "resume")
    wide = drawn(
        nn.Sequential(
            nn.Conv2d(1, 9, 3), nn.SiLU(), nn.Conv2d(9, 10, 3), nn.Flatten(), nn.Linear(160, 3)
        ),
        1,
    )
    chances = replace(chances, original=wide.double())
    history, notes = fit(
        network, METHODS, course, chances, [Dump(folder), *([Kill()] if how == "kill" else [])]
    )
    if how == "twice":
        network.append(nn.BatchNorm1d(3).double())
        again = replace(chances, training=replace(chances.training, folder=folder / "2"))
        fit(network, [], Course(1, 20, OptimizerConfig("adam", 1e-2)), again)
        rank = os.environ.get("LOCAL_RANK", "0")
        torch.save(network.state_dict(), folder / f"again-{rank}.pt")
        return
    content = {
        "weights": network.state_dict(),
        "losses": [epoch.loss for epoch in history.epochs],
        "metrics": [epoch.metric for epoch in history.epochs],
        "notes": list(notes),
    }
    if is_first():
        torch.save(content, folder / "result.pt")


if __name__ == "__main__":
    strategy = sys.argv[2]
    several = {"devices": 2, "strategy": strategy} if strategy != "none" else {}
    main(Path(sys.argv[1]), {"accelerator": "cpu", **several}, sys.argv[-1])
