"""Figures: which claims of the source theses hold on the small sets that ship, over several seeds.

Each claim compares variants of one training on the same data, seeds and epochs; the report gives every
seed's error, the mean, and its 95 % interval (Student's t). A claim holds here when the mean errors are in
the claimed order; whether the difference is more than noise is said beside it: the interval of the paired
differences.
"""

import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import outcome
import torch
from scipy import stats
from torch import nn

from mobilekit.compress.base import Context, During, Training
from mobilekit.compress.during.distill import Distill, distill
from mobilekit.compress.during.lottery import Lottery
from mobilekit.compress.during.sparsify import Sparsify
from mobilekit.compress.fitting.fit import Course, fit
from mobilekit.compress.fitting.rates import OptimizerConfig
from mobilekit.data.catalog import DigitsConfig, ShapesConfig, open_data

GREY = ((0.5,), (0.5,))
COLOUR = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class Scale:
    """How much is trained."""

    train: int
    test: int
    epochs: int


def small(width: int = 16, channels: int = 1) -> nn.Module:
    """Return four convolutions with batch norm and a classifier of ten classes."""
    layers: list[nn.Module] = []
    before = channels
    for place, after in enumerate((width, width * 2, width * 4, width * 4)):
        layers += [
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        ]
        layers += [nn.MaxPool2d(2)] if place < 3 else [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        before = after
    return nn.Sequential(*layers, nn.Linear(before, 10))


def seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Return a network whose weights are those of a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return make()


def train(
    network: nn.Module,
    methods: Sequence[During],
    data: str,
    scale: Scale,
    seed: int,
    **options: Any,
) -> tuple[float, dict[str, float]]:
    """Train and return the error on the test set, and the methods' figures."""
    torch.set_num_threads(1)
    config = (
        DigitsConfig(scale.train, scale.test)
        if data == "digits"
        else ShapesConfig("classification", scale.train, scale.test)
    )
    learn, judge = open_data(config)
    statistic = GREY if data == "digits" else COLOUR
    image = learn[0][0].unsqueeze(0)
    context = Context((image,), seed=seed, training=Training(learn, judge, statistics=statistic))
    optimizer = OptimizerConfig(**{"lr": 2e-3, **options})
    history, _ = fit(network, methods, Course(scale.epochs, 64, optimizer), context)
    return 1 - history.last.metric, history.last.figures


def schedules(seed: int, scale: Scale) -> dict[str, Any]:
    """Compare schedules at 95 % of the weights."""
    found = {}
    for name in ("one_cycle", "gradual", "one_shot", "iterative"):
        method = Sparsify(sparsity=0.95, schedule=name)
        found[name], _ = train(seeded(small, seed), [method], "digits", scale, seed)
    return found


def granularities(seed: int, scale: Scale) -> dict[str, Any]:
    """Compare shared_kernel with filter at 90 %, global."""
    found = {}
    for name in ("shared_kernel", "filter"):
        method = Sparsify(sparsity=0.9, granularity=name, context="global", without=("0",))
        found[name], _ = train(seeded(lambda: small(32), seed), [method], "digits", scale, seed)
    return found


def clusters(seed: int, scale: Scale) -> dict[str, Any]:
    """Compare clustered filters with the plain criterion at 80 %."""
    found = {}
    for name, count in (("clustered", 8), ("plain", 0)):
        method = Sparsify(
            sparsity=0.8, granularity="filter", clusters=count,
            schedule={"kind": "one_shot", "start": 0.5},
        )  # fmt: skip
        found[name], _ = train(seeded(lambda: small(32), seed), [method], "digits", scale, seed)
    return found


def tickets(seed: int, scale: Scale) -> dict[str, Any]:
    """Compare a ticket of 30 % of the weights with the dense network, as many epochs for each."""
    rounds = 3
    dense, _ = train(seeded(small, seed), [], "digits", scale, seed)
    longer = Scale(scale.train, scale.test, scale.epochs * (rounds + 1))
    method = Lottery(sparsity=0.7, rounds=rounds, rewind_at=0.1 / (rounds + 1))
    ticket, _ = train(seeded(small, seed), [method], "digits", longer, seed, cycles=rounds + 1)
    return {"ticket": ticket, "dense": dense}


class _Taught(Distill, frozen=True):
    """Distillation from a network that is at hand."""

    def start(self, network: nn.Module, context: Context) -> Any:
        return distill(network, TEACHER[0], context, self)


TEACHER: list[nn.Module] = []


def distillation(seed: int, scale: Scale) -> dict[str, Any]:
    """Compare soft targets of a larger network with none."""
    large = seeded(lambda: small(32), seed + 100)
    better = Scale(scale.train * 3, scale.test, 8)
    error, _ = train(large, [], "digits", better, seed)
    TEACHER[:] = [large]
    student, _ = train(seeded(lambda: small(4), seed), [_Taught(beta=0.5)], "digits", scale, seed)
    alone, _ = train(seeded(lambda: small(4), seed), [], "digits", scale, seed)
    return {"soft_target": student, "none": alone, "teacher": error}


@dataclass(frozen=True)
class Claim:
    """What is claimed, in the order of the errors."""

    text: str
    run: Callable[[int, Scale], dict[str, Any]]
    scale: Scale
    order: tuple[str, ...]


CLAIMS = {
    "schedules": Claim(
        "one_cycle <= gradual <= one_shot <= iterative at 95 % of the weights",
        schedules,
        Scale(4_000, 3_000, 8),
        ("one_cycle", "gradual", "one_shot", "iterative"),
    ),
    "granularities": Claim(
        "shared_kernel <= filter at 90 %, global",
        granularities,
        Scale(3_000, 3_000, 6),
        ("shared_kernel", "filter"),
    ),
    "clusters": Claim(
        "clustered <= plain criterion at 80 % of the filters",
        clusters,
        Scale(3_000, 3_000, 6),
        ("clustered", "plain"),
    ),
    "tickets": Claim(
        "ticket <= dense at 70 % of the weights",
        tickets,
        Scale(3_000, 3_000, 5),
        ("ticket", "dense"),
    ),
    "distillation": Claim(
        "soft targets <= none", distillation, Scale(2_000, 3_000, 30), ("soft_target", "none")
    ),
}
"""Errors: smaller is better."""


def main() -> int:
    """Print a row per claim; 1 when one does not hold here."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--claims", default=",".join(CLAIMS), help="which, with commas")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    load, begin = outcome.load(), time.monotonic()
    rows = []
    for name in options.claims.split(","):
        claim = CLAIMS[name]
        with ProcessPoolExecutor(options.processes) as pool:
            jobs = [pool.submit(claim.run, seed, claim.scale) for seed in range(options.seeds)]
            found = [job.result() for job in jobs]
        rows.append(row(claim, found))
        sys.stderr.write(f"{rows[-1]}\n")
    result = {
        "seeds": options.seeds,
        "load_average": load,
        "minutes": round((time.monotonic() - begin) / 60, 1),
        "met": all(one["holds"] for one in rows),
        "rows": rows,
    }
    return outcome.finish(result, options.json)


def row(claim: Claim, found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a claim with its errors."""
    errors = {key: [one[key] for one in found] for key in found[0]}
    pairs = list(itertools.pairwise(claim.order))
    means = {key: statistics.mean(values) for key, values in errors.items()}
    holds = all(means[one] <= means[two] for one, two in pairs)
    return {
        "claim": claim.text,
        "data": f"digits, {claim.scale.train:,} images, {claim.scale.epochs} epochs",
        "holds": holds,
        "mean": {key: round(value, 5) for key, value in means.items()},
        "interval_95": {key: interval(values) for key, values in errors.items()},
        "difference_95": {
            f"{two} - {one}": interval(
                [b - a for a, b in zip(errors[one], errors[two], strict=True)]
            )
            for one, two in pairs
        },
        "seeds": {key: [round(value, 5) for value in values] for key, values in errors.items()},
    }


def interval(values: list[float]) -> list[float]:
    """Return the 95 % interval of the mean."""
    mean = statistics.mean(values)
    if len(values) < 2 or statistics.stdev(values) == 0:
        return [round(mean, 5)] * 2
    half = stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    return [round(float(mean - half), 5), round(float(mean + half), 5)]


if __name__ == "__main__":
    sys.exit(main())
