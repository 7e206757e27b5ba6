"""Each form of Core ML, layer by layer: what coremltools decodes from the file against NumPy's own account."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mobilekit.core.quantization import Quantization, parse
from mobilekit.core.reports import LayerQuantization
from mobilekit.core.support import TABLE
from mobilekit.core.targets import CoremlTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.export.coreml import convert
from mobilekit.export.program import trace
from mobilekit.export.quantization.coreml import quantize
from mobilekit.runtime import open_model
from tests.export.quantization.coreml_nets import decoded, made, ran, saved, sqnr_db

LAYERS = {"stem.0": 0, "depthwise": 0, "point": 0, "up": 1, "table": 0, "head": 0}
"""Layer → axis of the output channels in the file."""
SYSTEMS = {
    "ios16": {"minimum_os": "ios16"},
    "ios17": {"minimum_os": "ios17"},
    "ios18": {"minimum_os": "ios18"},
    "float32": {"minimum_os": "ios18", "precision": "float32"},
    "float32-ios16": {"minimum_os": "ios16", "precision": "float32"},
}
HALF = 2.0**-11
"""Relative rounding of float16."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder, found = tmp_path_factory.mktemp("floats"), {}

    def give(system: str) -> Path:
        if system not in found:
            found[system] = saved(folder / f"{system}.mlpackage", **SYSTEMS[system])
        return found[system]

    return give


@pytest.fixture
def halves(
    files: Callable[[str], Path], tmp_path: Path
) -> Callable[..., dict[str, tuple[LayerQuantization, np.ndarray, np.ndarray]]]:
    """Quantize; give, by layer, its row, its weights before and after, output channels first."""

    def give(
        system: str, form: str, **options: Any
    ) -> dict[str, tuple[LayerQuantization, np.ndarray, np.ndarray]]:
        file, out = files(system), tmp_path / "out.mlpackage"
        quantized = made(file, out, form, minimum_os=SYSTEMS[system]["minimum_os"], **options)
        before, after = decoded(file), decoded(out)
        assert [row.layer for row in quantized.layers] == list(LAYERS)
        found = {}
        for row in quantized.layers:
            one, other = (
                np.moveaxis(x[row.tensor].astype(np.float64), LAYERS[row.layer], 0)
                for x in (before, after)
            )
            error = float(((other - one) ** 2).sum())
            assert row.error_energy == pytest.approx(error, rel=1e-6, abs=1e-12)
            assert row.signal_energy == pytest.approx(float((one**2).sum()))
            assert row.elements == one.size
            found[row.layer] = (row, one, other)
        return found

    return give


