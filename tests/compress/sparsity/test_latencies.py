"""Latency tables: which rows are whose, what is refused, what a pruning makes of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mobilekit.compress.base import Context
from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.sparsity.latencies import Layer, Rounding, Row, measured, read_table
from mobilekit.compress.steps.prune import Budget, Prune
from mobilekit.core.errors import RecipeError
from mobilekit.profile.tables import LatencyRow, LatencyTable

INPUTS = [torch.zeros(1, 3, 16, 16)]


class Net(nn.Module):
    """Convolutions of each kind, a residual sum, linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(32, 32, 3, padding=1, groups=32)
        self.point = nn.Conv2d(32, 48, 1)
        self.up = nn.ConvTranspose2d(48, 40, 2, stride=2)
        self.grouped = nn.Conv2d(40, 24, 3, padding=1, groups=2)
        self.inner = nn.Linear(24, 64)
        self.head = nn.Linear(64, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.point(F.relu(self.depthwise(F.relu(self.stem(x))))))
        x = F.relu(self.grouped(F.relu(self.up(x))))
        return self.head(F.relu(self.inner(x.mean((2, 3)))))


SHAPES: dict[str, tuple[str, Callable[[int], list[list[int]]]]] = {
    "stem": ("CONV_2D", lambda o: [[1, 18, 18, 3], [o, 3, 3, 3], [o]]),  # a PAD comes before it
    "depthwise": ("DEPTHWISE_CONV_2D", lambda o: [[1, 8, 8, o], [1, 3, 3, o], [o]]),
    "point": ("CONV_2D", lambda o: [[1, 8, 8, 32], [o, 1, 1, 32], [o]]),
    "up": ("TRANSPOSE_CONV", lambda o: [[4], [o, 2, 2, 48], [1, 8, 8, 48], [o]]),
    "inner": ("FULLY_CONNECTED", lambda o: [[1, 24], [o, 24], [o]]),
}
"""What a file holds of a layer at a width."""


