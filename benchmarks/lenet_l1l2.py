"""Figures: LeNet on digits with the l1/l2 ratio of its filters, against the dense network and plain l1, l2.

All variants train on the same images for as many epochs. Settings are chosen by `--search` on images and
seeds that the figures do not use: first the ratio's, then those of plain l1 and l2 at as many filters
removed, each with its own search. The figures are of the test images, once, with what was chosen.
"""

import json
import os
import statistics
import sys
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

os.environ.setdefault("OMP_NUM_THREADS", "1")

import outcome
import torch
from msgspec import structs
from theses import GREY, interval, seeded
from torch import nn
from torch.utils.data import Dataset, TensorDataset

from mobilekit.compress.base import Context, During, Training
from mobilekit.compress.during.kernel_sparsity import KernelSparsity
from mobilekit.compress.during.sparsify import Sparsify
from mobilekit.compress.fitting.fit import Course, fit
from mobilekit.compress.fitting.rates import OptimizerConfig
from mobilekit.compress.regularization.kernel_sparsity import Form, Scope
from mobilekit.data.digits import digits
from mobilekit.data.task import Labelled, Sample, Split
from mobilekit.nets import build
from mobilekit.nets.catalog import LenetCaffeConfig

IMAGES, EPOCHS, FILTERS = 8_000, 24, 70
WANTED, ROOM = 0.6, 0.61
"""Share of the filters that must go; and in the search, where one seed has to speak for five."""
JUDGED = {"test": (10_000, 2), "validation": (5_000, 1)}
"""Images that are never trained on, and the seed that they are drawn by."""
OPTIMIZER = OptimizerConfig(kind="adam", lr=1e-3, schedule="linear")
SEARCHED = 100
"""Seed of the search's trainings."""
PLAIN_GONE = 44
"""Filters that plain l1 and l2 remove in the search."""


@dataclass(frozen=True)
class Setting:
    """How filters are made to go; by default none do."""

    form: Literal["dense", "ratio", "l1", "l2"] = "dense"
    strength: float = 0.0
    start: float = 0.0
    """Share of the training from which filters go."""
    end: float = 1.0
    """Share of the training after which no more go and the term is no longer added."""
    threshold: float = 0.01
    scope: Scope = "global"
    gone: int = 0
    """Filters that plain l1 and l2 remove; the ratio finds how many by itself."""

    def methods(self) -> list[During]:
        """Return what acts during the training."""
        if self.form == "dense":
            return []
        ratio = KernelSparsity(
            self.strength,
            threshold=self.threshold,
            start_at=self.start,
            end_at=self.end,
            scope=self.scope,
        )
        if self.form == "ratio":
            return [ratio]
        plain = structs.replace(ratio, form=self.form, normalization="none", threshold=0.0)
        when = {"kind": "linear", "start": self.start, "end": self.end}
        share = self.gone / FILTERS
        return [plain, Sparsify(share, granularity="filter", context="global", schedule=when)]


DENSE = Setting()
RATIOS = (
    Setting("ratio", 0.22, 0.04, 0.3),
    Setting("ratio", 0.27, 0.04, 0.3),
    Setting("ratio", 0.22, 0.1, 0.5),
)
STRENGTHS: dict[Form, tuple[float, ...]] = {"l1": (0.03, 0.1, 0.3), "l2": (0.3, 1.0)}
"""Of plain l1 and l2, which remove filters between the same shares of the training as the ratio."""
CHOSEN = {
    "ratio": Setting("ratio", 0.27, 0.04, 0.3),
    "l1": Setting("l1", 0.1, 0.04, 0.3),
    "l2": Setting("l2", 1.0, 0.04, 0.3),
}
"""What `--search` found."""


@cache
def images(split: Split, count: int, seed: int) -> Labelled:
    """Draw images once, and keep them as the floats that training reads."""
    drawn = digits(split, count, seed)
    pixels, classes = zip(*(drawn[index] for index in range(count)), strict=True)
    kept = TensorDataset(torch.stack(pixels), torch.stack(classes))
    return replace(drawn, images=cast("Dataset[Sample]", kept))


def train(setting: Setting, seed: int, judged: str) -> dict[str, Any]:
    """Train LeNet; return its error on images it has not seen, and how many filters are gone."""
    learn = images("train", IMAGES, 0)
    judge = images("test", *JUDGED[judged])
    network = seeded(lenet, seed)
    rarely = {"check_val_every_n_epoch": EPOCHS}
    training = Training(learn, judge, flags=rarely, statistics=GREY)
    context = Context((learn[0][0].unsqueeze(0),), seed=seed, training=training)
    history, _ = fit(network, setting.methods(), Course(EPOCHS, 64, OPTIMIZER), context)
    layers = {
        name: int((layer.weight.flatten(1).abs().sum(1) == 0).sum())
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d)
    }
    error = round(1 - history.last.metric, 5)
    return {"error": error, "removed": sum(layers.values()), "removed_by_layer": layers}


