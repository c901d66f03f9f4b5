"""Drawn shapes: the same from the same generator, where the objects say they are."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib.core.errors import ArgumentError
from sandbox.lib.data import SHAPES, random_shapes


def test_the_same_seed_draws_the_same_images():
    first, second, other = random_shapes(3, 5), random_shapes(3, 5), random_shapes(3, 6)
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(first[0], other[0])


def test_images_differ_from_the_ground_where_shapes_are():
    images, objects = random_shapes(40, 1, size=48, most=2, noise=0.0, channels=2)
    assert images.shape == (40, 2, 48, 48)
    assert images.dtype == objects.dtype == np.float32
    seen = set()
    for image, there in zip(images, objects, strict=True):
        there = there[there[:, 0] >= 0]
        assert 1 <= len(there) <= 2
        ground = np.median(image, axis=(1, 2), keepdims=True)
        drawn = (np.abs(image - ground) > 0.1).all(axis=0)
        if len(there) == 1:
            kind, *box = there[0]
            seen.add(SHAPES[int(kind)])
            rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
            edges = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            assert np.allclose(np.array(box) * 48, edges, atol=1.5)
            share = drawn.sum() / np.prod((np.array(box[2:]) - box[:2]) * 48)
            wanted = {"circle": np.pi / 4, "square": 1.0, "triangle": 0.5}[SHAPES[int(kind)]]
            assert share == pytest.approx(wanted, abs=0.12)
    assert seen == set(SHAPES)


def test_boxes_lie_in_the_image_and_hardly_overlap():
    _, objects = random_shapes(60, 2, size=32, most=4)
    real = objects[objects[..., 0] >= 0]
    assert (real[:, 1:3] >= 0).all()
    assert (real[:, 3:] <= 1).all()
    assert (real[:, 3:] - real[:, 1:3] > 0.15).all()
    assert (objects[objects[..., 0] < 0] == [-1, 0, 0, 0, 0]).all()
    assert (np.bincount(real[:, 0].astype(int)) > len(real) / 5).all()


@pytest.mark.parametrize(
    "arguments", [{"size": 8}, {"most": 0}, {"noise": -1.0}, {"channels": 0}, {"rng": "x"}]
)
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(ArgumentError, match="must be"):
        random_shapes(2, **arguments)
