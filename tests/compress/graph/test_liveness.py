"""Filters that nobody hears: zero without a difference, and gone without a trace."""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from mobilekit.compress.checking import residual, resolutions
from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.graph.liveness import silenced
from mobilekit.compress.pruning import prune
from tests.compress.graph.patterns import PATTERNS
from tests.compress.graph.random_nets import randomize

INPUTS = [torch.zeros(1, 3, 16, 16)]


class Net(nn.Module):
    """Point-wise, depthwise and full convolutions with norms; one residual sum; one gate."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm1 = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.wide, self.norm2 = nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16)
        self.depth = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False)
        self.norm3 = nn.BatchNorm2d(16)
        self.narrow, self.norm4 = nn.Conv2d(16, 8, 1, bias=False), nn.BatchNorm2d(8)
        self.gate = nn.Conv2d(8, 8, 1)
        self.head = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu_(self.norm1(self.stem(x)))
        y = nn.functional.hardswish(self.norm2(self.wide(x)))
        y = nn.functional.relu6(self.norm3(self.depth(y)))
        x = x + self.norm4(self.narrow(y))
        x = x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))
        return self.head(nn.functional.max_pool2d(x, 2))


def made() -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(4)  # noqa: TID251
        network = Net().eval()
    randomize(network)
    return network


def zeroed(network: nn.Module) -> dict[str, int]:
    """Count zero filters per layer."""
    return {
        name: int((~module.weight.ne(0).flatten(1).any(1)).sum())
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d)
    }


def changed(edit: Callable[[Net], None]) -> tuple[Net, nn.Module]:
    network = made()
    with torch.no_grad():
        edit(network)
    quiet = silenced(ChannelGraph(network, INPUTS), network)
    for sample in resolutions(network, INPUTS)[0]:
        with torch.no_grad():
            assert torch.equal(network(*sample), quiet(*sample))
    return network, quiet


def test_nothing_to_do_gives_the_network_itself() -> None:
    network, quiet = changed(lambda _: None)
    assert quiet is network


def test_the_depthwise_filter_and_the_one_before_it_go_together() -> None:
    def edit(network: Net) -> None:
        network.norm3.weight[:5] = 0

    network, quiet = changed(edit)
    assert zeroed(quiet) == {"stem": 0, "wide": 5, "depth": 5, "narrow": 0, "gate": 0, "head": 0}
    assert zeroed(network)["wide"] == 0
    pruned = prune(network, INPUTS)
    assert pruned.network.wide.out_channels <= 12
    assert residual(network, pruned.network, resolutions(network, INPUTS)[0]) <= 1e-5


def test_one_branch_of_a_sum_is_silent_alone() -> None:
    def edit(network: Net) -> None:
        network.norm4.weight[2] = 0

    _, quiet = changed(edit)
    assert zeroed(quiet) == {"stem": 0, "wide": 0, "depth": 0, "narrow": 1, "gate": 0, "head": 0}


def test_columns_of_zeros_silence_what_they_read() -> None:
    def edit(network: Net) -> None:
        network.narrow.weight[:, 3] = 0
        network.head.weight[:, 1] = 0

    _, quiet = changed(edit)
    found = zeroed(quiet)
    assert (found["wide"], found["depth"]) == (1, 1)
    assert found["stem"] == 0  # its channel 1 is read by the mean and by the wide layer


def test_an_output_read_before_the_norm_is_heard() -> None:
    class Before(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
            self.head = nn.Conv2d(8, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            return self.head(torch.cat([x, self.norm(x)], 1))

    network = Before().eval()
    with torch.no_grad():
        network.norm.weight.zero_()
    assert silenced(ChannelGraph(network, INPUTS), network) is network


def test_a_shared_convolution_is_left_alone() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 3, 3, padding=1)
            self.norm1, self.norm2 = nn.BatchNorm2d(3), nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm2(self.stem(self.norm1(self.stem(x))))

    network = Twice().eval()
    with torch.no_grad():
        network.norm1.weight[0] = 0
    assert silenced(ChannelGraph(network, INPUTS), network) is network


def test_in_training_statistics_nothing_is_touched_of_the_given_network() -> None:
    network = made().train()
    with torch.no_grad():
        network.norm3.weight[0] = 0
    before = copy.deepcopy(network.state_dict())
    silenced(ChannelGraph(network, INPUTS), network)
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_function_stays_on_every_pattern(name: str, seed: int) -> None:
    build, shape = PATTERNS[name]
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # noqa: TID251
        network = build().eval()
        randomize(network)
        with torch.no_grad():
            for module in network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
                    module.weight[torch.rand(len(module.weight)) < 0.4] = 0
                if isinstance(module, nn.modules.conv._ConvNd):
                    module.weight.movedim(1, 0)[torch.rand(module.weight.shape[1]) < 0.3] = 0
    inputs = [torch.zeros(shape)]
    quiet = silenced(ChannelGraph(network, inputs), network)
    samples = resolutions(network, inputs)[0]
    assert residual(network, quiet, samples) == 0


Middle = Callable[["Plain", Tensor], Any]


class Plain(nn.Module):
    """One convolution of 8 channels; of a norm after it, the head hears the channels 4 and 5."""

    def __init__(self, middle: Middle) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.head, self.wide = nn.Conv2d(8, 4, 1), nn.Conv2d(16, 4, 1)
        self.flat, self.mute = nn.Linear(8, 4), nn.Conv2d(8, 4, 1)
        self.middle = middle
        fill(self, 3)
        randomize(self)
        with torch.no_grad():
            self.mute.weight.zero_()
            self.norm.weight[:4] = 0
            self.head.weight[:, 6:] = 0
            self.wide.weight[:, 6:8] = 0
            self.flat.weight[:, 2:6] = 0

    def forward(self, x: Tensor) -> Any:
        return self.middle(self, self.stem(x))

    def end(self, y: Tensor) -> Tensor:
        return self.head(self.norm(y))


def fill(network: nn.Module, seed: int) -> None:
    """Give every parameter values of its own."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.3, generator=generator)


