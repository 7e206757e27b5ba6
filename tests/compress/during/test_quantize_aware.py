"""A training on the grid: what is computed, what is left in the end, what other methods see of it."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mobilekit.compress.acting import Acting
from mobilekit.compress.base import Context, During
from mobilekit.compress.during.distill import Distill
from mobilekit.compress.during.keep_zeros import KeepZeros
from mobilekit.compress.during.quantize_aware import QuantizeAware
from mobilekit.compress.during.sparsify import Sparsify
from mobilekit.compress.fitting.fit import Course, fit
from mobilekit.compress.fitting.rates import OptimizerConfig
from mobilekit.compress.steps.train import Train
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError, TrainingError
from mobilekit.core.quantization_plan import QuantizationPlan
from tests.compress.during.stepping import INPUTS, run
from tests.compress.fitting.material import Dots, Stop, StoppedError, context, plain, rich

CONTEXT = Context(INPUTS)


def rounded(weight: Tensor, bits: int) -> np.ndarray:
    """Return the weights on their grid by NumPy, output channel first."""
    values = weight.detach().numpy().astype(np.float64)
    q = 2 ** (bits - 1) - 1
    scale = np.abs(values).max(tuple(range(1, values.ndim)), keepdims=True) / q
    return np.rint(values / scale) * scale


def grid(weight: Tensor) -> Tensor:
    return torch.from_numpy(rounded(weight, 8)).float()


def by_torch(values: Tensor) -> Tensor:
    """Return activations on the grid of their range by PyTorch's own operator."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    step = (high - low) / 255
    return torch.fake_quantize_per_tensor_affine(values, step, round(-low / step), 0, 255)


def test_what_runs_is_what_torch_makes_of_rounded_weights_and_activations() -> None:
    network, data = plain().train(), Dots(12)
    with Acting(network, [QuantizeAware()], CONTEXT):
        found = network(data.images)
    with torch.no_grad():
        values = by_torch(data.images)
        values = functional.conv2d(values, grid(network[0].weight), network[0].bias)
        values = by_torch(functional.silu(values))
        values = functional.conv2d(values, grid(network[2].weight), network[2].bias).flatten(1)
        values = by_torch(values)
        values = by_torch(functional.linear(values, grid(network[4].weight), network[4].bias))
    # Where a value lies half-way between two steps either is right: one step of the last grid, or two.
    step = (float(values.max()) - float(values.min())) / 255
    assert (found - values).abs().max() <= 2 * step
    assert (found - values).abs().mean() <= step / 10


@pytest.mark.parametrize(("words", "bits"), [("weights:int4", 4), ("weights:int8", 8)])
def test_weights_alone_leave_activations_as_they_are(words: str, bits: int) -> None:
    network, data = plain().eval(), Dots(5)
    expected = copy.deepcopy(network)
    with torch.no_grad():
        for place in (0, 2, 4):
            expected[place].weight.copy_(torch.from_numpy(rounded(network[place].weight, bits)))
        with Acting(network, [QuantizeAware(words)], CONTEXT):
            found = network(data.images)
        assert torch.allclose(found, expected(data.images), rtol=1e-5, atol=1e-6)


def test_dynamic_ranges_are_those_of_each_image() -> None:
    network, data = plain().eval(), Dots(6)
    data.images[3] *= 40
    with torch.no_grad(), Acting(network, [QuantizeAware("dynamic:int8")], CONTEXT) as acting:
        together = network(data.images)
        alone = torch.cat([network(image.unsqueeze(0)) for image in data.images])
        assert torch.allclose(together, alone, rtol=1e-4, atol=1e-4)
        acting.finish()
        plan = acting.plan()
    assert plan is not None
    assert [each.input for each in plan.layers] == [None] * 3


