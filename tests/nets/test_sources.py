"""One grammar for every place that a network comes from."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from mobilekit.core.errors import ArtifactError, MobilekitError, ModelError
from mobilekit.core.tensors import TensorSpec, parse_input
from mobilekit.nets import sources
from mobilekit.nets.catalog import CAMERA, FACE_LABELS, DfbusterConfig, MobileHourglassConfig
from mobilekit.nets.sources import (
    Source,
    check_finite,
    check_inputs,
    load_config,
    load_source,
    to_train,
)

SMALL = TensorSpec("image", (1, 3, 32, 32), layout="NCHW")
TINY_HOURGLASS = {"features": "4", "expansion": "1", "size": "16", "stem": "light"}


def load(reference: str, **options: object) -> Source:
    given = {"arguments": {}, "weights": None, **options}
    return load_source(reference, **given)  # type: ignore[arg-type]


def test_a_shipped_net_brings_all_that_the_phone_needs() -> None:
    source = load("mobile-hourglass:video", arguments={**TINY_HOURGLASS, "previous_mask": "1"})
    assert [spec.name for spec in source.inputs] == ["image", "previous_mask"]
    assert source.output_names == ("logits",)
    assert source.normalization == CAMERA
    assert source.labels == FACE_LABELS
    assert len(source.colours) == 10
    assert source.state == {"logits": "previous_mask"}
    assert source.weights == "seeded"
    assert not source.module.training
    assert source.name == "mobile-hourglass-video"


def test_labels_that_do_not_fit_the_classes_are_left_out() -> None:
    source = load("mobile-hourglass", arguments={**TINY_HOURGLASS, "classes": "3"})
    assert source.labels == ()
    assert source.colours == ()


def test_the_same_seed_gives_the_same_bits_and_touches_nothing_else() -> None:
    before = torch.get_rng_state()
    states = [
        load("mobile-hourglass", arguments=TINY_HOURGLASS, seed=seed).module.state_dict()
        for seed in (1, 1, 2)
    ]
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not torch.equal(states[0]["head.weight"], states[2]["head.weight"])


def test_untrained_statistics_are_warmed() -> None:
    source = load("torchvision:mobilenet_v3_small", inputs=(SMALL,))
    norms = [part for part in source.module.modules() if isinstance(part, nn.BatchNorm2d)]
    assert norms
    assert not any(bool((norm.running_var == 1).all()) for norm in norms)


def test_spectral_norm_is_baked_in() -> None:
    source = load("dfbuster", arguments={"width": "0.125", "size": "32"})
    names = list(source.module.state_dict())
    assert not [name for name in names if "parametrizations" in name]
    assert [name for name in names if name.endswith("attention.value.weight")]


def test_torchvision_by_name_with_arguments() -> None:
    source = load("torchvision:resnet18", arguments={"num_classes": "10"}, inputs=(SMALL,))
    with torch.no_grad():
        assert tuple(source.module(torch.zeros(SMALL.shape)).shape) == (1, 10)
    assert source.name == "resnet18"
    assert source.normalization is None
    params = sum(part.numel() for part in source.module.parameters())
    assert params == 11_689_512 - 513_000 + 10 * 513


def test_torchvision_segmentation_asks_for_no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was downloaded")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    source = load("torchvision:lraspp_mobilenet_v3_large", inputs=(SMALL,))
    with torch.no_grad():
        assert list(source.module(torch.zeros(SMALL.shape))) == ["out"]


def test_torchvision_has_a_default_input() -> None:
    source = load("torchvision:squeezenet1_1")
    assert [spec.shape for spec in source.inputs] == [(1, 3, 224, 224)]


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_classifiers_that_act_only_in_training_are_left_out(name: str) -> None:
    spec = TensorSpec("image", (1, 3, 96, 96), layout="NCHW")
    source = load(f"torchvision:{name}", inputs=(spec,))
    assert not [key for key in source.module.state_dict() if key.lower().startswith("aux")]


def test_timm_by_name() -> None:
    pytest.importorskip("timm")
    source = load("timm:test_resnet", arguments={"num_classes": "7"}, inputs=(SMALL,))
    with torch.no_grad():
        assert tuple(source.module(torch.zeros(SMALL.shape)).shape) == (1, 7)
    with pytest.raises(ModelError, match=r"Did you mean .*test_resnet"):
        load("timm:test_resnett", inputs=(SMALL,))


FACTORY = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)

    def forward(self, x):
        return {"features": self.conv(x)}

def build(width=4):
    return Net(width)

def half():
    return Net(4).half()

def broken():
    net = Net(4)
    net.conv.weight.data[0, 0, 0, 0] = float("nan")
    net.conv.bias.data[:2] = float("inf")
    return net
"""


