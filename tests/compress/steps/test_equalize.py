"""The oracles are the network as it was, and ranges, scales and grids worked out here in PyTorch's plain terms.

Tolerances: in float64 a weight is rounded twice, 1.1e-16 each; a few layers' sums stay below 1e-13 of the
largest output. Ranges settle to 1e-3 (`TOLERANCE`) for each pair and round; in a row of pairs what is left
adds up, to 1e-2 at most in the nets here. A wrong scale changes the first digit.
"""

import copy
import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import mnasnet0_5

from mobilekit.compress.base import Context
from mobilekit.compress.steps.equalize import Equalize, Equalized, equalize
from mobilekit.compress.steps.fold import fold
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError

DOUBLE = 1e-13
SINGLE = 1e-5
SETTLED = 1e-2


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def spread(network: nn.Module, seed: int = 0, decades: float = 2) -> nn.Module:
    """Draw weights in float64, and give filters sizes of several decades."""
    generator = torch.Generator().manual_seed(seed)
    network.double().eval()
    for module in network.modules():
        weight = getattr(module, "weight", None)
        if isinstance(weight, Tensor) and weight.ndim > 1:
            wide = (-1, *[1] * (weight.ndim - 1))
            size = torch.rand(len(weight), generator=generator, dtype=weight.dtype) * decades
            weight.data.normal_(generator=generator).mul_(10 ** -size.view(wide))
            if module.bias is not None:
                module.bias.data.normal_(0, 0.1, generator=generator)
    return network


def error(before: nn.Module, after: nn.Module, sample: Tensor) -> float:
    with torch.no_grad():
        one, two = before(sample), after(sample)
    return float((one - two).abs().max() / one.abs().max())


def made(layer: nn.Module) -> Tensor:
    """Ranges of what a layer makes, groups counted one after the other."""
    weight = layer.weight.detach().abs()
    if isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        parts = weight.chunk(layer.groups, 0)
        return torch.cat([part.transpose(0, 1).flatten(1).amax(1) for part in parts])
    return weight.flatten(1).amax(1)


def read(layer: nn.Module) -> Tensor:
    """Ranges of what a layer reads, groups counted one after the other."""
    weight = layer.weight.detach().abs()
    if isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        return weight.flatten(1).amax(1)
    parts = weight.chunk(getattr(layer, "groups", 1), 0)
    return torch.cat([part.transpose(0, 1).flatten(1).amax(1) for part in parts])


class Net(nn.Module):
    """A module whose forward is a function of it and its input."""

    def __init__(self, forward, **children):
        super().__init__()
        self.do = forward
        for name, child in children.items():
            setattr(self, name, child)

    def forward(self, *inputs):
        return self.do(self, *inputs)


def equalized(network: nn.Module, sample: Tensor, pairs: int) -> Equalized:
    """Equalize in float64; the function stays, and the ranges of every pair are the same on both sides."""
    spread(network)
    result = equalize(network, [sample])
    assert len(result.pairs) == pairs
    assert error(network, result.network, sample) <= DOUBLE
    return result


def assert_equal_ranges(result: Equalized, repeat: int = 1) -> None:
    layers = dict(result.network.named_modules())
    for first, second in result.pairs:
        seen = read(layers[second]).reshape(-1, repeat).amax(1)
        torch.testing.assert_close(made(layers[first]), seen, rtol=SETTLED, atol=0)


IMAGE = noise(2, 4, 9, 8)


