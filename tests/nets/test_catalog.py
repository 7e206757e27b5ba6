"""The catalog: what the real networks are, read without torch."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from mobilekit.core.errors import ModelError
from mobilekit.nets import catalog

TOOL = Path(__file__).parents[2] / "tools" / "nets_catalog.py"


def test_the_file_is_what_the_networks_give() -> None:
    spec = importlib.util.spec_from_file_location("nets_catalog", TOOL)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    heavy = {"segnet", "unet"}  # one network of each kind is enough here; CI runs `make catalog`
    shipped = {variant.reference: variant for variant in catalog.variants()}
    assert list(shipped) == list(tool.NETS)
    for name, (description, config) in tool.NETS.items():
        if ":" not in name and name not in heavy:
            assert tool._variant(name, description, config) == shipped[name]
        assert shipped[name].config == config
        assert shipped[name].description == description


@pytest.mark.slow
def test_the_file_is_what_the_tool_writes() -> None:
    before = Path(catalog.__file__).with_name("catalog.json").read_bytes()
    code = (
        f"import runpy, sys; tool = runpy.run_path({str(TOOL)!r});"
        "sys.stdout.buffer.write(tool['encoded'](tool['variants']()))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert result.stdout == before


def test_every_kind_of_network_ships() -> None:
    kinds = {variant.config.kind for variant in catalog.variants()}
    assert kinds == {
        "mobile-hourglass",
        "dfbuster",
        "unet",
        "segnet",
        "lenet-caffe",
        "vgg",
        "mobilenet-v1",
        "blazeface",
    }
    assert kinds <= {variant.reference for variant in catalog.variants()}


def test_published_figures_are_in_it() -> None:
    assert catalog.find("mobile-hourglass").params == 273_226
    assert catalog.find("mobile-hourglass:f16t3").params == 86_634
    assert catalog.find("dfbuster:self-attention").params == 1_457_123
    assert catalog.find("mobilenet-v1").params_with_buffers == 3_758_794
    assert f"{catalog.find('unet').macs / 1e9:.2f}" == "30.96"


def test_a_misspelt_name_gets_a_suggestion() -> None:
    with pytest.raises(ModelError, match=r"Did you mean .*mobile-hourglass\b"):
        catalog.find("mobile-hourglas")


def test_reading_it_imports_no_torch() -> None:
    code = (
        "import sys; from mobilekit.nets.catalog import variants; import mobilekit.nets;"
        "assert variants(); print([m for m in ('torch', 'numpy') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ({"kind": "mobile-hourglass", "features": 0}, "features"),
        ({"kind": "mobile-hourglass", "size": 40}, "size"),  # no multiple of 16
        ({"kind": "mobile-hourglass", "previous_mask": 2}, "previous_mask"),
        ({"kind": "mobile-hourglass", "stem": "heavy"}, "stem"),
        ({"kind": "dfbuster", "width": 0.0}, "width"),
        ({"kind": "vgg", "depth": 13}, "depth"),
        ({"kind": "unet", "widht": 3}, "widht"),
        ({"kind": "yolo"}, "kind"),
    ],
)
def test_values_out_of_range_name_their_key(content: dict[str, object], path: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=path):
        msgspec.convert(content, catalog.NetConfig)


def test_face_labels_have_a_colour_each() -> None:
    assert len(catalog.FACE_LABELS) == len(catalog.FACE_COLOURS) == 10
    assert len(set(catalog.FACE_COLOURS)) == 10
