"""What layers do in one run: what they take and return, and how often each weight is used."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from mobilekit.compress.graph.untouched import evaluating
from mobilekit.core.errors import ModelError


@dataclass(frozen=True)
class Work:
    """Of one layer, over all its runs, for one example."""

    size: tuple[int, ...]
    """Height and width (or whatever dimensions there are) of its output; empty for vectors."""
    positions: int
    """Multiplications by each weight."""
    given: tuple[tuple[int, ...], ...]
    """Shape of what it takes, in each of its runs."""


def work_of(network: nn.Module, inputs: Sequence[Tensor]) -> dict[str, Work]:
    """Run a network once and return what its convolutions and linear layers do, by name.

    Args:
        network: any module; it is left as found.
        inputs: examples of its positional inputs.

    Raises:
        ModelError: the network does not run on the inputs.
    """
    found: dict[str, Work] = {}
    hooks = [
        module.register_forward_hook(partial(_note, found, name))
        for name, module in network.named_modules()
        if isinstance(module, (_ConvNd, nn.Linear, nn.MultiheadAttention))
    ]
    try:
        with evaluating(network):
            network(*inputs)
    except (RuntimeError, ValueError, TypeError, IndexError) as problem:
        words = " ".join(str(problem).split())[:200]
        raise ModelError(f"the network does not run on its inputs: {words}") from problem
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _note(found: dict[str, Work], name: str, module: nn.Module, *call: Any) -> None:
    output = call[-1][0] if isinstance(call[-1], tuple) else call[-1]
    given = call[0][0] if call[0] else output
    shape = tuple(output.shape)
    spatial: tuple[int, ...] = ()
    if isinstance(module, _ConvNd):
        dimensions = len(module.kernel_size)
        spatial = shape[-dimensions:]
        # Each weight of a transposed convolution meets every input position instead.
        positions = math.prod(given.shape[-dimensions:] if module.transposed else spatial)
    elif isinstance(module, nn.MultiheadAttention) and not module.batch_first:
        positions = shape[0]
    elif isinstance(module, nn.MultiheadAttention):
        positions = shape[-2]
    else:
        positions = math.prod(shape[1:-1])
    before = found.get(name)
    runs = before.given if before else ()
    positions += before.positions if before else 0
    found[name] = Work(spatial, positions, (*runs, tuple(given.shape)))
