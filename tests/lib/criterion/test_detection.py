"""Losses of detectors: their formulas written down image by image, object by object."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sandbox.lib import criterion
from sandbox.lib.core import Tape, Value
from sandbox.lib.core.errors import ShapeError

RNG = np.random.default_rng(1)


def boxes(*shape):
    low = RNG.uniform(0, 0.5, (*shape, 2))
    return np.concatenate([low, low + RNG.uniform(0.1, 0.5, (*shape, 2))], axis=-1)


def objects(rows, many, classes):
    labels = RNG.integers(-1, classes, (rows, many, 1))
    return np.concatenate([labels, boxes(rows, many)], axis=2)


def iou(a, b):
    wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    high = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return wide * high / (sum(area) - wide * high)


def middle(box):
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1]


def nll(logits, label):
    return math.log(np.exp(logits).sum()) - logits[label]


def multi_box(offsets, logits, priors, there, threshold, negatives, alpha):
    """Return the loss of one image."""
    there = [o for o in there if o[0] >= 0]
    own = [None] * len(priors)
    for i, prior in enumerate(priors):
        if there:
            best = max(there, key=lambda o: iou(prior, o[1:]))
            own[i] = best if iou(prior, best[1:]) >= threshold else None
    for one in there:
        overlaps = [iou(prior, one[1:]) for prior in priors]
        if max(overlaps) > 0:
            own[int(np.argmax(overlaps))] = one
    background = logits.shape[1] - 1
    total, rest = 0.0, []
    for i, one in enumerate(own):
        if one is None:
            rest.append(nll(logits[i], background))
            continue
        total += nll(logits[i], int(one[0]))
        x, y, w, h = middle(one[1:])
        px, py, pw, ph = middle(priors[i])
        goal = [(x - px) / pw / 0.1, (y - py) / ph / 0.1, math.log(w / pw) / 0.2]
        for d in np.abs(offsets[i] - [*goal, math.log(h / ph) / 0.2]):
            total += alpha * (0.5 * d * d if d < 1 else d - 0.5)
    matches = len(own) - len(rest)
    hard = sorted(rest, reverse=True)[: math.ceil(negatives * matches)]
    return (total + sum(hard)) / max(matches, 1), matches


def test_multi_box_is_the_formula():
    offsets, logits, priors = RNG.normal(size=(4, 30, 4)), RNG.normal(size=(4, 30, 4)), boxes(4, 30)
    there = objects(4, 3, 3)
    there[3, :, 0] = -1
    rows = [
        multi_box(*row, 0.5, 2, 0.7) for row in zip(offsets, logits, priors, there, strict=True)
    ]
    loss = criterion.MultiBox(0.5, negatives=2, alpha=0.7)((offsets, logits, priors), there)
    assert [matches > 0 for _, matches in rows] == [True, True, True, False]
    assert sum(row for row, _ in rows) / 4 == pytest.approx(loss, rel=1e-9)


def test_marked_objects_and_no_objects_do_not_count():
    output = RNG.normal(size=(2, 9, 4)), RNG.normal(size=(2, 9, 4)), boxes(2, 9)
    there = objects(2, 3, 3)
    there[:, :, 0] = [0, 1, 2]
    marked = np.concatenate([there, [[[0], [1], [0]]] * 2], axis=2)
    left_out = there.copy()
    left_out[:, 1, 0] = -1
    loss = criterion.MultiBox()
    assert loss(output, left_out) == loss(output, marked) != loss(output, there)
    assert loss(output, np.zeros((2, 0, 5))) == 0.0
    loss = criterion.Yolo([(1, 1)], 3)
    x = RNG.normal(size=(2, 8, 2, 2))
    assert loss(x, left_out) == loss(x, marked) != loss(x, there)
    empty = 1 / (1 + np.exp(-x[:, 4]))
    assert loss(x, np.zeros((2, 0, 5))) == pytest.approx((empty**2).sum() / 2 / 2)


def test_multi_box_takes_three_outputs():
    with pytest.raises(ShapeError, match=r"MultiBox: output must be \(offsets, logits, priors\)"):
        criterion.MultiBox()((np.zeros((1, 2, 4)), np.zeros((1, 2, 3))), np.zeros((1, 1, 5)))


def yolo(x, there, anchors, threshold, rescore):
    """Return the loss of one image with the default scales."""
    _, height, width = x.shape
    length = len(x) // len(anchors)
    sigmoid = 1 / (1 + np.exp(-x))
    found = {}
    for a, (aw, ah) in enumerate(anchors):
        for i in range(height):
            for j in range(width):
                t, s = (m[a * length : (a + 1) * length, i, j] for m in (x, sigmoid))
                cx, cy = (j + s[0]) / width, (i + s[1]) / height
                w, h = aw * math.exp(t[2]) / width, ah * math.exp(t[3]) / height
                found[a, i, j] = (t, s, [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])
    there = [o for o in there if o[0] >= 0]
    total, taken = 0.0, set()
    for label, *box in there:
        x, y, w, h = middle(box)
        j, i = int(x * width), int(y * height)
        shapes = [iou([0, 0, w * width, h * height], [0, 0, *anchor]) for anchor in anchors]
        a = int(np.argmax(shapes))
        taken.add((a, i, j))
        t, s, guess = found[a, i, j]
        error = (s[0] - (x * width - j)) ** 2 + (s[1] - (y * height - i)) ** 2
        error += (t[2] - math.log(w * width / anchors[a][0])) ** 2
        error += (t[3] - math.log(h * height / anchors[a][1])) ** 2
        total += (2 - w * h) * error / 2 + nll(t[5:], int(label))
        total += 5 / 2 * (s[4] - (iou(guess, box) if rescore else 1)) ** 2
    for key, (_, s, guess) in found.items():
        if key not in taken and all(iou(guess, o[1:]) <= threshold for o in there):
            total += s[4] ** 2 / 2
    return total


@pytest.mark.parametrize("rescore", [True, False])
def test_yolo_is_the_formula(rescore):
    anchors = [(1.0, 2.0), (1.5, 0.7)]
    x, there = RNG.normal(size=(4, 16, 3, 4)), objects(4, 3, 3)
    loss = criterion.Yolo(anchors, 3, threshold=0.3, rescore=rescore)(x, there)
    expected = [yolo(*row, anchors, 0.3, rescore) for row in zip(x, there, strict=True)]
    assert sum(expected) / 4 == pytest.approx(loss, rel=1e-9)


def test_how_far_boxes_overlap_is_a_goal_and_no_part_of_the_slope():
    x, there = Value(RNG.normal(size=(1, 8, 2, 2))), np.array([[[1, 0.1, 0.1, 0.7, 0.6]]])
    loss = criterion.Yolo([(1, 1)], 3, place_scale=0.0, class_scale=0.0)
    with Tape() as tape:
        total = loss.call(x, there)
    slope = tape.gradients(total, [x])[0]
    slope = np.asarray(slope.data if isinstance(slope, Value) else slope)
    assert (slope[:, 4] != 0).all()
    assert (np.delete(slope, 4, axis=1) == 0).all()
