"""A student's gradient against the formula by hand; a teacher that stays as it is."""

import io
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection import retinanet_resnet50_fpn

from mobilekit.compress.acting import Acting
from mobilekit.compress.base import Batch, Context
from mobilekit.compress.during.distill import Distill, Learning, distill
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError
from tests.compress.during.stepping import INPUTS, run
from tests.compress.fitting.material import Dots, drawn, plain, rich

CONTEXT = Context(INPUTS)


def wide(seed: int = 5) -> nn.Sequential:
    network = nn.Sequential(
        nn.Conv2d(1, 12, 3), nn.BatchNorm2d(12), nn.Conv2d(12, 8, 3), nn.Flatten(), nn.Linear(128, 3)
    )  # fmt: skip
    drawn(network, seed)
    return network


def gradients(network: nn.Module, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(network.parameters())))


@pytest.mark.parametrize(("alpha", "beta"), [(0.25, 0.6), (1.0, 0.5), (0.0, 1.0)])
def test_gradient_is_that_of_the_formula(alpha: float, beta: float) -> None:
    """β(αL_l + (1 − α)L_f) + (1 − β)L_c, written out."""
    student, teacher, data = plain().double(), wide().double(), Dots(12, torch.float64)
    teacher.train()
    method = Distill(
        features="fitnet", pairs={"0": "0", "2": "2"}, alpha=alpha, beta=beta, temperature=2
    )
    context = replace(CONTEXT, inputs=(INPUTS[0].double(),), original=teacher)
    with Acting(student, [method], context) as acting:
        adapters = list(acting.parameters())
        assert len(adapters) == (alpha < 1)  # without a share of theirs there are none
        trained = [*student.parameters(), *adapters]
        outputs = student(data.images)
        task = functional.cross_entropy(outputs, data.labels)
        loss = acting.loss(task, Batch((data.images,), data.labels), outputs)
        found = torch.autograd.grad(loss, trained)

    teacher.eval()
    with torch.no_grad():
        first = teacher[0](data.images)
        second = teacher[2](teacher[1](first))
        wanted = (teacher(data.images) / 2).softmax(1)
    one = student[0](data.images)
    two = student[2](student[1](one))
    logits = student[4](two.flatten(1))
    l_l = 4 * (wanted * (wanted.log() - (logits / 2).log_softmax(1))).sum(1).mean()
    l_f = torch.zeros(())
    for adapter in adapters:
        fitted = functional.conv2d(one, adapter)
        l_f = ((fitted - first).square().mean() + (two - second).square().mean()) / 2
    l_c = -logits.log_softmax(1)[range(12), data.labels].mean()
    expected = beta * (alpha * l_l + (1 - alpha) * l_f) + (1 - beta) * l_c
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)
    slopes = torch.autograd.grad(expected, trained)
    for mine, other in zip(found, slopes, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("loss", ["soft_target", "logits_mse", "decoupled"])
@pytest.mark.parametrize(
    "features", ["none", "fitnet", "attention_transfer", "similarity_preserving"]
)
def test_teacher_equal_to_the_student_costs_nothing(loss: Any, features: Any) -> None:
    student, data = rich().eval(), Dots(12)
    handle = Distill(loss=loss, features=features).start(student, CONTEXT)
    term = handle.penalty(Batch((data.images,), data.labels), student(data.images))
    assert term is not None
    assert float(term.detach()) == pytest.approx(0, abs=1e-6)
    for slope in gradients(student, term):
        assert float(slope.abs().max()) < 1e-5  # float32: the square of a rounding error
    handle.close()


def test_teacher_stays_as_it_is() -> None:
    teacher = wide().train()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    modes = [module.training for module in teacher.modules()]
    acting, _ = run(
        plain(), [Distill(features="fitnet")], context=replace(CONTEXT, original=teacher)
    )
    (handle,) = acting.handles
    assert isinstance(handle, Learning)
    for network in (teacher, handle._teacher.network):
        for name, value in network.state_dict().items():
            assert torch.equal(value, before[name]), name
        assert all(parameter.grad is None for parameter in network.parameters())
    assert [module.training for module in teacher.modules()] == modes
    assert all(parameter.requires_grad for parameter in teacher.parameters())


def test_student_comes_nearer_to_its_teacher() -> None:
    far, near, teacher, data = plain(), plain(), plain(9), Dots(12)
    run(far, [Distill(beta=1e-6)], 30, context=replace(CONTEXT, original=teacher))
    run(near, [Distill(beta=1.0)], 30, context=replace(CONTEXT, original=teacher))
    distances = [
        float((network(data.images).softmax(1) - teacher(data.images).softmax(1)).detach().norm())
        for network in (far, near)
    ]
    assert distances[1] < distances[0] / 4


def test_peers_learn_from_each_other() -> None:
    """Both losses by hand: each learns the task and what the other says, itself held still."""
    student, peer, data = plain().double(), plain(5).double(), Dots(12, torch.float64)
    context = replace(CONTEXT, original=peer)
    acting = Acting(student, [Distill(loss="mutual", beta=0.4)], context)
    other = next(iter(acting.modules()[1]))
    outputs = student(data.images)
    loss = acting.loss(
        functional.cross_entropy(outputs, data.labels), Batch((data.images,), data.labels), outputs
    )
    found = gradients(student, loss) + gradients(other, acting.loss(
        functional.cross_entropy(student(data.images), data.labels),
        Batch((data.images,), data.labels),
        student(data.images),
    ))  # fmt: skip
    expected = []
    for mine, fixed in ((student, peer), (peer, student)):
        logits = mine(data.images).log_softmax(1)
        wanted = fixed(data.images).softmax(1).detach()
        divergence = (wanted * (wanted.log() - logits)).sum(1).mean()
        task = -logits[range(12), data.labels].mean()
        expected += gradients(mine, 0.4 * divergence + 0.6 * task)
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-14)


