"""How another network, a teacher or an encoder, is asked: it must take what the trained one takes."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from mobilekit.compress.base import Context
from mobilekit.compress.graph.untouched import evaluating
from mobilekit.core.errors import MobilekitError, ModelError, is_allocation_failure

SHOWN = 160
"""Characters of a foreign error."""


@contextlib.contextmanager
def asking(who: str, network: nn.Module, inputs: Sequence[Any]) -> Iterator[None]:
    """Say in one line that a network does not take its inputs, where it does not.

    Args:
        who: for the message, such as `distill: the teacher 'big'`.
        network: that is run inside.
        inputs: that it is given.

    Raises:
        ModelError: whatever the network's own code raised; memory that ran out stays what it is.
    """
    try:
        yield
    except MobilekitError:
        raise
    except Exception as problem:  # a network of anybody's fails in any way
        if is_allocation_failure(problem):
            raise
        words = " ".join(str(problem).split())[:SHOWN] or type(problem).__name__
        raise ModelError(
            f"{who} does not take the images: it was given {_given(inputs)}{_first_layer(network)}: {words};"
            " give one that takes what the trained network takes"
        ) from problem


def check_takes(who: str, network: nn.Module, inputs: Sequence[Tensor]) -> None:
    """Run a network once without gradients, inputs in its own type and on its own device.

    Args:
        who: for the message.
        network: is left as found.
        inputs: examples; without any there is nothing to check yet.

    Raises:
        ModelError: it does not take them.
    """
    if not inputs:
        return
    like = next((each for each in network.parameters() if each.is_floating_point()), None)
    if like is not None:
        inputs = [
            each.to(like.device, like.dtype if each.is_floating_point() else each.dtype)
            for each in inputs
        ]
    with asking(who, network, inputs), evaluating(network), torch.no_grad():
        network(*inputs)


def examples(context: Context) -> Sequence[Tensor]:
    """Return inputs as training gives them: an image of the data set, or the context's examples.

    Further inputs of the context, such as the mask of a frame before, come in the size of the image.
    """
    if context.training is None or not len(context.training.train):
        return context.inputs
    image = context.training.train[0][0].unsqueeze(0)
    others = [image.new_zeros(1, each.shape[1], *image.shape[2:]) for each in context.inputs[1:]]
    return [image, *others]


def _given(inputs: Sequence[Any]) -> str:
    shapes = [str(list(each.shape)) for each in inputs if isinstance(each, Tensor)]
    return ", ".join(shapes) or "no tensor"


def _first_layer(network: nn.Module) -> str:
    """Say what the first layer with weights takes, in the order of the modules."""
    for name, module in network.named_modules():
        if isinstance(module, _ConvNd):
            return f" (its {name or 'layer'} takes {module.in_channels} channels)"
        if isinstance(module, nn.Linear):
            return f" (its {name or 'layer'} takes vectors of {module.in_features})"
    return ""
