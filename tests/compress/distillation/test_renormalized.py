"""A teacher sees the pixels as it was trained on them, whatever its student is given."""

import torch
from torch import nn

from mobilekit.compress.distillation.renormalized import Renormalized, seen_alike

PIXELS = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.25, 0.5))


def normalized(statistics: tuple[tuple[float, ...], tuple[float, ...]]) -> torch.Tensor:
    planes = [
        (PIXELS[:, channel] - statistics[0][channel]) / statistics[1][channel]
        for channel in range(3)
    ]
    return torch.stack(planes, 1)


def test_images_of_one_normalization_become_those_of_another() -> None:
    other = Renormalized(nn.Identity(), IMAGENET, HALVES)
    found = other(normalized(IMAGENET))
    torch.testing.assert_close(found, normalized(HALVES), rtol=1e-12, atol=1e-12)
    assert other.state_dict() == {}


def test_further_inputs_stay_as_they_are() -> None:
    class Beside(nn.Module):
        def forward(self, images: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return torch.cat([images, mask], 1)

    found = Renormalized(Beside(), IMAGENET, HALVES)(normalized(IMAGENET), PIXELS[:, :1])
    assert torch.equal(found[:, 3:], PIXELS[:, :1])
    torch.testing.assert_close(found[:, :3], normalized(HALVES), rtol=1e-12, atol=1e-12)


def test_none_is_pixels_as_they_are() -> None:
    network = nn.Identity()
    there = seen_alike(network, None, IMAGENET, 3)
    torch.testing.assert_close(there(PIXELS), normalized(IMAGENET), rtol=1e-12, atol=1e-12)
    back = seen_alike(network, IMAGENET, None, 3)
    torch.testing.assert_close(back(normalized(IMAGENET)), PIXELS, rtol=1e-12, atol=1e-12)


def test_a_network_that_sees_the_same_is_not_wrapped() -> None:
    network = nn.Identity()
    assert seen_alike(network, IMAGENET, ([*IMAGENET[0]], [*IMAGENET[1]]), 3) is network
    assert seen_alike(network, None, None, 1) is network
