"""The oracle is the eager forward of the network as it was.

Tolerances: in float64 a fold changes each weight by one rounding, 1.1e-16; a few hundred layers' sums of
it stay far below 1e-9 of the largest output. In float32 the rounding is 6e-8; it grows with the root of
the number of layers (at most 200 here, 15-fold) times the gain of the random statistics (seen below 4):
4e-6. A wrong fold changes the first digit.
"""

import copy
import threading
import warnings

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from mobilekit.compress.base import Context
from mobilekit.compress.folding.proof import difference
from mobilekit.compress.graph.record import record
from mobilekit.compress.steps.fold import Fold, Folded, fold
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError

DOUBLE = 1e-9
SINGLE = 4e-6


def lively(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give norms statistics that a wrong fold cannot hide behind."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            if module.running_mean is not None:
                module.running_mean.normal_(0, 0.3, generator=generator)
                module.running_var.uniform_(0.5, 2, generator=generator)
            if module.weight is not None:
                module.weight.data.uniform_(0.5, 1.5, generator=generator)
                module.bias.data.normal_(0, 0.3, generator=generator)
    return network


def outputs(network: nn.Module, *inputs: Tensor) -> list[Tensor]:
    copied = copy.deepcopy(network).eval()
    with torch.no_grad():
        result = copied(*inputs)
    if isinstance(result, dict):
        return list(result.values())
    return list(result) if isinstance(result, tuple) else [result]


def error(before: nn.Module, after: nn.Module, *inputs: Tensor) -> float:
    pairs = zip(outputs(before, *inputs), outputs(after, *inputs), strict=True)
    return max(float((one - two).abs().max() / one.abs().max()) for one, two in pairs)


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, _BatchNorm) for module in network.modules())


def folded_exactly(network: nn.Module, *inputs: Tensor, stay: int = 0) -> Folded:
    """Fold in float64; the function stays, and `stay` norms."""
    network = lively(network.double())
    result = fold(network, inputs)
    assert error(network, result.network, *inputs) <= DOUBLE
    assert norms(result.network) == stay
    return result


def reasons(network: nn.Module, *inputs: Tensor) -> str:
    """Why nothing at all can be folded."""
    with pytest.raises(NoEffectError) as caught:
        fold(lively(network.double()), inputs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class Net(nn.Module):
    """A module whose forward is a function of it and its input."""

    def __init__(self, forward, **children):
        super().__init__()
        self.do = forward
        for name, child in children.items():
            setattr(self, name, child)

    def forward(self, *inputs):
        return self.do(self, *inputs)


IMAGE = noise(2, 4, 7, 6)


# A norm after a layer


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("layer", "norm", "shape"),
    [
        (lambda b: nn.Conv1d(4, 6, 3, bias=b), nn.BatchNorm1d(6), (2, 4, 9)),
        (lambda b: nn.Conv2d(4, 6, 3, padding=1, bias=b), nn.BatchNorm2d(6), (2, 4, 7, 6)),
        (lambda b: nn.Conv3d(4, 6, 2, padding=1, bias=b), nn.BatchNorm3d(6), (1, 4, 3, 5, 4)),
        (lambda b: nn.Conv2d(4, 8, 3, groups=2, bias=b), nn.BatchNorm2d(8), (2, 4, 7, 6)),
        (lambda b: nn.Conv2d(4, 8, 3, groups=4, bias=b), nn.BatchNorm2d(8), (2, 4, 7, 6)),
        (lambda b: nn.Conv2d(4, 6, 4, padding="same", bias=b), nn.BatchNorm2d(6), (2, 4, 7, 6)),
        (
            lambda b: nn.Conv2d(4, 6, 3, padding=2, padding_mode="circular", bias=b),
            nn.BatchNorm2d(6),
            (2, 4, 7, 6),
        ),
        (lambda b: nn.ConvTranspose1d(4, 6, 3, stride=2, bias=b), nn.BatchNorm1d(6), (2, 4, 5)),
        (
            lambda b: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, bias=b),
            nn.BatchNorm2d(6),
            (2, 4, 7, 6),
        ),
        (lambda b: nn.ConvTranspose3d(4, 6, 2, bias=b), nn.BatchNorm3d(6), (1, 4, 3, 5, 4)),
        (lambda b: nn.ConvTranspose2d(4, 6, 3, groups=2, bias=b), nn.BatchNorm2d(6), (2, 4, 7, 6)),
        (lambda b: nn.ConvTranspose2d(4, 4, 3, groups=4, bias=b), nn.BatchNorm2d(4), (2, 4, 7, 6)),
        (lambda b: nn.ConvTranspose2d(4, 8, 3, groups=4, bias=b), nn.BatchNorm2d(8), (2, 4, 7, 6)),
        (lambda b: nn.Linear(4, 6, bias=b), nn.BatchNorm1d(6), (3, 4)),
        (lambda b: nn.Conv2d(4, 6, 3, bias=b), nn.BatchNorm2d(6, affine=False), (2, 4, 7, 6)),
        (lambda b: nn.Conv2d(4, 6, 3, bias=b), nn.BatchNorm2d(6, eps=0.1), (2, 4, 7, 6)),
        (lambda b: nn.Conv2d(4, 6, 3, bias=b), nn.SyncBatchNorm(6), (2, 4, 7, 6)),
    ],
)
def test_a_norm_after_a_layer_goes_into_it(layer, norm, shape, bias):
    network = nn.Sequential(layer(bias), copy.deepcopy(norm), nn.ReLU(inplace=True))
    result = folded_exactly(network, noise(*shape))
    assert isinstance(result.network[1], nn.Identity)
    assert result.network[0].bias is not None
    assert result.folded == ("1",)
    assert result.left == ()


