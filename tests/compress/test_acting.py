"""Methods in a plain loop: the loop of the guide, and the same loop against mobilekit's own training."""

import re
import tomllib
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mobilekit.compress.acting import VERSION, Acting
from mobilekit.compress.base import Batch, Context, Handle
from mobilekit.compress.during.distill import Distill
from mobilekit.compress.during.group_penalty import GroupPenalty
from mobilekit.compress.during.kernel_sparsity import KernelSparsity
from mobilekit.compress.during.sparsify import Sparsify
from mobilekit.compress.fitting.fit import Course, fit
from mobilekit.compress.fitting.order import Order, Resumable
from mobilekit.compress.fitting.rates import OptimizerConfig
from mobilekit.compress.registry import during_of, methods, step_of
from mobilekit.compress.steps.train import Train
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError
from mobilekit.recipe import read_recipe
from tests.compress.fitting.material import context, labelled, plain

GUIDE = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def test_code_of_the_guide_runs_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    module, loop, stable, own = blocks("python")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Lightning's advice
            exec(module, names)  # noqa: S102
        assert "sparsify: 1,764 of 3,528 groups are zero" in capsys.readouterr().out
        exec(loop, names)  # noqa: S102
        assert "sparsify: 2,821 of 3,528 groups are zero" in capsys.readouterr().out
        exec(stable, names)  # noqa: S102
        exec(own, names)  # noqa: S102
    finally:
        torch.set_num_threads(threads)
    assert len(loop.splitlines()) <= 20
    found = names["found"]
    assert found.rise == pytest.approx(found.midpoint - sum(found.ends) / 2)
    assert all(0 <= each < 0.9 for each in (*found.ends, found.midpoint))  # nine of ten by chance
    said = capsys.readouterr().out
    assert (
        said
        == f"ends {found.ends}, half-way {found.midpoint:.3f}, {found.rise:+.3f} above their mean\n"
    )
    network = names["network"]
    zeros = [int((layer.weight == 0).sum()) for layer in (network[0], network[2], network[4])]
    assert zeros == [57, 460, 2304]
    assert not any(layer._forward_hooks for layer in network.modules())
    with Acting(network, [names["SmallBiases"]()], Context(inputs=())) as acting:
        task, batch = torch.ones(()), Batch((torch.ones(1),))
        biases = (each for name, each in network.named_parameters() if name.endswith("bias"))
        expected = 1 + 1e-3 * sum(float(each.detach().square().sum()) for each in biases)
        assert float(acting.loss(task, batch, None).detach()) == pytest.approx(expected)


