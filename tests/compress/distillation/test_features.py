"""Feature losses against loops over NumPy."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mobilekit.compress.distillation.features import (
    activation_boundary,
    attention_transfer,
    fitnet,
    similarity_preserving,
)
from mobilekit.core.errors import ModelError, RecipeError

RELATIVE = 1e-10  # sums over at most some hundred float64 terms of about 1
MAPS = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 4), st.integers(2, 4))
ANY = st.one_of(MAPS, st.tuples(st.integers(1, 5), st.integers(1, 6)))
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "attention_transfer": attention_transfer,
    "fitnet": fitnet,
    "activation_boundary": lambda one, two: activation_boundary(one, two, margin=0.0),
    "similarity_preserving": similarity_preserving,
}


def drawn(shape: tuple[int, ...], seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def attention_by_loops(student: np.ndarray, teacher: np.ndarray) -> float:
    losses = []
    for mine, other in zip(student, teacher, strict=True):
        maps = [(features**2).sum(0).ravel() for features in (mine, other)]
        one, two = (each / np.sqrt((each**2).sum()) for each in maps)
        losses.append(((one - two) ** 2).sum())
    return float(np.mean(losses))


def similarity_by_loops(student: np.ndarray, teacher: np.ndarray) -> float:
    batch = len(student)
    matrices = []
    for features in (student, teacher):
        products = np.array(
            [[np.vdot(features[i], features[j]) for j in range(batch)] for i in range(batch)]
        )
        matrices.append(np.array([row / np.sqrt((row**2).sum()) for row in products]))
    return float(((matrices[0] - matrices[1]) ** 2).sum() / batch**2)


def boundary_by_loops(student: np.ndarray, teacher: np.ndarray, margin: float) -> float:
    costs = []
    for s, t in zip(student.ravel(), teacher.ravel(), strict=True):
        missing = margin - s if t > 0 else margin + s
        costs.append(max(0.0, missing) ** 2)
    return float(np.mean(costs))


@settings(deadline=None)
@given(MAPS, st.integers(1, 5), st.integers(0, 1000))
def test_attention_transfer_is_its_definition(
    shape: tuple[int, ...], channels: int, seed: int
) -> None:
    student, teacher = drawn(shape, seed), drawn((shape[0], channels, *shape[2:]), seed + 1)
    expected = attention_by_loops(student.numpy(), teacher.numpy())
    found = attention_transfer(student, teacher).item()
    np.testing.assert_allclose(found, expected, rtol=RELATIVE, atol=1e-14)


@settings(deadline=None)
@given(ANY, st.integers(0, 1000))
def test_fitnet_is_the_mean_squared_difference(shape: tuple[int, ...], seed: int) -> None:
    student, teacher = drawn(shape, seed), drawn(shape, seed + 1)
    expected = ((student.numpy() - teacher.numpy()) ** 2).mean()
    np.testing.assert_allclose(fitnet(student, teacher).item(), expected, rtol=RELATIVE)


@settings(deadline=None)
@given(ANY, st.floats(0, 3), st.integers(0, 1000))
def test_activation_boundary_is_its_definition(
    shape: tuple[int, ...], margin: float, seed: int
) -> None:
    student, teacher = drawn(shape, seed), drawn(shape, seed + 1)
    expected = boundary_by_loops(student.numpy(), teacher.numpy(), margin)
    found = activation_boundary(student, teacher, margin).item()
    np.testing.assert_allclose(found, expected, rtol=RELATIVE, atol=1e-14)


@settings(deadline=None)
@given(ANY, ANY, st.integers(0, 1000))
def test_similarity_preserving_is_its_definition(
    shape: tuple[int, ...], other: tuple[int, ...], seed: int
) -> None:
    student, teacher = drawn(shape, seed), drawn((shape[0], *other[1:]), seed + 1)
    expected = similarity_by_loops(student.numpy(), teacher.numpy())
    found = similarity_preserving(student, teacher).item()
    np.testing.assert_allclose(found, expected, rtol=RELATIVE, atol=1e-14)


@pytest.mark.parametrize("name", LOSSES)
@settings(deadline=None)
@given(MAPS, st.integers(0, 1000))
def test_a_student_equal_to_its_teacher_costs_nothing(
    name: str, shape: tuple[int, ...], seed: int
) -> None:
    student = drawn(shape, seed).requires_grad_()
    loss = LOSSES[name](student, student.detach().clone())
    loss.backward()
    assert loss.item() == 0
    assert student.grad is not None
    assert not student.grad.any()


def test_beyond_the_margin_on_the_teachers_side_nothing_is_asked() -> None:
    teacher = torch.tensor([[1.5, -0.2, 4.0]])
    student = torch.tensor([[1.0, -1.0, 9.0]], requires_grad=True)
    loss = activation_boundary(student, teacher, margin=1.0)
    loss.backward()
    assert loss.item() == 0
    assert not student.grad.any()
    assert activation_boundary(teacher, teacher, margin=1.0).item() > 0  # -0.2 is within it


@pytest.mark.parametrize("name", LOSSES)
def test_features_of_zeros_give_finite_gradients(name: str) -> None:
    student = torch.zeros(3, 2, 4, 4, requires_grad=True)
    LOSSES[name](student, drawn((3, 2, 4, 4), 1).float()).backward()
    assert student.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_no_gradient_goes_to_the_teacher(name: str) -> None:
    student, teacher = (drawn((3, 2, 4, 4), seed).requires_grad_() for seed in (1, 2))
    LOSSES[name](student, teacher).backward()
    assert teacher.grad is None
    assert student.grad.abs().max() > 1e-6


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_a_teacher_in_half_precision_counts_as_its_values_in_float32(
    name: str, kind: torch.dtype
) -> None:
    student = drawn((3, 2, 4, 4), 1).float()
    teacher = (300 * drawn((3, 2, 4, 4), 2)).to(kind)
    found = LOSSES[name](student, teacher)
    assert found.dtype == torch.float32
    assert found.isfinite()  # in float16 300² would not be
    assert torch.equal(found, LOSSES[name](student, teacher.float()))


def test_a_larger_teachers_map_is_averaged_to_the_students_pixels() -> None:
    student, teacher = drawn((2, 3, 2, 2), 1), drawn((2, 3, 4, 6), 2)
    small = teacher.numpy().reshape(2, 3, 2, 2, 2, 3).mean((3, 5))
    expected = ((student.numpy() - small) ** 2).mean()
    np.testing.assert_allclose(fitnet(student, teacher).item(), expected, rtol=RELATIVE)
    expected = boundary_by_loops(student.numpy(), small, 1.0)
    np.testing.assert_allclose(
        activation_boundary(student, teacher).item(), expected, rtol=RELATIVE
    )


def test_attention_maps_are_resized_not_the_features() -> None:
    student, teacher = drawn((2, 3, 2, 2), 1), drawn((2, 5, 4, 6), 2)
    maps = (teacher.numpy() ** 2).sum(1, keepdims=True).reshape(2, 1, 2, 2, 2, 3).mean((3, 5))
    expected = attention_by_loops(student.numpy(), np.sqrt(maps))
    np.testing.assert_allclose(attention_transfer(student, teacher).item(), expected, rtol=RELATIVE)


@pytest.mark.parametrize("loss", [fitnet, activation_boundary])
def test_the_adapter_learns(loss: Callable[..., Tensor]) -> None:
    adapter = nn.Conv2d(2, 5, 1, bias=False).double()
    student, teacher = drawn((3, 2, 4, 4), 1).requires_grad_(), drawn((3, 5, 4, 4), 2)
    found = loss(student, teacher, adapter=adapter)
    expected = loss(adapter(student), teacher)
    assert torch.equal(found, expected)
    found.backward()
    assert adapter.weight.grad.abs().max() > 0
    assert student.grad.abs().max() > 0


def test_channels_that_differ_need_an_adapter() -> None:
    with pytest.raises(ModelError, match="2 channels, the teacher's 5; give an adapter"):
        fitnet(torch.zeros(3, 2, 4, 4), torch.zeros(3, 5, 4, 4))


@pytest.mark.parametrize("shape", [(3, 2, 1, 1), (3, 2)])
def test_a_map_of_one_pixel_has_no_attention(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="more than one pixel"):
        attention_transfer(torch.zeros(shape), torch.zeros(shape))


def test_batches_that_differ_are_named() -> None:
    for loss in (attention_transfer, fitnet, activation_boundary, similarity_preserving):
        with pytest.raises(ModelError, match=r"\[3, 2, 4, 4\] and \[2, 2, 4, 4\]"):
            loss(torch.zeros(3, 2, 4, 4), torch.zeros(2, 2, 4, 4))


def test_a_margin_below_zero_is_refused() -> None:
    with pytest.raises(RecipeError, match="margin must be at least 0, not -1"):
        activation_boundary(torch.zeros(1, 1), torch.zeros(1, 1), -1)


def test_a_capped_margin_asks_no_more_than_the_teacher_has() -> None:
    student, teacher = drawn((3, 2, 4, 4), 1), drawn((3, 2, 4, 4), 2)
    found = activation_boundary(student, teacher, capped=True)
    costs = []
    for s, t in zip(student.ravel().tolist(), teacher.ravel().tolist(), strict=True):
        asked = min(1.0, abs(t))
        costs.append(max(0.0, asked - s if t > 0 else asked + s) ** 2)
    np.testing.assert_allclose(found.item(), np.mean(costs), rtol=RELATIVE)
    assert activation_boundary(teacher, teacher, capped=True).item() == 0
    assert activation_boundary(teacher, teacher).item() > 0
