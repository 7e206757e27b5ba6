"""State dicts come in whole or not at all, and never by unpickling."""

import pickle  # noqa: TID251  to show that it is refused
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mobilekit.core.errors import ModelError
from mobilekit.nets.weights import load_weights, read_state


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))


def saved(path: Path, state: dict[str, torch.Tensor]) -> Path:
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w.pth"])
def test_weights_come_back_to_the_bit(tmp_path: Path, name: str) -> None:
    source, target = network(), network()
    load_weights(target, saved(tmp_path / name, source.state_dict()))
    for key, value in source.state_dict().items():
        assert torch.equal(target.state_dict()[key], value)


def test_a_checkpoint_with_a_state_dict_inside(tmp_path: Path) -> None:
    source, target = network(), network()
    torch.save({"state_dict": source.state_dict(), "epoch": 3}, tmp_path / "w.pt")
    load_weights(target, tmp_path / "w.pt")
    assert torch.equal(target[0].weight, source[0].weight)


def test_the_count_of_batches_may_be_missing(tmp_path: Path) -> None:
    state = network().state_dict()
    del state["1.num_batches_tracked"]
    load_weights(network(), saved(tmp_path / "w.safetensors", state))


def test_what_does_not_fit_is_listed(tmp_path: Path) -> None:
    target = network()
    before = target[0].weight.clone()
    state = target.state_dict()
    state["extra.weight"] = torch.zeros(1)
    state["2.weight"] = torch.zeros(2, 5)
    state["0.weight"] = state["0.weight"] + 1
    del state["1.running_mean"]
    with pytest.raises(ModelError) as caught:
        load_weights(target, saved(tmp_path / "w.safetensors", state))
    line = str(caught.value)
    assert "1 missing: 1.running_mean" in line
    assert "1 unexpected: extra.weight" in line
    assert "1 of another shape: 2.weight (2, 5) instead of (2, 4)" in line
    assert "\n" not in line
    assert torch.equal(target[0].weight, before)  # nothing was loaded


def test_long_lists_are_cut(tmp_path: Path) -> None:
    state = {f"x{index}": torch.zeros(1) for index in range(9)}
    with pytest.raises(ModelError, match=r"9 unexpected: x0, x1, x2, …"):
        load_weights(network(), saved(tmp_path / "w.pt", state))


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemError('was run')",))


def test_pickled_objects_are_refused_unread(tmp_path: Path) -> None:
    torch.save({"state_dict": Evil()}, tmp_path / "w.pt")
    with pytest.raises(ModelError, match=r"pickled objects.*safetensors"):
        load_weights(network(), tmp_path / "w.pt")
    (tmp_path / "v.pt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ModelError, match=r"pickled objects|no whole PyTorch checkpoint"):
        load_weights(network(), tmp_path / "v.pt")


def test_a_whole_pickled_module_is_refused(tmp_path: Path) -> None:
    torch.save(network(), tmp_path / "w.pt")
    with pytest.raises(ModelError, match="pickled objects"):
        load_weights(network(), tmp_path / "w.pt")


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_files_are_one_line(tmp_path: Path, name: str, share: float) -> None:
    path = saved(tmp_path / name, network().state_dict())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match=name) as caught:
        load_weights(network(), path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
def test_missing_files_folders_and_text(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(ModelError, match="no such file"):
        load_weights(network(), path)
    path.mkdir()
    with pytest.raises(ModelError, match="no such file"):
        load_weights(network(), path)
    path.rmdir()
    path.write_text("these are no weights")
    with pytest.raises(ModelError, match=name):
        load_weights(network(), path)


@pytest.mark.parametrize("content", [{}, [1, 2], {"a": 3}, torch.zeros(2)])
def test_checkpoints_of_something_else(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(ModelError, match="holds no"):
        read_state(tmp_path / "w.pt")


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict"])
def test_the_state_dict_of_a_checkpoint_is_understood(key: str, tmp_path: Path) -> None:
    state = {"weight": torch.ones(2, 2)}
    torch.save({"epoch": 3, "optimizer": {"step": 1}, key: state}, tmp_path / "w.pt")
    assert torch.equal(read_state(tmp_path / "w.pt")["weight"], state["weight"])


def test_a_checkpoint_with_another_key_says_which_entries_are_state_dicts(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "teacher": {"weight": torch.ones(2)}}, tmp_path / "w.pt")
    with pytest.raises(ModelError, match=r"its entries teacher do: save one alone"):
        read_state(tmp_path / "w.pt")
