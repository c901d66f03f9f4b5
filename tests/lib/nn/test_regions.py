"""Boxes cut out of maps, and feature pyramids, by their formulas written down one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sandbox.lib import core, nn
from sandbox.lib.core import Spec, ops
from sandbox.lib.core.errors import DataError, ShapeError

BOXES = np.array(
    [
        [0, 0.3, 1.2, 3.9, 3.3],
        [1, -3.0, 0.0, 9.0, 2.5],  # beyond the edges
        [1, 2.0, 2.0, 2.0, 2.0],  # nothing
        [0, 0.0, 0.0, 5.0, 4.0],
        [1, -9.0, -9.0, -5.0, -5.0],  # outside
    ],
    "f8",
)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def sampled(x, y, at):
    """Interpolate one map at one place, as in the publication's code."""
    height, width = x.shape
    if not (-1 <= y <= height and -1 <= at <= width):
        return 0.0
    y, at = max(y, 0.0), max(at, 0.0)
    top, left = min(int(y), height - 1), min(int(at), width - 1)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    y, at = min(y, height - 1), min(at, width - 1)
    v, h = y - top, at - left
    return (1 - v) * ((1 - h) * x[top, left] + h * x[top, right]) + v * (
        (1 - h) * x[bottom, left] + h * x[bottom, right]
    )


def aligned_by_hand(x, boxes, size, scale, ratio, aligned, join):
    y = np.zeros((len(boxes), x.shape[1], *size))
    for k, (row, *box) in enumerate(boxes):
        left, top, right, bottom = (edge * scale - 0.5 * aligned for edge in box)
        width, height = right - left, bottom - top
        if not aligned:
            width, height = max(width, 1.0), max(height, 1.0)
        step = height / size[0], width / size[1]
        counts = [ratio or max(math.ceil(length), 1) for length in step]
        for c in range(x.shape[1]):
            for i in range(size[0]):
                for j in range(size[1]):
                    values = [
                        sampled(
                            x[int(row), c],
                            top + (i + (a + 0.5) / counts[0]) * step[0],
                            left + (j + (b + 0.5) / counts[1]) * step[1],
                        )
                        for a in range(counts[0])
                        for b in range(counts[1])
                    ]
                    y[k, c, i, j] = join(values)
    return y


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("ratio", [0, 1, 3])
@pytest.mark.parametrize("aligned", [False, True])
def test_roi_align_is_the_mean_of_samples_between_pixels(scale, ratio, aligned):
    x = draw(2, 3, 5, 6)
    layer = nn.RoIAlign((2, 3), scale=scale, sampling_ratio=ratio, aligned=aligned)

    expected = aligned_by_hand(x, BOXES, (2, 3), scale, ratio, aligned, np.mean)

    found = layer.call(core.Value(x), core.Value(BOXES)).data
    np.testing.assert_allclose(expected, found, atol=1e-12)


def test_roi_align_may_take_the_largest_sample():
    x = draw(2, 2, 5, 6)
    expected = aligned_by_hand(x, BOXES, (2, 2), 1.0, 2, True, max)

    found = ops.roi_align(core.Value(x), BOXES, 2, sampling_ratio=2, mode="max").data

    np.testing.assert_allclose(expected, found, atol=1e-12)


def pooled_by_hand(x, boxes, size, scale):
    y = np.zeros((len(boxes), x.shape[1], *size))
    for k, (row, *box) in enumerate(boxes):
        away = [math.copysign(math.floor(abs(edge * scale) + 0.5), edge) for edge in box]
        left, top, right, bottom = away
        width, height = max(right - left + 1, 1), max(bottom - top + 1, 1)
        for i in range(size[0]):
            for j in range(size[1]):
                a = math.floor(i * height / size[0]) + top
                b = math.ceil((i + 1) * height / size[0]) + top
                c = math.floor(j * width / size[1]) + left
                d = math.ceil((j + 1) * width / size[1]) + left
                a, b = (int(np.clip(edge, 0, x.shape[2])) for edge in (a, b))
                c, d = (int(np.clip(edge, 0, x.shape[3])) for edge in (c, d))
                block = x[int(row), :, a:b, c:d]
                y[k, :, i, j] = block.max(axis=(1, 2)) if block.size else 0
    return y


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("size", [(2, 3), (7, 7)])
def test_roi_pooling_takes_the_largest_pixel_of_each_bin(scale, size):
    x = draw(2, 3, 5, 6)

    found = nn.RoIPool(size, scale=scale).call(core.Value(x), core.Value(BOXES)).data

    np.testing.assert_array_equal(pooled_by_hand(x, BOXES, size, scale), found)


