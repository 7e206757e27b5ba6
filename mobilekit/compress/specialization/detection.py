"""Detectors of torchvision: which rows of which layers belong to a class.

Their forward decides by values (how many boxes there are), which no trace can follow, so their heads are
known by name: R-CNN with its masks, RetinaNet, FCOS, SSD.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mobilekit.compress.graph.surgery import IndexMap
from mobilekit.core.errors import ModelError

_HOME = "torchvision.models.detection."
_TWO_STAGES = "GeneralizedRCNN"
_HEADS = ("box_predictor", "mask_predictor", "classification_head")
_DETECTORS = (_TWO_STAGES, "SSD", "RetinaNet", "FCOS")


@dataclass(frozen=True)
class Layer:
    """A linear layer or convolution with rows for classes: `row = (outer · C + class) · inner + i`."""

    name: str
    outer: int
    """Anchors per place."""
    inner: int
    """Numbers per class: 4 for boxes of their own."""


@dataclass(frozen=True)
class Detector:
    """The heads of a detector."""

    layers: tuple[Layer, ...]
    counters: tuple[tuple[str, str], ...]
    """Modules that store the number of classes, each with the attribute."""
    outputs: tuple[str, ...]
    background: bool
    """Whether class 0 is the background by construction, since a softmax is taken over it."""


def find(network: nn.Module) -> Detector | None:
    """Return the heads of a detector of torchvision; None for any other network.

    Raises:
        ModelError: a detector with a head of another make.
    """
    kinds = _kinds(network)
    if not kinds.intersection(_DETECTORS):
        return None
    places = dict(network.named_modules())
    layers = [layer for path, module in places.items() for layer in _layers(path, module)]
    for path, module in places.items():
        known = any(layer.name.startswith(f"{path}.") for layer in layers)
        if path.rpartition(".")[2] in _HEADS and not known:
            raise ModelError(
                f"specialize: {path}: a head of another make than torchvision's, {type(module).__name__}"
            )
    counters = [
        (path, attribute)
        for path, module in places.items()
        for attribute in ("num_classes", "num_columns")
        if attribute in vars(module) and any(_layers(path, module))
    ]
    masks = any(layer.name.endswith("mask_fcn_logits") for layer in layers)
    outputs = ("boxes", "labels", "scores", *(("masks",) if masks else ()))
    return Detector(tuple(layers), tuple(counters), outputs, bool(kinds & {_TWO_STAGES, "SSD"}))


def is_detector(network: nn.Module) -> bool:
    """Say whether a network is, or holds, a detector of torchvision."""
    return bool(_kinds(network).intersection(_DETECTORS))


def check_count(detector: Detector, network: nn.Module, count: int) -> None:
    """Make sure that a detector tells so many classes apart.

    Args:
        detector: the heads of `network`.
        network: the detector.
        count: of all classes.

    Raises:
        ModelError: a head with another number of classes, or with weights that are computed.
    """
    parameters = dict(network.named_parameters())
    for layer in detector.layers:
        weight = parameters.get(f"{layer.name}.weight")
        if weight is None:
            raise ModelError(
                f"specialize: {layer.name}: its weight is computed (parametrized); remove that first"
            )
        each = layer.outer * layer.inner
        if len(weight) != count * each:
            raise ModelError(
                f"specialize: {count} classes are named, but {layer.name} has {len(weight)} rows, "
                f"{each} per class: {len(weight) / each:g} classes; name every class, the background too"
            )


def rows(detector: Detector, network: nn.Module, count: int, index: Sequence[int]) -> IndexMap:
    """Return the rows of each parameter that stay, in the order of the new classes.

    Args:
        detector: the heads of `network`.
        network: the detector.
        count: of all classes.
        index: old number of each new class.

    Raises:
        ModelError: a head with another number of classes, or with weights that are computed.
    """
    check_count(detector, network, count)
    parameters = dict(network.named_parameters())
    kept: dict[str, dict[int, Tensor]] = {}
    for layer in detector.layers:
        weight = parameters[f"{layer.name}.weight"]
        grid = torch.arange(len(weight)).reshape(layer.outer, count, layer.inner)
        stays = grid[:, list(index)].reshape(-1)
        kept[f"{layer.name}.weight"] = {0: stays}
        if f"{layer.name}.bias" in parameters:
            kept[f"{layer.name}.bias"] = {0: stays}
    return kept


def recount(detector: Detector, network: nn.Module, count: int) -> None:
    """Let the heads know the new number of classes."""
    for path, attribute in detector.counters:
        setattr(network.get_submodule(path), attribute, count)


def _kinds(network: nn.Module) -> set[str]:
    """Return the names of torchvision's classes for detection that a network is made of."""
    return {
        kind.__name__
        for module in network.modules()
        for kind in type(module).__mro__
        if f"{kind.__module__}.".startswith(_HOME)
    }


def _layers(path: str, module: nn.Module) -> Iterator[Layer]:
    """Yield the layers of a module that is a head by its attributes."""
    children = dict(module.named_children())
    if isinstance(children.get("cls_score"), nn.Linear) and "bbox_pred" in children:
        yield Layer(f"{path}.cls_score", 1, 1)
        yield Layer(f"{path}.bbox_pred", 1, 4)
    if isinstance(children.get("mask_fcn_logits"), nn.Conv2d):
        yield Layer(f"{path}.mask_fcn_logits", 1, 1)
    if isinstance(children.get("cls_logits"), nn.Conv2d) and "num_classes" in vars(module):
        yield Layer(f"{path}.cls_logits", int(vars(module)["num_anchors"]), 1)
    if path.rpartition(".")[2] == "classification_head" and "num_columns" in vars(module):
        for name, block in children["module_list"].named_children():
            yield _last(f"{path}.module_list.{name}", block, int(vars(module)["num_columns"]))


def _last(path: str, block: nn.Module, columns: int) -> Layer:
    """Return the layer that ends a block of an SSD head."""
    found = [(name, one) for name, one in block.named_modules() if isinstance(one, nn.Conv2d)]
    name, layer = found[-1]
    return Layer(f"{path}.{name}".rstrip("."), layer.out_channels // columns, 1)
