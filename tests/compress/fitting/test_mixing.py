"""Mixup: images, and the loss of two targets, against the closed form."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from mobilekit.compress.during.distill import Distill
from mobilekit.compress.fitting.aims import Aim
from mobilekit.compress.fitting.course import Course
from mobilekit.compress.fitting.fit import fit
from mobilekit.compress.fitting.mixing import Mixed, mixed
from mobilekit.compress.fitting.showing import Showing
from mobilekit.compress.fitting.tasks import task_loss
from mobilekit.core.errors import RecipeError
from tests.compress.fitting.material import Dots, context, plain


def batch(alpha: float = 0.4, seed: int = 3) -> tuple[Tensor, Mixed, float, list[int]]:
    """Return a mixed batch of six, its share and the order of the others, drawn here again."""
    dots, generator = Dots(6), np.random.default_rng(seed)
    share = float(generator.beta(alpha, alpha))
    others = generator.permutation(6).tolist()
    images, targets = default_collate(
        mixed([dots[i] for i in range(6)], alpha, np.random.default_rng(seed))
    )
    assert isinstance(targets, Mixed)
    return images, targets, share, others


def test_images_are_mixed_by_one_share_and_keep_both_targets() -> None:
    images, targets, share, others = batch()
    dots = Dots(6)
    expected = share * dots.images + (1 - share) * dots.images[others]
    torch.testing.assert_close(images, expected)
    assert torch.equal(targets.first, dots.labels)
    assert torch.equal(targets.second, dots.labels[others])
    torch.testing.assert_close(targets.share, torch.full((6,), share))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_is_that_of_the_mixed_labels(smoothing: float) -> None:
    """Cross-entropy is linear in the label: both losses mixed are the loss of λ·one-hot + (1 − λ)·one-hot'."""
    images, targets, share, _ = batch()
    network = plain()
    found = task_loss("classification", network, images, targets, Aim(smoothing))
    hot = nn.functional.one_hot
    label = share * hot(targets.first, 3) + (1 - share) * hot(targets.second, 3)
    label = label * (1 - smoothing) + smoothing / 3
    expected = -(label * network(images).log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(found, expected.to(found.dtype), rtol=1e-5, atol=1e-6)


def test_share_of_one_is_no_mixing() -> None:
    images, targets, _, _ = batch()
    alone = task_loss("classification", plain(), images, targets.first)
    whole = targets._replace(share=torch.ones(6))
    torch.testing.assert_close(task_loss("classification", plain(), images, whole), alone)


def test_training_mixes_anew_each_step_and_judges_images_as_they_are() -> None:
    seen: list[Tensor] = []
    network = plain()
    network[0].register_forward_pre_hook(lambda _layer, inputs: seen.append(inputs[0]))
    course = Course(2, 10, showing=Showing(mixup=0.4))
    history, _ = fit(
        network, [Distill()], course, context()
    )  # a teacher takes mixed images as well
    assert all(math.isfinite(epoch.loss) for epoch in history.epochs)
    known = {image.sum().item() for image in Dots(70).images}
    trained = [images for images in seen if len(images) == 10]
    same = [sum(image.sum().item() in known for image in images) for images in trained]
    assert sum(same) < 0.4 * 10 * len(trained)  # an image is mixed with itself once in ten
    judged = [images for images in seen if len(images) != 10]
    assert not judged or all(torch.equal(images, judged[0]) for images in judged)


def test_methods_that_need_one_label_refuse_two() -> None:
    course = Course(1, 10, showing=Showing(mixup=0.4))
    with pytest.raises(RecipeError, match="distill: this loss needs labels, one class per example"):
        fit(plain(), [Distill(loss="decoupled")], course, context())
