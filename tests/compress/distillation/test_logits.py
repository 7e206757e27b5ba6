"""Logit losses against SciPy and loops over NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from torch import Tensor

from mobilekit.compress.distillation.logits import decoupled, logits_mse, mutual, soft_target
from mobilekit.core.errors import ModelError, RecipeError

RELATIVE = 1e-10  # sums over at most some hundred float64 terms of about 1
SHAPES = st.one_of(
    st.tuples(st.integers(1, 4), st.integers(2, 6)),
    st.tuples(st.integers(1, 3), st.integers(2, 5), st.integers(1, 4), st.integers(1, 4)),
)
TEMPERATURES = st.floats(0.5, 20)


def drawn(shape: tuple[int, ...], seed: int, *, scale: float = 3.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(shape, generator=generator, dtype=torch.float64)


def rows(logits: Tensor) -> np.ndarray:
    """One row of classes per example or pixel."""
    values = np.moveaxis(logits.detach().numpy(), 1, -1)
    return values.reshape(-1, values.shape[-1])


def divergences(student: np.ndarray, teacher: np.ndarray, temperature: float) -> np.ndarray:
    """SciPy's KL of the teacher's probabilities from the student's, per example."""
    p, q = (special.softmax(logits / temperature, axis=1) for logits in (teacher, student))
    return special.rel_entr(p, q).sum(1)


@settings(deadline=None)
@given(SHAPES, TEMPERATURES, st.integers(0, 1000))
def test_soft_target_is_scipys_divergence_times_the_squared_temperature(
    shape: tuple[int, ...], temperature: float, seed: int
) -> None:
    student, teacher = drawn(shape, seed), drawn(shape, seed + 1)
    expected = temperature**2 * divergences(rows(student), rows(teacher), temperature).mean()
    found = soft_target(student, teacher, temperature)
    np.testing.assert_allclose(found.item(), expected, rtol=RELATIVE, atol=1e-13)


@settings(deadline=None)
@given(SHAPES, st.integers(0, 1000))
def test_mutual_is_scipys_divergence(shape: tuple[int, ...], seed: int) -> None:
    student, peer = drawn(shape, seed), drawn(shape, seed + 1)
    expected = divergences(rows(student), rows(peer), 1.0).mean()
    np.testing.assert_allclose(mutual(student, peer).item(), expected, rtol=RELATIVE, atol=1e-13)


@settings(deadline=None)
@given(SHAPES, st.integers(0, 1000))
def test_logits_mse_is_numpys(shape: tuple[int, ...], seed: int) -> None:
    student, teacher = drawn(shape, seed), drawn(shape, seed + 1)
    expected = ((student.numpy() - teacher.numpy()) ** 2).mean()
    np.testing.assert_allclose(logits_mse(student, teacher).item(), expected, rtol=RELATIVE)


def decoupled_by_loops(
    student: np.ndarray,
    teacher: np.ndarray,
    labels: np.ndarray,
    alpha: float,
    beta: float,
    t: float,
) -> float:
    """Equation 7 with its definitions, example by example, class by class."""
    losses = []
    for mine, other, label in zip(student, teacher, labels, strict=True):
        if label == -100:
            continue
        p, q = special.softmax(other / t), special.softmax(mine / t)
        target = sum(
            a * np.log(a / b) for a, b in ((p[label], q[label]), (1 - p[label], 1 - q[label]))
        )
        rest = 0.0
        for name in range(len(p)):
            if name != label:
                a, b = p[name] / (1 - p[label]), q[name] / (1 - q[label])
                rest += a * np.log(a / b)
        losses.append(t**2 * (alpha * target + beta * rest))
    return float(np.mean(losses)) if losses else 0.0


@settings(deadline=None)
@given(SHAPES, st.floats(0, 3), st.floats(0, 9), st.floats(1, 8), st.integers(0, 1000))
def test_decoupled_is_its_definition(
    shape: tuple[int, ...], alpha: float, beta: float, temperature: float, seed: int
) -> None:
    student, teacher = drawn(shape, seed), drawn(shape, seed + 1)
    size = (shape[0], *shape[2:])
    labels = torch.from_numpy(np.random.default_rng(seed).integers(0, shape[1], size))
    labels[np.random.default_rng(seed + 1).random(size) < 0.2] = -100
    expected = decoupled_by_loops(
        rows(student), rows(teacher), labels.flatten().numpy(), alpha, beta, temperature
    )
    found = decoupled(student, teacher, labels, alpha, beta, temperature)
    # 1 − p loses up to 1e-5 of its digits' value in the definition, not in the function
    np.testing.assert_allclose(found.item(), expected, rtol=1e-8, atol=1e-10)


def test_the_parts_of_decoupled_make_the_whole_divergence() -> None:
    student, teacher = drawn((1, 5), 3), drawn((1, 5), 4)
    labels = torch.tensor([2])
    p = float(teacher.softmax(1)[0, 2])
    found = decoupled(student, teacher, labels, alpha=1.0, beta=1 - p, temperature=1.0)
    np.testing.assert_allclose(found.item(), mutual(student, teacher).item(), rtol=RELATIVE)


