from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from toys import SumOfSquares, Toy

from sandbox.lib import core, engine
from sandbox.lib.core import (
    FlatParameters,
    GradientError,
    Parameter,
    ShapeError,
    Spec,
    Tape,
    Value,
    as_value,
    ops,
    train_program,
)


def test_a_value_used_twice_gets_both_gradients():
    x = Value(np.float32([3.0]))
    with Tape() as tape:
        y = x * x + x

    np.testing.assert_array_equal([7.0], tape.gradients(y, [x])[0])


def test_a_parameter_used_in_two_places_gets_both_gradients():
    weight = Parameter([[2.0]])
    x = np.float32([[5.0]])
    with Tape() as tape:
        y = ops.linear(ops.linear(x, weight), weight)

    np.testing.assert_array_equal([[20.0]], tape.gradients(y, [weight])[0])


def test_what_the_result_does_not_depend_on_gets_zeros():
    x, other = Value(np.float32([1.0])), Parameter([1.0, 2.0])
    with Tape() as tape:
        y = x * 2.0

    np.testing.assert_array_equal([0.0, 0.0], tape.gradients(y, [other])[0])


def test_gradients_of_values_in_the_middle_are_given():
    x = Value(np.float32([2.0]))
    with Tape() as tape:
        middle = x * 3.0
        y = middle * middle

    gradients = tape.gradients(y, [x, middle])

    assert [float(g[0]) for g in gradients] == [36.0, 12.0]


def test_a_seed_weights_the_result():
    x = Value(np.float32([1.0, 2.0]))
    with Tape() as tape:
        y = x * 2.0

    np.testing.assert_array_equal([2.0, 20.0], tape.gradients(y, [x], seed=[1.0, 10.0])[0])


def test_a_seed_of_another_shape_is_refused():
    x = Value(np.float32([1.0, 2.0]))
    with Tape() as tape:
        y = x * 2.0

    with pytest.raises(ShapeError, match=r"`seed` must have y's shape \(2,\); got \(3,\)"):
        tape.gradients(y, [x], seed=np.ones(3))


def test_a_tape_is_used_once_unless_kept():
    x = Value(np.float32([1.0]))
    with Tape() as tape:
        y = x * 2.0
    tape.gradients(y, [x])
    with pytest.raises(GradientError, match=r"used up.*Tape\(keep=True\)"):
        tape.gradients(y, [x])

    with Tape(keep=True) as kept:
        y = x * 2.0

    assert kept.gradients(y, [x])[0] == kept.gradients(y, [x])[0] == 2.0


def test_nodes_are_freed_while_the_tape_is_walked():
    alive = []
    x = Value(np.ones(4, "float32"))
    with Tape() as tape:
        y = x
        for _ in range(4):
            y = ops.tanh(y)
            alive.append(weakref.ref(y))
    seen = []

    @ops.activation._tanh.gradient
    def counting(entry, dy, rule=ops.activation._tanh.gradient_rule):
        gc.collect()
        seen.append(sum(ref() is not None for ref in alive))
        return rule(entry, dy)

    try:
        tape.gradients(y, [x])
    finally:
        ops.activation._tanh.gradient(ops.activation._tanh_gradient)

    assert seen == [4, 4, 3, 2]  # y itself is held here, the others go one by one


def test_operations_outside_of_the_block_are_not_recorded():
    x = Value(np.float32([1.0]))
    with Tape() as tape:
        y = x * 2.0
    ops.exp(y)

    assert len(tape.entries) == 1


def test_gradients_inside_of_the_block_do_not_record_themselves():
    x = Value(np.float32([1.0]))
    with Tape(keep=True) as tape:
        y = ops.exp(x)
        tape.gradients(y, [x])

        assert len(tape.entries) == 1


