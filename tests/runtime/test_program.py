"""Programs on disk: round trip, foreign programs, damage."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mobilekit.core.errors import ArtifactError, DataError
from mobilekit.core.tensors import TensorSpec
from mobilekit.runtime import open_model
from mobilekit.runtime.program import Program, load, names_torchvision, run, save

SPECS = (TensorSpec("image", (1, 3, 8, 6), layout="NCHW"),)


def _program() -> tuple[Program, nn.Module]:
    net = nn.Conv2d(3, 2, 3).eval()
    exported = torch.export.export(net, (torch.zeros(1, 3, 8, 6),), strict=False)
    outputs = (TensorSpec("maps", (1, 2, 6, 4), layout="NCHW"),)
    return Program(exported, SPECS, outputs), net


def test_a_program_comes_back_with_its_specs_and_values(tmp_path: Path) -> None:
    program, net = _program()
    path = tmp_path / "net.pt2"
    save(program, path)
    assert [file.name for file in tmp_path.iterdir()] == ["net.pt2"]
    back = load(path)
    assert (back.inputs, back.outputs) == (program.inputs, program.outputs)
    x = np.random.default_rng(0).standard_normal((1, 3, 8, 6)).astype(np.float32)
    with torch.no_grad():
        expected = net(torch.from_numpy(x)).numpy()
    assert np.array_equal(run(back, {"image": x})["maps"], expected)
    runner = open_model(path)
    assert np.array_equal(runner.run({"image": x})["maps"], expected)


def test_a_saved_program_does_not_say_where_its_sources_lie(tmp_path: Path) -> None:
    from mobilekit.export.preflight import place_of
    from mobilekit.export.program import trace

    class Twice(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x) * 2

        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(4, 4)

    program = trace(Twice().eval(), (TensorSpec("x", (1, 4)),))
    places = [place_of(node) for node in program.exported.graph.nodes]
    save(program, tmp_path / "net.pt2")
    with zipfile.ZipFile(tmp_path / "net.pt2") as archive:
        stored = b"".join(archive.read(name) for name in archive.namelist())
    assert b"test_program.py" in stored
    for folder in (Path(__file__).parent, Path(torch.__file__).parent):
        assert str(folder).encode() not in stored
    back = load(tmp_path / "net.pt2")
    assert [place_of(node) for node in back.exported.graph.nodes] == places
    assert any(source.startswith("test_program.py:") for _, source in places)


def test_a_foreign_program_is_described_by_its_graph(tmp_path: Path) -> None:
    class Two(nn.Module):
        def forward(self, image: torch.Tensor, index: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return image * 2, index + 1

    path = tmp_path / "theirs.pt2"
    examples = (torch.zeros(1, 3, 4, 4), torch.zeros(2, dtype=torch.int64))
    torch.export.save(torch.export.export(Two(), examples, strict=False), path)
    program = load(path)
    assert program.inputs == (
        TensorSpec("image", (1, 3, 4, 4), "float32", "NCHW"),
        TensorSpec("index", (2,), "int64", "plain"),
    )
    assert [spec.name for spec in program.outputs] == ["output", "output_1"]
    given = {"image": np.ones((1, 3, 4, 4), np.float32), "index": np.array([1, 2])}
    assert run(program, given)["output_1"].tolist() == [2, 3]


def test_symbolic_shapes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "free.pt2"
    shapes = ({0: torch.export.Dim("batch", min=1, max=8)},)
    exported = torch.export.export(
        nn.Linear(3, 2).eval(), (torch.zeros(2, 3),), dynamic_shapes=shapes
    )
    torch.export.save(exported, path)
    with pytest.raises(ArtifactError, match="symbolic shape"):
        load(path)


@pytest.mark.parametrize("kept", [0, 10, 1000, 0.5, 0.99])
def test_a_truncated_program_is_one_line(kept: float, tmp_path: Path) -> None:
    program, _ = _program()
    path = tmp_path / "net.pt2"
    save(program, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept if kept > 1 else kept * len(content))])
    with pytest.raises(ArtifactError) as raised:
        load(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


def test_another_file_called_pt2_and_a_missing_one_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.pt2"
    path.write_text("hello")
    with pytest.raises(ArtifactError, match=r"no whole torch\.export program"):
        load(path)
    with pytest.raises(ArtifactError, match="no such file"):
        load(tmp_path / "absent.pt2")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "expected"),
        ({"picture": np.zeros((1, 3, 8, 6), np.float32)}, "picture"),
        ({"image": np.zeros((1, 3, 8, 7), np.float32)}, r"\[1, 3, 8, 7\] float32 given"),
        ({"image": np.zeros((1, 3, 8, 6), np.float64)}, "float64 given"),
    ],
)
def test_wrong_inputs_are_refused(given: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(DataError, match=words):
        run(_program()[0], given)


def test_the_number_of_threads_is_left_as_found() -> None:
    program, _ = _program()
    before = torch.get_num_threads()
    run(program, {"image": np.zeros((1, 3, 8, 6), np.float32)}, threads=before + 1)
    assert torch.get_num_threads() == before


def test_a_program_with_operators_of_torchvision_loads_where_it_is_not_imported(
    tmp_path: Path,
) -> None:
    from torchvision.ops import nms

    class Suppress(nn.Module):
        def forward(self, boxes: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            return nms(boxes, scores, 0.5)

    examples = (torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2]]), torch.tensor([0.5, 0.9]))
    path = tmp_path / "detector.pt2"
    torch.export.save(torch.export.export(Suppress(), examples, strict=False), path)
    code = (
        "import sys, pathlib, torch; from mobilekit.runtime.program import names_torchvision;"
        "path = pathlib.Path(sys.argv[1]); assert 'torchvision' not in sys.modules;"
        "assert names_torchvision(path); import mobilekit.runtime.program as programs;"
        "from mobilekit.core.errors import ArtifactError\n"
        "try: programs.load(path)\n"
        "except ArtifactError as problem: print(problem)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    # The number of boxes that stay is free, which we refuse; but the program was read.
    assert "symbolic shape" in done.stdout
    (tmp_path / "plain").mkdir()
    save(_program()[0], tmp_path / "plain" / "net.pt2")
    assert not names_torchvision(tmp_path / "plain" / "net.pt2")