def test_peer_trains_and_the_original_does_not() -> None:
    peer = rich(5)
    before = {name: value.clone() for name, value in peer.state_dict().items()}
    acting, _ = run(plain(), [Distill(loss="mutual")], context=replace(CONTEXT, original=peer))
    trained = next(iter(acting.modules()[1])).state_dict()
    assert all(torch.equal(value, before[name]) for name, value in peer.state_dict().items())
    assert not torch.equal(trained["0.weight"], before["0.weight"])
    assert int(trained["1.num_batches_tracked"]) == 6


def hooks(network: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in network.modules())


def test_hooks_go_whatever_happens() -> None:
    student, teacher = plain(), wide()
    context = replace(CONTEXT, original=teacher)
    acting, _ = run(student, [Distill(features="fitnet")], context=context)
    (handle,) = acting.handles
    assert isinstance(handle, Learning)
    assert hooks(student) == hooks(teacher) == hooks(handle._teacher.network) == 0
    acting = Acting(student, [Distill(features="fitnet")], context)
    assert hooks(student) > 0
    with pytest.raises(ZeroDivisionError), acting:
        raise ZeroDivisionError
    assert hooks(student) == 0
    with pytest.raises(RecipeError, match="matches no layer of the student"):
        Acting(
            student,
            [Distill(features="fitnet"), Distill(features="fitnet", pairs={"x": "0"})],
            context,
        )
    assert hooks(student) == 0


@pytest.mark.parametrize("loss", ["soft_target", "logits_mse", "decoupled", "mutual"])
def test_segmentation_with_labels_finer_than_the_outputs(loss: Any) -> None:
    student, teacher = nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Conv2d(3, 4, 1)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 8, 8, generator=generator)
    labels = torch.randint(4, (2, 8, 8), generator=generator)
    unjudged = labels.clone()
    unjudged[:, :4] = 255
    terms = []
    for target in (labels, unjudged):
        handle = distill(student, teacher, Context((images,)), Distill(loss=loss))
        term = handle.penalty(Batch((images,), target), student(images))
        assert term is not None
        terms.append(float(term.detach()))
        assert all(slope.isfinite().all() for slope in gradients(student, term))
    assert all(0 < term < 100 for term in terms)
    assert (terms[0] != terms[1]) == (loss in {"decoupled", "mutual"})


