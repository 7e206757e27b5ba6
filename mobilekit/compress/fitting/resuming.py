"""Which checkpoint a training goes on from, and whether it is its own."""

from pathlib import Path

import torch

from mobilekit.compress.base import Training
from mobilekit.compress.fitting.module import Fitting
from mobilekit.core.errors import TrainingError
from mobilekit.core.histories import CHECKPOINT


def checkpoint_of(place: Path, training: Training, fitting: Fitting) -> Path:
    """Return the last checkpoint.

    Raises:
        TrainingError: there is none, it is damaged, or it is of another recipe or network.
    """
    path = place / CHECKPOINT
    if not path.is_file():
        raise TrainingError(f"{path}: there is no checkpoint to go on from; leave --resume out")
    found, shapes = _read(path)
    if found != training.digest:
        raise TrainingError(
            f"{path}: is of another recipe; give the recipe it was begun with, or leave --resume out"
        )
    mine = {name: each.shape for name, each in fitting.state_dict().items()}
    for name in sorted(mine.keys() | shapes.keys()):
        if mine.get(name) != shapes.get(name):
            raise TrainingError(
                f"{path}: is of another network: {name} is {_said(shapes.get(name))} there,"
                f" {_said(mine.get(name))} here"
            )
    return path


def is_of(path: Path, digest: str) -> bool:
    """Say whether a checkpoint is whole and belongs to the training with this digest."""
    try:
        return _read(path)[0] == digest
    except TrainingError:
        return False


def _read(path: Path) -> tuple[str, dict[str, torch.Size]]:
    """Return the digest of a checkpoint's training, and the shapes of its weights."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        found = str(content["callbacks"]["Recorder"]["digest"])
        return found, {name: each.shape for name, each in content["state_dict"].items()}
    except Exception as problem:
        raise TrainingError(f"{path}: is no checkpoint of mobilekit, or damaged") from problem


def _said(shape: torch.Size | None) -> str:
    return "absent" if shape is None else str(list(shape))
