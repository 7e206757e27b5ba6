"""Stopped at any step and resumed, a training ends as it would have, bit for bit."""

import resource
import signal
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import torch
from tensorboardX.proto.event_pb2 import Event  # type: ignore[import-untyped]
from torch import nn

from mobilekit.compress.acting import VERSION
from mobilekit.compress.base import Context, During
from mobilekit.compress.during.distill import Distill
from mobilekit.compress.during.group_penalty import GroupPenalty
from mobilekit.compress.during.keep_zeros import KeepZeros
from mobilekit.compress.during.kernel_sparsity import KernelSparsity
from mobilekit.compress.during.lottery import Lottery
from mobilekit.compress.during.share_weights import ShareWeights
from mobilekit.compress.during.sparsify import Sparsify
from mobilekit.compress.fitting.fit import LAST, Course, fit
from mobilekit.compress.fitting.history import History
from mobilekit.compress.fitting.rates import OptimizerConfig
from mobilekit.core.errors import ModelError, OutputError, TrainingError
from tests.compress.fitting.material import Stop, StoppedError, context, drawn, rich

FITNET = Distill(beta=0.3, features="fitnet", pairs={"0": "0", "3": "3"})
COURSES = {
    "momentum": ((Sparsify(granularity="filter", sparsity=0.5),), OptimizerConfig("sgd", 1e-2)),
    "adam": (
        (Sparsify(sparsity=0.5, layers=("7",)), FITNET, KernelSparsity(threshold=0.2)),
        OptimizerConfig("adam", 1e-2),
    ),
    "adamw": (
        (Lottery(sparsity=0.6, rounds=2, rewind_at=0.2), Distill(loss="mutual")),
        OptimizerConfig("adamw", 1e-2, weight_decay=0.1, schedule="cosine", cycles=3),
    ),
    "rmsprop": (
        (KeepZeros(), GroupPenalty(proximal=True, strength=0.1)),
        OptimizerConfig("rmsprop", 1e-3, schedule="step"),
    ),
    "shared": ((KeepZeros(), ShareWeights(bits=2, start_at=0.4)), OptimizerConfig("adam", 1e-2)),
}
"""A course for each optimizer; together, every method."""
STEPS = 12
Done = tuple[nn.Module, History, tuple[str, ...]]


def wide() -> nn.Module:
    """A teacher with more channels, so that adapters train."""
    return drawn(
        nn.Sequential(
            nn.Conv2d(1, 10, 3),
            nn.BatchNorm2d(10),
            nn.SiLU(),
            nn.Conv2d(10, 9, 3),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(144, 3),
        )
    )


def started() -> nn.Module:
    network = rich()
    with torch.no_grad():
        network[3].weight[2:4] = 0  # for keep_zeros
    return network


def trained(
    kind: str, place: Context, every: int = 1, stop: int | None = None, later: int = 0
) -> Done:
    methods, optimizer = COURSES[kind]
    network = started()
    course = Course(3, 16, optimizer, every, clip=1.0)
    stops = [] if stop is None else [Stop(stop, later)]
    place = replace(place, original=wide())
    history, notes = fit(network, methods, course, place, stops)
    return network, history, notes


