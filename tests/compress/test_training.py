"""The callback in a person's own Lightning module, against a loop written by hand."""

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer
from torch.utils.data import DataLoader, IterableDataset

from mobilekit.compress.acting import Acting
from mobilekit.compress.base import Batch, Context, During, Handle
from mobilekit.compress.during.distill import Distill
from mobilekit.compress.during.group_penalty import GroupPenalty
from mobilekit.compress.during.sparsify import Sparsify
from mobilekit.compress.training import ActingCallback
from mobilekit.core.errors import ModelError, NoEffectError, TrainingError
from tests.compress.fitting.material import Dots, drawn, plain, rich


@pytest.fixture(autouse=True)
def lightning_is_quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own advice: few workers, no logger
        yield


class Own(pl.LightningModule):
    """What a person has: a network, a loss, an optimizer."""

    def __init__(self, network: nn.Module, acting: Acting) -> None:
        super().__init__()
        self.network, self.beside = network, acting.modules()

    def training_step(self, batch: tuple[Tensor, Tensor], *_: object) -> Tensor:
        return functional.cross_entropy(self.network(batch[0]), batch[1])

    def validation_step(self, batch: tuple[Tensor, Tensor], *_: object) -> None:
        self.network(batch[0])

    def configure_optimizers(self) -> Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1, momentum=0.9)


def trained(
    network: nn.Module, methods: Sequence[During], dtype: torch.dtype = torch.float32, **flags: Any
) -> tuple[Acting, pl.Trainer]:
    """Train on five batches of 14 images per epoch, in their order."""
    acting = Acting(network, methods, Context(inputs=(torch.zeros(1, 1, 8, 8, dtype=dtype),)))
    resume = flags.pop("resume", None)
    trainer = pl.Trainer(**{
        "accelerator": "cpu", "devices": 1, "max_epochs": 2, "logger": False, "num_sanity_val_steps": 0,
        "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False,
        "callbacks": [ActingCallback(acting)],
    } | flags)  # fmt: skip
    train, test = (
        DataLoader(dots, 14, generator=torch.Generator())  # draws nothing of the network's numbers
        for dots in (Dots(70, dtype), Dots(9, dtype))
    )
    trainer.fit(Own(network, acting), train, test, ckpt_path=resume)
    return acting, trainer


@dataclass
class Recording(Handle):
    """Writes down what it is told; its term is the mean of the outputs."""

    steps: list[float] = field(default_factory=list)
    epochs: list[float] = field(default_factory=list)
    batches: list[tuple[int, int]] = field(default_factory=list)
    backwards: int = 0

    def start(self, network: nn.Module, context: Context) -> Handle:
        del network, context
        return self

    def penalty(self, batch: Batch, outputs: Any) -> Tensor | None:
        assert torch.is_grad_enabled()
        assert outputs.requires_grad
        self.batches.append((len(batch.inputs[0]), int(batch.target.sum())))
        return None

    def after_backward(self) -> None:
        self.backwards += 1

    def after_step(self, progress: float, optimizer: Optimizer | None = None) -> None:
        assert optimizer is not None
        assert all(each.grad is not None for each in optimizer.param_groups[0]["params"])
        self.steps.append(progress)

    def after_epoch(self, progress: float, optimizer: Optimizer | None = None) -> None:
        assert optimizer is not None
        self.epochs.append(progress)


@pytest.mark.parametrize(("collected", "steps"), [(1, 10), (2, 6), (5, 2)])
def test_methods_are_told_of_steps_not_of_batches(collected: int, steps: int) -> None:
    method = Recording()
    trained(plain(), [method], accumulate_grad_batches=collected, val_check_interval=2)
    assert method.steps == pytest.approx([(step + 1) / steps for step in range(steps)], abs=1e-12)
    assert method.epochs == [0.5, 1.0]
    assert method.backwards == steps
    labels = Dots(70).labels.view(5, 14).sum(1).tolist()
    assert method.batches == [(14, total) for total in labels] * 2


BETA, LAMBDA, HEAT = 0.3, 0.02, 4.0


