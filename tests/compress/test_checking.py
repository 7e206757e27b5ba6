import pytest
import torch
from torch import Tensor, nn

from mobilekit.compress.checking import residual, resolutions
from mobilekit.core.errors import ModelError


class Scaled(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"a": x, "b": self.factor * x.sum()}


def test_the_residual_is_the_worst_output_over_its_own_largest() -> None:
    sample = [torch.tensor([1.0, 3.0])]
    assert residual(Scaled(2.0), Scaled(2.0), [sample]) == 0
    assert residual(Scaled(2.0), Scaled(2.5), [sample]) == pytest.approx(0.25)


def test_values_that_are_not_finite_are_an_error() -> None:
    with pytest.raises(ModelError, match="not finite"):
        residual(Scaled(1.0), Scaled(float("nan")), [[torch.ones(2)]])


def test_another_shape_is_an_error() -> None:
    with pytest.raises(ModelError, match=r"shape \[1, 3"):
        residual(nn.Conv2d(3, 2, 1), nn.Conv2d(3, 3, 1), [[torch.ones(1, 3, 4, 4)]])


def test_modes_are_restored() -> None:
    network = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(2)).train()
    residual(network, network, [[torch.ones(4, 2)]])
    assert network.training
    assert network[1].training
    assert network[1].num_batches_tracked == 0


def test_a_second_resolution_where_the_network_takes_one() -> None:
    found, two = resolutions(nn.Conv2d(3, 4, 3), [torch.zeros(1, 3, 16, 24)])
    assert two
    assert [tuple(sample[0].shape) for sample in found] == [(1, 3, 16, 24), (1, 3, 48, 88)]
    fixed = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 2))
    assert resolutions(fixed, [torch.zeros(1, 3, 16, 16)])[1] is False


def test_a_view_that_makes_more_images_of_a_larger_map_takes_no_second() -> None:
    class Fixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.reshape(-1, 3, 256).sum(1)

    assert resolutions(Fixed(), [torch.zeros(1, 3, 16, 16)])[1] is False
