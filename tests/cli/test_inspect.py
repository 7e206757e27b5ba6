"""`mobilekit inspect` on networks: costs, channels, and the picture."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from mobilekit import cli
from mobilekit.core.errors import ModelError
from mobilekit.pipeline import channels as channels_of

NETS = Path(__file__).parents[1] / "e2e" / "pruning_nets.py"
INPUT = ("--input", "image=1x3x16x16")


@pytest.fixture
def inspect(capfd):
    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = cli.execute(["inspect", *map(str, arguments)])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run


def test_the_table_says_of_every_layer_whether_it_can_be_pruned(inspect) -> None:
    code, out, err = inspect(f"{NETS}:fourier", *INPUT, "--quiet")
    assert (code, err) == (0, "")
    rows = {
        cells[0]: cells[5:]
        for cells in ([c.strip() for c in line.split("│")[1:-1]] for line in out.splitlines())
        if len(cells) == 8
    }
    assert rows["stem"] == ["16", "stem", "free"]
    assert rows["middle"][:2] == ["32", "middle"]
    assert rows["middle"][2].startswith("unsupported (_fft")
    assert "pruning_nets.py" in out
    assert rows["head"] == ["4", "head", "pinned (an output of the network)"]
    assert "16 of 52 channels can be pruned, in 1 groups." in " ".join(out.split())


def test_json_has_nodes_and_groups(inspect) -> None:
    code, out, err = inspect(f"{NETS}:wide", *INPUT, "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    groups = found["channels"]["groups"]
    assert [(g["name"], g["channels"], bool(g["pins"])) for g in groups] == [
        ("stem", 16, False), ("middle", 32, False), ("head", 4, True),
    ]  # fmt: skip
    nodes = found["channels"]["nodes"]
    assert [node["name"] for node in nodes] == ["image", "stem", "middle", "head", "output 0"]
    assert [node["sources"] for node in nodes] == [[], [0], [1], [2], [3]]
    assert nodes[2]["parts"] == [{"group": 1, "channels": 32}]


def test_the_picture_is_drawn(inspect, tmp_path: Path) -> None:
    picture = tmp_path / "pictures" / "net.svg"
    code, out, _ = inspect(f"{NETS}:wide", *INPUT, "--graph", picture, "--quiet")
    assert code == 0
    assert "stem" in out
    root = ET.parse(picture).getroot()  # noqa: S314  our own
    assert {"stem", "middle", "head", "image"} <= {text.text for text in root.iter(f"{SVG}text")}
    page = tmp_path / "net.html"
    assert inspect(f"{NETS}:wide", *INPUT, "--graph", page, "--json")[0] == 0
    assert page.read_text().startswith("<!doctype html>")


SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", ["net.png", "net", "net.svg.gz"])
def test_another_kind_of_picture_is_refused_at_once(name: str, inspect, tmp_path: Path) -> None:
    code, out, err = inspect(f"{NETS}:wide", *INPUT, "--graph", tmp_path / name, "--quiet")
    assert (code, out) == (2, "")
    assert "ends in .svg or .html" in err
    assert list(tmp_path.iterdir()) == []


def test_a_file_has_no_picture(inspect, tmp_path: Path) -> None:
    code, _, err = inspect("model.onnx", "--graph", tmp_path / "x.svg", "--quiet")
    assert code == 2
    assert "model.onnx is no network" in err
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_written(inspect, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    code, _, err = inspect(
        f"{NETS}:wide", *INPUT, "--graph", tmp_path / "file" / "x.svg", "--quiet"
    )
    assert code == 3
    assert "cannot be written" in err
    assert (tmp_path / "file").read_text() == "mine"


def test_without_the_channels_the_costs_remain(inspect, monkeypatch, tmp_path: Path) -> None:
    def refused(*_: object) -> None:
        raise ModelError("net.py:3: decides by the values of a tensor")

    monkeypatch.setattr(channels_of, "channel_map", refused)
    code, out, err = inspect(f"{NETS}:wide", *INPUT, "--quiet")
    assert code == 0
    assert "stem" in out
    assert "prunable?" not in out
    assert err == (
        "mobilekit: the channels cannot be followed: net.py:3: decides by the values of a tensor\n"
    )
    code, out, err = inspect(f"{NETS}:wide", *INPUT, "--graph", tmp_path / "x.svg", "--quiet")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
