"""The oracles are the thesis's counts, the eager forward of the network as it was, and hand counts.

Tolerances: at full rank each weight is the rounding of a sum of products. In float64 that is some 1e-14 of
the largest weight, and the layers of a network (at most 20 here) do not lift it to 1e-10 of the largest
output. In float32 each factor rounds by 6e-8; the sums of some hundred products, and the sums of the layer
itself, grow it by about their root, over 20 layers by another 4: 1e-5. A wrong factor changes the first
digit.
"""

import copy

import pytest
import torch
import torchvision
from torch import nn

from mobilekit.compress.base import Context, count_parameters
from mobilekit.compress.decomposition.candidates import Left
from mobilekit.compress.decomposition.factors import relative_error
from mobilekit.compress.decomposition.forms import form
from mobilekit.compress.decomposition.rank import Budget, Energy, Fraction
from mobilekit.compress.registry import methods, step_of
from mobilekit.compress.steps.decompose import Decompose, decompose
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError

DOUBLE = 1e-10
SINGLE = 1e-5
METHODS = ("truncated_svd", "channel_svd", "spatial_svd", "tucker2")


def noisy(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def lively(network: nn.Module) -> nn.Module:
    """Weights by a seed, so that a run can be repeated."""
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        scale = parameter[0].numel() ** -0.5
        parameter.data.normal_(0, scale, generator=generator)
    return network


def small() -> nn.Sequential:
    return lively(
        nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1, padding_mode="reflect"),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),
            nn.Conv2d(16, 24, 3, stride=2, padding=1, bias=False),
            nn.ReLU(),
            nn.Conv2d(24, 24, 3, groups=24, padding=1),
            nn.Conv2d(24, 32, 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(32, 40),
            nn.Linear(40, 10),
        )
    )


IMAGE = noisy(2, 3, 12, 11)


class Net(nn.Module):
    """A module whose forward is a function of it and its input."""

    def __init__(self, forward, **children):
        super().__init__()
        self.do = forward
        for name, child in children.items():
            setattr(self, name, child)

    def forward(self, *inputs):
        return self.do(self, *inputs)


def in_full(network: nn.Module, method: str) -> tuple[nn.Module, int]:
    """Put every layer that the method is for at full rank, bigger or not, with the public pieces only."""
    kinds = nn.Linear if method == "truncated_svd" else nn.Conv2d
    result = copy.deepcopy(network)
    names = [name for name, module in network.named_modules() if isinstance(module, kinds)]
    for name in names:
        seen = form(network.get_submodule(name), method)
        parent, _, child = name.rpartition(".")
        setattr(result.get_submodule(parent), child, seen.parts(seen.full))
    return result, len(names)


def difference(before: nn.Module, after: nn.Module, x: torch.Tensor) -> float:
    with torch.no_grad():
        expected, found = before.eval()(x), after.eval()(x)
    return float((found - expected).abs().max() / expected.abs().max())


# The thesis, Table 4.9


@pytest.mark.parametrize(("removed", "expected"), [(0.25, 46766), (0.5, 31416), (0.75, 15452)])
def test_the_counts_of_the_thesis(removed, expected):
    head = nn.Sequential(nn.Flatten(), nn.Linear(512, 102))
    assert count_parameters(head) == 52326
    step = Decompose(method="truncated_svd", rank=1 - removed)
    result, report = step.apply(head, Context([noisy(1, 512)]))
    assert count_parameters(result) == expected
    assert (report.kind, report.params_before, report.params_after) == (
        "decompose",
        52326,
        expected,
    )


# Real networks


@pytest.mark.parametrize("method", ["channel_svd", "spatial_svd", "tucker2"])
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, DOUBLE), (torch.float32, SINGLE)])
def test_resnet18_at_full_rank_is_exact(method, dtype, limit):
    network = torchvision.models.resnet18(weights=None).layer2.to(dtype)
    result, count = in_full(network, method)
    assert count == 5
    assert difference(network, result, noisy(1, 64, 16, 16).to(dtype)) <= limit


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, DOUBLE), (torch.float32, SINGLE)])
def test_the_whole_of_resnet18_at_full_rank_is_exact(method, dtype, limit):
    network = torchvision.models.resnet18(weights=None).to(dtype)
    result, count = in_full(network, method)
    assert count == (1 if method == "truncated_svd" else 20)
    assert difference(network, result, noisy(1, 3, 64, 64).to(dtype)) <= limit


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, DOUBLE), (torch.float32, SINGLE)])
def test_a_head_like_vggs_at_full_rank_is_exact(dtype, limit):
    head = nn.Sequential(
        nn.Linear(512, 256),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(256, 256),
        nn.ReLU(),
        nn.Linear(256, 100),
    ).to(dtype)
    result, count = in_full(head, "truncated_svd")
    assert count == 3
    assert difference(head, result, noisy(3, 512).to(dtype)) <= limit


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, DOUBLE), (torch.float32, SINGLE)])
def test_the_head_of_vgg11_at_full_rank_is_exact(dtype, limit):
    head = nn.Sequential(torchvision.models.vgg11(weights=None).classifier[6]).to(dtype)
    result, count = in_full(head, "truncated_svd")
    assert count == 1
    assert result[0][0].weight.shape == (1000, 4096)
    assert difference(head, result, noisy(2, 4096).to(dtype)) <= limit