@pytest.fixture
def factory(tmp_path: Path) -> Path:
    path = tmp_path / "my model.py"
    path.write_text(FACTORY)
    return path


def test_a_factory_in_a_file(factory: Path) -> None:
    source = load(f"{factory}:build", arguments={"width": "6"}, inputs=(SMALL,))
    assert source.inputs == (SMALL,)
    assert source.name == "my-model-build"
    assert source.module.conv.out_channels == 6  # type: ignore[union-attr]


def test_a_factory_needs_its_input_stated(factory: Path) -> None:
    with pytest.raises(ModelError, match="--input 1x3x224x224"):
        load(f"{factory}:build")


def test_a_file_without_a_factory(factory: Path) -> None:
    with pytest.raises(ModelError, match=r"path/to/file\.py:factory"):
        load(str(factory), inputs=(SMALL,))


def test_half_precision_becomes_single(factory: Path) -> None:
    source = load(f"{factory}:half", inputs=(SMALL,))
    assert {part.dtype for part in source.module.parameters()} == {torch.float32}


def test_weights_that_are_not_finite_are_named(factory: Path) -> None:
    with pytest.raises(ModelError, match=r"conv\.weight \(1 of 108\), conv\.bias \(2 of 4\)"):
        load(f"{factory}:broken", inputs=(SMALL,))


def test_buffers_that_are_not_finite_are_named() -> None:
    norm = nn.BatchNorm2d(3)
    assert norm.running_var is not None
    norm.running_var[1] = float("inf")
    with pytest.raises(ModelError, match=r"running_var \(1 of 3\)"):
        check_finite("x", norm)


def test_given_weights_are_called_given(tmp_path: Path, factory: Path) -> None:
    state = {"conv.weight": torch.ones(4, 3, 3, 3), "conv.bias": torch.zeros(4)}
    save_file(state, tmp_path / "w.safetensors")
    source = load(f"{factory}:build", inputs=(SMALL,), weights=tmp_path / "w.safetensors")
    assert source.weights == "given"
    with torch.no_grad():
        output = source.module(torch.ones(SMALL.shape))["features"]
    assert torch.equal(output, torch.full((1, 4, 30, 30), 27.0))


