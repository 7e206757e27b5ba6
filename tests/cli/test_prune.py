"""`mobilekit prune` as one types it."""

import json
import re
from pathlib import Path

import pytest

from mobilekit import cli
from mobilekit.cli.prune import _budget
from mobilekit.core.errors import UsageError
from tests.cli.test_start import HEAVY, run

NETS = Path(__file__).parents[1] / "e2e" / "pruning_nets.py"


def prune(capfd, *arguments: object) -> tuple[int, str, str]:
    capfd.readouterr()
    code = cli.execute(["prune", *map(str, arguments)])
    captured = capfd.readouterr()
    return code, captured.out, captured.err


def test_help_names_every_option_and_imports_nothing_heavy() -> None:
    done, modules = run("prune", "--help")
    assert done.returncode == 0
    for option in (
        "--sparsity", "--budget", "--criterion", "--aggregate", "--context", "--round-to",
        "--epsilon", "--allow-head", "--out", "--input", "--weights", "--json", "--quiet", "--debug",
    ):  # fmt: skip
        assert option in done.stdout
    assert "Exits with 1" in done.stdout
    assert not modules & HEAVY


@pytest.mark.parametrize("option", [("--sparsity", "1"), ("--budget", "macs"), ("--context", "x")])
def test_a_wrong_line_is_refused_before_anything_heavy_is_imported(option: tuple[str, str]) -> None:
    done, modules = run("prune", f"{NETS}:wide", "--input", "1x3x16x16", *option)
    assert done.returncode == 2
    assert not modules & HEAVY


def test_budgets_are_read() -> None:
    assert _budget("macs=0.5") == {"macs": 0.5}
    assert _budget("params = 0.3 , macs=.25") == {"params": 0.3, "macs": 0.25}


@pytest.mark.parametrize("text", ["", "macs", "macs=", "macs=1", "macs=0", "x=0.5", "macs=0.1,"])
def test_other_budgets_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--budget"):
        _budget(text)


def test_the_result_is_on_stdout_and_progress_on_stderr(capfd, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, text, err = prune(
        capfd, f"{NETS}:wide", "--input", "1x3x16x16", "--sparsity", "0.5", "--out", out
    )
    assert code == 0
    rows = [[cell.strip() for cell in row] for row in re.findall(r"│(.*?)│(.*?)│(.*?)│", text)]
    assert rows == [
        ["stem", "16 → 8", "pruned"],
        ["middle", "32 → 16", "pruned"],
        ["head", "4", "pinned"],
    ]
    assert "residual" in text
    said = [line.partition("] ")[2] for line in err.splitlines()]
    assert "following the channels" in said
    assert "saving" in said
    assert sorted(path.name for path in out.iterdir()) == [
        "coverage.json",
        "model.source",
        "network.json",
        "program.pt2",
        "structure.json",
        "weights.safetensors",
    ]


def test_quiet_says_nothing_but_the_result(capfd, tmp_path: Path) -> None:
    arguments = ("--input", "1x3x16x16", "--sparsity", "0.5", "--out", tmp_path / "out", "--quiet")
    assert prune(capfd, f"{NETS}:wide", *arguments)[2] == ""


def test_json_is_what_the_folder_keeps(capfd, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("--input", "1x3x16x16", "--sparsity", "0.5", "--out", out, "--json")
    code, text, err = prune(capfd, f"{NETS}:fourier", *arguments)
    found = json.loads(text)
    assert (code, err) == (1, "")
    assert found == json.loads((out / "coverage.json").read_text())
    assert found["folder"] == str(out)
    assert found["step"]["kind"] == "prune"
    assert found["step"]["residual"] <= 1e-5
    assert len(found["unmet"]) == 1
    assert {layer["layer"] for layer in found["coverage"]["layers"]} == {"stem", "middle", "head"}


def test_without_a_target_the_dead_go_exactly(capfd, tmp_path: Path) -> None:
    arguments = ("--input", "1x3x16x16", "--out", tmp_path / "out", "--json", "--round-to", "1")
    code, text, _ = prune(capfd, f"{NETS}:dead", *arguments)
    found = json.loads(text)
    assert code == 0
    # no zero padding: every constant goes into a bias, none needs a carrier
    assert [layer["after"] for layer in found["coverage"]["layers"]] == [8, 32, 4]
    assert found["step"]["residual"] <= 1e-5


def test_the_same_seed_gives_the_same_network(capfd, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    weights = tmp_path / "weights.safetensors"
    from tests.e2e.pruning_nets import wide

    save_file(wide().state_dict(), weights)
    kept = []
    for seed in (1, 1, 2):
        out = tmp_path / "out"
        code, _, _ = prune(
            capfd, f"{NETS}:wide", "--input", "1x3x16x16", "--sparsity", "0.5", "--criterion", "random",
            "--weights", weights, "--seed", seed, "--out", out, "--quiet",
        )  # fmt: skip
        assert code == 0
        kept.append(stem(out / "program.pt2"))
    assert kept[0] == kept[1] != kept[2]


def stem(path: Path) -> list[float]:
    import torch

    state = torch.export.load(path).state_dict
    (weight,) = [tensor for name, tensor in state.items() if name.endswith("stem.weight")]
    return weight.flatten().tolist()
