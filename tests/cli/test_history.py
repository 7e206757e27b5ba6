"""`mobilekit history`: a training's folder, read and drawn."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import load_file
from torch import Tensor, nn
from torch.utils.data import Dataset

from mobilekit import cli
from mobilekit.compress.base import Context, Training
from mobilekit.compress.during.kernel_sparsity import KernelSparsity
from mobilekit.compress.fitting.fit import Course, fit
from mobilekit.core.histories import HISTORY, Epoch, History
from mobilekit.data.task import Labelled
from mobilekit.pipeline.history import history


class Noise(Dataset[tuple[Tensor, Tensor]]):
    def __len__(self) -> int:
        return 24

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(index)
        return torch.rand(1, 8, 8, generator=generator), torch.tensor(index % 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of three epochs, as `run` leaves it."""
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(64, 2)
    )
    with torch.no_grad():
        network[0].weight[:3] *= 1e-4
    data = Labelled("classification", ("a", "b"), Noise(), "noise")
    place = tmp_path / "net.training" / "1-train"
    context = Context((torch.zeros(1, 1, 8, 8),), training=Training(data, data, folder=place))
    method = KernelSparsity(strength=0.1, threshold=0.05)
    fit(network, [method], Course(3, 8, keep_epochs=True), context)
    return place


def call(capfd, *arguments: object) -> tuple[int, str, str]:
    capfd.readouterr()
    code = cli.execute(["history", *map(str, arguments)])
    captured = capfd.readouterr()
    return code, captured.out, captured.err


def test_table_picture_and_records(folder: Path, capfd, tmp_path: Path) -> None:
    code, out, err = call(capfd, folder, "--json", "--quiet")
    assert code == 0, err
    [found] = json.loads(out)
    assert [epoch["epoch"] for epoch in found["epochs"]] == [1, 2, 3]
    assert found["data"] == "noise"
    for choice in found["pareto"]:
        weights = load_file(folder / choice["weights"])
        zero = sum(
            int((~weights[f"{n}.weight"].reshape(k, -1).any(1)).sum()) for n, k in ((0, 8), (2, 4))
        )
        assert zero == choice["zeros"]["zero_filters"]
    record = load_file(folder / "records" / "epoch-003.safetensors")
    assert record["values.0.weight"].shape == (8,)
    assert int(record["zero.0.weight"].sum()) >= 3
    picture = tmp_path / "page.png"
    code, _, err = call(capfd, folder.parent, "--out", picture, "--quiet")
    assert code == 0, err
    assert np.asarray(Image.open(picture)).std() > 1
    code, out, _ = call(capfd, folder, "--quiet")
    assert code == 0
    assert "zero_filters" in out


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=8))
def test_the_pareto_list_is_what_no_epoch_beats(tmp_path_factory, values) -> None:
    epochs = tuple(
        Epoch(number, 1.0, metric / 4, {"zero_filters": float(zero)})
        for number, (metric, zero) in enumerate(values, 1)
    )
    place = tmp_path_factory.mktemp("run")
    (place / HISTORY).write_bytes(msgspec.json.encode(History("accuracy", "x", epochs)))
    [found] = history(place)
    chosen = {(choice.metric * 4, choice.zeros["zero_filters"]) for choice in found.pareto}
    beaten = {
        one
        for one in values
        for two in values
        if two != one and two[0] >= one[0] and two[1] >= one[1]
    }
    assert chosen == {(float(m), float(z)) for m, z in set(values) - beaten}


def test_wrong_folders_and_files(folder: Path, capfd, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / HISTORY).write_text("{")
    for wrong in (
        (tmp_path / "none",), (tmp_path / "empty",), (tmp_path / "damaged",), (folder, "--out", "page.txt"),
    ):  # fmt: skip
        code, out, err = call(capfd, *wrong, "--quiet")
        assert code == 2, wrong
        assert out == ""
        assert len(err.strip().splitlines()) == 1, err
    (folder / "records" / "epoch-003.safetensors").write_bytes(b"no")
    code, _, err = call(capfd, folder, "--out", tmp_path / "page.png", "--quiet")
    assert code == 2
    assert "epoch-003" in err
