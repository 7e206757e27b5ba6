"""Where channels are after a call that lets a positive scale per channel through: f(s·x) = s·f(x)."""

from mobilekit.compress.folding.dataflow import MOVES, Channels, Flow, moved
from mobilekit.compress.graph.record import Call, Value

_ELEMENTWISE = frozenset({"relu", "relu_", "leaky_relu", "leaky_relu_", "_prelu_kernel"})
_POOLS = frozenset(
    f"{kind}{dims}d{end}"
    for dims in (1, 2, 3)
    for kind, end in (
        ("avg_pool", ""),
        ("_adaptive_avg_pool", ""),
        ("adaptive_max_pool", ""),
        ("max_pool", "_with_indices"),
        ("upsample_nearest", ""),
    )
) | {"upsample_bilinear2d", "upsample_bicubic2d", "upsample_linear1d", "upsample_trilinear3d"}
_SPATIAL = {"1d": 1, "2d": 2, "3d": 3}


def passed(flow: Flow, call: Call, value: Value, at: Channels) -> Channels | None:
    """Follow channels through a call that neither mixes them nor minds their size.

    ReLU6 and its like clip at a fixed size, a sigmoid bends: a scale does not pass through them.

    Args:
        flow: of the recorded run.
        call: takes the value.
        value: whose channels are followed.
        at: where its channels are.

    Returns:
        Where the channels of the call's first output are; None if the scale would not pass.
    """
    if call.inputs[0] != value:
        return None
    shape = flow.record.shape(value)
    if call.name in MOVES:
        return moved(call, shape, flow.record.shape(call.outputs[0]), at)
    if call.name in _ELEMENTWISE:
        return at
    if call.name in _POOLS:
        spatial = next(count for name, count in _SPATIAL.items() if name in call.name)
        return at if at.axis < len(shape) - spatial else None
    if call.name == "constant_pad_nd":
        inside = at.axis < len(shape) - len(call.argument("pad")) // 2
        return at if inside and call.argument("value") == 0 else None
    return _averaged(call, shape, at) if call.name == "mean" else None


def _averaged(call: Call, shape: tuple[int, ...], at: Channels) -> Channels | None:
    """Follow channels through a mean over other dimensions."""
    listed = call.argument("dim") if len(call.args) > 1 or "dim" in call.kwargs else None
    gone = {dim % len(shape) for dim in listed or range(len(shape))}
    if at.axis in gone:
        return None
    if call.argument("keepdim"):
        return at
    return Channels(at.axis - sum(dim < at.axis for dim in gone), at.repeat)
