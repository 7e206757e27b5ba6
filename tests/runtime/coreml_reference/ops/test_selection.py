import numpy as np
import pytest
import torch

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime.coreml_reference.ops.selection import TABLE

RNG = np.random.default_rng(5)
X = RNG.permutation(60).astype(np.float32).reshape(3, 4, 5)
TIES = np.array([[2, 1, 2, 1, 2]], np.int32)


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("ascending", [None, False, True])
def test_argsort(agrees, axis, ascending):
    given = {} if axis is None else {"axis": np.int32(axis)}
    if ascending is not None:
        given["ascending"] = ascending
    agrees("argsort", x=X, **given)
    agrees("argsort", x=X.astype(np.int32), **given)


def test_argsort_keeps_the_order_of_equal_values():
    x = torch.from_numpy(TIES)
    assert TABLE["argsort"](x=x).tolist() == [[0, 2, 4, 1, 3]]
    assert TABLE["argsort"](x=x, ascending=True).tolist() == [[1, 3, 0, 2, 4]]


@pytest.mark.parametrize("ascending", [None, False, True])
@pytest.mark.parametrize(("k", "axis"), [(None, None), (2, None), (3, 0), (4, 1), (5, -1), (2, -2)])
def test_topk(agrees, k, axis, ascending):
    given = {"k": k, "axis": axis, "ascending": ascending}
    agrees("topk", x=X, **{name: v for name, v in given.items() if v is not None})


@pytest.mark.parametrize("sort", [True, False])
def test_topk_without_indices(agrees, sort):
    agrees("topk", opset="iOS16", x=X, k=np.int32(3), sort=sort, return_indices=False)
    agrees("topk", opset="iOS16", x=X, k=np.int32(3), sort=sort, return_indices=True)


@pytest.mark.parametrize("dtype", ["int32", "uint16"])
def test_topk_index_types(agrees, dtype):
    agrees("topk", x=X, k=np.int32(2), output_indices_dtype=dtype)


def test_topk_of_all(agrees):
    order = np.argsort(-X, axis=1)
    values = np.take_along_axis(X, order, axis=1)
    agrees("topk", x=X, k=np.int32(-1), axis=np.int32(1), expected=(values, order))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"k": 6}, r"k = 6 is outside \[0, 5\]"),
        ({"output_indices_dtype": "int8"}, "output_indices_dtype = 'int8' is neither"),
        ({"axis": 3}, r"axis = 3 is outside \[-3, 3\)"),
    ],
)
def test_topk_refuses(given, words):
    with pytest.raises(ArtifactError, match=f"operator topk: {words}"):
        TABLE["topk"](x=torch.from_numpy(X), **given)


@pytest.mark.parametrize("x", [X > 30, (X % 7).astype(np.int32), np.float32([0, -1, 0, 2])])
def test_non_zero(agrees, x):
    agrees("non_zero", x=x)


def overlap(one, other):
    """Intersection over union of (centre x, centre y, width, height), in plain Python."""
    spans = []
    for k in (0, 1):
        low = max(one[k] - one[k + 2] / 2, other[k] - other[k + 2] / 2)
        high = min(one[k] + one[k + 2] / 2, other[k] + other[k + 2] / 2)
        spans.append(max(high - low, 0))
    shared = spans[0] * spans[1]
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


def suppressed(boxes, scores, iou, lowest, count, per_class):
    """Choose boxes of one image; return indices."""
    best, labels = scores.max(axis=1), scores.argmax(axis=1)
    chosen = []
    for i in sorted(range(len(boxes)), key=lambda i: -best[i]):
        rivals = [j for j in chosen if not per_class or labels[j] == labels[i]]
        if best[i] >= lowest and all(overlap(boxes[i], boxes[j]) <= iou for j in rivals):
            chosen.append(i)
    return chosen[:count]


BOXES = np.concatenate(
    [RNG.uniform(0, 10, size=(2, 30, 2)), RNG.uniform(1, 6, size=(2, 30, 2))], axis=-1
).astype(np.float32)
SCORES = RNG.permutation(2 * 30 * 3).reshape(2, 30, 3).astype(np.float32) / 180