@pytest.mark.parametrize("between", [nn.Dropout(), nn.Identity(), nn.Dropout2d(inplace=True)])
def test_what_does_nothing_in_evaluation_may_stand_between(between):
    folded_exactly(nn.Sequential(nn.Conv2d(4, 5, 3), between, nn.BatchNorm2d(5)), IMAGE)


def test_channels_are_followed_through_moves():
    network = Net(
        lambda s, x: s.second(s.norm(s.first(x).transpose(1, 2)).permute(0, 2, 1)),
        first=nn.Linear(4, 5, bias=False),
        norm=nn.BatchNorm1d(5),
        second=nn.Linear(5, 2),
    )
    folded_exactly(network, noise(2, 7, 4))
    squeezed = Net(
        lambda s, x: s.norm(s.conv(x).squeeze(-1)),
        conv=nn.Conv2d(4, 5, (3, 6)),
        norm=nn.BatchNorm1d(5),
    )
    folded_exactly(squeezed, IMAGE)


@pytest.mark.parametrize("bias", [False, True])
def test_a_linear_layer_on_strided_input_is_followed_to_its_added_bias(bias):
    network = Net(
        lambda s, x: s.norm(s.linear(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)),
        linear=nn.Linear(4, 5, bias=bias),
        norm=nn.BatchNorm2d(5),
    )
    folded_exactly(network, IMAGE)


def test_the_order_of_registration_does_not_matter():
    network = Net(
        lambda s, x: s.b(s.second(F.relu(s.a(s.first(x))))),
        b=nn.BatchNorm2d(5),
        first=nn.Conv2d(4, 5, 3),
        second=nn.Conv2d(5, 5, 3),
        a=nn.BatchNorm2d(5),
    )
    assert sorted(folded_exactly(network, IMAGE).folded) == ["a", "b"]


def test_norms_in_a_row_all_go():
    network = nn.Sequential(nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5), nn.BatchNorm2d(5))
    assert folded_exactly(network, IMAGE).folded == ("1", "2")


def test_norms_before_and_after_a_layer_both_go():
    network = nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5))
    assert sorted(folded_exactly(network, IMAGE).folded) == ["0", "2"]


