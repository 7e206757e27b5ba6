"""Figures: specialization to 3 of 10 shapes: >= 26 % of the filters removed at no loss against fine-tuning.

A network learns ten shapes; its heads are cut to three classes; then it trains on in three ways, as many
epochs each: plainly; with kernel sparsity and distillation from the whole network restricted to the
classes; and with plain l1 filter pruning of as many filters. Classification: torchvision's AlexNet,
narrow, accuracy. Segmentation: torchvision's FCN on its dilated ResNet, an eighth as wide and with one
bottleneck per stage, its batch norms folded after the cut, mean IoU. Shapes drawn by mobilekit.

`--search` tries the settings that were chosen from: other training seeds, judged on images of another
data seed; nothing of it is in the figures.
"""

import dataclasses
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
from theses import COLOUR, interval, seeded
from torch import nn
from torch.utils.data import TensorDataset
from torchvision.models import AlexNet
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.resnet import Bottleneck, ResNet
from torchvision.models.segmentation.fcn import FCN, FCNHead

from mobilekit.compress.base import Context, During, Training
from mobilekit.compress.during.distill import Distill
from mobilekit.compress.during.kernel_sparsity import KernelSparsity
from mobilekit.compress.during.sparsify import Sparsify
from mobilekit.compress.fitting.fit import Course, fit
from mobilekit.compress.fitting.rates import OptimizerConfig
from mobilekit.compress.regularization.kernel_sparsity import Scope
from mobilekit.compress.specialization.specialize import specialize
from mobilekit.compress.steps.fold import fold
from mobilekit.data.catalog import ShapesConfig, open_data
from mobilekit.data.task import Labelled, Task

REMOVED = 0.26
KEEP = ("circle", "star", "heart")
VALIDATION = 1_000
"""Seed of the images that settings are chosen by."""
SEARCHED = (100,)
"""Seeds of the trainings that settings are chosen by."""
WITHOUT = ("classifier.*", "*.conv2")
"""Of the segmentation network: layers of many inputs, whose filters' weights are smaller than others'."""


@dataclass(frozen=True)
class Setting:
    """What the three ways are trained with."""

    epochs: int = 20
    rate: float = 1e-3
    strength: float = 0.1
    threshold: float = 0.02
    end: float = 0.5
    scope: Scope = "global"
    beta: float = 0.5
    temperature: float = 2.0
    without: tuple[str, ...] = ()
    """Layers that keep all their filters."""


@dataclass(frozen=True)
class Experiment:
    """One task: its network and data, how the whole network learns, and what was chosen from."""

    task: Task
    network: Callable[[], nn.Module]
    size: int
    train: int
    test: int
    before: Course
    chosen: Setting
    others: tuple[Setting, ...] = ()