def readers(network: nn.Module) -> Iterator[tuple[nn.Parameter, int]]:
    """Return weights with the dimension along which they read channels."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
            turned_round = getattr(module, "transposed", False)
            yield module.weight, 0 if turned_round or module.weight.shape[1] == 1 else 1
        elif isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
            yield module.weight, 0


def same(network: nn.Module, inputs: list[Tensor], shapes: list[tuple[int, ...]]) -> nn.Module:
    """Silence, compare on noise bit by bit, and return the silenced network."""
    network.eval()
    quiet = silenced(ChannelGraph(network, inputs), network)
    generator = torch.Generator().manual_seed(1)
    for shape in shapes:
        sample = torch.randn(shape, generator=generator)
        with torch.no_grad():
            first, second = (pytree.tree_leaves(one(sample.clone())) for one in (network, quiet))
        for one, two in zip(first, second, strict=True):
            assert not one.is_floating_point() or torch.isfinite(one).all()
            assert torch.equal(one, two)
    return quiet


def turned(y: Tensor) -> Tensor:
    return torch.cat([y[:, 4:], y[:, :4]], 1)


def written_slice(net: Plain, y: Tensor) -> Tensor:
    y[:, 4:6] = y[:, :2]
    return net.end(y)


def written_slice_late(net: Plain, y: Tensor) -> Tensor:
    z = net.norm(y)
    part = z[:, 4:]
    part.add_(y[:, :4])
    return net.head(z) + net.mute(torch.cat([part, part], 1))


def written_whole_late(net: Plain, y: Tensor) -> Tensor:
    z = net.norm(y)
    whole = z.view(z.shape)
    whole.add_(turned(y))
    return net.head(z) + net.mute(whole)


def written_view(net: Plain, y: Tensor) -> Tensor:
    torch.relu_(y.view(len(y), -1)[:, : y[0].numel() // 2])
    y.unflatten(1, (2, 4))[:, 1].add_(y[:, :4])
    return net.end(y)


def written_chunk(net: Plain, y: Tensor) -> Tensor:
    z = net.norm(y)
    first, second = z.chunk(2, 1)
    second.mul_(y[:, :4])
    return net.head(z) + net.mute(torch.cat([first, second], 1))


def written_after_reading(net: Plain, y: Tensor) -> Tensor:
    early = net.end(y)
    y[:, 4:] = y[:, :4]
    return early + net.end(y)


def read_through_an_older_view(net: Plain, y: Tensor) -> Tensor:
    z = net.norm(y)
    view = z[:, 4:]
    z.add_(turned(y))
    return view + net.mute(z)


def read_through_an_unsafe_chunk(net: Plain, y: Tensor) -> Tensor:
    z = net.norm(y)
    view = z.unsafe_chunk(2, 1)[1]
    z.add_(turned(y))
    return view * 2 + net.mute(z)


def returned_through_an_older_view(net: Plain, y: Tensor) -> Any:
    z = net.norm(y)
    views = {"all": [z.detach()]}
    z.add_(turned(y))
    return net.mute(z), views


def written_input(net: Plain, y: Tensor) -> Tensor:
    z = torch.zeros(8) + net.norm.bias
    rows = z.expand_as(y.movedim(1, 3)).movedim(3, 1)
    early = net.head(rows)
    z.add_(y.mean((0, 2, 3)))
    return early + net.head(rows) + net.mute(z.view(1, 8, 1, 1))


def copied(net: Plain, y: Tensor) -> Tensor:
    z = torch.zeros_like(y)
    z.copy_(y.roll(4, 1))
    return net.end(z)


def put(net: Plain, y: Tensor) -> Tensor:
    z = y.clone()
    z.index_put_((torch.arange(len(y)), torch.full((len(y),), 4)), y[:, 0])
    return net.end(z)


def through_data(net: Plain, y: Tensor) -> Tensor:
    z = net.norm(y)
    data = z.data
    data.add_(turned(y))
    return net.head(z) + net.mute(data)


def strided(net: Plain, y: Tensor) -> Tensor:
    z = y.as_strided(y.shape, (y.stride(0), 0, *y.stride()[2:]))
    return net.end(z)


def unfolded(net: Plain, y: Tensor) -> Tensor:
    return net.end(y + y.unfold(1, 5, 1)[..., 0].repeat(1, 2, 1, 1))


def folded(net: Plain, y: Tensor) -> Tensor:
    columns = nn.functional.unfold(y, 3, padding=1)
    return net.end(nn.functional.fold(columns.flip(1), y.shape[2:], 3, padding=1))


def attended(net: Plain, y: Tensor) -> Tensor:
    flat = y.flatten(2)
    weight = (flat @ flat.transpose(1, 2)).softmax(-1)
    return net.end((weight @ flat).view_as(y))


def gathered(net: Plain, y: Tensor) -> Tensor:
    index = (y[:, :1] > 0).long().expand(-1, 8, -1, -1)
    return net.end(y.gather(1, index + 4))


def normalized_by_norm(net: Plain, y: Tensor) -> Tensor:
    return net.end(y / y.norm(dim=1, keepdim=True))


def divided(net: Plain, y: Tensor) -> Tensor:
    return net.end(1 / (y.abs() + y).clamp(min=1e-3) + y)


def logarithm_of_nothing(net: Plain, y: Tensor) -> Tensor:
    return net.end(torch.log((y - net.stem.bias.view(1, -1, 1, 1)).abs()))


def quotient_of_nothing(net: Plain, y: Tensor) -> Tensor:
    return net.end(y.roll(4, 1) / (y - net.stem.bias.view(1, -1, 1, 1)))


def standardized(net: Plain, y: Tensor) -> Tensor:
    weight = net.stem.weight / net.stem.weight.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    return net.end(nn.functional.conv2d(y[:, :3], weight, padding=1))


def grown(net: Plain, y: Tensor) -> Tensor:
    return net.end(y) + net.stem.weight.sum()


def with_its_weight(net: Plain, y: Tensor) -> Any:
    return net.end(y), net.stem.weight


def joined(net: Plain, y: Tensor) -> Tensor:
    return net.wide(torch.cat([net.norm(y), y], 1))


def nested(net: Plain, y: Tensor) -> Any:
    z = net.norm(y)
    return {"map": net.head(z), "inner": [(z, {"raw": y[:, 1]})]}


def shown(net: Plain, y: Tensor) -> Any:
    return net.end(y), y.amax(1), y.argmax(1)


def cut_by_a_number(_net: Plain, y: Tensor) -> Tensor:
    return y.reshape(8, -1)[4:].sum()


def beyond_the_example(net: Plain, y: Tensor) -> Tensor:
    return net.end(y).sum() + y[:, :, 8:].sum((2, 3)).sum()


def where_it_was(net: Plain, y: Tensor) -> Any:
    z, indices = nn.functional.max_pool2d(y, 2, return_indices=True)
    return net.end(z), indices


def in_a_deep_flatten(net: Plain, y: Tensor) -> Tensor:
    return net.flat(nn.functional.adaptive_avg_pool2d(torch.relu(y), 1).flatten(1))


def in_the_last_dimension(net: Plain, y: Tensor) -> Tensor:
    return net.flat(nn.functional.gelu(y.permute(0, 2, 3, 1)))


def with_other_ranks(net: Plain, y: Tensor) -> Tensor:
    y = y + net.norm.bias.view(8, 1, 1) * net.norm.running_var.mean()
    return net.end(y * y.sum((0, 2, 3), keepdim=True).sigmoid() + torch.ones(()))


LOUD: dict[str, Middle] = {
    one.__name__: one
    for one in (
        written_slice_late, written_chunk, written_after_reading, read_through_an_older_view,
        read_through_an_unsafe_chunk, through_data, strided, folded, attended, normalized_by_norm,
        divided, logarithm_of_nothing, quotient_of_nothing, with_its_weight, shown, written_whole_late, written_slice,
        returned_through_an_older_view, written_input, cut_by_a_number, beyond_the_example, where_it_was,
    )
} | {
    "argmax": lambda net, y: net.end(y) + y.argmax(1, keepdim=True),
    "softmax": lambda net, y: net.end(y.softmax(1)),
    "layer norm": lambda net, y: net.end(nn.functional.layer_norm(y, y.shape[1:])),
    "group norm": lambda net, y: net.end(nn.functional.group_norm(y, 2)),
    "cumsum": lambda net, y: net.end(y.cumsum(1)),
    "flip": lambda net, y: net.end(y + y.flip(1)),
    "roll": lambda net, y: net.end(y + y.roll(3, 1)),
    "comparison": lambda net, y: net.end(y) * (y > y.roll(4, 1)).any(1, keepdim=True),
    "where": lambda net, y: net.end(torch.where(y.flip(1) > 0, y, y.roll(4, 1))),
    "sort": lambda net, y: net.end(y.sort(1).values),
    "pad": lambda net, y: net.end(nn.functional.pad(y, (0, 0, 0, 0, 4, 0))[:, :8]),
    "exponential": lambda net, y: net.end(y.exp()),
    "sum into": lambda net, y: torch.add(net.end(y), y.sum(), out=torch.zeros(0)),
    "bytes": lambda net, y: net.end(y) + y.view(torch.int32)[:, :4] % 7,
    "sum": lambda net, y: net.end(y) + y.sum(),
}  # fmt: skip
"""Nothing of the stem may go."""

QUIET: dict[str, tuple[Middle, int]] = {
    "norm": (lambda net, y: net.end(y), 6),
    "activation": (lambda net, y: net.end(torch.relu_(y)), 6),
    "activations": (
        lambda net, y: net.end(nn.functional.silu(y, inplace=True).clamp_(-1, 1) / 3),
        6,
    ),
    "views": (
        lambda net, y: net.end(y.flatten(2).transpose(1, 2).transpose(1, 2).view(y.shape)),
        6,
    ),
    "moved": (lambda net, y: net.end(torch.cat([y[:, 4:], y[:, :4]], 1)), 6),
    "chunks": (lambda net, y: net.end(torch.cat(y.chunk(2, 1)[::-1], 1)), 6),
    "shuffled": (lambda net, y: net.end(y.unflatten(1, (2, 4)).transpose(1, 2).flatten(1, 2)), 6),
    "pieces": (lambda net, y: net.norm(torch.cat([y[:, :4], y[:, :4]], 1)), 4),
    "maps": (
        lambda net, y: net.end(
            nn.functional.interpolate(
                nn.functional.pad(nn.functional.max_pool2d(y, 2), (1, 2, 0, 0)), scale_factor=2
            )
        ),
        6,
    ),
    "written before views": (
        lambda net, y: net.end(y.add_(1)[:, :, 1:].unsqueeze(2).squeeze(2)),
        6,
    ),
    "written after its view": (lambda net, y: net.end(y.view(y.shape).relu_()), 6),
    "written clone": (lambda net, y: net.end(y.clone().mul_(2)), 6),
    "broadcast": (
        lambda net, y: net.end(y.expand(2, *y.shape).sum(0) + y.mean((2, 3), keepdim=True)),
        6,
    ),
    "joined": (joined, 0),
    "nested outputs": (nested, 3),
    "flat": (in_a_deep_flatten, 4),
    "last dimension": (in_the_last_dimension, 4),
    "ranks": (with_other_ranks, 6),
}
"""How many of the stem's filters go."""

