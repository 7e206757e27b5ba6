"""The end of a classifier: the label of the most probable class."""

from typing import Any

from torch import Tensor

from mobilekit.runtime.coreml_reference.context import Handler


def classify(*, probabilities: Tensor, classes: Any) -> tuple[Any, Tensor]:
    """Return the label of the largest probability, and the probabilities in the labels' order."""
    flat = probabilities.reshape(-1)
    labels = classes.tolist() if isinstance(classes, Tensor) else list(classes)
    return labels[int(flat.argmax())], flat


TABLE: dict[str, Handler] = {"classify": classify}
