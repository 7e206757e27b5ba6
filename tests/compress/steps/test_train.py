"""The step `train`: a new network, its report, and what it refuses."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from mobilekit.compress.base import Context
from mobilekit.compress.fitting.rates import OptimizerConfig
from mobilekit.compress.registry import step_of
from mobilekit.compress.steps.train import Train
from mobilekit.core.errors import (
    DataError,
    MobilekitError,
    NoEffectError,
    RecipeError,
    TrainingError,
)
from tests.compress.fitting.material import Stop, StoppedError, context, plain, rich

STEP = Train(
    epochs=4, batch_size=10, optimizer=OptimizerConfig("adam", 1e-2),
    during=({"kind": "sparsify", "sparsity": 0.75}, {"kind": "distill", "beta": 0.2}),
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_copy_is_trained_and_the_given_network_left_as_found() -> None:
    network = rich().eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    result, report = STEP.apply(network, context())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert result is not network
    assert not result.training
    assert all(parameter.grad is None for parameter in result.parameters())
    zeros = sum(int((result[place].weight == 0).sum()) for place in (0, 3, 7))
    assert zeros == 774
    assert report.kind == "train"
    assert report.params_before == report.params_after
    said, sparse, taught = report.notes
    assert said.startswith("accuracy ")
    assert " after 4 epochs on 70 dots, sparsity 0.75, " in said
    assert sparse.startswith("sparsify: 774 of 1,032 groups are zero")
    assert taught == "distill: soft_target, beta 0.2"


def test_the_precision_that_was_asked_for_is_noted() -> None:
    plain = context()
    assert plain.training is not None
    flagged = replace(plain, training=replace(plain.training, flags={"precision": "bf16-mixed"}))
    _, report = msgspec.structs.replace(STEP, epochs=1).apply(rich(), flagged)
    assert report.notes[1] == "trained with --precision bf16-mixed"


def test_folder_has_history_and_checkpoint_and_is_gone_on_from(tmp_path: Path) -> None:
    expected, report = STEP.apply(rich(), context(tmp_path / "whole", digest="a"))
    step = msgspec.structs.replace(STEP, checkpoint_every=2)
    folder = tmp_path / "stopped"
    place = context(folder, digest="a")
    from mobilekit.compress.fitting.fit import Course, fit

    course = Course(4, 10, step.optimizer, step.checkpoint_every)
    with pytest.raises(StoppedError):
        fit(rich(), step.methods("train"), course, place, [Stop(9)])
    assert place.training is not None
    again = replace(place, training=replace(place.training, resume=True))
    result, same = step.apply(rich(), again)
    assert same == report
    for name, value in expected.state_dict().items():
        assert torch.equal(result.state_dict()[name], value), name
    history = json.loads((folder / "history.json").read_text())
    assert [epoch["epoch"] for epoch in history["epochs"]] == [1, 2, 3, 4]
    assert history["epochs"][-1]["figures"]["sparsity"] == 0.75


def test_channels_lie_last_while_it_trains_and_the_result_is_near() -> None:
    course = Train(1, 10, OptimizerConfig("sgd", 1e-2), channels_last=True)
    seen: list[bool] = []
    network = plain()
    network[2].register_forward_pre_hook(
        lambda part, _given: seen.append(
            part.weight.is_contiguous(memory_format=torch.channels_last)
        )
    )
    fast, _ = course.apply(network, context())
    plain_one, _ = msgspec.structs.replace(course, channels_last=False).apply(network, context())
    assert any(seen)
    for one, other in zip(fast.parameters(), plain_one.parameters(), strict=True):
        assert one.is_contiguous()
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-4)


def test_frozen_networks_and_missing_data_are_refused() -> None:
    with pytest.raises(NoEffectError, match="train: no parameter of the network trains"):
        Train().apply(plain().requires_grad_(requires_grad=False), context())
    with pytest.raises(DataError, match=r"train: the recipe names no data set; add data = \{"):
        Train().apply(plain(), Context(inputs=()))
    with pytest.raises(DataError, match="has 70 images, fewer than a batch of 100"):
        Train(batch_size=100).apply(plain(), context())
    with pytest.raises(TrainingError, match="there is no checkpoint to go on from"):
        Train().apply(plain(), context(resume=True))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"during": [{"kind": "sparsfy"}]},
            r"during\[0\]: unknown method 'sparsfy'.* mean sparsify\?",
        ),
        (
            {"during": [{"kind": "distill"}, {"kind": "lottery", "round": 2}]},
            r"during\[1\]: .*`round`",
        ),
        ({"during": [{"kind": "distill", "beta": 2}]}, r"during\[0\]: .*<= 1.0 - at `\$\.beta`"),
        ({"epochs": 0}, r">= 1 - at `\$\.epochs`"),
        ({"optimizer": {"kind": "sgdd"}}, r"'sgdd' - at `\$\.optimizer\.kind`"),
        ({"optimizer": {"rate": 1}}, r"`rate` - at `\$\.optimizer`"),
        ({"clip": -1}, r">= 0.0 - at `\$\.clip`"),
        ({"augment": [{"kind": "flop"}]}, r"'flop' - at `\$\.augment\[0\]\.kind`"),
        ({"augment": [{"kind": "flip", "p": 1}]}, r"`p` - at `\$\.augment\[0\]`"),
        ({"augment": [{"kind": "affine", "scale": [2, 1]}]}, r"affine: scale is a least and a"),
        ({"mixup": -0.4}, r">= 0.0 - at `\$\.mixup`"),
        ({"label_smoothing": 1.0}, r"< 1.0 - at `\$\.label_smoothing`"),
        ({"class_weights": 3}, r"<= 2.0 - at `\$\.class_weights`"),
        ({"progressive": "thesis"}, r"bool.* - at `\$\.progressive`"),
        ({"previous_mask": {"empty": 0.5}}, r"previous_mask: the shares add to 1\.2, not to 1"),
        ({"previous_mask": {"none": 0.5}}, r"`none` - at `\$\.previous_mask`"),
        (
            {"keep_best": True, "during": [{"kind": "distill"}, {"kind": "sparsify"}]},
            r"keep_best could go back to before sparsify was done",
        ),
    ],
)
def test_wrong_options_are_named_with_their_place(options: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=r"^steps\[2\]: .*" + words):
        step_of({"kind": "train", **options}, "steps[2]")


def test_options_come_back_as_they_went() -> None:
    assert msgspec.json.decode(msgspec.json.encode(STEP), type=Train) == STEP


FULL: dict[str, Any] = {
    "augment": [{"kind": "flip"}, {"kind": "affine"}, {"kind": "erase"}],
    "mixup": 0.4,
    "label_smoothing": 0.1,
    "class_weights": 0.35,
    "progressive": True,
    "keep_best": True,
}


def test_what_changes_images_and_losses_comes_from_the_recipe() -> None:
    options = {"kind": "train", "epochs": 3, "batch_size": 10, **FULL}
    step = step_of(options, "steps[0]")
    assert isinstance(step, Train)
    assert msgspec.json.decode(msgspec.json.encode(step), type=Train) == step
    results = [step.apply(rich(), context()) for _ in range(2)]
    one, same = (result.state_dict() for result, _ in results)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert re.match(
        r"accuracy 0\.\d+ after \d epochs, the best of 3, on 70 dots", results[0][1].notes[0]
    )
    for name in set(FULL) - {"keep_best"}:
        less = step_of({key: value for key, value in options.items() if key != name}, "steps[0]")
        other, _ = less.apply(rich(), context())
        assert not torch.equal(other.state_dict()["0.weight"], one["0.weight"]), name


def test_network_of_several_inputs_needs_masks_said() -> None:
    place = context()
    place = replace(place, inputs=(*place.inputs, place.inputs[0]))
    step = step_of({"kind": "train", "previous_mask": {}}, "steps[0]")
    with pytest.raises(RecipeError, match="train: previous_mask is made of the masks of a segm"):
        step.apply(plain(), place)


def test_methods_that_cannot_act_end_the_step_before_it_trains(tmp_path: Path) -> None:
    step = Train(during=({"kind": "keep_zeros"},))
    with pytest.raises(MobilekitError, match="keep_zeros: no weight is zero"):
        step.apply(plain(), context(tmp_path))
    assert not (tmp_path / "history.json").exists()