ODD: list[Middle] = [
    written_view,
    copied,
    put,
    unfolded,
    gathered,
    standardized,
    grown,
]
"""What goes depends on how much a rule knows."""

SHAPES = [(1, 3, 8, 8), (2, 3, 9, 12)]


def muted(network: nn.Module) -> int:
    return int((~network.stem.weight.ne(0).flatten(1).any(1)).sum())


@pytest.mark.parametrize("name", LOUD)
def test_what_is_heard_on_a_side_way_stays(name: str) -> None:
    network = Plain(LOUD[name])
    assert same(network, [torch.zeros(SHAPES[0])], SHAPES) is network


@pytest.mark.parametrize("name", QUIET)
def test_what_is_heard_nowhere_goes(name: str) -> None:
    middle, count = QUIET[name]
    assert muted(same(Plain(middle), [torch.zeros(SHAPES[0])], SHAPES)) == count


@pytest.mark.parametrize("middle", ODD, ids=lambda one: one.__name__)
def test_the_function_stays_on_odd_ways(middle: Middle) -> None:
    assert muted(same(Plain(middle), [torch.zeros(SHAPES[0])], SHAPES)) <= 6


def shape_cases() -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    """Layers of other ranks and kinds, each with the shape of an input."""

    def line(*layers: nn.Module) -> nn.Module:
        return nn.Sequential(*layers)

    return {
        "unbatched 1d": (
            line(nn.Conv1d(3, 8, 3), nn.MaxPool1d(2), nn.ReLU(inplace=True), nn.Conv1d(8, 4, 1)),
            (3, 12),
        ),
        "3d": (
            line(nn.Conv3d(3, 8, 3), nn.BatchNorm3d(8), nn.AvgPool3d(2), nn.Conv3d(8, 4, 1)),
            (1, 3, 6, 6, 6),
        ),
        "grouped, transposed": (
            line(
                nn.Conv2d(4, 8, 1),
                nn.ConvTranspose2d(8, 16, 3, 2, groups=4),
                nn.BatchNorm2d(16),
                nn.Conv2d(16, 4, 1),
            ),
            (1, 4, 6, 6),
        ),
        "features": (
            line(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Linear(8, 4, bias=False)),
            (2, 6),
        ),
        "one vector": (line(nn.Linear(6, 8), nn.ReLU(inplace=True), nn.Linear(8, 4)), (6,)),
        "tokens": (
            line(nn.LayerNorm(6), nn.Linear(6, 8), nn.ReLU(inplace=True), nn.Linear(8, 6)),
            (1, 5, 6),
        ),
        "norm only": (nn.BatchNorm2d(3, affine=False), (1, 3, 4, 4)),
        "nothing": (nn.Identity(), (1, 3)),
        "weight norm": (
            line(
                nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 8, 1)),
                nn.BatchNorm2d(8),
                nn.Conv2d(8, 4, 1),
            ),
            (1, 3, 4, 4),
        ),
    }


