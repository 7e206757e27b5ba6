"""Networks that take the mask of the frame before: how they are trained, judged, and acted upon."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from mobilekit.compress.base import Context, Training
from mobilekit.compress.during.distill import Distill
from mobilekit.compress.during.kernel_sparsity import KernelSparsity
from mobilekit.compress.during.sparsify import Sparsify
from mobilekit.compress.fitting.aims import Aim
from mobilekit.compress.fitting.course import Course
from mobilekit.compress.fitting.fit import fit
from mobilekit.compress.fitting.frames import (
    Frame,
    Judged,
    Moving,
    followed,
    mask_channels,
    unsteadiness,
)
from mobilekit.compress.fitting.module import Fitting
from mobilekit.compress.fitting.order import Moment
from mobilekit.compress.fitting.rates import OptimizerConfig
from mobilekit.compress.fitting.showing import Showing, Shown
from mobilekit.core.errors import ModelError, RecipeError
from mobilekit.data.augmentation.configs import Flip, PreviousMaskConfig
from mobilekit.data.face_labels import FACE_LABELS
from mobilekit.data.task import Labelled, Sample
from mobilekit.nets.catalog import MobileHourglassConfig
from mobilekit.nets.mobile_hourglass import build
from tests.compress.fitting.material import Stop, StoppedError, drawn

MASKS = PreviousMaskConfig()
SHOWING = Showing(previous_mask=MASKS)


class Squares(Dataset[Sample]):
    """A square of one class, in a channel of that class; noise below it."""

    def __init__(self, count: int, classes: int = 3) -> None:
        self.count, self.classes = count, classes

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        generator = torch.Generator().manual_seed(index)
        image = torch.rand(3, 16, 16, generator=generator) / 4
        top, left = torch.randint(1, 7, (2,), generator=generator).tolist()
        target = torch.zeros(16, 16, dtype=torch.int64)
        target[top : top + 8, left : left + 8] = 1 + index % (self.classes - 1)
        image[int(target.max()) % 3] += (target > 0) / 2
        return image, target


def squares(count: int, names: tuple[str, ...] = ("background", "left", "right")) -> Labelled:
    return Labelled("segmentation", names, Squares(count, len(names)), "squares")


def chances(folder: Path | None = None, channels: int = 3, **options: Any) -> Context:
    names = FACE_LABELS if channels == 10 else ("background", "left", "right")
    training = Training(squares(24, names), squares(8, names), folder=folder, **options)
    inputs = (torch.rand(1, 3, 16, 16), torch.zeros(1, channels, 16, 16))
    return Context(inputs=inputs, seed=1, training=training)


class Follower(nn.Module):
    """Two layers over the image and the mask."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.body = nn.Conv2d(3 + channels, 8, 3, padding=1)
        self.head = nn.Conv2d(8, 3, 1)
        drawn(self)

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        found: Tensor = self.head(torch.relu(self.body(torch.cat([image, previous_mask], 1))))
        return found


@pytest.mark.parametrize("channels", [1, 3])
def test_masks_of_the_training_are_made_of_the_augmented_target(channels: int) -> None:
    showing = Showing((Flip(1.0),), previous_mask=PreviousMaskConfig(0, 1, 0))
    shown = Shown(squares(4), showing, 0, 1, channels)
    frame, target = shown[Moment(2, 0, 0)]
    image, plain = squares(4)[2]
    assert isinstance(frame, Frame)
    assert torch.equal(frame.image, image.flip(-1))
    swapped = torch.tensor([0, 2, 1])[plain.flip(-1)]  # type: ignore[index,union-attr]
    assert torch.equal(target, swapped)
    assert frame.mask.shape == (channels, 16, 16)
    inside = frame.mask[0] > 0.5 if channels == 1 else frame.mask.argmax(0) == target.max()
    assert float((inside == (target > 0)).float().mean()) > 0.85


def test_kinds_are_mixed_and_the_same_in_the_same_epoch() -> None:
    shown = Shown(squares(60), SHOWING, 0, 1, 3)
    frames = [shown[Moment(i, 0, 0)][0] for i in range(60)]
    empty = sum(not bool(frame.mask.any()) for frame in frames)
    assert 7 <= empty <= 29  # 18 expected, three standard deviations
    assert all(
        torch.equal(frame.mask, shown[Moment(i, 0, 5)][0].mask) for i, frame in enumerate(frames)
    )
    later = [shown[Moment(i, 1, 0)][0].mask for i in range(60)]
    assert not all(torch.equal(frame.mask, mask) for frame, mask in zip(frames, later, strict=True))


