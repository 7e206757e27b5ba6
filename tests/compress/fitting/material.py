"""Small labelled data and networks to train on, equal in every process."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from mobilekit.compress.base import Context, Training
from mobilekit.data.task import Labelled

CLASSES = ("dark", "gray", "light")


class Dots(Dataset[tuple[Tensor, Tensor]]):
    """Noise images `[1, 8, 8]`, labelled by how bright they are."""

    def __init__(self, count: int, dtype: torch.dtype = torch.float32) -> None:
        generator = torch.Generator().manual_seed(count)
        light = torch.arange(count) % 3
        noise = torch.rand(count, 1, 8, 8, generator=generator, dtype=dtype)
        self.images = (noise + light.view(-1, 1, 1, 1)) / 3
        self.labels = light

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.images[index], self.labels[index]


def labelled(count: int, dtype: torch.dtype = torch.float32) -> Labelled:
    return Labelled("classification", CLASSES, Dots(count, dtype), f"{count} dots")  # type: ignore[arg-type]


def drawn(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give weights drawn with a seed, uniform in ±1/√(inputs), as PyTorch's own."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                bound = module.weight[0].numel() ** -0.5
                for parameter in module.parameters(recurse=False):
                    parameter.uniform_(-bound, bound, generator=generator)
    return network


def plain(seed: int = 0) -> nn.Sequential:
    """SiLU between two convolutions, none behind the second."""
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.SiLU(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(128, 3)
    )  # fmt: skip
    drawn(network, seed)
    return network


def rich(seed: int = 0) -> nn.Sequential:
    """With batch norm and dropout."""
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.SiLU(), nn.Conv2d(8, 8, 3), nn.SiLU(), nn.Dropout(0.3),
        nn.Flatten(), nn.Linear(128, 3),
    )  # fmt: skip
    drawn(network, seed)
    return network


def context(folder: Path | None = None, count: int = 70, **options: Any) -> Context:
    """Return what training needs; options are those of `Training`."""
    dtype = options.pop("dtype", torch.float32)
    training = Training(labelled(count, dtype), labelled(20, dtype), folder=folder, **options)
    return Context(inputs=(torch.ones(1, 1, 8, 8, dtype=dtype),), seed=1, training=training)


class StoppedError(Exception):
    """What `Stop` raises."""


class Stop(pl.Callback):
    """Ends a training before a step, as a loss of power would."""

    def __init__(self, step: int, later: int = 0) -> None:
        self.step, self.later = step, later
        """After how many steps, and how many batches later."""

    def on_train_batch_start(self, trainer: pl.Trainer, *_: object) -> None:
        if trainer.global_step == self.step:
            self.later -= 1
            if self.later < 0:
                raise StoppedError
