"""Layers that were replaced before a network was traced: torch.fx takes chains of layers apart."""

from collections import OrderedDict

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from mobilekit.compress.structuring.format import Layer
from mobilekit.compress.structuring.layers import written


def inlined(original: nn.Module, traced: fx.GraphModule) -> dict[str, Layer]:
    """Return what stood in the place of the original's layers when it was traced, by path.

    A chain of layers is a module without tensors in the traced network, with the layers inside.

    Raises:
        ModelError: something that cannot be described.
    """
    modules = dict(traced.named_modules())
    found = {}
    for path, old in original.named_modules():
        new = modules.get(path)
        if isinstance(old, (_ConvNd, nn.Linear, _BatchNorm)) and new is not None:
            if type(new) is nn.Identity:
                found[path] = Layer("Identity")
            elif _is_chain(new):
                found[path] = written(path, _chain(new), old)
    return found


def _is_chain(module: nn.Module) -> bool:
    own = (*module.parameters(recurse=False), *module.buffers(recurse=False))
    return type(module) is nn.Module and not own


def _chain(module: nn.Module) -> nn.Module:
    if not _is_chain(module):
        return module
    return nn.Sequential(OrderedDict((n, _chain(one)) for n, one in module.named_children()))