def test_judged_masks_are_always_the_same_and_not_empty() -> None:
    judged = [Judged(squares(3), 3, 5) for _ in range(2)]
    for index in range(3):
        (one, target), (two, _) = (each[index] for each in judged)
        assert torch.equal(one.mask, two.mask)
        assert torch.equal(one.image, squares(3)[index][0])
        assert bool((one.mask.argmax(0) == target).float().mean() > 0.85)


class Believer(nn.Module):
    """Says what the mask says, and background where there is none; its weight counts for little."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(1))
        self.seen: list[tuple[Tensor, Tensor]] = []

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        if not self.training:
            self.seen.append((image, previous_mask))
        return previous_mask * 9 + self.scale * torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)


def test_metric_is_without_a_mask_and_the_figure_with_one() -> None:
    network = Believer()
    course = Course(1, 8, OptimizerConfig("sgd", 1e-6), showing=SHOWING)
    history, _ = fit(network, [], course, chances(statistics=((0.5,) * 3, (0.25,) * 3)))
    assert history.metric == "mean_iou"
    assert history.last.metric < 0.3  # background everywhere, at most
    assert history.last.figures["mean_iou_with_mask"] > 0.7
    (image, empty), (same, mask) = network.seen
    assert not empty.any()
    assert mask.any()
    assert torch.equal(image, same)
    assert float(mask.max()) <= 1  # only the image is normalized
    expected = torch.stack([(squares(8)[i][0] - 0.5) / 0.25 for i in range(8)])
    torch.testing.assert_close(image, expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_network_learns_to_follow(channels: int) -> None:
    course = Course(15, 4, OptimizerConfig("adam", 2e-2), showing=SHOWING)
    history, _ = fit(Follower(channels), [], course, chances(channels=channels))
    assert history.last.loss < history.epochs[0].loss
    assert history.last.metric > 0.5
    assert history.last.figures["mean_iou_with_mask"] > 0.5


def test_stopped_and_resumed_to_the_bit_with_any_number_of_workers(tmp_path: Path) -> None:
    course = Course(2, 8, checkpoint_every=1, showing=SHOWING)
    whole = Follower()
    history, _ = fit(whole, [Distill()], course, chances())
    workers = Course(2, 8, checkpoint_every=1, workers=2, showing=SHOWING)
    with pytest.raises(StoppedError):
        fit(Follower(), [Distill()], workers, chances(tmp_path), [Stop(4)])
    found = Follower()
    same, _ = fit(found, [Distill()], course, chances(tmp_path, resume=True))
    assert same == history
    assert all(map(torch.equal, whole.state_dict().values(), found.state_dict().values()))


@pytest.mark.parametrize("channels", [1, 10])
def test_mobile_hourglass_of_videos_trains_with_methods(channels: int) -> None:
    config = MobileHourglassConfig(
        features=4, expansion=1, stem="light", previous_mask=channels, dense_tail=True, size=16  # type: ignore[arg-type]
    )  # fmt: skip
    network, teacher = drawn(build(config)), drawn(build(config), 1)
    inputs = (torch.rand(1, 3, 16, 16), torch.zeros(1, channels, 16, 16))
    training = Training(squares(16, FACE_LABELS), squares(4, FACE_LABELS))
    context = Context(inputs=inputs, training=training, original=teacher)
    methods = [
        Distill(features="fitnet", pairs={"stem.0": "stem.0"}),
        KernelSparsity(strength=0.01, threshold=0.0),
        Sparsify(sparsity=0.5),
    ]
    history, notes = fit(network, methods, Course(2, 8, showing=SHOWING), context)
    assert all(math.isfinite(epoch.loss) for epoch in history.epochs)
    assert history.last.figures["distillation"] > 0
    assert notes[0].startswith("distill: soft_target, fitnet of 1 pairs")
    assert any(note.startswith("sparsify: ") for note in notes)


def two(channels: int = 3) -> tuple[Tensor, ...]:
    return torch.zeros(1, 3, 16, 16), torch.zeros(1, channels, 16, 16)


def test_channels_are_those_of_the_network() -> None:
    assert mask_channels(None, squares(4), two()[:1]) == 0
    assert mask_channels(MASKS, squares(4), two()) == 3
    assert mask_channels(MASKS, squares(4), two(1)) == 1


def test_network_data_and_option_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(RecipeError, match="the network takes a mask of the frame before; say how"):
        mask_channels(None, squares(4), two())
    with pytest.raises(
        RecipeError, match="previous_mask is set, but the network has no input for it"
    ):
        mask_channels(MASKS, squares(4), two()[:1])
    with pytest.raises(ModelError, match="mask has 10 channels; squares has 3 classes"):
        mask_channels(MASKS, squares(4), two(10))
    kinds = Labelled("classification", ("one", "two"), Squares(2), "kinds")
    with pytest.raises(RecipeError, match="previous_mask is made of the masks of a segmentation"):
        mask_channels(MASKS, kinds, two())


def test_network_that_does_not_take_the_mask_is_refused() -> None:
    with pytest.raises(ModelError, match=r"images \[1, 3, 16, 16\] and \[1, 3, 16, 16\]: "):
        fit(Follower(1), [], Course(1, 8, showing=SHOWING), chances())


OWN = PreviousMaskConfig(0.2, 0.2, 0.1, 0.5)


def batch(own: Tensor, channels: int = 3, dtype: torch.dtype = torch.float32) -> Moving:
    """Frames of noise; where they are the network's own, all but a corner is still."""
    count = len(own)
    now, before = torch.rand(2, count, 3, 16, 16, dtype=dtype)
    still = own[:, None, None].repeat(1, 16, 16)
    still[:, :4, :4] = False
    return Moving(now, torch.rand(count, channels, 16, 16, dtype=dtype), before, own, still)


