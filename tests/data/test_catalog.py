"""Data sets by configuration."""

import msgspec
import pytest

from mobilekit.core.errors import DataError
from mobilekit.data.catalog import DataConfig, DigitsConfig, ShapesConfig, open_data, read_data


def test_drawn_sets_open_with_their_sizes() -> None:
    train, test = open_data(DigitsConfig(train=30, test=20))
    assert (len(train), len(test)) == (30, 20)
    train, test = open_data(ShapesConfig(task="segmentation", train=5, test=4, size=24))
    assert (train.task, len(train), len(test)) == ("segmentation", 5, 4)
    assert train[0][0].shape == (3, 24, 24)


@pytest.mark.parametrize(
    "kind",
    [
        "mnist",
        "cifar10",
        "cifar100",
        "image-folder",
        "coco",
        "helen",
        "lapa",
        "celebamask-hq",
        "dfdc",
    ],
)
def test_missing_files_are_named(kind: str, tmp_path) -> None:
    config = msgspec.convert({"kind": kind, "path": str(tmp_path / "nowhere")}, DataConfig)
    with pytest.raises(DataError, match="nowhere"):
        open_data(config)


def test_words_of_the_command_line() -> None:
    assert read_data("digits") == DigitsConfig()
    assert read_data("shapes:detection") == ShapesConfig(task="detection")
    assert read_data("mnist:some/path").path == "some/path"
    for wrong in ("digit", "shapes:painting", "mnist"):
        with pytest.raises(DataError, match="--data"):
            read_data(wrong)
