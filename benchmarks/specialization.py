"""Figures: specialization to 3 of 10 shapes: >= 26 % of the filters removed at no loss against fine-tuning.

A network learns ten shapes; its heads are cut to three classes; then it trains on in three ways: plainly;
with kernel sparsity and distillation from the whole network restricted to the classes; and with plain l1
filter pruning of as many filters. Classification: four convolutions with batch norm, accuracy.
Segmentation: a narrow FCN with batch norms, mean IoU. Shapes of 32 px, drawn by mobilekit.
"""

import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import outcome
import torch
from theses import COLOUR, interval, seeded, small
from torch import Tensor, nn
from torch.nn import functional

from mobilekit.compress.base import Context, During, Training
from mobilekit.compress.during.distill import Distill
from mobilekit.compress.during.kernel_sparsity import KernelSparsity
from mobilekit.compress.during.sparsify import Sparsify
from mobilekit.compress.fitting.fit import Course, fit
from mobilekit.compress.fitting.rates import OptimizerConfig
from mobilekit.compress.specialization.specialize import specialize
from mobilekit.data.catalog import ShapesConfig, open_data
from mobilekit.data.task import Labelled, Task

REMOVED = 0.26


@dataclass(frozen=True)
class Experiment:
    """One task, and how much is trained."""

    task: Task
    network: Callable[[], nn.Module]
    keep: tuple[str, ...]
    strength: float
    threshold: float
    train: int = 6_000
    test: int = 2_000
    before: int = 6
    after: int = 10


class Fcn(nn.Module):
    """A narrow fully convolutional network: stride 4, a head as torchvision's, bilinear upsampling."""

    def __init__(self) -> None:
        super().__init__()
        widths, layers = (3, 24, 48, 64, 64), []
        for place, (before, after) in enumerate(itertools.pairwise(widths)):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after)]
            layers += [nn.ReLU()] + ([nn.MaxPool2d(2)] if place < 2 else [])
        head = [nn.Conv2d(64, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(*head, nn.Conv2d(32, 11, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Return logits of the image's size."""
        made = self.classifier(self.features(image))
        return functional.interpolate(made, scale_factor=4.0, mode="bilinear", align_corners=False)


EXPERIMENTS = {
    "classification": Experiment(
        "classification", lambda: small(16, 3), ("circle", "star", "heart"), 0.1, 0.04
    ),
    "segmentation": Experiment("segmentation", Fcn, ("circle", "star", "heart"), 0.1, 0.01),
}


def main() -> int:
    """Print a row per task; 1 when a bar is missed."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--tasks", default=",".join(EXPERIMENTS))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    load, begin = outcome.load(), time.monotonic()
    rows = []
    for name in options.tasks.split(","):
        found = [once(EXPERIMENTS[name], seed) for seed in range(options.seeds)]
        rows.append(row(EXPERIMENTS[name], found))
        sys.stderr.write(f"{rows[-1]}\n")
    result = {
        "seeds": options.seeds,
        "load_average": load,
        "minutes": round((time.monotonic() - begin) / 60, 1),
        "met": all(one["met"] for one in rows),
        "rows": rows,
    }
    return outcome.finish(result, options.json)


def once(experiment: Experiment, seed: int) -> dict[str, float]:
    """Return metrics of the three ways and the share of filters removed, for one seed."""
    learn, judge = open_data(ShapesConfig(experiment.task, experiment.train, experiment.test))
    whole = seeded(experiment.network, seed)
    first, _ = trained(whole, [], (learn, judge), experiment.before, seed, 2e-3)
    image = learn[0][0].unsqueeze(0)
    cut = specialize(whole.eval(), [image], learn.classes, experiment.keep)
    names = tuple(name for name in cut.classes if name in learn.classes)
    some = learn.restricted(names), judge.restricted(names)
    teacher = {"original": whole, "kept_classes": cut.index}
    sparse = KernelSparsity(
        strength=experiment.strength, threshold=experiment.threshold, end_at=0.5
    )

    def way(methods: Sequence[During]) -> tuple[float, dict[str, float]]:
        network = specialize(whole, [image], learn.classes, experiment.keep).network.train()
        return trained(network, methods, some, experiment.after, seed, 5e-4, **teacher)

    plain, _ = way([])
    ours, figures = way([sparse, Distill(beta=0.5, temperature=2.0)])
    total = hidden(whole)
    gone = int(figures["zero_filters"])
    pruned, _ = (
        way(
            [
                Sparsify(
                    sparsity=gone / total,
                    granularity="filter",
                    context="global",
                    schedule={"kind": "linear", "end": 0.5},
                )
            ]
        )
        if gone
        else (plain, {})
    )
    return {
        "whole": first,
        "fine_tuned": plain,
        "kernel_sparsity": ours,
        "l1_pruning": pruned,
        "removed": gone / total,
    }


def hidden(network: nn.Module) -> int:
    """Return how many filters do not make the outputs."""
    widths = [each.out_channels for each in network.modules() if isinstance(each, nn.Conv2d)]
    ends = isinstance(network, Fcn)
    return sum(widths[:-1] if ends else widths)


def trained(
    network: nn.Module,
    methods: Sequence[During],
    data: tuple[Labelled, Labelled],
    epochs: int,
    seed: int,
    rate: float,
    **more: Any,
) -> tuple[float, dict[str, float]]:
    """Train; return the metric and the methods' figures."""
    training = Training(*data, statistics=COLOUR)
    context = Context((data[0][0][0].unsqueeze(0),), seed=seed, training=training, **more)
    course = Course(epochs, 64, OptimizerConfig(kind="adam", lr=rate, schedule="linear"))
    history, _ = fit(network, methods, course, context)
    return history.last.metric, history.last.figures


def row(experiment: Experiment, found: list[dict[str, float]]) -> dict[str, Any]:
    """Return the means, intervals and whether the bars are met."""
    values = {key: [one[key] for one in found] for key in found[0]}
    mean = {key: round(statistics.mean(each), 4) for key, each in values.items()}
    return {
        "task": experiment.task,
        "data": f"shapes, {experiment.train:,} images, 32 px; 3 of 10 classes kept",
        "met": mean["removed"] >= REMOVED
        and mean["kernel_sparsity"] >= mean["fine_tuned"]
        and mean["kernel_sparsity"] >= mean["l1_pruning"],
        "mean": mean,
        "interval_95": {key: interval(each) for key, each in values.items()},
        "seeds": {key: [round(one, 4) for one in each] for key, each in values.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
