"""Filters that nobody hears: what they make is multiplied by zero wherever it goes.

A batch norm with γ = 0 gives its shift β whatever arrives; a layer with a column of zeros does not see
that channel. The filter before them may be anything and is as good as zero. Training with a penalty on γ
(Liu et al. 2017, network slimming) ends in this form.
"""

import copy
from collections import defaultdict

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mobilekit.compress.graph.atoms import Axis
from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.graph.record import Call, Value
from mobilekit.compress.graph.rules.pointwise import is_pointwise
from mobilekit.compress.graph.stored import stored

_NORMS = {"native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training"}
_PASSING = {
    "max_pool2d_with_indices", "avg_pool2d", "_adaptive_avg_pool2d", "clone", "upsample_nearest2d",
    "upsample_bilinear2d", "upsample_bicubic2d", "native_dropout",
}  # fmt: skip
"""Calls that keep the channels of their first input apart, in their order."""
_UNTAGGED = {"hardswish", "hardtanh"}
"""Point-wise operators that PyTorch does not call so."""


def has_mute_norms(network: nn.Module) -> bool:
    """Whether a batch norm has a scale of zero somewhere."""
    return any(
        isinstance(module, _BatchNorm)
        and module.affine
        and not bool(module.weight.detach().ne(0).all())
        for module in network.modules()
    )


def silenced(graph: ChannelGraph, network: nn.Module) -> nn.Module:
    """Return a copy in which filters that nobody hears are zero; the network itself if there are none.

    The function stays what it is, bit for bit, in evaluation mode. What cannot be proven is heard:
    channels are followed along the second dimension through convolutions, batch norms, point-wise
    operators, pooling and interpolation.

    Args:
        graph: of the network.
        network: is left as found.
    """
    heard = _Hearing(graph, network)
    unheard: dict[Axis, Tensor] = {}
    readers: defaultdict[str | None, int] = defaultdict(int)
    for call in graph.record.calls:
        for value in call.inputs:
            readers[graph.record.name(value)] += 1
    for call in reversed(graph.record.calls):
        heard.follow(call)
        if call.name != "convolution":
            continue
        name = graph.record.name(call.argument("weight"))
        mute = ~heard.of(call.outputs[0])
        dimension = 1 if call.argument("transposed") else 0
        fits = graph.record.shape(call.argument("weight"))[dimension] == len(mute)
        if name is not None and readers[name] == 1 and fits:
            unheard[Axis(name, dimension)] = mute
    return _zeroed(network, {a: m for a, m in unheard.items() if _loud(network, a, m)})


class _Hearing:
    """Which channels of each value are heard by something that matters."""

    def __init__(self, graph: ChannelGraph, network: nn.Module) -> None:
        self._record, self._network = graph.record, network
        self._heard: dict[int, Tensor] = {}
        for value in self._record.outputs:
            self._hear(value, self._all(value))

    def of(self, value: Value) -> Tensor:
        """Return whether each channel of a value is heard, shape `[size of the second dimension]`."""
        return self._heard.get(value.index, ~self._all(value))

    def follow(self, call: Call) -> None:
        """Tell the inputs of a call what is heard of them."""
        if any(bool(self.of(other).any()) for other in call.outputs[1:]):
            self._hear_all(call)
        elif call.name in _NORMS and not call.argument("training"):
            scale = call.argument("weight")
            mask = self.of(call.outputs[0])
            if scale is not None:
                mask = mask & (self._tensor(scale) != 0).cpu()
            self._hear(call.inputs[0], mask)
        elif call.name == "convolution":
            self._convolution(call)
        elif self._passes(call):
            for value in call.inputs:
                self._hear(value, self.of(call.outputs[0]))
        else:
            self._hear_all(call)

    def _hear_all(self, call: Call) -> None:
        for value in call.inputs:
            self._hear(value, self._all(value))

    def _convolution(self, call: Call) -> None:
        source, weight = call.argument("input"), call.argument("weight")
        if self._record.name(weight) is None:
            self._hear_all(call)
            return
        kernels, groups = self._tensor(weight).cpu(), call.argument("groups")
        outputs = self.of(call.outputs[0])
        if not call.argument("transposed"):
            blocks = kernels.reshape(groups, -1, *kernels.shape[1:]).flatten(3)
            links = blocks.ne(0).any(3) if blocks.ndim == 4 else blocks.ne(0)  # [g, out, in]
        else:
            blocks = kernels.reshape(groups, -1, *kernels.shape[1:]).flatten(3)
            links = blocks.ne(0).any(3).transpose(1, 2)
        alive = links & outputs.reshape(groups, -1, 1)
        self._hear(source, alive.any(1).reshape(-1))

    def _passes(self, call: Call) -> bool:
        """Whether each channel of the output comes from the same channel of every input, and no other."""
        shapes = [self._record.shape(value) for value in (*call.inputs, call.outputs[0])]
        if any(len(shape) < 2 for shape in shapes) or len({shape[1] for shape in shapes}) > 1:
            return False
        if any(self._record.name(value) is not None for value in call.inputs):
            return False
        if call.name in _PASSING:
            return all(len(shape) == 4 for shape in shapes)
        by_element = is_pointwise(call) or call.name.rstrip("_") in _UNTAGGED
        return by_element and len({len(shape) for shape in shapes}) == 1

    def _hear(self, value: Value, mask: Tensor) -> None:
        known = self._heard.get(value.index)
        self._heard[value.index] = mask if known is None else known | mask

    def _all(self, value: Value) -> Tensor:
        shape = self._record.shape(value)
        return torch.ones(shape[1] if len(shape) > 1 else 1, dtype=torch.bool)

    def _tensor(self, value: Value) -> Tensor:
        name = self._record.name(value)
        assert name is not None  # noqa: S101  a parameter or buffer
        return stored(self._network, name).detach()


def _loud(network: nn.Module, axis: Axis, mute: Tensor) -> bool:
    """Whether a filter that nobody hears is not zero yet."""
    return bool(stored(network, axis.parameter).detach().movedim(axis.dimension, 0)[mute].any())


def _zeroed(network: nn.Module, filters: dict[Axis, Tensor]) -> nn.Module:
    if not filters:
        return network
    result = copy.deepcopy(network)
    with torch.no_grad():
        for axis, mute in filters.items():
            stored(result, axis.parameter).movedim(axis.dimension, 0)[mute] = 0
    return result