@pytest.mark.parametrize(
    ("network", "shape", "pairs"),
    [
        ([nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Conv2d(6, 5, 3)], (2, 4, 9, 8), 1),
        ([nn.Conv2d(4, 6, 3, bias=False), nn.ReLU(True), nn.Conv2d(6, 5, 1)], (2, 4, 9, 8), 1),
        ([nn.Conv2d(4, 6, 3), nn.Conv2d(6, 5, 3, padding=1)], (2, 4, 9, 8), 1),
        (
            [
                nn.Conv2d(4, 6, 3),
                nn.LeakyReLU(),
                nn.Conv2d(6, 6, 3, groups=6),
                nn.PReLU(6),
                nn.Conv2d(6, 5, 1),
            ],
            (2, 4, 9, 8),
            2,
        ),
        ([nn.Conv2d(4, 8, 1, groups=2), nn.ReLU(), nn.Conv2d(8, 6, 3, groups=2)], (2, 4, 9, 8), 1),
        (
            [nn.Conv2d(4, 6, 1), nn.ReLU(), nn.Conv2d(6, 5, 3, padding=1, padding_mode="circular")],
            (2, 4, 9, 8),
            1,
        ),
        (
            [nn.Conv2d(4, 6, 1), nn.ReLU(), nn.Conv2d(6, 5, 3, padding=1, padding_mode="reflect")],
            (2, 4, 9, 8),
            1,
        ),
        (
            [
                nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2),
                nn.ReLU(),
                nn.ConvTranspose2d(6, 4, 2, groups=2),
                nn.ReLU(),
                nn.ConvTranspose2d(4, 4, 2, groups=4),
                nn.Conv2d(4, 3, 3),
            ],
            (2, 4, 9, 8),
            3,
        ),
        ([nn.Conv1d(4, 6, 3), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(6, 5, 3)], (2, 4, 12), 1),
        ([nn.Conv3d(4, 6, 2), nn.ReLU(), nn.AvgPool3d(2), nn.Conv3d(6, 5, 1)], (1, 4, 3, 5, 4), 1),
        ([nn.Linear(4, 6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 5)], (3, 4), 1),
        ([nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5, bias=False)], (2, 7, 4), 1),
        (
            [
                nn.Conv2d(4, 6, 3),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Upsample(scale_factor=2, mode="bilinear"),
                nn.Upsample(scale_factor=2),
                nn.ZeroPad2d(1),
                nn.Conv2d(6, 5, 1),
            ],
            (2, 4, 9, 8),
            1,
        ),
        (
            [nn.Conv2d(4, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)],
            (2, 4, 9, 8),
            1,
        ),
    ],
)
def test_the_function_stays_and_the_ranges_become_equal(network, shape, pairs):
    result = equalized(nn.Sequential(*network), noise(*shape), pairs)
    assert_equal_ranges(result)


def test_a_flattened_map_is_read_in_runs_of_one_channel():
    network = nn.Sequential(
        nn.Conv2d(4, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 5)
    )
    assert_equal_ranges(equalized(network, IMAGE, 1), repeat=4)


def test_a_mean_over_pixels_keeps_the_channels():
    network = Net(
        lambda self, x: self.b(F.relu(self.a(x)).mean((2, 3))),
        a=nn.Conv2d(4, 6, 3),
        b=nn.Linear(6, 5),
    )
    assert_equal_ranges(equalized(network, IMAGE, 1))


@settings(max_examples=15, deadline=None)
@given(
    widths=st.lists(st.integers(1, 7), min_size=3, max_size=6),
    seed=st.integers(0, 2**16),
    decades=st.floats(0.5, 6),
)
def test_rows_of_layers_of_any_width(widths, seed, decades):
    parts: list[nn.Module] = []
    for one, two in itertools.pairwise(widths):
        parts += [nn.Conv2d(one, two, 1), nn.ReLU()]
    network = spread(nn.Sequential(*parts, nn.Conv2d(widths[-1], 2, 1)), seed, decades)
    sample = noise(2, widths[0], 3, 3)
    result = equalize(network, [sample])
    assert len(result.pairs) == len(widths) - 1
    with torch.no_grad():
        one, two = network(sample), result.network(sample)
    sizes = network[-1].weight.abs().sum() * network[:-1](sample).abs().max()
    assert (one - two).abs().max() <= DOUBLE * (sizes + one.abs().max())


def test_one_pair_gets_the_scales_of_the_paper():
    network = spread(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5)))
    first, _, second = network
    one, two = made(first), read(second)
    scales = (one * two).sqrt() / two  # Nagel et al. 2019, equation 11
    got = equalize(network, [noise(3, 4)])
    assert got.rounds == 1
    close = {"rtol": 1e-14, "atol": 0.0}
    torch.testing.assert_close(got.network[0].weight, first.weight / scales[:, None], **close)
    torch.testing.assert_close(got.network[0].bias, first.bias / scales, **close)
    torch.testing.assert_close(got.network[2].weight, second.weight * scales, **close)
    assert torch.equal(got.network[2].bias, second.bias)


def test_a_depthwise_layer_between_two_others_gets_the_cube_root():
    network = spread(
        nn.Sequential(
            nn.Conv2d(4, 6, 1),
            nn.ReLU(),
            nn.Conv2d(6, 6, 3, groups=6),
            nn.ReLU(),
            nn.Conv2d(6, 5, 1),
        )
    )
    expected = (made(network[0]) * made(network[2]) * read(network[4])) ** (1 / 3)
    got = equalize(network, [IMAGE]).network
    for ranges in (made(got[0]), made(got[2]), read(got[4])):
        torch.testing.assert_close(ranges, expected, rtol=SETTLED, atol=0)


def rounded(network: nn.Module) -> nn.Module:
    """A copy with integers of 8 bits for weights, one scale per layer."""
    copied = copy.deepcopy(network)
    for module in copied.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            step = module.weight.data.abs().max() / 127
            module.weight.data = (module.weight.data / step).round() * step
    return copied


