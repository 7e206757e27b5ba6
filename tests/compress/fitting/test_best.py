"""The weights of the best epoch come back, also after a stop."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mobilekit.compress.fitting.course import Course
from mobilekit.compress.fitting.fit import fit
from mobilekit.compress.fitting.history import Epoch, History
from mobilekit.compress.fitting.rates import OptimizerConfig
from tests.compress.fitting.material import Stop, StoppedError, context, rich

WILD = OptimizerConfig("sgd", 0.5, schedule="linear")
"""So fast that the metric goes up and down."""
COURSE = Course(6, 10, WILD, keep_epochs=True, keep_best=True)


def test_the_best_epoch_is_the_first_of_the_greatest() -> None:
    epochs = tuple(Epoch(i + 1, 1.0, metric, {}) for i, metric in enumerate((0.2, 0.7, 0.5, 0.7)))
    assert History("accuracy", "dots", epochs).best.epoch == 2


def test_weights_are_those_of_the_best_epoch(tmp_path: Path) -> None:
    network = rich()
    history, _ = fit(network, [], COURSE, context(tmp_path))
    best = history.best.epoch
    assert best < 6  # else this shows nothing
    kept = load_file(tmp_path / f"epoch-00{best}.safetensors")
    assert all(torch.equal(kept[name], value) for name, value in network.state_dict().items())
    last = load_file(tmp_path / "epoch-006.safetensors")
    assert not torch.equal(last["0.weight"], network[0].weight)


def test_resumed_behind_the_best_and_behind_the_end(tmp_path: Path) -> None:
    whole = rich()
    history, _ = fit(whole, [], COURSE, context())
    with pytest.raises(StoppedError):
        fit(rich(), [], COURSE, context(tmp_path), [Stop(7 * history.best.epoch + 2)])
    for _ in range(2):
        found = rich()
        same, _ = fit(found, [], COURSE, context(tmp_path, resume=True))
        assert [each.metric for each in same.epochs] == [each.metric for each in history.epochs]
        assert all(map(torch.equal, whole.state_dict().values(), found.state_dict().values()))
