"""Images are shown by seed and moment alone: with any number of workers, and after any stop."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from mobilekit.compress.base import Context, Training
from mobilekit.compress.fitting.course import Course
from mobilekit.compress.fitting.fit import fit
from mobilekit.compress.fitting.module import collate_detection
from mobilekit.compress.fitting.order import Moment, Moments, Order, Resumable
from mobilekit.compress.fitting.showing import Showing, Shown
from mobilekit.core.errors import RecipeError
from mobilekit.data import distortions
from mobilekit.data.augmentation.configs import Affine, Colour, Erase, Flip
from mobilekit.data.task import Labelled, Sample
from tests.compress.fitting.material import Stop, StoppedError, context, drawn, rich

GREY = (Flip(), Affine(), Colour(saturation=0, hue=0), Erase())
ALL = Showing(GREY, progressive=True, mixup=0.4)


class Colours(Dataset[Sample]):
    """Coloured noise, labelled by its brightest channel."""

    def __init__(self, count: int, channels: int = 3) -> None:
        self.images = torch.rand(
            count, channels, 8, 8, generator=torch.Generator().manual_seed(count)
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        image = self.images[index]
        return image, image.mean((1, 2)).argmax()


def colours(count: int = 40) -> Labelled:
    return Labelled("classification", ("red", "green", "blue"), Colours(count), "colours")


def network() -> nn.Module:
    return drawn(
        nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.SiLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(288, 3)
        )
    )


def chances(folder: Path | None = None, **options: Any) -> Context:
    training = Training(colours(), colours(12), folder=folder, **options)
    return Context(inputs=(torch.ones(1, 3, 8, 8),), seed=1, training=training)


def batches(workers: int, showing: Showing = ALL, epochs: Sequence[int] = (0, 1)) -> list[Any]:
    order = Order(40, 10, 7)
    shown = Shown(colours(), showing, 7, 8)
    loader = Resumable(
        shown, order, 10, True, num_workers=workers, persistent_workers=workers > 0,
        generator=torch.Generator(),
    )  # fmt: skip
    found = []
    for epoch in epochs:
        order.set_epoch(epoch)
        found += list(loader)
    return found


def same(one: Any, two: Any) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, two)
    return len(one) == len(two) and all(map(same, one, two))


def test_number_of_workers_changes_no_bit() -> None:
    alone = batches(0)
    assert len(alone) == 8
    assert same(alone, batches(2))
    assert not same(alone[:4], alone[4:])  # another epoch, other images


def test_epoch_that_is_begun_amid_the_training_is_the_same() -> None:
    assert same(batches(0)[4:], batches(0, epochs=(1,)))


def test_image_is_shown_otherwise_in_each_epoch_and_alike_in_the_same() -> None:
    shown = Shown(colours(), Showing(GREY), 7, 8)
    first, again, later = (
        shown[Moment(3, epoch, step)] for epoch, step in ((0, 0), (0, 3), (1, 4))
    )
    assert torch.equal(first[0], again[0])  # whichever step it falls on
    assert not torch.equal(first[0], later[0])
    other = Shown(colours(), Showing(GREY), 8, 8)[Moment(3, 0, 0)]
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("workers", [0, 2])
def test_resumed_to_the_bit_with_all_of_it(tmp_path: Path, workers: int) -> None:
    course = Course(3, 10, checkpoint_every=1, workers=workers, showing=ALL, label_smoothing=0.1)
    whole = network()
    history, _ = fit(whole, [], replace(course, workers=0), chances())
    folder = tmp_path / "stopped"
    with pytest.raises(StoppedError):
        fit(network(), [], course, chances(folder), [Stop(6)])
    found = network()
    same_history, _ = fit(found, [], course, chances(folder, resume=True))
    assert same_history == history
    for name, value in whole.state_dict().items():
        assert torch.equal(value, found.state_dict()[name]), name


def test_options_that_are_off_change_no_bit() -> None:
    plain, zero = rich(), rich()
    fit(plain, [], Course(2, 20), context())
    fit(zero, [], Course(2, 20, showing=Showing((), False, 0.0, None)), context())
    assert all(map(torch.equal, plain.state_dict().values(), zero.state_dict().values()))


def test_thirds_of_the_training_are_distorted_more(monkeypatch: pytest.MonkeyPatch) -> None:
    stages: list[int] = []

    def noted(image: Tensor, stage: int, _rng: object) -> Tensor:
        stages.append(stage)
        return image

    monkeypatch.setattr("mobilekit.compress.fitting.showing.distorted", noted)
    shown = Shown(colours(), Showing(progressive=True), 0, 9)
    order = Order(40, 10, 0)
    for epoch in range(3):
        order.set_epoch(epoch)
        for moment in Moments(order):
            shown[moment]
    # 12 steps in three epochs of 4, of a training of 9: the rest is of the last third
    assert [stages[10 * step] for step in range(12)] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2]


def test_distortions_are_those_of_the_stage() -> None:
    shown = Shown(colours(), Showing(progressive=True), 4, 3)
    plain = [colours()[i][0] for i in range(40)]
    distance = [
        float(
            torch.stack(
                [(shown[Moment(i, 0, stage)][0] - plain[i]).abs().mean() for i in range(40)]
            ).mean()
        )
        for stage in range(3)
    ]
    assert distance[0] > 0
    assert distance[2] > distance[0]
    assert distortions.THIRDS.at(0) != distortions.THIRDS.at(2)


def test_judged_images_are_never_changed() -> None:
    seen: list[Tensor] = []

    made = network()
    made[0].register_forward_pre_hook(  # type: ignore[index,operator]
        lambda layer, inputs: None if layer.training else seen.append(inputs[0])
    )
    fit(made, [], Course(2, 10, showing=ALL), chances())
    expected = torch.stack([colours(12)[i][0] for i in range(12)])
    judged = torch.cat(seen[1:])  # first: one image, to see whether the network takes it
    assert torch.equal(judged, torch.cat([expected, expected]))


class Boxes(Dataset[Sample]):
    """A bright box at the left edge."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Sample:
        image = torch.zeros(3, 8, 10 + index)
        image[:, 2:6, :3] = 1
        return image, {"boxes": torch.tensor([[0.0, 2, 3, 6]]), "labels": torch.tensor([1])}


def test_boxes_of_images_of_any_size_follow() -> None:
    data = Labelled("detection", ("left thing", "right thing"), Boxes(), "boxes")
    shown = Shown(data, Showing((Flip(1.0),)), 0, 2)
    loader = Resumable(
        shown, Order(4, 2, 0), 2, True, generator=torch.Generator(), collate_fn=collate_detection
    )
    for images, targets in loader:
        for image, target in zip(images, targets, strict=True):
            left, top, right, bottom = target["boxes"][0].int().tolist()
            assert right == image.shape[2]
            assert bool((image[:, top:bottom, left:right] == 1).all())
            assert float(image.sum()) == 3 * 4 * 3
            assert target["labels"].tolist() == [2]


@pytest.mark.parametrize(
    ("showing", "words"),
    [
        (
            Showing(mixup=0.4),
            "train: mixup mixes the classes of images; the data are a segmentation",
        ),
        (
            Showing(progressive=True),
            "train: progressive warps images, and what a segmentation marks",
        ),
        (Showing((Flip(),)), "flip: class 'left eye' becomes 'right eye'"),
    ],
)
def test_data_that_cannot_be_shown_so_are_refused(showing: Showing, words: str) -> None:
    data = Labelled("segmentation", ("background", "left eye"), Colours(4), "faces")
    with pytest.raises(RecipeError, match=words):
        Shown(data, showing, 0, 1)