def sqnr_db(before: nn.Module, after: nn.Module, sample: Tensor) -> float:
    with torch.no_grad():
        one, two = before(sample), after(sample)
    return 10 * math.log10(float(one.square().sum() / (one - two).square().sum()))


def test_integers_with_one_scale_per_layer_lose_less():
    """A depthwise block whose channels differ by three decades, made up for where they are read."""
    network = spread(
        nn.Sequential(
            nn.Conv2d(4, 16, 1),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, groups=16),
            nn.ReLU(),
            nn.Conv2d(16, 8, 1),
        ),
        decades=0,
    )
    sizes = 10 ** -torch.linspace(0, 3, 16, dtype=torch.float64)
    network[0].weight.data.mul_(sizes.view(-1, 1, 1, 1))
    network[0].bias.data.mul_(sizes)
    network[2].bias.data.mul_(sizes)
    network[4].weight.data.div_(sizes.view(1, -1, 1, 1))
    got = equalize(network, [IMAGE])
    before = sqnr_db(network, rounded(network), IMAGE)
    after = sqnr_db(network, rounded(got.network), IMAGE)
    # equal channels leave the 8-bit weights of 3 layers 30 dB and more; these lost all but a few bits
    assert before < 15
    assert after > 30
    assert got.after > got.before


def conv(one: int = 4, two: int = 4, size: int = 1) -> nn.Conv2d:
    return nn.Conv2d(one, two, size)


def kept(network: nn.Module, *inputs: Tensor) -> str:
    """Why nothing at all can be equalized."""
    with pytest.raises(NoEffectError) as caught:
        equalize(spread(network), inputs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("forward", "words"),
    [
        (lambda self, x: self.b(y := self.a(x)) + y, "a: its output is used more than once"),
        (lambda self, x: self.b(self.a(x) + x), "a: add follows it"),
        (lambda self, x: (self.b(y := self.a(x)), y), "a: it makes an output of the network"),
        (lambda self, x: self.b(torch.cat([self.a(x)[:, :2], x[:, :2]], 1)), "a: slice follows it"),
        (lambda self, x: self.b(F.relu6(self.a(x))), "a: hardtanh follows it"),
        (lambda self, x: self.b(torch.sigmoid(self.a(x))), "a: sigmoid follows it"),
        (
            lambda self, x: self.b(F.pad(self.a(x), [1, 1], value=1.0)),
            "a: constant_pad_nd follows it",
        ),
        (
            lambda self, x: self.b(self.a(x).transpose(1, 2)),
            "a: its channels are no whole inputs of b",
        ),
        (
            lambda self, x: self.b(self.a(x).mean(1, True).expand(-1, 4, -1, -1)),
            "a: mean follows it",
        ),
        (lambda self, x: self.b(self.b(self.a(x))), "a: b runs more than once"),
        (lambda self, x: self.b(self.a(self.a(x))), "a: a runs more than once"),
        (lambda self, x: self.b(self.a(x)) + self.a.weight.sum(), "a: a weight of a is also used"),
        (lambda self, x: self.b(self.a(x)) * self.b.bias.sum(), "a: a weight of b is also used"),
        (lambda self, x: F.conv2d(x, F.relu(self.a(x))), "a: the network: its weight is computed"),
    ],
)
def test_what_others_see_is_left(forward, words):
    assert words in kept(Net(forward, a=conv(), b=conv()), noise(4, 4, 4, 4))


def test_nothing_is_touched_where_the_graph_forks():
    """`a` goes to two layers; `b` to `c` alone."""
    network = spread(
        Net(
            lambda self, x: (self.c(F.relu(self.b(y := self.a(x)))), self.d(y)),
            **{name: conv() for name in "abcd"},
        )
    )
    got = equalize(network, [IMAGE])
    assert got.pairs == (("b", "c"),)
    assert {one.path: one.reason for one in got.left}["a"] == "its output is used more than once"
    for name in "ad":
        for old, new in zip(
            getattr(network, name).parameters(),
            getattr(got.network, name).parameters(),
            strict=True,
        ):
            assert torch.equal(old, new)
    with torch.no_grad():
        for old, new in zip(network(IMAGE), got.network(IMAGE), strict=True):
            torch.testing.assert_close(new, old, rtol=0, atol=DOUBLE * float(old.abs().max()))


def test_tied_and_computed_weights_are_left():
    tied = nn.Sequential(conv(), conv())
    tied[1].weight = tied[0].weight
    assert "its weight is shared with another module" in kept(tied, IMAGE)
    normed = nn.Sequential(nn.utils.parametrizations.weight_norm(conv()), conv())
    assert "its weight is computed at every run" in kept(normed, IMAGE)