# What is replaced, and what is left


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "amount",
    [
        *(Fraction(share) for share in (0.01, 0.3, 0.6)),
        *(Energy(share) for share in (0.3, 0.7)),
        *(Budget(share, "layer") for share in (0.4, 0.8)),
        Budget(0.95),
    ],
    ids=str,
)
def test_no_layer_grows_and_every_layer_is_accounted_for(method, amount):
    network = small()
    result = decompose(network, [IMAGE], method, amount)
    kind = nn.Linear if method == "truncated_svd" else nn.Conv2d
    names = [name for name, module in network.named_modules() if isinstance(module, kind)]
    assert sorted(one.path for one in (*result.replaced, *result.left)) == sorted(names)
    for one in result.replaced:
        before, after = network.get_submodule(one.path), result.network.get_submodule(one.path)
        assert isinstance(after, nn.Sequential)
        assert one.params_before == count_parameters(before)
        assert one.params_after == count_parameters(after) < one.params_before
        assert one.shape == before.weight.shape
        assert one.weight_error == relative_error(before, after)
        if isinstance(amount, Energy):  # float32 storage rounds the error by 1e-7
            assert one.weight_error**2 <= 1 - amount.share + 1e-6
        if isinstance(amount, Budget) and amount.scope == "layer":
            assert one.params_after <= amount.share * one.params_before
    for one in result.left:
        assert type(result.network.get_submodule(one.path)) is kind
    if isinstance(amount, Budget) and amount.scope == "network":
        assert count_parameters(result.network) <= 0.95 * count_parameters(network)
    assert result.network(IMAGE).shape == (2, 10)


def test_a_budget_of_the_network_takes_the_layer_with_little_energy_to_lose():
    network = nn.Sequential(nn.Linear(40, 40), nn.Linear(40, 40))
    network = lively(network)
    poor = noisy(40, 3) @ noisy(3, 40, seed=1)
    network[0].weight.data.copy_(poor)
    result = decompose(network, [noisy(2, 40)], "truncated_svd", Budget(0.7))
    assert [(one.path, one.ranks, one.full) for one in result.replaced] == [("0", (7,), (40,))]
    assert result.left == (Left("1", "the budget is met without it"),)
    assert result.replaced[0].weight_error < 1e-6
    assert count_parameters(result.network) <= 0.7 * count_parameters(network)


def test_a_budget_out_of_reach_names_the_nearest():
    least = (10 + 32 + 10) / (32 * 10 + 10)
    network = nn.Linear(32, 10)
    with pytest.raises(RecipeError, match=rf"0.1 of the 330 .* {least:.4f}") as caught:
        decompose(network, [noisy(2, 32)], "truncated_svd", Budget(0.1))
    assert "\n" not in str(caught.value)
    found = decompose(network, [noisy(2, 32)], "truncated_svd", Budget(0.16))
    assert count_parameters(found.network) == 52


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        (Fraction(1.0), "rank 10 of 10 makes 430 parameters of 330"),
        (Energy(1.0), "rank 10 of 10 makes 430 parameters of 330"),
        (Budget(1.0), "the budget is met without it"),
        (Budget(0.1, "layer"), "rank 1 makes 52 parameters of 330, more than the budget"),
    ],
    ids=str,
)
def test_nothing_gained_is_an_error(amount, reason):
    network = Net(lambda net, x: net.head(x), head=nn.Linear(32, 10))
    with pytest.raises(NoEffectError, match=rf"no layer gets smaller: head: {reason}") as caught:
        decompose(network, [noisy(2, 32)], "truncated_svd", amount)
    assert "\n" not in str(caught.value)


def test_a_network_without_such_layers_is_an_error():
    with pytest.raises(NoEffectError, match="no layer that spatial_svd is for"):
        decompose(nn.Linear(8, 8), [noisy(2, 8)], "spatial_svd", Fraction(0.5))


def left_out(network: nn.Module, method: str, *inputs: torch.Tensor) -> dict[str, str]:
    try:
        found = decompose(network, inputs, method, Fraction(0.1))
    except NoEffectError as problem:
        words = str(problem).removeprefix("decompose: no layer gets smaller: ")
        return dict(part.split(": ", 1) for part in words.split("; "))
    return {one.path: one.reason for one in found.left}


