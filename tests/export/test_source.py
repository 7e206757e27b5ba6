"""Generated source: bit for bit the network, in an interpreter that has torch and nothing of ours."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torchvision import models

from mobilekit.compress.pruning import prune
from mobilekit.core.artifact import Normalization
from mobilekit.core.errors import ArtifactError, DataError, ModelError
from mobilekit.core.tensors import TensorSpec
from mobilekit.export import source
from mobilekit.runtime.source import SourceRunner
from tests.compress.graph.patterns import PATTERNS
from tests.compress.graph.random_nets import every_second, randomize


class TwoInputs(nn.Module):
    """Bare tensors, a constant in the code, two inputs, a dictionary with a tuple inside."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 1), nn.Conv2d(2, 4, 1)
        self.scale = nn.Parameter(torch.randn(4, 1, 1))
        self.register_buffer("shift", torch.randn(4, 1, 1))
        self.register_buffer("passing", torch.randn(4, 1, 1), persistent=False)

    def forward(self, image: Tensor, mask: Tensor) -> dict[str, object]:
        x = self.left(image) * self.scale + self.right(mask) + self.shift
        x = x + torch.tensor([1.0, 2.0, 3.0, 4.0]).view(4, 1, 1) * self.passing
        return {"maps": (x, x.mean((2, 3))), "sum": x.sum(1)}


