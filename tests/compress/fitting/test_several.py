"""Two processes against one, through Lightning's own strategies."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from mobilekit.compress.fitting.fit import Course, fit
from mobilekit.core.errors import RecipeError
from tests.compress.fitting.material import context, plain

ROOT = Path(__file__).parents[3]
WEIGHTS = 1e-12
"""float64: sums of 20 gradients in another order, over nine steps of Adam."""


def trained(folder: Path, strategy: str, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.compress.fitting.several", str(folder), strategy, *more],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(path, weights_only=True)
    return content


def leaves(content: dict[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            found |= leaves(value, f"{path}{name}/")
        else:
            found[path + name] = value
    return found


def compare(single: Path, several: Path) -> None:
    """Masks bit for bit, also among the processes; weights but for the order of sums."""
    one = leaves(read(single / "rank-0.pt"))
    two = [leaves(read(several / f"rank-{rank}.pt")) for rank in (0, 1)]
    masks = 0
    assert one.keys() == two[0].keys() == two[1].keys()
    for name, value in one.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(two[0][name], two[1][name]), name
            torch.testing.assert_close(two[0][name], value, rtol=0, atol=WEIGHTS)
        if name.rpartition("/")[2].startswith("dead"):
            assert value.dtype == torch.bool
            assert 0 < value.count_nonzero() < value.numel(), name
            masks += 1
    assert masks == 3
    alone, together = read(single / "result.pt"), read(several / "result.pt")
    assert together["notes"] == alone["notes"]
    assert together["metrics"] == alone["metrics"]
    assert together["losses"] == pytest.approx(alone["losses"], abs=1e-12)
    for name, value in together["weights"].items():
        assert torch.equal(value, two[0][f"weights/{name}"]), name


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("single")
    found = trained(folder, "none")
    assert found.returncode == 0, found.stderr
    return folder


def test_two_processes_give_the_masks_and_weights_of_one(single: Path, tmp_path: Path) -> None:
    found = trained(tmp_path, "ddp")
    assert found.returncode == 0, found.stderr
    compare(single, tmp_path)


def test_two_processes_go_on_together_and_end_with_the_same_bits(tmp_path: Path) -> None:
    found = trained(tmp_path, "ddp", "twice")
    assert found.returncode == 0, found.stderr
    first, second = (read(tmp_path / f"again-{rank}.pt") for rank in (0, 1))
    assert any(name.endswith("running_mean") for name in first)
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


@pytest.mark.parametrize("strategy", ["ddp", pytest.param("ddp_fork", marks=pytest.mark.slow)])
def test_processes_show_the_same_images_and_keep_the_same_best(
    strategy: str, tmp_path: Path
) -> None:
    folders = {name: tmp_path / name for name in ("none", strategy)}
    for name, folder in folders.items():
        folder.mkdir()
        found = trained(folder, name, "best")
        assert found.returncode == 0, found.stderr
    one, two = (read(folder / "best-0.pt") for folder in folders.values())
    assert one["best"] == two["best"]
    for name, value in one["weights"].items():
        torch.testing.assert_close(two["weights"][name], value, rtol=0, atol=WEIGHTS)
    if strategy == "ddp":
        other = read(folders[strategy] / "best-1.pt")["weights"]
        assert all(torch.equal(other[name], value) for name, value in two["weights"].items())


@pytest.mark.slow
def test_forked_processes_give_the_masks_and_weights_of_one(single: Path, tmp_path: Path) -> None:
    found = trained(tmp_path, "ddp_fork")
    assert found.returncode == 0, found.stderr
    compare(single, tmp_path)


@pytest.mark.slow
def test_killed_and_resumed_two_processes_end_where_one_does(single: Path, tmp_path: Path) -> None:
    stopped = trained(tmp_path, "ddp", "kill")
    assert stopped.returncode != 0
    assert not (tmp_path / "result.pt").exists()
    found = trained(tmp_path, "ddp", "resume")
    assert found.returncode == 0, found.stderr
    compare(single, tmp_path)


def test_killed_and_resumed_process_ends_bit_for_bit_where_it_would_have(
    single: Path, tmp_path: Path
) -> None:
    stopped = trained(tmp_path, "none", "kill")
    assert stopped.returncode == -9
    found = trained(tmp_path, "none", "resume")
    assert found.returncode == 0, found.stderr
    for name in ("rank-0.pt", "result.pt"):
        before, after = leaves(read(single / name)), leaves(read(tmp_path / name))
        assert before.keys() == after.keys()
        for key, value in before.items():
            same = (
                torch.equal(value, after[key])
                if isinstance(value, torch.Tensor)
                else value == after[key]
            )
            assert same, key


def test_strategies_that_copy_methods_are_refused() -> None:
    flags = {"devices": 2, "strategy": "ddp_spawn"}
    with pytest.raises(RecipeError, match=r"strategy 'ddp_spawn' copies methods.*take ddp"):
        fit(plain(), [], Course(1, 20), context(flags=flags))


def test_batch_that_two_processes_cannot_share_is_refused() -> None:
    flags = {"devices": 2, "strategy": "ddp_fork"}
    with pytest.raises(RecipeError, match="batch_size: 15 images cannot be shared by 2 devices"):
        fit(plain(), [], Course(1, 15), context(flags=flags))
