"""Costs against the theses' published figures, and against PyTorch's own counter."""

import time

import msgspec
import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mobilekit.core.artifact import Normalization
from mobilekit.core.reports import CostReport
from mobilekit.core.tensors import TensorSpec
from mobilekit.export.program import trace
from mobilekit.nets import build
from mobilekit.nets.catalog import (
    BlazefaceConfig,
    DfbusterConfig,
    MobileHourglassConfig,
    MobilenetV1Config,
    NetConfig,
    SegnetConfig,
    UnetConfig,
    VggConfig,
)
from mobilekit.profile.cost import cost_of_program, flops


def exported(module: nn.Module, *inputs: Tensor) -> torch.export.ExportedProgram:
    with torch.no_grad():
        return torch.export.export(module.eval(), inputs, strict=False)


def cost(module: nn.Module, *inputs: Tensor) -> CostReport:
    return cost_of_program(exported(module, *inputs))


# Hubens' and Berthelier's theses, and counts recomputed by hand in units of 1e6 (1e9 where so said).
PUBLISHED = [
    (VggConfig(classes=10), "params", 14_982_474),
    (VggConfig(classes=100), "params", 15_028_644),
    (MobilenetV1Config(), "params_with_buffers", 3_758_794),
    (DfbusterConfig(squeeze_excite=False, self_attention=False), "params", 1_453_026),
    (DfbusterConfig(squeeze_excite=False), "params", 1_457_123),
    (MobileHourglassConfig(features=16, expansion=3), "params", 86_634),
]


@pytest.mark.parametrize(("config", "field", "number"), PUBLISHED)
def test_published_parameter_counts(config: NetConfig, field: str, number: int) -> None:
    small = msgspec.structs.replace(config, size=32)
    program = trace(build(small).eval(), small.inputs, normalization=small.normalization)
    assert getattr(cost_of_program(program.exported), field) == number


@pytest.mark.parametrize(
    ("config", "gigamacs"),
    [
        (MobileHourglassConfig(features=16, expansion=3), "4.03"),
        (MobileHourglassConfig(), "7.01"),
        (DfbusterConfig(squeeze_excite=False), "0.87"),
        (UnetConfig(), "30.96"),
        (SegnetConfig(), "40.35"),
        (BlazefaceConfig(), "0.03"),
    ],
)
def test_published_macs(config: NetConfig, gigamacs: str) -> None:
    with torch.device("meta"):
        network = build(config).eval()
        images = [torch.zeros(spec.shape) for spec in config.inputs]
    program = torch.export.export(network, tuple(images), strict=False)
    assert f"{flops(program, 'mac') / 1e9:.2f}" == gigamacs


def test_conventions_of_the_theses() -> None:
    vgg = trace(build(VggConfig()).eval(), VggConfig().inputs).exported
    assert f"{flops(vgg, '2mac+bias+relu') / 1e6:.2f}" == "627.48"  # table 5.7
    mobilenet = trace(build(MobilenetV1Config()).eval(), MobilenetV1Config().inputs).exported
    assert f"{flops(mobilenet, '2mac') / 1e6:.2f}" == "24.23"  # table 5.8
    assert flops(mobilenet, "mac") * 2 == flops(mobilenet, "2mac")


def test_resnet18_has_the_published_macs() -> None:
    with torch.device("meta"):
        network = torchvision.models.resnet18(num_classes=102)
        image = torch.zeros(1, 3, 224, 224)
    assert flops(exported(network, image), "mac") == 1_813_613_568