class Tied(nn.Module):
    """A layer under two names, and a weight that two layers share."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)
        self.second.weight = self.first.weight
        self.parts = nn.ModuleList([nn.Linear(6, 6), nn.Tanh(), self.first])

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(torch.relu(self.first(x)))
        for part in self.parts:
            x = part(x)
        return self.parts[0](x)


class Numbers(nn.Module):
    """Sizes that follow the input, and some that the code takes from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.head = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        y = self.down(x).reshape(n, 2, 4, -1).transpose(1, 2).reshape(n, 8, -(-h // 2), -(-w // 2))
        y = nn.functional.interpolate(self.head(y), (h, w), mode="bilinear", align_corners=False)
        return y[:, :1] - y[:, 1:]


def built(name: str) -> tuple[nn.Module, list[Tensor]]:
    image = torch.zeros(1, 3, 64, 64)
    makers = {
        "resnet18": lambda: models.resnet18(num_classes=10),
        "mobilenet_v3_small": lambda: models.mobilenet_v3_small(num_classes=10),
        "shufflenet": lambda: models.shufflenet_v2_x0_5(num_classes=10),
        "googlenet": lambda: models.googlenet(num_classes=10, aux_logits=False, init_weights=False),
        "lraspp": lambda: models.segmentation.lraspp_mobilenet_v3_large(
            num_classes=4, weights=None, weights_backbone=None
        ),
        "vit": lambda: models.VisionTransformer(64, 16, 2, 4, 32, 64, num_classes=5),
        "numbers": Numbers,
    }
    with torch.random.fork_rng():
        torch.manual_seed(1)  # noqa: TID251
        if name == "two inputs":
            return TwoInputs().eval(), [image, torch.zeros(1, 2, 64, 64)]
        if name == "tied":
            return Tied().eval(), [torch.zeros(1, 6)]
        if name.startswith("pruned "):
            kind = name.removeprefix("pruned ")
            network, inputs = (
                (PATTERNS[kind][0]().eval(), [torch.zeros(PATTERNS[kind][1])])
                if kind in PATTERNS
                else built(kind)
            )
            randomize(network)
            return prune(network, inputs, every_second).network.eval(), inputs
        network = makers[name]().eval()
    randomize(network)
    return network, [image]


NETWORKS = (
    "resnet18", "pruned mobilenet_v3_small", "shufflenet", "googlenet", "lraspp", "pruned vit",
    "numbers", "two inputs", "tied", "pruned multi-head attention", "pruned dense",
    "pruned dict outputs", "pruned hard-coded view", "pruned shared convolution",
)  # fmt: skip


def specs(tensors: list[Tensor], word: str) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(f"{word}{n}", tuple(t.shape), str(t.dtype).removeprefix("torch."))
        for n, t in enumerate(tensors)
    )


def written(network: nn.Module, inputs: list[Tensor], folder: Path) -> Path:
    with torch.no_grad():
        outputs = [t for t in pytree.tree_leaves(network(*inputs)) if isinstance(t, Tensor)]
    folder.mkdir(exist_ok=True)
    source.write(network, specs(inputs, "in"), specs(outputs, "out"), folder)
    return folder


def loaded(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("generated", folder / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def noise(inputs: list[Tensor], batch: int = 1, grow: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    made = []
    for tensor in inputs:
        shape = [batch * tensor.shape[0], *tensor.shape[1:]]
        if len(shape) == 4 and grow:
            shape[2:] = [shape[2] + grow, shape[3] + 2 * grow]
        made.append(torch.randn(shape, generator=generator).to(tensor.dtype))
    return made


@pytest.mark.parametrize("name", NETWORKS)
def test_a_fresh_interpreter_computes_the_same_bits(name: str, tmp_path: Path) -> None:
    network, inputs = built(name)
    runner = SourceRunner(written(network, inputs, tmp_path / "model.source"), threads=1)
    sample = noise(inputs)
    made = runner.run({f"in{n}": tensor.numpy() for n, tensor in enumerate(sample)})
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            leaves = pytree.tree_leaves(network(*sample))
    finally:
        torch.set_num_threads(before)
    for leaf, array in zip(leaves, made.values(), strict=True):
        assert np.array_equal(leaf.numpy(), array)
    text = (tmp_path / "model.source" / "model.py").read_text()
    assert "torch.ops" not in text or "scaled_dot_product_attention" in text


@pytest.mark.parametrize("name", ["resnet18", "shufflenet", "lraspp", "numbers", "pruned dense"])
def test_batch_and_image_size_stay_free(name: str, tmp_path: Path) -> None:
    network, inputs = built(name)
    folder = written(network, inputs, tmp_path / "model.source")
    assert "Batch and image size may differ." in (folder / "model.py").read_text()
    again = loaded(folder).load()
    sample = noise(inputs, batch=3, grow=32)
    with torch.no_grad():
        expected, found = (pytree.tree_leaves(one(*sample)) for one in (network, again))
    assert all(torch.equal(one, two) for one, two in zip(expected, found, strict=True))


@pytest.mark.parametrize("name", NETWORKS)
def test_names_of_parameters_are_the_networks(name: str, tmp_path: Path) -> None:
    network, inputs = built(name)
    again = loaded(written(network, inputs, tmp_path / "model.source")).load()
    ours, theirs = network.state_dict(), again.state_dict()
    assert set(ours) == {key for key in theirs if not key.startswith("constant_")}
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert {n for n, _ in network.named_parameters()} == {n for n, _ in again.named_parameters()}
    assert not again.training


def test_the_outputs_keep_their_structure(tmp_path: Path) -> None:
    network, inputs = built("two inputs")
    again = loaded(written(network, inputs, tmp_path / "model.source")).load()
    found = again(*inputs)
    assert list(found) == ["maps", "sum"]
    assert isinstance(found["maps"], tuple)
    assert [tuple(one.shape) for one in found["maps"]] == [(1, 4, 64, 64), (1, 4)]


def test_it_reads_as_a_person_would_have_written_it(tmp_path: Path) -> None:
    network, inputs = built("resnet18")
    network = prune(network, inputs, every_second).network
    text = (written(network, inputs, tmp_path / "model.source") / "model.py").read_text()
    tree = ast.parse(text)
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    assert {"Block", "BasicBlock", "ResNet"} <= classes
    assert "conv1=nn.Conv2d(3, 32, kernel_size=7, stride=2, padding=3, bias=False)" in text
    assert "x = self.layer1(x)" in text
    assert str(tmp_path) not in text
    imported = {
        alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in (
            node.names if isinstance(node, ast.Import) else [ast.alias(node.module or "")]
        )
    }
    assert imported == {"json", "pathlib", "torch"}
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E9,F", "-"],
        input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_half_and_double_precision(tmp_path: Path) -> None:
    for dtype in (torch.float16, torch.float64):
        network, inputs = built("numbers")
        network, inputs = network.to(dtype), [tensor.to(dtype) for tensor in inputs]
        again = loaded(written(network, inputs, tmp_path / str(dtype))).load()
        sample = noise(inputs)
        with torch.no_grad():
            assert torch.equal(network(*sample), again(*sample))


def test_normalization_becomes_the_first_layer(tmp_path: Path) -> None:
    network, _ = built("numbers")
    image = (TensorSpec("image", (1, 3, 64, 64), layout="NCHW"),)
    norm = Normalization((0.4, 0.5, 0.6), (0.2, 0.3, 0.4), 1 / 255)
    source.write(network, image, specs([torch.zeros(1, 1, 64, 64)], "out"), tmp_path, norm)
    again = loaded(tmp_path).load()
    pixels = torch.randint(0, 256, (1, 3, 64, 64)).float()
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (norm.mean, norm.std))
    with torch.no_grad():
        expected = network((pixels / 255 - mean) / std)
        assert torch.allclose(again(pixels)[0], expected, atol=1e-5)


def test_the_network_is_left_as_found(tmp_path: Path) -> None:
    network, inputs = built("shufflenet")
    network.train()
    next(network.children()).eval()
    modes = [module.training for module in network.modules()]
    network_keys = set(network.state_dict())
    source.write(network, specs(inputs, "in"), specs([torch.zeros(1, 10)], "out"), tmp_path)
    assert [module.training for module in network.modules()] == modes
    assert set(network.state_dict()) == network_keys


def test_what_cannot_be_exported_is_said_in_a_line(tmp_path: Path) -> None:
    class Branch(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + 1 if x.sum() > 0 else x

    with pytest.raises(ModelError, match=r"^no source can be made: torch\.export fails") as caught:
        source.write(Branch(), specs([torch.zeros(1, 2)], "in"), (), tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_no_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no generated source"):
        SourceRunner(tmp_path)
    (tmp_path / "model.py").write_text("x = 1\n")
    with pytest.raises(ArtifactError, match="does not say its inputs"):
        SourceRunner(tmp_path)
    network, inputs = built("numbers")
    folder = written(network, inputs, tmp_path / "model.source")
    (folder / "weights.safetensors").unlink()
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        SourceRunner(folder).run({"in0": inputs[0].numpy()})


def test_inputs_it_cannot_take_are_an_error_and_not_the_end(tmp_path: Path) -> None:
    network, inputs = built("numbers")
    runner = SourceRunner(written(network, inputs, tmp_path / "model.source"))
    with pytest.raises(DataError):
        runner.run({"in0": np.zeros((1, 2, 64, 64), np.float32)})
    assert runner.run({"in0": inputs[0].numpy()})["out0"].shape == (1, 1, 64, 64)


def test_a_size_that_comes_from_inside_another_block(tmp_path: Path) -> None:
    class Inner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 4, 3, stride=2)

        def forward(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
            y = self.layer(x)
            return nn.functional.adaptive_avg_pool2d(y, 1), (y.shape[2], y.shape[3])

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.head = Inner(), nn.Conv2d(4, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            pooled, size = self.inner(x)
            return nn.functional.interpolate(self.head(pooled), size, mode="nearest")

    network, inputs = Outer().eval(), [torch.zeros(1, 3, 32, 32)]
    again = loaded(written(network, inputs, tmp_path / "model.source")).load()
    for sample in (noise(inputs), noise(inputs, batch=2, grow=16)):
        with torch.no_grad():
            assert torch.equal(network(*sample), again(*sample))