def test_own_masks_are_what_the_network_makes_of_the_frame_before() -> None:
    network = Follower().train()
    own = torch.tensor([True, False, True])
    moving = batch(own)
    frame, found = followed(network, moving)
    assert network.training
    assert torch.equal(frame.image, moving.image)
    assert torch.equal(frame.mask[1], moving.mask[1])
    with torch.no_grad():
        expected = network(moving.before, moving.mask).softmax(1)
    torch.testing.assert_close(frame.mask[own], expected[own])
    assert torch.equal(found, frame.mask[own])
    assert not frame.mask.requires_grad


def test_own_masks_of_one_channel_are_the_face() -> None:
    network = Follower(1)
    moving = batch(torch.tensor([True] * 2), channels=1)
    with torch.no_grad():
        expected = network(moving.before, moving.mask).softmax(1)
    frame, found = followed(network, moving)
    torch.testing.assert_close(frame.mask, expected[:, 1:].sum(1, keepdim=True))
    torch.testing.assert_close(found, expected)


def test_own_masks_leave_gradients_in_16_bits() -> None:
    """Autocast keeps the weights of a run without gradients, and would hand them to the next."""
    network = Follower()
    with torch.autocast("cpu", torch.bfloat16):
        frame, _ = followed(network, batch(torch.tensor([True] * 2)))
        network(*frame).float().square().mean().backward()
    assert all(
        parameter.grad is not None and bool(parameter.grad.any())
        for parameter in network.parameters()
    )


def test_own_masks_come_as_often_as_asked_and_the_same_in_the_same_epoch() -> None:
    shown = Shown(squares(60), Showing(previous_mask=OWN), 0, 1, 3)
    frames = [shown[Moment(i, 0, 0)][0] for i in range(60)]
    own = [frame for frame in frames if frame.own]
    assert 18 <= len(own) <= 42  # 30 expected, three standard deviations
    assert all(bool(frame.mask.any()) for frame in own)
    assert not any(torch.equal(frame.image, frame.before) for frame in own)
    for index, frame in enumerate(frames):
        assert all(map(torch.equal, frame, shown[Moment(index, 0, 5)][0]))


@pytest.mark.parametrize("channels", [1, 3])
def test_network_learns_from_its_own_masks(channels: int, tmp_path: Path) -> None:
    showing = Showing(previous_mask=OWN)
    course = Course(15, 4, OptimizerConfig("adam", 2e-2), checkpoint_every=1, showing=showing)
    whole = Follower(channels)
    statistics = ((0.5,) * 3, (0.25,) * 3)
    history, _ = fit(whole, [], course, chances(channels=channels, statistics=statistics))
    assert history.last.metric > 0.5
    assert history.last.figures["mean_iou_with_mask"] > 0.5
    with pytest.raises(StoppedError):
        fit(Follower(channels), [], course, chances(tmp_path, channels, statistics=statistics), [Stop(40)])  # fmt: skip
    found = Follower(channels)
    fit(found, [], course, chances(tmp_path, channels, statistics=statistics, resume=True))
    assert all(map(torch.equal, whole.state_dict().values(), found.state_dict().values()))


