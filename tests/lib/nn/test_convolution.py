"""Convolutions that PyTorch has not, by their formulas; padding by the words of TensorFlow."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sandbox.lib import core, engine, nn
from sandbox.lib.core import ops
from sandbox.lib.core.errors import ArgumentError, ShapeError

# 1e-5 below: float32 sums of a few tens of products near 1.


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("f4")


@pytest.mark.parametrize("size", [4, 5, 6, 7])
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), [(2, 1, 1), (3, 2, 1), (4, 3, 1), (2, 2, 3)]
)
def test_padding_same_is_that_of_tensorflow(size, kernel, stride, dilation):
    """ceil(size / stride) outputs; an odd zero is put at the end."""
    count = -(-size // stride)
    reach = (kernel - 1) * dilation + 1
    total = max((count - 1) * stride + reach - size, 0)
    ends = total // 2, total - total // 2
    x = draw(2, 3, size)
    window = {"stride": stride, "dilation": dilation, "rng": 0}

    y = nn.Conv1d(3, 2, kernel, padding="same", **window)(x)

    assert (2, 2, count) == y.shape
    np.testing.assert_array_equal(nn.Conv1d(3, 2, kernel, padding=ends, **window)(x), y)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_padding_valid_is_none(axes):
    make = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
    x = draw(1, 2, *(4,) * axes)

    np.testing.assert_array_equal(make(2, 3, 2, rng=0)(x), make(2, 3, 2, padding="valid", rng=0)(x))


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), [(3, 2, 1), (4, 2, 1), (2, 3, 1), (2, 2, 3)]
)
def test_transposed_same_is_the_transpose_of_a_convolution_with_padding_same(
    kernel, stride, dilation
):
    window = {"stride": stride, "padding": "same", "dilation": dilation, "bias": False}
    down, up = nn.Conv2d(2, 3, kernel, **window), nn.ConvTranspose2d(3, 2, kernel, **window)
    up.weight.set(down.weight.data)
    small = draw(1, 3, 3, 4)
    large = draw(1, 2, 3 * stride, 4 * stride, seed=1)

    assert large.shape == up(small).shape
    np.testing.assert_allclose((down(large) * small).sum(), (large * up(small)).sum(), rtol=1e-4)


def test_conv3d_with_windows_of_depth_1_is_conv2d_of_each_plane():
    deep, flat = nn.Conv3d(2, 3, (1, 3, 3), padding=(0, 1, 1), rng=0), nn.Conv2d(2, 3, 3, padding=1)
    flat.weight.set(deep.weight.data[:, :, 0])
    x = draw(2, 2, 4, 5, 6)

    y = deep(x)

    for plane in range(4):
        np.testing.assert_allclose(flat(x[:, :, plane]), y[:, :, plane], atol=1e-5)


def test_separable_convolution_is_one_convolution_with_multiplied_filters():
    layer = nn.SeparableConv2d(3, 4, 3, multiplier=2, padding=1, rng=0)
    depth, point = layer.depthwise.weight.data, layer.pointwise.weight.data[:, :, 0, 0]
    whole = nn.Conv2d(3, 4, 3, padding=1)
    whole.weight.set(np.einsum("ocm,cmuv->ocuv", point.reshape(4, 3, 2), depth.reshape(3, 2, 3, 3)))
    x = draw(2, 3, 5, 6)

    np.testing.assert_allclose(whole(x), layer(x), atol=1e-5)


def test_locally_connected1d_is_its_formula():
    layer = nn.LocallyConnected1d(2, 3, 7, 3, stride=2, padding=(1, 0), rng=0)
    layer.bias.set(draw(3, 3, seed=1))
    x = draw(2, 2, 7)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 0)))
    expected = np.zeros((2, 3, 3))
    for n, o, i in np.ndindex(2, 3, 3):
        window = padded[n, :, 2 * i : 2 * i + 3]
        expected[n, o, i] = (window * layer.weight.data[i, o]).sum() + layer.bias.data[o, i]

    np.testing.assert_allclose(expected, layer(x), atol=1e-5)


def test_locally_connected2d_is_its_formula():
    layer = nn.LocallyConnected2d(2, 3, (5, 4), (3, 2), stride=(2, 1), padding=((0, 2), (1, 0)))
    layer.bias.set(draw(3, 3, 4, seed=1))
    x = draw(2, 2, 5, 4)
    padded = np.pad(x, ((0, 0), (0, 0), (0, 2), (1, 0)))
    expected = np.zeros((2, 3, 3, 4))
    for n, o, i, j in np.ndindex(*expected.shape):
        window = padded[n, :, 2 * i : 2 * i + 3, j : j + 2]
        expected[n, o, i, j] = (window * layer.weight.data[i, j, o]).sum() + layer.bias.data[
            o, i, j
        ]

    np.testing.assert_allclose(expected, layer(x), atol=1e-5)


def test_locally_connected_with_equal_filters_is_a_convolution():
    local, shared = nn.LocallyConnected2d(2, 3, 6, 3, padding="same"), nn.Conv2d(2, 3, 3, padding=1)
    local.weight.set(np.broadcast_to(shared.weight.data, local.weight.shape))
    x = draw(2, 2, 6, 6)

    np.testing.assert_allclose(shared(x), local(x), atol=1e-5)


def test_a_window_that_fits_nowhere_is_refused():
    with pytest.raises(ArgumentError, match="must fit into `input_size` = \\(3, 2\\)"):
        nn.LocallyConnected2d(1, 1, (3, 2), 3)


def test_convolution_map_is_its_formula():
    links = [(0, 0), (2, 0), (1, 1), (2, 3)]
    layer = nn.ConvolutionMap(3, 4, links, (2, 3), stride=(1, 2), rng=0)
    layer.bias.set(draw(4, seed=1))
    x = draw(2, 3, 4, 7)
    expected = np.zeros((2, 4, 3, 3)) + layer.bias.data[:, None, None]
    for k, (source, target) in enumerate(links):
        for i, j in itertools.product(range(3), range(3)):
            window = x[:, source, i : i + 2, 2 * j : 2 * j + 3]
            expected[:, target, i, j] += (window * layer.weight.data[k]).sum(axis=(1, 2))

    np.testing.assert_allclose(expected, layer(x), atol=1e-5)


def test_layer_c3_of_lenet5_has_the_parameters_of_the_paper():
    """LeCun et al. 1998, table I: six maps see 3, nine see 4, one sees all 6."""
    seen = [(i, i + 1, i + 2) for i in range(6)] + [(i, i + 1, i + 2, i + 3) for i in range(6)]
    seen += [(i, i + 1, i + 3, i + 4) for i in range(3)] + [tuple(range(6))]
    links = [(source % 6, target) for target, group in enumerate(seen) for source in group]

    layer = nn.ConvolutionMap(6, 16, links, 5)

    assert sum(p.data.size for p in layer.parameters()) == 1516


def test_filters_of_an_output_start_as_wide_as_its_inputs_ask_for():
    links = [(0, 0), *((i, 1) for i in range(64))]
    weight = nn.ConvolutionMap(64, 2, links, 9, weight_init="he_normal", rng=0).weight.data

    # of 5184 numbers: within 3 %; of 81: within 30 %
    np.testing.assert_allclose(np.sqrt(2 / (64 * 81)), weight[1:].std(), rtol=0.03)
    np.testing.assert_allclose(np.sqrt(2 / 81), weight[0].std(), rtol=0.3)


@pytest.mark.parametrize(
    "links", [[], [(0, 0), (0, 0)], [(2, 0)], [(0, 3)], [(0,)], [(0, -1)], 5, "ab"]
)
def test_connections_that_are_none_are_refused(links):
    with pytest.raises(ArgumentError, match="`connections` must"):
        nn.ConvolutionMap(2, 3, links, 3)


def test_unfold_gives_windows_and_fold_counts_them():
    x = np.arange(12, dtype="f4").reshape(1, 1, 3, 4)
    columns = ops.unfold(x, 2).data

    assert columns.shape == (6, 4, 1)
    np.testing.assert_array_equal([5, 6, 9, 10], columns[4, :, 0])
    np.testing.assert_array_equal(
        [[1, 2, 2, 1], [2, 4, 4, 2], [1, 2, 2, 1]],
        ops.fold(np.ones((6, 4, 1), "f4"), (1, 1, 3, 4), 2).data[0, 0],
    )
    with pytest.raises(ShapeError, match=r"must have shape \(6, 4, 1\)"):
        ops.fold(np.ones((5, 4, 1), "f4"), (1, 1, 3, 4), 2)


@pytest.mark.usefixtures("native")
def test_places_of_a_locally_connected_layer_are_one_native_product():
    layer = nn.LocallyConnected2d(4, 8, 6, 3, rng=0)
    program = core.predict_program(layer, None, core.Spec((4, 4, 6, 6)))

    assert [step.name for step in program.executable.steps].count("matmul") == 1


@pytest.mark.parametrize("channels", [3, 17])
def test_a_transposed_convolution_of_one_pixel_is_the_same_in_a_program(channels):
    model = nn.ConvTranspose2d(channels, channels, 1, rng=0)
    x = np.random.default_rng(0).standard_normal((2, channels, 1, 1), np.float32)
    program = core.predict_program(model, None, core.Spec.of(x), plan=engine.KernelPlan())
    expected = np.einsum("nihw,io->nohw", x, model.weight.data[:, :, 0, 0])
    # 1e-5: sums of 17 products of float32
    np.testing.assert_allclose(program.run(x), expected, atol=1e-5)
