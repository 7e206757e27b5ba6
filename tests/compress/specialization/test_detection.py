"""Detectors of torchvision as they are: what their heads give for the kept classes, before any choice."""

import copy
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import detection

from mobilekit.compress.specialization.specialize import Specialized, specialize
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError
from tests.compress.specialization.drawn import TOLERANCE, redrawn

CLASSES = ["__background__", *(f"class {n}" for n in range(1, 91))]
INDEX = [0, 5, 33, 90]
KEEP = ["class 90", "class 5", "class 33"]
BARE: dict[str, Any] = {"weights": None, "weights_backbone": None}
SMALL: dict[str, Any] = {**BARE, "min_size": 128, "max_size": 128}
DETECTORS = {
    "maskrcnn": partial(detection.maskrcnn_resnet50_fpn, **SMALL),
    "fasterrcnn": partial(detection.fasterrcnn_mobilenet_v3_large_320_fpn, **SMALL),
    "retinanet": partial(detection.retinanet_resnet50_fpn, **SMALL),
    "fcos": partial(detection.fcos_resnet50_fpn, **SMALL),
    "ssd": partial(detection.ssd300_vgg16, **BARE),
    "ssdlite": partial(detection.ssdlite320_mobilenet_v3_large, **BARE),
}
CUT = {"maskrcnn": 6, "fasterrcnn": 4, "retinanet": 2, "fcos": 2, "ssd": 12, "ssdlite": 12}
ANCHORS = {"retinanet": [9], "fcos": [1], "ssd": [4, 6, 6, 6, 4, 4], "ssdlite": [6] * 6}


def head_of(network: Any) -> nn.Module:
    two_stages = hasattr(network, "roi_heads")
    found: nn.Module = (
        network.roi_heads.box_predictor if two_stages else network.head.classification_head
    )
    return found


def given_by_head(network: nn.Module, images: list[Tensor]) -> Any:
    seen: list[Any] = []
    handle = head_of(network).register_forward_hook(lambda *call: seen.append(call[2]))
    with torch.no_grad():
        network(images)
    handle.remove()
    return seen[0]


def error(before: Tensor, after: Tensor) -> float:
    assert before.shape == after.shape
    return float((before - after).detach().abs().max() / before.detach().abs().max())


@pytest.fixture(scope="module", params=DETECTORS)
def pair(request: pytest.FixtureRequest) -> tuple[str, nn.Module, Specialized]:
    network = redrawn(DETECTORS[request.param], 11)
    return request.param, network, specialize(network, [], CLASSES, KEEP)


def test_heads_give_the_same_for_the_kept_classes(
    pair: tuple[str, nn.Module, Specialized],
) -> None:
    name, network, found = pair
    assert list(found.index) == INDEX
    assert found.classes == ("__background__", "class 5", "class 33", "class 90")
    assert len(found.heads) == CUT[name]
    images = [torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(1))]
    before, after = given_by_head(network, images), given_by_head(found.network, images)
    if isinstance(before, tuple):
        boxes = before[1].reshape(-1, 91, 4)[:, INDEX].flatten(1)
        assert error(before[0][:, INDEX], after[0]) <= TOLERANCE
        assert error(boxes, after[1]) <= TOLERANCE
    else:
        assert error(before[..., INDEX], after) <= TOLERANCE


def test_masks_are_the_same_for_the_kept_classes(
    pair: tuple[str, nn.Module, Specialized],
) -> None:
    name, network, found = pair
    assert ("masks" in found.outputs) == (name == "maskrcnn")
    if name == "maskrcnn":
        maps = torch.randn(2, 256, 14, 14, generator=torch.Generator().manual_seed(2))
        predictor = "roi_heads.mask_predictor"
        before = network.get_submodule(predictor)(maps)[:, INDEX]
        assert error(before, found.network.get_submodule(predictor)(maps)) <= TOLERANCE


def test_rows_are_those_of_the_kept_classes_to_the_bit(
    pair: tuple[str, nn.Module, Specialized],
) -> None:
    name, network, found = pair
    whole, smaller = network.state_dict(), found.network.state_dict()
    assert whole.keys() == smaller.keys()
    anchors = iter(ANCHORS.get(name, [1] * 3))
    for key, tensor in whole.items():
        if key not in found.heads:
            assert torch.equal(tensor, smaller[key])
            continue
        if key.endswith("weight"):
            outer = next(anchors)
        inner = 4 if "bbox_pred" in key else 1
        rows = tensor.reshape(outer, 91, inner, -1)[:, INDEX]
        assert torch.equal(rows.reshape(-1, *tensor.shape[1:]), smaller[key])


def test_a_specialized_detector_learns_and_answers(
    pair: tuple[str, nn.Module, Specialized],
) -> None:
    _, _, found = pair
    images = [torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(3))] * 2
    target = {
        "boxes": torch.tensor([[5.0, 5.0, 60.0, 60.0]]),
        "labels": torch.tensor([3]),
        "masks": torch.ones(1, 128, 128, dtype=torch.uint8),
    }
    network = copy.deepcopy(found.network).train()
    with torch.random.fork_rng():  # proposals are sampled
        losses = sum(network(images, [target, target]).values())
    losses.backward()
    assert torch.isfinite(losses)
    parameters = dict(network.named_parameters())
    assert all(parameters[name].grad is not None for name in found.heads)
    network.eval()
    with torch.no_grad():
        answers = network(images)
    assert all(int(label) < 4 for answer in answers for label in answer["labels"])


def small(**options: Any) -> Any:
    with torch.random.fork_rng():
        return detection.fasterrcnn_mobilenet_v3_large_320_fpn(**SMALL, num_classes=4, **options)


def test_class_0_is_the_background_whatever_its_name() -> None:
    names = ["nothing", "a", "b", "c"]
    assert specialize(small(), [], names, ["c"]).index == (0, 3)
    assert specialize(small(), [], names, ["c"], "nothing").index == (0, 3)
    with pytest.raises(RecipeError, match="background is 'a', but in this detector"):
        specialize(small(), [], names, ["c"], "a")
    with pytest.raises(NoEffectError, match="all 4 classes are kept"):
        specialize(small(), [], names, ["a", "b", "c"])


def test_another_number_of_classes_is_refused() -> None:
    with pytest.raises(
        ModelError, match=r"3 classes are named, but \S+cls_score has 4 rows, 1 per"
    ):
        specialize(small(), [], ["nothing", "a", "b"], ["a"])
    with pytest.raises(ModelError, match=r"3 classes are named, .* 4 classes; name every class"):
        specialize(small(), [], ["nothing", "a", "b"], ["c"])  # which only the missing name is


def test_heads_of_another_make_are_refused() -> None:
    names = ["nothing", "a", "b", "c"]
    network = small()
    network.roi_heads.box_predictor = nn.Linear(1024, 4)
    with pytest.raises(ModelError, match=r"box_predictor: a head of another make .* Linear"):
        specialize(network, [], names, ["a"])
    network = small()
    nn.utils.parametrizations.weight_norm(network.roi_heads.box_predictor.cls_score)
    with pytest.raises(ModelError, match=r"cls_score: its weight is computed"):
        specialize(network, [], names, ["a"])
    network = small()
    network.roi_heads.box_predictor.bbox_pred = nn.Linear(1024, 4)
    with pytest.raises(ModelError, match=r"bbox_pred has 4 rows, 4 per class: 1 classes"):
        specialize(network, [], names, ["a"])