def test_a_shared_norm_goes_into_every_layer_before_it():
    network = Net(
        lambda s, x: s.norm(s.first(x)) * F.silu(s.norm(s.second(x))),
        first=nn.Conv2d(4, 5, 3),
        second=nn.Conv2d(4, 5, 3, bias=False),
        norm=nn.BatchNorm2d(5),
    )
    folded_exactly(network, IMAGE)


def test_a_shared_layer_with_the_same_norm_each_time_takes_it_once():
    network = Net(
        lambda s, x: s.norm(s.conv(F.relu(s.norm(s.conv(x))))),
        conv=nn.Conv2d(4, 4, 3, bias=False),
        norm=nn.BatchNorm2d(4),
    )
    folded_exactly(network, IMAGE)
    network.twin = network.conv  # under a second name
    folded_exactly(network, IMAGE)


def test_a_norm_registered_twice_is_replaced_everywhere():
    network = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3))
    network.append(network[1])
    result = folded_exactly(network, IMAGE)
    assert isinstance(result.network[4], nn.Identity)


def test_a_norm_that_holds_its_activation_leaves_it_behind():
    class Activated(nn.BatchNorm2d):
        def __init__(self, channels):
            super().__init__(channels)
            self.act = nn.SiLU()

        def forward(self, x):
            return self.act(super().forward(x))

    result = folded_exactly(nn.Sequential(nn.Conv2d(4, 5, 3), Activated(5)), IMAGE)
    assert isinstance(result.network[1].act, nn.SiLU)


def test_a_norm_that_uses_its_children_otherwise_stays_and_others_go():
    class Odd(nn.BatchNorm2d):
        def __init__(self, channels):
            super().__init__(channels)
            self.one, self.two = nn.SiLU(), nn.Sigmoid()

        def forward(self, x):
            return self.one(self.two(super().forward(x)))

    network = nn.Sequential(nn.Conv2d(4, 5, 3), Odd(5), nn.Conv2d(5, 5, 3), nn.BatchNorm2d(5))
    result = folded_exactly(network, IMAGE, stay=1)
    assert result.left[0].reason == "its forward does more than to normalize"
    assert result.network[0].bias.equal(network[0].bias)


# A norm before a layer


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3),
        nn.Conv2d(4, 6, 1, bias=False),
        nn.Conv2d(4, 6, 3, stride=2, dilation=2, groups=2),
        nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(4, 6, 3, padding=1, padding_mode="replicate"),
        nn.Conv2d(4, 6, 3, padding=2, padding_mode="circular", bias=False),
        nn.ConvTranspose2d(4, 6, 1, groups=2),
    ],
)
def test_a_norm_before_a_layer_without_zero_padding_goes_into_it(layer):
    result = folded_exactly(nn.Sequential(nn.BatchNorm2d(4), copy.deepcopy(layer)), IMAGE)
    assert error(result.network, result.network, IMAGE) == 0


def test_a_norm_before_padding_layers_that_repeat_goes_too():
    folded_exactly(
        nn.Sequential(nn.BatchNorm2d(4), nn.ReflectionPad2d(2), nn.Conv2d(4, 3, 3)), IMAGE
    )


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.Conv2d(4, 6, 3, padding=1), "zero padding of 1 would let its shift through"),
        (nn.Conv2d(4, 6, 4, padding="same"), "constant_pad_nd stands between"),
        (nn.ConvTranspose2d(4, 6, 2), "transposed kernel of 1 would let its shift through"),
        (nn.ConvTranspose2d(4, 6, 1, stride=2), "transposed kernel of 1"),
    ],
)
def test_a_norm_before_uneven_layers_stays(layer, words):
    assert words in reasons(nn.Sequential(nn.BatchNorm2d(4), copy.deepcopy(layer)), IMAGE)


def test_without_a_shift_padding_does_not_matter():
    network = nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3, padding=1)).double()
    network[0].running_var.uniform_(0.5, 2, generator=torch.Generator().manual_seed(0))
    result = fold(network, [IMAGE])
    assert error(network, result.network, IMAGE) <= DOUBLE


def test_a_norm_before_linear_goes_into_it_also_through_flatten():
    folded_exactly(nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 5)), noise(3, 4))
    folded_exactly(nn.Sequential(nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 42, 5)), IMAGE)


