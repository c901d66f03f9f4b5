"""What becomes of colours: each transform against its formula."""

from __future__ import annotations

import colorsys
import sys
from pathlib import Path

import numpy as np
import pytest

from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.core.random import RandomKey
from sandbox.lib.data import vision as v

sys.path.insert(0, str(Path(__file__).parent))
import vision_kit as kit

SEVERAL = [RandomKey(3, 1, row) for row in range(8)]


def clipped(x):
    return np.clip(np.rint(x), 0, 255).astype("u1")


@pytest.mark.parametrize("shift", [-300, -20, 0.4, 31.7, 300])
def test_brightness_adds(shift):
    image = kit.picture()
    expected = clipped(image + np.float32(shift))
    np.testing.assert_array_equal(expected, v.Brightness(shift, shift)(image))
    floats = image.astype("f4")
    np.testing.assert_allclose(v.Brightness(shift, shift)(floats), floats + shift, rtol=1e-6)


@pytest.mark.parametrize("factor", [0, 0.3, 1.7])
def test_contrast_multiplies(factor):
    image = kit.picture()
    expected = clipped(image * np.float32(factor))
    np.testing.assert_array_equal(expected, v.Contrast(factor, factor)(image))


def test_drawn_numbers_fill_their_range():
    image = np.full((1, 1, 1), 100, "f4")
    made = [
        float(v.Brightness(-30, 10)(image, random=RandomKey(0, 0, k))[0, 0, 0]) for k in range(500)
    ]
    assert 70 <= min(made) < 71
    assert 109 < max(made) < 110
    assert abs(np.mean(made) - 90) < 4 * 40 / np.sqrt(12 * 500)


def in_hsv(image, change):
    """Change hue in degrees, saturation and value of each pixel by the book."""
    made = np.empty(image.shape)
    for place in np.ndindex(image.shape[:2]):
        hue, saturation, value = colorsys.rgb_to_hsv(*(image[place] / 255))
        hue, saturation = change(hue * 360, saturation)
        made[place] = colorsys.hsv_to_rgb(hue % 360 / 360, min(saturation, 1), value)
    return made * 255


@pytest.mark.parametrize("factor", [0, 0.5, 1.6])
def test_saturation_is_that_of_hsv(factor):
    image = kit.picture(height=12, width=9)
    expected = in_hsv(image, lambda h, s: (h, s * factor))
    made = v.Saturation(factor, factor)(image)
    # hue and saturation are 8 bits on the way: two degrees, 1/255
    assert np.abs(made - expected).max() <= 5


@pytest.mark.parametrize("degrees", [-100, 36, 180, 400])
def test_hue_goes_round(degrees):
    image = kit.picture(height=12, width=9)
    expected = in_hsv(image, lambda h, s: (h + degrees, s))
    assert np.abs(v.Hue(degrees, degrees)(image) - expected).max() <= 5


@pytest.mark.parametrize("one", [v.Saturation(0.3, 0.3), v.Hue(50, 50), v.Grayscale()])
def test_a_bgr_picture_gets_the_same_colours(one):
    image = kit.picture()
    turned = v.Picture(np.ascontiguousarray(image[:, :, ::-1]), order="BGR")
    np.testing.assert_array_equal(one(image)[:, :, ::-1], one(turned).image)


@pytest.mark.parametrize(
    "one", [v.Lighting(), v.ToTensor((0.1, 0.2, 0.3), (1, 2, 3)), v.ChannelNormalize((1, 2, 3))]
)
def test_numbers_for_red_green_and_blue_follow_the_order(one):
    image = kit.picture()
    turned = v.Picture(np.ascontiguousarray(image[:, :, ::-1]), order="BGR")
    axis = 0 if isinstance(one, v.ToTensor) else 2
    plain = one(image, random=SEVERAL[0])
    np.testing.assert_array_equal(np.flip(plain, axis), one(turned, random=SEVERAL[0]).image)


def test_gray_is_luma():
    image = kit.picture()
    luma = image @ np.array([0.299, 0.587, 0.114])
    made = v.Grayscale(1)(image)
    assert made.shape == (40, 30, 1)
    assert np.abs(made[:, :, 0] - luma).max() <= 0.51
    np.testing.assert_array_equal(np.repeat(made, 3, 2), v.Grayscale()(image))
    np.testing.assert_array_equal(np.repeat(made, 3, 2), v.Grayscale(3)(made))


def test_channels_come_in_all_orders():
    image = np.array([[[1, 2, 3]]], "u1")
    made = {
        tuple(v.ChannelShuffle()(image, random=RandomKey(0, 0, k)).ravel().tolist())
        for k in range(60)
    }
    assert len(made) == 6
    assert v.SwapChannels()(image).ravel().tolist() == [3, 2, 1]


def test_light_moves_along_the_published_components():
    image = np.full((1, 1, 3), 100, "f4")
    moved = np.array(
        [v.Lighting(0.1)(image, random=RandomKey(0, 0, k)).ravel() - 100 for k in range(4000)]
    )
    covariance = moved.T @ moved / len(moved)
    vectors, values = v.Lighting.VECTORS, v.Lighting.VALUES
    expected = (255 * 0.1) ** 2 * vectors @ np.diag(values**2) @ vectors.T
    np.testing.assert_allclose(covariance, expected, rtol=0.08, atol=0.3)


