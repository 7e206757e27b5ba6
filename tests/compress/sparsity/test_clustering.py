"""Filters compete with those that look for the same: rare ones survive."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mobilekit.compress.sparsity import clustering
from mobilekit.compress.sparsity.axes import Axes, sparsifier, sparsify
from mobilekit.compress.sparsity.clustering import (
    Clusters,
    clustered,
    competing,
    encoded,
    signatures,
)
from mobilekit.compress.sparsity.granularity import of_layer
from mobilekit.core.errors import ModelError

IMAGE = (torch.zeros(2, 3, 6, 6),)


def redundant(inplace: bool = False) -> nn.Sequential:
    """Nine filters that are alike, and one with smaller weights, the fourth, that looks for another."""
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 10, 3), nn.BatchNorm2d(10), nn.ReLU(inplace=inplace), nn.Dropout(0.2),
        nn.Conv2d(10, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip
    common, rare = torch.randn(2, 3, 3, 3, generator=generator)
    network[0].weight.data = common.repeat(10, 1, 1, 1)
    network[0].weight.data[3] = rare * 0.1
    network[0].bias.data.zero_()
    network[4].weight.data = torch.randn(8, 10, 3, 3, generator=generator)
    return network


def alive(network: nn.Module) -> list[int]:
    return network[0].weight.flatten(1).any(1).nonzero().squeeze(1).tolist()


@pytest.mark.parametrize("inplace", [True, False])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_rare_filter_survives_where_the_criterion_alone_kills_it(
    inplace: bool, seed: int
) -> None:
    axes = {"granularity": "filter", "sparsity": 0.8, "layers": ("0",), "seed": seed}
    assert alive(sparsify(redundant(inplace), IMAGE, **axes)) == [0, 1]
    assert alive(sparsify(redundant(inplace), IMAGE, clusters=2, **axes)) == [0, 3]


def test_filters_that_are_alike_are_one_cluster() -> None:
    network = redundant()
    clusters = Clusters(network, 2, (3, 6, 6))
    clusters.apart(of_layer("filter", network[0], "0")[0], torch.zeros(10))
    labels = clusters.labels["0"].tolist()
    assert len({labels[k] for k in range(10) if k != 3}) == 1
    assert labels[3] != labels[0]


def test_a_signature_activates_its_filter() -> None:
    """The closed form: of a linear map of the image, ascent ends at a multiple of the weights."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    images = signatures(network, "1", 5, (3, 2, 2), seed=0, steps=200)
    rows, weights = images.flatten(1), network[1].weight.detach()
    assert (cosine(rows, weights) > 0.999).all()
    assert images.shape == (5, 3, 2, 2)


def cosine(one: Tensor, two: Tensor) -> Tensor:
    return (one * two).sum(1) / one.norm(dim=1) / two.norm(dim=1)


def test_what_follows_in_place_does_not_change_a_signature() -> None:
    def run(inplace: bool) -> Tensor:
        first = redundant()[0]
        first.bias.data.fill_(-9.0)  # dead at first, behind the activation
        return signatures(nn.Sequential(first, nn.ReLU(inplace=inplace)), "0", 10, (3, 6, 6), 0)

    assert torch.equal(run(inplace=True), run(inplace=False))