def test_own_masks_are_as_large_and_as_exact_as_the_mask_that_is_asked_for() -> None:
    class Coarse(Follower):
        def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
            return super().forward(image, previous_mask)[..., ::2, ::2]

    network = Coarse().double()
    own = torch.tensor([True, True])
    moving = batch(own, dtype=torch.float64)
    frame, _ = followed(network, moving)
    logits = network(*frame)
    assert logits.shape[2:] == (8, 8)
    with torch.no_grad():
        network.head.weight.mul_(30)
        same = moving._replace(before=moving.image)
        _, before = followed(network, same)
        again = network(same.image, same.mask)
        assert float(unsteadiness(again, before, same)) == pytest.approx(0, abs=1e-5)
        assert float(unsteadiness(logits, before, same)) > 0.01
    assert frame.mask.shape == (2, 3, 16, 16)
    assert frame.mask.dtype == torch.float64
    torch.testing.assert_close(frame.mask.sum(1), torch.ones(2, 16, 16, dtype=torch.float64))


def test_unsteadiness_is_the_divergence_over_still_pixels() -> None:
    own = torch.tensor([True, False, True])
    moving = batch(own)
    logits = torch.randn(3, 3, 16, 16, requires_grad=True)
    before = torch.randn(2, 3, 16, 16).softmax(1)
    now = logits[own].softmax(1)
    each = (before * (before.log() - now.log())).sum(1)
    corner = torch.ones(16, 16, dtype=torch.bool)
    corner[:4, :4] = False
    found = unsteadiness(logits, before, moving)
    torch.testing.assert_close(found, each[:, corner].mean())
    found.backward()
    assert logits.grad is not None
    assert not logits.grad[1].any()
    assert not logits.grad[:, :, :4, :4].any()
    same = torch.zeros(3, 3, 16, 16)
    same[own] = before.log()
    assert float(unsteadiness(same, before, moving)) == pytest.approx(0, abs=1e-6)


def test_nothing_own_or_nothing_still_is_steady() -> None:
    none = batch(torch.tensor([False, False]))
    _, found = followed(Follower(), none)
    assert found.shape[0] == 0
    assert float(unsteadiness(torch.rand(2, 3, 16, 16), found, none)) == 0
    moved = batch(torch.tensor([True]))._replace(still=torch.zeros(1, 16, 16, dtype=torch.bool))
    before = torch.rand(1, 3, 16, 16).softmax(1)
    assert float(unsteadiness(torch.rand(1, 3, 16, 16), before, moved)) == 0


def test_loss_of_a_step_has_the_unsteadiness_at_its_weight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Fitting, "log", lambda *_: None)
    network, moving = Follower(), batch(torch.tensor([True, False, True]))
    target = torch.randint(0, 3, (3, 16, 16))
    with torch.no_grad():
        before = network(moving.before, moving.mask).softmax(1)[moving.own]
        shown = moving.mask.clone()
        shown[moving.own] = before
        logits = network(moving.image, shown)
        plain = nn.functional.cross_entropy(logits, target)
        expected = plain + 3 * unsteadiness(logits, before, moving)
    for steady, wanted in ((0.0, plain), (3.0, expected)):
        fitting = Fitting(
            network, nn.ModuleList(), squares(3), OptimizerConfig(), None, Aim(steady=steady)
        )
        torch.testing.assert_close(fitting.training_step((moving, target), 0).detach(), wanted)


@pytest.mark.parametrize("steady", [0.0, 2.0])
def test_steadiness_of_a_recipe_reaches_the_loss(steady: float) -> None:
    masks = PreviousMaskConfig(0.2, 0.2, 0.1, 0.5, steady)
    course = Course(1, 8, OptimizerConfig("sgd", 1e-9), showing=Showing(previous_mask=masks))
    history, _ = fit(Follower(), [], course, chances())
    plain, _ = fit(Follower(), [], replace(course, showing=Showing(previous_mask=OWN)), chances())
    more = history.last.loss - plain.last.loss
    assert more > 1e-3 if steady else more == 0


def test_steadiness_without_own_masks_is_refused() -> None:
    with pytest.raises(RecipeError, match="steady holds answers to own masks, and own is 0"):
        PreviousMaskConfig(steady=1.0)
