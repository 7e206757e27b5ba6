"""The table and the picture of a quantized file: errors and bytes of layers, and their time where it is known."""

import pytest

from mobilekit.core.reports import DelegationReport, LayerQuantization, OperatorTime
from mobilekit.report import quantization


def layer(name: str, elements: int, *, error: float = 0.01, reason: str = "") -> LayerQuantization:
    return LayerQuantization(
        name, f"t/{name}", "static:int8", "static:int8", elements, elements + 8, elements, 1.0, error, reason
    )  # fmt: skip


def operator(name: str, milliseconds: float, *shapes: tuple[int, ...]) -> OperatorTime:
    samples = (round(milliseconds * 1e6),) * 2
    return OperatorTime(name, name, delegated=True, samples_ns=samples, shapes=shapes)


LAYERS = [layer("stem", 216), layer("a", 64), layer("b", 64, error=0.5), layer("head", 40)]
PROFILE = DelegationReport(
    "XNNPACK",
    (
        operator("0:QUANTIZE 0", 0.5, (1, 8, 8, 3)),
        operator("1:CONV_2D 1", 2.0, (1, 8, 8, 3), (8, 3, 3, 3), (8,)),
        operator("2:ADD 2", 1.0, (1, 64), (1, 64)),
        operator("3:CONV_2D 3", 1.0, (1, 8, 8, 8), (8, 1, 1, 8), (8,)),
        operator("4:CONV_2D 5", 3.0, (1, 8, 8, 8), (8, 1, 1, 8), (8,)),
        operator("5:CONV_2D 5", 0.5, (1, 8, 8, 8), (8, 1, 1, 8), (8,)),
        operator("6:BATCH_MATMUL 6", 1.0, (1, 8, 9), (1, 9, 8)),
        operator("7:FULLY_CONNECTED 7", 1.0, (1, 8), (5, 8), (5,)),
    ),
    8,
    (),
    0.0,
)


def test_shares_are_of_all_operators_and_kernels_of_one_are_summed() -> None:
    found = quantization.time_shares(LAYERS, PROFILE)
    assert found == pytest.approx([0.2, 0.1, 0.35, 0.1])


def test_the_column_of_time_stands_beside_the_error() -> None:
    columns = quantization.columns(LAYERS, PROFILE)
    assert columns[columns.index("SQNR") + 1] == "time"
    rows = quantization.rows(LAYERS, PROFILE)
    assert [row["time"] for row in rows] == ["20.00 %", "10.00 %", "35.00 %", "10.00 %"]
    assert all(set(row) == set(columns) for row in rows)
    assert quantization.time_note(LAYERS, PROFILE) == (
        "Layers with weights take 75.00 % of the time; the most, 35.00 %, takes b."
    )


def test_without_a_profile_the_table_is_as_before_and_it_is_said() -> None:
    assert tuple(quantization.columns(LAYERS, None)) == quantization.COLUMNS
    assert all(set(row) == set(quantization.COLUMNS) for row in quantization.rows(LAYERS))
    assert "was not measured" in quantization.time_note(LAYERS, None)
    assert " of time" not in quantization.picture(LAYERS)


def test_no_time_is_given_where_a_layer_s_operator_is_not_in_the_profile() -> None:
    unknown = [*LAYERS, layer("other", 999)]
    assert quantization.time_shares(unknown, PROFILE) == []
    assert "cannot be told" in quantization.time_note(unknown, PROFILE)
    assert tuple(quantization.columns(unknown, PROFILE)) == quantization.COLUMNS


def test_the_picture_draws_a_thin_bar_per_layer() -> None:
    drawn = quantization.picture(LAYERS, PROFILE)
    assert drawn.count('height="2"') == len(LAYERS)
    assert "35.00 % of time" in drawn
