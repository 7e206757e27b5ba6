"""Batches of a training and of its test set."""

from typing import Any

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, Dataset

from mobilekit.compress.base import Training
from mobilekit.compress.fitting.course import Course
from mobilekit.compress.fitting.frames import Judged
from mobilekit.compress.fitting.module import collate_detection
from mobilekit.compress.fitting.order import Order, Resumable
from mobilekit.compress.fitting.showing import Showing, Shown


def train_loader(
    trainer: pl.Trainer, training: Training, course: Course, seed: int, channels: int
) -> Resumable:
    """Return the batches that are trained on.

    Args:
        trainer: whose processes share each batch.
        training: its data.
        course: how many images a step has, and how they are shown.
        seed: of the run.
        channels: of the mask of the frame before; 0 without one.

    Raises:
        DataError: fewer images than a batch.
        RecipeError: a batch that cannot be shared, or data that cannot be shown so.
    """
    data, world = training.train, trainer.world_size
    order = Order(len(data), course.batch_size, seed, world, lambda: trainer.global_rank)
    plain = course.showing == Showing()
    steps = course.epochs * order.steps
    shown = data if plain else Shown(data, course.showing, seed, steps, channels)
    return Resumable(
        shown,
        order,
        course.batch_size // world,
        not plain,
        num_workers=course.workers,
        persistent_workers=course.workers > 0,
        generator=torch.Generator(),  # a loader draws from it when it starts: not from the network's
        collate_fn=collate_detection if data.task == "detection" else None,
    )


def test_loader(training: Training, course: Course, seed: int, channels: int) -> DataLoader[Any]:
    """Return the batches that are judged on: images as they are, whatever is done to those of the training."""
    data: Dataset[Any] = training.test
    return DataLoader(
        Judged(training.test, channels, seed) if channels else data,
        course.batch_size,
        num_workers=course.workers,
        generator=torch.Generator(),
        collate_fn=collate_detection if training.test.task == "detection" else None,
    )
