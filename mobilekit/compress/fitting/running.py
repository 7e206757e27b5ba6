"""How Lightning's Trainer is made and run: its errors in our words, its randomness and its remarks kept in."""

import logging
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher

from mobilekit.core.errors import RecipeError, RuntimeUnavailableError
from mobilekit.core.seeding import child_seed


def trainer_of(flags: Mapping[str, Any], **options: Any) -> pl.Trainer:
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
    check_precision(str(flags.get("precision", "32-true")), made.strategy.root_device)
    launcher = made.strategy.launcher
    if isinstance(launcher, _MultiProcessingLauncher) and launcher._start_method != "fork":  # noqa: SLF001
        raise RecipeError(
            f"training: strategy {flags.get('strategy')!r} copies methods into new processes, which their"
            " hooks do not outlive; take ddp"
        )
    return made


def check_precision(precision: str, device: torch.device) -> None:
    """Refuse what Lightning would quietly compute otherwise, or a device only pretends to compute.

    Raises:
        RuntimeUnavailableError: the device has no such precision; another one is named.
    """
    if precision in {"16-mixed", "16"} and device.type == "cpu":
        raise RuntimeUnavailableError(
            f"training: the processor does not compute in precision {precision}; take bf16-mixed or"
            " 32-true, or a GPU: --accelerator gpu"
        )
    if (
        precision.startswith("bf16")
        and device.type == "cuda"
        and not torch.cuda.is_bf16_supported(including_emulation=False)
    ):
        raise RuntimeUnavailableError(
            f"training: this GPU does not compute in precision {precision}; take 16-mixed or 32-true"
        )


@contextmanager
def interruptible(trainer: pl.Trainer) -> Iterator[None]:
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


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's own generators inside the block, and leave them as found."""
    with torch.random.fork_rng():
        start = child_seed(seed, "training")
        torch.default_generator.manual_seed(start)
        if torch.cuda.is_available():
            torch.cuda.manual_seed_all(start)
        yield


@contextmanager
def quiet() -> Iterator[None]:
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