class Scaled(nn.Conv2d):
    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    ("layer", "method", "reason"),
    [
        (lambda: Scaled(8, 8, 3), "channel_svd", "channel_svd is not for Scaled"),
        (lambda: nn.ConvTranspose2d(8, 8, 3), "tucker2", "tucker2 is not for ConvTranspose2d"),
        (lambda: nn.Conv1d(8, 8, 3), "spatial_svd", "spatial_svd is not for Conv1d"),
        (lambda: nn.Conv2d(8, 8, 3, groups=2), "tucker2", "it has 2 groups, and tucker2 takes one"),
        (
            lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 8, 3)),
            "spatial_svd",
            "spatial_svd is not for ParametrizedConv2d",
        ),
        (
            lambda: nn.utils.prune.l1_unstructured(nn.Conv2d(8, 8, 3), "weight", 0.5),
            "spatial_svd",
            "it has hooks or a forward of its own",
        ),
        (
            lambda: nn.Conv2d(8, 8, 3, groups=8),
            "channel_svd",
            "rank 1 of 1 makes 88 parameters of 80",
        ),
    ],
)
def test_a_layer_that_cannot_be_replaced_is_left_and_said(layer, method, reason):
    x = noisy(2, 8, 9) if "Conv1d" in reason else noisy(2, 8, 9, 9)
    assert left_out(nn.Sequential(layer()), method, x) == {"0": reason}


def test_depthwise_kernels_that_are_products_stay_what_they_are():
    layer = nn.Conv2d(8, 8, 7, groups=8, padding=3)
    layer.weight.data.copy_(noisy(8, 1, 7, 1) @ noisy(8, 1, 1, 7, seed=1))
    network = nn.Sequential(layer)
    result = decompose(network, [noisy(1, 8, 9, 9)], "spatial_svd", Energy(0.999999))
    assert [(one.ranks, one.params_after) for one in result.replaced] == [((1,), 8 * 14 + 8)]
    assert difference(network, result.network, noisy(1, 8, 12, 12)) <= SINGLE


def test_other_code_that_reads_a_layer_is_noticed():
    read = Net(
        lambda net, x: net.b(net.a(x)) + net.a.weight.sum(), a=nn.Linear(8, 8), b=nn.Linear(8, 8)
    )
    assert left_out(read, "truncated_svd", noisy(2, 8)) == {
        "a": "other code reads its weight or shape"
    }
    encoder = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval()
    reasons = left_out(encoder, "truncated_svd", noisy(1, 4, 16))
    assert reasons["linear1"] == reasons["linear2"] == "other code reads its weight or shape"
    assert "NonDynamicallyQuantizableLinear" in reasons["self_attn.out_proj"]


def test_tied_weights_stay_tied():
    tied = Net(lambda net, x: net.b(net.a(x)), a=nn.Linear(8, 8), b=nn.Linear(8, 8))
    tied.b.weight = tied.a.weight
    assert set(left_out(tied, "truncated_svd", noisy(2, 8)).values()) == {
        "its weight or bias is shared with another module"
    }


def test_a_module_used_at_several_places_is_replaced_at_each():
    shared = nn.Linear(16, 16)
    network = Net(
        lambda net, x: net.second[0](net.first(x)), first=shared, second=nn.ModuleList([shared])
    )
    result = decompose(network, [noisy(2, 16)], "truncated_svd", Fraction(0.25), ["second.*"])
    assert [one.path for one in result.replaced] == ["first"]
    assert isinstance(result.network.first, nn.Sequential)
    assert result.network.second[0] is result.network.first
    assert count_parameters(result.network) == 4 * 32 + 16


def test_a_network_that_is_one_layer_is_replaced_itself():
    result = decompose(nn.Linear(16, 16), [noisy(2, 16)], "truncated_svd", Fraction(0.25))
    assert isinstance(result.network, nn.Sequential)
    assert result.replaced[0].path == ""


def test_only_named_layers_are_touched():
    result = decompose(small(), [IMAGE], "channel_svd", Fraction(0.2), ["0", "6"])
    assert [one.path for one in result.replaced] == ["0", "6"]
    assert result.left == ()


@pytest.mark.parametrize(
    ("layers", "method", "expected"),
    [
        (["head*"], "truncated_svd", "'head\\*' matches no layer that this method is for"),
        (["9"], "spatial_svd", "'9' matches no layer"),
        (["classifer"], "truncated_svd", "Did you mean classifier?"),
    ],
)
def test_a_pattern_without_a_layer_is_refused(layers, method, expected):
    network = Net(lambda net, x: net.classifier(net.conv(x).mean((2, 3))), conv=nn.Conv2d(3, 8, 3))
    network.classifier = nn.Linear(8, 8)
    with pytest.raises(RecipeError, match=expected):
        decompose(network, [IMAGE], method, Fraction(0.5), layers)


