"""A teacher only answers."""

import pytest
import torch
from torch import Tensor, nn

from mobilekit.compress.distillation.teacher import Teacher
from mobilekit.core.errors import ModelError, RecipeError


def network() -> nn.Sequential:
    made = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Dropout(0.5), nn.Conv2d(8, 2, 1))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in made.parameters():
            weight.uniform_(-1, 1, generator=generator)
    return made


def image() -> Tensor:
    return torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(1))


def test_it_answers_in_evaluation_mode_without_a_graph_and_is_left_as_found() -> None:
    made = network().train()
    made[3].eval()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    random = torch.get_rng_state()
    found = Teacher(made)(image())
    assert [module.training for module in made] == [True, True, True, False]
    assert made.training
    assert all(torch.equal(before[name], value) for name, value in made.state_dict().items())
    assert all(weight.requires_grad for weight in made.parameters())
    assert torch.equal(torch.get_rng_state(), random)
    assert not found.requires_grad
    assert torch.equal(found, made.eval()(image()).detach())


def test_modes_come_back_after_an_error() -> None:
    made = network().train()
    with pytest.raises(RuntimeError):
        Teacher(made)(torch.zeros(1, 5, 6, 6))
    assert all(module.training for module in made.modules())


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_reduced_precision_leaves_the_weights(kind: torch.dtype) -> None:
    made = network().eval()
    found = Teacher(made, kind)(image())
    assert found.dtype == kind
    assert all(weight.dtype == torch.float32 for weight in made.parameters())
    exact = made(image()).detach()
    # three roundings to the type, errors of about √(27 + 8) products each
    assert (found.float() - exact).abs().max() < 16 * torch.finfo(kind).eps * exact.abs().max()
    assert not torch.equal(found.float(), exact)


def test_what_a_network_was_teaches_what_it_becomes() -> None:
    student = network().eval()
    teacher = Teacher.before(student)
    before = student(image()).detach()
    with torch.no_grad():
        student[0].weight.zero_()
    assert torch.equal(teacher(image()), before)
    assert not torch.equal(student(image()), before)
    assert all(weight.requires_grad for weight in student.parameters())
    assert not any(weight.requires_grad for weight in teacher.network.parameters())
    teacher.check_apart(student)


def test_a_network_cannot_teach_itself() -> None:
    made = network()
    with pytest.raises(ModelError, match=r"share 0\.weight; take Teacher\.before"):
        Teacher(made).check_apart(made)


def test_other_precisions_are_refused() -> None:
    with pytest.raises(RecipeError, match="bfloat16, float16 or none, not float64"):
        Teacher(network(), torch.float64)
