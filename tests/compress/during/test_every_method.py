"""What holds of every method that acts while a network trains, found by their files."""

import contextlib
import copy
import importlib
import io
from dataclasses import replace
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor, nn

from mobilekit.compress.acting import Acting
from mobilekit.compress.base import Context
from mobilekit.compress.registry import during_of, methods, options_of
from mobilekit.core.errors import NoEffectError, RecipeError
from tests.compress.during.stepping import INPUTS, run
from tests.compress.fitting.material import rich

KINDS = [method.kind for method in methods() if method.place == "during"]
HEADINGS = ("What it does:", "When to use it:", "When not:", "Source:")


def network() -> nn.Sequential:
    made = rich()
    with torch.no_grad():
        made[3].weight[2:4] = 0  # for methods that keep what is zero
    return made


def test_there_are_the_known_ones() -> None:
    known = {
        "distill", "group_penalty", "keep_zeros", "kernel_sparsity", "lottery", "quantize_aware",
        "share_weights", "sparsify",
    }  # fmt: skip
    assert known <= set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_options_come_back_as_they_went(kind: str) -> None:
    made = during_of({"kind": kind}, "steps[0]")
    assert isinstance(made, msgspec.Struct)
    text = msgspec.json.encode(made)
    assert msgspec.json.decode(text, type=options_of(kind)) == made
    again = during_of({"kind": kind, **msgspec.to_builtins(made)}, "steps[0]")
    assert again == made


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_option_is_named_with_its_place(kind: str) -> None:
    with pytest.raises(RecipeError, match=r"steps\[1\]\.during\[0\].*wrong_option"):
        during_of({"kind": kind, "wrong_option": 1}, "steps[1].during[0]")


@pytest.mark.parametrize("kind", KINDS)
def test_module_says_what_when_when_not_and_source(kind: str) -> None:
    words = importlib.import_module(f"mobilekit.compress.during.{kind}").__doc__ or ""
    places = [words.find(f"\n{heading}\n") for heading in HEADINGS]
    assert places == sorted(places)
    assert min(places) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_gives_the_same_bits(kind: str) -> None:
    results = []
    for _ in range(2):
        torch.rand(3)
        made = network()
        made[5] = nn.Identity()  # dropout draws from the global generator by design
        run(made, [during_of({"kind": kind}, "during")])
        results.append(made.state_dict())
    for name, value in results[0].items():
        assert torch.equal(value, results[1][name]), name


@pytest.mark.parametrize("kind", KINDS)
def test_starting_and_finishing_leave_the_network_as_found(kind: str) -> None:
    made = network().eval()
    made[5].train()
    before = copy.deepcopy(made.state_dict())
    modes = [module.training for module in made.modules()]
    asked = [parameter.requires_grad for parameter in made.parameters()]
    randomness = torch.get_rng_state()
    with Acting(made, [during_of({"kind": kind}, "during")], Context(INPUTS)) as acting:
        assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())
        with contextlib.suppress(NoEffectError):  # not one step was taken
            acting.finish()
    assert torch.equal(torch.get_rng_state(), randomness)
    assert [module.training for module in made.modules()] == modes
    assert [parameter.requires_grad for parameter in made.parameters()] == asked
    assert all(parameter.grad is None for parameter in made.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in made.modules())


def tensors(content: object) -> list[Tensor]:
    if isinstance(content, Tensor):
        return [content]
    if isinstance(content, dict):
        return [each for value in content.values() for each in tensors(value)]
    return []


def moved(handle: Any) -> list[Tensor]:
    """Move the weights that a handle knows to `meta`, which stands in for a device; return what must follow."""

    def away(group: Any) -> Any:
        return replace(group, weight=group.weight.to("meta"))

    if hasattr(handle, "sparsifier"):
        made = handle.sparsifier
        made.groups = [away(group) for group in made.groups]
        handle.settle()
        return [*made.dead, *made._reference.values()]
    if hasattr(handle, "filters"):
        handle.filters = [away(layer) for layer in handle.filters]
        handle.settle()
        return list(handle.dead.values())
    if hasattr(handle, "_members"):
        handle._members = [away(member) for member in handle._members]
        handle.settle()
        return [member.channels for member in handle._members]
    if hasattr(handle, "_clusters"):
        handle._groups = [away(group) for group in handle._groups]
        handle.settle()
        return list(handle._clusters.values())
    handle._dead = [(away(group), dead) for group, dead in handle._dead]
    handle.settle()
    return [dead for _, dead in handle._dead]


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "sparsify"},
        {"kind": "sparsify", "criterion": "movement"},
        {"kind": "lottery"},
        {"kind": "keep_zeros"},
        {"kind": "share_weights", "bits": 3},
        {"kind": "kernel_sparsity", "threshold": 0.3},
        {"kind": "group_penalty", "coupled": True},
    ],
    ids=str,
)
def test_masks_follow_the_network_to_another_device(options: dict[str, Any]) -> None:
    handle = during_of(options, "during").start(network(), Context(INPUTS))
    handle.after_epoch(1.0)
    found = moved(handle)
    assert found
    assert all(each.device.type == "meta" for each in found)


@pytest.mark.parametrize("kind", KINDS)
def test_state_is_tensors_numbers_and_texts_and_is_taken_back(kind: str, tmp_path: object) -> None:
    acting, _ = run(network(), [during_of({"kind": kind}, "during")], 4)
    written = io.BytesIO()
    torch.save(acting.state_dict(), written)
    written.seek(0)
    state = torch.load(written, weights_only=True)
    with Acting(network(), [during_of({"kind": kind}, "during")], Context(INPUTS)) as other:
        other.load_state_dict(state)
        again = tensors(other.state_dict())
    assert len(again) == len(tensors(state))
    for one, two in zip(again, tensors(state), strict=True):
        assert torch.equal(one, two)
    assert all(isinstance(value, float) for value in acting.figures().values())