def test_recipes_of_the_guide_are_read(tmp_path: Path) -> None:
    text, net, shown, masks, judged, lines, weighed = blocks("toml")
    (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
    assert [step["kind"] for step in read_recipe(tmp_path).steps] == ["train", "prune"]
    (tmp_path / "recipe.toml").write_text(f'name = "own"\n{net}', encoding="utf-8")
    assert read_recipe(tmp_path).net.kind == "torchvision"
    (options,) = tomllib.loads(shown)["steps"]
    train = step_of({**options, **tomllib.loads(masks)}, "train")
    assert isinstance(train, Train)
    assert [type(each).__name__ for each in train.augment] == [
        "Flip",
        "Affine",
        "Colour",
        "Camera",
        "Erase",
    ]
    assert train.previous_mask is not None
    (tmp_path / "recipe.toml").write_text(f'name = "own"\n{judged}\n{net}', encoding="utf-8")
    assert read_recipe(tmp_path).judged_images == 1000
    assert [line["name"] for line in tomllib.loads(lines)["lines"]] == [
        "plain",
        "+ mixup",
        "+ pruning",
    ]
    (options,) = tomllib.loads(weighed)["during"]
    assert isinstance(during_of(options, "sparsify"), Sparsify)
    examples = [
        tomllib.loads(f"a = {each}")["a"] for each in re.findall(r"`(\{ kind = .*? \})` \|", GUIDE)
    ]
    for options in examples:
        during_of(options, options["kind"])
    assert {options["kind"] for options in examples} == {
        one.kind for one in methods() if one.place == "during"
    }


METHODS = (
    Sparsify(sparsity=0.5),
    KernelSparsity(threshold=0.3),
    GroupPenalty(proximal=True),
    Distill(features="fitnet", beta=0.3),
)


def test_loop_gives_the_bits_of_the_own_training() -> None:
    expected, found = plain(), plain()
    place = context()
    course = Course(3, 20, OptimizerConfig("adam", 1e-2, schedule="constant"))
    _, notes = fit(expected, METHODS, course, place)
    data = labelled(70)
    loader = Resumable(data, Order(70, 20, place.seed), 20)
    found.train()
    with Acting(found, METHODS, place) as acting:
        optimizer = torch.optim.Adam([*found.parameters(), *acting.parameters()], lr=1e-2)
        step = 0
        for epoch in range(3):
            loader.order.set_epoch(epoch)
            for images, labels in loader:
                outputs = found(images)
                task = functional.cross_entropy(outputs, labels)
                optimizer.zero_grad()
                acting.loss(task, Batch((images,), labels), outputs).backward()  # type: ignore[no-untyped-call]
                acting.after_backward()
                optimizer.step()
                step += 1
                acting.after_step(step / 9, optimizer)
            acting.after_epoch(step / 9, optimizer)
        assert acting.finish() == notes
    for name, value in expected.state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name


class Weighing(Handle):
    """A weight of the task and a constant term."""

    def __init__(self, weight: float, term: float | None) -> None:
        self.task_weight, self._term = weight, term
        self.closed = 0

    def start(self, network: nn.Module, place: Context) -> Handle:
        del network, place
        return self

    def penalty(self, batch: Batch, outputs: Any) -> Tensor | None:
        del batch, outputs
        return None if self._term is None else torch.tensor(self._term)

    def close(self) -> None:
        self.closed += 1

    def figures(self) -> dict[str, float]:
        return {"term": self._term or 0.0}

    def state_dict(self) -> dict[str, Any]:
        return {"term": self._term}


class Refusing(Weighing):
    """Finds nothing to do, when it starts or in the end."""

    def __init__(self, *, early: bool) -> None:
        super().__init__(1.0, None)
        self._early = early

    def start(self, network: nn.Module, place: Context) -> Handle:
        del network, place
        if self._early:
            raise NoEffectError("nothing")
        return self

    def finish(self) -> tuple[str, ...]:
        raise NoEffectError("nothing")


def test_loss_is_the_weighed_task_and_all_terms() -> None:
    methods = [Weighing(0.5, 3.0), Weighing(0.25, None), Weighing(1.0, 0.125)]
    acting = Acting(plain(), methods, context())
    loss = acting.loss(torch.tensor(16.0), Batch(()), None)
    assert float(loss) == 16 * 0.125 + 3.125
    assert acting.figures() == {"term": 3.0, "term.1": 0.0, "term.2": 0.125}
    nothing = Acting(plain(), [Weighing(1.0, None)], context())
    assert nothing.penalty(Batch(()), None) is None
    assert float(nothing.loss(torch.tensor(2.0), Batch(()), None)) == 2.0


@pytest.mark.parametrize("early", [True, False])
def test_all_methods_are_closed_where_one_fails(*, early: bool) -> None:
    first = Weighing(1.0, None)
    with pytest.raises(NoEffectError, match="nothing"):
        Acting(plain(), [first, Refusing(early=early)], context()).finish()
    assert first.closed >= 1


def test_state_of_other_methods_or_versions_is_refused() -> None:
    acting = Acting(plain(), [Weighing(1.0, 2.0)], context())
    state = acting.state_dict()
    assert state["methods"]["0"] == {"kind": "Weighing", "state": {"term": 2.0}}
    acting.load_state_dict(state)
    other = Acting(plain(), [], context())
    with pytest.raises(ModelError, match="it is of a training with Weighing, not with none"):
        other.load_state_dict(state)
    with pytest.raises(ModelError, match=f"its version is None, this program writes {VERSION}"):
        acting.load_state_dict({})
    with pytest.raises(RecipeError, match="features need example inputs"):
        Acting(plain(), [Distill(features="fitnet")], Context(inputs=()))
