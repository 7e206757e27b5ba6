import pytest

from mobilekit.core.errors import DataError
from mobilekit.core.tensors import TensorSpec
from mobilekit.data.labels import check_labels

SCORES = TensorSpec("scores", (1, 5))
MASK = TensorSpec("mask", (1, 3, 8, 8))
ONE = TensorSpec("skin", (1, 1, 8, 8))
BOXES = TensorSpec("boxes", (1, 896, 16))


@pytest.mark.parametrize(
    ("count", "outputs"),
    [(0, (SCORES,)), (5, (SCORES,)), (3, (MASK,)), (3, (SCORES, MASK)), (1, (ONE,)), (2, (ONE,)),
     (7, (BOXES,)), (5, (BOXES, SCORES))],
)  # fmt: skip
def test_labels_that_fit_or_cannot_be_judged_pass(count: int, outputs: tuple[TensorSpec, ...]):
    check_labels(("x",) * count, outputs)


@pytest.mark.parametrize(
    ("count", "outputs", "words"),
    [(2, (SCORES,), "2 labels, but scores has 5 classes"), (4, (MASK,), "mask has 3 classes"),
     (3, (ONE,), "skin has 1"), (2, (BOXES, SCORES), "2 labels, but scores has 5 classes")],
)  # fmt: skip
def test_another_number_of_labels_is_refused_with_both_numbers(count, outputs, words: str):
    with pytest.raises(DataError, match=words):
        check_labels(("x",) * count, outputs)
