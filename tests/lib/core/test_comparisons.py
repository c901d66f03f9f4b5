"""Comparisons give booleans in all three ways to run; `where` chooses by them."""

from __future__ import annotations

import numpy as np
import pytest
from toys import Toy

from sandbox.lib import core, engine
from sandbox.lib.core import Parameter, ShapeError, Spec, Tape, Value, ops

X = np.array([[-1.0, 0.0, 2.0], [np.nan, np.inf, -np.inf]], "f4")


@pytest.mark.parametrize(
    ("name", "numpy"),
    [
        ("equal", np.equal),
        ("not_equal", np.not_equal),
        ("less", np.less),
        ("less_equal", np.less_equal),
        ("greater", np.greater),
        ("greater_equal", np.greater_equal),
    ],
)
def test_comparisons_give_what_numpy_gives_as_booleans(name, numpy):
    found = getattr(ops, name)(X, 0.0)
    program = core.predict_program(
        Toy(lambda self, x: getattr(ops, name)(x, 0.0), {}), None, Spec.of(X)
    )

    assert found.dtype == np.bool_
    np.testing.assert_array_equal(numpy(X, np.float32(0)), found.data)
    np.testing.assert_array_equal(numpy(X, np.float32(0)), program.run(X))


def test_operators_compare_elementwise_and_identity_stays_the_key():
    x = Value(X[0])

    assert (x == 0).data.tolist() == [False, True, False]
    assert (x != 0).data.tolist() == [True, False, True]
    assert (x > 0).data.tolist() == [False, False, True]
    assert (x < 0).data.tolist() == [True, False, False]
    assert (x >= 0).data.tolist() == [False, True, True]
    assert (x <= 0).data.tolist() == [True, True, False]
    assert {x: 1}[x] == 1
    assert Value(X[0]) not in {x}


def test_whole_numbers_are_compared_exactly():
    ids = np.array([2**24 + 1, -1])

    assert ops.equal(ids, 2**24).data.tolist() == [False, False]
    assert ops.less(np.array([3, 255], "u1"), -1).data.tolist() == [False, False]


def test_where_lets_nothing_of_the_other_side_through():
    x = Parameter(np.float32([1.0, np.inf, -2.0, np.nan]))
    with Tape() as tape:
        y = ops.where(ops.greater(x, 0.0), ops.negative(x), ops.multiply(x, -2.0))
        total = ops.sum(ops.where(np.array([True, False, True, False]), y, 0.0))
    (gradient,) = tape.gradients(total, [x])

    np.testing.assert_array_equal([-1.0, -np.inf, 4.0, np.nan], y.data)
    assert float(total) == 3.0
    np.testing.assert_array_equal([-1.0, 0.0, -2.0, 0.0], gradient)


def test_where_repeats_all_three_sides():
    mask, a = np.array([[True], [False]]), np.float32([[1.0, 2.0]])

    np.testing.assert_array_equal([[1.0, 2.0], [9.0, 9.0]], ops.where(mask, a, 9.0).data)


def test_logic_takes_booleans_only():
    a, b = np.array([True, True, False]), np.array([True, False, False])

    assert ops.logical_and(a, b).data.tolist() == [True, False, False]
    assert ops.logical_or(a, b).data.tolist() == [True, True, False]
    assert ops.logical_not(a).data.tolist() == [False, False, True]
    with pytest.raises(ShapeError, match="must be bool; got float32 in shape"):
        ops.logical_not(X)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "int64", "float32"])
def test_sums_of_whole_numbers_do_not_wrap(dtype):
    x = np.full((3, 100), 1 if dtype == "bool" else 120).astype(dtype)
    program = core.predict_program(Toy(lambda self, x: ops.sum(x, 1), {}), None, Spec.of(x))

    for found in (ops.sum(x, 1).data, program.run(x)):
        assert found.dtype == x.sum(1).dtype
        np.testing.assert_array_equal(x.sum(1), found)


def test_a_power_of_0_is_a_constant_also_at_0():
    x = Parameter(np.float32([0.0, -2.0]))
    with Tape() as tape:
        y = ops.power(x, 0)
        total = ops.sum(y)
    (gradient,) = tape.gradients(total, [x])

    assert y.data.tolist() == [1.0, 1.0]
    assert gradient.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("reference", [True, False])
def test_ids_behind_slices_and_arithmetic_are_checked(reference):
    weight = np.arange(10, dtype="f4").reshape(5, 2)
    ids = np.array([[1, 9], [4, 9]])

    def call(self, x):
        return ops.embedding(x[:, 0] + 1, self.p["weight"])

    module = Toy(call, {"weight": weight})
    program = core.predict_program(module, None, Spec.of(ids))
    run = program.run
    if reference:
        run = engine.use_reference()(module)
    with pytest.raises(core.DataError, match=r"ids must be integers in \[0, 5\); got 5 in row 1"):
        run(ids)
    np.testing.assert_array_equal(weight[[2, 3]], program.run(np.array([[1, 9], [2, 9]])))


def test_booleans_are_no_numbers_until_they_are_cast():
    mask = ops.greater(X, 0.0)
    program = core.predict_program(
        Toy(lambda self, x: ops.sum(ops.cast(x > 0.0, "float32")), {}), None, Spec.of(X)
    )

    assert ops.sum(ops.cast(mask, "float32")).data == np.float32(2) == program.run(X)
    assert ops.cast(np.float32([2.7, -2.7]), "int64").data.tolist() == [2, -2]
    for wrong in (ops.negative, ops.square, lambda m: ops.subtract(m, m)):
        with pytest.raises(ShapeError, match="must hold numbers; got bool"):
            wrong(mask)