def test_a_norm_before_several_layers_goes_into_each():
    network = Net(
        lambda s, x: s.both(s.norm(x)),
        norm=nn.BatchNorm2d(4),
        both=Net(
            lambda s, y: s.one(y) + s.two(y)[:, :, 1:-1, 1:-1],
            one=nn.Conv2d(4, 5, 3),
            two=nn.Conv2d(4, 5, 1),
        ),
    )
    folded_exactly(network, IMAGE)


def test_a_norm_between_two_layers_goes_into_the_next_where_the_previous_is_needed():
    def forward(s, x):
        y = s.first(x)
        return s.second(s.norm(y)) + F.relu(y)

    network = Net(
        forward, first=nn.Conv2d(4, 4, 3), norm=nn.BatchNorm2d(4), second=nn.Conv2d(4, 4, 1)
    )
    result = folded_exactly(network, IMAGE)
    assert torch.equal(result.network.first.weight, network.first.weight)


# What must stay


def conv_and_norm(forward, **more) -> Net:
    return Net(forward, conv=nn.Conv2d(4, 4, 1), norm=nn.BatchNorm2d(4), **more)


def result_used_twice(s, x):
    y = s.conv(x)
    return s.norm(y) + y


def result_returned(s, x):
    y = s.conv(x)
    return s.norm(y), y


def norm_returned(s, x):
    y = s.norm(x)
    return s.conv(y), y


def in_place_on_input(s, x):
    x = x * 1
    y = s.norm(x)
    x.add_(1)
    return s.conv(y) + x


def in_place_on_a_view(s, x):
    x = x * 1
    y = s.norm(x)
    x[:, :2].mul_(3)
    return s.conv(y) + x


def in_place_on_the_result(s, x):
    return s.norm(s.conv(x).mul_(2))


def through_a_view(s, x):
    y = s.conv(x)
    y.view(-1).mul_(2)
    return s.norm(y)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (conv_and_norm(result_used_twice), "used more than once"),
        (conv_and_norm(result_returned), "also an output"),
        (
            conv_and_norm(
                lambda s, x: s.norm(s.conv(x)) * s.other(s.conv(x)), other=nn.BatchNorm2d(4)
            ),
            "conv runs 2 times, and not always with this norm",
        ),
        (
            conv_and_norm(lambda s, x: s.norm(s.conv(x)) + s.conv(x)),
            "conv runs 2 times, and not always with this norm",
        ),
        (conv_and_norm(lambda s, x: s.norm(s.conv(x)) + s.norm(x)), "follows an input"),
        (conv_and_norm(lambda s, x: s.norm(F.relu(s.conv(x)))), "it follows relu, not a layer"),
        (conv_and_norm(lambda s, x: s.conv(F.relu(s.norm(x)))), "relu stands between"),
        (
            conv_and_norm(norm_returned),
            "its output is an output",
        ),
        (conv_and_norm(lambda s, x: s.conv(x) + s.norm.weight.sum()), "does not run"),
        (
            conv_and_norm(lambda s, x: s.norm(s.conv(x)) + s.norm.weight.sum()),
            "its weights are also read elsewhere",
        ),
        (
            conv_and_norm(lambda s, x: s.norm(s.conv(x)) + s.conv.weight.sum()),
            "a weight of conv is also used elsewhere",
        ),
        (
            conv_and_norm(lambda s, x: s.norm(F.conv2d(x, s.conv.weight))),
            "the weight of conv is used by a function",
        ),
        (
            conv_and_norm(lambda s, x: s.norm(F.conv2d(x, s.conv.weight * 2))),
            "computed at every run",
        ),
        (conv_and_norm(in_place_on_input), "written in place"),
        (conv_and_norm(in_place_on_a_view), "written in place"),
        (conv_and_norm(in_place_on_the_result), "it follows mul_"),
        (conv_and_norm(through_a_view), "used more than once"),
        (
            conv_and_norm(
                lambda s, x: F.batch_norm(
                    s.conv(x), s.norm.running_mean, s.norm.running_var, s.norm.weight, s.norm.bias
                )
            ),
            "called as a function",
        ),
        (
            Net(
                lambda s, x: F.batch_norm(s.conv(x), s.mean, s.mean + 1),
                conv=nn.Conv2d(4, 4, 1),
                mean=nn.Parameter(torch.zeros(4)),
            ),
            "test_fold.py:",
        ),
        (
            nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4, track_running_stats=False)),
            "no running statistics",
        ),
        (
            nn.Sequential(
                nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 1)), nn.BatchNorm2d(4)
            ),
            "computed at every run",
        ),
        (
            nn.Sequential(
                nn.utils.parametrizations.orthogonal(nn.Conv2d(4, 4, 1)), nn.BatchNorm2d(4)
            ),
            "computed at every run",
        ),
    ],
)
def test_a_norm_that_cannot_go_stays_and_says_why(network, words):
    assert words in reasons(network, IMAGE)


