"""Figure: share of a training's time that it waits for images, shards cached: <= 10 %.

The trainings are those of the networks that ship, on part of their data, with as many processes that read
images as their recipes say; what counts is the time from the end of one step to the beginning of the next
over all of it.
"""

import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import lightning.pytorch as pl
import msgspec
import outcome
import torch

from mobilekit.compress.base import Context, Training
from mobilekit.compress.fitting.course import Course
from mobilekit.compress.fitting.fit import fit
from mobilekit.compress.fitting.showing import Showing
from mobilekit.compress.registry import step_of
from mobilekit.data.catalog import open_data
from mobilekit.data.shards import cached
from mobilekit.pipeline.request import ExportRequest, resolve

MOST = 0.10
ROOT = Path(__file__).parents[1]
RECIPES = ("mobile-hourglass", "mobile-hourglass-video", "dfbuster")


class Clock(pl.Callback):
    """Takes the time of steps, and of what is between them."""

    def __init__(self) -> None:
        self.waiting: list[float] = []
        self.working: list[float] = []
        self._last = 0.0

    def on_train_batch_start(self, *_: Any) -> None:
        """Note how long was waited."""
        now = time.perf_counter()
        if self._last:
            self.waiting.append(now - self._last)
        self._last = now

    def on_train_batch_end(self, *_: Any) -> None:
        """Note how long the step took."""
        now = time.perf_counter()
        self.working.append(now - self._last)
        self._last = now


def main() -> int:
    """Print the shares; 1 when one is too large."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--steps", type=int, default=16)
    options = parser.parse_args()
    torch.set_num_threads(1)
    load = outcome.load()
    rows = [row(name, options.steps) for name in RECIPES]
    met = all(one["waiting"] <= MOST for one in rows)
    return outcome.finish({"load_average": load, "rows": rows, "met": met}, options.json)


def row(name: str, steps: int) -> dict[str, Any]:
    """Train for some steps."""
    plan = resolve(ExportRequest(reference=str(ROOT / "models" / name)))
    step: Any = step_of(plan.steps[0], name)
    config = msgspec.structs.replace(plan.data, train=steps * step.batch_size, test=step.batch_size)
    source = plan.load()
    clock = Clock()
    with tempfile.TemporaryDirectory() as scratch:
        learn, judge = (cached(data, Path(scratch)) for data in open_data(config))
        course = Course(
            1, step.batch_size, step.optimizer, workers=step.workers, channels_last=step.channels_last,
            showing=Showing(step.augment, step.progressive, step.mixup, step.previous_mask),
        )  # fmt: skip
        images = (learn[0][0].unsqueeze(0), *(spec_zeros(one) for one in source.inputs[1:]))
        context = Context(images, seed=1, training=Training(learn, judge))
        fit(source.module, [], replace(course), context, [clock])
    waiting, working = sum(clock.waiting[2:]), sum(clock.working[2:])
    return {"recipe": name, "waiting": round(waiting / (waiting + working), 4), "steps": steps}


def spec_zeros(spec: Any) -> torch.Tensor:
    """Return an empty input."""
    return torch.zeros(spec.shape)


if __name__ == "__main__":
    sys.exit(main())