class Products(nn.Module):
    """One of each operator that multiplies."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.grouped = nn.Conv2d(6, 6, (1, 3), groups=3, padding="same")
        self.up = nn.ConvTranspose2d(6, 4, 3, stride=2, groups=2)
        self.line = nn.Conv1d(4, 5, 3, dilation=2)
        self.volume = nn.Conv3d(1, 2, 3)
        self.linear = nn.Linear(5, 7)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        x = self.up(self.grouped(self.plain(image)))
        rows = self.line(x.flatten(2))
        tokens = self.linear(rows.transpose(1, 2))
        gram = tokens @ tokens.transpose(1, 2)
        flat = torch.addmm(torch.ones(7), tokens[0], tokens[0][:7].T @ tokens[0][:7])
        more = torch.baddbmm(tokens, gram, tokens)
        volume = self.volume(x[:, None])
        return flat, more, volume


def test_every_product_counts_as_pytorch_counts_it() -> None:
    network, image = Products().eval(), torch.randn(2, 4, 16, 12)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image)
    assert cost(network, image).macs * 2 == counter.get_total_flops()


@pytest.mark.parametrize("name", ["shufflenet_v2_x1_0", "mobilenet_v3_small", "swin_t"])
def test_models_count_as_pytorch_counts_them(name: str) -> None:
    network = torchvision.models.get_model(name, weights=None).eval()
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image)
    report = cost(network, image)
    assert report.macs * 2 == counter.get_total_flops()
    assert report.params == sum(p.numel() for p in network.parameters())
    assert sum(layer.params for layer in report.layers) == report.params
    assert sum(layer.macs for layer in report.layers) == report.macs


def test_rows_are_named_by_module_and_carry_what_it_owns() -> None:
    network = torchvision.models.mobilenet_v3_small(weights=None).eval()
    spec = TensorSpec("image", (1, 3, 32, 32), layout="NCHW")
    rows = cost_of_program(trace(network, (spec,)).exported).layers
    modules = dict(network.named_modules())
    assert rows[0].name == "features.0.0"
    assert rows[0].operator == "conv2d"
    assert rows[0].output_shape == (1, 16, 16, 16)
    assert rows[0].macs == 16 * 16 * 16 * 27
    for row in rows:
        assert row.params == sum(p.numel() for p in modules[row.name].parameters(recurse=False))


def test_a_program_traced_again_is_named_by_its_parameters() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    spec = TensorSpec("image", (1, 3, 8, 8), layout="NCHW")
    again = exported(network, torch.zeros(spec.shape)).module()
    report = cost_of_program(trace(again, (spec,)).exported)
    assert [row.name for row in report.layers] == ["0", "2"]
    assert [row.macs for row in report.layers] == [64 * 12, 64 * 8]


def test_a_wrapping_normalization_is_no_part_of_the_network() -> None:
    network = torchvision.models.mobilenet_v3_small(weights=None).eval()
    spec = TensorSpec("image", (1, 3, 32, 32), layout="NCHW")
    plain = cost_of_program(trace(network, (spec,)).exported)
    wrapped = cost_of_program(
        trace(network, (spec,), normalization=Normalization((0.5,), (0.5,), 1 / 255)).exported
    )
    assert plain == wrapped
    statistics = sum(b.numel() for b in network.buffers() if b.is_floating_point())
    assert plain.params_with_buffers == plain.params + statistics


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.first.bias.requires_grad_(False)
        nn.init.ones_(self.first.weight)
        nn.init.zeros_(self.first.bias)
        nn.init.ones_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(self.first(self.first(x)))
        return out


def test_shared_frozen_and_zero_parameters() -> None:
    report = cost(Shared(), torch.zeros(1, 4))
    assert report.params == 16 + 4 + 4  # one weight, two biases
    assert report.params_trainable == 16 + 4
    assert report.params_nonzero == 16 + 4
    assert report.macs == 3 * 16  # each call multiplies
    assert [layer.params for layer in report.layers] == [20, 0, 4]


class Uncounted(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        values, _ = torch.sort(x.relu() * 2 + 1, dim=-1)
        return torch.softmax(values.flatten(1), 1) + torch.softmax(x.flatten(1), 1)


def test_what_is_neither_counted_nor_free_is_listed() -> None:
    report = cost(Uncounted(), torch.zeros(1, 4, 4))
    assert report.not_counted == {"softmax": 2, "sort": 1}
    assert report.macs == 0
    assert report.layers == ()


def test_a_symbolic_batch_counts_by_its_example() -> None:
    batch = torch.export.Dim("batch")
    program = torch.export.export(
        nn.Sequential(nn.Linear(3, 5), nn.ReLU()),
        (torch.zeros(4, 3),),
        dynamic_shapes=({0: batch},),
    )
    assert cost_of_program(program).macs == 4 * 3 * 5


def test_counting_is_fast() -> None:
    network = torchvision.models.mobilenet_v2(weights=None)
    program = exported(network, torch.zeros(1, 3, 64, 64))
    start = time.process_time()
    cost_of_program(program)
    assert time.process_time() - start < 1.5
