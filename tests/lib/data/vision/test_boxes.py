"""Boxes, labels and masks go where the pixels go."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from sandbox.lib.core.errors import DataError
from sandbox.lib.core.random import RandomKey
from sandbox.lib.data import vision as v

sys.path.insert(0, str(Path(__file__).parent))
import vision_kit as kit

WIDTH, HEIGHT = 90, 120
BOXES = np.array([[10, 20, 40, 50], [50, 60, 85, 110], [5, 80, 30, 115]], "f4")
MOVES = {
    **kit.MOVES,
    "CenterCrop": v.CenterCrop((70, 60)),
    "RandomCrop": v.RandomCrop((70, 60)),
    "CenterCrop filled": v.CenterCrop((200, 60), fill=0),
    "Resize": v.Resize((75, 150)),
    "Resize random": v.Resize((250, 150), interpolation="random"),
    "Resize nearest": v.Resize(200, interpolation="nearest"),
    "RandomResizedCrop": v.RandomResizedCrop(100),
    "ResizeShorter list": v.ResizeShorter([60, 90, 120], longest=200, multiple_of=4),
    "RandomResize": v.RandomResize(60, 180),
    "RandomApply": v.RandomApply(v.CenterCrop(80), 0.5),
    "Pad": v.Pad((150, 100)),
    "Pipeline": v.Pipeline(v.Expand(), v.RandomIoUCrop(), v.Resize(200), v.HorizontalFlip()),
    "CropToBox": v.CropToBox(-1, margin=0.3),
}


def painted():
    """Give a picture with a rectangle of its own colour for each box, and masks of them."""
    image = np.zeros((HEIGHT, WIDTH, 3), "u1")
    masks = np.zeros((3, HEIGHT, WIDTH), "u1")
    for k, (x1, y1, x2, y2) in enumerate(BOXES.astype(int)):
        image[y1:y2, x1:x2, k] = 255
        masks[k, y1:y2, x1:x2] = 1
    return v.Picture(image, boxes=BOXES, labels=[0, 1, 2], masks=masks)


def extent(on):
    """Give the box of what is on, or None."""
    if not on.any():
        return None
    rows, columns = np.flatnonzero(on.any(1)), np.flatnonzero(on.any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


@pytest.mark.parametrize("name", MOVES)
def test_boxes_and_masks_stay_on_their_pixels(name):
    given, seen = painted(), set()
    for k in range(30):
        made = MOVES[name](given, random=RandomKey(1, 0, k))
        height, width = made.image.shape[:2]
        assert len(made.boxes) == len(made.labels) == len(made.masks)
        assert made.masks.shape[1:] == (height, width)
        edges = np.array([width, height, width, height])
        assert (made.boxes >= 0).all()
        assert (made.boxes <= edges).all()
        scale = max(1.0, height / HEIGHT, width / WIDTH)
        # a turned rectangle does not reach the corners of its upright box when these are cut
        slack = 40 if name == "RandomRotation" else 2.1 * scale + 1
        for label in range(3):
            # a Expand's ground has colours of its own, other than full ones
            pixels = extent(made.image[:, :, label] > 180)
            if label in made.labels:
                box = made.boxes[made.labels == label][0]
                seen.add(label)
                mask = extent(made.masks[made.labels == label][0] > 0)
                for found in (pixels, mask):
                    if found is None:
                        assert (box[2:] - box[:2]).min() < 2 * scale  # less than a pixel is left
                    else:
                        assert np.abs(found - box).max() <= slack, (k, label)
            elif pixels is not None and name not in ("RandomIoUCrop", "Pipeline"):
                assert (pixels[2:] - pixels[:2]).min() <= 2 * scale
    assert seen == {0, 1, 2} or name == "CropToBox"


@pytest.mark.parametrize("name", ["HorizontalFlip", "VerticalFlip"])
def test_two_flips_are_none(name):
    flip = getattr(v, name)(1)
    twice = flip(flip(painted()))
    np.testing.assert_array_equal(BOXES, twice.boxes)
    np.testing.assert_array_equal(painted().masks, twice.masks)


def test_a_crop_drops_what_is_outside():
    crop = v.FixedCrop(0, 0, 45, 55, normalized=False)
    made = crop(painted())
    assert made.labels.tolist() == [0]
    assert made.boxes.tolist() == [[10, 20, 40, 50]]
    assert made.masks.shape == (1, 55, 45)
    half = v.FixedCrop(0, 0, 20, 120, normalized=False)(painted())
    assert half.boxes.tolist() == [[10, 20, 20, 50], [5, 80, 20, 115]]
    centred = v.FixedCrop(0, 0, 20, 120, normalized=False, centers=True)(painted())
    assert centred.labels.tolist() == [2]


def test_a_sampled_part_overlaps_a_box_as_asked():
    """Each part that is not the picture has the least overlap with some box, or any if drawn so."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    image = np.stack([x, y, x], 2).astype("f4")
    best = []
    for k in range(300):
        crop = v.RandomIoUCrop([0.6], trials=200)
        made = crop(v.Picture(image, boxes=BOXES, labels=[0, 1, 2]), random=RandomKey(0, 0, k))
        if made.image.shape == image.shape:
            continue
        (x1, y1), (x2, y2) = made.image[0, 0, :2], made.image[-1, -1, :2] + 1
        assert 0.2 < (x2 - x1) * HEIGHT / ((y2 - y1) * WIDTH) < 5
        assert len(made.boxes) > 0
        best.append(v.box_overlaps(np.array([x1, y1, x2, y2]), BOXES).max())
        centres = (BOXES[:, :2] + BOXES[:, 2:]) / 2
        inside = ((centres >= [x1, y1]) & (centres < [x2, y2])).all(1)
        np.testing.assert_array_equal(np.flatnonzero(inside), made.labels)
    asked = np.mean(np.array(best) >= 0.6)
    assert len(best) > 100
    assert asked > 0.3  # half of those: the other half may be anything


