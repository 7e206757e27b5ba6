"""Train a network on labelled data, with methods acting on it."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import msgspec
import torch
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher
from torch import nn

from mobilekit.compress.acting import Acting
from mobilekit.compress.base import Context, During
from mobilekit.compress.fitting.aims import aim_of
from mobilekit.compress.fitting.batches import test_loader, train_loader
from mobilekit.compress.fitting.best import Best
from mobilekit.compress.fitting.course import Course
from mobilekit.compress.fitting.frames import mask_channels
from mobilekit.compress.fitting.history import History, Recorder
from mobilekit.compress.fitting.keeper import Keeper, forget
from mobilekit.compress.fitting.log import Log
from mobilekit.compress.fitting.module import Fitting
from mobilekit.compress.fitting.resuming import checkpoint_of
from mobilekit.compress.fitting.running import interruptible, quiet, seeded, trainer_of
from mobilekit.compress.fitting.tasks import check_fits
from mobilekit.compress.fitting.together import Together
from mobilekit.compress.training import ActingCallback
from mobilekit.core import files, histories
from mobilekit.core.errors import OutputError

__all__ = ["LAST", "Course", "fit"]

LAST = histories.CHECKPOINT


def fit(
    network: nn.Module,
    methods: Sequence[During],
    course: Course,
    context: Context,
    callbacks: Sequence[pl.Callback] = (),
) -> tuple[History, tuple[str, ...]]:
    """Train a network in place; modes and random numbers are left as found.

    Where several processes train together, each returns, with the same weights.

    Args:
        network: any module; of a detection, torchvision's kind.
        methods: that act meanwhile.
        course: how long.
        context: with labelled data.
        callbacks: more of Lightning's.

    Returns:
        What happened in each epoch, and what the methods say of it.

    Raises:
        TrainingError: the loss is no number, or a checkpoint of another recipe.
        OutputError: a checkpoint or log cannot be written.
        MobilekitError: a method that cannot act, or data that do not fit.
        KeyboardInterrupt: the training was stopped; its last checkpoint can be gone on with.
    """
    training = context.training
    assert training is not None  # noqa: S101  the step has asked
    modes = {module: module.training for module in network.modules()}
    folder = training.folder
    with tempfile.TemporaryDirectory() as temporary, seeded(context.seed), quiet():
        place = Path(temporary) if folder is None else folder
        _make(place)
        try:
            with (
                _laid_out(network, channels_last=course.channels_last),
                Acting(network, methods, context) as acting,
            ):
                context = replace(context, training=replace(training, folder=folder))
                history, weighed = _run(network, acting, course, context, place, callbacks)
                notes = (*weighed, *acting.finish())
                history = msgspec.structs.replace(history, plan=acting.plan())
        finally:
            for module, mode in modes.items():
                module.training = mode
    return history, notes


def _make(place: Path) -> None:
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise OutputError(f"{place}: cannot be made a folder ({problem.strerror})") from problem


@contextmanager
def _laid_out(network: nn.Module, *, channels_last: bool) -> Iterator[None]:
    """Keep 4-D weights with their channels last in memory inside the block; convolutions pass that on."""
    if channels_last:
        network.to(memory_format=torch.channels_last)
    try:
        yield
    finally:
        if channels_last:
            network.to(memory_format=torch.contiguous_format)


def _run(
    network: nn.Module,
    acting: Acting,
    course: Course,
    context: Context,
    place: Path,
    callbacks: Sequence[pl.Callback],
) -> tuple[History, tuple[str, ...]]:
    training = context.training
    assert training is not None  # noqa: S101  the caller's
    network.train()
    shown = course.showing.previous_mask
    channels = mask_channels(shown, training.train, context.inputs)
    aim = aim_of(
        training.train,
        course.label_smoothing,
        course.class_weights,
        shown.steady if shown else 0.0,
    )
    fitting = Fitting(
        network, acting.modules(), training.train, course.optimizer, training.statistics, aim
    )
    image = training.train[0][0].unsqueeze(0)
    masks = [image.new_zeros(1, channels, *image.shape[2:])] if channels else []
    check_fits(network, training.train, fitting.normalized(image), *masks)
    trainer = trainer_of(
        training.flags,
        max_epochs=course.epochs,
        gradient_clip_val=course.clip or None,
        logger=Log(place / "log") if training.folder else False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        log_every_n_steps=10,
    )
    train = train_loader(trainer, training, course, context.seed, channels)
    recorder = Recorder(
        acting, train, context.progress, training.folder, course.keep_epochs, training.digest
    )
    keeper = Keeper(place / LAST, course.checkpoint_every)
    best = [Best(network)] if course.keep_best else []
    ending = [*best, Together(), keeper]
    trainer.callbacks += [ActingCallback(acting), recorder, *callbacks, *ending]  # type: ignore[attr-defined]
    checkpoint = checkpoint_of(place, training, fitting) if training.resume else None
    if checkpoint is None:
        forget(place)
        training.begin()
    with interruptible(trainer), files.explained(place, whole=False):
        trainer.fit(
            fitting,
            train,
            test_loader(training, course, context.seed, channels),
            ckpt_path=checkpoint,
            weights_only=True,
        )
    elsewhere = isinstance(trainer.strategy.launcher, _MultiProcessingLauncher)
    network.cpu()
    fitting.beside.cpu()
    acting.settle()
    if elsewhere:
        _bring_back(fitting, acting, [recorder, *best], place / LAST)
    for each in best:
        each.give()
    return recorder.history(fitting, training.train.provenance), aim.told(training.train.classes)


def _bring_back(
    fitting: Fitting, acting: Acting, callbacks: Sequence[pl.Callback], checkpoint: Path
) -> None:
    """Take what processes of their own have trained."""
    content: Mapping[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
    fitting.load_state_dict(content["state_dict"])
    acting.load_state_dict(content["callbacks"]["ActingCallback"]["acting"])
    for each in callbacks:
        each.load_state_dict(content["callbacks"][each.state_key])
