"""Labelled data: what it refuses, and how it is restricted to some classes."""

import pytest
import torch
from torch.utils.data import Dataset

from mobilekit.core.errors import DataError
from mobilekit.data.task import Labelled, Sample, spread


class Listed(Dataset[Sample]):
    """Samples of a list."""

    def __init__(self, targets: list) -> None:
        self.targets = targets

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Sample:
        return torch.full((1, 2, 2), float(index)), self.targets[index]


def test_a_restricted_classification_is_renumbered_in_the_order_of_the_names() -> None:
    data = Labelled(
        "classification", ("a", "b", "c"), Listed([torch.tensor(i % 3) for i in range(7)]), "x"
    )
    some = data.restricted(("c", "a"))
    assert some.classes == ("c", "a")
    assert [(int(image[0, 0, 0]), int(label)) for image, label in (some[i] for i in range(len(some)))] == [
        (0, 1), (2, 0), (3, 1), (5, 0), (6, 1),
    ]  # fmt: skip
    assert "c, a only (5 images)" in some.provenance


def test_in_a_restricted_segmentation_other_classes_are_background() -> None:
    masks = [torch.tensor([[0, 1], [2, 255]]), torch.tensor([[1, 1], [0, 0]])]
    data = Labelled("segmentation", ("background", "a", "b"), Listed(masks), "x")
    some = data.restricted(("b",))
    assert some.classes == ("background", "b")
    assert len(some) == 1
    assert some[0][1].tolist() == [[0, 0], [1, 255]]


def test_a_restricted_detection_drops_boxes() -> None:
    boxes = torch.tensor([[0.0, 0, 1, 1], [1, 1, 2, 2]])
    masks = torch.tensor([[[1, 0]], [[0, 1]]], dtype=torch.uint8)
    target = {"boxes": boxes, "labels": torch.tensor([1, 2]), "masks": masks}
    data = Labelled("detection", ("a", "b"), Listed([target]), "x")
    some = data.restricted(("b",))
    assert some[0][1]["boxes"].tolist() == [[1, 1, 2, 2]]
    assert some[0][1]["masks"].tolist() == [[[0, 1]]]
    assert some[0][1]["labels"].tolist() == [1]


def test_wrong_names_and_wrong_data_are_refused() -> None:
    data = Labelled("classification", ("cat", "dog"), Listed([torch.tensor(0)]), "pets")
    with pytest.raises(DataError, match=r"has no class cet\. Did you mean cat"):
        data.restricted(("cet",))
    with pytest.raises(DataError, match="each once"):
        data.restricted(("cat", "cat"))
    with pytest.raises(DataError, match="none of the 1 images shows dog"):
        data.restricted(("dog",))
    with pytest.raises(DataError, match="class 0 of a segmentation"):
        Labelled("segmentation", ("a", "b"), Listed([]), "x")
    with pytest.raises(DataError, match="needs a name of its own"):
        Labelled("classification", ("a", "a"), Listed([]), "x")


@pytest.mark.parametrize(("most", "total"), [(1, 5), (3, 10), (10, 3), (64, 1000), (5, 5)])
def test_spread_reaches_over_the_whole(most: int, total: int) -> None:
    found = spread(most, total)
    assert len(found) == len(set(found)) == min(most, total)
    assert found == sorted(found)
    assert total - found[-1] <= -(-total // len(found))
