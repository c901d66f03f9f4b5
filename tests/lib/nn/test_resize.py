"""Resizing by ONNX's rules, written down element by element; norms and frames PyTorch has not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sandbox.lib import core, nn
from sandbox.lib.core import ops
from sandbox.lib.core.errors import ArgumentError, ShapeError
from sandbox.lib.engine.ops.resize import COORDINATES, ROUNDING


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def place(i, length, size, scale, coordinates):
    """Where element i lies, as in ONNX's text."""
    if coordinates == "half_pixel":
        return (i + 0.5) / scale - 0.5
    if coordinates == "half_pixel_symmetric":
        adjustment = size / (scale * length)
        return length / 2 * (1 - adjustment) + (i + 0.5) / scale - 0.5
    if coordinates == "pytorch_half_pixel":
        return (i + 0.5) / scale - 0.5 if size > 1 else 0.0
    if coordinates == "align_corners":
        return i * (length - 1) / (size - 1) if size > 1 else 0.0
    return i / scale if coordinates == "asymmetric" else (i + 0.5) / scale


def nearest(x, rounding):
    low, half = math.floor(x), x - math.floor(x) == 0.5
    if rounding in ("floor", "ceil"):
        return math.floor(x) if rounding == "floor" else math.ceil(x)
    if half:
        return low if rounding == "round_prefer_floor" else low + 1
    return round(x)


def by_hand(x, size, scale, mode, coordinates, rounding, a, exclude):
    """Resize one line."""
    length, y = len(x), []
    for i in range(size):
        at = round(place(i, length, size, scale, coordinates), 9)
        if mode == "nearest":
            y.append(x[min(max(nearest(at, rounding), 0), length - 1)])
            continue
        low = math.floor(at)
        t = at - low
        if mode == "linear":
            taps = {low: 1 - t, low + 1: t}
        else:
            distances = {low - 1: 1 + t, low: t, low + 1: 1 - t, low + 2: 2 - t}
            taps = {
                k: (a + 2) * d**3 - (a + 3) * d**2 + 1
                if d <= 1
                else a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
                for k, d in distances.items()
            }
            if exclude:
                taps = {k: w for k, w in taps.items() if 0 <= k < length}
                taps = {k: w / sum(taps.values()) for k, w in taps.items()}
        y.append(sum(w * x[min(max(k, 0), length - 1)] for k, w in taps.items()))
    return np.array(y)


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("scale", [0.6, 1.7, 2.0])
def test_grids_are_those_of_onnx(coordinates, scale):
    x = draw(2, 1, 7)
    size = math.floor(7 * scale)
    for mode, rounding, a, exclude in (
        *(("nearest", rounding, 0.0, False) for rounding in ROUNDING),
        ("linear", "floor", 0.0, False),
        ("cubic", "floor", -0.75, False),
        ("cubic", "floor", -0.5, True),
    ):
        rule = (mode, coordinates, rounding, a, exclude)
        found = ops.resize(
            core.Value(x),
            scale=scale,
            mode=mode,
            coordinates=coordinates,
            rounding=rounding,
            cubic=a,
            exclude_outside=exclude,
        ).data
        expected = np.stack([by_hand(row[0], size, scale, *rule) for row in x])[:, None]
        np.testing.assert_allclose(expected, found, atol=1e-8, err_msg=str(rule))


def test_each_axis_is_resized_by_itself():
    x = draw(2, 3, 4, 5, 6).astype("f4")
    resize = nn.Resize((5, 5, 9), mode="cubic")
    whole = resize(x)
    parts = ops.resize(x, (5, 5, 6), mode="cubic")

    np.testing.assert_allclose(
        ops.resize(parts, (5, 5, 9), mode="cubic").data, whole, atol=1e-5
    )  # float32 sums in another order


@pytest.mark.parametrize("length", [4, 5, 9])
@pytest.mark.parametrize("size", [1, 3, 7])
def test_an_area_is_the_mean_of_the_elements_it_covers(length, size):
    x = draw(1, 2, length)
    expected = [
        x[..., i * length // size : -(-(i + 1) * length // size)].mean(-1) for i in range(size)
    ]

    found = ops.resize(core.Value(x), size, mode="area").data

    np.testing.assert_allclose(np.stack(expected, -1), found, atol=1e-12)


def test_the_ancestors_bilinear_resize_is_asymmetric_or_aligned():
    x = np.arange(4.0, dtype="f4").reshape(1, 1, 1, 4)
    plain = nn.Resize((1, 8), coordinates="asymmetric")(x)
    aligned = nn.Resize((1, 7), coordinates="align_corners")(x)

    np.testing.assert_allclose([0, 0.5, 1, 1.5, 2, 2.5, 3, 3], plain.ravel())
    np.testing.assert_allclose(np.arange(7) / 2, aligned.ravel(), atol=1e-6)


def test_sizes_and_factors_must_fit_the_axes():
    with pytest.raises(ArgumentError, match="`size` must be given"):
        nn.Resize()
    with pytest.raises(ArgumentError, match="`size`"):
        nn.Resize(3, scale=2)
    with pytest.raises(ShapeError, match="3 axes"):
        nn.Upsample((2,))(np.ones((1, 1, 2, 2), "f4"))
    with pytest.raises(ShapeError, match="element left"):
        ops.resize(np.ones((1, 1, 3), "f4"), scale=0.1)


@pytest.mark.parametrize("norm", [1.0, 2.0, 3.5])
def test_pooling_by_a_norm_is_its_formula(norm):
    x = draw(2, 3, 6, 5)
    x[0, 0, :2, :2] = 0
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 2), (2, 3))[:, :, ::2, ::2]
    expected = (np.abs(windows) ** norm).sum((-2, -1)) ** (1 / norm)

    layer = nn.LPPool2d(norm, 2)

    np.testing.assert_allclose(expected, layer.call(core.Value(x)).data, atol=1e-12)


def test_a_window_of_zeros_has_no_slope():
    layer = nn.LPPool1d(2, 2)
    layer.forward(np.array([[[0, 0, 3, 4]]], "f4"))

    found = layer.backward(np.ones((1, 1, 2), "f4"))

    np.testing.assert_allclose([[[0, 0, 0.6, 0.8]]], found, atol=1e-6)


def test_poolings_pad_as_tensorflow_does():
    x = draw(1, 2, 5, 6).astype("f4")
    same = nn.AvgPool2d(3, stride=2, padding="same", include_padding=False)(x)
    sides = nn.AvgPool2d(3, stride=2, padding=((1, 1), (0, 1)), include_padding=False)(x)

    assert same.shape == (1, 2, 3, 3)
    np.testing.assert_array_equal(sides, same)


def test_windows_with_gaps_that_see_padding_only_are_refused():
    with pytest.raises(ShapeError, match="an element in each window"):
        ops.max_pool1d(np.ones((1, 1, 1), "f4"), 2, stride=1, dilation=2, padding=1)