def test_teacher_that_has_more_classes_is_restricted_to_those_kept() -> None:
    teacher, student = plain(3), plain()
    student[4] = nn.Linear(128, 2)
    context = replace(CONTEXT, original=teacher, kept_classes=(2, 0))
    handle = Distill(loss="logits_mse", beta=1.0).start(student, context)
    images = Dots(12).images
    term = handle.penalty(Batch((images,)), student(images))
    expected = (student(images) - teacher(images)[:, [2, 0]]).square().mean()
    assert term is not None
    torch.testing.assert_close(term.detach(), expected.detach())


def test_the_network_as_the_step_finds_it_teaches_whatever_came_before() -> None:
    """Neither the first network nor its number of classes counts: the teacher's answers are its own."""
    student = plain()
    context = replace(CONTEXT, original=wide(), kept_classes=(2, 0, 1))
    data = Dots(6)
    with Acting(student, [Distill(teacher="before", beta=1.0)], context) as acting:
        outputs = student(data.images)
        loss = acting.loss(torch.zeros(()), Batch((data.images,), data.labels), outputs)
        assert loss.item() == pytest.approx(0, abs=1e-6)
        with torch.no_grad():
            student[4].bias += torch.tensor([1.0, 0.0, 0.0])
        moved = acting.loss(
            torch.zeros(()), Batch((data.images,), data.labels), student(data.images)
        )
        assert moved.item() > 1e-3


def test_teacher_by_name_is_loaded() -> None:
    asked: list[str] = []

    def load(reference: str) -> nn.Module:
        asked.append(reference)
        return plain(3)

    handle = Distill(teacher="big").start(plain(), replace(CONTEXT, load=load))
    assert asked == ["big"]
    assert handle.finish() == ("distill: soft_target, beta 0.5",)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_teacher_in_fewer_bits_says_nearly_the_same(precision: Any) -> None:
    student, teacher, data = plain(), plain(3), Dots(12)
    terms = []
    for bits in ("as_found", precision):
        handle = Distill(precision=bits).start(student, replace(CONTEXT, original=teacher))
        term = handle.penalty(Batch((data.images,)), student(data.images))
        assert term is not None
        assert term.dtype == torch.float32
        terms.append(float(term.detach()))
    assert terms[0] != terms[1]
    assert terms[0] == pytest.approx(terms[1], rel=0.1)


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (Distill(alpha=0.5), "alpha below 1 weighs features; say which loss"),
        (Distill(loss="mutual", features="fitnet"), "mutual learning compares logits only"),
        (Distill(teacher="nobody"), "no way to load the teacher 'nobody'"),
        (Distill(features="fitnet", pairs={}), "no pattern was given"),
    ],
)
def test_options_that_cannot_be_are_refused(method: Distill, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        method.start(plain(), CONTEXT)


def test_a_detector_is_refused_with_what_can_be_distilled() -> None:
    with torch.device("meta"):
        detector = retinanet_resnet50_fpn(weights=None, weights_backbone=None, num_classes=3)
    said = r"^distill: the {} is a detector: .* tensors of logits, \[N, C\] or \[N, C, H, W\]"
    with pytest.raises(ModelError, match=said.format("network")):
        Distill().start(detector, CONTEXT)
    with pytest.raises(ModelError, match=said.format("teacher")):
        Distill().start(plain(), replace(CONTEXT, original=nn.Sequential(detector)))


def test_a_network_that_returns_losses_is_refused() -> None:
    handle = Distill().start(plain(), CONTEXT)
    losses = {"classes": torch.zeros(()), "boxes": torch.ones(())}
    with pytest.raises(
        ModelError, match=r"returns a single number first, such as a loss; what can"
    ):
        handle.penalty(Batch((Dots(12).images,)), losses)


def test_no_teacher_is_no_effect_and_no_labels_are_said() -> None:
    with pytest.raises(NoEffectError, match="with beta 0 the teacher is not listened to"):
        Distill(beta=0.0).start(plain(), CONTEXT)
    network, images = plain(), Dots(12).images
    handle = Distill(loss="decoupled").start(network, CONTEXT)
    with pytest.raises(RecipeError, match="this loss needs labels"):
        handle.penalty(Batch((images,)), network(images))
    other = plain()
    other[4] = nn.Linear(128, 5)
    handle = Distill().start(network, replace(CONTEXT, original=other))
    with pytest.raises(ModelError, match="same N and C"):
        handle.penalty(Batch((images,)), network(images))


def active() -> nn.Sequential:
    made = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Conv2d(8, 8, 3), nn.SiLU(),
        nn.Flatten(), nn.Linear(128, 3),
    )  # fmt: skip
    drawn(made, 5)
    return made


