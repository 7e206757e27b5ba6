"""The log of a training for TensorBoard, written at once by the process that trains.

Lightning's own logger writes in a thread of its own, whose failure (a full disk) nobody hears of: its queue
fills, and the training stands still. Here it is an error of the step that wrote.
"""

import time
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only
from tensorboardX.proto.event_pb2 import Event  # type: ignore[import-untyped]
from tensorboardX.record_writer import RecordWriter  # type: ignore[import-untyped]
from tensorboardX.summary import scalar  # type: ignore[import-untyped]

from mobilekit.core import files
from mobilekit.core.errors import OutputError

VERSION = "brain.Event:2"
"""Of the form of the file, which its first event names."""


class Log(Logger):
    """Numbers by name and step, in a file of events of its own.

    Args:
        folder: of the log; made with the first number.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._writer: RecordWriter | None = None

    @property
    def name(self) -> str:
        """Name of the experiment: none."""
        return ""

    @property
    def version(self) -> str:
        """Version of the experiment: the folder's name."""
        return self._folder.name

    @rank_zero_only
    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        """Write nothing: the recipe has them."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Write the numbers of a step.

        Raises:
            OutputError: the file cannot be written.
        """
        with files.explained(self._folder, whole=False):
            writer = self._writer or self._begun()
            for name, value in metrics.items():
                event = Event(wall_time=time.time(), summary=scalar(name, value), step=step or 0)
                writer.write(event.SerializeToString())

    @rank_zero_only
    def save(self) -> None:
        """Bring to the disk what was written.

        Raises:
            OutputError: the file cannot be written.
        """
        if self._writer is not None:
            with files.explained(self._folder, whole=False):
                self._writer.flush()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Close the file; where the training has failed, that is what is told, and not the file."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            with files.explained(self._folder, whole=False):
                writer.close()
        except OutputError:
            if status == "success":
                raise

    def _begun(self) -> RecordWriter:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._writer = RecordWriter(str(self._folder / f"events.out.tfevents.{time.time_ns()}"))
        self._writer.write(Event(wall_time=time.time(), file_version=VERSION).SerializeToString())
        return self._writer