def test_weight_norm_of_the_old_kind_is_left():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = nn.utils.weight_norm(nn.Conv2d(4, 4, 1))
    assert "computed at every run" in reasons(nn.Sequential(layer, nn.BatchNorm2d(4)), IMAGE)


def test_a_weight_shared_by_two_modules_is_left():
    network = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1))
    network[2].weight = network[0].weight
    assert "shared with another module" in reasons(network, IMAGE)


def test_a_bias_shared_by_two_modules_is_left():
    network = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1))
    network[2].bias = network[0].bias
    assert "bias is shared" in reasons(network, IMAGE)


def test_a_norm_over_another_dimension_is_left():
    network = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(7))
    assert "another dimension than the channels of 0" in reasons(network, noise(2, 7, 4))


def test_a_norm_on_an_unbatched_result_is_over_another_dimension():
    network = Net(
        lambda s, x: s.norm(s.conv(x[0])), conv=nn.Conv2d(4, 7, 1), norm=nn.BatchNorm1d(7)
    )
    assert "another dimension than the channels of conv" in reasons(network, IMAGE)


def test_a_norm_whose_channels_the_next_layer_does_not_sum_over_is_left():
    network = Net(
        lambda s, x: s.linear(s.norm(x).t()), norm=nn.BatchNorm1d(4), linear=nn.Linear(3, 5)
    )
    assert "another dimension than the channels of linear" in reasons(network, noise(3, 4))


def test_a_norm_over_merged_channels_is_left():
    network = nn.Sequential(nn.Conv2d(4, 2, 1), nn.Flatten(), nn.BatchNorm1d(84))
    assert "another dimension than the channels of 0" in reasons(network, IMAGE)
    split = Net(
        lambda s, x: s.norm(s.conv(x).unflatten(1, (2, 3))),
        conv=nn.Conv2d(4, 6, 1),
        norm=nn.BatchNorm3d(2),
    )
    assert "view between conv and it splits the channels" in reasons(split, IMAGE)


def test_weights_that_are_buffers_stay_buffers():
    network = nn.Sequential(nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4))
    weight = network[0].weight.detach()
    del network[0].weight
    network[0].register_buffer("weight", weight)
    result = folded_exactly(network, IMAGE)
    assert "weight" in dict(result.network[0].named_buffers())
    assert not result.network[0].bias.requires_grad


def test_a_norm_with_hooks_is_left():
    network = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
    network[1].register_forward_hook(lambda *_: None)
    assert "hooks" in reasons(network, IMAGE)


def test_a_norm_that_does_more_is_left():
    class Doubled(nn.BatchNorm2d):
        def forward(self, x):
            return super().forward(x) * 2

    words = reasons(nn.Sequential(nn.Conv2d(4, 4, 1), Doubled(4)), IMAGE)
    assert "does more than to normalize" in words


def test_a_layer_that_ignores_its_bias_is_left_and_others_go():
    class Deaf(nn.Conv2d):
        def forward(self, x):
            return F.conv2d(x, self.weight)

    network = nn.Sequential(
        Deaf(4, 4, 1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 4, 1),
        nn.BatchNorm2d(4),
    )
    result = folded_exactly(network, IMAGE, stay=1)
    assert result.folded == ("4",)
    assert result.left[0].reason == "0 does not use a bias when given one"
    assert result.network[0].bias is None