@pytest.mark.parametrize("per_class", [None, False, True])
@pytest.mark.parametrize(
    ("iou", "lowest", "count"), [(0.3, 0.0, 30), (0.1, 0.7, 40), (0.5, 0.2, 4)]
)
def test_non_maximum_suppression(agrees, iou, lowest, count, per_class):
    boxes = np.zeros((2, count, 4), np.float32)
    scores = np.zeros((2, count, 3), np.float32)
    indices = np.full((2, count), -1, np.int64)
    counts = np.zeros(2, np.int64)
    for n in range(2):
        chosen = suppressed(BOXES[n], SCORES[n], iou, lowest, count, per_class)
        counts[n] = len(chosen)
        boxes[n, : len(chosen)], scores[n, : len(chosen)] = BOXES[n, chosen], SCORES[n, chosen]
        indices[n, : len(chosen)] = chosen
    given = {"iou_threshold": np.float32(iou), "max_boxes": np.int32(count)}
    if per_class is not None:
        given["per_class_suppression"] = per_class
    agrees(
        "non_maximum_suppression",
        boxes=BOXES,
        scores=SCORES,
        score_threshold=np.float32(lowest),
        **given,
        expected=(boxes, scores, indices, counts),
    )
    if lowest == 0:  # iOS 17: boxes last, no score threshold, no counts
        agrees(
            "non_maximum_suppression",
            boxes=BOXES.swapaxes(1, 2),
            scores=SCORES.swapaxes(1, 2),
            **given,
            expected=(boxes.swapaxes(1, 2), scores.swapaxes(1, 2), indices),
        )


def test_per_class_suppression_keeps_more():
    given = {"boxes": torch.from_numpy(BOXES), "scores": torch.from_numpy(SCORES)}
    given |= {"iou_threshold": 0.1, "score_threshold": 0.0, "max_boxes": 30}
    *_, few = TABLE["non_maximum_suppression"](**given)
    *_, many = TABLE["non_maximum_suppression"](**given, per_class_suppression=True)
    assert (many > few).all()


def test_non_maximum_suppression_of_nothing():
    """No box above the threshold: all padding; empty boxes do not divide by zero."""
    found = TABLE["non_maximum_suppression"](
        boxes=torch.zeros(1, 3, 4),
        scores=torch.ones(1, 3, 1),
        iou_threshold=0.5,
        score_threshold=2.0,
        max_boxes=2,
    )
    assert [part.tolist() for part in found] == [
        [[[0] * 4] * 2], [[[0], [0]]], [[-1, -1]], [0]
    ]  # fmt: skip
    found = TABLE["non_maximum_suppression"](
        boxes=torch.zeros(1, 4, 3), scores=torch.ones(1, 1, 3), iou_threshold=0.5, max_boxes=3
    )
    assert found[2].tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("opset", ["iOS16", "iOS17"])
def test_saved_program(run_program, opset):
    from coremltools.converters.mil.mil import Builder as mb

    turn = opset == "iOS17"

    def build(boxes, scores):
        more = {} if turn else {"score_threshold": 0.0}
        found = mb.non_maximum_suppression(
            boxes=mb.transpose(x=boxes, perm=[0, 2, 1]) if turn else boxes,
            scores=mb.transpose(x=scores, perm=[0, 2, 1]) if turn else scores,
            iou_threshold=0.3,
            max_boxes=30,
            **more,
        )
        values, places = mb.topk(x=scores, k=2, axis=1, ascending=True)
        order = mb.argsort(x=scores, axis=-1)
        return found[2], values, places, order, mb.non_zero(x=mb.greater(x=values, y=0.01))

    found = run_program(build, {"boxes": BOXES, "scores": SCORES}, opset=opset)
    for n in range(2):
        chosen = suppressed(BOXES[n], SCORES[n], 0.3, 0.0, 30, per_class=False)
        assert found[0][n].tolist() == chosen + [-1] * (30 - len(chosen))
    order = np.argsort(SCORES, axis=1)[:, :2]
    values = np.take_along_axis(SCORES, order, axis=1)
    np.testing.assert_array_equal(found[1], values)
    np.testing.assert_array_equal(found[2], order)
    np.testing.assert_array_equal(found[3], np.argsort(-SCORES, axis=-1))
    np.testing.assert_array_equal(found[4], np.argwhere(values > 0.01))
