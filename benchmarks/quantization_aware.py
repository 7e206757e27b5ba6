"""Figures: training for the grid: >= 80 % of what 4-bit weights lose is won back; 8 bits are never worse.

A small network of depthwise convolutions learns to tell drawn shapes apart. It is then quantized after
training (scales from the greatest weights, ranges from images of the training set), and trained on for a
few epochs on the grid, `quantize_aware`; both as a file would compute, rounded in PyTorch. Beside it
stands as much further training without rounding, before and after it is quantized: what training alone
wins, and what the grid costs a network that has learnt as long. The bar of 4 bits is for the networks that
lose at least 2 points when they are quantized after training; all are listed.

`--search` tries the settings that were chosen from: other training seeds, judged on other images; nothing
of it is in the figures.
"""

import copy
import dataclasses
import os
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any, Literal

os.environ.setdefault("OMP_NUM_THREADS", "1")

import outcome
import torch
from specialization import SEARCHED, VALIDATION, held
from theses import COLOUR, interval, seeded
from torch import nn
from torch.utils.data import DataLoader

from mobilekit.compress.base import Context, During, Training
from mobilekit.compress.during.distill import Distill
from mobilekit.compress.during.quantize_aware import QuantizeAware
from mobilekit.compress.fitting.fit import Course, fit
from mobilekit.compress.fitting.rates import OptimizerConfig
from mobilekit.data.catalog import ShapesConfig, open_data
from mobilekit.data.task import Labelled

WON_BACK, LOST = 0.8, 0.02
TRAIN, TEST, SIDE, EPOCHS = 6_000, 4_000, 32, 12


@dataclass(frozen=True)
class Setting:
    """How it is trained on."""

    epochs: int = 3
    rate: float = 3e-3
    scales: Literal["observed", "learned"] = "observed"
    beta: float = 0.5
    """Of distillation from the float network; 0 for none."""
    freeze: float = 0.75


CHOSEN = Setting()
OTHERS = (
    Setting(rate=1e-3), Setting(rate=1e-3, scales="learned"), Setting(rate=1e-3, beta=0.0),
)  # fmt: skip