def test_instance_norm_is_none_of_ours():
    network = nn.Sequential(
        nn.Conv2d(4, 4, 1), nn.InstanceNorm2d(4), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
    )
    assert folded_exactly(network, IMAGE).left == ()


def test_nothing_to_fold_is_an_error():
    words = reasons(nn.Sequential(nn.Conv2d(4, 4, 1), nn.InstanceNorm2d(4)), IMAGE)
    assert words == "fold: the network has no batch norm; leave this step out"


# What is kept


def test_modes_gradients_randomness_and_the_given_network_are_left_alone():
    network = lively(
        nn.Sequential(
            nn.Conv2d(4, 5, 3, bias=False), nn.BatchNorm2d(5), nn.Conv2d(5, 5, 1), nn.BatchNorm2d(5)
        )
    )
    network[1].eval()
    network[2].weight.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = torch.get_rng_state()
    result = fold(network, [IMAGE.float()]).network
    assert torch.equal(torch.get_rng_state(), state)
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert network.training
    assert [module.training for module in result] == [True, False, True, True]
    wanted = {name: tensor.requires_grad for name, tensor in result.named_parameters()}
    assert wanted == {"0.weight": True, "0.bias": True, "2.weight": False, "2.bias": True}


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once(kind):
    network = lively(nn.Sequential(nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5))).to(kind)
    result = fold(network, [IMAGE.to(kind)]).network
    wide = fold(copy.deepcopy(network).double(), [IMAGE]).network
    assert result[0].weight.dtype == kind
    assert torch.equal(result[0].weight, wide[0].weight.to(kind))
    assert torch.equal(result[0].bias, wide[0].bias.to(kind))


def test_weights_too_large_for_half_precision_stay():
    network = nn.Sequential(nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5)).half()
    network[0].weight.data.fill_(1000)
    network[1].running_var.fill_(1e-5)
    network[1].eps = 1e-6
    with pytest.raises(NoEffectError, match=r"weights of 0 are too large for torch\.float16"):
        fold(network, [IMAGE.half()])


def test_denormals_become_zero_and_normal_numbers_stay():
    network = nn.Sequential(nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5))
    network[0].weight.data[0] = 1e-30
    network[0].weight.data[1] = 1e-37
    network[1].weight.data[0] = 1e-12
    result = fold(network, [IMAGE.float()]).network
    weight = result[0].weight.detach()
    assert (weight[0] == 0).all()
    assert (weight[1] != 0).all()
    tiny = torch.finfo(torch.float32).tiny
    assert not ((weight != 0) & (weight.abs() < tiny)).any()


def test_channels_last_weights_stay_so():
    network = lively(nn.Sequential(nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5)))
    network = network.to(memory_format=torch.channels_last)
    result = fold(network, [IMAGE.float()]).network
    assert result[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_frozen_networks_and_other_outputs_are_followed():
    network = Net(
        lambda s, x, y: {"sum": s.norm(s.conv(x)) + y, "y": y},
        conv=nn.Conv2d(4, 4, 1),
        norm=nn.BatchNorm2d(4),
    ).requires_grad_(requires_grad=False)
    result = folded_exactly(network, IMAGE, IMAGE + 1)
    assert not result.network.conv.weight.requires_grad


# The step


def test_the_step_reports_counts_residual_and_what_stays():
    network = lively(
        nn.Sequential(
            nn.Conv2d(4, 5, 3, bias=False),
            nn.BatchNorm2d(5),
            nn.ReLU(),
            nn.BatchNorm2d(5),
            nn.ReLU(),
        )
    )
    result, report = Fold().apply(network, Context([IMAGE.float()], [(IMAGE.float(),)]))
    assert (report.params_before, report.params_after) == (180 + 20, 180 + 5 + 10)
    assert 0 <= report.residual <= SINGLE
    assert report.notes[0] == "folded 1 batch norms"
    assert report.notes[1].startswith("3 stays: it follows relu, not a layer; relu stands between")
    assert norms(result) == 1


def test_named_norms_are_skipped():
    network = nn.Sequential(
        nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)
    )
    result, report = Fold(skip=("1",)).apply(network, Context([IMAGE.float()]))
    assert norms(result) == 1
    assert "1 stays: it is named in `skip`" in report.notes
    with pytest.raises(RecipeError, match="'2' is no batch norm"):
        Fold(skip=("2",)).apply(network, Context([IMAGE.float()]))


