"""Convolutions: plain, depthwise, with a depth multiplier, grouped, transposed; 1-d to 3-d."""

from torch import Tensor

from mobilekit.compress.graph.labels import along
from mobilekit.compress.graph.record import Value
from mobilekit.compress.graph.tracing import Reading, Tracing


def convolution(t: Tracing) -> None:
    """Tie the input's channels to the weight that reads them, and give out its filters.

    Groups stay equal: the channels at the same place in each group live or die together. Where a group
    has a single input channel (depthwise), whole groups die instead.
    """
    call = t.call
    x, weight, bias = (call.argument(name) for name in ("input", "weight", "bias"))
    transposed, groups = call.argument("transposed"), call.argument("groups")
    labels = t.labels(x)
    rank = len(labels.shape)
    inputs = t.vector(labels, 1, f"convolved over ({t.where()})")
    source, target = (0, 1) if transposed else (1, 0)
    channels = labels.shape[1]
    outputs = _filters(t, inputs, weight, channels)
    if inputs is not None and channels != groups:
        _reads(t, x, weight, source)
    for dimension in {target, source} if transposed and channels == groups else {target}:
        axis = t.axis(weight, dimension)
        if axis is not None:
            t.written.setdefault(axis, t.number)
    if outputs is not None and isinstance(bias, Value):
        shift = t.joined(t.labels(bias), 0)
        if shift is not None:
            t.atoms.tie(outputs, shift)
    t.give(call.outputs[0], [along(outputs, 1, rank)] if outputs is not None else [])


def _filters(t: Tracing, inputs: Tensor | None, weight: Value, channels: int) -> Tensor | None:
    """Tie what reads to what is read; return the atoms of the outputs, shape `[O]`."""
    transposed, groups = t.call.argument("transposed"), t.call.argument("groups")
    source, target = (0, 1) if transposed else (1, 0)
    readers, writers = (t.joined(t.labels(weight), d) for d in (source, target))
    if not t.is_weight(weight):
        t.pin(
            t.labels(weight).components, f"a weight that is computed from the input ({t.where()})"
        )
        readers = writers = None
    if groups == 1:
        _meet(t, inputs, readers)
        return writers
    if channels == groups:
        outputs = _depthwise(t, inputs, readers if transposed else writers, groups)
        return _multiplied(t, outputs, writers, groups) if transposed else outputs
    return _grouped(t, inputs, (readers, writers), groups, transposed=transposed)


def _reads(t: Tracing, x: Value, weight: Value, source: int) -> None:
    axis = t.axis(weight, source)
    if axis is not None:
        bias = t.call.argument("bias")
        name = t.record.name(bias) if isinstance(bias, Value) else None
        t.readings.append(Reading(t.number, x, 1, axis, name))


def _meet(t: Tracing, inputs: Tensor | None, readers: Tensor | None) -> None:
    if inputs is not None and readers is not None:
        t.atoms.tie(inputs, readers)
    for lonely in (inputs, readers):
        if lonely is not None and (inputs is None or readers is None):
            t.atoms.pin(lonely, f"its other side is fixed ({t.where()})")


def _depthwise(
    t: Tracing, inputs: Tensor | None, filters: Tensor | None, groups: int
) -> Tensor | None:
    """Tie each input channel to the filters of its own group."""
    if filters is None or inputs is None:
        _meet(t, inputs, filters)
        return filters
    t.atoms.tie(filters.reshape(groups, -1), inputs.reshape(groups, 1))
    return filters


def _multiplied(
    t: Tracing, outputs: Tensor | None, writers: Tensor | None, groups: int
) -> Tensor | None:
    """A transposed depthwise convolution with several filters a channel gives that many outputs."""
    if outputs is None or writers is None:
        return outputs
    t.atoms.pin(writers, f"filters shared by all groups ({t.where()})")
    return outputs.reshape(groups, 1).expand(groups, len(writers)).reshape(-1)


def _grouped(
    t: Tracing,
    inputs: Tensor | None,
    sides: tuple[Tensor | None, Tensor | None],
    groups: int,
    *,
    transposed: bool,
) -> Tensor | None:
    readers, writers = sides
    shared, whole = (writers, readers) if transposed else (readers, writers)
    rows = whole.reshape(groups, -1) if whole is not None else None
    if rows is not None:
        t.atoms.tie(rows, rows[:1])
    if transposed:
        _meet(t, inputs, readers)
        if shared is None:
            return None
        return shared.reshape(1, -1).expand(groups, -1).reshape(-1)
    if inputs is None or shared is None:
        _meet(t, inputs, shared)
    else:
        t.atoms.tie(inputs.reshape(groups, -1), shared.reshape(1, -1))
    return whole


RULES = {"convolution": convolution}
