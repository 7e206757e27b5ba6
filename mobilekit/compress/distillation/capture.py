"""What layers return while a network runs: hooks for as long as a `with` lasts, and the shapes."""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from mobilekit.compress.graph.untouched import evaluating
from mobilekit.core.errors import ModelError, suggestion


@contextlib.contextmanager
def captured(network: nn.Module, names: Collection[str]) -> Iterator[Mapping[str, Tensor]]:
    """Watch layers; the hooks go at the end, whatever happens.

    Each run of the network replaces what the run before left. Outputs are copied, with their graph: a
    layer behind (ReLU in place) may write into the original. Of a layer that runs several times the last
    output counts.

    Args:
        network: any module.
        names: of layers, as in `named_modules`; "" is the network.

    Yields:
        Output of each layer by its name, once the network has run; empty after the end.

    Raises:
        ModelError: the network has no such layer, or it does not return a tensor.
    """
    layers = dict(network.named_modules(remove_duplicate=False))
    outputs: dict[str, Tensor] = {}
    hooks = []
    try:
        for name in names:
            if name not in layers:
                raise ModelError(
                    f"distillation: the network has no layer {name!r}.{suggestion(name, layers)}"
                )
            hooks.append(layers[name].register_forward_hook(partial(_keep, outputs, name)))
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()
        outputs.clear()


def feature_shapes(network: nn.Module, inputs: Sequence[Tensor]) -> dict[str, tuple[int, ...]]:
    """Run a network once and return the shape of what each of its layers returns.

    Layers that do not return one tensor are left out, and so are the network itself and layers whose
    output is one of the network's: those belong to the logits.

    Args:
        network: any module; it is left as found.
        inputs: examples of its positional inputs.

    Returns:
        By name, in the order in which the layers finish; for one that runs several times, its last run.

    Raises:
        ModelError: the network does not run on the inputs.
    """
    found: dict[str, Tensor] = {}
    hooks = []
    try:
        for name, module in network.named_modules():
            hooks.append(module.register_forward_hook(partial(_note, found, name)))
        with evaluating(network):
            result = network(*inputs)
    except (RuntimeError, ValueError, TypeError, IndexError) as problem:
        words = " ".join(str(problem).split())[:200]
        raise ModelError(
            f"distillation: the network does not run on its inputs: {words}"
        ) from problem
    finally:
        for hook in hooks:
            hook.remove()
    ends = {id(tensor) for tensor in _tensors(result)}
    return {
        name: tuple(tensor.shape)
        for name, tensor in found.items()
        if name and id(tensor) not in ends
    }


def _keep(outputs: dict[str, Tensor], name: str, *call: Any) -> None:
    output = call[-1]
    if not isinstance(output, Tensor):
        raise ModelError(
            f"distillation: layer {name!r} returns {type(output).__name__}, not a tensor; take another"
        )
    outputs[name] = output.clone()


def _note(found: dict[str, Tensor], name: str, *call: Any) -> None:
    found.pop(name, None)
    if isinstance(call[-1], Tensor):
        found[name] = call[-1]


def _tensors(result: Any) -> Iterator[Tensor]:
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, Mapping):
        for value in result.values():
            yield from _tensors(value)
    elif isinstance(result, list | tuple):
        for value in result:
            yield from _tensors(value)