def test_activation_boundaries_of_equal_networks_cost_nothing_and_have_no_slope() -> None:
    student, data = active().eval(), Dots(12)
    config = Distill(features="activation_boundary", alpha=0.0, beta=1.0)
    handle = config.start(student, CONTEXT)
    term = handle.penalty(Batch((data.images,), data.labels), student(data.images))
    assert term is not None
    assert float(term.detach()) == 0
    slopes = torch.autograd.grad(term, list(student.parameters()), allow_unused=True)
    assert all(slope is None or not slope.any() for slope in slopes)
    handle.close()


def test_activation_boundary_is_of_features_before_the_activation() -> None:
    """The loss of Heo et al., its margin at most |t|, of what the batch norm and the convolution return."""
    student, teacher, data = active().eval(), active().eval(), Dots(12)
    drawn(teacher, 9)
    config = Distill(features="activation_boundary", alpha=0.0, beta=1.0)
    handle = config.start(student, replace(CONTEXT, original=teacher))
    term = handle.penalty(Batch((data.images,), data.labels), student(data.images))
    expected = []
    for depth in (2, 4):
        s, t = student[:depth](data.images), teacher[:depth](data.images)
        margin = t.abs().clamp(max=1.0)
        missing = torch.where(t > 0, margin - s, margin + s)
        expected.append((missing * (missing > 0)).pow(2).mean())
    assert term is not None
    torch.testing.assert_close(term, torch.stack(expected).mean())
    assert handle.finish() == ("distill: soft_target, activation_boundary of 2 pairs, beta 1.0",)
    handle.close()


@pytest.mark.parametrize("pair", [{"2": "1"}, {"1": "2"}])
def test_pairs_of_activations_are_refused_where_boundaries_are_compared(
    pair: dict[str, str],
) -> None:
    config = Distill(features="activation_boundary", pairs=pair)
    with pytest.raises(
        RecipeError, match=r"'2' of the .* returns what an activation made; .* such as '1'"
    ):
        config.start(active(), CONTEXT)


def test_pairs_name_the_teachers_own_layers_after_specialization() -> None:
    teacher, student = plain(3), plain()
    student[4] = nn.Linear(128, 2)
    context = replace(CONTEXT, original=teacher, kept_classes=(2, 0))
    config = Distill(features="fitnet", pairs={"0": "0"}, alpha=0.0, beta=1.0)
    handle = config.start(student, context)
    images = Dots(12).images
    term = handle.penalty(Batch((images,)), student(images))
    assert term is not None
    torch.testing.assert_close(
        term.detach(), (student[0](images) - teacher[0](images)).square().mean().detach()
    )
    handle.close()


def test_a_teacher_that_has_just_the_kept_classes_is_taken_as_it_is() -> None:
    teacher, student = plain(3), plain()
    teacher[4], student[4] = nn.Linear(128, 2), nn.Linear(128, 2)
    context = replace(CONTEXT, load=lambda _: teacher, kept_classes=(2, 0))
    handle = Distill(teacher="small", loss="logits_mse", beta=1.0).start(student, context)
    images = Dots(12).images
    term = handle.penalty(Batch((images,)), student(images))
    assert term is not None
    expected = (student(images) - teacher(images)).square().mean()
    torch.testing.assert_close(term.detach(), expected.detach())