@pytest.mark.parametrize(("name", "words"), [("0.weight", "NaN"), ("1.running_var", "no finite")])
def test_weights_that_are_no_numbers_are_refused(name, words):
    network = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
    network.state_dict()[name].fill_(float("nan"))
    with pytest.raises(ModelError, match=words):
        fold(network, [IMAGE.float()])


def test_a_wrong_fold_would_be_found_out_by_its_outputs(monkeypatch):
    def wrong(weight, bias, affine, groups, *, transposed):
        del affine, groups, transposed
        return weight, bias

    monkeypatch.setattr("mobilekit.compress.folding.plan.after", wrong)
    network = lively(nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)))
    with pytest.raises(ModelError, match="the outputs changed by"):
        Fold().apply(network, Context([IMAGE.float()]))


def test_code_that_asks_for_its_norm_is_found_out_by_its_calls():
    network = conv_and_norm(
        lambda s, x: s.norm(s.conv(x)) * (1 if isinstance(s.norm, nn.BatchNorm2d) else 2)
    )
    with pytest.raises(ModelError, match=r"differs at mul in the network test_fold\.py:\d+; use"):
        fold(network, [IMAGE.float()])


def test_a_network_that_cannot_be_copied_is_one_line():
    network = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
    network.lock = threading.Lock()
    with pytest.raises(ModelError, match="the network cannot be copied: TypeError: cannot pickle"):
        fold(network, [IMAGE.float()])


def test_code_that_reads_its_norm_gives_one_line():
    network = conv_and_norm(lambda s, x: s.norm(s.conv(x)) * s.norm.num_features)
    with pytest.raises(ModelError, match="num_features") as caught:
        fold(network, [IMAGE.float()])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (nn.Sequential(nn.Identity(), nn.ReLU(), nn.Sigmoid()), "calls at the end"),
        (nn.Sequential(nn.Identity()), "relu in 1"),
        (nn.Sequential(nn.Identity(), nn.ReLU6()), "relu in 1"),
        (nn.Sequential(nn.Identity(), nn.ReLU()), None),
    ],
)
def test_the_proof_names_the_first_difference(other, words):
    before = record(nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()).double(), [IMAGE])
    found = difference(before, record(other, [IMAGE]), {"0"})
    assert found is None if words is None else words in str(found)


def test_the_proof_sees_another_value_and_another_output():
    before = record(Net(lambda _, x: (x + 1, x.exp() * x)), [IMAGE])
    assert difference(before, record(Net(lambda _, x: (x + 1, x.exp() * x)), [IMAGE]), ()) is None
    swapped = record(Net(lambda _, x: (x + 1, (lambda y: y * y)(x.exp()))), [IMAGE])  # noqa: PLC3002
    assert str(difference(before, swapped, ())).startswith("mul in the network")
    crossed = record(Net(lambda _, x: (x + 1, x.exp() * x)[::-1]), [IMAGE])
    assert difference(before, crossed, ()) == "the network's outputs"


# Whole networks

ZOO = {
    "resnet18": (64, 0),
    "mobilenet_v2": (64, 0),
    "densenet121": (64, 62),
    "googlenet": (64, 2),
    "shufflenet_v2_x1_0": (64, 0),
    "efficientnet_b0": (64, 0),
    "mnasnet0_5": (64, 0),
    "regnet_y_400mf": (64, 0),
    "segmentation.fcn_resnet50": (64, 0),
    "vgg11_bn": (32, 0),
}


