"""How long layers take by a table, and what global scores become of it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mobilekit.compress.base import Context
from mobilekit.compress.during.sparsify import Sparsify
from mobilekit.compress.sparsity.axes import sparsify
from mobilekit.compress.sparsity.latencies import Layer, Measured
from mobilekit.compress.sparsity.layer_times import layer_times
from mobilekit.compress.sparsity.work import work_of
from mobilekit.core.errors import ModelError, RecipeError

IMAGE = torch.zeros(1, 3, 8, 8)


def times(layer: nn.Module, table: Measured, image: Tensor = IMAGE) -> dict[str, float]:
    network = nn.Sequential(layer)
    return layer_times(network, ["0"], work_of(network, [image]), table)


CASES: dict[str, tuple[nn.Module, tuple[int, ...], Layer]] = {
    "padded": (nn.Conv2d(3, 8, 3, padding=1), (1, 3, 8, 8), Layer("CONV_2D", (3, 3), (10, 10), 3)),
    "same": (nn.Conv2d(3, 8, 3, padding=1), (1, 3, 8, 8), Layer("CONV_2D", (3, 3), (8, 8), 3)),
    "by name": (
        nn.Conv2d(3, 8, (3, 1), padding="same"),
        (3, 8, 6),
        Layer("CONV_2D", (3, 1), (8, 6), 3),
    ),
    "depthwise": (
        nn.Conv2d(4, 8, 3, groups=4),
        (2, 4, 8, 8),
        Layer("DEPTHWISE_CONV_2D", (3, 3), (8, 8), 2),
    ),
    "transposed": (
        nn.ConvTranspose2d(3, 8, 2, stride=2),
        (1, 3, 8, 8),
        Layer("TRANSPOSE_CONV", (2, 2), (8, 8), 3),
    ),
    "linear": (nn.Linear(5, 8), (2, 5), Layer("FULLY_CONNECTED", (), (1,), 5)),
    "tokens": (nn.Linear(5, 8), (2, 7, 5), Layer("FULLY_CONNECTED", (), (7,), 5)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_layer_is_found_by_what_it_is(case: str) -> None:
    layer, shape, row = CASES[case]
    assert times(layer, {row: {8: 6_000.0}}, torch.zeros(shape)) == {"0": 6_000.0}


POINT, ROW = nn.Conv2d(3, 8, 1), Layer("CONV_2D", (1, 1), (8, 8), 3)


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ({8: 5e3}, 5e3),
        ({4: 7e3, 8: 9e3}, 4e3),  # 500 ns per filter; the rest is there whatever the width
        ({4: 3e3, 16: 9e3}, 4e3),  # its own width is not there
        ({4: 9e3, 8: 7e3}, 7e3),  # no growth, so that its own width counts
        ({8: 0.0}, 500.0),  # below what the profiler can tell
    ],
)
def test_a_filter_costs_what_one_more_takes(curve: dict[int, float], expected: float) -> None:
    assert times(POINT, {ROW: curve})["0"] == pytest.approx(expected)


def test_a_layer_that_runs_twice_takes_both_times() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.same = nn.Conv2d(3, 3, 1)

        def forward(self, image: Tensor) -> Tensor:
            made: Tensor = self.same(self.same(image)[..., ::2, ::2])
            return made

    table = {ROW: {3: 4e3}, Layer("CONV_2D", (1, 1), (4, 4), 3): {3: 1e3}}
    assert layer_times(Twice(), ["same"], work_of(Twice(), [IMAGE]), table) == {"same": 5e3}


@pytest.mark.parametrize(
    ("layer", "curve", "message"),
    [
        (POINT, {4: 5e3}, r"0: the table holds no CONV_2D 1×1×8×8 that reads 3 and makes 8; profile"),
        (nn.Conv2d(3, 8, 3), {8: 5e3}, r"0: the table holds no CONV_2D 3×3×8×8"),
        (nn.Conv2d(3, 6, 1, groups=3), {6: 5e3}, r"no DEPTHWISE_CONV_2D 1×1×8×8 that reads 2 and"),
        (nn.Conv3d(1, 8, 1), {8: 5e3}, r"0: no table can hold a Conv3d of its kind; leave it out"),
    ],
)  # fmt: skip
def test_a_layer_that_the_table_does_not_have_is_named(
    layer: nn.Module, curve: dict[int, float], message: str
) -> None:
    image = IMAGE[:, None, :1] if isinstance(layer, nn.Conv3d) else IMAGE
    with pytest.raises(RecipeError, match=f"^latency_table: .*{message}"):
        times(layer, {ROW: curve}, image)


def test_a_layer_that_did_not_run_is_named() -> None:
    with pytest.raises(ModelError, match="0: it did not run"):
        layer_times(nn.Sequential(POINT), ["0"], {}, {ROW: {8: 5e3}})


def two() -> nn.Sequential:
    """Two layers of equal weights, the first twice as many filters."""
    network = nn.Sequential(nn.Conv2d(4, 8, 1), nn.MaxPool2d(4), nn.Conv2d(8, 4, 1))
    for weight in network.parameters():
        nn.init.ones_(weight)
    return network


def table(folder: Path, first_ns: int, second_ns: int, **others: Any) -> str:
    shapes = [[[1, 8, 8, 4], [8, 1, 1, 4], [8]], [[1, 2, 2, 8], [4, 1, 1, 8], [4]]]
    rows = [
        {
            "operator": "CONV_2D",
            "name": f"net.tflite:{place}:CONV_2D {place}",
            "shapes": shape,
            "dtype": "float32",
            "runtime": "LiteRT",
            "device": "phone",
            "threads": 1,
            "samples_ns": [taken],
            **others,
        }
        for place, (shape, taken) in enumerate(zip(shapes, (first_ns, second_ns), strict=True))
    ]
    path = folder / "table.json"
    path.write_text(json.dumps({"schema_version": 1, "rows": rows}))
    return str(path)


INPUTS = (torch.zeros(1, 4, 8, 8),)
OPTIONS: dict[str, Any] = {
    "granularity": "filter", "context": "global", "sparsity": 0.25, "layers": ("0", "2"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "gone"),
    [(8_000, 8_000, [0, 3]), (17_000, 8_000, [3, 0]), (15_000, 8_000, [0, 3])],
)
def test_what_takes_longest_per_filter_goes_first(
    tmp_path: Path, first: int, second: int, gone: list[int]
) -> None:
    """All scores are equal: what decides is first / 8 filters against second / 4."""
    path = table(tmp_path, first, second)
    made = sparsify(two(), INPUTS, cost="latency", latency_table=path, **OPTIONS)
    zero = [int((made[k].weight.flatten(1) == 0).all(1).sum()) for k in (0, 2)]
    assert zero == gone
    method = Sparsify(cost="latency", latency_table=path, schedule="one_shot", **OPTIONS)
    network = two()
    method.start(network, Context(INPUTS)).after_step(1.0)
    assert all(torch.equal(network[k].weight, made[k].weight) for k in (0, 2))


def test_of_single_weights_each_costs_its_share(tmp_path: Path) -> None:
    """Both layers have 32 weights."""
    path = table(tmp_path, 9_000, 8_000)
    options = OPTIONS | {"granularity": "weight", "sparsity": 0.5}
    made = sparsify(two(), INPUTS, cost="latency", latency_table=path, **options)
    assert [int((made[k].weight == 0).sum()) for k in (0, 2)] == [32, 0]


def test_options_that_do_not_go_together(tmp_path: Path) -> None:
    path = table(tmp_path, 9_000, 8_000)
    with pytest.raises(RecipeError, match="cost latency needs a latency_table"):
        Sparsify(cost="latency", context="global")
    with pytest.raises(RecipeError, match="it counts with cost 'latency', not with 'macs'"):
        Sparsify(cost="macs", context="global", latency_table=path)
    with pytest.raises(RecipeError, match="give latency_table too"):
        Sparsify(latency_device="phone")
    with pytest.raises(RecipeError, match="its context is global or block"):
        sparsify(two(), INPUTS, cost="latency", latency_table=path)
    with pytest.raises(RecipeError, match="tablet is not in it"):
        sparsify(
            two(), INPUTS, cost="latency", latency_table=path, latency_device="tablet", **OPTIONS
        )
    with pytest.raises(RecipeError, match="needs example inputs"):
        sparsify(two(), cost="latency", latency_table=path, **OPTIONS)
