"""Give rare classes back their rareness: add e · log(share of a class) to the bias of the last layer.

What it does:
    Counts how often each class occurs in the training data, and adds `exponent` times the logarithm of
    its share to the class's bias in the layer that makes the scores; their mean stays. The scores move by
    those constants and by nothing else, which is checked on the network's examples.

When to use it:
    Behind a training with `class_weights`, which makes a network learn rare classes and then name them
    too often: the same exponent takes the weights out of its answers, a smaller one in part. It costs
    nothing on the device.

When not:
    Where rare classes are to be found at the price of false alarms: that is what the weights were for.

Source:
    Menon et al. 2021, "Long-tail learning via logit adjustment", section 4.1 (post-hoc adjustment), with
    the sign that leads from balanced answers to those of the data.
"""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import msgspec
import torch
from msgspec import Meta
from torch import Tensor, nn

from mobilekit.compress.base import Context, StepReport, count_parameters
from mobilekit.compress.fitting.aims import class_counts
from mobilekit.compress.graph.untouched import evaluating
from mobilekit.compress.steps.fold import duplicate
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError

NEAR = 1e-5
"""How far scores may be from where they should be, over the largest of them."""
_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def offsets(counts: Tensor, exponent: float) -> Tensor:
    """Return e · log(share) of each class, their mean taken off, float32 `[classes]`.

    Args:
        counts: of labels, `[classes]`; a class that was not seen counts as seen once.
        exponent: as of `class_weights`.

    >>> offsets(torch.tensor([8, 4, 2]), 1.0)
    tensor([ 0.6931,  0.0000, -0.6931])
    """
    raw = counts.clamp(min=1).double().log() * exponent
    return (raw - raw.mean()).float()


def adjust_logits(
    network: nn.Module, inputs: Sequence[Tensor], added: Tensor
) -> tuple[nn.Module, str]:
    """Add constants to a network's scores, in the bias of the layer that makes them.

    Args:
        network: whose first output is scores `[N, classes, ...]`; it is left as found, the result is a copy.
        inputs: examples of its positional inputs.
        added: a constant for each class, `[classes]`.

    Returns:
        The new network, and the path of the layer.

    Raises:
        NoEffectError: no layer with a bias makes the scores, and nothing else between.
        ModelError: there are scores for another number of classes.
    """
    result = duplicate(network)
    with evaluating(network), evaluating(result), torch.no_grad():
        before = _scores(network(*inputs))
        if before.ndim < 2 or before.shape[1] != len(added):
            raise ModelError(
                f"adjust_logits: the first output is {list(before.shape)}, and the data has"
                f" {len(added)} classes; it must hold a score for each along its second axis"
            )
        path, bias = _last(result, inputs, len(added))
        constants = added.to(bias)
        bias += constants
        wanted = before + constants.view(1, -1, *[1] * (before.ndim - 2))
        error = (_scores(result(*inputs)) - wanted).abs().max() / wanted.abs().max()
        if not error <= NEAR:
            raise NoEffectError(
                f"adjust_logits: {path} does not make the scores alone: its bias moves them otherwise"
            )
    return result, path


class AdjustLogits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the step."""

    takes_data: ClassVar[bool] = True

    exponent: Annotated[float, Meta(gt=0, le=2)] = 1.0
    """What log(share) is multiplied by; that of `class_weights` takes these out of the answers."""

    def apply(self, network: nn.Module, context: Context) -> tuple[nn.Module, StepReport]:
        """Return the network with other constants; its function changes, so there is no residual.

        Raises:
            RecipeError: no labelled data, or a detection.
            NoEffectError: no layer's bias can take the constants.
            ModelError: scores that are not those of the data's classes.
        """
        data = context.training.train if context.training else None
        if data is None or data.task == "detection":
            raise RecipeError(
                "adjust_logits: needs labelled images of a classification or segmentation; add data ="
                " { kind = ... }"
            )
        context.progress("counting how often each class occurs")
        added = offsets(class_counts(data), self.exponent)
        result, path = adjust_logits(network, context.inputs, added)
        said = ", ".join(
            f"{name} {value:+.2f}" for name, value in zip(data.classes, added.tolist(), strict=True)
        )
        count = count_parameters(network)
        return result, StepReport("adjust_logits", count, count, None, (f"{path}: {said}",))


def _scores(outputs: Any) -> Tensor:
    """Return the first output."""
    if isinstance(outputs, dict):
        outputs = tuple(outputs.values())
    found = outputs[0] if isinstance(outputs, tuple | list) else outputs
    if not isinstance(found, Tensor):
        raise ModelError("adjust_logits: the network's first output is no tensor")
    return found


def _last(network: nn.Module, inputs: Sequence[Tensor], classes: int) -> tuple[str, Tensor]:
    """Find the last layer that runs of those that give a number for each class: its path and bias."""
    ran: list[tuple[str, Tensor]] = []
    hooks = [
        module.register_forward_hook(lambda *_, one=(path, module.bias): ran.append(one))
        for path, module in network.named_modules()
        if isinstance(module, _LAYERS) and module.bias is not None and len(module.bias) == classes
    ]
    try:
        network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    if not ran:
        raise NoEffectError(
            f"adjust_logits: no linear or convolution layer with a bias gives {classes} numbers"
        )
    return ran[-1]
