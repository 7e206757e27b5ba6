"""Networks of torchvision by name, with weights as drawn: nothing is downloaded unless it is asked for."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from mobilekit.core.errors import ModelError, suggestion
from mobilekit.nets.catalog import TorchvisionConfig
from mobilekit.nets.factories import made

AUXILIARY = frozenset({"googlenet", "inception_v3"})
"""Networks with classifiers that act only in training, and a slow initialisation."""


def build(config: TorchvisionConfig) -> nn.Module:
    """Build the network: image [N, 3, S, S] to what it gives for so many classes.

    Raises:
        ModelError: torchvision has no such network, or it cannot be built so.
    """
    return by_name(config.name, {"num_classes": config.classes, **config.options})


def by_name(name: str, options: Mapping[str, Any]) -> nn.Module:
    """Build a network by its name and torchvision's own arguments.

    Raises:
        ModelError: torchvision has no such network, it cannot be built so, or is a whole detector.
    """
    from torchvision import models

    known = models.list_models()
    if name not in known:
        raise ModelError(
            f"torchvision:{name}: torchvision has no such model.{suggestion(name, known)}"
        )
    if name in models.list_models(module=models.detection):
        raise ModelError(
            f"torchvision:{name}: a whole detector chooses boxes by their scores, which no phone format"
            " can hold; export backbone and heads without post-processing: path/to/file.py:factory,"
            " where factory() returns a module around the detector's backbone and heads"
        )
    given = {"aux_logits": False, "init_weights": False} if name in AUXILIARY else {}
    builder = models.get_model_builder(name)
    if "weights_backbone" in builder.__annotations__:
        given["weights_backbone"] = None  # type: ignore[assignment]
    return made(f"torchvision:{name}", lambda: builder(**{"weights": None, **given, **options}))