def by_hand(
    network: nn.Module, teacher: nn.Module, collected: int, clip: float | None
) -> nn.Module:
    """The same training, written out: soft targets, group lasso over filters, clipping."""
    data = Dots(70, torch.float64)
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
    for _ in range(2):
        batches = list(zip(data.images.split(14), data.labels.split(14), strict=True))
        for start in range(0, 5, collected):
            optimizer.zero_grad()
            total = torch.zeros((), dtype=torch.float64)
            for images, labels in batches[start : start + collected]:
                logits = network(images)
                with torch.no_grad():
                    wanted = (teacher(images) / HEAT).softmax(1)
                found = (logits / HEAT).log_softmax(1)
                divergence = (wanted * (wanted.log() - found)).sum(1).mean() * HEAT**2
                task = functional.cross_entropy(logits, labels)
                total = total + (BETA * divergence + (1 - BETA) * task) / collected
            lasso = sum(
                layer.weight.flatten(1).norm(dim=1).sum()
                for layer in network.modules()
                if isinstance(layer, nn.Conv2d)
            )
            (total + LAMBDA * lasso).backward()  # type: ignore[no-untyped-call]
            if clip is not None:
                nn.utils.clip_grad_norm_(network.parameters(), clip)
            optimizer.step()
    return network


@pytest.mark.parametrize("clip", [None, 0.1], ids=["free", "clipped"])
@pytest.mark.parametrize("collected", [1, 2])
def test_weights_are_those_of_the_loop_by_hand(collected: int, clip: float | None) -> None:
    teacher, found, expected = plain(5).double(), plain().double(), plain().double()
    by_hand(expected, teacher, collected, clip)
    context = Context(inputs=(torch.zeros(1, 1, 8, 8),), original=teacher)

    class Taught(Distill):
        def start(self, network: nn.Module, _context: Context) -> Handle:
            return super().start(network, context)

    methods = [
        Taught(beta=BETA, temperature=HEAT),
        GroupPenalty(strength=LAMBDA, layers=("0", "2")),
    ]
    trained(
        found, methods, torch.float64, accumulate_grad_batches=collected, gradient_clip_val=clip
    )
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], value, rtol=0, atol=1e-11)


class Falling(Own):
    """The rate of step k, counted from 0, is 0.1 / (1 + k); Lightning sets it right behind the step before."""

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), 0.1)
        rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
        return {
            "optimizer": optimizer, "lr_scheduler": {"scheduler": rate, "interval": "step"},
        }  # fmt: skip


@pytest.mark.parametrize("coupled", [False, True])
def test_a_proximal_step_has_the_rate_of_the_step_before_it(*, coupled: bool) -> None:
    """By hand: w ← w − r·∂L, then max(0, 1 − r·λ / ‖W_g‖)·W_g with the same r, over 5 steps."""
    lasso = 0.3
    found, expected = plain().double(), plain().double()
    layers = () if coupled else ("2",)
    method = GroupPenalty(strength=lasso, proximal=True, coupled=coupled, layers=layers)
    # no sum couples the two convolutions: a channel is a filter of one of them
    shrunk = [expected[0], expected[2]] if coupled else [expected[2]]
    inputs = (torch.zeros(1, 1, 8, 8, dtype=torch.float64),)
    acting = Acting(found, [method], Context(inputs=inputs))
    trainer = pl.Trainer(
        accelerator="cpu", devices=1, max_epochs=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, callbacks=[ActingCallback(acting)],
    )  # fmt: skip
    data = Dots(70, torch.float64)
    trainer.fit(Falling(found, acting), DataLoader(data, 14))
    for step, (images, labels) in enumerate(
        zip(data.images.split(14), data.labels.split(14), strict=True)
    ):
        rate = 0.1 / (1 + step)
        expected.zero_grad()
        functional.cross_entropy(expected(images), labels).backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for parameter in expected.parameters():
                assert parameter.grad is not None
                parameter.sub_(rate * parameter.grad)
            for layer in shrunk:
                factor = (1 - rate * lasso / layer.weight.flatten(1).norm(dim=1)).clamp_min(0)
                layer.weight *= factor.view(-1, 1, 1, 1)
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], value, rtol=0, atol=1e-11)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("collected", [1, 2])
def test_several_methods_act_in_an_own_module(precision: str, collected: int) -> None:
    wide = drawn(nn.Sequential(nn.Conv2d(1, 9, 3), nn.SiLU(), nn.Flatten(), nn.Linear(324, 3)), 1)
    network = rich()
    method = Distill(features="fitnet", pairs={"0": "0"}, teacher="wide")

    class Taught(Sparsify):
        """Carries nothing but the exact sparsity."""

    context = Context(inputs=(torch.zeros(1, 1, 8, 8),), load=lambda _name: wide)
    acting = Acting(network, [method, Taught(sparsity=0.6), Taught(granularity="filter")], context)
    adapter = next(acting.parameters()).detach().clone()
    trainer = pl.Trainer(
        accelerator="cpu", devices=1, max_epochs=2, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, callbacks=[ActingCallback(acting)],
        precision=precision, accumulate_grad_batches=collected,  # type: ignore[arg-type]
    )  # fmt: skip
    trainer.fit(Own(network, acting), DataLoader(Dots(70), 14))
    assert not torch.equal(next(acting.parameters()).detach(), adapter)
    notes = acting.finish()
    assert notes[1].startswith("sparsify: 618 of 1,032 groups")
    assert notes[2].startswith("sparsify: 8 of 16 groups")
    assert all(each.isfinite().all() for each in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())


