"""Mean average precision of detectors against the naive algorithms of VOC and COCO."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib.core.errors import ArgumentError, DataError, ShapeError
from sandbox.lib.metrics import DetectionMAP


def scenes(seed, images=12, classes=3, aside=False):
    """Draw objects, and detections that are objects moved a little, or anything."""
    rng = np.random.default_rng(seed)

    def boxes(count):
        low = rng.uniform(0, 8, (images, count, 2))
        return np.concatenate((low, low + rng.uniform(1, 4, (images, count, 2))), axis=2)

    there = np.concatenate((rng.integers(-1, classes, (images, 5, 1)), boxes(5)), axis=2)
    near = there.copy()
    near[..., 1:] += rng.normal(0, 0.3, near[..., 1:].shape)
    loose = np.concatenate((rng.integers(-1, classes, (images, 4, 1)), boxes(4)), axis=2)
    found = np.concatenate((near, near + 0.05 * (np.arange(5) > 0), loose), axis=1)
    found[..., 0] = np.floor(found[..., 0])
    found = np.insert(found, 1, rng.permutation(found[..., 0].size).reshape(images, -1), axis=2)
    if aside:
        there = np.concatenate((there, rng.integers(0, 2, (images, 5, 1))), axis=2)
    return found, there


def overlap(a, b, crowd=False):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    size = (a[2] - a[0]) * (a[3] - a[1])
    return both / (size if crowd else size + (b[2] - b[0]) * (b[3] - b[1]) - both)


def voc(found, there, kind, least, points):
    """Go through all detections of a class by score, as the VOC development kit does."""
    used, right, wrong = set(), [], []
    every = [
        (row[1], image, row[2:])
        for image, rows in enumerate(found)
        for row in rows
        if row[0] == kind
    ]
    for _, image, box in sorted(every, key=lambda one: -one[0]):
        best, at = -1.0, None
        for k, other in enumerate(there[image]):
            if other[0] == kind and overlap(box, other[1:5]) > best:
                best, at = overlap(box, other[1:5]), k
        if best >= least and len(there[image][at]) == 6 and there[image][at][5]:
            continue
        hit = best >= least and (image, at) not in used
        if hit:
            used.add((image, at))
        right.append(float(hit))
        wrong.append(float(not hit))
    total = sum(
        other[0] == kind and not (len(other) == 6 and other[5]) for rows in there for other in rows
    )
    return area(np.cumsum(right), np.cumsum(wrong), total, points)


def area(right, wrong, total, points):
    recall = np.array(right) / total
    precision = np.array(right) / (np.array(right) + np.array(wrong))
    if points:
        at = [precision[recall >= p - 1e-9] for p in np.linspace(0, 1, points)]
        return np.mean([p.max() if p.size else 0.0 for p in at])
    recall = np.concatenate(([0.0], recall, [1.0]))
    precision = np.concatenate(([0.0], precision, [0.0]))
    for k in range(len(precision) - 1, 0, -1):
        precision[k - 1] = max(precision[k - 1], precision[k])
    return sum((recall[k + 1] - recall[k]) * precision[k + 1] for k in range(len(recall) - 1))


def coco(found, there, kind, least, keep):
    """Match within each image and join by score, as pycocotools' evaluateImg and accumulate do."""
    outcomes, total = [], 0
    for rows, others in zip(found, there, strict=True):
        mine = sorted((r for r in rows if r[0] == kind), key=lambda r: -r[1])[:keep]
        wanted = sorted((o for o in others if o[0] == kind), key=lambda o: o[5])
        total += sum(not o[5] for o in wanted)
        used = set()
        for row in mine:
            best, at = min(least, 1 - 1e-10), None
            for k, other in enumerate(wanted):
                if k in used and not other[5]:
                    continue
                if at is not None and not wanted[at][5] and other[5]:
                    break
                value = overlap(row[2:], other[1:5], crowd=bool(other[5]))
                if value >= best:
                    best, at = value, k
            if at is None:
                outcomes.append((row[1], 0.0))
            elif not wanted[at][5]:
                used.add(at)
                outcomes.append((row[1], 1.0))
    outcomes.sort(key=lambda one: -one[0])
    right = np.cumsum([hit for _, hit in outcomes])
    return area(right, np.arange(1, len(right) + 1) - right, total, 101)


@pytest.mark.parametrize("aside", [False, True])
@pytest.mark.parametrize(("interpolation", "points"), [("area", 0), ("11 points", 11)])
@pytest.mark.parametrize("least", [0.3, 0.5, 0.75])
def test_voc_figures_are_those_of_the_naive_algorithm(aside, interpolation, points, least):
    found, there = scenes(1, aside=aside)
    metric = DetectionMAP(3, iou=least, interpolation=interpolation, average="none")
    expected = [voc(found, there, kind, least, points) for kind in range(3)]
    np.testing.assert_allclose(metric(found, there), expected, rtol=1e-12)
    assert 0.02 < np.mean(expected) < 0.95


def test_coco_figures_are_those_of_the_naive_algorithm():
    found, there = scenes(2, aside=True)
    metric = DetectionMAP.coco(3, average="none", max_detections=4)
    expected = [
        np.mean([coco(found, there, kind, t, 4) for t in np.linspace(0.5, 0.95, 10)])
        for kind in range(3)
    ]
    np.testing.assert_allclose(metric(found, there), expected, rtol=1e-9)
    assert 0.02 < np.mean(expected) < 0.95


def test_rows_of_parts_in_any_order_give_the_same_figure():
    found, there = scenes(3)
    metric = DetectionMAP.coco(3)
    parts = [metric.rows(found[k : k + 5], there[k : k + 5]) for k in (10, 5, 0)]
    assert metric.figure(np.concatenate(parts)) == metric(found, there)
    assert metric.name == "coco_map"


def test_classes_without_objects_are_left_out_and_empty_images_taken():
    found, there = np.full((2, 3, 6), -1.0), np.full((2, 0, 5), -1.0)
    assert np.isnan(DetectionMAP(2)(found, there))
    there = np.array([[[0, 0, 0, 1, 1]], [[-1, 0, 0, 0, 0]]])
    assert DetectionMAP(2)(found, there) == 0.0


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: DetectionMAP(2, iou=0), ArgumentError, "`iou` must be"),
        (lambda: DetectionMAP(2, iou=[]), ArgumentError, "`iou` must hold at least one"),
        (lambda: DetectionMAP(2, interpolation="12"), ArgumentError, "`interpolation` must be"),
        (
            lambda: DetectionMAP(2)(np.zeros((1, 3, 5)), np.zeros((1, 1, 5))), ShapeError,
            r"output must have shape \(images, number, 6\)",
        ),
        (
            lambda: DetectionMAP(2)(np.full((1, 3, 6), 2), np.zeros((1, 1, 5))), DataError,
            "classes of the output must be whole numbers below 2; got 2 in image 0",
        ),
        (
            lambda: DetectionMAP(2)(np.zeros((2, 3, 6)), np.zeros((1, 1, 5))), ShapeError,
            "as many images; got 2 and 1",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_named(make, error, text):
    with pytest.raises(error, match=text):
        make()
