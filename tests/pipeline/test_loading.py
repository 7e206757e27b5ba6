"""A recipe's teacher: trained, used to its own pixels, and able to take batches."""

import contextlib
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mobilekit.compress.base import Batch, Context
from mobilekit.compress.during.distill import Distill
from mobilekit.core import artifact, files
from mobilekit.core.artifact import Normalization
from mobilekit.core.errors import ArtifactError, MobilekitError, ModelError
from mobilekit.nets import saved
from mobilekit.nets.sources import Source, load_source
from mobilekit.pipeline.compressing import compress, prune
from mobilekit.pipeline.loading import trained
from mobilekit.pipeline.request import ExportRequest, resolve
from tests.core.test_artifact import manifest

FACTORY = """
import torch
from torch import nn


def grey():
    made = nn.Sequential(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(2304, 10))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.linspace(-0.1, 0.1, parameter.numel()).view(parameter.shape))
    return made


def colours():
    return nn.Sequential(nn.Conv2d(3, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(2304, 10))
"""
RECIPE = """
name = "taught"
net = {{ kind = "lenet-caffe" }}
data = {{ kind = "digits", train = 32, test = 16 }}
targets = [{{ kind = "tflite" }}]
[[steps]]
kind = "train"
epochs = 1
batch_size = 8
during = [{{ kind = "distill", teacher = "{teacher}", beta = 0.5 {more} }}]
"""


@pytest.fixture(scope="module")
def student() -> Source:
    return load_source("lenet-caffe", arguments={}, weights=None)


