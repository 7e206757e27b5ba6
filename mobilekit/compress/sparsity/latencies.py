"""What layers take at other widths, from a measured latency table: `schemas/latency-table.schema.json`.

Such a table is what `mobilekit profile FILE --out TABLE` writes; one that helps here holds the same
layers at several widths, those next to the steps of the device's kernels among them, and those that
read them at as many numbers of inputs: what a layer's own steps give away, its readers may take.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import torch

from mobilekit.compress.graph.atoms import Axis
from mobilekit.compress.graph.channels import ChannelGraph, Group
from mobilekit.compress.graph.record import Call, Record
from mobilekit.compress.sparsity.rounding import added, round_up, widest
from mobilekit.core.config import from_mapping
from mobilekit.core.errors import RecipeError

SCHEMA_VERSION = 1
KINDS = ("DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "CONV_2D", "FULLY_CONNECTED")
"""Operators of a LiteRT file that make channels; the first that a row speaks of is its own."""
PLAIN = "float32"


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long one operator takes on one device; `mobilekit.profile.tables` says more of the fields."""

    operator: str
    name: str
    shapes: tuple[tuple[int, ...], ...]
    dtype: str
    runtime: str
    device: str
    threads: int
    samples_ns: tuple[int, ...]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema_version: int
    rows: tuple[Row, ...]


class _Version(msgspec.Struct, frozen=True):
    schema_version: int


@dataclass(frozen=True)
class Layer:
    """What two layers have in common whose latencies differ by their width alone."""

    kind: str
    kernel: tuple[int, ...]
    extents: tuple[int, ...]
    """Height and width of the input, with padding where that is an operator of its own; for a linear
    layer the places that it works on."""
    inputs: int
    """Channels that it reads; for a depthwise convolution how many it makes of each."""


Measured = dict[Layer, dict[int, float]]
"""Median per width, in nanoseconds."""


@dataclass(frozen=True)
class Rounding:
    """How the number of channels that stay is rounded."""

    multiple: int = 1
    measured: Measured | None = None
    """Of a table, where widths are chosen by one."""

    @property
    def idle(self) -> bool:
        """Whether every number stays as it is."""
        return self.multiple == 1 and self.measured is None

    def width(self, graph: ChannelGraph, group: Group, kept: int) -> int:
        """Return how many channels of a group stay, `kept` at least."""
        total = len(group.channels)
        latencies = added(self.curves(graph, group))
        if not latencies:
            return round_up(kept, total, self.multiple)
        return widest(kept, total, latencies, self.multiple)

    def curves(self, graph: ChannelGraph, group: Group) -> list[dict[int, float]]:
        """Return the latencies by a group's width: of all layers that make it, and of known readers.

        Nothing if a layer that makes the group is not in the table at two or more widths.
        """
        found = []
        for axis in group.writers if self.measured else ():
            curve = self._making(_layers(graph.record, graph.call_of(axis), axis))
            share = _indices_of_each(graph, group, axis)
            if not curve or not share:
                return []
            found.append(_of_channels(curve, share))
        return found and [*found, *self._readers(graph, group)]

    def require(self, graph: ChannelGraph) -> None:
        """Refuse a table that says nothing of a network.

        Raises:
            RecipeError: no group that can lose channels is in it.
        """
        if self.measured is None or any(
            self.curves(graph, group) for group in graph.groups if not group.pins
        ):
            return
        raise RecipeError(
            "latency_table: holds no layer of this network at two or more widths; profile files of its"
            " layers at several widths, or leave it out to round to a multiple"
        )

    def _readers(self, graph: ChannelGraph, group: Group) -> list[dict[int, float]]:
        """Return the latencies of the layers that read a group, as far as the table knows them."""
        found = []
        for reading in graph.readings:
            share = _indices_of_each(graph, group, reading.axis)
            call = graph.record.calls[reading.call]
            if share and reading.axis not in group.writers:
                curve = self._reading(
                    _layers(graph.record, call, reading.axis), _outputs(graph, call)
                )
                found.append(_of_channels(curve, share))
        return [curve for curve in found if len(curve) > 1]

    def _making(self, layers: Sequence[Layer]) -> dict[int, float]:
        """Return the latencies, by width, of the layer that reads most nearly as many channels."""
        alike = [
            (abs(one.inputs - layer.inputs), -one.inputs, curve)
            for layer in layers
            for one, curve in self._alike(layer)
            if len(curve) > 1
        ]
        return min(alike, key=lambda one: one[:2])[2] if alike else {}

    def _reading(self, layers: Sequence[Layer], outputs: int) -> dict[int, float]:
        """Return the latencies, by inputs, of the layer that makes most nearly as many channels."""
        curves: defaultdict[int, dict[int, float]] = defaultdict(dict)
        for layer in layers:
            for one, curve in self._alike(layer):
                for width, taken in curve.items():
                    curves[width][one.inputs] = taken
        known = [width for width, curve in curves.items() if len(curve) > 1]
        return curves[min(known, key=lambda w: (abs(w - outputs), -w))] if known else {}

    def _alike(self, layer: Layer) -> list[tuple[Layer, dict[int, float]]]:
        """Return the measured layers that are this one but for what they read."""
        return [
            (one, curve)
            for one, curve in (self.measured or {}).items()
            if replace(one, inputs=0) == replace(layer, inputs=0)
        ]


