"""Figure: a detector cut to 3 of 10 shapes: >= 10 % of the filters removed at >= 95 % of the fine-tuned AP.

A narrow build of torchvision's Mask R-CNN ResNet-50 FPN (same classes, same 3-4-6-3 bottlenecks) learns ten
shapes with their boxes and masks; every head is cut to three classes; then it trains on in two ways: plainly,
and with kernel sparsity, which leaves the layers that make the outputs alone. AP is that of boxes at
IoU 0.5, on drawn images of 64 px. Settings are chosen on other seeds and other images to judge by: --choose.
"""

import os
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import outcome
import torch
from theses import interval, seeded
from torch import nn
from torch.utils.data import Dataset
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.resnet import Bottleneck, ResNet
from torchvision.ops import MultiScaleRoIAlign

from mobilekit.compress.base import Context, During, Training
from mobilekit.compress.during.kernel_sparsity import KernelSparsity
from mobilekit.compress.fitting.fit import Course, fit
from mobilekit.compress.fitting.history import History
from mobilekit.compress.fitting.rates import OptimizerConfig
from mobilekit.compress.specialization.specialize import specialize
from mobilekit.data.catalog import ShapesConfig, open_data
from mobilekit.data.task import Labelled, Sample

REMOVED, KEPT_AP = 0.10, 0.95
KEEP = ("circle", "star", "heart")
SIZE, TRAIN, TEST = 64, 1_800, 1_000
NARROW = 4
"""By which every width of ResNet-50 is divided."""
FPN, BOX, MASK, POOLED = 32, 64, 16, 5
BEFORE = Course(7, 16, OptimizerConfig(lr=2e-3, weight_decay=1e-4), clip=5.0)
AFTER = Course(6, 16, OptimizerConfig(lr=1e-3, weight_decay=1e-4, schedule="linear"))
"""Without a limit of the gradient: that of dead filters behind a batch norm is large, and would count in it."""
SPARSE = KernelSparsity(strength=0.05, threshold=0.015, end_at=0.6, layers=("backbone.body.*",))
"""The pyramid and the heads are left alone: a level of the pyramid reads all of a stage, and died as a whole."""
OUTPUTS = ("cls_logits", "bbox_pred", "mask_fcn_logits")
CHOOSING = 100
"""First seed of --choose, which is also that of the images it judges by."""


