"""What goes wrong in pruning: one clear line, the right exit code, nothing written, nothing lost."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mobilekit.compress.registry import methods
from mobilekit.runtime import program as programs
from tests.e2e.test_faults import assert_one_line

NETS = Path(__file__).with_name("pruning_nets.py")
INPUT = ("--input", "image=1x3x16x16")
HALF = ("--sparsity", "0.5")


def net(name: str) -> str:
    return f"{NETS}:{name}"


COMMAND_LINES = {
    "sparsity of one": ([net("wide"), *INPUT, "--sparsity", "1"], "--sparsity 1: expected a share"),
    "sparsity beyond one": ([net("wide"), *INPUT, "--sparsity", "1.5"], "--sparsity 1.5"),
    "negative sparsity": ([net("wide"), *INPUT, "--sparsity", "-0.1"], "--sparsity -0.1"),
    "sparsity of nothing": ([net("wide"), *INPUT, "--sparsity", "0"], "--sparsity 0"),
    "sparsity not a number": ([net("wide"), *INPUT, "--sparsity", "nan"], "--sparsity nan"),
    "sparsity in words": ([net("wide"), *INPUT, "--sparsity", "half"], "--sparsity"),
    "unknown criterion": (
        [net("wide"), *INPUT, *HALF, "--criterion", "l3"],
        "'l1', 'l2', 'batch_norm_scale', 'random'",
    ),
    "unknown context": ([net("wide"), *INPUT, *HALF, "--context", "globl"], "'local', 'global'"),
    "unknown aggregate": ([net("wide"), *INPUT, *HALF, "--aggregate", "median"], "'mean', 'max'"),
    "unknown option": ([net("wide"), *INPUT, "--sparsty", "0.5"], "--sparsty"),
    "budget without a share": ([net("wide"), *INPUT, "--budget", "macs"], "macs is a share"),
    "budget of something else": ([net("wide"), *INPUT, "--budget", "flops=0.5"], "--budget 'flops"),
    "budget in words": ([net("wide"), *INPUT, "--budget", "macs=half"], "--budget 'macs=half'"),
    "budget given twice": (
        [net("wide"), *INPUT, "--budget", "macs=0.5,macs=0.3"], "--budget 'macs=0.5,macs=0.3'",
    ),
    "empty budget": ([net("wide"), *INPUT, "--budget", ""], "--budget ''"),
    "budget above all": ([net("wide"), *INPUT, "--budget", "macs=2"], "between 0 and 1"),
    "budget of nothing": ([net("wide"), *INPUT, "--budget", "params=0"], "between 0 and 1"),
    "budget not a number": ([net("wide"), *INPUT, "--budget", "macs=nan"], "between 0 and 1"),
    "sparsity and budget": (
        [net("wide"), *INPUT, *HALF, "--budget", "macs=0.5"], "give one of them",
    ),
    "rounding to nothing": ([net("wide"), *INPUT, *HALF, "--round-to", "0"], "--round-to"),
    "negative epsilon": ([net("wide"), *INPUT, "--epsilon", "-1"], "--epsilon"),
    "budget out of reach": (
        [net("wide"), *INPUT, "--budget", "macs=0.001"],
        "the least that can remain is macs=0.",
    ),
    "rounding needs all": (
        [net("wide"), *INPUT, *HALF, "--round-to", "64"], "round to a smaller multiple",
    ),
    "nothing dead": ([net("wide"), *INPUT], "no filter is zero; give a sparsity or a budget"),
    "NaN weights": ([net("nan"), *INPUT, *HALF], "middle.weight"),
    "decides by values": ([net("deciding"), *INPUT, *HALF], "pruning_nets.py:"),
    "returns no tensor": ([net("words"), *INPUT, *HALF], "returns a str"),
    "wrong channels": ([net("wide"), "--input", "1x4x16x16", *HALF], "does not take"),
    "too small an input": ([net("wide"), "--input", "1x3x4x4", *HALF], "does not take"),
    "no input": ([net("wide"), *HALF], "--input"),
    "no such net": ([net("wyde"), *INPUT, *HALF], "Did you mean wide"),
    "no such file": (["nowhere.pt2", *HALF], "no such file"),
    "no weights": ([net("wide"), *INPUT, *HALF, "--weights", "no.safetensors"], "no such file"),
}  # fmt: skip


@pytest.mark.parametrize("name", COMMAND_LINES)
def test_a_wrong_command_line(name: str, command, tmp_path: Path, monkeypatch) -> None:
    arguments, words = COMMAND_LINES[name]
    monkeypatch.chdir(tmp_path)
    assert_one_line(command("prune", *arguments), 2, words)
    assert list(tmp_path.iterdir()) == []


def test_control_flow_by_values_names_operator_line_and_remedy(command, tmp_path: Path) -> None:
    line = next(
        number
        for number, text in enumerate(NETS.read_text().splitlines(), 1)
        if "if x.sum()" in text
    )
    result = command("prune", net("deciding"), *INPUT, *HALF, "--out", tmp_path / "out")
    assert_one_line(result, 2, f"pruning_nets.py:{line}")
    assert "aten." in result[2]
    assert "make that choice outside the network" in result[2]


def test_the_nearest_budget_can_be_had(command, tmp_path: Path) -> None:
    arguments = ("prune", net("wide"), *INPUT, "--round-to", "1", "--out", tmp_path / "out")
    _, _, err = command(*arguments, "--budget", "macs=0.001", "--quiet")
    nearest = float(err.partition("macs=")[2].partition(",")[0])
    code, out, _ = command(*arguments, "--budget", f"macs={nearest + 0.001:.3f}", "--json")
    assert code == 0
    assert [row["after"] for row in json.loads(out)["coverage"]["layers"]] == [1, 1, 4]


def test_what_cannot_go_is_named_and_the_rest_goes(command, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, text, err = command("prune", net("fourier"), *INPUT, *HALF, "--out", out, "--quiet")
    assert code == 1
    assert "16 → 8" in text
    assert err.count("\n") == 1
    assert err.startswith("mobilekit: middle: unsupported: no rule for ")
    assert "pruning_nets.py:" in err
    saved = json.loads((out / "coverage.json").read_text())
    states = {row["layer"]: row["state"] for row in saved["coverage"]["layers"]}
    assert states == {"stem": "pruned", "middle": "unsupported", "head": "pinned"}
    assert saved["unmet"] == [err.removeprefix("mobilekit: ").strip()]


def test_damaged_weights_are_refused_and_left(command, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"stem.weight": torch.zeros(16, 3, 3, 3)}, path)
    path.write_bytes(path.read_bytes()[:100])
    before = path.read_bytes()
    result = command(
        "prune", net("wide"), *INPUT, *HALF, "--weights", path, "--out", tmp_path / "o"
    )
    assert_one_line(result, 2, path.name)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_inputs_are_left_as_they_were(command, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with torch.random.fork_rng():
        shapes = {"stem": (16, 3, 3, 3), "middle": (32, 16, 3, 3), "head": (4, 32, 1, 1)}
        state = {f"{name}.weight": torch.randn(shape) for name, shape in shapes.items()}
    state |= {f"{name}.bias": torch.zeros(shape[0]) for name, shape in shapes.items()}
    save_file(state, path)
    before = hashlib.sha256(path.read_bytes() + NETS.read_bytes()).digest()
    code, _, _ = command(
        "prune", net("wide"), *INPUT, *HALF, "--weights", path, "--out", tmp_path / "out", "--quiet"
    )
    assert code == 0
    assert hashlib.sha256(path.read_bytes() + NETS.read_bytes()).digest() == before


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> dict[str, bytes]:
    """The files of a pruning, made once."""
    from mobilekit import cli

    out = tmp_path_factory.mktemp("former") / "out"
    assert cli.execute(["prune", net("wide"), *INPUT, *HALF, "--out", str(out), "--quiet"]) == 0
    return contents(out)


@pytest.fixture
def former(result: dict[str, bytes], tmp_path: Path) -> Path:
    """A folder with a former result."""
    return planted(result, tmp_path / "out")


def planted(result: dict[str, bytes], folder: Path) -> Path:
    folder.mkdir()
    for name, content in result.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_former_result_is_replaced(command, former: Path, result: dict[str, bytes]) -> None:
    arguments = ("prune", net("wide"), *INPUT, "--sparsity", "0.75", "--out", former, "--quiet")
    assert command(*arguments)[0] == 0
    assert contents(former).keys() == result.keys()
    assert contents(former) != result
    assert [path.name for path in former.parent.iterdir()] == ["out"]


def test_a_refusal_leaves_the_former_result(
    command, former: Path, result: dict[str, bytes]
) -> None:
    assert_one_line(command("prune", net("wide"), *INPUT, "--out", former), 2, "no filter is zero")
    assert contents(former) == result


def test_a_folder_with_other_things_is_not_replaced(command, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_bytes(b"1")
    result = command("prune", net("wide"), *INPUT, *HALF, "--out", tmp_path / "photos")
    assert_one_line(result, 2, "photos: holds other things")
    assert contents(tmp_path / "photos") == {"holiday.jpg": b"1"}


@pytest.mark.parametrize("inside", ["file", "file/out"])
def test_a_place_that_cannot_be_written(inside: str, command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    result = command("prune", net("wide"), *INPUT, *HALF, "--out", tmp_path / inside)
    assert_one_line(result, 3, "file")
    assert contents(tmp_path) == {"file": b"mine"}


def test_an_interrupt_while_saving_leaves_the_former_result(
    command, former: Path, result: dict[str, bytes], monkeypatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(programs, "save", interrupted)
    code, out, err = command("prune", net("wide"), *INPUT, "--sparsity", "0.75", "--out", former)
    assert code == 130
    assert "Traceback" not in out + err
    assert contents(former) == result
    assert [path.name for path in former.parent.iterdir()] == ["out"]


def test_killed_while_saving_leaves_the_former_result(
    command, former: Path, result: dict[str, bytes]
) -> None:
    arguments = ["prune", net("wide"), *INPUT, "--sparsity", "0.75", "--out", str(former)]
    with subprocess.Popen(
        [sys.executable, "-m", "mobilekit", *arguments], stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None and not list(former.parent.glob(".out.new-*")):
            time.sleep(0.001)
        killed = process.poll() is None
        if killed:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert killed
    assert contents(former) == result
    assert command(*arguments, "--quiet")[0] == 0
    assert [path.name for path in former.parent.iterdir()] == ["out"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_leaves_the_former_result(
    command, result: dict[str, bytes], tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("this container may not mount a file system")
    try:
        out = planted(result, disk / "out")
        (disk / "ballast").write_bytes(b"0" * max(shutil.disk_usage(disk).free - 8192, 0))
        arguments = ("prune", net("wide"), *INPUT, "--sparsity", "0.25", "--round-to", "1")
        assert_one_line(command(*arguments, "--out", out), 3, "disk is full")
        assert contents(out) == result
        assert sorted(path.name for path in disk.iterdir()) == ["ballast", "out"]
    finally:
        subprocess.run(["umount", str(disk)], check=False)


HEAD = 'name = "x"\nnet = { kind = "lenet-caffe" }\ntargets = [{ kind = "tflite" }]\n'


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ('kind = "prune"\nsparsity = 1.0', "steps[0]: Expected `float` < 1.0 - at `$.sparsity`"),
        ('kind = "prune"\nsparsity = "half"', "$.sparsity"),
        ('kind = "prune"\nspartisy = 0.5', "spartisy"),
        ('kind = "prune"\ncriterion = "l3"', "$.criterion"),
        ('kind = "prune"\ncontext = "everywhere"', "$.context"),
        ('kind = "prune"\nround_to = 0', "$.round_to"),
        ('kind = "prune"\nbudget = { macs = 1.5 }', "$.budget.macs"),
        ('kind = "prune"\nbudget = { flops = 0.5 }', "flops"),
        ('kind = "prune"\nchannels = { stem = [-1] }', "$.channels"),
        ('kind = "prune"\nsparsity = 0.5\nbudget = { macs = 0.5 }', "not several of them"),
        ('kind = "prune"\nchannels = { stemm = [1] }', "stemm"),
        ('kind = "prunne"\nsparsity = 0.5', "Did you mean prune"),
        ("sparsity = 0.5", "steps[0]"),
    ],
)
def test_a_wrong_step_names_its_place(step: str, words: str, command, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f"{HEAD}[[steps]]\n{step}\n")
    assert_one_line(command("run", path, "--out", tmp_path / "out"), 2, words)
    assert [one.name for one in tmp_path.iterdir()] == ["recipe.toml"]


def test_an_unknown_step_lists_the_known_ones(command, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f'{HEAD}[[steps]]\nkind = "shrink"\n')
    result = command("run", path)
    assert_one_line(result, 2, "steps[0]: unknown step 'shrink'")
    for method in methods():
        if method.place == "steps":
            assert method.kind in result[2]


def test_a_second_step_that_is_wrong_is_found_before_the_first_runs(
    command, tmp_path: Path
) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f'{HEAD}[[steps]]\nkind = "prune"\n[[steps]]\nkind = "fold"\nskipp = []\n')
    result = command("run", path)
    assert_one_line(result, 2, "steps[1]")
    assert len(result[2].splitlines()) == 1  # no progress: nothing had begun


def test_a_recipe_prunes_exports_and_reports(command, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f'{HEAD}[[steps]]\nkind = "prune"\nsparsity = 0.5\nround_to = 1\n')
    code, out, _ = command("run", path, "--out", tmp_path / "out", "--json", "--quiet")
    found = json.loads(out)
    assert code == 0
    (step,) = found["steps"]
    assert step["kind"] == "prune"
    # lenet-caffe is 1-20-50-500-10 with 5×5 kernels on 28×28; half of 20, 50 and 500 go
    assert step["params_before"] == 20 * 26 + 50 * 501 + 500 * 801 + 10 * 501
    assert step["params_after"] == 10 * 26 + 25 * 251 + 250 * 401 + 10 * 251
    assert found["cost"]["params"] == step["params_after"]
    assert step["residual"] <= 1e-5
    assert [file["parity"]["verdict"] for file in found["files"]] == ["pass"]
    saved = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert saved["steps"] == found["steps"]