def losses(student: Tensor, teacher: Tensor) -> dict[str, Tensor]:
    labels = torch.zeros((len(student), *student.shape[2:]), dtype=torch.int64)
    return {
        "soft_target": soft_target(student, teacher),
        "mutual": mutual(student, teacher),
        "logits_mse": logits_mse(student, teacher),
        "decoupled": decoupled(student, teacher, labels),
    }


@pytest.mark.parametrize("shape", [(3, 5), (2, 4, 3, 3), (3, 1), (2, 1, 4, 4)])
@pytest.mark.parametrize("name", ["soft_target", "mutual", "logits_mse", "decoupled"])
def test_a_student_equal_to_its_teacher_costs_nothing(shape: tuple[int, ...], name: str) -> None:
    student = drawn(shape, 1).requires_grad_()
    loss = losses(student, student.detach().clone())[name]
    loss.backward()
    assert loss.item() == 0
    assert student.grad is not None
    assert student.grad.abs().max() < 1e-15 * 64  # T² · 4 sums of a few probabilities, float64


@pytest.mark.parametrize("name", ["soft_target", "mutual", "logits_mse", "decoupled"])
def test_no_gradient_goes_to_the_teacher(name: str) -> None:
    student, teacher = drawn((3, 5), 1).requires_grad_(), drawn((3, 5), 2).requires_grad_()
    losses(student, teacher)[name].backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad.abs().max() > 1e-3


@pytest.mark.parametrize("name", ["soft_target", "mutual", "logits_mse", "decoupled"])
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_a_teacher_in_half_precision_counts_as_its_values_in_float32(
    name: str, kind: torch.dtype
) -> None:
    student, teacher = drawn((3, 5), 1).float(), drawn((3, 5), 2, scale=300.0).to(kind)
    found, expected = losses(student, teacher)[name], losses(student, teacher.float())[name]
    assert found.dtype == torch.float32
    assert found.isfinite()  # in float16 300² would not be
    assert torch.equal(found, expected)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_one_logit_is_a_sigmoid(temperature: float) -> None:
    student, teacher = drawn((6, 1), 1), drawn((6, 1), 2)
    p, q = (special.expit(logits.numpy() / temperature) for logits in (teacher, student))
    expected = special.rel_entr(p, q) + special.rel_entr(1 - p, 1 - q)
    labels = torch.tensor([0, 1, 1, 0, 1, 0])
    for found in (
        soft_target(student, teacher, temperature),
        decoupled(student, teacher, labels, 1.0, 8.0, temperature),
    ):
        np.testing.assert_allclose(found.item(), temperature**2 * expected.mean(), rtol=1e-8)


def test_a_larger_teachers_map_is_averaged_to_the_students_pixels() -> None:
    student, teacher = drawn((2, 3, 2, 2), 1), drawn((2, 3, 4, 6), 2)
    small = teacher.numpy().reshape(2, 3, 2, 2, 2, 3).mean((3, 5))
    expected = 16 * divergences(rows(student), rows(torch.from_numpy(small)), 4.0).mean()
    np.testing.assert_allclose(soft_target(student, teacher).item(), expected, rtol=RELATIVE)


def test_only_ignored_labels_cost_nothing_and_give_a_finite_gradient() -> None:
    student = drawn((2, 3), 1).requires_grad_()
    loss = decoupled(student, drawn((2, 3), 2), torch.full((2,), -100))
    loss.backward()
    assert loss.item() == 0
    assert student.grad is not None
    assert not student.grad.any()


def test_far_apart_logits_stay_finite() -> None:
    student = torch.tensor([[200.0, -200.0, 0.0]], requires_grad=True)
    for loss in losses(student, -student.detach()).values():
        student.grad = None
        loss.backward()
        assert loss.isfinite()
        assert student.grad.isfinite().all()


@pytest.mark.parametrize(
    ("student", "teacher"), [((2, 3), (2, 4)), ((2, 3), (2, 3, 1, 1)), ((2, 3, 4), (2, 3, 4))]
)
def test_shapes_that_do_not_fit_are_named(
    student: tuple[int, ...], teacher: tuple[int, ...]
) -> None:
    with pytest.raises(ModelError, match=r"not \[2, 3.*\] and \[2,") as caught:
        soft_target(torch.zeros(student), torch.zeros(teacher))
    assert str(list(teacher)) in str(caught.value)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_must_be_above_zero(temperature: float) -> None:
    with pytest.raises(RecipeError, match="temperature must be above 0"):
        soft_target(torch.zeros(2, 3), torch.zeros(2, 3), temperature)


def test_bad_options_of_decoupled_are_named() -> None:
    logits = torch.zeros(2, 3, 4, 4)
    with pytest.raises(RecipeError, match="alpha and beta must be at least 0, not -1"):
        decoupled(logits, logits, torch.zeros(2, 4, 4, dtype=torch.int64), alpha=-1)
    with pytest.raises(ModelError, match=r"have shape \[2, 4, 4\], not \[2\]"):
        decoupled(logits, logits, torch.zeros(2, dtype=torch.int64))
