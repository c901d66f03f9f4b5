"""Where pixels go: each transform against a plain reading of its formula in NumPy."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.core.random import RandomKey
from sandbox.lib.data import vision as v

sys.path.insert(0, str(Path(__file__).parent))
import vision_kit as kit


def many(transform, image, count=300, seed=0):
    """Give what a transform makes of one picture at many positions."""
    return [transform(image, random=RandomKey(seed, 0, row)) for row in range(count)]


def sampled(image, y, x):
    """Read a picture between its pixel centres, linearly; edges go on."""
    height, width = image.shape[:2]
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    low, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    b, a = (y - top)[..., None], (x - left)[..., None]
    above = image[top, left] * (1 - a) + image[top, right] * a
    below = image[low, left] * (1 - a) + image[low, right] * a
    return above * (1 - b) + below * b


@pytest.mark.parametrize("size", [(25, 50), (80, 17), (40, 30), (1, 1)])
def test_resize_is_linear_between_pixel_centres(size):
    image = kit.picture(dtype="f4")
    y, x = np.meshgrid(
        (np.arange(size[0]) + 0.5) * 40 / size[0] - 0.5,
        (np.arange(size[1]) + 0.5) * 30 / size[1] - 0.5,
        indexing="ij",
    )
    expected = sampled(image.astype(float), y, x)
    np.testing.assert_allclose(v.Resize(size)(image), expected, rtol=0, atol=1e-3)
    made = v.Resize(size)(image.astype("u1"))
    # OpenCV's bytes are in fixed point
    np.testing.assert_allclose(made.astype(float), expected, rtol=0, atol=1.01)


def test_resize_by_area_is_the_mean_of_blocks():
    image = kit.picture(dtype="f4")
    expected = image.reshape(20, 2, 10, 3, 3).mean((1, 3))
    made = v.Resize((20, 10), interpolation="area")(image)
    np.testing.assert_allclose(made, expected, rtol=1e-5)


def test_resize_by_nearest_repeats_pixels():
    image = kit.picture()
    made = v.Resize((80, 90), interpolation="nearest")(image)
    np.testing.assert_array_equal(image.repeat(2, 0).repeat(3, 1), made)


def test_random_interpolation_draws_all_of_them():
    image = kit.picture()
    names = ("linear", "nearest", "cubic", "area", "lanczos")
    each = {v.Resize((17, 23), interpolation=name)(image).tobytes() for name in names}
    drawn = {one.tobytes() for one in many(v.Resize((17, 23), interpolation="random"), image, 60)}
    assert len(each) >= 4  # some are the same for bytes
    assert each == drawn


@pytest.mark.parametrize(
    ("size", "options", "expected"),
    [
        (20, {}, (27, 20)),
        (60, {}, (80, 60)),
        (60, {"longest": 50}, (50, 38)),
        (20, {"multiple_of": 8}, (24, 16)),
        (1, {"multiple_of": 8}, (8, 8)),
        (600, {"longest": 1000, "multiple_of": 32}, (800, 576)),
    ],
)
def test_the_shorter_edge_gets_its_length(size, options, expected):
    image = np.zeros((40, 30, 3), "u1")
    assert v.ResizeShorter(size, **options)(image).shape[:2] == expected
    assert v.ResizeShorter(size, **options).shape((40, 30, 3)) == (*expected, 3)


def test_sizes_of_a_list_and_of_a_range_are_all_drawn():
    image = np.zeros((20, 40, 3), "u1")
    assert {x.shape for x in many(v.ResizeShorter([5, 10, 15]), image)} == {
        (5, 10, 3), (10, 20, 3), (15, 30, 3)
    }  # fmt: skip
    assert {x.shape[0] for x in many(v.RandomResize(4, 9), image)} == set(range(4, 10))
    assert v.ResizeShorter([5, 10, 15])(image).shape == (10, 20, 3)


@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_flips_are_mirrors(dtype):
    image = kit.picture(dtype=dtype)
    np.testing.assert_array_equal(image[:, ::-1], v.HorizontalFlip(1)(image))
    np.testing.assert_array_equal(image[::-1], v.VerticalFlip(1)(image))
    np.testing.assert_array_equal(image, v.HorizontalFlip()(image))
    np.testing.assert_array_equal(image, v.HorizontalFlip(0)(image, random=RandomKey(0)))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_flips_happen_as_often_as_said(p):
    image = np.array([[[0], [1]]], "u1")
    turned = np.mean([int(x[0, 0, 0]) for x in many(v.HorizontalFlip(p), image, 2000)])
    assert abs(turned - p) < 4 * np.sqrt(p * (1 - p) / 2000)


@pytest.mark.parametrize(("degrees", "quarters"), [(90, 1), (180, 2), (-90, 3), (360, 0)])
def test_turning_by_right_angles_is_exact(degrees, quarters):
    image = kit.picture(height=31, width=31)
    made = v.RandomRotation((degrees, degrees))(image)
    np.testing.assert_array_equal(np.rot90(image, quarters), made)


def test_turning_reads_between_pixels():
    image, angle = kit.picture(height=41, width=33, dtype="f4"), 20.0
    made = v.RandomRotation((angle, angle), fill=7)(image)
    turn = np.deg2rad(angle)
    y, x = np.mgrid[:41, :33] - np.array([20, 16]).reshape(2, 1, 1)
    # from where a pixel comes: turned back, clockwise, as y points down
    from_x = np.cos(turn) * x - np.sin(turn) * y + 16
    from_y = np.sin(turn) * x + np.cos(turn) * y + 20
    expected = sampled(image.astype(float), from_y, from_x)
    inside = (from_x >= 0) & (from_x <= 32) & (from_y >= 0) & (from_y <= 40)
    # OpenCV knows 32 places between pixels
    assert np.abs(made - expected)[inside].max() < 3
    outside = (from_x < -1) | (from_x > 33) | (from_y < -1) | (from_y > 41)
    assert (made[outside] == 7).all()
    assert outside.sum() > 50


def test_crops_are_parts():
    image = kit.picture()
    np.testing.assert_array_equal(image[8:32, 1:29], v.CenterCrop((24, 28))(image))
    np.testing.assert_array_equal(image[10:20, 6:12], v.FixedCrop(0.2, 0.25, 0.4, 0.5)(image))
    part = v.FixedCrop(-5, 30, 10, 99, normalized=False)(image)
    np.testing.assert_array_equal(image[30:, :10], part)
    given = v.Picture(image, boxes=[[0, 0, 9, 9], [3.5, 4, 10, 20]])
    np.testing.assert_array_equal(image[4:20, 3:10], v.CropToBox(1)(given).image)
    np.testing.assert_array_equal(image[0:24, 1:12], v.CropToBox(1, margin=0.25)(given).image)


def test_random_crops_reach_every_place_alike():
    y, x = np.mgrid[:6, :8]
    image = np.stack([y, x, y], 2).astype("u1")
    places = [tuple(part[0, 0, :2].tolist()) for part in many(v.RandomCrop((4, 5)), image, 1200)]
    counts = np.array([places.count((i, j)) for i in range(3) for j in range(4)])
    assert counts.sum() == 1200
    assert ((counts - 100) ** 2 / 100).sum() < 31.3  # chi-square, 11 degrees, one in a thousand


@pytest.mark.parametrize("crop", [v.CenterCrop, v.RandomCrop])
def test_a_crop_larger_than_the_picture_is_refused_or_padded(crop):
    image = kit.picture()
    with pytest.raises(DataError, match=r"at least 41 x 20; got 40 x 30.*ResizeShorter"):
        crop((41, 20))(image)
    made = crop((44, 20), fill=(1, 2, 3))(image)
    assert made.shape == (44, 20, 3)
    assert made[0, 0].tolist() == made[-1, -1].tolist() == [1, 2, 3]
    np.testing.assert_array_equal(image[:, 5:25], crop((44, 20), fill=0)(image)[2:42])


def test_parts_without_pixels_are_refused():
    image = kit.picture()
    with pytest.raises(DataError, match="must have a pixel"):
        v.FixedCrop(0.001, 0, 0.002, 1)(image)
    with pytest.raises(DataError, match="lie in the picture, 40 x 30"):
        v.FixedCrop(0, 0, 31, 40, normalized=False, clip=False)(image)
    with pytest.raises(DataError, match="must have box 0; got 0 boxes"):
        v.CropToBox()(image)


def test_resized_crops_have_the_areas_and_aspects_asked_for():
    y, x = np.mgrid[:200, :300].astype("f4")
    image = np.stack([y, x], 2)
    crop = v.RandomResizedCrop(64, scale=(0.2, 0.6), ratio=(0.5, 2))
    areas, aspects, middles = [], [], []
    for part in many(crop, image, 400):
        # from pixel centre to pixel centre of the result are 63/64 of the part's sides
        height, width = (np.ptp(part[:, :, k]) * 64 / 63 for k in (0, 1))
        areas.append(height * width / 60000)
        aspects.append(np.log2(width / height))
        middles.append(part.mean((0, 1)))
    assert 0.19 < min(areas) < 0.22
    assert 0.58 < max(areas) < 0.61
    assert -1.05 < min(aspects) < -0.9
    assert 0.9 < max(aspects) < 1.05
    assert np.ptp(middles, axis=0).min() > 100


def test_without_random_numbers_a_resized_crop_is_the_middle():
    y, x = np.mgrid[:20, :40]
    image = np.stack([y, x, y], 2).astype("u1")
    np.testing.assert_array_equal(image[:, 10:30], v.RandomResizedCrop(20)(image))
    np.testing.assert_array_equal(image[5:15], v.RandomResizedCrop((10, 40))(image))


def test_a_picture_that_no_part_fits_into_gives_its_middle():
    image = kit.picture(height=2, width=300)
    crop = v.RandomResizedCrop(8, scale=(0.9, 1))
    for part in many(crop, image, 20):
        np.testing.assert_array_equal(v.Resize(8)(image[:, 148:151]), part)


def test_grounds_hold_the_picture():
    image = kit.picture()
    made = v.Pad((50, 20), fill=(1, 2, 3))(image)
    assert made.shape == (50, 30, 3)
    np.testing.assert_array_equal(image, made[5:45])
    assert (made[:5] == [1, 2, 3]).all()
    for large in many(v.Expand(2, 4, p=1), image, 50):
        assert 80 <= large.shape[0] < 160
        ground = (large == [123, 117, 104]).all(2)
        rows, columns = np.flatnonzero(~ground.all(1)), np.flatnonzero(~ground.all(0))
        inside = large[rows[0] : rows[0] + 40, columns[0] : columns[0] + 30]
        np.testing.assert_array_equal(image, inside)
    np.testing.assert_array_equal(image, v.Expand()(image))


def test_regions_are_painted():
    image = kit.picture()
    made = v.FillRegion(0.1, 0.5, 0.4, 1, fill=(9, 8, 7))(image)
    expected = image.copy()
    expected[20:, 3:12] = [9, 8, 7]
    np.testing.assert_array_equal(expected, made)


def test_erased_rectangles_have_their_areas():
    image = np.full((60, 60, 3), 200, "u1")
    shares = []
    for made in many(v.RandomErasing(1, scale=(0.1, 0.3), fill=0), image):
        gone = (made == 0).all(2)
        rows, columns = np.flatnonzero(gone.any(1)), np.flatnonzero(gone.any(0))
        assert gone[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        shares.append(gone.mean())
    assert 0.09 < min(shares) < 0.12
    assert 0.28 < max(shares) < 0.31
    noisy = v.RandomErasing(1, fill="noise")(image, random=RandomKey(0))
    assert len(np.unique(noisy[noisy != 200])) > 50


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: v.Resize(0), "size"),
        (lambda: v.Resize((1, 2, 3)), "size"),
        (lambda: v.Resize(2, interpolation="bilinear"), "interpolation"),
        (lambda: v.ResizeShorter([]), "size"),
        (lambda: v.RandomResize(9, 4), "high"),
        (lambda: v.HorizontalFlip(1.5), "p"),
        (lambda: v.RandomRotation((9, 4)), "degrees"),
        (lambda: v.RandomRotation(-3), "degrees"),
        (lambda: v.FixedCrop(0.5, 0, 0.5, 1), "x2"),
        (lambda: v.RandomResizedCrop(4, scale=(0.5, 1.5)), "scale"),
        (lambda: v.RandomIoUCrop([2]), "overlaps"),
        (lambda: v.Expand(0.5), "low"),
        (lambda: v.Pad(4, fill=(1, 2, 3, 4, 5)), "fill"),
        (lambda: v.RandomErasing(fill="red"), "fill"),
        (lambda: v.Pipeline(v.Resize), "transforms"),
        (lambda: v.Pipeline(np.log), "transforms"),
        (lambda: v.RandomApply(None), "transform"),
        (lambda: v.OneOf(), "transforms"),
    ],
)
def test_wrong_arguments_are_named(make, said):
    with pytest.raises(ArgumentError, match=f"`{said}` must be"):
        make()


def test_a_picture_tells_which_part_of_the_one_before_it_is():
    picture = v.Picture(np.zeros((6, 8, 3), "u1"))
    assert v.FixedCrop(2, 3, 6, 6, normalized=False).one(picture).part == (2, 3, 4, 3)
    assert v.Pad((8, 12)).one(picture).part == (-2, -1, 12, 8)
    assert v.Resize(3).one(picture).part is None