def test_weights_that_are_not_finite_are_named():
    network = small()
    network[3].weight.data[0, 0, 0, 0] = torch.nan
    with pytest.raises(ModelError, match=r"^3.weight has values that are not finite"):
        decompose(network, [IMAGE], "channel_svd", Fraction(0.5))


def test_inputs_that_do_not_fit_are_named():
    with pytest.raises(ModelError, match="does not run on its inputs") as caught:
        decompose(small(), [noisy(1, 4, 12, 12)], "channel_svd", Fraction(0.5))
    assert "\n" not in str(caught.value)


def test_new_layers_that_the_network_cannot_use_are_an_error():
    def only_linear(net, x):
        if not isinstance(net.fc, nn.Linear):
            raise TypeError("a linear layer, please")
        return net.fc(x)

    step = Decompose(method="truncated_svd", rank=0.2)
    with pytest.raises(ModelError, match="does not run with its new layers"):
        step.apply(Net(only_linear, fc=nn.Linear(16, 16)), Context([noisy(2, 16)]))


@pytest.mark.parametrize("training", [True, False])
def test_the_given_network_and_the_global_generator_are_left_as_found(training):
    network = small().train(training)
    network[1].eval()
    network[3].weight.requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    modes = [module.training for module in network.modules()]
    state = torch.get_rng_state()
    result, _ = Decompose(method="tucker2", rank=0.3).apply(network, Context([IMAGE]))
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in network.modules()] == modes
    assert all(type(module) is not nn.Sequential for module in network)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    assert result[3].training is training
    assert result[3][0].training is training
    assert not result[1].training
    assert [part.weight.requires_grad for part in result[3]] == [False] * 3
    assert result[0][0].weight.requires_grad


def test_the_same_seed_gives_the_same_bits():
    results = [
        Decompose(method="tucker2", budget=0.8).apply(small(), Context([IMAGE])) for _ in range(2)
    ]
    assert results[0][1] == results[1][1]
    for one, two in zip(results[0][0].parameters(), results[1][0].parameters(), strict=True):
        assert torch.equal(one, two)


# The step


@pytest.mark.parametrize("method", METHODS)
def test_the_result_exports(method):
    network = small().eval()
    result, _ = Decompose(method=method, rank=0.3).apply(network, Context([IMAGE]))
    program = torch.export.export(result, (IMAGE,))
    with torch.no_grad():
        assert torch.equal(program.module()(IMAGE), result(IMAGE))


def test_the_report_says_what_was_done():
    step = Decompose(method="channel_svd", rank=0.25, layers=("3", "5"))
    _, report = step.apply(small(), Context([IMAGE]))
    first, second, third = report.notes
    assert first.startswith("3 [24, 16, 3, 3]: rank 6 of 24, 3456 → 1008 parameters, weight error ")
    assert second == "5 stays: rank 1 of 1 makes 264 parameters of 240"
    assert third.startswith("outputs changed by ")
    assert report.residual is None


def test_a_recipe_makes_the_step():
    assert "decompose" in [method.kind for method in methods()]
    options = {"kind": "decompose", "method": "tucker2", "budget": 0.5, "layers": ["features.*"]}
    expected = Decompose(method="tucker2", budget=0.5, layers=("features.*",))
    assert step_of(options, "recipe.toml: compress[0]") == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"method": "tucker2"}, "exactly one of"),
        ({"method": "tucker2", "rank": 0.5, "energy": 0.5}, "exactly one of"),
        ({"method": "tucker2", "rank": 0.0}, r"> 0.*\$.rank"),
        ({"method": "tucker2", "energy": 1.5}, r"<= 1.*\$.energy"),
        ({"method": "tucker2", "budget": "half"}, r"\$.budget"),
        ({"method": "tucker2", "budget": 0.5, "scope": "stage"}, r"\$.scope"),
        ({"method": "cp", "rank": 0.5}, r"Invalid enum value 'cp'.*\$.method"),
        ({"rank": 0.5}, "missing required field `method`"),
        ({"method": "tucker2", "rank": 0.5, "ranks": 3}, "unknown field `ranks`"),
    ],
)
def test_options_that_do_not_fit_name_their_path(options, expected):
    with pytest.raises(RecipeError, match=expected) as caught:
        step_of({"kind": "decompose", **options}, "recipe.toml: compress[0]")
    assert str(caught.value).startswith("recipe.toml: compress[0]: ")