def from_zoo(name: str) -> nn.Module:
    options: dict[str, object] = {"weights": None}
    if "fcn" in name:
        options["weights_backbone"] = None
    if name == "googlenet":
        options["init_weights"] = False
    make = torchvision.models
    for part in name.split("."):
        make = getattr(make, part)
    return lively(make(**options))


@pytest.mark.parametrize(("name", "size", "stay"), [(name, *rest) for name, rest in ZOO.items()])
def test_torchvisions_networks_compute_what_they_did(name, size, stay):
    network = from_zoo(name)
    x = noise(1, 3, size, size)
    result = fold(network, [x.float()])
    assert len(result.left) == stay
    assert error(network, result.network, x.float()) <= SINGLE
    double = network.double()
    assert error(double, fold(double, [x]).network, x) <= DOUBLE


def test_densenets_norms_before_an_activation_are_said():
    left = fold(from_zoo("densenet121"), [noise(1, 3, 64, 64).float()]).left
    assert {one.reason.partition("; ")[2] for one in left} == {
        "relu_ stands between it and the next layer"
    }


def test_resnet18_loses_4800_parameters():
    network = torchvision.models.resnet18(num_classes=102)
    _, report = Fold().apply(network, Context([noise(1, 3, 64, 64).float()]))
    assert (report.params_before, report.params_after) == (11_228_838, 11_224_038)


def test_timms_norms_with_activations_go():
    timm = pytest.importorskip("timm")
    network = lively(timm.create_model("efficientnet_lite0", pretrained=False))
    x = noise(1, 3, 64, 64)
    result = fold(network, [x.float()])
    assert norms(result.network) == 0
    assert error(network, result.network, x.float()) <= SINGLE


# Random chains


@st.composite
def chains(draw):
    """Layers, norms and activations in any order, on 1 to 3 dimensions, and an input."""
    dims = draw(st.integers(1, 3))
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1]
    transposed = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[dims - 1]
    norm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[dims - 1]
    channels = draw(st.sampled_from([2, 4, 6]))
    modules: list[nn.Module] = []
    shape = (2, channels, *[7] * dims)
    for kind in draw(st.lists(st.sampled_from("cctnnna"), min_size=2, max_size=6)):
        if kind == "n":
            modules.append(norm(channels, affine=draw(st.booleans())))
        elif kind == "a":
            modules.append(draw(st.sampled_from([nn.ReLU(inplace=True), nn.SiLU(), nn.Dropout()])))
        else:
            groups = draw(st.sampled_from([1, 2, channels]))
            width = channels * draw(st.sampled_from([1, 2])) if channels < 8 else channels
            options = {
                "kernel_size": draw(st.integers(1, 3)),
                "bias": draw(st.booleans()),
                "groups": groups,
                "padding": draw(st.integers(0, 1)),
            }
            if kind == "c":
                modes = ["zeros", "replicate", "circular", "reflect"]
                options["padding_mode"] = draw(st.sampled_from(modes))
            modules.append((conv if kind == "c" else transposed)(channels, width, **options))
            channels = width
    return nn.Sequential(*modules), shape


@settings(max_examples=60, deadline=None)
@given(chains(), st.integers(0, 1000))
def test_random_chains_compute_what_they_did(chain, seed):
    network, shape = chain
    network, x = lively(network, seed).double(), noise(*shape)
    try:
        shown = outputs(network, x)
    except RuntimeError:  # a kernel or a padding larger than what is left of the map
        return
    try:
        result = fold(network, [x])
    except NoEffectError:
        assert not any(
            isinstance(one, nn.modules.conv._ConvNd) and isinstance(two, _BatchNorm)
            for one, two in zip(network, list(network)[1:], strict=False)
        )
        return
    # relative to the largest output, which a ReLU may have made 0
    change = (shown[0] - outputs(result.network, x)[0]).abs().max()
    assert change <= DOUBLE * max(1.0, float(shown[0].abs().max()))
    calls = [call.name for call in record(result.network, [x]).calls]
    assert calls.count("native_batch_norm") == len(result.left) == norms(result.network)