@pytest.mark.parametrize("kind", COURSES)
def test_stopped_and_resumed_it_ends_bit_for_bit_the_same(kind: str, tmp_path: Path) -> None:
    check(kind, (1, 7), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", COURSES)
def test_stopped_at_any_step_it_ends_bit_for_bit_the_same(kind: str, tmp_path: Path) -> None:
    check(kind, range(1, STEPS), tmp_path)


def check(kind: str, steps: Iterable[int], tmp_path: Path) -> None:
    whole, history, notes = trained(kind, context(tmp_path / "whole"))
    last = torch.load(tmp_path / "whole" / LAST, weights_only=True)
    figures = history.last.figures.values()
    assert not figures or any(float(each) for each in figures)
    assert last["global_step"] == STEPS
    for step in steps:
        folder = tmp_path / str(step)
        with pytest.raises(StoppedError):
            trained(kind, context(folder), stop=step)
        found, same, words = trained(kind, context(folder, resume=True))
        assert (same, words) == (history, notes), step
        for name, value in whole.state_dict().items():
            assert torch.equal(value, found.state_dict()[name]), (step, name)
        content = torch.load(folder / LAST, weights_only=True)
        assert_equal(content["callbacks"], last["callbacks"])
        assert_equal(content["optimizer_states"], last["optimizer_states"])
        assert (folder / "history.json").read_bytes() == (
            tmp_path / "whole" / "history.json"
        ).read_bytes()


def assert_equal(found: object, expected: object) -> None:
    """Compare nested containers; tensors bit for bit."""
    if isinstance(expected, torch.Tensor):
        assert isinstance(found, torch.Tensor)
        assert torch.equal(found, expected)
    elif isinstance(expected, dict):
        assert isinstance(found, dict)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert_equal(found[key], value)
    elif isinstance(expected, list | tuple):
        assert isinstance(found, list | tuple)
        assert len(found) == len(expected)
        for one, two in zip(found, expected, strict=True):
            assert_equal(one, two)
    else:
        assert found == expected


def test_resumed_at_the_end_of_an_epoch(tmp_path: Path) -> None:
    whole, history, _ = trained("adam", context())
    with pytest.raises(StoppedError):
        trained("adam", context(tmp_path), every=0, stop=6)
    content = torch.load(tmp_path / LAST, weights_only=True)
    assert content["global_step"] == 4
    found, same, _ = trained("adam", context(tmp_path, resume=True), every=0)
    assert same == history
    assert all(map(torch.equal, whole.state_dict().values(), found.state_dict().values()))


def test_resumed_when_it_is_done_changes_nothing(tmp_path: Path) -> None:
    whole, history, notes = trained("adam", context(tmp_path))
    found, same, words = trained("adam", context(tmp_path, resume=True))
    assert (same, words) == (history, notes)
    assert all(map(torch.equal, whole.state_dict().values(), found.state_dict().values()))


def test_gradients_collected_over_batches_are_no_place_to_stop(tmp_path: Path) -> None:
    flags = {"accumulate_grad_batches": 2}
    whole, history, _ = trained("momentum", context(flags=flags))
    for step in (1, 3):
        folder = tmp_path / str(step)
        with pytest.raises(StoppedError):
            trained("momentum", context(folder, flags=flags), stop=step, later=1)
        found, same, _ = trained("momentum", context(folder, flags=flags, resume=True))
        assert same == history
        assert all(map(torch.equal, whole.state_dict().values(), found.state_dict().values()))


def test_epochs_cut_short_are_resumed_too(tmp_path: Path) -> None:
    flags = {"limit_train_batches": 3}
    whole, history, notes = trained("momentum", context(flags=flags))
    assert notes[0].startswith("sparsify: 8 of 16 groups")
    for step in (2, 7):
        folder = tmp_path / str(step)
        with pytest.raises(StoppedError):
            trained("momentum", context(folder, flags=flags), stop=step)
        found, same, _ = trained("momentum", context(folder, flags=flags, resume=True))
        assert same == history
        assert all(map(torch.equal, whole.state_dict().values(), found.state_dict().values()))


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("begun")
    with pytest.raises(StoppedError):
        trained("momentum", context(folder, digest="one"), stop=3)
    return folder


def resumed(folder: Path, methods: Sequence[During], digest: str = "one") -> str:
    """Return what is said instead of going on."""
    with pytest.raises((TrainingError, ModelError)) as found:
        fit(started(), methods, Course(3, 16), context(folder, resume=True, digest=digest))
    assert "\n" not in str(found.value)
    return str(found.value)


def test_checkpoint_of_another_recipe_is_refused(begun: Path) -> None:
    words = resumed(begun, COURSES["momentum"][0], "two")
    assert words == (
        f"{begun / LAST}: is of another recipe; give the recipe it was begun with, or leave --resume out"
    )


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        ((KeepZeros(),), "it is of a training with Sparsify, not with KeepZeros"),
        ((), "it is of a training with Sparsify, not with none"),
        ((Sparsify(),), "the masks in the checkpoint are of another network or recipe"),
    ],
    ids=["kind", "none", "options"],
)
def test_checkpoint_of_other_methods_is_refused(
    begun: Path, methods: Sequence[During], words: str
) -> None:
    assert words in resumed(begun, methods)


def test_checkpoint_of_another_version_is_refused(begun: Path, tmp_path: Path) -> None:
    content = torch.load(begun / LAST, weights_only=True)
    content["callbacks"]["ActingCallback"]["acting"]["version"] = VERSION + 1
    torch.save(content, tmp_path / LAST)
    words = resumed(tmp_path, COURSES["momentum"][0])
    assert words == f"checkpoint: its version is {VERSION + 1}, this program writes {VERSION}"