def test_images_are_made_by_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    network = redundant().double()
    whole = signatures(network, "0", 10, (3, 6, 6), 0)
    features = encoded(whole, network)
    monkeypatch.setattr(clustering, "BATCH", 3)
    parts = signatures(network, "0", 10, (3, 6, 6), 0)
    # float64 rounds at 1e-16; 30 steps amplify that, but not ten-millionfold.
    torch.testing.assert_close(parts, whole, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(encoded(whole, network), features, rtol=1e-9, atol=1e-9)


def test_filters_of_a_linear_layer_over_tokens() -> None:
    """The channel is the last dimension there, and tokens may be fewer than channels."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.row = nn.Linear(4, 7)

        def forward(self, tokens: Tensor) -> Tensor:
            made: Tensor = self.row(tokens)
            return made

    network = Net()
    images = signatures(network, "row", 7, (2, 4), 0, steps=200)
    towards = cosine(images.sum(1), network.row.weight.detach())
    assert (towards > 0.999).all()


def test_the_network_is_left_as_found() -> None:
    network = redundant()
    network[1].eval()
    network[4].weight.requires_grad_(requires_grad=False)
    network[0].weight.grad = torch.ones_like(network[0].weight)
    before = copy.deepcopy(network.state_dict())
    random = torch.get_rng_state()
    made, _ = sparsifier(network, Axes(granularity="filter", clusters=3, layers=("0",)), IMAGE)
    made.clusters.apart(made.groups[0], torch.zeros(10))
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(each, before[name]) for name, each in network.state_dict().items())
    assert [each.requires_grad for each in network.parameters()] == [True] * 4 + [False, True]
    assert [name for name, each in network.named_parameters() if each.grad is not None] == [
        "0.weight"
    ]
    assert bool((network[0].weight.grad == 1).all())
    modes = [each.training for each in network]
    assert modes == [True, False, True, True, True, True, True]
    assert not any(each._forward_hooks for each in network.modules())


def test_the_same_seed_gives_the_same_clusters_and_a_checkpoint_keeps_them() -> None:
    network = redundant()
    (group,) = of_layer("filter", network[0], "0")
    found = []
    for seed in (4, 4):
        clusters = Clusters(network, 4, (3, 6, 6), seed=seed)
        clusters.apart(group, torch.zeros(10))
        found.append(clusters)
    assert torch.equal(found[0].labels["0"], found[1].labels["0"])
    again = Clusters(network, 4, (3, 6, 6), seed=9)
    again.load_state_dict(found[0].state_dict() | {"dead.0": torch.zeros(1)})
    assert {*again.labels} == {"0"}
    assert torch.equal(again.labels["0"], found[0].labels["0"])


def test_an_encoder_may_be_given() -> None:
    class Blind(nn.Module):
        def forward(self, images: Tensor) -> dict[str, Tensor]:
            return {"features": images.new_zeros(len(images), 2)}

    axes = Axes(granularity="filter", sparsity=0.8, clusters=2, layers=("0",))
    network = redundant()
    made, _ = sparsifier(network, axes, IMAGE, encoder=Blind())
    made.update(1.0)
    assert alive(network) == [0, 1]  # all are alike to it, so that the criterion decides


@pytest.mark.parametrize(
    ("output", "shape"),
    [
        (torch.ones(5, 7), (5, 7)),
        ([torch.ones(5, 2, 8, 8)], (5, 32)),
        ({"a": torch.ones(5, 2, 3, 9)}, (5, 18)),
        ((torch.ones(5, 3, 2),), (5, 6)),
    ],
)
def test_features_are_vectors(output: object, shape: tuple[int, ...]) -> None:
    assert encoded(torch.zeros(5, 1, 2, 2), lambda _: output).shape == shape


def test_what_cannot_be_clustered_is_said() -> None:
    with pytest.raises(ModelError, match="the encoder returns no tensor"):
        encoded(torch.zeros(2, 1, 2, 2), lambda _: "text")
    with pytest.raises(ModelError, match="not all finite"):
        clustered(torch.tensor([[1.0], [torch.nan], [2.0]]), 2, 0)
    with pytest.raises(ModelError, match="gives no signatures of 0"):
        signatures(redundant(), "0", 10, (4, 6, 6), 0)

    class Unused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.other = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)

        def forward(self, image: Tensor) -> Tensor:
            made: Tensor = self.used(image)
            return made

    network = Unused()
    with pytest.raises(ModelError, match="gives no signatures of other"):
        signatures(network, "other", 2, (3, 4, 4), 0)
    assert all(each.requires_grad for each in network.parameters())


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(-5, 5, width=16), st.integers(0, 3)), min_size=1, max_size=15))
def test_the_best_of_each_cluster_stay_longest(rows: list[tuple[float, int]]) -> None:
    scores, labels = (np.array(column) for column in zip(*rows, strict=True))
    found = competing(torch.tensor(scores), torch.tensor(labels)).numpy()
    order = np.lexsort((np.arange(len(rows)), -scores))  # the best first, of equal ones the earlier
    rank, seen = {}, {}
    for k in order.tolist():
        rank[k] = seen.get(int(labels[k]), 0)
        seen[int(labels[k])] = rank[k] + 1
    wanted = sorted(range(len(rows)), key=lambda k: (rank[k], order.tolist().index(k)))
    assert np.argsort(-found, kind="stable").tolist() == wanted


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 12), st.integers(2, 6), st.integers(0, 3), st.integers(0, 99))
def test_clusters_are_as_many_as_asked_for_at_most(
    rows: int, count: int, seed: int, data: int
) -> None:
    features = torch.from_numpy(np.random.default_rng(data).integers(0, 3, (rows, 2)) * 1.0)
    labels = clustered(features, count, seed)
    assert labels.shape == (rows,)
    assert 0 <= int(labels.min()) <= int(labels.max()) < min(count, rows)
    assert torch.equal(labels, clustered(features, count, seed))
    for one in range(rows):
        for two in range(rows):
            if torch.equal(features[one], features[two]):
                assert labels[one] == labels[two]


def test_an_encoder_of_other_images_is_refused_before_anything_is_clustered() -> None:
    grey = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten())
    axes = Axes(granularity="filter", clusters=2, layers=("0",))
    with pytest.raises(
        ModelError,
        match=r"^clustered: the encoder does not take the images: it was given \[1, 3, 6, 6\] \(its 0 takes 1"
        r" channels\): ",
    ):
        sparsifier(redundant(), axes, IMAGE, encoder=grey)
    whole = nn.Sequential(
        nn.Conv2d(3, 4, 3).double(), nn.Flatten()
    )  # of another type: images follow
    made, _ = sparsifier(redundant(), axes, IMAGE, encoder=whole)
    made.update(1.0)
    assert made.count == (5, 10)
