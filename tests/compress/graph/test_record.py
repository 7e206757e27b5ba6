"""The record against what PyTorch does when it really runs."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mobilekit.compress.graph.record import observe, record
from mobilekit.core.errors import ModelError
from tests.compress.graph.patterns import PATTERNS


@pytest.mark.parametrize("name", PATTERNS)
def test_the_fake_run_makes_the_calls_and_shapes_of_the_real_one(name: str) -> None:
    build, shape = PATTERNS[name]
    network, inputs = build().eval(), [torch.randn(shape)]
    faked, real = record(network, inputs), observe(network, inputs, lambda *_: None)
    assert [call.operator for call in faked.calls] == [call.operator for call in real.calls]
    assert faked.shapes == real.shapes
    assert faked.names == real.names
    assert [(c.module, c.source) for c in faked.calls] == [(c.module, c.source) for c in real.calls]


def test_calls_know_their_module_and_line() -> None:
    build, shape = PATTERNS["dict outputs"]
    first = record(build(), [torch.zeros(shape)]).calls[0]
    assert (first.name, first.module) == ("convolution", "stem")
    assert first.source.startswith("patterns.py:")
    assert first.argument("padding") == [1, 1]
    assert first.argument("groups") == 1


def test_shared_parameters_have_one_name_each() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)
            self.two.weight = self.one.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.two(self.one(x))

    names = set(record(Tied(), [torch.zeros(1, 4)]).names.values())
    assert len(names & {"one.weight", "two.weight"}) == 1


def test_nothing_is_left_behind() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())
    network[1].eval()
    fast = torch.backends.mha.get_fastpath_enabled()
    record(network, [torch.zeros(1, 3, 8, 8)])
    assert [m.training for m in network] == [True, False, True]
    assert torch.backends.mha.get_fastpath_enabled() == fast
    assert torch.is_grad_enabled()
    assert network[1].num_batches_tracked == 0


def test_a_decision_by_values_names_its_place() -> None:
    class Decides(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if bool(x.max() > 0) else functional.relu(x)

    with pytest.raises(
        ModelError, match=r"the network at test_record\.py:\d+: decides by the values"
    ):
        record(Decides(), [torch.zeros(2)])


def test_inputs_that_do_not_fit() -> None:
    with pytest.raises(ModelError, match="cannot be traced"):
        record(nn.Conv2d(3, 4, 3), [torch.zeros(1, 5, 8, 8)])
