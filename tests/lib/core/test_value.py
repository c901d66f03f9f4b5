from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

from sandbox.lib import core
from sandbox.lib.core import ArgumentError, ShapeError, Tape, Value, ops


def test_operators_are_operations():
    a, b = Value(np.float32([4.0, 9.0])), Value(np.float32([2.0, 3.0]))

    for expected, actual in [
        ([6, 12], a + b),
        ([2, 6], a - b),
        ([8, 27], a * b),
        ([2, 3], a / b),
        ([-4, -9], -a),
        ([16, 81], a**2),
        ([4, 9], abs(-a)),
        ([5, 10], 1 + a),
        ([-3, -8], 1 - a),
        ([1, 4 / 9], 4 / a),
        ([4.5, 9.5], a + 0.5),
        (35, (a * b).sum()),
    ]:
        np.testing.assert_allclose(expected, actual.data, rtol=1e-6)
        assert np.float32 == actual.dtype


def test_arrays_on_the_left_give_values():
    y = np.float32([1.0, 2.0]) + Value(np.float32([1.0, 1.0]))

    assert isinstance(y, Value)
    np.testing.assert_array_equal([2.0, 3.0], y.data)


def test_numbers_take_the_dtype_of_the_value():
    assert np.float64 == (Value(np.ones(2)) * 0.1).dtype
    assert (Value(np.ones(1)) * 0.1).data[0] == 0.1
    assert np.int64 == (Value(np.arange(2)) + 1).dtype


@pytest.mark.parametrize("kind", ["int64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "maximum"])
def test_whole_numbers_beside_floats_take_their_dtype(name, kind):
    whole, parts = Value(np.array([0, 1], kind)), np.float32([0.5, 0.25])
    for a, b in ((whole, parts), (parts, whole)):
        assert np.float32 == getattr(ops, name)(a, b).dtype
    assert np.float64 == getattr(ops, name)(whole, parts.astype("f8")).dtype


@pytest.mark.parametrize("kind", ["int64", "int32", "uint8", "bool"])
def test_whole_numbers_joined_to_floats_take_their_dtype(kind):
    whole, parts = Value(np.array([0, 1], kind)), np.float32([0.5, 0.25])
    joined = ops.concat([whole, parts, whole], axis=0)
    assert np.float32 == joined.dtype
    np.testing.assert_array_equal(joined.data, np.float32([0, 1, 0.5, 0.25, 0, 1]))


def test_text_is_refused():
    with pytest.raises(ArgumentError, match="array of numbers; got ndarray of dtype <U1"):
        ops.relu(np.array(["a"]))


def test_shapes_that_do_not_broadcast_are_named():
    with pytest.raises(ShapeError, match=r"got \(2, 3\) and \(2,\)"):
        Value(np.ones((2, 3))) + np.ones(2)


@pytest.mark.parametrize(
    "index",
    [0, -1, slice(1, 3), (slice(None), 1), (..., 0), (0, ..., slice(0, 2)), None, (1, None, ...)],
)
def test_indexing_is_that_of_numpy(index):
    x = np.arange(24.0).reshape(3, 2, 4)

    np.testing.assert_array_equal(x[index], Value(x)[index].data)


def test_indexing_ends_a_loop_over_rows():
    assert [row.data.tolist() for row in Value(np.arange(4).reshape(2, 2))] == [[0, 1], [2, 3]]


def test_a_slice_of_step_0_is_refused():
    with pytest.raises(ArgumentError, match="step"):
        Value(np.arange(4))[::0]


@settings(max_examples=60, deadline=None)
@given(
    mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3, min_side=0),
    st.sampled_from(["add", "subtract", "multiply", "divide", "maximum", "minimum"]),
)
def test_broadcasting_follows_numpy_and_gradients_have_the_inputs_shapes(shapes, name):
    rng = core.random.rng(0)
    a, b = (Value(rng.uniform(1.0, 2.0, size=shape)) for shape in shapes.input_shapes)
    with Tape() as tape:
        y = getattr(ops, name)(a, b)
        total = y.sum()

    assert shapes.result_shape == y.shape
    np.testing.assert_array_equal(getattr(np, name)(a.data, b.data), y.data)
    da, db = tape.gradients(total, [a, b])
    assert (a.shape, b.shape) == (da.shape, db.shape)
    ones = np.broadcast_to(1.0, y.shape)
    if name == "add":
        np.testing.assert_allclose(ones.size / max(a.size, 1), da)
        np.testing.assert_allclose(ones.size / max(b.size, 1), db)


@settings(max_examples=40, deadline=None)
@given(mutually_broadcastable_shapes(num_shapes=1, max_dims=4, max_side=3), st.data())
def test_sum_to_undoes_broadcasting(shapes, data):
    small = shapes.input_shapes[0]
    extra = data.draw(st.lists(st.integers(1, 3), max_size=2))
    large = (*extra, *(n if n > 1 else data.draw(st.integers(1, 3)) for n in small))
    x = core.random.rng(1).normal(size=small)

    back = ops.sum_to(ops.broadcast_to(x, large), small)

    copies = int(np.prod(large)) // max(int(np.prod(small)), 1)
    np.testing.assert_allclose(x * copies, back.data, rtol=1e-12)