def test_between_steps_weights_are_those_that_train() -> None:
    network, data = plain(), Dots(6)
    before = copy.deepcopy(network.state_dict())
    with Acting(network.eval(), [QuantizeAware("weights:int4")], CONTEXT) as acting:
        with torch.no_grad():
            network(data.images)
        assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
        network.train()
        network(data.images).sum().backward()
        assert not torch.equal(network[0].weight, before["0.weight"])
        acting.after_backward()
        assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
        network(data.images)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("scales", ["observed", "learned"])
@pytest.mark.parametrize(("words", "bits"), [("static:int8", 8), ("weights:int4", 4)])
def test_in_the_end_weights_lie_on_the_grid_of_the_plan(words: str, bits: int, scales: Any) -> None:
    network = rich()
    acting, notes = run(network, [QuantizeAware(words, scales=scales)])
    assert notes[0].startswith(f"quantize_aware: 3 {words} layers, weights moved by 0.")
    plan, q = acting.plan(), 2 ** (bits - 1) - 1
    assert plan is not None
    for layer, place in zip(plan.layers, (0, 3, 7), strict=True):
        assert layer.layer == str(place)
        weight = network[place].weight.detach().numpy().astype(np.float64)
        shares = weight.reshape(len(weight), -1) / np.array(layer.scales)[:, None]
        assert np.abs(shares - np.rint(shares)).max() < q * 2**-22
        assert (np.abs(np.rint(shares)).max(1) == q).all()
        assert np.allclose(rounded(network[place].weight, bits), weight, rtol=2**-22, atol=0)
        assert (layer.input is not None) == (words == "static:int8")
    assert len(plan.outputs) == (1 if words == "static:int8" else 0)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=QuantizationPlan) == plan
    assert not any(
        module._forward_pre_hooks or module._forward_hooks for module in network.modules()
    )


def test_palettes_leave_few_values_and_keep_zeros() -> None:
    network = plain()
    with torch.no_grad():
        network[2].weight[:, 2:4] = 0
    acting, notes = run(network, [KeepZeros(layers=("2",)), QuantizeAware("weights:palette2")], 8)
    assert notes[1].startswith("quantize_aware: 3 weights:palette2 layers")
    plan = acting.plan()
    assert plan is not None
    for place, layer in zip((0, 2, 4), plan.layers, strict=True):
        assert network[place].weight.unique().tolist() == list(layer.table)
        assert 1 < len(layer.table) <= 4
    assert not network[2].weight[:, 2:4].any()


def test_palettes_before_norms_ask_for_folding() -> None:
    method = QuantizeAware("weights:palette4")
    with pytest.raises(
        RecipeError, match=r"^quantize_aware: 0\.weight: the batch norm behind.*fold"
    ):
        method.start(rich(), CONTEXT)
    method.start(plain(), CONTEXT).close()


@pytest.mark.parametrize("first", [0, 1])
def test_zeros_of_other_methods_stay_zeros(first: int) -> None:
    methods: list[During] = [
        QuantizeAware("weights:int4"),
        Sparsify(sparsity=0.5, schedule="one_shot"),
    ]
    network = rich()
    acting, _ = run(network, methods[first:] + methods[:first])
    for place in (0, 3, 7):
        assert float((network[place].weight == 0).float().mean()) >= 0.5
    assert acting.plan() is not None
    network = rich()
    with torch.no_grad():
        network[3].weight[:, 2:4] = 0
    run(network, [KeepZeros(), QuantizeAware()])
    assert not network[3].weight[:, 2:4].any()


def test_norms_keep_their_statistics_late() -> None:
    network, seen = rich(), []

    def each(step: int, optimizer: object) -> None:
        seen.append((network[1].training, network[1].running_mean.clone()))

    run(network, [QuantizeAware(freeze_norms_at=0.5)], each=each)
    modes, means = zip(*seen, strict=True)
    assert modes == (True, True, True, False, False, False)
    assert not torch.equal(means[1], means[2])
    assert torch.equal(means[2], means[5])
    assert network[1].training


