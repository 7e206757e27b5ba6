"""`mobilekit detect-forgery`: scores of pictures and videos, heat maps, and wrong input."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from mobilekit import cli
from mobilekit.data.video import spread, write_video
from mobilekit.nets import shipped
from mobilekit.nets.catalog import DfbusterConfig
from mobilekit.nets.sources import load_source

QUARTER = ("--net", "dfbuster:quarter", "--arg", "size=32")
RECIPE = """
name = "dfbuster"
net = { kind = "dfbuster", width = 0.25, size = 32 }
targets = [{ kind = "tflite" }]
"""


@pytest.fixture
def detect(capfd):
    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = cli.execute(["detect-forgery", *map(str, arguments)])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run


def noise(seed: int, height: int = 48, width: int = 64) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return pixels.repeat(8, 0).repeat(8, 1)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(noise(1)).save(tmp_path / "in.png")
    return tmp_path / "in.png"


def own_score(pixels: np.ndarray) -> float:
    """Judge by PyTorch: resize, bring 0–255 to −1 … 1, soft-max."""
    net = load_source("dfbuster:quarter", arguments={"size": "32"}, weights=None).module
    small = Image.fromarray(pixels).resize((32, 32), Image.Resampling.BILINEAR)
    planes = torch.tensor(np.array(small), dtype=torch.float32).permute(2, 0, 1)[None]
    with torch.no_grad():
        return float(torch.softmax(net(planes / 127.5 - 1), 1)[0, 1])


def test_the_score_is_that_of_the_box(detect, picture: Path) -> None:
    box = ("--box", "8,4,40,44", "--json")
    code, said, err = detect(picture, *QUARTER, *box)
    found = json.loads(said)
    assert code == 0
    assert "UNTRAINED: its answer means nothing" in err
    assert found["score"] == pytest.approx(own_score(noise(1)[4:44, 8:40]), abs=1e-5)
    assert [face["frame"] for face in found["faces"]] == [0]


def test_a_video_is_the_mean_of_evenly_spaced_frames(detect, tmp_path: Path) -> None:
    write_video(tmp_path / "in.mp4", [noise(seed) for seed in range(11)], 10)
    code, said, err = detect(tmp_path / "in.mp4", *QUARTER, "--frames", "4", "--json")
    found = json.loads(said)
    assert code == 0
    assert "centred square" in err
    assert [face["frame"] for face in found["faces"]] == spread(11, 4)
    scores = [face["score"] for face in found["faces"]]
    assert len(set(scores)) == 4
    assert found["score"] == pytest.approx(np.mean(scores))


def test_the_heat_map_shows_each_face_twice(detect, tmp_path: Path) -> None:
    write_video(tmp_path / "in.mp4", [noise(seed) for seed in range(5)], 10)
    page = tmp_path / "new" / "page.png"
    code, said, _ = detect(tmp_path / "in.mp4", *QUARTER, "--heat-map", page, "--json")
    assert code == 0
    assert json.loads(said)["heat_map"] == str(page)
    drawn = np.asarray(Image.open(page)).astype(int)
    assert drawn.shape[1] > 4 * 2 * 192  # four faces in a row, the fifth below
    assert drawn.shape[0] > 2 * 192
    plain, hot = drawn[60:200, 12:200], drawn[60:200, 12 + 195 : 200 + 195]
    assert np.abs(plain - hot).mean() > 10


def test_what_ships_is_the_default(detect, picture: Path, tmp_path: Path, monkeypatch) -> None:
    code, out, err = _without_models(detect, picture, monkeypatch)
    assert (code, out) == (2, "")
    assert "the network is UNTRAINED" in err
    _ship(tmp_path / "models", monkeypatch)
    page = tmp_path / "page.png"
    code, said, err = detect(picture, "--heat-map", page, "--box", "0,0,48,48", "--json")
    assert (code, err) == (0, "")
    found = json.loads(said)
    assert found["untrained"] is False
    assert found["score"] == pytest.approx(own_score(noise(1)[:48, :48]), abs=1e-5)
    assert page.is_file()


def _without_models(detect, picture: Path, monkeypatch) -> tuple[int, str, str]:
    monkeypatch.setattr(shipped, "models_folder", lambda: None)
    return detect(picture, "--quiet")


def _ship(models: Path, monkeypatch) -> None:
    """Put the seeded weights of the quarter where trained ones ship."""
    folder = models / "dfbuster"
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(RECIPE)
    source = load_source("dfbuster:quarter", arguments={"size": "32"}, weights=None)
    config = DfbusterConfig(width=0.25, size=32)
    said = json.dumps({"net": shipped.digest_of(config)})
    save_file(source.module.state_dict(), folder / shipped.WEIGHTS, metadata={shipped.KEY: said})
    monkeypatch.setattr(shipped, "models_folder", lambda: models)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("no.png", *QUARTER), "no.png: cannot be read (missing)"),
        (("empty.mp4", *QUARTER), "empty.mp4: empty"),
        (("in.png", *QUARTER, "--box", "0,0,65,48"), "reaches beyond the picture"),
        (("in.png", *QUARTER, "--heat-map", "page.jpg"), "expected a name that ends in .png"),
        (("in.png", "--net", "vgg:11"), "expected a network with a class 'fake'"),
        (("in.png", "--net", "dfbuster:baseline", "--arg", "size=32", "--heat-map", "p.png"),
         "does not say where it looks"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line(
    arguments, line: str, detect, picture: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.mp4").write_bytes(b"")
    before = sorted(tmp_path.iterdir())
    code, out, err = detect(*arguments, "--quiet")
    assert (code, out) == (2, "")
    assert line in err
    assert err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before
