"""What a training leaves behind: weights, zeros, and everything else as it was found."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from mobilekit.compress.base import During
from mobilekit.compress.during.distill import Distill
from mobilekit.compress.during.keep_zeros import KeepZeros
from mobilekit.compress.during.kernel_sparsity import KernelSparsity
from mobilekit.compress.during.lottery import Lottery
from mobilekit.compress.during.sparsify import Sparsify
from mobilekit.compress.fitting.fit import LAST, Course, fit
from mobilekit.compress.fitting.rates import OptimizerConfig
from mobilekit.core.errors import ModelError, RecipeError, RuntimeUnavailableError, TrainingError
from mobilekit.data.task import Labelled
from tests.compress.fitting.material import CLASSES, Dots, Stop, StoppedError, context, plain, rich

MASKED: dict[str, During] = {
    "weights": Sparsify(sparsity=0.5),
    "filters": Sparsify(sparsity=0.5, granularity="filter", context="global"),
    "columns": Sparsify(sparsity=0.5, granularity="column", layers=("4",)),
    "kept": KeepZeros(),
    "kernels": KernelSparsity(threshold=0.3),
    "lottery": Lottery(rounds=2),
}
OPTIMIZERS = {
    "momentum": OptimizerConfig("sgd", 1e-2, momentum=0.9, weight_decay=1e-2),
    "adam": OptimizerConfig("adam", 1e-2),
    "adamw": OptimizerConfig("adamw", 1e-2, weight_decay=0.1),
}


class ZerosStay(pl.Callback):
    """Asserts after each step that what was zero is, and that the optimizer knows nothing of it."""

    def __init__(self, network: nn.Module) -> None:
        self.layers = [
            each for each in network.modules() if isinstance(each, nn.Conv2d | nn.Linear)
        ]
        self.before = [torch.zeros_like(each.weight, dtype=torch.bool) for each in self.layers]
        self.looked_at = 0

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        for place, layer in enumerate(self.layers):
            zero = layer.weight.detach() == 0
            assert bool(zero[self.before[place]].all())
            self.before[place] = zero
            for kept in trainer.optimizers[0].state[layer.weight].values():
                if isinstance(kept, Tensor) and kept.shape == zero.shape:
                    assert bool((kept[zero] == 0).all())
                    assert bool((kept[~zero] != 0).any())
                    self.looked_at += int(zero.count_nonzero())


@pytest.mark.parametrize("activation", [True, False], ids=["silu", "none"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("method", MASKED)
def test_zero_stays_zero(method: str, optimizer: str, *, activation: bool) -> None:
    network = plain()
    if not activation:
        network[1] = nn.Identity()
    if method == "kept":
        with torch.no_grad():
            network[2].weight[1:5] = 0
    watch = ZerosStay(network)
    fit(network, [MASKED[method]], Course(3, 20, OPTIMIZERS[optimizer]), context(), [watch])
    assert watch.looked_at > 0
    for layer, zero in zip(watch.layers, watch.before, strict=True):
        assert torch.equal(layer.weight == 0, zero)  # finish brings none back
    if method in {"weights", "filters", "columns", "lottery"}:
        expected = {
            "weights": (36, 288, 192),
            "filters": 8,
            "columns": 64,
            "lottery": math.floor(0.7 * (72 + 576 + 384)),
        }[method]
        counts = tuple(int(zero.count_nonzero()) for zero in watch.before)
        found: object = counts
        if method == "filters":
            found = sum(int(zero.flatten(1).all(1).sum()) for zero in watch.before[:2])
        elif method == "columns":
            found = int(watch.before[2].all(0).sum())
        elif method == "lottery":
            found = sum(counts)
        assert found == expected


METHODS: Sequence[During] = (
    Sparsify(granularity="filter"),
    Distill(features="fitnet", beta=0.3),
    KernelSparsity(strength=0.1),
)


def state_of(network: nn.Module) -> list[object]:
    """Everything about a network that training must leave alone."""
    found: list[object] = []
    for name, module in network.named_modules():
        hooks = [
            len(getattr(module, kind))
            for kind in (
                "_forward_hooks",
                "_forward_pre_hooks",
                "_backward_hooks",
                "_backward_pre_hooks",
            )
        ]
        found.append((name, module.training, hooks, sorted(module.__dict__)))
    for name, parameter in network.named_parameters():
        hooks = len(parameter._backward_hooks or ())
        found.append((name, parameter.requires_grad, id(parameter), parameter.device, hooks))
    return found


@pytest.mark.parametrize("ending", ["end", "middle", "start"])
def test_all_but_weights_is_left_as_found(ending: str) -> None:
    network = rich()
    network[1].eval()
    network[7].bias.requires_grad_(requires_grad=False)
    frozen = network[7].bias.detach().clone()
    before, randomness = state_of(network), torch.get_rng_state()
    if ending == "end":
        fit(network, METHODS, Course(2, 20), context(), [])
    elif ending == "middle":
        with pytest.raises(StoppedError):
            fit(network, METHODS, Course(2, 20), context(), [Stop(2)])
    else:
        with pytest.raises(RecipeError, match="teacher 'nobody'"):
            fit(network, (*METHODS, Distill(teacher="nobody")), Course(2, 20), context())
    assert state_of(network) == before
    assert torch.equal(torch.get_rng_state(), randomness)
    assert torch.equal(network[7].bias, frozen)


def test_network_trains_and_learns() -> None:
    network = plain()
    history, _ = fit(network, [], Course(8, 10, OptimizerConfig("adam", 1e-2)), context())
    assert history.last.metric == 1.0
    assert history.last.loss < history.epochs[0].loss / 2


def test_same_seed_same_bits_and_another_seed_others() -> None:
    networks = [rich(), rich(), rich()]
    for network, seed in zip(networks, (1, 1, 2), strict=True):
        torch.rand(3)  # the global generator is elsewhere each time
        fit(network, METHODS, Course(2, 20), replace(context(), seed=seed))
    one, same, other = (network.state_dict() for network in networks)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["0.weight"], other["0.weight"])


class Poisoned(Dataset[tuple[Tensor, Tensor]]):
    """An image holds a number that is none."""

    def __init__(self, count: int, place: int) -> None:
        self.dots, self.place = Dots(count), place

    def __len__(self) -> int:
        return len(self.dots)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, label = self.dots[index]
        return (image * math.nan if index == self.place else image), label


def test_loss_that_is_nan_names_the_layer_and_leaves_the_checkpoint(tmp_path: Path) -> None:
    chances = context(tmp_path)
    assert chances.training is not None
    data = Labelled("classification", CLASSES, Poisoned(70, 5), "poisoned")  # type: ignore[arg-type]
    chances = replace(chances, training=replace(chances.training, train=data))
    network = plain()
    with pytest.raises(TrainingError, match=r"the loss is nan at step \d+; 0\.weight is the first"):
        fit(network, [], Course(2, 10, checkpoint_every=1), chances)
    assert all(bool(each.isfinite().all()) for each in network.parameters())
    content = torch.load(tmp_path / LAST, weights_only=True)
    assert content["global_step"] >= 1
    assert all(bool(each.isfinite().all()) for each in content["state_dict"].values())


class Steep(nn.Module):
    """A finite value with a slope that is infinite at 0."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(1))

    def forward(self, values: Tensor) -> Tensor:
        return values + self.scale.sqrt()


