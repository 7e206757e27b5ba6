"""Filters that nobody hears: what they make is multiplied by zero wherever it goes.

A batch norm with γ = 0 gives its shift β whatever arrives; a layer with a column of zeros does not see
that channel. The filter before them may be anything and is as good as zero. Training with a penalty on γ
(Liu et al. 2017, network slimming) ends in this form.

Every value of the recorded run has a mask of what is *heard* of it: booleans that broadcast to its shape,
such as `[1, C, 1, 1]`. The calls are walked backwards; a rule says what of each input arrives in what is
heard of the outputs. Elements that are not heard may change, all others are the same as before.

Zero times infinity is not zero. So only operators that make finite results of whatever is finite have a
rule, and those that multiply by zero never meet anything else: a call without a rule hears all of its
inputs, even where nobody hears the call, and its results stay what they are.
"""

import copy
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils import _pytree as pytree

from mobilekit.compress.graph.atoms import Axis
from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.graph.labels import along, compact
from mobilekit.compress.graph.record import Call, Record, Value


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

    What the network returns in evaluation mode stays what it is, bit for bit (a zero may change its
    sign), wherever it makes the recorded calls and all that it computes on the way is finite. What it
    keeps in attributes or shows to hooks need not stay.

    Args:
        graph: of the network.
        network: is left as found.
    """
    heard = _Hearing(graph.record, network)
    for call in reversed(graph.record.calls):
        heard.follow(call)
    values = {name: Value(index) for index, name in graph.record.names.items()}
    parameters = dict(network.named_parameters(remove_duplicate=False))
    filters: dict[Axis, Tensor] = {}
    for axis in graph.writers:
        if axis.parameter in parameters:
            weight = parameters[axis.parameter].detach().movedim(axis.dimension, 0)
            mute = ~heard.along(values[axis.parameter], axis.dimension).to(weight.device)
            if bool(weight[mute].any()):
                filters[axis] = mute
    return _zeroed(network, filters) if filters else network


def _zeroed(network: nn.Module, filters: dict[Axis, Tensor]) -> nn.Module:
    """Return a copy with zeros where the masks `[size]` of weight dimensions say so."""
    result = copy.deepcopy(network)
    parameters = dict(result.named_parameters(remove_duplicate=False))
    with torch.no_grad():
        for axis, mute in filters.items():
            parameters[axis.parameter].movedim(axis.dimension, 0)[mute] = 0
    return result


class _Hearing:
    """What is heard of each value by something that matters."""

    def __init__(self, record: Record, network: nn.Module) -> None:
        self._record = record
        self._parameters = dict(network.named_parameters(remove_duplicate=False))
        self._makers = {value.index: call for call in record.calls for value in call.outputs}
        self._exposed = _exposed(record)
        self._heard: dict[int, Tensor] = {}
        for index in {value.index for value in record.outputs} | _unread(record) | self._exposed:
            self._hear(Value(index), _EVERYTHING)

    def shape(self, value: Value) -> tuple[int, ...]:
        """Return the shape of a value."""
        return self._record.shape(value)

    def of(self, value: Value) -> Tensor:
        """Return what is heard of a value: a mask of its rank that broadcasts to its shape."""
        none = torch.zeros((1,) * len(self.shape(value)), dtype=torch.bool)
        return self._heard.get(value.index, none)

    def along(self, value: Value, dimension: int) -> Tensor:
        """Return whether each index of a dimension of a value is heard, shape `[size]`."""
        rows = self.of(value).movedim(dimension, 0)
        return rows.reshape(len(rows), -1).any(1).expand(self.shape(value)[dimension])

    def nonzero(self, value: Value) -> Tensor | None:
        """Return where a parameter or its transpose is not zero; None for anything else."""
        name = self._record.name(value)
        if name in self._parameters and value.index not in self._exposed:
            return self._parameters[name].detach().ne(0).cpu()
        maker = self._makers.get(value.index)
        if maker is None or str(maker.operator) != "aten.t.default":
            return None
        before = self.nonzero(maker.inputs[0])
        return before if before is None else before.t()

    def follow(self, call: Call) -> None:
        """Tell the inputs of a call what is heard of them."""
        told = self._told(call)
        for value, mask in told:
            self._hear(value, mask)
        untold = Counter(call.inputs) - Counter(value for value, _ in told)
        for value in untold:
            self._hear(value, _EVERYTHING)

    def _told(self, call: Call) -> list["_Told"]:
        """Say what is heard of the inputs that are known to be heard in part only."""
        rule, results = _rule(call), _results(call)
        if rule is None or any(0 in self.shape(value) for value in (*call.inputs, *results)):
            return []  # nothing of an example may be something of another
        aside = set(call.outputs) - set(results)
        return [] if any(bool(self.of(value).any()) for value in aside) else rule(self, call)

    def _hear(self, value: Value, mask: Tensor) -> None:
        pairs = zip(mask.shape[::-1], self.shape(value)[::-1], strict=False)
        if mask.ndim > len(self.shape(value)) or any(one not in {1, two} for one, two in pairs):
            mask = _EVERYTHING  # a mask of another shape proves nothing
        self._heard[value.index] = self.of(value) | mask


_EVERYTHING = torch.ones((), dtype=torch.bool)

_Told = tuple[Value, Tensor]
"""An input of a call and what is heard of it; one for each place where the call takes it."""

_Rule = Callable[[_Hearing, Call], list[_Told]]
"""Tells of some inputs what is heard of them; all others are heard."""


def _normalized(heard: _Hearing, call: Call) -> list[_Told]:
    """Hear a channel of a batch norm's input where its scale is not zero."""
    source, scale = call.argument("input"), call.argument("weight")
    mask = heard.of(call.outputs[0])
    scales = heard.nonzero(scale) if scale is not None else None
    return [(source, mask if scales is None else mask & along(scales, 1, mask.ndim))]