class Narrow(ResNet):  # type: ignore[misc]
    """torchvision's dilated ResNet, an eighth as wide."""

    by = 8

    def _make_layer(self, block: Any, planes: int, *rest: Any, **options: Any) -> nn.Sequential:
        if planes == 64:
            self.inplanes //= self.by
            self.conv1 = nn.Conv2d(3, self.inplanes, 7, stride=2, padding=3, bias=False)
            self.bn1 = nn.BatchNorm2d(self.inplanes)
        made: nn.Sequential = super()._make_layer(block, planes // self.by, *rest, **options)
        return made


def fcn() -> nn.Module:
    """Return FCN on a ResNet of four bottlenecks, for ten shapes and the background."""
    dilated = [False, True, True]
    body = Narrow(Bottleneck, [1, 1, 1, 1], replace_stride_with_dilation=dilated)
    network: nn.Module = FCN(
        IntermediateLayerGetter(body, {"layer4": "out"}), FCNHead(2048 // Narrow.by, 11)
    )
    return network


def alexnet() -> nn.Module:
    """Return AlexNet for ten shapes: convolutions a quarter as wide, linear layers a sixteenth."""
    network, before = AlexNet(10), 3
    for place, after in ((0, 16), (3, 48), (6, 96), (8, 64), (10, 64)):
        was = network.features[place]
        network.features[place] = nn.Conv2d(before, after, was.kernel_size, was.stride, was.padding)
        before = after
    network.classifier[1] = nn.Linear(before * 36, 256)
    network.classifier[4] = nn.Linear(256, 256)
    network.classifier[6] = nn.Linear(256, 10)
    made: nn.Module = network
    return made


def adam(rate: float) -> OptimizerConfig:
    """Return Adam with a rate that rises and falls."""
    return OptimizerConfig(kind="adam", lr=rate)


EXPERIMENTS = {
    "classification": Experiment(
        task="classification",
        network=alexnet,
        size=64,
        train=5_000,
        test=6_000,
        before=Course(16, 64, adam(1e-3)),
        chosen=Setting(30, 1e-3, strength=0.5, threshold=0.01),
        others=(
            Setting(30, 1e-3, strength=0.5, threshold=0.02),
            Setting(30, 1e-3, strength=2.0, threshold=0.02),
        ),
    ),
    "segmentation": Experiment(
        task="segmentation",
        network=fcn,
        size=48,
        train=2_400,
        test=2_000,
        before=Course(16, 32, adam(2e-3)),
        chosen=Setting(10, 1e-3, strength=1.5, threshold=0.027, beta=0.3, without=WITHOUT),
        others=(
            Setting(10, 1e-3, strength=0.5, threshold=0.01),
            Setting(10, 1e-3, strength=0.5, threshold=0.02, without=("classifier.*",)),
            Setting(10, 1e-3, strength=0.1, threshold=0.03, beta=0.3, without=("classifier.*",)),
            Setting(10, 1e-3, strength=0.5, threshold=0.02, beta=0.3, without=WITHOUT),
            Setting(10, 1e-3, strength=0.5, threshold=0.04, beta=0.3, without=WITHOUT),
            Setting(10, 1e-3, strength=1.5, threshold=0.02, beta=0.3, without=WITHOUT),
        ),
    ),
}


def main() -> int:
    """Print a row per task; 1 when a bar is missed."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--tasks", default=",".join(EXPERIMENTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--search", action="store_true", help="try the settings, and nothing else")
    options = parser.parse_args()
    torch.set_num_threads(1)
    load, begin = outcome.load(), time.monotonic()
    rows = []
    for name in options.tasks.split(","):
        experiment = EXPERIMENTS[name]
        rows += search(experiment) if options.search else [figures(experiment, options.seeds)]
    result = {
        "seeds": options.seeds,
        "load_average": load,
        "minutes": round((time.monotonic() - begin) / 60, 1),
        "met": all(one["met"] for one in rows),
        "rows": rows,
    }
    return outcome.finish(result, options.json)


def figures(experiment: Experiment, seeds: int) -> dict[str, Any]:
    """Return the figures of a task, over seeds from 0 on."""
    data = images(experiment)
    found = [Specialization(experiment, data, seed).run(experiment.chosen) for seed in range(seeds)]
    return row(experiment, experiment.chosen, found)


def search(experiment: Experiment) -> list[dict[str, Any]]:
    """Return what each setting gives on images and seeds that are in no figure."""
    data = images(experiment, validation=True)
    begun = [Specialization(experiment, data, seed) for seed in SEARCHED]
    return [
        row(experiment, setting, [one.run(setting) for one in begun])
        for setting in (experiment.chosen, *experiment.others)
    ]


def images(experiment: Experiment, *, validation: bool = False) -> tuple[Labelled, Labelled]:
    """Draw what is trained on, and what is judged on."""

    def drawn(seed: int) -> tuple[Labelled, Labelled]:
        kind = experiment.task, experiment.train, experiment.test, experiment.size, seed
        return open_data(ShapesConfig(*kind))

    return held(drawn(0)[0]), held(drawn(VALIDATION if validation else 0)[1])


def held(data: Labelled) -> Labelled:
    """Return a data set that is kept in memory."""
    pixels, targets = zip(*(data[place] for place in range(len(data))), strict=True)
    kept: Any = TensorDataset(torch.stack(pixels), torch.stack(targets))
    return dataclasses.replace(data, images=kept)


class Specialization:
    """A network that has learnt all classes, and what becomes of it.

    Args:
        experiment: which task.
        data: what is trained on, and what is judged on.
        seed: of weights and order.
        whole: a network that has learnt already.
    """

    def __init__(
        self,
        experiment: Experiment,
        data: tuple[Labelled, Labelled],
        seed: int,
        whole: nn.Module | None = None,
    ) -> None:
        self._seed, self._classes = seed, data[0].classes
        self.whole, self.metric = whole or seeded(experiment.network, seed), 0.0
        if whole is None:
            self.metric, _ = trained(self.whole, [], data, experiment.before, seed)
        self._image = data[0][0][0].unsqueeze(0)
        self._some = held(data[0].restricted(KEEP)), held(data[1].restricted(KEEP))

    def run(self, setting: Setting) -> dict[str, float]:
        """Return metrics of the three ways and the share of filters removed."""
        sparse = KernelSparsity(
            strength=setting.strength,
            threshold=setting.threshold,
            scope=setting.scope,
            end_at=setting.end,
            without=setting.without,
        )
        taught = Distill(beta=setting.beta, temperature=setting.temperature)
        ours, last = self.way([sparse, taught], setting)
        gone, total = last["zero_filters"], hidden(self.whole)
        l1 = Sparsify(
            sparsity=(gone + 0.5) / total,
            granularity="filter",
            context="global",
            without=setting.without,
            schedule={"kind": "linear", "end": setting.end},
        )
        found = {
            "whole": self.metric,
            "fine_tuned": self.way([], setting)[0],
            "kernel_sparsity": ours,
            "l1_pruning": self.way([l1], setting)[0],
            "removed": gone / total,
        }
        sys.stderr.write(f"{self._seed}: {found}\n")
        return found

    def way(self, methods: Sequence[During], setting: Setting) -> tuple[float, dict[str, float]]:
        """Cut the whole network, train on, and return the metric and the methods' figures."""
        cut = specialize(self.whole.eval(), [self._image], self._classes, KEEP)
        network = cut.network
        if any(isinstance(each, nn.BatchNorm2d) for each in network.modules()):
            network = fold(network, [self._image]).network
        course = Course(setting.epochs, 64, adam(setting.rate))
        teacher = {"original": self.whole, "kept_classes": cut.index}
        return trained(network, methods, self._some, course, self._seed, **teacher)


def hidden(network: nn.Module) -> int:
    """Return how many filters do not make the outputs."""
    widths = [each.out_channels for each in network.modules() if isinstance(each, nn.Conv2d)]
    return sum(widths[:-1] if isinstance(network, FCN) else widths)


def trained(
    network: nn.Module,
    methods: Sequence[During],
    data: tuple[Labelled, Labelled],
    course: Course,
    seed: int,
    **more: Any,
) -> tuple[float, dict[str, float]]:
    """Train; return the metric and the methods' figures."""
    flags = {"check_val_every_n_epoch": course.epochs}
    training = Training(*data, flags, statistics=COLOUR)
    context = Context((data[0][0][0].unsqueeze(0),), seed=seed, training=training, **more)
    history, _ = fit(network, methods, course, context)
    return history.last.metric, history.last.figures


def row(experiment: Experiment, setting: Setting, found: list[dict[str, float]]) -> dict[str, Any]:
    """Return the means, intervals and whether the bars are met."""
    values = {key: [one[key] for one in found] for key in found[0]}
    mean = {key: round(statistics.mean(each), 4) for key, each in values.items()}
    made = {
        "task": experiment.task,
        "data": f"shapes, {experiment.train:,} images, {experiment.size} px; 3 of 10 classes kept",
        "setting": dataclasses.asdict(setting),
        "met": mean["removed"] >= REMOVED
        and mean["kernel_sparsity"] >= mean["fine_tuned"]
        and mean["kernel_sparsity"] >= mean["l1_pruning"],
        "mean": mean,
        "difference_95": {
            f"kernel_sparsity - {other}": interval(
                [a - b for a, b in zip(values["kernel_sparsity"], values[other], strict=True)]
            )
            for other in ("fine_tuned", "l1_pruning")
        },
        "interval_95": {key: interval(each) for key, each in values.items()},
        "seeds": {key: [round(one, 4) for one in each] for key, each in values.items()},
    }
    sys.stderr.write(f"{made}\n")
    return made


if __name__ == "__main__":
    sys.exit(main())