def test_gradient_that_is_not_finite_stops_before_the_weights_take_it(tmp_path: Path) -> None:
    network = nn.Sequential(*plain(), Steep())
    with pytest.raises(TrainingError, match=r"the loss is 1\.\d+ at step 0; 5\.scale is the first"):
        fit(network, [], Course(1, 10), context(tmp_path))
    assert float(network[5].scale.detach()) == 0
    assert not (tmp_path / LAST).exists()


def test_weights_that_are_not_finite_are_named() -> None:
    network = plain()
    with torch.no_grad():
        network[2].bias[0] = math.inf
    with pytest.raises(TrainingError, match=r"2\.bias has values that are not finite"):
        fit(network, [], Course(1, 10), context())


def test_device_that_is_not_there_and_flags_that_are_none() -> None:
    with pytest.raises(RuntimeUnavailableError, match="training: "):
        fit(plain(), [], Course(1, 10), context(flags={"accelerator": "tpu"}))
    with pytest.raises(RecipeError, match="training: "):
        fit(plain(), [], Course(1, 10), context(flags={"precision": "seven"}))


def test_network_that_does_not_fit_the_data_is_refused() -> None:
    network = plain()
    network[4] = nn.Linear(128, 4)
    with pytest.raises(ModelError, match=r"first output is \[1, 4\]; 70 dots has 3 classes"):
        fit(network, [], Course(1, 10), context())


class Scenes(Dataset[tuple[Tensor, Tensor]]):
    """Bright pixels are things; the border is not judged. Labels are twice as fine as the outputs."""

    def __len__(self) -> int:
        return 24

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(index))
        label = (image.mean(0) > 0.5).long()
        label[0], label[:, 0] = 255, 255
        return image, label


class Segmenter(nn.Module):
    """Two outputs by name, at half the resolution."""

    def __init__(self, *, several: bool) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.head, self.aux = nn.Conv2d(8, 2, 1), nn.Conv2d(8, 2, 1)
        self.several = several

    def forward(self, images: Tensor) -> Tensor | dict[str, Tensor]:
        found = nn.functional.silu(self.body(images))
        return (
            {"out": self.head(found), "aux": self.aux(found)} if self.several else self.head(found)
        )


