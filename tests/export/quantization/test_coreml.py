"""Quantizing Core ML files: which layers, what is said, what stays, what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mobilekit.core.errors import ArtifactError, ExportError, NoEffectError, RecipeError
from mobilekit.core.quantization import Quantization
from mobilekit.core.targets import CoremlTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.export.coreml import convert
from mobilekit.export.program import trace
from mobilekit.export.quantization.coreml import quantize
from mobilekit.runtime import open_model
from mobilekit.runtime.coreml_reference.loader import load_package
from tests.export.quantization.coreml_nets import (
    IMAGE,
    Net,
    decoded,
    made,
    network,
    ran,
    saved,
    sqnr_db,
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("floats") / "net.mlpackage", minimum_os="ios18")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.mlpackage"


def _bytes(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _kinds(path: Path) -> list[str]:
    operations = load_package(path).program.functions["main"].operations
    return [one.op_type for one in operations if one.op_type.startswith("constexpr_")]


def test_the_file_of_floats_stays_and_the_new_one_is_smaller(file: Path, out: Path) -> None:
    before = _bytes(file)
    found = made(file, out, "weights:int8")
    assert _bytes(file) == before
    assert found.seconds > 0
    saved_bytes = sum(2 * row.elements - row.stored_bytes for row in found.layers)
    total = {True: sum(map(len, before.values())), False: sum(map(len, _bytes(out).values()))}
    # Each layer's scales lie in a blob with a head of 64 bytes, filled up to 64.
    assert total[True] - total[False] >= saved_bytes - 6 * (64 + 63 + 250)


def test_the_same_words_give_the_same_bytes(file: Path, out: Path, tmp_path: Path) -> None:
    made(file, out, "weights:palette4:group4")
    made(file, tmp_path / "again.mlpackage", "weights:palette4:group4")
    assert _bytes(out) == _bytes(tmp_path / "again.mlpackage")


def test_names_types_and_metadata_stay(file: Path, out: Path) -> None:
    made(file, out, "sparse:0.5+palette4")
    one, other = (load_package(path).spec for path in (file, out))
    assert one.description == other.description
    assert other.description.metadata.author == "A. Person"
    assert one.specificationVersion == other.specificationVersion == 9


def test_what_was_there_before_is_replaced(file: Path, out: Path) -> None:
    made(file, out, "weights:int8")
    made(file, out, "weights:palette2")
    assert set(_kinds(out)) == {"constexpr_lut_to_dense"}


@pytest.mark.parametrize("system", ["ios16", "ios17"])
def test_older_systems_have_expressions_of_their_own(system: Any, tmp_path: Path) -> None:
    old = saved(tmp_path / "old.mlpackage", minimum_os=system)
    kinds = {
        "weights:int8": "constexpr_affine_dequantize",
        "weights:palette6": "constexpr_lut_to_dense",
        "sparse:0.5": "constexpr_sparse_to_dense",
    }
    for form, kind in kinds.items():
        made(old, tmp_path / "new.mlpackage", form, minimum_os=system)
        assert set(_kinds(tmp_path / "new.mlpackage")) == {kind}
        spec = load_package(tmp_path / "new.mlpackage").spec
        assert spec.specificationVersion == {"ios16": 7, "ios17": 8}[system]


def test_8_bit_weights_compute_nearly_the_same(file: Path, out: Path) -> None:
    made(file, out, "weights:int8")
    # A step of 1/127 of the largest weight, errors uniform: 48 dB for weights that fill the range,
    # less by the share of the range that normal weights fill (some 8 dB).
    assert sqnr_db(ran(out), ran(file)) > 38.0


def test_8_bit_pixels_go_in_as_before(tmp_path: Path) -> None:
    path = saved(tmp_path / "image.mlpackage", minimum_os="ios17", image_input=True)
    made(path, tmp_path / "out.mlpackage", "weights:int8", minimum_os="ios17")
    pixels = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3)).astype(np.uint8)
    one, other = (
        open_model(where).run({"image": pixels})["output"].astype(np.float64)
        for where in (path, tmp_path / "out.mlpackage")
    )
    assert sqnr_db(other, one) > 38.0


def test_layers_have_forms_of_their_own(file: Path, out: Path) -> None:
    layers = {"*": "weights:palette2", "stem*": "float", "head": "weights:int8", "up": "sparse:0.5"}
    found = {row.layer: row for row in made(file, out, "weights:int4", layers=layers).layers}
    assert {name: row.stored for name, row in found.items()} == {
        "stem.0": "float", "depthwise": "weights:palette2", "point": "weights:palette2",
        "up": "sparse:0.5", "table": "weights:palette2", "head": "weights:int8",
    }  # fmt: skip
    before, after = decoded(file), decoded(out)
    values = {name: (before[row.tensor], after[row.tensor]) for name, row in found.items()}
    assert np.array_equal(*values["stem.0"])
    assert len(np.unique(values["point"][1])) == 4
    assert len(np.unique(values["head"][1])) > 100
    assert np.count_nonzero(values["up"][1]) == found["up"].elements // 2
    assert found["stem.0"].asked == "float"
    assert not found["stem.0"].reason


def test_a_pattern_without_a_layer_is_refused(file: Path, out: Path) -> None:
    with pytest.raises(RecipeError, match=r"'haed'.*Did you mean head"):
        made(file, out, "weights:int8", layers={"haed": "float"})
    assert not out.exists()


def test_strict_names_the_layers_and_why(file: Path, out: Path) -> None:
    with pytest.raises(ExportError, match=r"strict.*stem\.0 .*3 inputs.*blocks of 16.*head"):
        made(file, out, "weights:int4:block16", strict=True)
    assert not out.exists()
    assert made(file, out, "weights:int4", strict=True).layers


def test_what_saves_no_bytes_stays_and_says_so(file: Path, out: Path) -> None:
    found = {row.layer: row for row in made(file, out, "weights:palette8").layers}
    small = found["depthwise"]  # 288 weights; a table of 256
    assert (small.stored, small.stored_bytes, small.error_energy) == ("float", 576, 0.0)
    assert "bytes of the file" in small.reason
    assert found["up"].stored == "weights:palette8"


def test_a_quantized_file_is_not_quantized_again(file: Path, out: Path, tmp_path: Path) -> None:
    made(file, out, "weights:int8")
    with pytest.raises(ExportError, match=r"quantized already.*file of floats"):
        made(out, tmp_path / "twice.mlpackage", "weights:palette4")
    assert not (tmp_path / "twice.mlpackage").exists()


@pytest.mark.parametrize(
    ("form", "system", "words"),
    [
        ("weights:int4", "ios17", r"needs ios18, the file is for ios17"),
        ("weights:int8", "ios15", r"needs ios16"),
        ("static:int8", "ios16", r"needs ios17"),
        ("dynamic:int8", "ios18", r"coreml has no dynamic:int8"),
    ],
)
def test_an_older_system_or_another_format_is_refused(
    form: str, system: str, words: str, file: Path, out: Path
) -> None:
    with pytest.raises(RecipeError, match=words):
        made(file, out, form, minimum_os=system)


def test_the_version_of_the_file_counts(tmp_path: Path, out: Path) -> None:
    old = saved(tmp_path / "old.mlpackage", minimum_os="ios17")
    with pytest.raises(RecipeError, match="needs ios18, the file is for ios17"):
        made(old, out, "weights:int4", minimum_os="ios18")


def test_float16_stores_half_of_float32(tmp_path: Path, out: Path, file: Path) -> None:
    whole = saved(tmp_path / "whole.mlpackage", minimum_os="ios16", precision="float32")
    for row in made(whole, out, "float16", minimum_os="ios16").layers:
        assert (row.stored, row.stored_bytes) == ("float16", 2 * row.elements)
        assert row.sqnr_db > 60
    for row in made(file, out, "float16").layers:  # they are already
        assert (row.stored, row.error_energy) == ("float16", 0.0)


def test_integer_activations_need_their_ranges(file: Path, out: Path) -> None:
    with pytest.raises(RecipeError, match="ranges of activations"):
        made(file, out, "static:int8")


def test_the_file_of_floats_is_not_written_over(file: Path) -> None:
    before = _bytes(file)
    with pytest.raises(ExportError, match="elsewhere"):
        made(file, file, "weights:int8")
    assert _bytes(file) == before


def test_files_that_are_none_are_refused(tmp_path: Path, out: Path, file: Path) -> None:
    with pytest.raises(ArtifactError, match=r"cannot be read as an \.mlpackage"):
        made(tmp_path / "nothing.mlpackage", out, "weights:int8")
    import shutil

    broken = tmp_path / "broken.mlpackage"
    shutil.copytree(file, broken)
    (broken / "Data/com.apple.CoreML/model.mlmodel").write_bytes(b"\xff" * 40)
    with pytest.raises(ArtifactError, match=r"cannot be read"):
        made(broken, out, "weights:int8")


def test_a_net_without_weights_is_refused(tmp_path: Path, out: Path) -> None:
    path = tmp_path / "net.mlpackage"
    convert(trace(nn.ReLU(), (IMAGE,)), CoremlTarget("ios18"), path, {})
    with pytest.raises(NoEffectError, match="no layers with weights"):
        quantize(path, out, Quantization("weights:int8"), {}, minimum_os="ios18", statistics=None)
    assert not out.exists()


def test_weights_that_two_layers_share_are_stored_once(tmp_path: Path, out: Path) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(64, 64)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(torch.relu(self.layer(x)))

    net, path = Twice().eval(), tmp_path / "net.mlpackage"
    convert(trace(net, (TensorSpec("x", (1, 64)),)), CoremlTarget("ios18"), path, {})
    found = quantize(
        path, out, Quantization("weights:int8"), network(net), minimum_os="ios18", statistics=None
    )
    assert [row.layer for row in found.layers] == ["layer"]
    assert _kinds(out) == ["constexpr_blockwise_shift_scale"]


def test_infinite_weights_are_left_alone(tmp_path: Path, out: Path) -> None:
    net, path = nn.Linear(64, 64).eval(), tmp_path / "net.mlpackage"
    net.weight.data[0, 0] = np.inf
    target = CoremlTarget("ios18", precision="float32")
    convert(trace(net, (TensorSpec("x", (1, 64)),)), target, path, {})
    found = quantize(
        path, out, Quantization("weights:int8"), network(net), minimum_os="ios18", statistics=None
    )
    assert found.layers[0].reason == "weights are infinite, or no numbers"


def test_all_layers_of_the_net_are_known_by_name(file: Path, out: Path) -> None:
    found = made(file, out, "weights:int8")
    wanted = {name.removesuffix(".weight") for name in network(Net())}
    assert {row.layer for row in found.layers} == wanted


class Product(nn.Module):
    """A product of matrices with a constant, on either side."""

    def __init__(self, *, first: bool) -> None:
        super().__init__()
        self.first = first
        shape = (2, 24, 16) if first else (2, 16, 24)
        self.table = nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(0)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.table @ x if self.first else x @ self.table


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("form", ["weights:int8", "weights:palette4:group8", "weights:int4:block8"])
def test_factors_of_matrix_products_have_scales_along_their_outputs(
    first: bool, form: str, tmp_path: Path, out: Path
) -> None:
    net, path = Product(first=first).eval(), tmp_path / "net.mlpackage"
    with torch.no_grad():  # outputs of sizes of their own
        net.table *= 10.0 ** torch.linspace(-2, 0, 24).reshape((24, 1) if first else (1, 24))
    shape = (2, 16, 5) if first else (2, 5, 16)
    convert(trace(net, (TensorSpec("x", shape),)), CoremlTarget("ios18"), path, {})
    found = quantize(
        path, out, Quantization(form), network(net), minimum_os="ios18", statistics=None
    )
    row = found.layers[0]
    assert (row.stored, row.layer) == (form, "table")
    before, after = (decoded(where)[row.tensor].astype(np.float64) for where in (path, out))
    axis = 1 if before.shape == (2, 24, 16) else 2
    error = np.moveaxis((after - before) ** 2, axis, 0).reshape(24, -1).sum(axis=1)
    energy = np.moveaxis(before**2, axis, 0).reshape(24, -1).sum(axis=1)
    if "palette" not in form:  # each output has its own scale: none is lost
        assert np.all(error < energy / 20)
    assert {"int8": 38, "int4": 14, "pale": 12}[form[8:12]] < row.sqnr_db


def test_tables_of_words_are_weights_too(tmp_path: Path, out: Path) -> None:
    net, path = nn.Sequential(nn.Embedding(50, 16)).eval(), tmp_path / "net.mlpackage"
    convert(trace(net, (TensorSpec("i", (4,), "int64"),)), CoremlTarget("ios18"), path, {})
    found = quantize(
        path, out, Quantization("weights:int8"), network(net), minimum_os="ios18", statistics=None
    )
    assert [(row.layer, row.stored) for row in found.layers] == [("0", "weights:int8")]
    words = {"i": np.array([0, 7, 49, 7], np.int32)}
    one, other = (open_model(where).run(words)["output"] for where in (path, out))
    assert sqnr_db(other.astype(np.float64), one.astype(np.float64)) > 38.0