def test_a_batch_norm_in_between_asks_for_a_fold():
    network = nn.Sequential(conv(), nn.BatchNorm2d(4), nn.ReLU(), conv())
    words = kept(network, IMAGE)
    assert "0: batch norm 1 follows it" in words
    assert "put the step `fold` before this one" in words
    assert len(equalize(fold(network, [IMAGE]).network, [IMAGE]).pairs) == 1


def test_a_network_without_layers_says_so():
    assert "no convolution or linear layer" in kept(nn.Sequential(nn.ReLU()), IMAGE)


def test_channels_that_are_zero_or_nearly_stay():
    network = spread(nn.Sequential(conv(), nn.ReLU(), conv()))
    network[0].weight.data[1] = 0
    network[0].weight.data[2] *= 1e-30
    network[2].weight.data[:, 3] = 0
    got = equalize(network, [IMAGE]).network
    for channel in (1, 2, 3):
        assert torch.equal(got[0].weight[channel], network[0].weight[channel])
        assert torch.equal(got[2].weight[:, channel], network[2].weight[:, channel])
    assert not torch.equal(got[0].weight[0], network[0].weight[0])
    assert torch.equal(got[0].bias[1:], network[0].bias[1:])


def test_the_given_network_is_left_and_types_layouts_and_modes_are_kept():
    network = nn.Sequential(conv(4, 6, 3), nn.ReLU(), conv(6, 5, 3)).train()
    spread(network).float().train().to(memory_format=torch.channels_last)
    network[0].weight.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = torch.random.get_rng_state()
    got = equalize(network, [IMAGE.float()]).network
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert got.training
    assert got[0].weight.dtype == torch.float32
    assert not got[0].weight.requires_grad
    assert got[2].weight.is_contiguous(memory_format=torch.channels_last)


def test_a_second_time_there_is_nothing_to_do():
    network = nn.Sequential(conv(), nn.ReLU(), conv(), nn.ReLU(), conv())
    once = equalized(network, IMAGE, 2)
    with pytest.raises(NoEffectError, match="ranges of all 2 pairs of layers are equal already"):
        equalize(once.network, [IMAGE])


def test_skipped_layers_stay():
    network = spread(nn.Sequential(conv(), nn.ReLU(), conv(), nn.ReLU(), conv()))
    got = equalize(network, [IMAGE], skip=["0"])
    assert got.pairs == (("2", "4"),)
    assert torch.equal(got.network[0].weight, network[0].weight)
    assert "0 is named in `skip`" in [one.reason for one in got.left]
    with pytest.raises(
        RecipeError, match=r"equalize\.skip: 'frist' is no layer .* Did you mean first\?"
    ):
        equalize(
            Net(lambda self, x: self.second(self.first(x)), first=conv(), second=conv()),
            [IMAGE.float()],
            ["frist"],
        )


def test_numbers_that_are_none_are_named():
    network = spread(nn.Sequential(conv(), nn.ReLU(), conv()))
    network[2].weight.data[0, 0] = math.nan
    with pytest.raises(ModelError, match=r"equalize: 2\.weight holds NaN or infinity"):
        equalize(network, [IMAGE])


def test_a_bias_that_float16_cannot_hold_is_an_error():
    network = spread(nn.Sequential(conv(), nn.ReLU(), conv()), decades=0)
    network[0].weight.data[0] *= 1e-5
    network[0].bias.data[0] = 1e4
    with pytest.raises(ModelError, match=r"0\.bias is too large for its type"):
        equalize(network.half(), [IMAGE.half()])


def test_the_step_reports_what_it_did():
    """A folded network of depthwise blocks, in float32."""
    network = mnasnet0_5(weights=None).eval()
    sample = noise(1, 3, 64, 64).float()
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.1, 2, generator=generator)
    folded = fold(network, [sample]).network
    result, report = Equalize().apply(folded, Context(inputs=[sample]))
    assert report.kind == "equalize"
    assert report.params_before == report.params_after
    assert report.residual is not None
    assert report.residual <= SINGLE
    assert error(folded, result, sample) <= SINGLE
    assert report.notes[0].startswith("equalized 37 pairs of layers in ")
    assert any(
        "keeps its ranges: its output is used more than once" in note for note in report.notes
    )


def test_a_function_that_differs_where_it_was_not_followed_is_noticed():
    """At another width than that of the example, the network has an activation that minds sizes."""
    network = spread(
        Net(
            lambda self, x: self.b(
                F.relu(self.a(x)) if x.shape[3] == IMAGE.shape[3] else torch.sigmoid(self.a(x))
            ),
            a=conv(),
            b=conv(),
        )
    )
    with pytest.raises(ModelError, match="equalize: the outputs changed by"):
        Equalize().apply(network, Context(inputs=[IMAGE]))