@pytest.mark.parametrize("layer", [nn.RoIAlign(2), nn.RoIPool(2)])
def test_boxes_by_image_are_those_with_the_image_in_front(layer):
    x = draw(2, 3, 5, 6).astype("f4")
    boxes = np.array([[[0, 0, 3, 3], [1, 1, 5, 4]], [[2, 0, 4, 4], [0, 1, 1, 2]]], "f4")
    rows = np.repeat([0.0, 1.0], 2).astype("f4")[:, None]

    found = layer(x, boxes)

    flat = layer(x, np.concatenate([rows, boxes.reshape(4, 4)], axis=1))
    np.testing.assert_array_equal(flat.reshape(found.shape), found)
    np.testing.assert_array_equal(layer(x[:1], boxes[0]), found[0])


@pytest.mark.parametrize("layer", [nn.RoIAlign(2), nn.RoIPool(2)])
def test_boxes_of_no_image_give_zeros_and_of_an_unknown_one_are_refused(layer):
    x = np.ones((2, 3, 5, 6), "f4")
    assert not layer(x, np.array([[-1, 0, 0, 3, 3]], "f4")).any()
    with pytest.raises(DataError, match=r"got 2 of box 1"):
        layer(x, np.array([[0, 0, 0, 3, 3], [2, 0, 0, 3, 3]], "f4"))


@pytest.mark.parametrize("layer", [nn.RoIAlign(2), nn.RoIPool(2)])
def test_boxes_that_are_not_numbers_do_no_harm(layer):
    x = np.ones((1, 1, 5, 6), "f4")
    boxes = np.array([[np.nan, 0, 3, 3], [0, 0, np.inf, 2], [-1e9, -1e9, 1e9, 1e9]], "f4")

    assert np.isfinite(layer(x, boxes)).all()


def test_programs_look_at_the_rows_of_boxes_as_well():
    layer = nn.RoIAlign(2)
    x, boxes = np.ones((2, 3, 5, 6), "f4"), np.array([[1, 0, 0, 3, 3]], "f4")
    program = core.predict_program(layer, layer, (Spec(x.shape), Spec(boxes.shape)))

    np.testing.assert_array_equal(layer(x, boxes), program.run((x, boxes)))
    with pytest.raises(DataError, match="got 2 of box 0"):
        program.run((x, boxes + 1))


SCALES = (1 / 4, 1 / 8, 1 / 16, 1 / 32)


def test_a_box_is_cut_out_of_the_level_of_its_size():
    features = [np.full((1, 1, 256 // 2**k, 256 // 2**k), k + 2.0, "f4") for k in range(4)]
    sides = np.array([10, 111, 112, 223, 224, 447, 448, 1000, 1023])
    boxes = np.zeros((1, len(sides), 4), "f4")
    boxes[0, :, 2:] = sides[:, None]

    found = nn.Pooler(1, SCALES)(features, boxes)[0, :, 0, 0, 0]

    levels = np.clip(np.floor(4 + np.log2(sides / 224 + 1e-6)), 2, 5)
    np.testing.assert_allclose(levels, found, rtol=1e-6)  # shares in float32


def test_a_pooler_needs_scales_that_halve_and_as_many_levels():
    with pytest.raises(core.ArgumentError, match="`scales`"):
        nn.Pooler(1, (1 / 4, 1 / 16))
    with pytest.raises(ShapeError, match="2 levels"):
        nn.Pooler(1, (1 / 4, 1 / 8))([np.ones((1, 1, 4, 4), "f4")], np.zeros((1, 1, 4), "f4"))


def test_a_pyramid_hands_the_coarse_levels_down():
    pyramid = nn.FPN((3, 4, 5), 2, rng=0)
    inputs = [
        draw(2, 3, 12, 8).astype("f4"),
        draw(2, 4, 6, 4).astype("f4"),
        draw(2, 5, 3, 2).astype("f4"),
    ]
    inner = [conv(x) for conv, x in zip(pyramid.inner, inputs, strict=True)]
    middle = inner[1] + inner[2].repeat(2, axis=2).repeat(2, axis=3)
    fine = inner[0] + middle.repeat(2, axis=2).repeat(2, axis=3)
    expected = [conv(x) for conv, x in zip(pyramid.outer, (fine, middle, inner[2]), strict=True)]

    for wanted, found in zip(expected, pyramid(*inputs), strict=True):
        np.testing.assert_allclose(wanted, found, atol=1e-5)  # float32 sums in another order


@pytest.mark.parametrize("top", ["conv", "conv of input"])
def test_a_pyramid_goes_on_above_by_convolutions(top):
    pyramid = nn.FPN((3, 4), 2, top=top, rng=0)
    inputs = draw(1, 3, 8, 8).astype("f4"), draw(1, 4, 4, 4).astype("f4")

    *_, coarse, first, second = pyramid(*inputs)

    one, two = pyramid.above
    np.testing.assert_allclose(one(coarse if top == "conv" else inputs[1]), first, atol=1e-5)
    np.testing.assert_allclose(two(np.maximum(first, 0)), second, atol=1e-5)