def test_only_weights_that_were_drawn_here_are_called_seeded(
    factory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A factory may load what it likes: nobody can know that its weights are untrained."""
    assert load("lenet-caffe").weights == "seeded"
    assert load(f"{factory}:build", inputs=(SMALL,)).weights == "factory"
    plain = {"reference": "torchvision:squeezenet1_1", "inputs": (SMALL,)}
    assert load(**plain).weights == "seeded"
    assert load(**plain, arguments={"weights": "None"}).weights == "seeded"
    monkeypatch.setattr(sources, "_torchvision", lambda *_: nn.Conv2d(3, 4, 3))
    assert load(**plain, arguments={"weights": "DEFAULT"}).weights == "factory"


@pytest.mark.parametrize("kind", ["float16", "float64", "bfloat16"])
def test_other_precisions_become_float32_and_it_is_said(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(
        "import torch\n"
        "def build(kind):\n"
        "    return torch.nn.Conv2d(3, 4, 3).to(getattr(torch, kind))\n"
    )
    dtype = "float32" if kind == "bfloat16" else kind
    given = TensorSpec("image", (1, 3, 8, 8), dtype, layout="NCHW")
    source = load(f"{path}:build", inputs=(given,), arguments={"kind": kind})
    assert source.inputs[0].dtype == "float32"
    assert source.notes == (f"the network is in {kind}; it is exported, and compared, in float32",)
    assert load("lenet-caffe").notes == ()


def test_timm_is_told_whether_to_load_weights() -> None:
    pytest.importorskip("timm")
    source = load("timm:lcnet_035", inputs=(SMALL,), arguments={"pretrained": "false"})
    assert source.weights == "seeded"


def test_indices_are_drawn_inside_the_table(tmp_path: Path) -> None:
    path = tmp_path / "table.py"
    path.write_text(
        "from torch import nn\n"
        "def build(rows=3):\n"
        "    return nn.Sequential(nn.Embedding(rows, 4), nn.BatchNorm1d(4))\n"
    )
    indices = (TensorSpec("k", (16,), "int64"),)
    for rows, bound in ((3, 2), (9, 8), (1, 1)):
        source = load(f"{path}:build", inputs=indices, arguments={"rows": str(rows)})
        assert check_inputs(source) == bound


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file({"x": torch.ones(1)}, tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match="1 unexpected: x"):
        load("lenet-caffe", weights=tmp_path / "w.safetensors")


def test_a_program_is_taken_as_it_is(tmp_path: Path) -> None:
    network = torchvision.models.squeezenet1_1(num_classes=5).eval()
    image = torch.rand(1, 3, 40, 40)
    with torch.no_grad():
        expected = network(image)
        torch.export.save(torch.export.export(network, (image,)), tmp_path / "net.pt2")
    source = load(str(tmp_path / "net.pt2"))
    assert [spec.shape for spec in source.inputs] == [(1, 3, 40, 40)]
    assert source.inputs[0].layout == "NCHW"
    assert source.weights == "given"
    with torch.no_grad():
        found = source.module(image)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=0, atol=0)
    check_inputs(source)
    with pytest.raises(ModelError, match="do not apply"):
        load(str(tmp_path / "net.pt2"), inputs=(SMALL,))


def test_a_damaged_program_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "net.pt2").write_bytes(b"PK\x03\x04 this is no program")
    with pytest.raises(ArtifactError, match=r"net\.pt2") as caught:
        load(str(tmp_path / "net.pt2"))
    assert "\n" not in str(caught.value)
    with pytest.raises(ArtifactError, match="no such file"):
        load(str(tmp_path / "none.pt2"))


@pytest.mark.parametrize(
    ("reference", "arguments", "expected"),
    [
        ("mobile-hourglas", {}, r"Did you mean .*mobile-hourglass\b"),
        ("mobile-hourglass:f16", {}, "Did you mean mobile-hourglass:f16t"),
        ("nothing/like/this", {}, r"torchvision:NAME.*\.pt2"),
        ("torchvision:mobilenet_v22", {}, r"Did you mean .*mobilenet_v2\b"),
        ("torchvision:", {}, "no such model"),
        ("torchvision:resnet18", {"num_clases": "3"}, "num_clases"),
        ("torchvision:resnet18", {"num_classes": "many"}, "cannot be built"),
        ("mobile-hourglass", {"featurs": "3"}, r"--arg featurs: .*Did you mean features\?"),
        ("mobile-hourglass", {"features": "many"}, "features"),
        ("mobile-hourglass", {"size": "40"}, "size"),
        ("dfbuster", {"kind": "vgg"}, "kind"),
        ("./none.py:build", {}, r"--input|no such file"),
    ],
)
def test_mistakes_are_one_line(reference: str, arguments: dict[str, str], expected: str) -> None:
    with pytest.raises(ModelError, match=expected) as caught:
        load(reference, arguments=arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (("1x1x32x32",), "does not take the input input=1x1x32x32:float32: .*channels"),
        (("3x32",), "input=3x32"),
        (("image=1x3x32x32", "more=1x3x32x32"), "does not take the input image.*more="),
        (("1x3x32x32:int64",), "int64"),
        (("1x3x2x2",), "does not take the input"),
    ],
)
def test_inputs_that_the_network_refuses_are_one_line(
    inputs: tuple[str, ...], expected: str
) -> None:
    specs = tuple(parse_input(text, index) for index, text in enumerate(inputs))
    with pytest.raises(ModelError, match=expected) as caught:
        load("lenet-caffe", arguments={"channels": "3"}, inputs=specs)
    assert "\n" not in str(caught.value)


def test_inputs_are_checked_with_weights_too(tmp_path: Path) -> None:
    network = load("lenet-caffe").module
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    source = load("lenet-caffe", weights=tmp_path / "w.safetensors", inputs=(SMALL,))
    with pytest.raises(ModelError, match="does not take the input"):
        check_inputs(source)


def test_a_recipes_net_is_loaded_by_its_configuration() -> None:
    config = MobileHourglassConfig(features=4, expansion=1, stem="light", size=16)
    source = load_config(config, name="My net!", arguments={}, weights=None, seed=0)
    assert source.name == "My-net"
    assert source.inputs[0].shape == (1, 3, 16, 16)


@pytest.mark.parametrize("name", ["a/b c", "../..", "é", "x:y"])
def test_names_are_safe_as_folders(name: str) -> None:
    config = MobileHourglassConfig(features=4, expansion=1, stem="light", size=16)
    safe = load_config(config, name=name, arguments={}, weights=None, seed=0).name
    assert safe
    assert safe.strip(".") == safe
    assert Path(safe).name == safe
    assert safe.isascii()


def test_every_refusal_is_ours() -> None:
    assert issubclass(ModelError, MobilekitError)
    assert ModelError.exit_code == 2


def test_a_network_that_is_to_be_trained_keeps_the_zeros_it_begins_with() -> None:
    config = DfbusterConfig(width=0.125, size=32)
    source = load_config(config, name="net", arguments={}, weights=None, seed=3)
    kept, woken = to_train(source, config, {}, 3).module, source.module
    zeros = [name for name, value in kept.named_parameters() if not value.any()]
    assert sum(name.endswith("weight") for name in zeros) == 8  # of the last norm of each block
    assert any(name.endswith("gamma") for name in zeros)
    assert all(value.any() for name, value in woken.named_parameters() if name.endswith("weight"))
