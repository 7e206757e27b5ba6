"""Batches for networks that take single examples."""

import torch
from torch import nn

from mobilekit.nets.one_by_one import OneByOne, for_batches


def test_outputs_of_any_structure_are_put_together() -> None:
    class Two(nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, object]:
            assert len(x) == 1
            return {"out": x, "others": (x + 1, x * 2)}

    x = torch.arange(6.0).view(3, 2)
    found = OneByOne(Two())(x)
    assert torch.equal(found["out"], x)
    assert torch.equal(found["others"][0], x + 1)
    assert torch.equal(found["others"][1], x * 2)


def test_programs_of_one_example_are_run_one_by_one_and_others_are_not() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval()
    image = (torch.zeros(1, 1, 2, 2),)
    single = torch.export.export(network, image).module()
    batch = torch.export.Dim("batch", min=1, max=8)
    free = torch.export.export(
        network, (torch.zeros(2, 1, 2, 2),), dynamic_shapes=({0: batch},)
    ).module()
    images = torch.rand(3, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    assert isinstance(for_batches(single), OneByOne)
    assert torch.equal(
        for_batches(single)(images), torch.cat([network(one) for one in images.split(1)])
    )
    assert for_batches(free) is free
    assert for_batches(network) is network