@pytest.mark.parametrize("several", [True, False])
def test_segmentation_trains_with_other_sizes_and_auxiliary_outputs(*, several: bool) -> None:
    data = Labelled("segmentation", ("background", "thing"), Scenes(), "scenes")  # type: ignore[arg-type]
    network = Segmenter(several=several)
    chances = context()
    assert chances.training is not None
    training = replace(chances.training, train=data, test=data)
    chances = replace(chances, inputs=(torch.rand(1, 3, 16, 16),), training=training)
    aux = network.aux.weight.detach().clone()
    history, notes = fit(
        network, [Sparsify(layers=("body",)), Distill()], Course(4, 8, OptimizerConfig("adam", 1e-2)), chances
    )  # fmt: skip
    assert history.metric == "mean_iou"
    assert 0 < history.last.metric <= 1
    assert history.last.loss < history.epochs[0].loss
    assert torch.equal(network.aux.weight, aux) != several
    assert notes[0].startswith("sparsify: 108 of 216")


class Boxes(Dataset[tuple[Tensor, dict[str, Tensor]]]):
    """A bright square on noise."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        generator = torch.Generator().manual_seed(index)
        image = torch.rand(3, 64, 64, generator=generator) / 2
        left, top = torch.randint(4, 30, (2,), generator=generator).tolist()
        image[:, top : top + 24, left : left + 24] += 0.5
        boxes = torch.tensor([[left, top, left + 24, top + 24]], dtype=torch.float32)
        return image, {"boxes": boxes, "labels": torch.ones(1, dtype=torch.int64)}


def test_detector_trains_on_boxes() -> None:
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.ops import MultiScaleRoIAlign

    body = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2, padding=1)
    )
    body.out_channels = 8
    detector = FasterRCNN(
        body, 2, rpn_anchor_generator=AnchorGenerator(((24,),), ((1.0,),)), min_size=64, max_size=64,
        box_roi_pool=MultiScaleRoIAlign(["0"], 3, 2), rpn_pre_nms_top_n_train=50, rpn_post_nms_top_n_train=20,
        rpn_pre_nms_top_n_test=50, rpn_post_nms_top_n_test=20,
    )  # fmt: skip
    chances = context()
    assert chances.training is not None
    train, test = (
        Labelled("detection", ("square",), Boxes(count), "squares")  # type: ignore[arg-type]
        for count in (8, 3)
    )
    chances = replace(chances, training=replace(chances.training, train=train, test=test))
    methods = [Sparsify(layers=("backbone.*",), schedule="gradual")]
    history, notes = fit(detector, methods, Course(2, 4), chances)
    assert history.metric == "average_precision"
    for epoch in history.epochs:
        assert math.isfinite(epoch.loss)
        assert 0 <= epoch.metric <= 1
    assert notes[0].startswith("sparsify: 396 of 792")
    assert int((body[0].weight == 0).sum()) == 108


@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
def test_methods_act_in_other_precisions(precision: str) -> None:
    network = rich()
    methods = (*METHODS[:2], Distill(loss="mutual"), Distill(features="similarity_preserving"))
    history, _ = fit(network, methods, Course(2, 20), context(flags={"precision": precision}))
    assert math.isfinite(history.last.loss)
    assert history.last.figures["zero_groups"] == 8
    assert network[0].weight.dtype == torch.float32


def test_every_epoch_is_kept_where_asked(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    network = rich()
    fit(network, [], Course(2, 20, keep_epochs=True), context(tmp_path))
    first, last = (load_file(tmp_path / f"epoch-00{epoch}.safetensors") for epoch in (1, 2))
    assert all(torch.equal(last[name], value) for name, value in network.state_dict().items())
    assert not torch.equal(first["0.weight"], last["0.weight"])


def test_progress_is_said_at_each_epoch() -> None:
    said: list[str] = []
    fit(plain(), [Sparsify()], Course(2, 20), replace(context(), progress=said.append))
    assert [line.partition(":")[0] for line in said] == ["epoch 1 of 2", "epoch 2 of 2"]
    assert "sparsity 0.5" in said[1]


def test_pixels_are_normalized_for_the_network() -> None:
    seen: list[Tensor] = []
    network = plain()
    network[0].register_forward_pre_hook(lambda _layer, inputs: seen.append(inputs[0]))
    fit(network, [], Course(1, 70), context(statistics=((0.5,), (0.25,))))
    pixels = Dots(70).images
    (trained,) = [each for each in seen if len(each) == 70]
    torch.testing.assert_close(trained.sum(), ((pixels - 0.5) / 0.25).sum(), rtol=1e-5, atol=0)