def test_checkpoint_of_another_network_is_refused(begun: Path) -> None:
    other = started()
    other[7] = nn.Linear(128, 3, bias=False)
    with pytest.raises(
        TrainingError,
        match=r"last\.ckpt: is of another network: network\.7\.bias is \[3\] there, absent here",
    ):
        fit(other, COURSES["momentum"][0], Course(3, 16), context(begun, resume=True, digest="one"))


@pytest.mark.parametrize("how", ["cut", "flipped", "text", "foreign"])
def test_damaged_checkpoint_is_refused(begun: Path, tmp_path: Path, how: str) -> None:
    data = bytearray((begun / LAST).read_bytes())
    if how == "foreign":
        torch.save({"state_dict": {}}, tmp_path / LAST)
    else:
        data[100:110] = bytes(10)
        written = {"cut": data[: len(data) // 2], "flipped": data, "text": b"weights"}[how]
        (tmp_path / LAST).write_bytes(written)
    words = resumed(tmp_path, COURSES["momentum"][0])
    assert words == f"{tmp_path / LAST}: is no checkpoint of mobilekit, or damaged"


def test_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    words = resumed(tmp_path, ())
    assert words == f"{tmp_path / LAST}: there is no checkpoint to go on from; leave --resume out"


def test_checkpoint_holds_tensors_numbers_and_texts_only(begun: Path) -> None:
    content = torch.load(begun / LAST, weights_only=True)
    assert content["callbacks"]["Recorder"]["digest"] == "one"
    assert not list(begun.glob(".*"))


def test_place_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / LAST / "something").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"last\.ckpt: the checkpoint cannot be written"):
        fit(started(), (), Course(1, 16), context(tmp_path))


@pytest.mark.parametrize(("most", "where"), [(1, "log"), (3000, LAST)])
def test_file_that_may_not_grow_is_an_output_error(tmp_path: Path, most: int, where: str) -> None:
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, former[1]))
    try:
        with pytest.raises(OutputError) as caught:
            fit(started(), (), Course(1, 4), context(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    words = str(caught.value)
    assert words.startswith(f"{tmp_path / where}: ")
    assert "larger" in words or "too large" in words
    assert "\n" not in words


def test_log_is_read_by_its_own_format(tmp_path: Path) -> None:
    """Records of TFRecord: length, its checksum, data, their checksum; events of TensorBoard."""
    fit(started(), (), Course(2, 4), context(tmp_path))
    [path] = (tmp_path / "log").iterdir()
    data, events = path.read_bytes(), []
    while data:
        length = int.from_bytes(data[:8], "little")
        events.append(Event.FromString(data[12 : 12 + length]))
        data = data[16 + length :]
    assert events[0].file_version == "brain.Event:2"
    seen = [(event.step, each.tag) for event in events[1:] for each in event.summary.value]
    assert [step for step, tag in seen if tag == "loss"] == [9, 19, 29]
    assert [step for step, tag in seen if tag == "accuracy"] == [16, 33]


def test_new_training_forgets_the_checkpoint_of_a_former_one(tmp_path: Path) -> None:
    trained("momentum", context(tmp_path))
    begun: list[bool] = []
    place = context(tmp_path, begin=lambda: begun.append((tmp_path / LAST).exists()))
    with pytest.raises(StoppedError):
        trained("momentum", place, every=0, stop=2)  # before the first checkpoint
    assert begun == [False]
    assert not (tmp_path / LAST).exists()


def test_interrupt_is_one_and_can_be_gone_on_with(tmp_path: Path) -> None:
    whole, _, _ = trained("momentum", context(tmp_path / "whole"))

    def interrupt(words: str) -> None:
        if words.startswith("epoch 2 of 3:"):
            signal.raise_signal(signal.SIGINT)

    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            trained("momentum", replace(context(tmp_path), progress=interrupt))
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, former)
    found, _, _ = trained("momentum", context(tmp_path, resume=True))
    assert all(map(torch.equal, whole.state_dict().values(), found.state_dict().values()))


def test_folder_that_is_a_file_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(OutputError, match="run: cannot be made a folder"):
        fit(started(), (), Course(1, 16), context(tmp_path / "run"))


def test_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    _, history, _ = trained("momentum", context(tmp_path))
    read = msgspec.json.decode((tmp_path / "history.json").read_bytes(), type=History)
    assert read.epochs == history.epochs
    assert [epoch.epoch for epoch in read.epochs] == [1, 2, 3]
    assert read.metric == "accuracy"