class Narrow(ResNet):
    """ResNet-50, its widths divided."""

    def __init__(self) -> None:
        super().__init__(Bottleneck, [3, 4, 6, 3])

    def _make_layer(self, block: Any, planes: int, *rest: Any, **more: Any) -> nn.Sequential:
        if planes == 64:
            self.inplanes = planes // NARROW
            self.conv1 = nn.Conv2d(3, self.inplanes, 7, 2, 3, bias=False)
            self.bn1 = nn.BatchNorm2d(self.inplanes)
        return super()._make_layer(block, planes // NARROW, *rest, **more)


def detector() -> MaskRCNN:
    """Return Mask R-CNN for ten classes and the background, with few proposals."""
    stages = {f"layer{place + 1}": str(place) for place in range(4)}
    widths = [256 // NARROW * 2**place for place in range(4)]
    sizes = ((16, 22, 28), (24, 30, 36), (30, 36, 44), (36, 44, 52), (44, 52, 60))
    return MaskRCNN(
        BackboneWithFPN(Narrow(), stages, widths, FPN),
        min_size=SIZE,
        max_size=SIZE,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
        rpn_anchor_generator=AnchorGenerator(sizes, ((1.0,),) * len(sizes)),
        rpn_pre_nms_top_n_train=60,
        rpn_pre_nms_top_n_test=60,
        rpn_post_nms_top_n_train=32,
        rpn_post_nms_top_n_test=24,
        rpn_batch_size_per_image=32,
        box_batch_size_per_image=24,
        box_detections_per_img=16,
        # torchvision takes boxes below 112 px from level 0
        box_roi_pool=MultiScaleRoIAlign(["0"], POOLED, 2),
        box_head=TwoMLPHead(FPN * POOLED**2, BOX),
        box_predictor=FastRCNNPredictor(BOX, 11),
        mask_roi_pool=MultiScaleRoIAlign(["0"], 8, 2),
        mask_head=MaskRCNNHeads(FPN, (MASK, MASK), 1),
        mask_predictor=MaskRCNNPredictor(MASK, MASK, 11),
    )


class Held(Dataset[Sample]):
    """Images in memory."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Sample:
        return self._samples[index]


def main() -> int:
    """Print the figures after each seed; 1 when a bar is missed."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--choose", action="store_true", help="other seeds, other test images")
    options = parser.parse_args()
    torch.set_num_threads(1)
    load, begin, code = outcome.load(), time.monotonic(), 0
    first = CHOOSING if options.choose else 0
    data = drawn(first)
    found: list[dict[str, Any]] = []
    for seed in range(first, first + options.seeds):
        found.append(once(data, seed))
        minutes = round((time.monotonic() - begin) / 60, 1)
        result = row(found) | {"load_average": load, "minutes": minutes}
        code = outcome.finish(result, options.json)
    return code


def drawn(seed: int) -> tuple[Labelled, Labelled]:
    """Return images to learn from, and those of a seed to judge by; each is drawn once."""
    learn, _ = open_data(ShapesConfig("detection", TRAIN, TEST, SIZE))
    _, judge = open_data(ShapesConfig("detection", TRAIN, TEST, SIZE, seed))
    return held(learn, learn.classes, samples(learn)), held(judge, judge.classes, samples(judge))


def samples(data: Labelled) -> list[Sample]:
    """Return every image with its target."""
    return [data[index] for index in range(len(data))]


def held(data: Labelled, classes: tuple[str, ...], found: list[Sample]) -> Labelled:
    """Return data of the same source with these samples."""
    return Labelled(data.task, classes, Held(found), data.provenance)


def restricted(data: Labelled) -> Labelled:
    """Return the images that show a class to keep, with its boxes and, unlike `data.restricted`, masks."""
    numbers = {data.classes.index(name) + 1: new for new, name in enumerate(KEEP, start=1)}
    found: list[Sample] = []
    for image, target in samples(data):
        assert isinstance(target, dict)  # a detection's
        labels = torch.tensor([numbers.get(label, 0) for label in target["labels"].tolist()])
        if bool(labels.any()):
            kept = {name: each[labels > 0] for name, each in target.items()}
            found.append((image, kept | {"labels": labels[labels > 0]}))
    return held(data, KEEP, found)


def once(data: tuple[Labelled, Labelled], seed: int) -> dict[str, Any]:
    """Return the APs of both ways and the share of filters removed, for one seed."""
    whole = seeded(detector, seed)
    first = trained(whole, (), data, BEFORE, seed)
    some = restricted(data[0]), restricted(data[1])

    def way(*methods: During) -> History:
        cut = specialize(whole, [], ("__background__", *data[0].classes), KEEP)
        return trained(cut.network.train(), methods, some, AFTER, seed)

    plain, sparse = way(), way(SPARSE)
    return {
        "whole": first.last.metric,
        "fine_tuned": plain.last.metric,
        "kernel_sparsity": sparse.last.metric,
        "kept_ap": sparse.last.metric / plain.last.metric,
        "removed": sparse.last.figures["zero_filters"] / hidden(whole),
    }


def hidden(network: nn.Module) -> int:
    """Return how many filters do not make the outputs."""
    return sum(
        each.out_channels
        for name, each in network.named_modules()
        if isinstance(each, (nn.Conv2d, nn.ConvTranspose2d))
        and name.rpartition(".")[2] not in OUTPUTS
    )


def trained(
    network: nn.Module,
    methods: Sequence[During],
    data: tuple[Labelled, Labelled],
    course: Course,
    seed: int,
) -> History:
    """Train; return what happened. AP is taken at the end only."""

    def tell(words: str) -> None:
        if ": average_precision" in words:
            sys.stderr.write(f"seed {seed}: {words}\n")

    training = Training(*data, flags={"check_val_every_n_epoch": course.epochs})
    history, _ = fit(
        network, methods, course, Context((), seed=seed, training=training, progress=tell)
    )
    return history


def row(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the means, intervals and whether the bars are met."""
    values = {key: [one[key] for one in found] for key in found[0]}
    mean = {key: round(statistics.mean(each), 4) for key, each in values.items()}
    return {
        "task": "detection",
        "data": f"shapes, {TRAIN:,} images, {SIZE} px; {len(KEEP)} of 10 classes kept",
        "metric": "AP of boxes at IoU 0.5",
        "filters": hidden(seeded(detector, 0)),
        "met": mean["removed"] >= REMOVED and mean["kept_ap"] >= KEPT_AP,
        "mean": mean,
        "interval_95": {key: interval(each) for key, each in values.items()},
        "seeds": {key: [round(one, 4) for one in each] for key, each in values.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
