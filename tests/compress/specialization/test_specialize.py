"""Heads are found by tracing and cut exactly; what cannot be cut so is refused."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, fx, nn
from torch.nn.utils import parametrizations

from mobilekit.compress.specialization.specialize import specialize
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError
from tests.compress.specialization.drawn import (
    outputs,
    redrawn,
    rounded,
    rows_are_those_of,
    whole_numbers,
)

CLASSES = ["a", "b", "c", "d", "e", "f"]
VECTOR, IMAGE = torch.zeros(2, 8), torch.zeros(2, 3, 12, 12)


class Net(nn.Module):
    """Its forward is a function of it and its input."""

    def __init__(self, function: Callable[[Any, Tensor], Any], **parts: Any) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def linear(rows: int = 6, columns: int = 8, **options: Any) -> nn.Linear:
    return nn.Linear(columns, rows, **options)


class Classifier(nn.Module):
    """With another head that only its training sees."""

    def __init__(self, count: int, width: int, *, bias: bool, convolution: bool) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.num_classes = count
        self.head = (
            nn.Conv2d(width, count, 1, bias=bias)
            if convolution
            else nn.Linear(width * 9, count, bias=bias)
        )
        self.aux = nn.Linear(width, count)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Any:
        x = self.features(x)
        if isinstance(self.head, nn.Linear):
            logits = self.head(self.drop(x).flatten(1))
        else:
            logits = self.head(x).amax((2, 3)).view(-1, self.num_classes)
        return (logits, self.aux(x.sum((2, 3)))) if self.training else logits


@settings(deadline=None, max_examples=25)
@given(
    st.integers(3, 9),
    st.integers(1, 6),
    st.booleans(),
    st.booleans(),
    st.none() | st.integers(0, 8),
    st.integers(0, 1000),
)
def test_logits_of_kept_classes_are_bit_equal_where_sums_have_no_rounding(
    count: int, width: int, bias: bool, convolution: bool, background: int | None, seed: int
) -> None:
    first = None if background is None else background % count
    network = rounded(Classifier(count, width, bias=bias, convolution=convolution), seed)
    names = [str(n) for n in range(count)]
    others = [name for n, name in enumerate(names) if n != first]
    keep = others[seed % 2 :: 2]
    found = specialize(network, [torch.zeros(1, 3, 8, 8).double()], names, keep, first)
    assert list(found.index) == ([] if first is None else [first]) + [int(one) for one in keep]
    assert rows_are_those_of(network, found.network, found.heads, found.index)
    x = whole_numbers((3, 3, 8, 8), seed)
    for one in (network, found.network):
        one.training = True  # the root alone: norms and dropout stay as they are
    for before, after in zip(outputs(network, x), outputs(found.network, x), strict=True):
        assert torch.equal(before[:, list(found.index)], after)


class Segmentation(nn.Module):
    """Two heads that are summed, and an auxiliary one; the classes go through norms and resizing."""

    def __init__(self) -> None:
        super().__init__()
        self.deep = nn.Conv2d(3, 5, 3, stride=2, padding=1)
        self.low, self.high = nn.Conv2d(3, 6, 1), nn.Conv2d(5, 6, 1, bias=False)
        self.each = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.aux = nn.Conv2d(5, 6, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        deep = self.deep(x)
        large = F.interpolate(self.high(deep), scale_factor=2, mode="nearest")
        return {"out": self.each(self.low(x) + large), "aux": self.aux(deep), "deep": deep}


@pytest.mark.parametrize(
    ("background", "index"), [(None, (1, 4)), ("a", (0, 1, 4)), (5, (5, 1, 4))]
)
def test_all_heads_of_a_segmentation_are_cut(background: Any, index: tuple[int, ...]) -> None:
    network = rounded(Segmentation(), 3)
    x = whole_numbers((2, 3, 12, 16), 3)
    found = specialize(network, [x], CLASSES, ["e", "b"], background)
    assert found.index == index
    assert found.outputs == ("out", "aux")
    parts = {name.partition(".")[0] for name in found.heads}
    assert parts == {"low", "high", "each", "aux"}
    assert rows_are_those_of(network, found.network, found.heads, index)
    before, after = network(x), found.network(x)
    for name in ("out", "aux"):
        assert torch.equal(before[name][:, list(index)], after[name])
    assert torch.equal(before["deep"], after["deep"])
    each: Any = found.network.get_submodule("each")
    assert (each.groups, each.in_channels, each.out_channels) == (len(index),) * 3


EXACT = {
    "sigmoid": (Net(lambda s, x: s.head(x).sigmoid(), head=linear()), VECTOR),
    "batch norm": (Net(lambda s, x: s.norm(s.head(x)), head=linear(), norm=nn.BatchNorm1d(6)), VECTOR),
    "rows of length 1": (Net(lambda s, x: F.linear(x, F.normalize(s.head.weight)), head=linear()), VECTOR),
    "two layers": (Net(lambda s, x: s.head(s.first(x)), first=linear(6), head=linear(6, 6)), VECTOR),
    "prior": (Net(lambda s, x: s.head(x) + s.prior, head=linear(), prior=nn.Buffer(VECTOR[0, :6] + 2)), VECTOR),
    "number": (Net(lambda s, x: s.head(x).view(2, s.num_classes), head=linear(), num_classes=6), VECTOR),
    "nested": (Net(lambda s, x: [s.head(x), {"k": (s.aux(x),)}], head=linear(), aux=linear()), VECTOR),
    "grown": (Net(lambda s, x: s.up(s.head(x)), head=nn.Conv2d(3, 6, 1), up=nn.ConvTranspose2d(6, 6, 2, 2)), IMAGE),
    "resized": (Net(lambda s, x: F.interpolate(s.head(x), (9, 7), mode="bilinear"), head=nn.Conv2d(3, 6, 1)), IMAGE),
    "pooled": (Net(lambda s, x: s.head(x).mean((2, 3)), head=nn.Conv2d(3, 6, 1)), IMAGE),
    "half": (Net(lambda s, x: s.head(x), head=linear()).bfloat16(), VECTOR.bfloat16()),
}  # fmt: skip


@pytest.mark.parametrize("background", [None, "f"])
@pytest.mark.parametrize("name", EXACT)
def test_what_lies_between_the_head_and_the_output_is_cut_too(
    name: str, background: str | None
) -> None:
    network, like = EXACT[name]
    network = redrawn(lambda: network, 5)
    found = specialize(network, [like], CLASSES, ["b", "d"], background)
    index = [5, 1, 3] if background else [1, 3]
    assert list(found.index) == index
    assert not found.renormalized
    x = torch.randn(like.shape, generator=torch.Generator().manual_seed(5)).to(like)
    limit = 4 * torch.finfo(like.dtype).eps
    for before, after in zip(outputs(network, x), outputs(found.network, x), strict=True):
        assert after.shape[1] == len(index)
        error = (before[:, index] - after).abs().max() / before.abs().max()
        assert error <= limit  # at most eight products are summed


def test_classes_in_the_last_dimension_are_cut_there() -> None:
    network = redrawn(lambda: Net(lambda s, x: s.head(x), head=linear(6, 12)), 1)
    x = torch.randn(IMAGE.shape, generator=torch.Generator().manual_seed(1))
    found = specialize(network, [x], CLASSES, ["b", "d"])
    torch.testing.assert_close(found.network(x), network(x)[..., [1, 3]])


@pytest.mark.parametrize("log", [False, True])
def test_a_softmax_is_taken_over_the_kept_classes(log: bool) -> None:
    function = F.log_softmax if log else F.softmax
    network = redrawn(lambda: Net(lambda s, x: function(s.head(x), -1), head=linear()), 2)
    found = specialize(network, [VECTOR], CLASSES, ["b", "d", "e"])
    assert found.renormalized
    x = torch.randn(VECTOR.shape, generator=torch.Generator().manual_seed(2))
    before, after = network(x), found.network(x)
    if log:
        before, after = before.exp(), after.exp()
    kept = before[:, [1, 3, 4]]
    torch.testing.assert_close(after, kept / kept.sum(1, keepdim=True))


def test_modules_know_their_new_size_and_the_network_is_left_as_found() -> None:
    network = Classifier(6, 4, bias=True, convolution=False)
    network.features.requires_grad_(requires_grad=False)
    network.head.weight.requires_grad_(requires_grad=False)
    network.features.eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modes = {name: module.training for name, module in network.named_modules()}
    found = specialize(network, [torch.zeros(1, 3, 8, 8)], CLASSES, ["a", "c"])
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    for one in (network, found.network):
        assert {name: module.training for name, module in one.named_modules()} == modes
        assert not one._forward_pre_hooks
        assert not one._forward_hooks
    smaller = dict(found.network.named_parameters())
    assert {name: one.requires_grad for name, one in network.named_parameters()} == {
        name: one.requires_grad for name, one in smaller.items()
    }
    pointers = {one.data_ptr() for one in network.parameters()}
    assert not pointers & {one.data_ptr() for one in smaller.values()}
    assert found.network.get_submodule("head").out_features == 2
    assert found.network.num_classes == 2
    assert found.heads == ("head.weight", "head.bias", "aux.weight", "aux.bias")
    assert found.classes == ("a", "c")


def test_a_traced_graph_can_be_cut() -> None:
    network = redrawn(
        lambda: fx.symbolic_trace(nn.Sequential(nn.Conv2d(3, 6, 1), nn.Flatten(2))), 4
    )
    found = specialize(network, [IMAGE], CLASSES, ["f"], "a")
    x = torch.randn(IMAGE.shape, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(found.network(x), network(x)[:, [0, 5]])


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    ("network", "like", "said"),
    [
        (Net(lambda s, x: s.head(x), head=linear(5)), VECTOR,
         r"6 classes are named, but the network has 5 \(its outputs are output \[2, 5\]\); name every"),
        (Net(lambda s, x: {"one": s.head(x), "two": s.aux(x)}, head=linear(9), aux=linear(3)), VECTOR,
         r"6 classes are named, but no output has 6 .* one \[2, 9\], two \[2, 3\]"),
        (Net(lambda s, x: s.head(x), head=linear(1)), VECTOR, "6 classes, .* single logit"),
        (Net(lambda s, x: s.head(x)[:, 0], head=linear(1)), VECTOR, "6 classes, .* single logit"),
        (Net(lambda s, x: (s.head(x), torch.cat([s.head(x), x], 1)), head=linear()), VECTOR,
         "1: an output that holds the classes too"),
        (Net(lambda s, x: (s.head(x), s.next(s.head(x))), head=linear(), next=linear(6, 6)), VECTOR,
         "next.weight reads the classes"),
        (Net(lambda s, x: s.norm(s.head(x)), head=linear(), norm=nn.LayerNorm(6)), VECTOR,
         "the classes depend on one another: normalized over channels"),
        (Net(lambda s, x: s.head(x).view(-1, 6), head=linear()), VECTOR,
         r"view at test_specialize.py:\d+: the code fixes the number of classes"),
        (Net(lambda s, x: s.head(x) * s.gate(x).softmax(1), head=linear(), gate=linear()), VECTOR,
         "a softmax over the classes is mixed with other values"),
        (Net(lambda s, x: s.head(x) - s.head(x).mean(1, keepdim=True), head=linear()), VECTOR,
         r"the classes cannot go: works over channels \(mean"),
        (Net(lambda s, x: s.head(x).reshape(2, 6, 3, 3), head=linear(54)), VECTOR,
         "some classes cannot go without others"),
        (Net(lambda s, x: s.head(x), head=parametrizations.weight_norm(linear())), VECTOR,
         "head.parametrizations.weight.original1: no rule for _weight_norm_interface"),
        (Net(lambda s, x: s.head(x), head=parametrizations.spectral_norm(linear())), VECTOR,
         "the classes cannot go: no rule for mv"),
        (Net(lambda s, x: s.head(x) + s.prior, head=linear(), prior=VECTOR[0, :6]), VECTOR,
         "head.weight: meets a tensor of fixed size"),
        (Net(lambda s, x: s.head(x if x.sum() > 0 else -x), head=linear()), VECTOR,
         "decides by the values of a tensor"),
    ],
)  # fmt: skip
def test_what_cannot_be_cut_exactly_is_refused(network: nn.Module, like: Tensor, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        specialize(network.eval(), [like], CLASSES, ["b", "d"])


def test_a_head_of_training_that_cannot_be_followed_is_named() -> None:
    def function(s: Any, x: Tensor) -> Tensor:
        if s.training and x.sum() > 0:
            return s.head(x) + s.aux(x)
        return s.head(x)

    with pytest.raises(
        ModelError, match=r"aux\.weight has a row per class but is read in training"
    ):
        specialize(Net(function, head=linear(), aux=linear()), [VECTOR], CLASSES, ["b"])


def test_names_that_do_not_fit_are_refused() -> None:
    network = nn.Sequential(linear())
    with pytest.raises(RecipeError, match="keep names 'z'"):
        specialize(network, [VECTOR], CLASSES, ["z"])
    with pytest.raises(NoEffectError, match="all 6 classes are kept"):
        specialize(network, [VECTOR], CLASSES, CLASSES)


@pytest.mark.parametrize("keep", [["b"], ["f"], ["a", "b", "c", "d"]])
def test_another_number_of_names_is_said_whichever_are_kept(keep: list[str]) -> None:
    said = r"^specialize: 4 classes are named, but the network has 6 \("
    with pytest.raises(ModelError, match=said):
        specialize(nn.Sequential(linear()), [VECTOR], CLASSES[:4], keep)
