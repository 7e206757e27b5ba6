"""Train a network on labelled data, with methods acting on it."""

import logging
import signal
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import msgspec
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher
from torch import nn
from torch.utils.data import DataLoader

from mobilekit.compress.acting import Acting
from mobilekit.compress.base import Context, During, Training
from mobilekit.compress.fitting.history import History, Recorder
from mobilekit.compress.fitting.keeper import Keeper, forget
from mobilekit.compress.fitting.log import Log
from mobilekit.compress.fitting.module import Fitting, collate_detection
from mobilekit.compress.fitting.order import Order, Resumable
from mobilekit.compress.fitting.rates import OptimizerConfig
from mobilekit.compress.fitting.tasks import check_fits
from mobilekit.compress.fitting.together import Together
from mobilekit.compress.training import ActingCallback
from mobilekit.core import files, histories
from mobilekit.core.errors import (
    OutputError,
    RecipeError,
    RuntimeUnavailableError,
    TrainingError,
)
from mobilekit.core.seeding import child_seed
from mobilekit.data.task import Labelled

LAST = histories.CHECKPOINT


@dataclass(frozen=True)
class Course:
    """How long and in what steps."""

    epochs: int = 10
    batch_size: int = 64
    """Images per step, of all devices together."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    checkpoint_every: int = 0
    """Steps between checkpoints; 0: at the end of each epoch."""
    keep_epochs: bool = False
    workers: int = 0
    """Processes that read images, per device."""
    clip: float = 0.0
    """Greatest norm of the gradient; 0 for no limit."""


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
    with tempfile.TemporaryDirectory() as temporary, _seeded(context.seed), _quiet():
        place = Path(temporary) if folder is None else folder
        _make(place)
        try:
            with Acting(network, methods, context) as acting:
                context = replace(context, training=replace(training, folder=folder))
                history = _run(network, acting, course, context, place, callbacks)
                notes = acting.finish()
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


def _run(
    network: nn.Module,
    acting: Acting,
    course: Course,
    context: Context,
    place: Path,
    callbacks: Sequence[pl.Callback],
) -> History:
    training = context.training
    assert training is not None  # noqa: S101  the caller's
    network.train()
    fitting = Fitting(
        network, acting.modules(), training.train, course.optimizer, training.statistics
    )
    image, _ = training.train[0]
    check_fits(network, training.train, fitting.normalized(image.unsqueeze(0)))
    trainer = _trainer(
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
    train = _train_loader(trainer, training.train, course, context.seed)
    recorder = Recorder(
        acting, train, context.progress, training.folder, course.keep_epochs, training.digest
    )
    keeper = Keeper(place / LAST, course.checkpoint_every)
    trainer.callbacks += [ActingCallback(acting), recorder, *callbacks, Together(), keeper]  # type: ignore[attr-defined]
    checkpoint = _checkpoint(place, training, fitting) if training.resume else None
    if checkpoint is None:
        forget(place)
        training.begin()
    with _interruptible(trainer), files.explained(place, whole=False):
        trainer.fit(
            fitting,
            train,
            _test_loader(training.test, course),
            ckpt_path=checkpoint,
            weights_only=True,
        )
    elsewhere = isinstance(trainer.strategy.launcher, _MultiProcessingLauncher)
    _bring_back(network, fitting, acting, recorder, place / LAST if elsewhere else None)
    return recorder.history(fitting, training.train.provenance)


@contextmanager
def _interruptible(trainer: pl.Trainer) -> Iterator[None]:
    """Let an interrupt be one: Lightning ends the process by itself, and is deaf to further ones."""
    listening = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as end:
        if trainer.interrupted:
            raise KeyboardInterrupt from end
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, listening)


def _trainer(flags: Mapping[str, Any], **options: Any) -> pl.Trainer:
    """Make Lightning's Trainer.

    Raises:
        RuntimeUnavailableError: a device that this machine does not have.
        RecipeError: flags that do not fit each other.
    """
    try:
        made = pl.Trainer(**{"accelerator": "cpu", "devices": 1, **options, **flags})
    except (MisconfigurationException, ModuleNotFoundError) as problem:
        raise RuntimeUnavailableError(
            f"training: {' '.join(str(problem).split())[:200]}"
        ) from problem
    except (ValueError, TypeError) as problem:
        raise RecipeError(f"training: {' '.join(str(problem).split())[:200]}") from problem
    launcher = made.strategy.launcher
    if isinstance(launcher, _MultiProcessingLauncher) and launcher._start_method != "fork":  # noqa: SLF001
        raise RecipeError(
            f"training: strategy {flags.get('strategy')!r} copies methods into new processes, which their"
            " hooks do not outlive; take ddp"
        )
    return made


def _train_loader(trainer: pl.Trainer, data: Labelled, course: Course, seed: int) -> Resumable:
    world = trainer.world_size
    order = Order(len(data), course.batch_size, seed, world, lambda: trainer.global_rank)
    return Resumable(
        data,
        order,
        course.batch_size // world,
        num_workers=course.workers,
        persistent_workers=course.workers > 0,
        generator=torch.Generator(),  # a loader draws from it when it starts: not from the network's
        collate_fn=collate_detection if data.task == "detection" else None,
    )


def _test_loader(data: Labelled, course: Course) -> DataLoader[Any]:
    return DataLoader(
        data,
        course.batch_size,
        num_workers=course.workers,
        generator=torch.Generator(),
        collate_fn=collate_detection if data.task == "detection" else None,
    )


def _checkpoint(place: Path, training: Training, fitting: Fitting) -> Path:
    """Return the last checkpoint.

    Raises:
        TrainingError: there is none, it is damaged, or it is of another recipe or network.
    """
    path = place / LAST
    if not path.is_file():
        raise TrainingError(f"{path}: there is no checkpoint to go on from; leave --resume out")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        found = content["callbacks"]["Recorder"]["digest"]
        shapes = {name: each.shape for name, each in content["state_dict"].items()}
    except Exception as problem:
        raise TrainingError(f"{path}: is no checkpoint of mobilekit, or damaged") from problem
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


def _said(shape: torch.Size | None) -> str:
    return "absent" if shape is None else str(list(shape))


def _bring_back(
    network: nn.Module,
    fitting: Fitting,
    acting: Acting,
    recorder: Recorder,
    checkpoint: Path | None,
) -> None:
    """Move the network to the processor; take what processes of their own have trained."""
    network.cpu()
    fitting.beside.cpu()
    acting.settle()
    if checkpoint is None:
        return
    content: Mapping[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
    fitting.load_state_dict(content["state_dict"])
    acting.load_state_dict(content["callbacks"]["ActingCallback"]["acting"])
    recorder.load_state_dict(content["callbacks"]["Recorder"])


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed torch's own generators inside the block, and leave them as found."""
    with torch.random.fork_rng():
        start = child_seed(seed, "training")
        torch.default_generator.manual_seed(start)
        if torch.cuda.is_available():
            torch.cuda.manual_seed_all(start)
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's own remarks to those who ask for them."""
    names = ("lightning.pytorch", "lightning.fabric", "lightning")
    levels = {name: logging.getLogger(name).level for name in names}
    debug = logging.getLogger("mobilekit").isEnabledFor(logging.DEBUG)
    try:
        with warnings.catch_warnings():
            if not debug:
                warnings.simplefilter("ignore")
                for name in names:
                    logging.getLogger(name).setLevel(logging.ERROR)
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