def test_threads_have_their_own_tapes():
    weight = Parameter(np.ones((3, 3)))

    def work(k):
        x = np.full((2, 3), k, "float32")
        with Tape() as tape:
            y = ops.tanh(ops.linear(x, weight)).sum()
        return tape.gradients(y, [weight])[0]

    numbers = [0.1 * k for k in range(20)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, numbers))

    with engine.threads.limit(1):  # as in the workers: the order of sums depends on it
        expected = [work(k) for k in numbers]
    for one, gradient in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, gradient)


def test_frozen_branches_cost_no_gradient_operations():
    calls = []
    x, w = np.ones((2, 3), "float32"), Parameter(np.ones((4, 3)))
    with Tape() as tape:
        y = ops.linear(x, w)
    tape.entries[0].function.gradient_rule, rule = (
        lambda entry, dy: calls.append(list(entry.needs)) or rule(entry, dy),
        tape.entries[0].function.gradient_rule,
    )
    try:
        tape.gradients(y, [w])
    finally:
        ops.linear.__globals__["_linear"].gradient_rule = rule

    assert calls == [[False, True]]


def test_what_runs_under_an_inner_tape_is_recorded_by_the_outer_one_too():
    x = Value(np.float32([2.0, 3.0]))
    with Tape() as outer:
        with Tape() as inner:
            y = x * x
        z = (y * 2.0).sum()
    np.testing.assert_array_equal([4.0, 6.0], inner.gradients(y, [x])[0])
    np.testing.assert_array_equal([8.0, 12.0], outer.gradients(z, [x])[0])


@pytest.mark.parametrize("inside", [False, True])
def test_a_gradient_under_an_outer_tape_has_a_gradient(inside):
    x = Value(np.float32([2.0, 3.0]))
    with Tape() as outer:
        with Tape() as inner:
            y = (x * x * x).sum()
            if inside:
                (slope,) = inner.gradients(y, [x])
        if not inside:
            (slope,) = inner.gradients(y, [x])
        penalty = ops.square(slope).sum()
    np.testing.assert_array_equal([12.0, 27.0], slope.data)
    # d/dx (3 x^2)^2 = 36 x^3
    np.testing.assert_array_equal([36.0 * 8, 36.0 * 27], outer.gradients(penalty, [x])[0])


def test_a_tape_inside_a_traced_module_gives_its_gradients():
    def call(self, x):
        x = x * 1.0
        with Tape() as tape:
            y = (x * x * self.p["w"]).sum()
        return as_value(tape.gradients(y, [x])[0])  # 2 x w

    x = np.full((2, 3), 3.0, "f4")
    for forced in (False, True):
        module = Toy(call, {"w": np.full(3, 2.0)})
        flat = FlatParameters(module)
        program = train_program(module, SumOfSquares(), flat, Spec.of(x), Spec.of(x))
        assert program.reason is None
        if forced:
            program = core.EagerTrainProgram(module, SumOfSquares(), flat, "for the test")
        loss, _, output = program.run(x, 0 * x)
        np.testing.assert_array_equal(np.full((2, 3), 12.0), output)
        assert loss == 6 * 144.0
        # d/dw (2 x w)^2 = 8 x^2 w, of two rows
        np.testing.assert_array_equal(np.full(3, 2 * 8 * 9 * 2.0), flat.gradient("w"))


def test_a_tape_opened_again_keeps_what_it_has():
    x = Value(np.float32([2.0]))
    with Tape() as tape:
        y = x * x
    with Tape(), tape:
        z = (y * y).sum()
    with tape:
        z = z * 2.0
    np.testing.assert_array_equal([64.0], tape.gradients(z, [x])[0])


def test_several_results_are_walked_back_at_once():
    x = Value(np.float32([2.0, 3.0]))
    with Tape() as tape:
        y = {"a": x * 3.0, "b": x * x}
    seed = {"a": np.float32([1.0, 0.0]), "b": np.float32([0.0, 1.0])}
    np.testing.assert_array_equal([3.0, 6.0], tape.gradients(y, [x], seed)[0])