def test_boxes_in_parts_and_pixels():
    made = v.Pipeline(v.Resize((60, 45)), v.NormalizeBoxes())(painted())
    np.testing.assert_allclose(made.boxes, BOXES / [WIDTH, HEIGHT, WIDTH, HEIGHT], rtol=1e-6)
    parts = v.Picture(np.zeros((HEIGHT, WIDTH, 3), "u1"), boxes=made.boxes)
    np.testing.assert_allclose(v.DenormalizeBoxes()(parts).boxes, BOXES, rtol=1e-6)
    boxes = [[-5, -5, 1, 9], [2, 2, 8, 20]]
    small = v.Picture(np.zeros((9, 9, 3), "u1"), boxes=boxes, labels=[4, 5])
    assert v.ClipBoxes()(small).boxes.tolist() == [[0, 0, 1, 9], [2, 2, 8, 9]]
    assert v.ClipBoxes(2)(small).labels.tolist() == [5]
    assert v.ClipBoxes(centers=True)(small).labels.tolist() == []


def test_objects_are_parts_with_class_minus_one_behind():
    found = painted().objects(5)
    np.testing.assert_array_equal([0, 1, 2, -1, -1], found[:, 0])
    np.testing.assert_allclose(found[:3, 1:], BOXES / [WIDTH, HEIGHT, WIDTH, HEIGHT], rtol=1e-6)
    assert not found[3:, 1:].any()
    with pytest.raises(DataError, match="at most 2 boxes; got 3"):
        painted().objects(2)
    # ToTensor has put the channels in front: the sides are still the picture's
    np.testing.assert_array_equal(found, v.ToTensor()(painted()).objects(5))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"boxes": [[1, 2, 3]]}, r"of shape \(n, 4\)"),
        ({"boxes": [[5, 2, 3, 4]]}, "x1 <= x2.*in box 0"),
        ({"boxes": [[0, 0, np.nan, 1]]}, "finite"),
        ({"boxes": [[0, 0, 1, 1]], "labels": [1, 2]}, "as many labels as boxes, 1; got 2"),
        ({"boxes": [[0, 0, 1, 1]], "masks": np.zeros((2, 4, 4))}, "as many masks"),
        ({"masks": np.zeros((2, 4, 5))}, r"masks must be \(n, 4, 4\)"),
    ],
)
def test_wrong_fields_are_refused(fields, said):
    with pytest.raises(DataError, match=said):
        v.Picture(np.zeros((4, 4, 3), "u1"), **fields)