def read_table(path: Path, device: str | None = None) -> Measured:
    """Read the latencies of one device.

    Float32 rows count where there are any, else those of the one type that there is.

    Args:
        path: of the JSON file.
        device: as the table names it; the only one in the table by default.

    Raises:
        RecipeError: missing, no latency table, newer than this program, of another device, or measured
            in several ways.
    """
    rows = [row for row in _read(path).rows if _kind(row) and row.shapes]
    if not rows:
        raise RecipeError(
            f"{path}: holds no convolution or linear layer with its shapes; mobilekit profile writes them"
            " unless --no-operators is given"
        )
    devices = sorted({row.device for row in rows})
    if device is None and len(devices) > 1:
        raise RecipeError(f"{path}: holds several devices, name one of: {'; '.join(devices)}")
    if device is not None and device not in devices:
        raise RecipeError(
            f"{path}: {device} is not in it; it was measured on: {'; '.join(devices)}"
        )
    rows = [row for row in rows if device in {None, row.device}]
    plain = [row for row in rows if row.dtype == PLAIN]
    return measured(_alike(plain or rows, path))


def measured(rows: Iterable[Row]) -> Measured:
    """Bring the rows of each layer together: width → median of all samples.

    >>> shapes = ((1, 14, 14, 32), (64, 3, 3, 32), (64,))
    >>> row = Row("CONV_2D", "a.tflite:0:CONV_2D 0", shapes, "float32", "LiteRT", "phone", 1, (5, 7, 6))
    >>> measured([row])
    {Layer(kind='CONV_2D', kernel=(3, 3), extents=(14, 14), inputs=32): {64: 6.0}}
    """
    samples: defaultdict[Layer, defaultdict[int, list[int]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for row in rows:
        found = _layer_of(row)
        if found is not None:
            layer, width = found
            samples[layer][width] += row.samples_ns
    return {
        layer: {width: float(statistics.median(curve[width])) for width in sorted(curve)}
        for layer, curve in samples.items()
    }


def _read(path: Path) -> _Table:
    try:
        content = msgspec.json.decode(path.read_bytes())
    except OSError as problem:
        raise RecipeError(f"{path}: cannot be read ({problem.strerror})") from problem
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise RecipeError(f"{path}: no latency table: not valid JSON ({problem})") from problem
    found: _Version = from_mapping(content, _Version, f"{path}: no latency table")
    if found.schema_version > SCHEMA_VERSION:
        raise RecipeError(
            f"{path}: a latency table of version {found.schema_version}; this mobilekit reads {SCHEMA_VERSION}:"
            " install a newer one"
        )
    table: _Table = from_mapping(content, _Table, str(path))
    return table


def _alike(rows: list[Row], path: Path) -> list[Row]:
    """Return the rows if they were measured in one way; numbers of several say nothing together."""
    for what, values in (
        ("types", {row.dtype for row in rows}),
        ("runtimes", {row.runtime for row in rows}),
        ("numbers of threads", {str(row.threads) for row in rows}),
    ):
        if len(values) > 1:
            raise RecipeError(
                f"{path}: holds several {what} ({', '.join(sorted(values))}); keep the rows of one"
            )
    return rows


def _kind(row: Row) -> str | None:
    """Return which operator a row speaks of: XNNPACK's kernels have the file's operator in their name."""
    words = f"{row.operator}:{row.name.rpartition(':')[2]}"
    return next((kind for kind in KINDS if kind in words), None)


def _layer_of(row: Row) -> tuple[Layer, int] | None:
    """Return the layer of a row and its width; None for shapes that do not fit its operator."""
    kind, ranks = _kind(row), [len(shape) for shape in row.shapes]
    if not kind or not row.samples_ns or not all(map(all, row.shapes)):
        return None
    if kind == "FULLY_CONNECTED" and ranks[1:2] == [2] and ranks[0]:
        inputs, weight = row.shapes[:2]
        return Layer(kind, (), (math.prod(inputs[:-1]),), weight[1]), weight[0]
    if kind == "TRANSPOSE_CONV" and ranks[1:3] == [4, 4]:
        weight, inputs = row.shapes[1:3]
    elif kind in {"CONV_2D", "DEPTHWISE_CONV_2D"} and ranks[:2] == [4, 4]:
        inputs, weight = row.shapes[:2]
    else:
        return None
    if kind == "DEPTHWISE_CONV_2D":
        return Layer(kind, weight[1:3], inputs[1:3], weight[3] // inputs[3]), weight[3]
    return Layer(kind, weight[1:3], inputs[1:3], weight[3]), weight[0]


def _indices_of_each(graph: ChannelGraph, group: Group, axis: Axis) -> int:
    """Return how many indices of a dimension each channel of a group has; 0 if others have some too."""
    channels = torch.sort(graph.channels_of(axis)).values
    share = len(channels) // len(group.channels)
    return share if torch.equal(channels, group.channels.repeat_interleave(share)) else 0


def _of_channels(curve: dict[int, float], share: int) -> dict[int, float]:
    """Turn latencies by filters or inputs into latencies by channels that are several of them each.

    >>> _of_channels({4: 1.0, 7: 3.0, 8: 2.0}, 2), _of_channels({4: 1.0, 5: 3.0}, 4)
    ({2: 1.0, 3: 3.0, 4: 2.0}, {1: 1.0})
    """
    found: dict[int, float] = {}
    for width, taken in curve.items():
        if width >= share:
            found[width // share] = min(taken, found.get(width // share, taken))
    return found


def _outputs(graph: ChannelGraph, call: Call) -> int:
    """Return how many channels a convolution or a matrix product makes."""
    shape = graph.record.shape(call.outputs[0])
    return shape[1] if call.name == "convolution" else shape[-1]


def _layers(record: Record, call: Call, axis: Axis) -> tuple[Layer, ...]:
    """Return what a call may be called in a table; nothing for one that no row can be of."""
    if call.name in {"mm", "addmm"}:
        first = record.shape(call.args[-2])
        return (Layer("FULLY_CONNECTED", (), (math.prod(first[:-1]),), first[-1]),)
    if call.name != "convolution" or len(record.shape(call.argument("input"))) != 4:
        return ()
    return _convolutions(record, call, axis)


def _convolutions(record: Record, call: Call, axis: Axis) -> tuple[Layer, ...]:
    _, channels, *extents = record.shape(call.argument("input"))
    weight, groups = record.shape(call.argument("weight")), call.argument("groups")
    padding = list(call.argument("padding")) * 2
    padded = tuple(size + 2 * more for size, more in zip(extents, padding, strict=False))
    kernel = tuple(weight[2:])
    if call.argument("transposed"):
        kind, inputs = "TRANSPOSE_CONV", channels
    elif groups == channels > 1:
        kind, inputs = "DEPTHWISE_CONV_2D", weight[axis.dimension] // groups
    else:
        kind, inputs = "CONV_2D", channels
    if groups > 1 and kind != "DEPTHWISE_CONV_2D":
        return ()
    sizes = dict.fromkeys((tuple(extents), padded))
    return tuple(Layer(kind, kernel, size, inputs) for size in sizes)