def lenet() -> nn.Module:
    """Return the Caffe LeNet, in the layout that trains fastest on a processor."""
    return build(LenetCaffeConfig()).to(memory_format=torch.channels_last)


class Runs:
    """Trainings that are done, each written at once: what was stopped goes on from there."""

    def __init__(self, file: Path | None, judged: str, *, resume: bool) -> None:
        self._file, self._judged = file, judged
        known = json.loads(file.read_text())["runs"] if file is not None and file.is_file() else []
        self.rows: list[dict[str, Any]] = [
            row for row in known if resume or row["judged"] != judged
        ]

    def one(self, setting: Setting, seed: int) -> dict[str, Any]:
        """Return what a training gave; train where that is not known."""
        key = {**asdict(setting), "seed": seed, "judged": self._judged}
        for row in self.rows:
            if all(row[name] == value for name, value in key.items()):
                return row
        row = {**key, **train(setting, seed, self._judged)}
        self.rows.append(row)
        sys.stderr.write(f"{json.dumps(row)}\n")
        if self._file is not None:
            self._file.write_text(json.dumps({"runs": self.rows}, indent=1) + "\n")
        return row


def search(runs: Runs) -> dict[str, Any]:
    """Choose the best of each form; of the ratio's settings, among those that remove enough."""
    tried = {setting: runs.one(setting, SEARCHED) for setting in (DENSE, *RATIOS)}
    enough = [ratio for ratio in RATIOS if tried[ratio]["removed"] >= ROOM * FILTERS]
    if not enough:
        return {"met": False, "found": "no setting removes enough", "runs": runs.rows}
    best = min(enough, key=lambda ratio: tried[ratio]["error"])
    found = {"ratio": asdict(best)}
    for form, strengths in STRENGTHS.items():
        others = [
            Setting(form, strength, best.start, best.end, gone=PLAIN_GONE) for strength in strengths
        ]
        tried |= {other: runs.one(other, SEARCHED) for other in others}
        found[form] = asdict(min(others, key=lambda other: tried[other]["error"]))
    return {"met": True, "found": found, "runs": runs.rows}


def figures(runs: Runs, seeds: int, plain_seeds: int) -> dict[str, Any]:
    """Judge what was chosen on the test images; plain l1 and l2 on the first `plain_seeds` seeds."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in ("dense", *CHOSEN)}
    for seed in range(seeds):
        rows["ratio"].append(runs.one(CHOSEN["ratio"], seed))
        rows["dense"].append(runs.one(DENSE, seed))
    for seed in range(plain_seeds):
        gone = rows["ratio"][seed]["removed"]
        for form in ("l1", "l2"):
            rows[form].append(runs.one(replace(CHOSEN[form], gone=gone), seed))
    errors = {name: [row["error"] for row in found] for name, found in rows.items()}
    removed = [row["removed"] / FILTERS for row in rows["ratio"]]
    worse = {
        name: [other - ours for other, ours in zip(errors[name], errors["ratio"], strict=False)]
        for name in ("dense", "l1", "l2")
    }
    bars = {
        "removed": statistics.mean(removed) >= WANTED,
        **{name: statistics.mean(found) >= 0 for name, found in worse.items()},
    }
    return {
        "met": all(bars.values()),
        "bars": bars,
        "data": f"digits, {IMAGES:,} images, {EPOCHS} epochs, judged on {JUDGED['test'][0]:,}",
        "seeds": {name: len(found) for name, found in errors.items()},
        "removed": {"mean": round(statistics.mean(removed), 4), "interval_95": interval(removed)},
        "error": {
            name: {"mean": round(statistics.mean(found), 5), "interval_95": interval(found)}
            for name, found in errors.items()
        },
        "difference_95": {f"{name} - ratio": interval(found) for name, found in worse.items()},
        "runs": runs.rows,
    }


def main() -> int:
    """Print errors and filters; 1 when a bar is missed."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--search", action="store_true", help="choose settings, on other images")
    parser.add_argument("--resume", action="store_true", help="keep trainings that the file has")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--plain-seeds", type=int, default=5, help="of plain l1 and l2")
    options = parser.parse_args()
    torch.set_num_threads(1)
    judged = "validation" if options.search else "test"
    runs = Runs(options.json, judged, resume=options.resume)
    if options.search:
        return outcome.finish(search(runs), options.json)
    result = figures(runs, options.seeds, options.plain_seeds)
    return outcome.finish(result, options.json)


if __name__ == "__main__":
    sys.exit(main())
