"""`mobilekit parse`: masks over photographs and videos, and what it says to wrong input."""

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobilekit import cli
from mobilekit.data.video import look, read_frames, write_video

NETS = Path(__file__).with_name("answering_nets.py")
REDS = ("--net", f"{NETS}:reds", "--input", "1x3x32x32")


@pytest.fixture
def parse(capfd):
    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = cli.execute(["parse", *map(str, arguments)])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run


def halves(height: int = 64, width: int = 96) -> np.ndarray:
    """Return a picture whose left half is red and right half is black, a blue stripe below both."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 255
    pixels[height * 3 // 4 :] = (0, 0, 255)
    return pixels


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(halves()).save(tmp_path / "in.png")
    return tmp_path / "in.png"


@pytest.mark.parametrize("words", [("parse",), ("detect-forgery",), ("data", "preview"), ("data",)])
def test_help_needs_nothing_heavy(words: tuple[str, ...]) -> None:
    script = (
        "import sys; from mobilekit import cli; code = cli.execute(sys.argv[1:]);"
        "print({'torch', 'numpy', 'PIL', 'av', 'matplotlib'} & set(sys.modules), code)"
    )
    line = [sys.executable, "-c", script, *words, "--help"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set() 0"
    assert done.stderr == ""


def test_each_class_covers_what_it_covers(parse, picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out.png"
    code, said, err = parse(picture, "--out", out, *REDS, "--box", "0,0,96,64", "--json")
    found = json.loads(said)
    assert (code, err) == (0, "")
    assert found["shares"] == pytest.approx(
        {"class 0": 3 / 8, "class 1": 3 / 8, "class 2": 0, "class 3": 1 / 4}, abs=0.02
    )
    drawn = np.asarray(Image.open(out))
    assert drawn.shape == (64, 96, 3)
    assert (drawn[:40, 56:] == 0).all()  # the background stays as it is
    assert (drawn[:40, :40] != halves()[:40, :40]).any(axis=2).all()
    assert len(np.unique(drawn[:40, :40].reshape(-1, 3), axis=0)) == 1
    assert (drawn[10, 10] != drawn[60, 10]).any()


def test_only_the_box_is_drawn_into(parse, picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    code, said, err = parse(picture, "--out", out, *REDS, "--box", "10,8,42,40", "--quiet")
    assert (code, err) == (0, "")
    assert "box 10,8,42,40" in said
    drawn = np.asarray(Image.open(out)).copy()
    assert (drawn[8:40, 10:42] != halves()[8:40, 10:42]).any(axis=2).all()
    drawn[8:40, 10:42] = halves()[8:40, 10:42]
    assert np.array_equal(drawn, halves())


def test_without_a_box_the_centred_square_is_taken_and_that_is_said(
    parse, picture: Path, tmp_path: Path
) -> None:
    code, said, err = parse(picture, "--out", tmp_path / "o.png", *REDS, "--json")
    assert code == 0
    assert json.loads(said)["box"] == {"left": 16, "top": 0, "right": 80, "bottom": 64}
    assert err.count("\n") == 1
    assert "centred square" in err


def test_the_legend_stands_beside_the_picture(parse, picture: Path, tmp_path: Path) -> None:
    assert parse(picture, "--out", tmp_path / "o.png", *REDS, "--legend", "-q")[0] == 0
    with Image.open(tmp_path / "o.png") as drawn:
        assert drawn.width > 96 + 20
        assert drawn.height >= 64


def test_a_video_is_drawn_frame_by_frame(parse, tmp_path: Path) -> None:
    black = np.zeros_like(halves())
    write_video(tmp_path / "in.mp4", [halves(), halves(), black, halves()], Fraction(12))
    out = tmp_path / "out.mp4"
    code, said, _ = parse(tmp_path / "in.mp4", "--out", out, *REDS, "--box", "0,0,96,64", "--json")
    assert code == 0
    found = json.loads(said)
    assert found["frames"] == 4
    assert found["shares"]["class 1"] == pytest.approx(3 / 8 * 3 / 4, abs=0.02)
    assert (look(out).frames, look(out).rate) == (4, Fraction(12))
    frames = read_frames(out)
    assert np.abs(frames[2].astype(int)).mean() < 6  # all background: the frame as it was
    assert np.abs(frames[0].astype(int) - halves())[:40, :40].mean() > 20


def test_a_truncated_video_leaves_nothing_behind(parse, tmp_path: Path) -> None:
    write_video(tmp_path / "in.mp4", [halves()] * 20, Fraction(12))
    whole = (tmp_path / "in.mp4").read_bytes()
    (tmp_path / "in.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    code, said, err = parse(tmp_path / "in.mp4", "--out", tmp_path / "out.mp4", *REDS, "-q")
    assert (code, said) == (2, "")
    assert "in.mp4: truncated" in err
    assert err.count("\n") == 1
    assert [each.name for each in tmp_path.iterdir()] == ["in.mp4"]


def test_the_network_that_ships_is_asked_for_only_if_it_is_trained(
    parse, picture: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("mobilekit.nets.shipped.models_folder", lambda: None)
    code, out, err = parse(picture, "--out", tmp_path / "o.png", "--quiet")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "UNTRAINED" in err
    assert "would mean nothing" in err
    assert not (tmp_path / "o.png").exists()


def test_an_untrained_network_is_run_when_it_is_named_and_that_is_said(
    parse, picture: Path, tmp_path: Path
) -> None:
    net = ("--net", "mobile-hourglass:light-f16t3", "--arg", "size=32")
    code, said, err = parse(picture, "--out", tmp_path / "o.png", *net, "--json")
    assert code == 0
    assert json.loads(said)["untrained"] is True
    assert "lower lip" in json.loads(said)["shares"]
    assert "the network is UNTRAINED: its answer means nothing" in err


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("in.png", "--out", "o.jpg", *REDS), 2, "--out o.jpg: expected a name that ends in .png"),
        (("no.mp4", "--out", "o.png", *REDS), 2, "ends in .mp4, for a video"),
        (("no.png", "--out", "o.png", *REDS), 2, "no.png: cannot be read (missing)"),
        (("text.png", "--out", "o.png", *REDS), 2, "text.png: cannot be read (no image)"),
        ((".", "--out", "o.png", *REDS), 2, ".: cannot be read (a folder)"),
        (("empty.mp4", "--out", "o.mp4", *REDS), 2, "empty.mp4: empty"),
        (("in.png", "--out", "text.png/o.png", *REDS), 3, "cannot be written"),
        (("in.png", "--out", "o.png", *REDS, "--box", "0,0,97,64"), 2,
         "the box 0,0,97,64 reaches beyond the picture, which has 96 × 64 pixels"),
        (("in.png", "--out", "o.png", *REDS, "--box", "1,2,3"), 2, "left,top,right,bottom"),
        (("in.png", "--out", "o.png", *REDS, "--box", "9,9,9,20"), 2, "is empty"),
        (("in.png", "--out", "o.png", "--net", "lenet-caffe"), 2, "gives no mask"),
        (("in.png", "--out", "o.png", "--net", "mobile-hourglas"), 2, "Did you mean"),
        (("in.png", "--out", "o.png", "--net", "nowhere/model.tflite"), 2, "manifest.json"),
        (("in.png", "--out", "o.png", "--net", f"{NETS}:two_pictures", "--input",
          "left=1x3x8x8", "--input", "right=1x3x8x8"), 2, "takes one picture"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line(
    arguments, code: int, line: str, parse, picture: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.png").write_text("mine")
    Path("empty.mp4").write_bytes(b"")
    before = sorted(tmp_path.iterdir())
    found = parse(*arguments, "--quiet")
    assert found[:2] == (code, "")
    assert line in found[2]
    assert found[2].count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_the_files_of_an_artifact_find_what_the_network_finds(
    parse, picture: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "artifact"
    labels = tmp_path / "labels.txt"
    labels.write_text("background\nred\ngreen\nblue\n")
    export = [
        "export", f"{NETS}:reds", "--input", "image=1x3x32x32", "--to", "coreml,tflite", "--out",
        str(folder), "--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225", "--scale",
        "1/255", "--labels", str(labels), "--count", "1", "--runs", "0", "--quiet",
    ]  # fmt: skip
    assert cli.execute(export) == 0
    box = ("--box", "0,0,96,64", "--json")
    found = {}
    for net in ((folder,), (folder, "--format", "coreml"), (folder / "model.mlpackage",)):
        code, said, err = parse(picture, "--out", tmp_path / "o.png", "--net", *net, *box)
        assert (code, err) == (0, "")
        found[json.loads(said)["by"]] = json.loads(said)["shares"]
    own = json.loads(parse(picture, "--out", tmp_path / "o.png", *REDS, *box)[1])["shares"]
    assert set(found) == {"model.tflite by tflite", "model.mlpackage by coreml-reference"}
    for shares in found.values():
        assert list(shares) == ["background", "red", "green", "blue"]
        assert list(shares.values()) == pytest.approx(list(own.values()), abs=0.005)
    code, _, err = parse(picture, "--out", tmp_path / "o.png", "--net", folder / "other.tflite")
    assert code == 2
    assert "lists no such file; it has" in err