def test_before_its_start_nothing_is_rounded_but_ranges_are_seen() -> None:
    network, expected, data = plain().train(), plain().train(), Dots(12)
    with Acting(network, [QuantizeAware(start_at=0.5)], CONTEXT) as acting:
        assert torch.equal(network(data.images), expected(data.images))
        assert acting.figures() == {"rounding": 0.0}
        acting.after_step(0.5)
        assert not torch.equal(network(data.images), expected(data.images))
        assert acting.figures()["rounding"] > 0
        acting.finish()
        plan = acting.plan()
    assert plan is not None
    [first, *_] = plan.layers
    assert first.input is not None
    assert first.input.high == pytest.approx(float(data.images.max()), rel=1e-5)


def test_a_training_that_ends_before_its_start_is_an_error() -> None:
    network = plain()
    before = network[0].weight.detach().clone()
    with (
        Acting(network, [QuantizeAware(start_at=0.5)], CONTEXT) as acting,
        pytest.raises(NoEffectError, match=r"ended at 0 of its length, before start_at 0\.5"),
    ):
        acting.finish()
    assert torch.equal(network[0].weight, before)


def test_evaluation_widens_no_range() -> None:
    network, data = plain().train(), Dots(12)
    with Acting(network, [QuantizeAware()], CONTEXT) as acting:
        network(data.images)
        before = copy.deepcopy(acting.state_dict())
        network.eval()
        network(100 * data.images)
        after = acting.state_dict()
    one, two = (each["methods"]["0"]["state"] for each in (before, after))
    assert all(torch.equal(one[k], two[k]) for k in one if isinstance(one[k], Tensor))


def test_ranges_move_by_a_hundredth_of_the_way() -> None:
    network, data = plain().train(), Dots(12)
    with Acting(network, [QuantizeAware()], CONTEXT) as acting:
        network(data.images)
        network(3 * data.images)
        acting.finish()
        plan = acting.plan()
    assert plan is not None
    found = plan.layers[0].input
    assert found is not None
    assert found.low == 0
    assert found.high == pytest.approx(1.02 * float(data.images.max()), rel=1e-5)


@pytest.mark.parametrize("words", ["static:int8", "dynamic:int8", "static:int8x16"])
def test_fewer_bits_of_the_network_do_not_coarsen_the_grid(words: str) -> None:
    network, data = plain().train(), Dots(12)
    with Acting(network, [QuantizeAware(words)], CONTEXT) as acting:
        with torch.autocast("cpu", torch.bfloat16):
            outputs = network(data.images)
        assert bool(outputs.isfinite().all())
        held = network[2].weight.detach().clone()
        outputs.float().sum().backward()
        acting.after_backward()
        expected = rounded(network[2].weight, 8)
    assert np.allclose(held.numpy(), expected, rtol=2**-21, atol=0)


def test_learned_steps_train() -> None:
    network = rich()
    acting, _ = run(network, [QuantizeAware("static:int8", scales="learned")])
    moved = [float((each.detach() - 1).abs().max()) for each in acting.parameters()]
    assert len(moved) == 6
    assert sum(each > 1e-4 for each in moved) >= 4


def test_copies_of_the_network_are_free_of_it() -> None:
    network, data = plain().train(), Dots(12)
    expected = copy.deepcopy(network)
    with Acting(network, [QuantizeAware("weights:int4")], CONTEXT):
        assert torch.equal(copy.deepcopy(network)(data.images), expected(data.images))