@pytest.mark.parametrize("sigma", [0.5, 1.5])
def test_blur_is_a_convolution(sigma):
    image = kit.picture(dtype="f4")
    reach = np.arange(-2, 3)
    g = np.exp(-(reach**2) / (2 * sigma**2))
    g /= g.sum()
    padded = np.pad(image, [(2, 2), (2, 2), (0, 0)], mode="reflect")
    expected = sum(g[i] * g[j] * padded[i : i + 40, j : j + 30] for i in range(5) for j in range(5))
    made = v.GaussianBlur(5, (sigma, sigma))(image)
    np.testing.assert_allclose(made, expected, rtol=0, atol=2e-3)
    assert np.abs(v.GaussianBlur(5, (sigma, sigma))(image.astype("u1")) - expected).max() < 1.01


def test_noise_has_its_width():
    image = np.full((64, 64, 3), 128, "f4")
    noise = v.GaussianNoise(9)(image, random=SEVERAL[0]) - image
    assert abs(noise.mean()) < 0.4
    assert abs(noise.std() - 9) < 0.3
    rounded = v.GaussianNoise(9)(image.astype("u1"), random=SEVERAL[0])
    np.testing.assert_array_equal(clipped(image + noise), rounded)


@pytest.mark.parametrize("key", SEVERAL)
@pytest.mark.parametrize("shuffle", [False, True])
def test_jitter_is_its_parts_in_some_order(key, shuffle):
    image = np.array([[[90, 60, 30]]], "u1")
    always = v.ColorJitter(0, (2, 2), (0.5, 0.5), 0, p=1, shuffle=shuffle)
    parts = [v.Contrast(2, 2), v.Saturation(0.5, 0.5)]
    orders = [v.Pipeline(parts)(image), v.Pipeline(parts[::-1])(image)]
    assert any(np.array_equal(always(image, random=key), one) for one in orders)


def test_each_change_of_a_jitter_has_its_own_probability():
    image = np.array([[[90, 60, 30]]], "u1")
    only = v.ColorJitter(50, (2, 2), (0.5, 0.5), 90, p=(0, 1, 0, 0))
    assert only(image, random=SEVERAL[0]).ravel().tolist() == [180, 120, 60]


def test_normalised_numbers_are_those_of_the_formula():
    image = kit.picture()
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = (((image / 255) - mean) / std).astype("f4")
    made = v.ToTensor(mean, std)(image)
    assert made.dtype == np.float32
    assert made.flags.c_contiguous
    np.testing.assert_allclose(made, expected.transpose(2, 0, 1), rtol=2e-6, atol=1e-7)
    floats = v.ToTensor(mean, std)(image.astype("f4"))
    np.testing.assert_allclose(floats, made, rtol=2e-5, atol=2e-6)
    plain = v.ChannelNormalize((1, 2, 3), (4, 5, 6))(image)
    np.testing.assert_allclose(plain, (image - [1.0, 2, 3]) / [4, 5, 6], rtol=1e-6, atol=1e-7)
    mean_picture = np.full((40, 30, 3), 7.5)
    np.testing.assert_array_equal(image - np.float32(7.5), v.PixelNormalize(mean_picture)(image))
    np.testing.assert_array_equal(image.astype("f4"), v.ToFloat()(image))
    np.testing.assert_array_equal(
        image, v.ChannelsLast()(np.ascontiguousarray(image.T.swapaxes(1, 2)))
    )


def test_wrong_pictures_are_refused_with_the_place():
    image = kit.picture()
    for one in (v.Hue(1, 2), v.Saturation(0, 1)):
        name = type(one).__name__
        with pytest.raises(DataError, match=rf"{name}: a picture must be uint8.*got float32"):
            one(image.astype("f4"))
        with pytest.raises(DataError, match=rf"{name}: a picture must have 3 channels; got 1"):
            one(image[:, :, :1])
    with pytest.raises(DataError, match=r"ToTensor: a picture must have 3 channels.*got 1"):
        v.ToTensor((1, 2, 3))(image[:, :, :1])
    with pytest.raises(DataError, match=r"the mean's shape \(2, 2, 3\); got \(40, 30, 3\)"):
        v.PixelNormalize(np.zeros((2, 2, 3)))(image)
    with pytest.raises(DataError, match="`fill` must be a number, or one for each of 1 channels"):
        v.Pad(50, fill=(1, 2, 3))(image[:, :, :1])
    with pytest.raises(DataError, match=r"in front of ToTensor\(\)"):
        v.Pipeline(v.ToTensor(), v.Resize(4))(image)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: v.Brightness(5, 4), "high"),
        (lambda: v.Contrast(-1, 1), "low"),
        (lambda: v.Brightness(np.nan, 4), "low"),
        (lambda: v.ColorJitter(contrast=1), "contrast"),
        (lambda: v.ColorJitter(p=2), "p"),
        (lambda: v.ColorJitter(p=(1, 0)), "p"),
        (lambda: v.Grayscale(2), "channels"),
        (lambda: v.GaussianBlur(4), "kernel_size"),
        (lambda: v.GaussianBlur(3, (0, 1)), "sigma"),
        (lambda: v.ToTensor(std=0), "std"),
        (lambda: v.ToTensor((1, 2), (1, 2, 3)), "std"),
        (lambda: v.ToTensor(np.inf), "mean"),
        (lambda: v.PixelNormalize(3.0), "mean"),
    ],
)
def test_wrong_arguments_are_named(make, said):
    with pytest.raises(ArgumentError, match=f"`{said}` must be"):
        make()