def test_goes_on_from_a_checkpoint_of_an_own_training(tmp_path: Path) -> None:
    methods = [Sparsify(sparsity=0.5)]

    class Save(pl.Callback):
        def on_train_epoch_end(self, trainer: pl.Trainer, *_: object) -> None:
            trainer.save_checkpoint(tmp_path / f"{trainer.current_epoch}.ckpt")

    acting = Acting(rich(), methods, Context(inputs=(torch.zeros(1, 1, 8, 8),)))
    trained(acting.network, methods, callbacks=[ActingCallback(acting), Save()])
    again = rich(7)
    trained(again, methods, resume=tmp_path / "0.ckpt")
    for name, value in acting.network.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_checkpoint_without_methods_is_refused() -> None:
    acting = Acting(plain(), [Sparsify()], Context(inputs=(torch.zeros(1, 1, 8, 8),)))
    with pytest.raises(ModelError, match="it holds nothing of the methods of this training"):
        ActingCallback(acting).load_state_dict({})


def test_watching_ends_with_the_training_whatever_happens() -> None:
    network = plain()
    trained(network, [Sparsify()])
    assert not network._forward_hooks
    with torch.no_grad():
        network[0].weight[0, 0, 0, 0] = math.nan
    with pytest.raises(TrainingError, match=r"0\.weight has values that are not finite"):
        trained(network, [])
    assert not network._forward_hooks


class Stream(IterableDataset[Any]):
    """Batches, nobody knows how many."""

    def __init__(self, dots: Dots) -> None:
        self.batches = list(zip(dots.images.split(14), dots.labels.split(14), strict=True))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self.batches)


class Enough(pl.Callback):
    """Ends a training after some steps, as an early stop does."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        trainer.should_stop = trainer.global_step >= self.step


def streamed(methods: Sequence[During], stop: int = 1000, **flags: Any) -> tuple[nn.Module, Acting]:
    network = plain()
    acting = Acting(network, methods, Context(inputs=(torch.zeros(1, 1, 8, 8),)))
    trainer = pl.Trainer(
        accelerator="cpu", devices=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[ActingCallback(acting), Enough(stop)], **flags,
    )  # fmt: skip
    trainer.fit(Own(network, acting), DataLoader(Stream(Dots(70)), batch_size=None))
    return network, acting


def test_a_loader_of_unknown_length_is_followed_by_epochs() -> None:
    method = Recording()
    network, acting = streamed([method, Sparsify(sparsity=0.5)], max_epochs=2)
    assert method.steps == [0, 0, 0, 0, 0.5, 0.5, 0.5, 0.5, 0.5, 1]
    assert method.epochs == [0.5, 1]
    assert len(acting.finish()) == 1
    assert sum(int((network[place].weight == 0).sum()) for place in (0, 2, 4)) == 516


def test_steps_are_counted_where_they_are_given() -> None:
    method = Recording()
    streamed([method], max_steps=4)
    assert method.steps == [0.25, 0.5, 0.75, 1]


def test_a_training_without_end_that_zeroes_nothing_is_an_error() -> None:
    _, acting = streamed([Sparsify(schedule="gradual")], stop=3, max_epochs=-1)
    with pytest.raises(NoEffectError, match="ended at 0 of its length"):
        acting.finish()


def test_a_training_that_is_stopped_early_says_what_is_missing() -> None:
    network = plain()
    method = Sparsify(sparsity=0.5, schedule="linear")
    acting = Acting(network, [method], Context(inputs=(torch.zeros(1, 1, 8, 8),)))
    trainer = pl.Trainer(
        accelerator="cpu", devices=1, max_epochs=2, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, callbacks=[ActingCallback(acting), Enough(4)],
    )  # fmt: skip
    trainer.fit(Own(network, acting), DataLoader(Dots(70), 14))
    zeros = sum(int((network[place].weight == 0).sum()) for place in (0, 2, 4))
    assert zeros == 14 + 115 + 76  # two fifths of a half of 72, 576 and 384
    assert f"asked for 516 of 1,032 groups, {zeros} are zero" in acting.finish()[1]