@pytest.mark.parametrize("loss", ["soft_target", "mutual"])
def test_a_teacher_of_other_images_is_refused_before_the_first_step(loss: Any) -> None:
    colours = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 3))
    said = (
        r"^distill: the teacher 'rgb' does not take the images: it was given \[1, 1, 8, 8\] \(its 0 takes 3"
        r" channels\): .*; give one that takes what the trained network takes$"
    )
    config = Distill(teacher="rgb", loss=loss)
    with pytest.raises(ModelError, match=said):
        config.start(plain(), replace(CONTEXT, load=lambda _: colours))
    handle = config.start(
        plain(), Context((), load=lambda _: colours)
    )  # not known before the batch
    with pytest.raises(ModelError, match=said.replace("1, 1, 8", "12, 1, 8")):
        handle.penalty(Batch((Dots(12).images,)), plain()(Dots(12).images))


FITNET = Distill(features="fitnet", pairs={"0": "0"})


def trained_on(config: Distill, teacher: nn.Module | None, stop: int | None) -> nn.Module:
    """Train six steps; with a stop, in two halves, the second of which starts from a checkpoint."""
    data, context = Dots(12), replace(CONTEXT, original=teacher)
    network = plain()
    acting = Acting(network, [config], context)
    optimizer = torch.optim.SGD([*network.parameters(), *acting.parameters()], 0.05, momentum=0.9)
    for step in range(6):
        if step == stop:
            states = io.BytesIO()
            torch.save([each.state_dict() for each in (network, acting, optimizer)], states)
            acting.close()
            states.seek(0)
            weights, methods, moments = torch.load(states, weights_only=True)
            network = plain()
            network.load_state_dict(
                weights
            )  # before the methods start: `self` is another network now
            acting = Acting(network, [config], context)
            acting.load_state_dict(methods)
            trained = [*network.parameters(), *acting.parameters()]
            optimizer = torch.optim.SGD(trained, 0.05, momentum=0.9)
            optimizer.load_state_dict(moments)
        outputs = network(data.images)
        task = functional.cross_entropy(outputs, data.labels)
        optimizer.zero_grad()
        acting.loss(task, Batch((data.images,), data.labels), outputs).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    acting.close()
    return network


@pytest.mark.parametrize(
    ("config", "teacher"),
    [(FITNET, wide()), (Distill(loss="mutual"), wide()), (Distill(), None), (FITNET, None)],
    ids=["adapters", "peer", "self", "self_features"],
)
def test_a_loop_of_ones_own_goes_on_bit_for_bit(config: Distill, teacher: nn.Module | None) -> None:
    whole, halves = (trained_on(config, teacher, stop).state_dict() for stop in (None, 3))
    assert all(torch.equal(value, halves[name]) for name, value in whole.items())


def test_checkpoints_with_another_teacher_or_other_adapters_are_refused() -> None:
    first = distill(plain(), wide(), CONTEXT, FITNET)
    state = first.state_dict()
    with pytest.raises(ModelError, match="the teacher is not that of the checkpoint"):
        distill(plain(), wide(6), CONTEXT, FITNET).load_state_dict(state)
    with pytest.raises(ModelError, match="the checkpoint's adapters is of another network"):
        distill(plain(), wide(), CONTEXT, Distill()).load_state_dict(state)


def test_a_checkpoint_that_has_the_peer_already_is_not_larger_for_it() -> None:
    student = plain()
    acting = Acting(student, [Distill(loss="mutual")], replace(CONTEXT, original=wide()))
    sizes = []
    for content in (
        {"beside": acting.modules().state_dict()},
        {"beside": acting.modules().state_dict(), "acting": acting.state_dict()},
    ):
        written = io.BytesIO()
        torch.save(content, written)
        sizes.append(len(written.getvalue()))
    numbers = 4 * sum(each.numel() for each in acting.modules().parameters())
    assert 0 < sizes[1] - sizes[0] < numbers / 2  # names and places
