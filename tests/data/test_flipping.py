"""A face is mirrored together with its labels."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.data.face_labels import FACE_LABELS, HELEN_LABELS
from mobilekit.data.flipping import MIRRORED, flipped


def test_the_pairs_are_the_classes_with_a_side() -> None:
    for labels in (FACE_LABELS, HELEN_LABELS):
        lefts = [name.removeprefix("left ") for name in labels if name.startswith("left ")]
        expected = tuple((labels.index(f"left {n}"), labels.index(f"right {n}")) for n in lefts)
        assert expected == MIRRORED


def test_every_class_goes_where_its_name_says() -> None:
    row = torch.arange(10)
    image = torch.arange(30.0).reshape(3, 1, 10)
    mirrored, labels = flipped(image, row[None])
    assert labels[0].flip(0).tolist() == [0, 1, 3, 2, 5, 4, 6, 7, 8, 9]
    assert mirrored[:, 0].tolist() == [row[::-1] for row in image[:, 0].tolist()]


@given(st.integers(0, 2**32), st.sampled_from([torch.int64, torch.uint8]))
def test_twice_is_never(seed: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(2, 3, 5, 7, generator=generator)
    labels = torch.randint(0, 256, (2, 5, 7), generator=generator).to(dtype)
    again = flipped(*flipped(image, labels))
    assert torch.equal(again[0], image)
    assert torch.equal(again[1], labels)
    assert again[1].dtype == dtype