def _in_training(call: Call) -> bool:
    """Whether a batch norm takes its statistics from the batch."""
    return call.name != "_native_batch_norm_legit_no_training" and bool(call.argument("training"))


def _convolved(heard: _Hearing, call: Call) -> list[_Told]:
    """Hear a channel where a kernel that is not zero leads from it to an output that is heard."""
    source, weight = call.argument("input"), call.argument("weight")
    groups, transposed = call.argument("groups"), call.argument("transposed")
    outputs = heard.along(call.outputs[0], 1).reshape(groups, 1, -1)
    known, shape = heard.nonzero(weight), heard.shape(weight)
    links = torch.ones(shape, dtype=torch.bool) if known is None else known
    links = links.reshape(groups, -1, *shape[1:]).flatten(3)
    links = links.any(3) if links.ndim > 3 else links
    links = (
        links if transposed else links.transpose(1, 2)
    )  # [groups, inputs, outputs] of each group
    channels = (links & outputs).any(2).reshape(-1)
    spread = outputs.expand(links.shape).reshape(shape[:2])
    filters = spread if transposed else outputs.reshape(-1, 1)
    return [
        (source, along(channels, 1, len(heard.shape(source)))),
        (weight, filters.reshape(*filters.shape, *(1 for _ in shape[2:]))),
    ]


def _multiplied(heard: _Hearing, call: Call) -> list[_Told]:
    """Hear a feature of `x @ w` where a weight that is not zero leads to an output that is heard."""
    left, right = call.inputs[-2:]
    outputs = heard.along(call.outputs[0], 1)
    links = heard.nonzero(right)
    features = outputs.any() if links is None else (links & outputs).any(1)
    return [(left, features), (right, outputs)]


def _by_element(heard: _Hearing, call: Call) -> list[_Told]:
    """Hear of every operand what is heard of the result; one that is broadcast is heard in all its places."""
    mask = heard.of(call.outputs[0])
    return [(value, _shrunk(mask, heard.shape(value))) for value in call.inputs]