def separable(before: int, after: int, stride: int) -> nn.Sequential:
    """Return a depthwise and a pointwise convolution."""
    return nn.Sequential(
        nn.Conv2d(before, before, 3, stride, 1, groups=before, bias=False),
        nn.BatchNorm2d(before),
        nn.ReLU(inplace=True),
        nn.Conv2d(before, after, 1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


def network() -> nn.Sequential:
    """Return a MobileNet of ten classes, 0.02 million weights."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True),
        separable(16, 24, 1), separable(24, 40, 2), separable(40, 48, 1), separable(48, 64, 2),
        separable(64, 80, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(80, 10),
    )  # fmt: skip


def main() -> int:
    """Print a row per form; 1 when a bar is missed."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--search", action="store_true", help="try the settings, and nothing else")
    options = parser.parse_args()
    torch.set_num_threads(1)
    load, begin = outcome.load(), time.monotonic()
    rows = search() if options.search else figures(CHOSEN, range(options.seeds), images(0))
    result = {
        "load_average": load,
        "minutes": round((time.monotonic() - begin) / 60, 1),
        "data": f"shapes, {TRAIN:,} images, {SIDE} px",
        "met": all(one["met"] for one in rows),
        "rows": rows,
    }
    return outcome.finish(result, options.json)


def search() -> list[dict[str, Any]]:
    """Return what each setting gives on images and seeds that are in no figure."""
    data = images(VALIDATION)
    begun = [Trial(data, seed) for seed in SEARCHED]
    return [row for setting in (CHOSEN, *OTHERS) for row in figures(setting, SEARCHED, data, begun)]


def images(seed: int) -> tuple[Labelled, Labelled]:
    """Draw what is trained on, always the same, and what is judged on."""
    train = open_data(ShapesConfig("classification", TRAIN, 1, SIDE))[0]
    test = open_data(ShapesConfig("classification", 1, TEST, SIDE, seed))[1]
    return held(train), held(test)


def figures(
    setting: Setting, seeds: Any, data: tuple[Labelled, Labelled], begun: Any = None
) -> list[dict[str, Any]]:
    """Return a row for 4 and one for 8 bits."""
    trials = begun or [Trial(data, seed) for seed in seeds]
    found = [each.run(setting) for each in trials]
    return [row(form, setting, [each[form] for each in found]) for form in found[0]]


class Trial:
    """A network that has learnt, and what becomes of it on a grid.

    Args:
        data: what is trained on, and what is judged on.
        seed: of weights and order.
    """

    def __init__(self, data: tuple[Labelled, Labelled], seed: int) -> None:
        self._data, self._seed = data, seed
        self.network = seeded(network, seed)
        course = Course(EPOCHS, 64, OptimizerConfig("adam", 4e-3))
        self._train(self.network, [], course)
        self._plain: dict[Setting, nn.Module] = {}

    def run(self, setting: Setting) -> dict[str, dict[str, float]]:
        """Return accuracies by form."""
        return {form: self._form(form, setting) for form in ("weights:int4", "static:int8")}

    def _form(self, form: str, setting: Setting) -> dict[str, float]:
        aware = QuantizeAware(form, scales=setting.scales, freeze_norms_at=setting.freeze)
        course = Course(setting.epochs, 64, OptimizerConfig("adam", setting.rate))
        taught: list[During] = [Distill(beta=setting.beta)] if setting.beta else []
        trained = copy.deepcopy(self.network)
        plain = self._further(
            dataclasses.replace(setting, scales="observed", freeze=1.0), course, taught
        )
        return {
            "float": self._accuracy(self.network),
            "after_training": self._rounded(self.network, form),
            "trained_on_float": self._accuracy(plain),
            "trained_on": self._rounded(plain, form),
            "aware": round(self._train(trained, [aware, *taught], course), 6),
        }

    def _further(self, setting: Setting, course: Course, taught: list[During]) -> nn.Module:
        """Return a network that was trained on without rounding."""
        if setting not in self._plain:
            self._plain[setting] = copy.deepcopy(self.network)
            self._train(self._plain[setting], taught, course)
        return self._plain[setting]

    def _train(self, trained: nn.Module, methods: list[During], course: Course) -> float:
        flags = {"check_val_every_n_epoch": course.epochs}
        training = Training(*self._data, flags, statistics=COLOUR)
        image = self._data[0][0][0].unsqueeze(0)
        context = Context((image,), seed=self._seed, training=training, original=self.network)
        return fit(trained, methods, course, context)[0].last.metric

    def _rounded(self, trained: nn.Module, form: str) -> float:
        """Return the accuracy of a network that is quantized after training."""
        kept = copy.deepcopy(trained).train()
        handle = QuantizeAware(form, freeze_norms_at=0.0).start(kept, Context(()))
        with torch.no_grad():
            for batch, _ in list(self._batches(0))[:8]:
                kept(batch)
        found = self._accuracy(kept)
        handle.close()
        return found

    def _batches(self, part: int) -> Any:
        for batch, target in DataLoader(self._data[part], 250, generator=torch.Generator()):
            yield (batch - 0.5) / 0.5, target

    @torch.no_grad()
    def _accuracy(self, judged: nn.Module) -> float:
        judged.eval()
        right = sum(
            int((judged(batch).argmax(1) == target).sum()) for batch, target in self._batches(1)
        )
        return right / len(self._data[1])


def won_back(found: list[dict[str, float]]) -> float:
    """Return the share of what quantizing after training loses that training for the grid does not."""
    lost = statistics.mean(one["float"] - one["after_training"] for one in found)
    won = statistics.mean(one["aware"] - one["after_training"] for one in found)
    return won / lost


def row(form: str, setting: Setting, found: list[dict[str, float]]) -> dict[str, Any]:
    """Return means, intervals and whether the bar is met."""
    values = {key: [one[key] for one in found] for key in found[0]}
    mean = {key: statistics.mean(each) for key, each in values.items()}
    losing = [one for one in found if one["float"] - one["after_training"] >= LOST]
    met = all(one["aware"] >= one["after_training"] for one in found)
    if form == "weights:int4":
        met = met and bool(losing) and won_back(losing) >= WON_BACK
    return {
        "form": form,
        "setting": dataclasses.asdict(setting),
        "met": met,
        "networks_that_lose": len(losing),
        "won_back_of_these": round(won_back(losing), 3) if losing else None,
        "lost": round(mean["float"] - mean["after_training"], 4),
        "below_trained_on_float": round(mean["trained_on_float"] - mean["aware"], 4),
        "mean": {key: round(each, 4) for key, each in mean.items()},
        "interval_95": {key: interval(each) for key, each in values.items()},
        "seeds": values,
    }


if __name__ == "__main__":
    sys.exit(main())
