"""Networks of torchvision as they are, without weights of theirs."""

from functools import partial
from typing import Any

import pytest
import torch
from torchvision import models
from torchvision.models import segmentation

from mobilekit.compress.specialization.specialize import specialize
from mobilekit.compress.specialization.teacher import restricted_teacher
from tests.compress.specialization.drawn import (
    TOLERANCE,
    outputs,
    redrawn,
    rows_are_those_of,
    worst,
)

PLAIN = {"weights": None}
BARE = {"weights": None, "weights_backbone": None}
CLASSIFIERS: dict[str, tuple[Any, int, set[str]]] = {
    "alexnet": (partial(models.alexnet, **PLAIN), 64, {"classifier.6"}),
    "squeezenet1_0": (partial(models.squeezenet1_0, **PLAIN), 64, {"classifier.1"}),
    "resnet18": (partial(models.resnet18, **PLAIN), 64, {"fc"}),
    "mobilenet_v3_small": (partial(models.mobilenet_v3_small, **PLAIN), 64, {"classifier.3"}),
    "googlenet": (
        partial(models.googlenet, **PLAIN, init_weights=False),
        64,
        {"fc", "aux1.fc2", "aux2.fc2"},
    ),
    "inception_v3": (
        partial(models.inception_v3, **PLAIN, init_weights=False, aux_logits=True),
        299,
        {"fc", "AuxLogits.fc"},
    ),
    "vit_b_16": (partial(models.vit_b_16, **PLAIN, image_size=64), 64, {"heads.head"}),
    "swin_t": (partial(models.swin_t, **PLAIN), 64, {"head"}),
}
SEGMENTATIONS: dict[str, tuple[Any, set[str]]] = {
    "fcn_resnet50": (
        partial(segmentation.fcn_resnet50, **BARE, aux_loss=True),
        {"classifier.4", "aux_classifier.4"},
    ),
    "deeplabv3_mobilenet_v3_large": (
        partial(segmentation.deeplabv3_mobilenet_v3_large, **BARE, aux_loss=True),
        {"classifier.4", "aux_classifier.4"},
    ),
    "lraspp_mobilenet_v3_large": (
        partial(segmentation.lraspp_mobilenet_v3_large, **BARE),
        {"classifier.low_classifier", "classifier.high_classifier"},
    ),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_keeps_its_logits(name: str) -> None:
    make, size, layers = CLASSIFIERS[name]
    network = redrawn(make, 7)
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(7))
    classes = [f"class {n}" for n in range(1000)]
    index = (3, 281, 999)
    found = specialize(network, [x], classes, [classes[n] for n in reversed(index)])
    assert found.index == index
    assert {head.rpartition(".")[0] for head in found.heads} == layers
    assert rows_are_those_of(network, found.network, found.heads, index)
    if len(layers) > 1:  # the root alone: norms and dropout stay as they are
        network.training = found.network.training = True
    before, after = outputs(network, x), outputs(found.network, x)
    assert len(after) == len(layers)
    assert worst(before, after, index) <= TOLERANCE


@pytest.mark.parametrize("name", SEGMENTATIONS)
def test_a_segmentation_keeps_its_maps(name: str) -> None:
    make, layers = SEGMENTATIONS[name]
    network = redrawn(make, 8)
    x = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(8))
    classes = ["__background__", *(f"class {n}" for n in range(1, 21))]
    found = specialize(network, [x], classes, ["class 17", "class 5"])
    assert found.index == (0, 5, 17)
    assert {head.rpartition(".")[0] for head in found.heads} == layers
    assert rows_are_those_of(network, found.network, found.heads, found.index)
    before, after = network(x), found.network(x)
    assert tuple(after) == tuple(before) == found.outputs
    assert worst(list(before.values()), list(after.values()), found.index) <= TOLERANCE
    taught = restricted_teacher(network, found.index)(x)
    assert worst(list(taught.values()), list(after.values()), range(3)) <= TOLERANCE
