"""Warmed statistics are the average over the noise that is fed, and nothing else changes."""

import pytest
import torch
import torchvision
from torch import Tensor, nn

from mobilekit.core.tensors import TensorSpec
from mobilekit.nets.warm import (
    BATCH,
    PASSES,
    SCALES,
    awaken,
    example_inputs,
    seeded,
    warm_batch_norm,
)

SPECS = (TensorSpec("image", (1, 3, 8, 8), layout="NCHW"),)


def test_statistics_are_the_averages_over_the_noise() -> None:
    convolution, norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=0.3)
    network = nn.Sequential(convolution, norm, nn.Dropout(0.5)).eval()
    warm_batch_norm(network, SPECS, seed=5)
    with torch.no_grad():
        batches = [convolution(example_inputs(SPECS, 5 + i, BATCH)[0]) for i in range(PASSES)]
    means = torch.stack([batch.mean((0, 2, 3)) for batch in batches]).mean(0)
    variances = torch.stack([batch.var((0, 2, 3)) for batch in batches]).mean(0)
    torch.testing.assert_close(norm.running_mean, means)
    torch.testing.assert_close(norm.running_var, variances)
    assert norm.momentum == 0.3


class Moods(nn.Module):
    """Takes notice of its own mode."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.drop = nn.Dropout(0.5)
        self.seen: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen += [self.training, self.drop.training]
        out: Tensor = self.norm(self.drop(x))
        return out


@pytest.mark.parametrize("training", [True, False])
def test_modes_and_the_global_generator_are_left_as_found(training: bool) -> None:
    network = Moods().train(training)
    network.drop.train(not training)
    before = torch.get_rng_state()
    warm_batch_norm(network, SPECS, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert network.seen == [False] * 2 * PASSES  # only the norm itself trains
    assert (network.training, network.norm.training, network.drop.training) == (
        training,
        training,
        not training,
    )


def test_modes_are_restored_when_the_network_fails() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(4, 1, 1)).eval()
    with pytest.raises(RuntimeError, match="channels"):
        warm_batch_norm(network, SPECS, seed=0)
    assert not network[0].training
    assert network[0].momentum == 0.1


def test_the_same_seed_gives_the_same_bits() -> None:
    norms = [nn.BatchNorm2d(3), nn.BatchNorm2d(3), nn.BatchNorm2d(3)]
    for norm, seed in zip(norms, (1, 1, 2), strict=True):
        warm_batch_norm(norm, SPECS, seed)
    assert torch.equal(norms[0].running_mean, norms[1].running_mean)
    assert not torch.equal(norms[0].running_mean, norms[2].running_mean)


def test_nothing_runs_without_batch_norm() -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("was run")

    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, track_running_stats=False))
    network.register_forward_pre_hook(refuse)
    warm_batch_norm(network, SPECS, seed=0)


def test_pooled_norms_that_refuse_a_batch_of_one_are_warmed() -> None:
    network = torchvision.models.segmentation.deeplabv3_mobilenet_v3_large(
        weights=None, weights_backbone=None
    ).eval()
    spec = TensorSpec("image", (1, 3, 32, 32), layout="NCHW")
    warm_batch_norm(network, (spec,), seed=0)
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
    assert all(bool((norm.running_mean != 0).any()) for norm in norms)


def test_examples_have_the_stated_shapes_and_types() -> None:
    specs = (
        TensorSpec("a", (1, 2, 3)),
        TensorSpec("b", (4, 5), "int64"),
        TensorSpec("c", (1,), "float16"),
    )
    values = example_inputs(specs, 0, batch=2)
    assert [tuple(value.shape) for value in values] == [(2, 2, 3), (4, 5), (2,)]
    assert [value.dtype for value in values] == [torch.float32, torch.int64, torch.float16]
    assert int(values[1].abs().sum()) == 0


def test_integers_reach_their_bound_and_stay_below_it() -> None:
    specs = (TensorSpec("k", (1,), "int64"), TensorSpec("flag", (5,), "bool"))
    for bound in (8, 4, 2, 1):
        number, flag = example_inputs(specs, 0, batch=3, integers=bound)
        assert int(number.max()) == bound - 1
        assert int(number.min()) >= 0
        assert bool(flag.any()) == (bound > 1)


def test_seeded_leaves_the_global_generator() -> None:
    before = torch.get_rng_state()
    with seeded(3):
        first = torch.rand(4)
    with seeded(3):
        second = torch.rand(4)
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


def test_statistics_of_training_stay() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.BatchNorm2d(4)).eval()
    trained, fresh = network[1], network[2]
    trained.running_mean.fill_(0.25)
    trained.running_var.fill_(4.0)
    warm_batch_norm(network, SPECS, seed=0)
    assert trained.running_mean.tolist() == [0.25] * 4
    assert trained.running_var.tolist() == [4.0] * 4
    assert (fresh.running_var != 1).all()


def test_weights_that_hide_a_branch_are_awakened_and_no_others() -> None:
    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(6, 5)
            self.norm = nn.BatchNorm2d(4)
            self.scale = nn.Parameter(torch.full((4, 1, 1), 1e-6))
            self.gamma = nn.Parameter(torch.zeros(1))
            self.plain = nn.Conv2d(3, 4, 1)

    network = Hidden()
    nn.init.zeros_(network.head.weight)
    nn.init.zeros_(network.head.bias)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    awaken(network, seed=3)
    after = network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"head.weight", "scale", "gamma"}
    assert after["head.weight"].count_nonzero() == 30
    for name in ("scale", "gamma"):
        assert ((after[name] >= SCALES[0]) & (after[name] < SCALES[1])).all()
    again = Hidden()
    again.load_state_dict(before)
    awaken(again, seed=3)
    assert all(torch.equal(value, after[name]) for name, value in again.state_dict().items())
