"""Boxes, anchors, proposals and what is found, by their formulas written down one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sandbox.lib import core, nn
from sandbox.lib.core import Spec, ops
from sandbox.lib.core.errors import ArgumentError, ShapeError

RNG = np.random.default_rng(0)


def draw_boxes(*shape, rng=RNG, most=10.0):
    low = rng.uniform(0, most / 2, (*shape, 2))
    return np.concatenate([low, low + rng.uniform(0.5, most / 2, (*shape, 2))], axis=-1)


def iou(a, b):
    wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    high = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return wide * high / (sum(area) - wide * high)


LIMIT = math.log(1000 / 16)


def decoded(offset, anchor, variances, limit=LIMIT):
    w, h = anchor[2] - anchor[0], anchor[3] - anchor[1]
    x = (anchor[0] + anchor[2]) / 2 + offset[0] * variances[0] * w
    y = (anchor[1] + anchor[3]) / 2 + offset[1] * variances[1] * h
    w *= math.exp(min(offset[2] * variances[2], limit))
    h *= math.exp(min(offset[3] * variances[3], limit))
    return np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2])


def suppressed(boxes, scores, most):
    """Return the places of the boxes that overlap no better one by more than `most`."""
    kept = []
    for place in sorted(range(len(scores)), key=lambda k: -scores[k]):
        if all(iou(boxes[place], boxes[other]) <= most for other in kept):
            kept.append(place)
    return kept


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


# -- operations ------------------------------------------------------------------------------------


def test_overlaps_are_those_of_each_pair():
    a, b = draw_boxes(2, 5), draw_boxes(2, 3)
    found = ops.box_iou(a, b).data
    expected = [[[iou(p, q) for q in b[n]] for p in a[n]] for n in range(2)]
    assert np.allclose(expected, found, rtol=1e-12)
    turned = np.array([[3.0, 3, 1, 1]])
    assert ops.box_iou(turned, turned).data == 0


def test_offsets_lead_back_to_the_box():
    boxes, anchors = draw_boxes(2, 6), draw_boxes(2, 6)
    variances = (0.1, 0.2, 0.3, 0.4)
    offsets = ops.box_encode(boxes, anchors, variances)
    assert np.allclose(boxes, ops.box_decode(offsets, anchors, variances).data, rtol=1e-12)
    by_hand = [decoded(o, a, variances) for o, a in zip(offsets.data[0], anchors[0], strict=True)]
    assert np.allclose(boxes[0], by_hand, rtol=1e-12)


def test_a_box_grows_up_to_a_limit():
    anchor = np.array([[0.0, 0, 2, 2]])
    found = ops.box_decode(np.full((1, 4), 1e9) * [0, 0, 1, 1], anchor).data
    assert np.allclose([[-61.5, -61.5, 63.5, 63.5]], found)


def matched(anchors, objects, threshold, force):
    """Match one image, anchor by anchor, then object by object."""
    place = np.full(len(anchors), -1)
    real = [k for k in range(len(objects)) if objects[k][0] >= 0]
    for i, anchor in enumerate(anchors):
        overlaps = [(iou(anchor, objects[k][1:]), -k) for k in real]
        if overlaps and max(overlaps)[0] >= threshold:
            place[i] = -max(overlaps)[1]
    for k in real if force else ():
        overlaps = [iou(anchor, objects[k][1:]) for anchor in anchors]
        if max(overlaps) > 0:
            place[int(np.argmax(overlaps))] = k
    return place


@pytest.mark.parametrize("force", [True, False])
def test_anchors_are_matched_with_the_object_they_overlap_most(force):
    anchors = draw_boxes(3, 20)
    classes = np.array([[1, -1, 0, 2], [0, 0, 0, 0], [-1, -1, -1, -1]])[..., None]
    objects = np.concatenate([classes, draw_boxes(3, 4)], axis=2)
    objects[1, 3, 1:] = [50, 50, 51, 51]  # overlaps nothing
    place, overlap = ops.match_boxes(anchors, objects, 0.4, force=force)
    for n in range(3):
        assert np.array_equal(matched(anchors[n], objects[n], 0.4, force), place.data[n])
        every = [[iou(a, o[1:]) for o in objects[n] if o[0] >= 0] or [0.0] for a in anchors[n]]
        assert np.allclose([max(row) for row in every], overlap.data[n])
    assert (place.data[:2] >= 0).any()
    assert (place.data[2] == -1).all()


def test_anchors_without_objects_stand_for_none():
    place, overlap = ops.match_boxes(draw_boxes(2, 3), np.zeros((2, 0, 5)))
    assert (place.data == -1).all()
    assert (overlap.data == 0).all()


def found_by_hand(boxes, scores, most, least, candidates, outputs):
    rows = []
    for k in range(scores.shape[1]):
        own = boxes[:, k] if boxes.ndim == 3 else boxes
        good = sorted(np.flatnonzero(scores[:, k] > least), key=lambda i: -scores[i, k])
        good = good[:candidates]
        for i in suppressed(own[good], scores[good, k], most):
            rows.append([k, scores[good[i], k], *own[good[i]]])
    rows = sorted(rows, key=lambda row: -row[1])[:outputs]
    return np.array(rows + [[-1, 0, 0, 0, 0, 0]] * (outputs - len(rows)))


@pytest.mark.parametrize("own", [False, True])
def test_detections_are_the_best_of_each_class(own):
    boxes = draw_boxes(2, 30, 3) if own else draw_boxes(2, 30)
    scores = RNG.uniform(size=(2, 30, 3))
    found = ops.detections(
        boxes, scores, iou_threshold=0.3, score_threshold=0.4, candidates=12, max_outputs=40
    ).data
    for n in range(2):
        expected = found_by_hand(boxes[n], scores[n], 0.3, 0.4, 12, 40)
        assert np.allclose(expected, found[n])
    assert 3 < (found[0, :, 0] >= 0).sum() < 40
    few = ops.detections(boxes, scores, iou_threshold=0.3, max_outputs=2).data
    assert (few[..., 0] >= 0).all()


def test_boxes_and_scores_that_do_not_go_together_are_refused():
    with pytest.raises(ShapeError, match="boxes must have shape"):
        ops.detections(np.zeros((1, 3, 4)), np.zeros((1, 4, 2)))
    with pytest.raises(ShapeError, match="anchors must be"):
        ops.match_boxes(np.zeros((1, 3, 4)), np.zeros((2, 4, 5)))


# -- modules ---------------------------------------------------------------------------------------


def test_default_boxes_are_those_of_the_formula():
    module = nn.PriorBox((60, 90), [12, 20], larger=[24, 30], ratios=[2, 3])
    found = module(np.zeros((2, 1, 2, 3), "f4"))
    expected = []
    for i in range(2):
        for j in range(3):
            x, y = (j + 0.5) * 30, (i + 0.5) * 30
            for s, t in ((12, 24), (20, 30)):
                sides = [(s, s), (math.sqrt(s * t),) * 2]
                for a in (2, 1 / 2, 3, 1 / 3):
                    sides.append((s * math.sqrt(a), s / math.sqrt(a)))
                for w, h in sides:
                    box = [(x - w / 2) / 90, (y - h / 2) / 60, (x + w / 2) / 90, (y + h / 2) / 60]
                    expected.append(box)
    assert module.boxes_per_place == 12
    assert np.allclose(expected, found[0], atol=1e-6)
    assert np.array_equal(found[0], found[1])


def test_default_boxes_end_at_the_edges_with_a_step_of_their_own():
    found = nn.PriorBox(40, [20], step=8, offset=0.0, clip=True)(np.zeros((1, 1, 2, 2), "f4"))
    assert np.allclose([[0, 0, 0.25, 0.25], [0, 0, 0.45, 0.25]], found[0, :2])


def test_anchors_keep_their_area():
    module = nn.Anchor([8, 32], [0.5, 1, 2], 4)
    found = module(np.zeros((1, 1, 3, 2), "f4"))[0].reshape(3, 2, 6, 4)
    sides = found[..., 2:] - found[..., :2]
    assert np.allclose(np.tile([64, 1024], 3), sides.prod(-1), rtol=1e-5)
    assert np.allclose(np.repeat([0.5, 1, 2], 2), sides[..., 1] / sides[..., 0], rtol=1e-5)
    centres = (found[..., 2:] + found[..., :2]) / 2
    assert np.allclose([4.0, 8.0], centres[2, 1], atol=1e-5)


def test_ssd_output_by_hand():
    offsets, logits = RNG.normal(size=(2, 20, 4)), 2 * RNG.normal(size=(2, 20, 4))
    priors = draw_boxes(2, 20)
    module = nn.DetectionOutputSSD(score_threshold=0.2, max_outputs=15)
    found = module(*(x.astype("f4") for x in (offsets, logits, priors)))
    for n in range(2):
        boxes = np.array(
            [
                decoded(o, p, (0.1, 0.1, 0.2, 0.2))
                for o, p in zip(offsets[n], priors[n], strict=True)
            ]
        )
        scores = softmax(logits[n])[:, :-1]
        expected = found_by_hand(boxes, scores, 0.45, 0.2, 400, 15)
        assert np.allclose(expected, found[n], atol=1e-4)


def test_frcnn_output_by_hand():
    proposals, logits = draw_boxes(1, 12), 2 * RNG.normal(size=(1, 12, 3))
    offsets = RNG.normal(size=(1, 12, 8))
    proposals[0, 5] = 0  # filled up
    module = nn.DetectionOutputFrcnn((8, 9), max_outputs=15, score_threshold=0.1)
    found = module(*(x.astype("f4") for x in (proposals, logits, offsets)))[0]
    boxes = np.zeros((12, 2, 4))
    for i in range(12):
        for k in range(2):
            box = decoded(offsets[0, i, 4 * k : 4 * k + 4], proposals[0, i], (0.1, 0.1, 0.2, 0.2))
            boxes[i, k] = np.clip(box, 0, [9, 8, 9, 8])
    scores = softmax(logits[0])[:, :-1]
    scores[5] = 0
    assert np.allclose(found_by_hand(boxes, scores, 0.3, 0.1, 99, 15), found, atol=1e-4)


def test_yolo_output_by_hand():
    anchors, classes = [(1.0, 2.0), (0.5, 0.7)], 3
    x = RNG.normal(size=(1, 16, 2, 3))
    module = nn.DetectionOutputYOLO(anchors, classes, max_outputs=20, score_threshold=0.1)
    boxes, scores = [], []
    for i in range(2):
        for j in range(3):
            for k, (aw, ah) in enumerate(anchors):
                t = x[0, 8 * k : 8 * k + 8, i, j]
                place = 1 / (1 + np.exp(-t[:2]))
                cx, cy = (j + place[0]) / 3, (i + place[1]) / 2
                w, h = aw * math.exp(t[2]) / 3, ah * math.exp(t[3]) / 2
                boxes.append([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])
                scores.append(softmax(t[5:]) / (1 + math.exp(-t[4])))
    expected = found_by_hand(np.array(boxes), np.array(scores), 0.45, 0.1, 99, 20)
    assert np.allclose(expected, module(x.astype("f4"))[0], atol=1e-5)


def test_proposals_by_hand():
    sizes, ratios, stride = [4, 8], [0.5, 2], 4
    scores, offsets = RNG.normal(size=(1, 4, 3, 2)), RNG.normal(size=(1, 16, 3, 2)) / 2
    module = nn.Proposal(
        *(sizes, ratios, stride),
        image_size=(12, 9),
        candidates=15,
        max_outputs=10,
        iou_threshold=0.5,
        min_size=2.0,
    )
    anchors = nn.Anchor(sizes, ratios, stride)(scores.astype("f4"))[0].reshape(3, 2, 4, 4)
    rows = []
    for i in range(3):
        for j in range(2):
            for a in range(4):
                box = decoded(offsets[0, 4 * a : 4 * a + 4, i, j], anchors[i, j, a], (1, 1, 1, 1))
                rows.append((scores[0, a, i, j], np.clip(box, 0, [9, 12, 9, 12])))
    rows = sorted(rows, key=lambda row: -row[0])[:15]
    rows = [row for row in rows if (row[1][2:] - row[1][:2] >= 2).all()]
    kept = suppressed([row[1] for row in rows], [row[0] for row in rows], 0.5)[:10]
    found = module(scores.astype("f4"), offsets.astype("f4"))[0]
    assert 2 < len(kept) <= 10
    assert np.allclose([rows[k][1] for k in kept], found[: len(kept)], atol=1e-4)
    assert (found[len(kept) :] == 0).all()


def test_levels_are_proposed_together_best_first():
    module = nn.RegionProposal(2, [4, 8], [1], [2, 4], max_outputs=6, iou_threshold=0.3, rng=0)
    maps = RNG.normal(size=(1, 2, 4, 4)).astype("f4"), RNG.normal(size=(1, 2, 2, 2)).astype("f4")
    proposals, scores, offsets, anchors = module(*maps)
    assert (scores.shape, offsets.shape, anchors.shape) == ((1, 20), (1, 20, 4), (1, 20, 4))
    rows = []
    for part in (slice(0, 16), slice(16, 20)):
        boxes = np.array(
            [decoded(o, a, (1, 1, 1, 1)) for o, a in zip(offsets[0], anchors[0], strict=True)]
        )
        kept = suppressed(boxes[part], scores[0, part], 0.3)[:6]
        rows += [(scores[0, part][k], boxes[part][k]) for k in kept]
    rows = sorted(rows, key=lambda row: -row[0])[:6]
    assert np.allclose([row[1] for row in rows], proposals[0], atol=1e-4)


class Detector(nn.Module):
    """A small Mask R-CNN: pyramid, proposals, boxes, masks."""

    def __init__(self):
        self.fine = nn.Conv2d(3, 4, 3, stride=2, padding=1, rng=0)
        self.coarse = nn.Conv2d(4, 4, 3, stride=2, padding=1, rng=1)
        self.propose = nn.RegionProposal(
            4, [4, 8], [1, 2], [2, 4], image_size=(16, 16), max_outputs=5, rng=2
        )
        self.boxes = nn.BoxHead(4, 2, (1 / 2, 1 / 4), resolution=2, features=8, rng=3)
        self.output = nn.DetectionOutputFrcnn((16, 16), max_outputs=3)
        self.masks = nn.MaskHead(4, 2, (1 / 2, 1 / 4), resolution=2, layers=(4,), rng=4)

    def call(self, x):
        fine = self.fine(x)
        maps = fine, self.coarse(fine)
        proposals, *_ = self.propose(*maps)
        found = self.output(proposals, *self.boxes(maps, proposals))
        return found, self.masks(maps, found[:, :, 2:])


def test_proposals_and_heads_run_in_one_program():
    model, x = Detector(), RNG.normal(size=(2, 3, 16, 16)).astype("f4")
    program = core.predict_program(model, model, Spec.of(x))
    assert program.reason is None
    found, masks = model(x)
    assert (found.shape, masks.shape) == ((2, 3, 6), (2, 3, 2, 4, 4))
    assert (found[..., 0] >= 0).all()
    assert np.allclose(found, program.run(x)[0], atol=1e-5)


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.PriorBox(10, []),
        lambda: nn.PriorBox(10, [4], larger=[3]),
        lambda: nn.PriorBox(10, [4, 5], larger=[6]),
        lambda: nn.RegionProposal(2, [4, 8], [1], [2]),
        lambda: nn.DetectionOutputYOLO([(1, 2, 3)], 2),
        lambda: nn.DetectionOutputYOLO([], 2),
        lambda: nn.DetectionOutputFrcnn((3,)),
        lambda: nn.DetectionOutputSSD(variances=(0.1, 0.1)),
    ],
)
def test_wrong_arguments_are_refused(build):
    with pytest.raises(ArgumentError, match="must be"):
        build()