def _shrunk(mask: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the mask of an operand of this shape that is broadcast to a result with a given mask."""
    if mask.ndim > len(shape):
        mask = mask.any(tuple(range(mask.ndim - len(shape))))
    spread = [d for d, size in enumerate(shape) if size == 1]
    return mask.any(spread, keepdim=True) if spread else mask


def _over_maps(heard: _Hearing, call: Call) -> list[_Told]:
    """Hear all of a channel's map where some of the pooled, resized or padded map is heard."""
    mask = heard.of(call.outputs[0])
    found = re.search(r"(\d)d", call.name)
    extent = int(found[1]) if found else len(call.argument("pad")) // 2
    return [(call.inputs[0], mask.any(tuple(range(mask.ndim - extent, mask.ndim)), keepdim=True))]


def _reduced(heard: _Hearing, call: Call) -> list[_Told]:
    """Hear all of the places that a mean, a sum or a maximum was taken over."""
    source, given = call.inputs[0], call.argument("dim")
    mask, rank = heard.of(call.outputs[0]), len(heard.shape(source))
    if not rank:
        return []
    if not call.argument("keepdim"):
        for dimension in sorted(one % rank for one in given or range(rank)):
            mask = mask.unsqueeze(dimension)
    return [(source, mask)]


def _joined(heard: _Hearing, call: Call) -> list[_Told]:
    """Hear of each piece what is heard of its place in the whole."""
    out = call.outputs[0]
    mask, rank = heard.of(out), len(heard.shape(out))
    dimension = call.argument("dim") % rank
    told, start = [], 0
    for piece in call.inputs:
        size = heard.shape(piece)[dimension]
        part = mask if mask.shape[dimension] == 1 else mask.narrow(dimension, start, size)
        told.append((piece, part))
        start += size
    return told


def _reshaped(heard: _Hearing, call: Call) -> list[_Told]:
    """Hear the same elements in another shape."""
    source, out = call.inputs[0], call.outputs[0]
    before, after = heard.shape(source), heard.shape(out)
    if before[:1] != after[:1] and before[-1:] != after[-1:]:
        return []  # a batch of another size may be cut elsewhere
    return [(source, compact(heard.of(out).expand(after).reshape(before)))]


def _viewed(heard: _Hearing, call: Call) -> list[_Told]:
    """Hear the elements that are in some view that is heard: write the views' masks through the views."""
    source = call.inputs[0]
    whole = torch.zeros(heard.shape(source), dtype=torch.bool)
    args, kwargs = pytree.tree_map_only(Value, lambda _: whole, (call.args, call.kwargs))
    views: Any = call.operator(*args, **kwargs)
    views = [views] if isinstance(views, Tensor) else views
    for view, value in zip(views, call.outputs, strict=True):
        view.logical_or_(heard.of(value))
    return [(source, compact(whole))]


_RULES: dict[str, _Rule] = {
    "cat": _joined,
    "convolution": _convolved,
    **dict.fromkeys(("addmm", "mm"), _multiplied),
    **dict.fromkeys(("view", "_unsafe_view"), _reshaped),
    **dict.fromkeys(("mean", "sum", "amax", "amin"), _reduced),
    **dict.fromkeys(
        (
            "native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training",
            "cudnn_batch_norm",
        ),
        _normalized,
    ),
    **dict.fromkeys(
        (
            "_prelu_kernel", "_to_copy", "abs", "add", "celu", "clamp", "clamp_max", "clamp_min", "clone",
            "div", "elu", "expand", "gelu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu",
            "maximum", "minimum", "mish", "mul", "neg", "relu", "rsub", "sigmoid", "silu", "softplus",
            "sub", "tanh", "threshold",
        ),
        _by_element,
    ),
    **dict.fromkeys(
        (
            "_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_max_pool2d",
            "adaptive_max_pool3d", "avg_pool2d", "avg_pool3d", "constant_pad_nd",
            "max_pool2d_with_indices", "max_pool3d_with_indices", "reflection_pad1d",
            "reflection_pad2d", "replication_pad1d", "replication_pad2d", "upsample_bicubic2d",
            "upsample_bilinear2d", "upsample_linear1d", "upsample_nearest1d", "upsample_nearest2d",
            "upsample_nearest3d", "upsample_trilinear3d",
        ),
        _over_maps,
    ),
    **dict.fromkeys(
        (
            "alias", "detach", "permute", "select", "slice", "split", "split_with_sizes", "squeeze",
            "t", "transpose", "unbind", "unsqueeze",
        ),
        _viewed,
    ),
}  # fmt: skip
"""By the operator's name without name space, overload and trailing underscore."""

_OVERLOADS = frozenset(
    ("default", "Tensor", "Scalar", "dim", "dim_IntList", "dims", "int", "no_stats", "vec")
)
"""Those that the rules know; others write into a tensor that is given, or read the bytes anew."""


def _rule(call: Call) -> _Rule | None:
    """Return the rule of a call, if it has one."""
    operator = call.operator
    if operator.namespace != "aten" or operator._overloadname not in _OVERLOADS:  # noqa: SLF001
        return None
    rule = _RULES.get(call.name.rstrip("_"))
    known = True
    if rule is _normalized:
        known = not _in_training(call)
    elif rule is _reduced:
        known = "dim" in {argument.name for argument in operator._schema.arguments}  # noqa: SLF001
    elif rule is _viewed:
        known = not call.name.endswith("_")
    elif call.name in {"div", "div_"}:
        known = len(call.inputs) == 1  # by a number; a tensor may be zero
    return rule if known else None


def _results(call: Call) -> tuple[Value, ...]:
    """Return the outputs without by-products: the indices of a pooling, the statistics of a norm."""
    return call.outputs[:1] if _rule(call) in {_normalized, _over_maps} else call.outputs


def _unread(record: Record) -> set[int]:
    """Return results that no call takes: a hook or an attribute may have them, or an output may hide them.

    By-products and views of them do not count.
    """
    read = {value.index for call in record.calls for value in call.inputs}
    aside: set[int] = set()
    found: set[int] = set()
    for call in record.calls:
        if _rule(call) is _viewed and call.inputs[0].index in aside:
            aside |= {value.index for value in call.outputs}
        aside |= {value.index for value in call.outputs} - {value.index for value in _results(call)}
        found |= {value.index for value in call.outputs} - read
    return found - aside


def _exposed(record: Record) -> set[int]:
    """Return values whose memory is written while another value of it is looked at later.

    A tensor that is changed in place gets a new number, and no later call takes the old one; but what is
    a view of it, or what it is a view of, keeps its number and changes too. What is stored in the network
    or belongs to the caller is looked at in the end. When something stored is written, all that is stored
    counts: two names may share memory.
    """
    end = len(record.calls)
    last = {
        value.index: number for number, call in enumerate(record.calls) for value in call.inputs
    }
    last |= dict.fromkeys(record.names, end)
    last |= {value.index: end for value in (*record.inputs, *record.outputs)}
    memory: dict[int, int] = {}
    exposed: set[int] = set()
    for number, call in enumerate(record.calls):
        written, shared = _aliased(call)
        blocks = {memory.setdefault(value.index, value.index) for value in (*written, *shared)}
        users = [index for index, block in memory.items() if block in blocks] if written else []
        if len(blocks) > 1 or any(last.get(index, end) > number for index in users):
            exposed |= blocks
        for value in call.outputs:
            memory[value.index] = min(blocks, default=value.index)
    found = {index for index, block in memory.items() if block in exposed}
    return found | set(record.names) if found & set(record.names) else found


_SHARING = frozenset(
    ("_to_copy", "_unsafe_view", "native_dropout", "unsafe_split", "unsafe_split_with_sizes")
)
"""What its schema hides: these may return the memory that they were given."""


def _aliased(call: Call) -> tuple[list[Value], list[Value]]:
    """Return which inputs of a call are written, and which may share memory with its outputs."""
    if _RULES.get(call.name) is _normalized and not _in_training(call):
        return [], []  # its statistics are read only
    layout = call.name == "clone" and call.argument("memory_format") is not None
    hidden = layout or call.name in _SHARING or call.operator.namespace != "aten"
    written: list[Value] = []
    shared: list[Value] = list(call.inputs) if hidden else []
    for argument in call.operator._schema.arguments:  # noqa: SLF001
        if argument.alias_info is not None:
            leaves = pytree.tree_leaves(call.argument(argument.name))
            values = [value for value in leaves if isinstance(value, Value)]
            (written if argument.alias_info.is_write else shared).extend(values)
    return written, shared