@pytest.fixture(scope="module")
def pruned(student: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a network whose weights were given."""
    folder = tmp_path_factory.mktemp("teacher")
    save_file(student.module.state_dict(), folder / "weights.safetensors")
    request = ExportRequest(
        reference="lenet-caffe", weights=folder / "weights.safetensors", out=folder / "small"
    )
    prune(request, {"sparsity": 0.5}, lambda _words: None)
    return folder / "small"


def run(folder: Path, teacher: str, more: str = "") -> list[str]:
    (folder / "recipe.toml").write_text(RECIPE.format(teacher=teacher, more=more))
    plan = resolve(ExportRequest(reference=str(folder), out=folder / "out"))
    _, (report,) = compress(plan.load(), plan, lambda _words: None)
    return list(report.notes)


@pytest.mark.parametrize("reference", ["lenet-caffe", "torchvision:resnet18"])
def test_a_teacher_with_random_weights_is_refused(student: Source, reference: str) -> None:
    with pytest.raises(
        ModelError, match=f"^{reference}: its weights are random, .*; give a trained"
    ):
        trained(reference, student, 0)


def test_a_folder_of_random_weights_is_refused_and_one_of_given_weights_is_not(
    student: Source, pruned: Path, tmp_path: Path
) -> None:
    assert isinstance(trained(str(pruned), student, 0), nn.Module)
    path = pruned / saved.NETWORK
    content = path.read_bytes()
    described = saved.read(pruned)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(described, weights="seeded")))
    try:
        with pytest.raises(ModelError, match="its weights are random"):
            trained(str(pruned), student, 0)
    finally:
        path.write_bytes(content)


def test_a_program_answers_batches_as_it_answers_single_images(
    student: Source, pruned: Path
) -> None:
    images = torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    for place in (pruned, pruned / "program.pt2"):
        teacher = trained(str(place), student, 0)
        alone = load_source(str(pruned), arguments={}, weights=None).module
        with torch.no_grad():
            expected = torch.cat([alone(image.unsqueeze(0))[0] for image in images])
            assert torch.equal(teacher(images)[0], expected)


def test_a_teacher_sees_its_own_normalization(student: Source, pruned: Path) -> None:
    """Pixels 0–255 by each network's own formula of the manifest."""
    other = Normalization((0.2,), (0.7,), 1 / 255)
    assert student.normalization is not None
    mine = replace(student, normalization=other)
    teacher = trained(str(pruned), mine, 0)
    alone = load_source(str(pruned), arguments={}, weights=None).module
    pixels = torch.randint(256, (1, 1, 28, 28), generator=torch.Generator().manual_seed(0))
    given, own = (
        (pixels * each.scale - each.mean[0]) / each.std[0]
        for each in (other, student.normalization)
    )
    with torch.no_grad():
        torch.testing.assert_close(teacher(given)[0], alone(own)[0])
        assert not torch.allclose(teacher(given)[0], alone(given)[0])


def test_an_artifact_says_how_its_program_was_trained_and_normalized(
    student: Source, pruned: Path, tmp_path: Path
) -> None:
    program = tmp_path / artifact.PROGRAM
    shutil.copy(pruned / artifact.PROGRAM, program)
    own = Normalization((0.2,), (0.7,), 1 / 255)
    known = manifest(weights="trained", normalization=own, program_sha256=files.sha256(program))
    artifact.write_manifest(tmp_path, known)
    images = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    alone = load_source(str(pruned), arguments={}, weights=None).module
    pixels = images * 0.5 + 0.5  # the student's: mean and deviation of a half
    with torch.no_grad():
        expected = torch.cat([alone((one - 0.2) / 0.7)[0] for one in pixels.split(1)])
        for place in (tmp_path, program):
            torch.testing.assert_close(trained(str(place), student, 0)(images)[0], expected)
    artifact.write_manifest(tmp_path, msgspec.structs.replace(known, weights="seeded"))
    with pytest.raises(ModelError, match="its weights are random"):
        trained(str(tmp_path), student, 0)
    artifact.write_manifest(tmp_path, msgspec.structs.replace(known, program_sha256="0"))
    with pytest.raises(ArtifactError, match="is not the program that manifest"):
        trained(str(tmp_path), student, 0)


def test_recipes_learn_from_a_folder_and_from_a_factory(pruned: Path, tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(FACTORY)
    for teacher, more in (
        (str(pruned), ""),
        (f"{tmp_path}/nets.py:grey", ', features = "fitnet"'),
    ):
        assert any("distill: soft_target" in note for note in run(tmp_path, teacher, more))


@pytest.mark.parametrize(
    ("teacher", "more", "said"),
    [
        ("{here}/nets.py:colours", "", r"does not take the input image=1x1x28x28"),
        ("{pruned}", ', features = "fitnet"', r"layers cannot be told apart"),
        ("torchvision:resnet18", "", r"its weights are random"),
    ],
)
def test_teachers_that_cannot_teach_are_told_in_one_line_with_their_place(
    pruned: Path, tmp_path: Path, teacher: str, more: str, said: str
) -> None:
    (tmp_path / "nets.py").write_text(FACTORY)
    with pytest.raises(MobilekitError, match=said) as found:
        run(tmp_path, teacher.format(here=tmp_path, pruned=pruned), more)
    assert found.value.exit_code == 2
    assert str(found.value).startswith("steps[0]")
    assert "\n" not in str(found.value)


def test_a_program_of_another_size_is_refused_in_the_words_of_both(
    student: Source, pruned: Path
) -> None:
    wide = replace(
        student, inputs=(msgspec.structs.replace(student.inputs[0], shape=(1, 1, 32, 32)),)
    )
    with pytest.raises(ModelError, match=r"takes image=1x1x28x28, .* trains image=1x1x32x32"):
        trained(str(pruned), wide, 0)


def test_what_distils_from_a_program_needs_no_more_than_its_answers(
    student: Source, pruned: Path
) -> None:
    images = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    context = Context((images[:1],), load=lambda reference: trained(reference, student, 0))
    with contextlib.closing(
        Distill(teacher=str(pruned), loss="logits_mse", beta=1.0).start(student.module, context)
    ) as handle:
        term = handle.penalty(Batch((images,)), student.module(images))
    alone = load_source(str(pruned), arguments={}, weights=None).module
    with torch.no_grad():
        its = torch.cat([alone(image.unsqueeze(0))[0] for image in images])
        assert term is not None
        torch.testing.assert_close(term, (student.module(images) - its).square().mean())