def _rows(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("granularity", ["", ":tensor", ":block8"])
@pytest.mark.parametrize("system", ["ios16", "ios18", "float32", "float32-ios16"])
def test_integers_err_by_half_a_step(
    bits: int, granularity: str, system: str, halves: Callable[..., Any]
) -> None:
    if "ios16" in system and (bits == 4 or "block" in granularity):
        system = "ios18"
    for row, before, after in halves(system, f"weights:int{bits}{granularity}").values():
        if row.reason:
            assert granularity == ":block8"
            assert "multiple of blocks of 8" in row.reason
            assert (row.stored, row.error_energy) == ("float", 0.0)
            continue
        top = 2 ** (bits - 1) - 1
        axes = {"": tuple(range(1, before.ndim)), ":tensor": None}
        if granularity == ":block8":
            shape = (len(before), -1, 8, *before.shape[2:])
            others = tuple(i for i in range(before.ndim + 1) if i not in {0, 1})
            step = np.abs(before).reshape(shape).max(axis=others, keepdims=True) / top
            step = np.broadcast_to(step, (*step.shape[:2], 8, *[1] * (before.ndim - 2)))
            step = step.reshape(*before.shape[:2], *[1] * (before.ndim - 2))
        else:
            step = np.abs(before).max(axis=axes[granularity], keepdims=True) / top
        # The scale is rounded up by at most one unit of float16, the product once more.
        slack = 1 + 2 * HALF + 2 * top * HALF if "float32" not in system else 1 + 1e-5
        assert np.all(np.abs(after - before) <= step / 2 * slack)
        if granularity == ":tensor":
            assert len(np.unique(after)) <= 2 * top + 1


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("options", ["", ":uniform", ":group4", ":scaled", ":group4:scaled"])
def test_palettes_have_their_number_of_values(
    bits: int, options: str, halves: Callable[..., Any]
) -> None:
    system = "float32" if bits == 2 else "ios18"
    for row, before, after in halves(system, f"weights:palette{bits}{options}").values():
        if row.reason:
            assert "bytes of the file" in row.reason
            assert np.array_equal(before, after)
            continue
        assert row.stored == parse(f"weights:palette{bits}{options}").words
        groups = len(before) // 4 if "group" in options else 1
        largest = np.abs(_rows(before)).max(axis=1, keepdims=True)
        for group in np.split(np.arange(len(before)), groups):
            near = _rows(after)[group]
            assert _different(near / largest[group] if "scaled" in options else near) <= 2**bits
        if options == ":uniform":
            values = np.unique(after)
            gaps = np.diff(values) / ((before.max() - before.min()) / (2**bits - 1))
            size = np.abs(before).max() * HALF / np.diff(values).min(initial=np.inf)
            assert np.allclose(gaps, np.round(gaps), atol=4 * size)
            assert after.min() == before.min()
            assert after.max() == before.max()


@pytest.mark.parametrize("system", ["ios16", "ios17", "ios18"])
def test_k_means_beats_even_spacing_and_more_bits_less(
    system: str, halves: Callable[..., Any]
) -> None:
    errors = {}
    for words in ("palette6", "palette4", "palette4:uniform", "palette2"):
        found = halves(system, f"weights:{words}")
        errors[words] = sum(row.error_energy for row, _, _ in found.values())
    assert errors["palette6"] < errors["palette4"] < errors["palette4:uniform"] < errors["palette2"]


def test_finer_tables_err_less(halves: Callable[..., Any]) -> None:
    def error(form: str) -> float:
        return sum(row.error_energy for row, _, _ in halves("ios18", form).values())

    whole = error("weights:palette3")
    assert error("weights:palette3:group4") < whole
    # A scale per channel only helps where channels differ in size; here it must not hurt much.
    assert error("weights:palette3:scaled") < 1.1 * whole


def test_binary_weights_are_signs_times_the_mean_size(halves: Callable[..., Any]) -> None:
    for _, before, after in halves("float32", "weights:binary").values():
        mean = np.abs(_rows(before)).mean(axis=1, keepdims=True)
        wanted = np.where(_rows(before) >= 0, mean, -mean)
        np.testing.assert_allclose(_rows(after), wanted, rtol=1e-6)


def test_ternary_weights_are_zero_below_the_threshold(halves: Callable[..., Any]) -> None:
    for _, before, after in halves("float32", "weights:ternary").values():
        for row, found in zip(_rows(before), _rows(after), strict=True):
            kept = np.abs(row) > 0.7 * np.abs(row).mean()
            scale = np.abs(row[kept]).mean()
            np.testing.assert_allclose(found, np.sign(row) * kept * scale, rtol=1e-6)


@pytest.mark.parametrize("joint", ["", "+palette4", "+palette2:uniform", "+palette4:group4:scaled",
                                   "+int8", "+int4"])  # fmt: skip
@pytest.mark.parametrize("share", [0.3, 0.75])
def test_so_many_of_the_smallest_are_zero(
    joint: str, share: float, halves: Callable[..., Any]
) -> None:
    system = "ios16" if not joint else "ios18"
    for row, before, after in halves(system, f"sparse:{share}{joint}").values():
        if row.reason:
            continue
        out = int(share * before.size)
        limit = np.sort(np.abs(before).ravel())[out]  # float16 has equal ones
        sure = np.abs(before) > limit
        assert not after[np.abs(before) < limit].any()
        if joint != "+int4":  # the smallest of those left may round to 0
            assert np.count_nonzero(after) == before.size - out
        if not joint:
            assert np.array_equal(after[sure], before[sure])
        elif joint == "+palette4":
            assert len(np.unique(after[after != 0])) <= 16
        elif joint.startswith("+int"):
            top = {"+int8": 127, "+int4": 7}[joint]
            step = np.abs(_rows(before)).max(axis=1) / top
            bound = (step / 2 * (1 + 4 * top * HALF)).reshape(-1, *[1] * (before.ndim - 1))
            assert np.all((np.abs(after - before) <= bound)[sure])


def _different(values: np.ndarray) -> int:
    """Count values that differ by more than the rounding of a scale and of a product."""
    ordered = np.sort(values.ravel())
    return 1 + int(np.sum(np.diff(ordered) > 8 * HALF * np.abs(ordered[1:]) + 1e-6))


@pytest.mark.parametrize("system", ["ios16", "ios18"])
def test_n_of_m_inputs_are_zero(system: str, halves: Callable[..., Any]) -> None:
    for layer, (row, before, after) in halves(system, "sparse:2:4").items():
        inputs = before.shape[1]
        assert bool(row.reason) == (inputs % 4 != 0), layer
        if row.reason:
            assert f"{inputs} inputs are no multiple of 4" in row.reason
            continue
        one, other = (np.moveaxis(x, 1, -1).reshape(-1, 4) for x in (before, after))
        assert np.all((other != 0).sum(axis=1) == 2)
        assert np.all(np.sort(np.abs(other))[:, 2:] == np.sort(np.abs(one))[:, 2:])


def test_zeros_that_are_there_already_are_left_out_too(tmp_path: Path) -> None:
    net = torch.nn.Linear(64, 32)
    net.weight.data = torch.randn(32, 64, generator=torch.Generator().manual_seed(0))
    net.weight.data[:24] = 0
    file = tmp_path / "net.mlpackage"
    convert(trace(net.eval(), (TensorSpec("x", (1, 64)),)), CoremlTarget("ios18"), file, {})
    weights = {"weight": net.weight.detach().numpy()}
    for form in ("sparse:0.5", "sparse:0.5+palette4", "weights:int8", "weights:ternary"):
        out = tmp_path / "out.mlpackage"
        found = quantize(
            file, out, Quantization(form), weights, minimum_os="ios18", statistics=None
        )
        after = decoded(out)[found.layers[0].tensor]
        assert not after[:24].any()
        assert after[24:].any()
        if form == "sparse:0.5":
            assert np.count_nonzero(after) == 8 * 64
            assert found.layers[0].stored_bytes == 8 * 64 * 2 + 32 * 64 // 8


ROWS = [row for row in TABLE if row.format == "coreml" and not parse(row.example).calibrated]


@pytest.mark.parametrize("row", ROWS, ids=[row.example for row in ROWS])
def test_each_form_of_the_table_is_made_and_runs(
    row: Any, files: Callable[[str], Path], tmp_path: Path
) -> None:
    system = "ios16" if row.minimum in {"ios15", "ios16"} else row.minimum
    out = tmp_path / "out.mlpackage"
    found = made(files(system), out, row.example, minimum_os=system)
    stored = sum(layer.stored_bytes for layer in found.layers)
    assert stored <= 1.02 * sum(layer.floor_bytes for layer in found.layers)
    assert all(layer.reason for layer in found.layers if layer.stored != layer.asked)
    before, after = ran(files(system)), ran(out)
    assert np.isfinite(after).all()
    if row.example != "float16":
        assert 0.0 < sqnr_db(after, before) < 60.0


@pytest.mark.parametrize(
    "form",
    ["sparse:0.5", "sparse:2:4+palette4", "sparse:0.5+int8", "sparse:0.5+palette4:group4:scaled",
     "weights:palette4:scaled", "weights:int4", "weights:ternary", "weights:binary"],
)  # fmt: skip
def test_a_layer_of_zeros_stays_zero(form: str, tmp_path: Path) -> None:
    net = torch.nn.Linear(64, 32).eval()
    torch.nn.init.zeros_(net.weight)
    file, out = tmp_path / "net.mlpackage", tmp_path / "out.mlpackage"
    convert(trace(net, (TensorSpec("x", (1, 64)),)), CoremlTarget("ios18"), file, {})
    found = quantize(
        file, out, Quantization(form), {"weight": np.zeros((32, 64))},
        minimum_os="ios18", statistics=None,
    )  # fmt: skip
    assert found.layers[0].stored == form
    assert not decoded(out)[found.layers[0].tensor].any()
    bias = net.bias.detach().numpy()
    result = open_model(out).run({"x": np.ones((1, 64), np.float32)})["output"][0]
    np.testing.assert_allclose(result, bias, atol=2e-3 * np.abs(bias).max())
