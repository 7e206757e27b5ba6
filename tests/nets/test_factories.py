"""The user's own file: what goes wrong in it is said in one line, with the user's line."""

import sys
from pathlib import Path

import pytest
from torch import nn

from mobilekit.core.errors import ModelError
from mobilekit.nets.factories import call_factory, literal


def written(folder: Path, text: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


GOOD = """
from torch import nn
import neighbour

def build(width=4, bias=True, kind="relu"):
    assert isinstance(width, int) and isinstance(bias, bool) and isinstance(kind, str)
    return nn.Sequential(nn.Conv2d(3, width, neighbour.KERNEL, bias=bias), nn.ReLU())
"""


def test_a_factory_gets_its_arguments_and_finds_its_neighbours(tmp_path: Path) -> None:
    written(tmp_path, "KERNEL = 3", "neighbour.py")
    before = list(sys.path)
    network = call_factory(written(tmp_path, GOOD), "build", {"width": "7", "bias": "false"})
    assert isinstance(network, nn.Sequential)
    assert network[0].out_channels == 7
    assert network[0].kernel_size == (3, 3)
    assert network[0].bias is None
    assert sys.path == before
    sys.modules.pop("neighbour")


def test_a_class_is_a_factory(tmp_path: Path) -> None:
    path = written(tmp_path, "from torch import nn\nclass Net(nn.Module):\n    pass\n")
    assert type(call_factory(path, "Net", {})).__name__ == "Net"


@pytest.mark.parametrize(
    ("text", "factory", "expected"),
    [
        ("def build(:\n", "build", r"mine\.py: fails when imported: SyntaxError"),
        ("\nimport nothing_of_that_name\n", "build", r"ModuleNotFoundError.*\(mine\.py:2\)"),
        ("\n\n1 / 0\n", "build", r"ZeroDivisionError: division by zero \(mine\.py:3\)"),
        ("import sys\nsys.exit(3)\n", "build", "SystemExit: 3"),
        ("def build():\n    pass\n", "biuld", r"no function 'biuld'\. Did you mean build\?"),
        ("build = 3\n", "build", "no function 'build'"),
        ("def build():\n    return 3\n", "build", "returned a int, not a torch.nn.Module"),
        ("def build():\n    pass\n", "build", "returned a NoneType"),
        ("def build():\n\n    raise ValueError('no')\n", "build", r"ValueError: no \(mine\.py:3\)"),
        ("def build():\n    exit(1)\n", "build", "raised SystemExit"),
        ("def build(a):\n    pass\n", "build", r"TypeError: build\(\) missing 1 required"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, text: str, factory: str, expected: str) -> None:
    before = list(sys.path)
    with pytest.raises(ModelError, match=expected) as caught:
        call_factory(written(tmp_path, text), factory, {})
    assert "\n" not in str(caught.value)
    assert sys.path == before


def test_unknown_arguments_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, "def build(width=1):\n    pass\n")
    with pytest.raises(ModelError, match="widht"):
        call_factory(path, "build", {"widht": "3"})


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.py: no such file"):
        call_factory(tmp_path / "none.py", "build", {})
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(ModelError, match="no such file"):
        call_factory(tmp_path / "folder.py", "build", {})


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("-2.5", -2.5), ("1e-3", 1e-3), ("True", True), ("none", "none"), ("None", None),
     ("[1, 2]", [1, 2]), ("'3'", "3"), ("__import__('os')", "__import__('os')"), ("", "")],
)  # fmt: skip
def test_literals_are_read_and_nothing_is_run(text: str, value: object) -> None:
    found = literal(text)
    assert found == value
    assert type(found) is type(value)