def row(layer: str, width: int, **others: Any) -> dict[str, Any]:
    kind, shapes = SHAPES[layer]
    return {
        "operator": "Fully Connected (NC, F32) GEMM" if layer == "point" else kind,
        "name": f"net.tflite:3:{kind} 7",
        "shapes": shapes(width),
        "dtype": "float32",
        "runtime": "LiteRT",
        "device": "phone",
        "threads": 1,
        "samples_ns": [-(-width // 16) * 16_000 + noise for noise in (0, 1, 2)],
    } | others


def steps_of(*layers: str) -> list[dict[str, Any]]:
    return [row(layer, width) for layer in layers for width in range(1, 65)]


def written(folder: Path, rows: list[dict[str, Any]], version: int = 1) -> Path:
    path = folder / "table.json"
    path.write_text(json.dumps({"schema_version": version, "rows": rows}))
    return path


def net() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(2)  # noqa: TID251
        return Net().eval()


def test_rows_are_those_that_the_profile_writes() -> None:
    def fields(kind: type[msgspec.Struct]) -> dict[str, Any]:
        return {field.name: field.type for field in msgspec.structs.fields(kind)}

    assert fields(Row) == fields(LatencyRow)


def test_a_table_of_the_profile_is_read(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    rows = tuple(msgspec.convert(one, LatencyRow) for one in steps_of("stem"))
    whole = LatencyRow(
        "model", "net.tflite", ((1, 16, 16, 3),), "float32", "LiteRT", "phone", 1, (9,)
    )
    path.write_bytes(msgspec.json.encode(LatencyTable(1, (whole, *rows))))
    curve = read_table(path)[Layer("CONV_2D", (3, 3), (18, 18), 3)]
    assert curve[17] == curve[32] - 0.0 == 32_001.0


@pytest.mark.parametrize("layer", SHAPES)
def test_each_kind_of_layer_is_found_in_a_table(layer: str) -> None:
    rows = [msgspec.convert(one, Row) for one in steps_of(*SHAPES)]
    rounding = Rounding(1, measured(rows))
    graph = ChannelGraph(net(), INPUTS)
    groups = {axis.parameter: group for group in graph.groups for axis in group.writers}
    group = groups[f"{layer}.weight"]
    filters = 2 if layer == "up" else 1  # the grouped one reads pairs of channels
    assert filters * rounding.width(graph, group, 18 // filters) == 32


def test_a_layer_with_another_kernel_or_place_is_not_its_own() -> None:
    rows = [msgspec.convert(one, Row) for one in steps_of("point")]
    graph = ChannelGraph(net(), [torch.zeros(1, 3, 24, 24)])
    point = next(group for group in graph.groups if group.name == "point")
    assert Rounding(8, measured(rows)).width(graph, point, 17) == 24


def test_a_group_of_which_one_layer_is_missing_is_rounded_to_the_multiple() -> None:
    graph = ChannelGraph(net(), INPUTS)
    group = next(group for group in graph.groups if group.name == "stem")
    assert {axis.parameter for axis in group.writers} == {"stem.weight", "depthwise.weight"}
    half = measured([msgspec.convert(one, Row) for one in steps_of("stem")])
    whole = measured([msgspec.convert(one, Row) for one in steps_of("stem", "depthwise")])
    assert Rounding(4, half).width(graph, group, 17) == 20
    assert Rounding(4, whole).width(graph, group, 17) == 32


def test_of_several_numbers_of_inputs_the_nearest_counts() -> None:
    def layer(inputs: int, width: int, time: int) -> Row:
        shapes = ((1, 8, 8, inputs), (width, 1, 1, inputs), (width,))
        return Row("CONV_2D", "", shapes, "float32", "LiteRT", "phone", 1, (time,))

    rows = [layer(30, width, 7) for width in (8, 48)]
    rows += [layer(16, width, width) for width in (8, 48)]
    rows.append(layer(32, 48, 9))  # one width tells nothing
    graph = ChannelGraph(net(), INPUTS)
    point = next(group for group in graph.groups if group.name == "point")
    assert Rounding(1, measured(rows)).width(graph, point, 17) == 48


def test_a_layer_that_reads_counts_where_its_inputs_were_measured() -> None:
    """What the step of `point` would keep for nothing, `up` pays for by the channel."""
    kind, _ = SHAPES["up"]
    shapes = {i: [[4], [40, 2, 2, i], [1, 8, 8, i], [40]] for i in range(1, 49)}
    readers = [
        row("up", 40, name=f"a:0:{kind} 1", shapes=shapes[i], samples_ns=[1000 * i]) for i in shapes
    ]
    rows = [msgspec.convert(one, Row) for one in steps_of("point")]
    graph = ChannelGraph(net(), INPUTS)
    point = next(group for group in graph.groups if group.name == "point")
    assert Rounding(1, measured(rows)).width(graph, point, 17) == 32
    rows += [msgspec.convert(one, Row) for one in readers]
    assert Rounding(1, measured(rows)).width(graph, point, 17) == 19  # 5 % of 32 + 17 µs
    assert Rounding(1, measured(rows[-48:])).width(graph, point, 17) == 17


def test_the_step_keeps_what_costs_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, steps_of(*SHAPES))
    plain, _ = Prune(sparsity=0.6, round_to=1).apply(net(), Context(INPUTS))
    smaller, report = Prune(sparsity=0.6, round_to=1, latency_table=str(path)).apply(
        net(), Context(INPUTS)
    )
    assert (plain.stem.out_channels, smaller.stem.out_channels) == (13, 16)
    assert (plain.point.out_channels, smaller.point.out_channels) == (20, 32)
    assert (plain.inner.out_features, smaller.inner.out_features) == (26, 32)
    assert plain.grouped.out_channels == smaller.grouped.out_channels
    assert report.residual is not None
    assert report.residual <= 1e-5


def test_a_budget_is_met_by_widths_of_the_table(tmp_path: Path) -> None:
    path = written(tmp_path, steps_of(*SHAPES))
    step = Prune(budget=Budget(params=0.6), round_to=1, latency_table=str(path))
    smaller, report = step.apply(net(), Context(INPUTS))
    assert report.params_after <= 0.6 * report.params_before
    assert smaller.stem.out_channels % 16 == smaller.inner.out_features % 16 == 0


REFUSED: dict[str, tuple[str, str]] = {
    "no JSON": ("{", "no latency table: not valid JSON"),
    "no text": ("\ud800", "no latency table: not valid JSON"),
    "something else": ('{"layers": []}', "no latency table: .*schema_version"),
    "a list": ("[]", "no latency table"),
    "newer": ('{"schema_version": 2, "lines": []}', "version 2; this mobilekit reads 1"),
    "unknown field": ('{"schema_version": 1, "rows": [], "x": 1}', "unknown field"),
    "bad row": ('{"schema_version": 1, "rows": [{"operator": 3}]}', r"rows\[0\]"),
    "empty": ('{"schema_version": 1, "rows": []}', "holds no convolution or linear layer"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_table_is_refused_in_a_line(case: str, tmp_path: Path) -> None:
    content, words = REFUSED[case]
    path = tmp_path / "table.json"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    refused(path, None, words)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "none.json", None, "cannot be read")
    refused(tmp_path, None, "cannot be read")


def test_a_device_is_chosen(tmp_path: Path) -> None:
    both = [
        *steps_of("point"),
        *(row("point", w, device="tablet", samples_ns=[5]) for w in (8, 48)),
    ]
    path = written(tmp_path, both)
    refused(path, None, "several devices, name one of: phone; tablet")
    refused(path, "watch", "watch is not in it; it was measured on: phone; tablet")
    assert read_table(path, "tablet")[Layer("CONV_2D", (1, 1), (8, 8), 32)] == {8: 5, 48: 5}


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"runtime": "other"}, r"several runtimes \(LiteRT, other\)"),
        ({"threads": 4}, r"several numbers of threads \(1, 4\)"),
    ],
)
def test_rows_of_several_ways_are_refused(
    others: dict[str, Any], words: str, tmp_path: Path
) -> None:
    refused(written(tmp_path, [row("point", 8), row("point", 16, **others)]), None, words)


