import numpy as np
import pytest
import torch
from torch import nn

from mobilekit.compress.base import Context
from mobilekit.compress.steps.recalibrate import Recalibrate, recalibrate
from mobilekit.core.errors import DataError, NoEffectError


def batches(count: int = 4, size: int = 8, channels: int = 3) -> list[tuple[torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [
        (torch.randn(size, channels, 6, 6, generator=generator, dtype=torch.float64) * 2 + 0.5,)
        for _ in range(count)
    ]


def two_norms() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 5, 3),
        nn.BatchNorm2d(5),
        nn.Dropout(0.5),
        nn.Conv2d(5, 4, 1),
        nn.BatchNorm2d(4),
    ).double()


def per_batch(activations: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean over batches of each batch's own mean and (n − 1) variance, per channel."""
    means = [batch.mean(axis=(0, 2, 3)) for batch in activations]
    variances = [batch.var(axis=(0, 2, 3), ddof=1) for batch in activations]
    return np.mean(means, axis=0), np.mean(variances, axis=0)


def numpy_norm(batch: np.ndarray, eps: float) -> np.ndarray:
    mean, var = batch.mean(axis=(0, 2, 3)), batch.var(axis=(0, 2, 3))
    wide = (None, slice(None), None, None)
    return (batch - mean[wide]) / np.sqrt(var[wide] + eps)


def test_the_statistics_are_those_of_numpy_also_behind_another_norm_and_dropout():
    network = two_norms().train()
    result, counted = recalibrate(network, batches())
    with torch.no_grad():
        first = [network[0](batch).numpy() for (batch,) in batches()]
        second = [
            network[3](torch.from_numpy(numpy_norm(batch, network[1].eps))).numpy()
            for batch in first
        ]
    assert counted == ("1", "4")
    for norm, activations in ((result[1], first), (result[4], second)):
        mean, variance = per_batch(activations)
        # float64, a few hundred numbers of about 1: rounding stays below 1e-13
        np.testing.assert_allclose(norm.running_mean.numpy(), mean, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(norm.running_var.numpy(), variance, rtol=1e-12, atol=1e-12)


def test_the_given_network_and_the_global_generator_are_left_as_found():
    network = two_norms().train()
    network[4].eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = torch.get_rng_state()
    result, _ = recalibrate(network, batches())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert [module.training for module in network] == [True, True, True, True, False]
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(result[1].running_mean, network[1].running_mean)


def test_modes_momenta_weights_and_gradients_are_those_of_the_network():
    network = two_norms().train()
    network[0].eval()
    network[1].momentum = 0.37
    network[1].weight.requires_grad_(False)
    result, _ = recalibrate(network, batches())
    assert [module.training for module in result] == [False, True, True, True, True]
    assert (result[1].momentum, result[4].momentum) == (0.37, 0.1)
    assert not result[1].weight.requires_grad
    assert all(
        torch.equal(one, two)
        for one, two in zip(network.parameters(), result.parameters(), strict=True)
    )


def test_a_shared_norm_averages_over_all_its_uses():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x):
            return self.norm(x) + self.norm(x * 3)

    result, _ = recalibrate(Twice().double(), batches())
    mean, _ = per_batch([side * batch.numpy() for (batch,) in batches() for side in (1, 3)])
    np.testing.assert_allclose(result.norm.running_mean.numpy(), mean, rtol=1e-12)


def test_a_norm_that_does_not_run_keeps_its_statistics():
    class Spare(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.spare = nn.BatchNorm2d(3), nn.BatchNorm2d(3)

        def forward(self, x):
            return self.used(x)

    network = Spare().double()
    network.spare.running_mean.fill_(5)
    network.spare.num_batches_tracked.fill_(9)
    result, report = Recalibrate().apply(network, Context([], batches()))
    assert result.spare.running_mean.tolist() == [5, 5, 5]
    assert result.spare.num_batches_tracked == 9
    assert report.notes == (
        "1 of 2 batch norms, on 32 inputs in 4 batches",
        "32 inputs are few: statistics of some hundred are steadier",
    )


def test_a_norm_without_a_counter_is_recalibrated_too():
    network = nn.Sequential(nn.BatchNorm2d(3)).double()
    network[0].num_batches_tracked = None
    result, _ = recalibrate(network, batches())
    mean, _ = per_batch([batch.numpy() for (batch,) in batches()])
    np.testing.assert_allclose(result[0].running_mean.numpy(), mean, rtol=1e-12)
    assert result[0].num_batches_tracked is None


def test_broken_statistics_are_mended():
    network = two_norms()
    network[1].running_var.fill_(float("nan"))
    result, _ = recalibrate(network, batches())
    network[1].reset_running_stats()
    expected, _ = recalibrate(network, batches())
    assert torch.equal(result[1].running_var, expected[1].running_var)


def test_the_step_shows_as_many_batches_as_asked():
    network = two_norms()
    result, report = Recalibrate(batches=2).apply(network, Context([], batches()))
    expected, _ = recalibrate(network, batches()[:2])
    assert torch.equal(result[4].running_var, expected[4].running_var)
    assert report.residual is None
    assert (
        report.params_before == report.params_after == sum(p.numel() for p in network.parameters())
    )
    assert report.notes[0] == "2 of 2 batch norms, on 16 inputs in 2 batches"


def test_batches_of_different_sizes_are_said():
    uneven = [*batches(1), *batches(1, size=5)]
    _, report = Recalibrate().apply(two_norms(), Context([], uneven))
    assert report.notes[-1] == "the batches differ in size, and count the same"


@pytest.mark.parametrize(
    ("network", "shown", "option", "error", "words"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 1)), batches(), None, NoEffectError, "no batch norm"),
        (
            nn.BatchNorm2d(3, track_running_stats=False),
            batches(),
            None,
            NoEffectError,
            "no batch norm with running statistics",
        ),
        (two_norms(), [], None, DataError, "there are no calibration inputs; give some"),
        (two_norms(), batches(2), 3, DataError, "recalibrate.batches: 3 asked, 2 given"),
        (two_norms(), batches(channels=2), None, DataError, "calibration batch 0: "),
        (
            nn.BatchNorm2d(3).double(),
            [(torch.zeros(1, 3, 1, 1).double(),)],
            None,
            DataError,
            "more than 1 value per channel",
        ),
        (
            nn.Sequential(nn.BatchNorm2d(3)).double(),
            [(torch.full((2, 3, 4, 4), float("nan")).double(),)],
            None,
            DataError,
            "no finite mean",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line(network, shown, option, error, words):
    with pytest.raises(error, match=words) as caught:
        Recalibrate(batches=option).apply(network, Context([], shown))
    assert "\n" not in str(caught.value)