@pytest.mark.parametrize("name", shape_cases())
def test_ranks_and_kinds(name: str) -> None:
    network, shape = shape_cases()[name]
    fill(network, 0)
    with torch.no_grad():
        for parameter, dimension in readers(network):
            parameter.movedim(dimension, 0)[::2] = 0
    quiet = same(network, [torch.zeros(shape)], [shape])
    silent = {"norm only", "nothing", "weight norm"}
    assert (quiet is network) == (name in silent)


class Box:
    """An output that hides what it holds."""

    __slots__ = ("content",)

    def __init__(self, content: Any) -> None:
        self.content = content


def test_a_hidden_output_is_heard() -> None:
    network = Plain(lambda net, y: (net.end(y), Box(Box(y * 2)))).eval()
    assert silenced(ChannelGraph(network, INPUTS), network) is network


class Odd(nn.Module):
    """Values without dimensions, without elements, complex ones, and weights that are buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.register_buffer("kernel", torch.ones(4, 8, 1, 1))
        self.scale = nn.Parameter(torch.ones(()))
        self.tied = self.stem

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        y = self.norm(self.stem(x)) * self.scale
        z = nn.functional.conv2d(y, self.kernel)
        z = torch.cat([torch.zeros(0), z[:, :0].flatten(), z.flatten()])
        turned = torch.complex(y, y).abs()
        return z.sum() + self.scale.sum(0), turned, y[:0], z.view(torch.int32), turned.max()


def test_odd_values_do_not_matter() -> None:
    network = Odd()
    fill(network, 0)
    with torch.no_grad():
        network.norm.weight[:3] = 0
    assert muted(same(network, INPUTS, [(1, 3, 16, 16), (2, 3, 9, 9)])) == 3


def test_a_written_buffer_is_no_proof() -> None:
    class Counting(Plain):
        def __init__(self) -> None:
            super().__init__(lambda net, y: net.end(y))

        def forward(self, x: Tensor) -> Any:
            self.norm.weight[:1].add_(1)
            return super().forward(x)

    network = Counting()
    assert silenced(ChannelGraph(network, INPUTS), network) is network


WIDTH = 8
Step = tuple[str, int, int, int]
"""What to do, with which two of the tensors made so far (counted from the end), from which channel on."""
STEPS: dict[str, Callable[[Tensor, Tensor, int], Any]] = {
    "relu": lambda x, _y, _c: torch.relu(x),
    "relu_": lambda x, _y, _c: torch.relu_(x),
    "add": lambda x, y, _c: x + y,
    "add_": lambda x, y, _c: x.add_(y.clone()),
    "gate": lambda x, y, _c: x * torch.sigmoid(y.mean((2, 3), keepdim=True)),
    "write": lambda x, y, c: x[:, c:].copy_(y[:, : WIDTH - c].clone()),
    "write view": lambda x, y, c: x.view(len(x), -1, *x.shape[2:])[:, :c].add_(y[:, :c].clone()),
    "fill": lambda x, _y, c: x[:, c].zero_(),
    "chunk": lambda x, _y, _c: torch.cat(x.chunk(2, 1)[::-1], 1),
    "chunk, write": lambda x, _y, _c: x.chunk(2, 1)[0].add_(x[:, 4:]),
    "cat": lambda x, y, c: torch.cat([x[:, c:], y[:, :c]], 1),
    "view": lambda x, _y, _c: x.detach(),
    "view of all": lambda x, _y, _c: x.view(x.shape),
    "write through a view": lambda x, y, _c: x.view(x.shape).add_(y.clone()),
    "clone": lambda x, _y, _c: x.clone(),
    "shuffle": lambda x, _y, _c: x.unflatten(1, (2, 4)).transpose(1, 2).flatten(1, 2),
    "pool": lambda x, _y, _c: nn.functional.max_pool2d(x, 3, 1, 1),
    "mean": lambda x, _y, _c: nn.functional.avg_pool2d(x, 3, 1, 1),
    "roll": lambda x, _y, c: x.roll(c, 1),
    "softmax": lambda x, _y, _c: x.softmax(1),
    "where": lambda x, y, _c: torch.where(x > y, x, y),
    "last": lambda x, _y, _c: x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2),
}  # fmt: skip
LAYERS: dict[str, Callable[[], nn.Module]] = {
    "conv": lambda: nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
    "groups": lambda: nn.Conv2d(WIDTH, WIDTH, 1, groups=2, bias=False),
    "depth": lambda: nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH),
    "transposed": lambda: nn.ConvTranspose2d(WIDTH, WIDTH, 3, padding=1),
    "norm": lambda: nn.BatchNorm2d(WIDTH),
}


class Random(nn.Module):
    """Steps on the tensors made so far; what has all channels is one of them from then on.

    With `hushed`, everything is read once more and multiplied by zero: nothing is left unread.
    """

    def __init__(
        self, steps: list[Step], seed: int, outputs: Sequence[int] = (), *, hushed: bool = False
    ) -> None:
        super().__init__()
        self.steps, self.outputs, self.hushed = steps, outputs, hushed
        self.layers = nn.ModuleList(LAYERS.get(kind, nn.Identity)() for kind, *_ in steps)
        self.head, self.mute = nn.Conv2d(WIDTH, 3, 1), nn.Conv2d(WIDTH, 3, 1)
        generator = torch.Generator().manual_seed(seed)
        fill(self, seed)
        randomize(self, seed)
        with torch.no_grad():
            self.mute.weight.zero_()
            for parameter, dimension in readers(self):
                mute = torch.rand(parameter.shape[dimension], generator=generator) < 0.4
                parameter.movedim(dimension, 0)[mute] = 0

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        known = [x]
        for (kind, one, two, channel), layer in zip(self.steps, self.layers, strict=True):
            first, second = known[-1 - one % len(known)], known[-1 - two % len(known)]
            made = layer(first) if kind in LAYERS else STEPS[kind](first, second, channel)
            if made.shape == x.shape:
                known.append(made)
        end = self.head(known[-1])
        if self.hushed:
            end = end + sum(self.mute(value) for value in known)
        return end, *(known[-1 - number % len(known)] for number in self.outputs)


places = st.integers(0, 3)
layer_steps = st.tuples(st.sampled_from([*LAYERS]), st.just(0), places, st.integers(1, 7))
other_steps = st.tuples(st.sampled_from([*STEPS]), places, places, st.integers(1, 7))


@given(
    steps=st.lists(layer_steps | other_steps, min_size=2, max_size=12),
    outputs=st.lists(st.integers(0, 9), max_size=1),
    seed=st.integers(0, 2**16),
    hushed=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_the_function_stays_on_random_networks(
    steps: list[Step], outputs: list[int], seed: int, hushed: bool
) -> None:
    shapes = [(1, WIDTH, 6, 6), (2, WIDTH, 5, 7)]
    network = Random(steps, seed, outputs, hushed=hushed)
    same(network, [torch.zeros(shapes[0])], shapes)


@given(
    steps=st.lists(other_steps.filter(lambda step: step[0] in SIMPLE), max_size=4),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=20, deadline=None)
def test_random_networks_of_simple_steps_lose_filters(steps: list[Step], seed: int) -> None:
    chain = [("conv", 0, 0, 1), *((kind, 0, 0, channel) for kind, _, _, channel in steps)]
    network = Random([*chain, ("norm", 0, 0, 1)], seed)
    with torch.no_grad():
        network.layers[-1].weight.zero_()
    quiet = same(network, [torch.zeros(1, WIDTH, 6, 6)], [(2, WIDTH, 6, 6)])
    assert not quiet.layers[0].weight.any()


SIMPLE = (
    "relu",
    "relu_",
    "add",
    "add_",
    "gate",
    "chunk",
    "cat",
    "view",
    "clone",
    "shuffle",
    "pool",
    "mean",
    "last",
)
