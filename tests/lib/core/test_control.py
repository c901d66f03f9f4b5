"""Loops and branches: the same numbers eagerly, in a program, by NumPy; gradients; refusals."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from toys import SumOfSquares, Toy

from sandbox.lib import core, engine
from sandbox.lib.core import ops
from sandbox.lib.core.eager_programs import EagerPredictProgram, EagerTrainProgram
from sandbox.lib.core.tracing import trace_inference, trace_training
from sandbox.lib.engine.oplist import Spec

HIDDEN, TIME = 5, 4


def normal(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def cell(self, carry, x):
    h, c = carry["h"], carry["c"]
    gates = ops.linear(x, self.p["w"], self.p["b"]) + ops.linear(h, self.p["u"])
    i, f = ops.sigmoid(gates[:, :HIDDEN]), ops.sigmoid(gates[:, HIDDEN : 2 * HIDDEN])
    g, o = ops.tanh(gates[:, 2 * HIDDEN : 3 * HIDDEN]), ops.sigmoid(gates[:, 3 * HIDDEN :])
    c = f * c + i * g
    h = o * ops.tanh(c)
    return {"h": h, "c": c}, h


def start(x):
    zeros = np.zeros((x.shape[0], HIDDEN), np.float32)
    return {"h": zeros, "c": zeros}


def lstm(**options):
    def call(self, x):
        last, ys = ops.scan(lambda c, x: cell(self, c, x), start(x), x, axis=1, **options)
        return ys + ops.reshape(last["c"], (x.shape[0], 1, HIDDEN))

    return call


def unrolled(self, x):
    carry, ys = start(x), []
    for t in range(x.shape[1]):
        carry, y = cell(self, carry, x[:, t])
        ys.append(y.reshape(x.shape[0], 1, HIDDEN))
    return ops.concat(ys, 1) + ops.reshape(carry["c"], (x.shape[0], 1, HIDDEN))


def weights(features=3):
    sizes = {"w": (4 * HIDDEN, features), "u": (4 * HIDDEN, HIDDEN), "b": (4 * HIDDEN,)}
    return {name: normal(*shape) * 0.5 for name, shape in sizes.items()}


def trained(call, parameters, x, y, how):
    """Loss, gradients and output of one step."""
    module, criterion = Toy(call, parameters), SumOfSquares()
    flat = core.FlatParameters(module)
    if how == "eager":
        program = EagerTrainProgram(module, criterion, flat, "asked for")
    else:
        program = core.train_program(module, criterion, flat, Spec.of(x), Spec.of(y))
        assert program.reason is None
    loss, _, output = program.run(x, y)
    return loss, flat.gradients.copy(), np.array(output)


def agree(call, parameters, x, *, exact=True):
    """Let all ways to run a model meet; returns the native program's results.

    A gradient that is added up in lists of lists is added up in another order than on a tape.
    """
    predicted = EagerPredictProgram(Toy(call, parameters), "asked for").run(x)
    y = normal(*predicted.shape)
    with engine.use_reference():
        expected = trained(call, parameters, x, y, "eager")
        compiled = trained(call, parameters, x, y, "program")
        for actual, wanted in zip(compiled, expected, strict=True):
            np.testing.assert_allclose(wanted, actual, rtol=0 if exact else 1e-5)
    native = trained(call, parameters, x, y, "program")
    for actual, wanted in zip(native, expected, strict=True):
        # Sums of tens of float32 numbers of size 1 in another order.
        np.testing.assert_allclose(wanted, actual, rtol=1e-4, atol=1e-5)
    program = core.predict_program(Toy(call, parameters), None, Spec.of(x))
    assert program.reason is None
    np.testing.assert_allclose(predicted, program.run(x), rtol=1e-5, atol=1e-6)
    return native


@pytest.mark.parametrize("reverse", [False, True])
def test_a_scanned_cell_gives_the_same_everywhere(reverse):
    agree(lstm(reverse=reverse), weights(), normal(2, TIME, 3))


def test_a_scan_is_its_loop_unrolled():
    x = normal(2, TIME, 3)

    scanned, loop = agree(lstm(), weights(), x), agree(unrolled, weights(), x)

    for actual, wanted in zip(scanned, loop, strict=True):
        np.testing.assert_allclose(wanted, actual, rtol=1e-5, atol=1e-6)


def test_a_reversed_scan_reads_the_last_step_first():
    _, ys = ops.scan(lambda s, x: (x, s), np.float32(0), np.float32([1, 2, 3]), reverse=True)

    assert ys.data.tolist() == [2.0, 3.0, 0.0]


def test_a_scan_needs_no_xs_and_a_body_no_ys():
    def call(self, x):
        doubled, nothing = ops.scan(lambda c, _: (c * self.p["w"], None), x, length=3)
        assert nothing is None
        return doubled

    _, _, output = agree(call, {"w": np.float32([2.0])}, np.float32([1.0, -1.0]))

    assert output.tolist() == [8.0, -8.0]


def test_only_the_last_carry_may_be_used():
    def call(self, x):
        return ops.scan(lambda c, x: (ops.tanh(c + x * self.p["w"]), c), x[0] * 0.5, x)[0]

    agree(call, {"w": normal(3)}, normal(TIME, 3))


def test_integers_in_a_scan_have_no_gradient():
    def call(self, x):
        def step(carry, at):
            index, total = carry
            return (index + 1, total + ops.embedding(at, self.p["w"])), index

        zero = (np.int64(0), np.zeros(3, np.float32))
        (count, total), indices = ops.scan(step, zero, np.int64([1, 0, 1]))
        return total * x * count + ops.reshape(indices, (3,))

    # The counter is turned into floats by arithmetic with them: 3 steps.
    _, gradients, _ = agree(call, {"w": normal(2, 3)}, normal(3))
    gradients = gradients[:6].reshape(2, 3)
    np.testing.assert_allclose(2 * gradients[0], gradients[1], rtol=1e-6)


def test_scans_nest_and_hold_branches():
    def call(self, x):
        def inner(total, value):
            positive = ops.greater(value.sum(), 0.0)
            return ops.cond(
                positive,
                lambda t, v: t + v * self.p["w"],
                lambda t, v: t - ops.square(v) * self.p["u"],
                total,
                value,
            ), total

        def outer(carry, row):
            total, history = ops.scan(inner, carry, row)
            return total * 0.5, history.sum(0)

        last, ys = ops.scan(outer, x[0, 0] * 0.0, x)
        return ys + last

    agree(call, {"w": normal(3), "u": normal(1, 3)[0]}, normal(3, 4, 3), exact=False)


@pytest.mark.parametrize("shift", [3.0, -3.0])
def test_the_gradient_of_a_branch_is_that_of_the_one_taken(shift):
    def call(self, x):
        return ops.cond(
            ops.greater(x.sum(), 0.0),
            lambda x: x * self.p["w"],
            lambda x: ops.linear(x, self.p["u"]),
            x,
        )

    parameters = {"w": normal(2, 3), "u": normal(3, 3)}
    _, gradients, _ = agree(call, parameters, normal(2, 3) + np.float32(shift))

    flat = core.FlatParameters(Toy(call, parameters))
    by_name = flat.named(gradients)
    assert by_name["w"].any() == (shift > 0)
    assert by_name["u"].any() == (shift < 0)


def halve(self, x, **options):
    return ops.while_loop(
        lambda c: ops.greater(ops.sum(ops.square(c)), 1.0),
        lambda c: c * self.p["w"],
        x,
        **options,
    )


def test_a_loop_runs_as_often_as_its_numbers_say():
    for size in (0.1, 3.0, 100.0):
        x = np.float32([size, 0.0])
        expected = x.copy()
        while np.square(expected).sum() > 1:
            expected = expected * np.float32(0.5)

        program = core.predict_program(Toy(halve, {"w": np.float32([0.5])}), None, Spec.of(x))

        assert program.reason is None
        np.testing.assert_array_equal(expected, program.run(x))
        np.testing.assert_array_equal(expected, Toy(halve, {"w": np.float32([0.5])})(x).data)
        with engine.use_reference():
            other = core.predict_program(Toy(halve, {"w": np.float32([0.5])}), None, Spec.of(x))
            np.testing.assert_array_equal(expected, other.run(x))


def test_a_loop_has_a_gradient_if_its_steps_are_limited():
    agree(lambda self, x: halve(self, x, max_steps=9), {"w": normal(3) * 0.3}, normal(3) * 20)
    with pytest.raises(core.GradientError, match="max_steps"):
        trained(halve, {"w": normal(3)}, normal(3), normal(3), "program")


def test_a_limited_loop_stops_at_its_limit():
    def call(self, x):
        return ops.while_loop(lambda c: True, lambda c: c + 1.0, x, max_steps=4)

    _, _, output = agree(lambda self, x: call(self, x) * self.p["w"], {"w": [1.0]}, normal(2) * 0)

    assert output.tolist() == [4.0, 4.0]


def test_weights_that_change_are_read_anew():
    x = normal(2, TIME, 3)
    module = Toy(lstm(), weights())
    program = core.predict_program(module, None, Spec.of(x))
    before = program.run(x).copy()

    module.p["u"].set(module.p["u"].data * 2)

    assert not np.array_equal(before, program.run(x))
    again = core.predict_program(module, None, Spec.of(x)).run(x)
    np.testing.assert_array_equal(again, program.run(x))


def test_a_clone_has_memory_of_its_own():
    x, y = normal(2, TIME, 3), normal(2, TIME, HIDDEN)
    module = Toy(lstm(), weights())
    flat = core.FlatParameters(module)
    program = core.train_program(module, SumOfSquares(), flat, Spec.of(x), Spec.of(y))
    twin = flat.replica()
    clone = program.clone(twin)

    loss = program.run(x, y)[0]
    other = clone.run(2 * x, y)[0]

    assert loss != other
    assert loss == program.run(x, y)[0] == clone.run(x, y)[0]
    np.testing.assert_array_equal(flat.gradients, twin.gradients)


@pytest.mark.parametrize("threads", [1, 2])
def test_nan_inside_of_a_list_is_kept(threads):
    def call(self, x):
        return ops.scan(lambda c, x: (c + 1.0, ops.relu(x * self.p["w"])), x[0], x)[1]

    x = normal(TIME, 64)
    module = Toy(call, {"w": normal(64)})
    program = core.predict_program(module, None, Spec.of(x), threads=threads)
    clean = program.run(x).copy()
    x[2, 3] = np.nan

    assert np.isfinite(clean).all()
    assert np.argwhere(np.isnan(program.run(x))).tolist() == [[2, 3]]
    weight = module.p["w"].data.copy()
    weight[5] = np.nan
    module.p["w"].set(weight)
    assert np.isnan(program.run(x)[:, 5]).all()


def test_other_threads_pack_weights_of_their_own():
    x = normal(2, TIME, 3)
    module = Toy(lstm(), weights())
    program = core.predict_program(module, None, Spec.of(x))
    expected = program.run(x).copy()

    with ThreadPoolExecutor(1) as pool:
        np.testing.assert_array_equal(expected, pool.submit(program.run, x).result())
        module.p["u"].set(module.p["u"].data * 2)
        changed = pool.submit(lambda: program.run(x).copy()).result()

    assert not np.array_equal(expected, changed)
    np.testing.assert_array_equal(changed, program.run(x))


def test_second_derivatives_go_through_a_scan():
    def call(self, x):
        with core.Tape() as tape:
            _, ys = ops.scan(lambda c, x: (c * x, ops.tanh(c * x)), x[0] * 0.5 + 1.0, x)
        (slope,) = tape.gradients(ys, [x])
        return slope * self.p["w"]

    agree(call, {"w": normal(TIME, 3)}, normal(TIME, 3))


def test_a_tape_inside_of_a_body_gives_values():
    def call(self, x):
        def step(carry, row):
            with core.Tape() as tape:
                energy = (ops.square(carry) * row).sum()
            return carry - tape.gradients(energy, [carry])[0] * self.p["w"], energy

        return ops.scan(step, x[0], x)[0]

    agree(call, {"w": normal(3) * 0.1}, normal(TIME, 3))


def test_dropout_inside_runs_eagerly_with_a_mask_for_each_step():
    def call(self, x):
        def step(carry, row):
            with core.scope("drop"):
                dropped = ops.dropout(row * self.p["w"], 0.5)
            return carry, dropped

        return ops.scan(step, np.float32(0), x)[1]

    x = np.ones((3, 64), np.float32)
    module = Toy(call, {"w": np.ones(64)})
    flat = core.FlatParameters(module)
    program = core.train_program(module, SumOfSquares(), flat, Spec.of(x), Spec.of(x))

    assert "dropout draws random numbers inside of scan" in program.reason
    _, _, output = program.run(x, x, core.RandomKey(1, 2, 3))
    assert not np.array_equal(output[0], output[1])
    assert set(np.unique(output)) == {0.0, 2.0}


def test_wrong_bodies_are_refused_alike():
    x = np.ones((TIME, 3), np.float32)
    cases = [
        (lambda c, x: c, "must give a pair"),
        (lambda c, x: (c.sum(), None), "the carry must keep shape"),
        (lambda c, x: ((c, c), None), "the carry must keep its structure"),
    ]
    for body, message in cases:
        module = Toy(lambda self, x, body=body: ops.scan(body, x[0], x)[0], {})
        with pytest.raises(core.SandboxError, match=message):
            module(core.Value(x))
        with pytest.raises(core.SandboxError, match=message):
            core.predict_program(module, None, Spec.of(x))
    with pytest.raises(core.ShapeError, match="must not be empty"):
        ops.scan(lambda c, x: (c, x), np.float32(0), np.zeros((0, 3), np.float32))
    with pytest.raises(core.ArgumentError, match="`length` must be given"):
        ops.scan(lambda c, x: (c, x), np.float32(0))
    with pytest.raises(core.ShapeError, match="must be 2 "):
        ops.scan(lambda c, x: (c, x), np.float32(0), x, length=2)
    with pytest.raises(core.ShapeError, match="`pred` must have one element"):
        ops.cond(x, lambda: x, lambda: x)
    unlike = Toy(lambda self, x: ops.cond(x.sum(), lambda: x, lambda: x.sum()), {})
    with pytest.raises(core.ShapeError, match="results that are alike"):
        core.predict_program(unlike, None, Spec.of(x))


def test_a_value_that_leaves_a_body_cannot_be_used():
    kept = []

    def call(self, x):
        ops.scan(lambda c, x: (kept.append(c) or c, None), x[0], x)
        return kept[0] + 1.0

    with pytest.raises(core.errors.TraceError, match="kept from another trace"):
        trace_inference(Toy(call, {}), Spec((TIME, 3)))


def test_a_list_shows_the_lists_inside():
    oplist = trace_training(
        Toy(lstm(), weights()), SumOfSquares(), Spec((2, TIME, 3)), Spec((2, TIME, HIDDEN))
    )

    (forward, backward) = [op for op in oplist.ops if op.name == "scan"]
    assert (
        forward.attrs["body"].to_dict()
        == oplist.to_dict()["ops"][oplist.ops.index(forward)]["attrs"]["body"]
    )
    assert "linear_grad_weight" in str(backward.attrs["body"])
    assert "\n    body(%0:2x5, " in str(oplist)
    assert backward.attrs["body"].constants == backward.attrs["body"].parameters == []


def test_a_cell_of_400_steps_compiles_in_a_second(monkeypatch, tmp_path):
    monkeypatch.setenv("SANDBOX_CACHE", str(tmp_path))
    module = Toy(lstm(), weights())
    x, y = Spec((16, 400, 3)), Spec((16, 400, HIDDEN))
    flat = core.FlatParameters(module)

    start = time.thread_time()
    core.train_program(module, SumOfSquares(), flat, x, y, plan=engine.KernelPlan())
    seconds = time.thread_time() - start

    assert seconds < 1.0  # unrolled: 10