def test_mixed_forms_are_said_and_planned() -> None:
    method = QuantizeAware("weights:int4", layers={"0": "static:int8", "7": "float"})
    network = rich()
    before = network[7].weight.detach().clone()
    acting, notes = run(network, [method], 1, make=lambda p: torch.optim.SGD(p, 0.0))
    assert notes[0].startswith("quantize_aware: 1 static:int8, 1 weights:int4 layers; 1 left float")
    plan = acting.plan()
    assert plan is not None
    assert plan.forms == {"0": "static:int8", "3": "weights:int4", "7": "float"}
    assert torch.equal(network[7].weight, before)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"form": "weights:int3"}, "int of 3 bits does not exist"),
        ({"form": "float"}, "is no form"),
        ({"layers": {"0": "float16"}}, "float16 is no form to train for"),
    ],
)
def test_forms_are_checked_with_the_recipe(options: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        QuantizeAware(**options)


def test_it_acts_once_and_on_something() -> None:
    with pytest.raises(RecipeError, match="it acts in this training already"):
        run(rich(), [QuantizeAware(), QuantizeAware("weights:int4")])
    with pytest.raises(NoEffectError, match="no convolution or linear layer"):
        QuantizeAware().start(nn.Sequential(nn.ReLU()), CONTEXT)
    network = rich()
    run(network, [QuantizeAware()])
    run(network, [QuantizeAware()])


def test_a_range_without_end_is_an_error() -> None:
    network = plain().train()
    with Acting(network, [QuantizeAware()], CONTEXT) as acting:
        network(torch.full((2, 1, 8, 8), torch.inf))
        with pytest.raises(TrainingError, match=r"^quantize_aware: 0: its input reached infinity"):
            acting.finish()


def test_constant_activations_are_left_as_they_are() -> None:
    network = plain().train()
    with torch.no_grad(), Acting(network, [QuantizeAware()], CONTEXT):
        assert bool(network(torch.zeros(2, 1, 8, 8)).isfinite().all())


def test_a_checkpoint_of_another_recipe_is_refused() -> None:
    handle = QuantizeAware().start(plain(), CONTEXT)
    state = handle.state_dict()
    for method in (QuantizeAware("weights:int8"), QuantizeAware(scales="learned")):
        with pytest.raises(ModelError, match="the checkpoint is of another network or recipe"):
            method.start(plain(), CONTEXT).load_state_dict(state)


COURSES: dict[str, tuple[tuple[During, ...], OptimizerConfig]] = {
    "observed": (
        (Sparsify(sparsity=0.5), QuantizeAware(start_at=0.3, freeze_norms_at=0.5)),
        OptimizerConfig("sgd", 1e-2),
    ),
    "learned": (
        (
            QuantizeAware("static:int8", layers={"3": "weights:int4"}, scales="learned"),
            Distill(beta=0.3),
        ),
        OptimizerConfig("adam", 1e-2),
    ),
}


@pytest.mark.parametrize("kind", COURSES)
def test_stopped_and_resumed_it_ends_bit_for_bit_the_same(kind: str, tmp_path: Path) -> None:
    methods, optimizer = COURSES[kind]
    course = Course(3, 16, optimizer, 1)

    def trained(place: Context, *stops: Stop) -> tuple[Any, ...]:
        network = rich()
        found = fit(network, methods, course, replace(place, original=rich(1)), stops)
        return network.state_dict(), *found

    whole, history, notes = trained(context(tmp_path / "whole"))
    assert history.plan is not None
    for step in (1, 6, 7):
        with pytest.raises(StoppedError):
            trained(context(tmp_path / str(step)), Stop(step))
        found, same, words = trained(context(tmp_path / str(step), resume=True))
        assert (same, words) == (history, notes)
        assert all(torch.equal(value, found[name]) for name, value in whole.items())


def test_the_plan_is_in_the_report_of_the_training() -> None:
    step = Train(1, 16, during=({"kind": "quantize_aware", "form": "weights:int4"},))
    _, report = step.apply(rich(), context())
    assert report.plan is not None
    assert [len(each.scales) for each in report.plan.layers] == [8, 8, 3]
    again = msgspec.json.decode(msgspec.json.encode(report), type=type(report))
    assert again == report
    _, plain_report = Train(1, 16).apply(rich(), context())
    assert plain_report.plan is None