def test_float32_counts_where_there_are_several_types(tmp_path: Path) -> None:
    rows = [row("point", 8), row("point", 16, dtype="int8"), row("point", 24, dtype="float16")]
    layer = Layer("CONV_2D", (1, 1), (8, 8), 32)
    assert list(read_table(written(tmp_path, rows))[layer]) == [8]
    assert list(read_table(written(tmp_path, rows[1:2]))[layer]) == [16]
    refused(written(tmp_path, rows[1:]), None, r"several types \(float16, int8\)")


def test_a_table_of_other_layers_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, [row("point", 48)])
    with pytest.raises(RecipeError, match="no layer of this network at two or more widths"):
        Prune(sparsity=0.5, latency_table=str(path)).apply(net(), Context(INPUTS))


def test_a_device_without_a_table_is_refused() -> None:
    with pytest.raises(RecipeError, match="give latency_table too"):
        Prune(sparsity=0.5, latency_device="phone").apply(net(), Context(INPUTS))


@pytest.mark.parametrize(
    "others",
    [
        {"shapes": []},
        {"shapes": [[1, 8, 8, 32]]},
        {"shapes": [[1, 8, 8, 32], [0, 1, 1, 32]]},
        {"shapes": [[32], [48, 32]]},
        {"samples_ns": []},
    ],
)
def test_rows_whose_shapes_do_not_fit_are_passed_over(others: dict[str, Any]) -> None:
    rows = [msgspec.convert(row("point", 8, **others), Row)]
    assert measured(rows) == {}


def refused(path: Path, device: str | None, words: str) -> None:
    with pytest.raises(RecipeError, match=words) as caught:
        read_table(path, device)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
