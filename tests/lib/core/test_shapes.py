"""Every operation refuses what does not fit, with axis, value and shape."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib.core import ArgumentError, DataError, ShapeError, ops

F = "float32"


def ones(*shape):
    return np.ones(shape, F)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: ops.conv2d(ones(2, 1, 8, 8), ones(4, 3, 3, 3)),
            r"input axis 1 must be 3 \(in_channels\); got 1 in shape \(2, 1, 8, 8\)\. Gray images",
        ),
        (lambda: ops.conv2d(ones(2, 8, 8), ones(4, 3, 3, 3)), "input must have 4 axes"),
        (
            lambda: ops.conv2d(ones(2, 3, 2, 8), ones(4, 3, 3, 3)),
            r"input axis 2 must be at least 3 .*got 2 in shape",
        ),
        (lambda: ops.conv2d(ones(2, 4, 8, 8), ones(3, 2, 3, 3), groups=2), "multiple of groups=2"),
        (lambda: ops.conv2d(ones(2, 3, 8, 8), ones(4, 3, 3, 3), ones(3)), r"bias .* got \(3,\)"),
        (
            lambda: ops.conv2d(np.ones((2, 3, 8, 8), "uint8"), ones(4, 3, 3, 3)),
            r"input dtype must be float32 or float64; got uint8.*astype",
        ),
        (lambda: ops.linear(ones(2, 4), ones(5, 3)), r"axis 1 must be 3 \(in_features\); got 4"),
        (lambda: ops.matmul(np.float32(3), ones(3, 2)), "needs axes on both sides"),
        (lambda: ops.matmul(ones(2, 3), ones(2, 3)), "last axis equal"),
        (lambda: ops.max_pool2d(ones(1, 1, 2, 2), 3), "axis 2 must be at least 3"),
        (lambda: ops.batch_norm(ones(2, 3), ones(4), ones(4)), "axis 1 must be 4"),
        (lambda: ops.batch_norm(ones(0, 3), ones(3), ones(3)), "at least one row"),
        (lambda: ops.batch_norm(ones(2), ones(2), ones(2)), "2 .* axes"),
        (lambda: ops.reshape(ones(2, 3), (4, -1)), r"shape \(4, -1\); got 6 elements"),
        (lambda: ops.reshape(ones(2, 3), (4, 2)), "8 elements .* got 6"),
        (lambda: ops.concat([ones(2, 3), ones(3, 3)], 1), r"got \(2, 3\) and \(3, 3\)"),
        (lambda: ops.slice(ones(2, 3), (0, 0), (2, 4)), r"slice of axis 1 must lie in \[0, 3\]"),
        (lambda: ops.broadcast_to(ones(2, 3), (2, 4)), r"\(2, 3\) must broadcast to \(2, 4\)"),
        (lambda: ops.mean(ones(0, 3), 0), "axis 0 must not be empty"),
        (lambda: ops.softmax_cross_entropy(ones(2, 3), ones(2)), "labels must be integers"),
        (lambda: ops.softmax_cross_entropy(ones(2, 3), np.zeros(3, int)), "2; got 3"),
        (
            lambda: ops.nll(ones(2, 3), np.zeros(2, int), ones(2)),
            r"class_weights must .* \(3,\); got \(2,\)",
        ),
    ],
)
def test_wrong_shapes_are_refused_with_axis_value_and_shape(call, message):
    with pytest.raises(ShapeError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.conv2d(ones(1, 1, 4, 4), ones(1, 1, 3, 3), stride=0), "`stride`"),
        (lambda: ops.conv2d(ones(1, 1, 4, 4), ones(1, 1, 3, 3), padding=-1), "`padding`"),
        (lambda: ops.max_pool2d(ones(1, 1, 4, 4), 2, padding=2), "`padding` must be smaller than"),
        (lambda: ops.dropout(ones(2), 1.5), r"`p` must be a number in \[0, 1\]; got 1.5"),
        (lambda: ops.softmax(ones(2, 3), 2), "`axis`"),
        (lambda: ops.transpose(ones(2, 3), (0, 0)), "`axes` must name each of 2 axes once"),
        (lambda: ops.sum(ones(2, 3), (0, 0)), "`axes` must name an axis once"),
        (lambda: ops.reshape(ones(4), (-1, -1)), "at most one -1"),
        (lambda: ops.concat([]), "at least one input"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_labels_out_of_range_name_row_and_value(dtype):
    labels = np.array([0, 2, 3, 1], dtype)
    with pytest.raises(DataError, match=r"integers in \[0, 3\); got 3 in row 2 \(1 of 4"):
        ops.softmax_cross_entropy(ones(4, 3), labels)


def test_negative_labels_are_found():
    with pytest.raises(DataError, match=r"got -1 in row 1"):
        ops.nll(ones(2, 3), np.array([0, -1]))


@pytest.mark.parametrize(
    "call",
    [
        lambda: ops.conv2d(ones(0, 3, 8, 8), ones(4, 3, 3, 3), ones(4)),
        lambda: ops.linear(ones(0, 3), ones(4, 3)),
        lambda: ops.max_pool2d(ones(0, 3, 4, 4), 2),
        lambda: ops.avg_pool2d(ones(0, 3, 4, 4), 2),
        lambda: ops.softmax(ones(0, 3)),
        lambda: ops.log_softmax(ones(0, 3)),
        lambda: ops.flatten(ones(0, 3, 2)),
        lambda: ops.batch_norm_inference(ones(0, 3), ones(3), ones(3), ones(3), ones(3)),
    ],
)
def test_empty_batches_give_empty_batches(call):
    assert call().shape[0] == 0


def test_empty_batches_have_no_loss():
    assert float(ops.softmax_cross_entropy(ones(0, 3), np.zeros(0, int))) == 0.0


def test_minus_one_in_reshape_with_an_empty_batch():
    assert ops.reshape(ones(0, 2, 3), (-1, 6)).shape == (0, 6)
