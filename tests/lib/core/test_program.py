"""Programs and their eager stand-ins: the same numbers, in one thread or in many."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from toys import CrossEntropy, SumOfSquares, Toy, batch, convolutional, make, perceptron

from sandbox.lib import core, engine
from sandbox.lib.core import FlatParameters, RandomKey, Spec, ops

# Native kernels sum in another order than NumPy: a few units in the last place of the largest term.
CLOSE = {"rtol": 1e-4, "atol": 2e-5}


@pytest.mark.parametrize("weights", [None, [1.0, 0.5, 2.0, 1.0, 1.0]])
def test_program_equals_eager_in_loss_gradients_and_buffers(weights):
    x, target = batch()
    key = RandomKey(3, 5, 7)
    results = []
    for eager in (False, True):
        module = convolutional()
        flat, program = make(module, CrossEntropy(weights), x, target)
        assert program.reason is None
        if eager:
            program = core.EagerTrainProgram(module, CrossEntropy(weights), flat, "for the test")
        loss, weight, output = program.run(x, target, key)
        results.append((loss, weight, output.copy(), flat.gradients.copy(), flat.buffers.copy()))

    for traced, eager in zip(*results, strict=True):
        np.testing.assert_allclose(eager, traced, **CLOSE)
    assert np.abs(results[0][3]).max() > 0.1
    assert np.abs(results[0][4]).max() > 0.1


def test_with_reference_kernels_program_and_eager_are_bit_equal():
    x, target = batch()
    with engine.use_reference():
        module = convolutional()
        flat, program = make(module, CrossEntropy(), x, target)
        stand_in = core.EagerTrainProgram(module, CrossEntropy(), flat, "for the test")
        before = flat.buffers.copy()
        loss = program.run(x, target, RandomKey(1))[0]
        gradients, buffers = flat.gradients.copy(), flat.buffers.copy()
        flat.buffers[:] = before
        again = stand_in.run(x, target, RandomKey(1))[0]

    assert loss == again
    np.testing.assert_array_equal(gradients, flat.gradients)
    np.testing.assert_array_equal(buffers, flat.buffers)


def test_gradients_are_those_of_the_sum_over_the_rows():
    x, target = batch(4)
    module = perceptron()
    x, target = core.random.rng(0).normal(size=(4, 3)).astype("float32"), np.ones((4, 2), "float32")
    flat, program = make(module, SumOfSquares(), x, target)
    loss, weight, _ = program.run(x, target)
    total = flat.gradients.copy()
    parts = np.zeros_like(total)
    losses = 0.0
    for half in (slice(0, 2), slice(2, 4)):
        program = core.train_program(
            module, SumOfSquares(), flat, Spec((2, 3)), Spec((2, 2), "float32")
        )
        losses += program.run(x[half], target[half])[0]
        parts += flat.gradients

    assert weight == 4.0
    np.testing.assert_allclose(losses, loss, rtol=1e-5)
    np.testing.assert_allclose(parts, total, **CLOSE)


def test_running_statistics_are_those_of_the_formula():
    x, target = batch()
    module = convolutional()
    _, program = make(module, CrossEntropy(), x, target)
    program.run(x, target, RandomKey(0))

    with engine.use_reference():
        p = module.p
        y = ops.conv2d(x, p["conv.weight"], p["conv.bias"], padding=1).data
    np.testing.assert_allclose(0.1 * y.mean((0, 2, 3)), module.b["bn.mean"].data, **CLOSE)
    expected = 0.9 + 0.1 * y.var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(expected, module.b["bn.variance"].data, **CLOSE)


def test_masks_follow_step_and_position_of_the_row():
    def call(self, x):
        with core.scope("drop"):
            return ops.dropout(x, 0.5) * self.p["w"]

    x, target = np.ones((6, 40), "float32"), np.zeros((6, 40), "float32")
    module = Toy(call, {"w": np.ones(40)})
    flat, program = make(module, SumOfSquares(), x, target)
    whole = program.run(x, target, RandomKey(1, 2, 0))[2].copy()
    half = core.train_program(module, SumOfSquares(), flat, Spec((3, 40)), Spec((3, 40)))

    np.testing.assert_array_equal(whole[3:], half.run(x[:3], target[:3], RandomKey(1, 2, 3))[2])
    assert (whole != program.run(x, target, RandomKey(1, 3, 0))[2]).any()
    eager = core.EagerTrainProgram(module, SumOfSquares(), flat, "for the test")
    np.testing.assert_array_equal(whole, eager.run(x, target, RandomKey(1, 2, 0))[2])


def test_dropout_used_twice_draws_two_masks_in_both_ways():
    def call(self, x):
        with core.scope("drop"):
            return ops.concat([ops.dropout(x, 0.5), ops.dropout(x, 0.5)]) * self.p["w"]

    x, target = np.ones((2, 50), "float32"), np.zeros((2, 100), "float32")
    module = Toy(call, {"w": np.ones(100)})
    flat, program = make(module, SumOfSquares(), x, target)
    traced = program.run(x, target, RandomKey(1))[2].copy()
    eager = core.EagerTrainProgram(module, SumOfSquares(), flat, "").run(x, target, RandomKey(1))[2]

    assert (traced[:, :50] != traced[:, 50:]).any()
    np.testing.assert_array_equal(traced, eager)


def test_parameters_without_part_in_the_loss_have_zero_gradients():
    module = perceptron()
    module.p["spare"] = core.Parameter(np.ones(3, "float32"), "spare")
    module.p["a.bias"].trainable = False
    x, target = np.ones((4, 3), "float32"), np.ones((4, 2), "float32")
    flat, program = make(module, SumOfSquares(), x, target)
    flat.gradients[:] = 9.0
    program.run(x, target)

    assert 0.0 == np.abs(flat.gradient("spare")).max() == np.abs(flat.gradient("a.bias")).max()
    assert np.abs(flat.gradient("a.weight")).max() not in (0.0, 9.0)


def test_untraceable_modules_run_eagerly_and_say_why():
    def call(self, x):
        scale = 1.0 if float(ops.sum(x)) > 0 else -1.0
        return x * self.p["w"] * scale

    x, target = np.ones((4, 3), "float32"), np.zeros((4, 3), "float32")
    flat, program = make(Toy(call, {"w": np.ones(3)}), SumOfSquares(), x, target)

    assert "numbers of a value are looked at" in program.reason
    assert program.run(x, target)[:2] == (12.0, 4.0)
    np.testing.assert_array_equal([8.0, 8.0, 8.0], flat.gradient("w"))


def test_python_that_cannot_deal_with_symbols_runs_eagerly():
    def call(self, x):
        return x * {np.ndarray: 1.0}[type(x._data)] if type(x) is core.Value else x * [][1]

    program = core.predict_program(Toy(call, {}), None, Spec((2, 3)))

    assert "IndexError while tracing" in program.reason
    np.testing.assert_array_equal(np.ones((2, 3)), program.run(np.ones((2, 3), "float32")))


def test_sandbox_eager_forces_eager_runs(monkeypatch):
    monkeypatch.setenv("SANDBOX_EAGER", "1")
    x, target = batch()
    _, program = make(convolutional(), CrossEntropy(), x, target)

    assert program.reason == "SANDBOX_EAGER=1 asks for it"
    assert (
        core.predict_program(convolutional(), None, Spec.of(x)).reason
        == "SANDBOX_EAGER=1 asks for it"
    )


def test_prediction_follows_changed_parameters_wherever_they_live():
    module = perceptron()
    x = np.ones((2, 3), "float32")
    program = core.predict_program(module, None, Spec((2, 3)))
    first = program.run(x).copy()
    module.p["b.weight"].set(2.0 * module.p["b.weight"].data)
    np.testing.assert_allclose(2 * first, program.run(x), rtol=1e-5)

    flat = FlatParameters(module)  # the numbers move
    np.testing.assert_allclose(2 * first, program.run(x), rtol=1e-5)
    flat.value("b.weight")[...] *= 2.0
    flat.touch()
    np.testing.assert_allclose(4 * first, program.run(x), rtol=1e-5)


def test_prediction_runs_in_many_threads():
    module = convolutional()
    program = core.predict_program(module, None, Spec((3, 2, 6, 6)))
    xs = [batch(3, seed)[0] for seed in range(6)]
    expected = [program.run(x).copy() for x in xs]

    def work(k):
        for _ in range(5):
            np.testing.assert_array_equal(expected[k], program.run(xs[k]))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(6)))


@pytest.mark.usefixtures("native")
def test_predictions_of_a_thread_share_memory_and_disturb_no_results():
    """Sixteen lengths of texts would else keep sixteen times the memory of the longest."""
    module = convolutional()
    rows = (3, 9, 6)
    programs = [core.predict_program(module, None, Spec((n, 2, 6, 6))) for n in rows]
    xs = [batch(n)[0] for n in rows]
    alone = [core.predict_program(module, None, Spec(x.shape)).run(x).copy() for x in xs]
    found = [program.run(x) for program, x in zip(programs, xs, strict=True)]
    for wanted, got in zip(alone, found, strict=True):
        np.testing.assert_array_equal(wanted, got)  # none has overwritten another's output
    assert programs[1].executable._workspace is programs[2].executable._workspace
    with ThreadPoolExecutor(1) as pool:
        pool.submit(programs[1].run, xs[1]).result()
        other = pool.submit(programs[1]._mine).result()
    assert other._workspace is not programs[1].executable._workspace


@pytest.mark.parametrize("eager", [False, True])
def test_replicas_in_threads_give_the_bits_of_serial_runs(eager):
    x, target = batch(12)
    module = convolutional()
    flat, program = make(module, CrossEntropy(), x[:4], target[:4])
    if eager:
        program = core.EagerTrainProgram(module, CrossEntropy(), flat, "for the test")
    shares = [(x[k : k + 4], target[k : k + 4], RandomKey(1, 0, k)) for k in (0, 4, 8)]
    start = flat.buffers.copy()
    twins = [program.clone(flat.replica()) for _ in shares]

    def work(k):
        for _ in range(10):
            twins[k].flat.buffers[:] = start
            twins[k].run(*shares[k])
        return twins[k].flat.gradients.copy(), twins[k].flat.buffers.copy()

    # One thread for each kernel, as in the workers: the order of sums depends on their number.
    with engine.threads.limit(1):
        expected = [work(k) for k in range(3)]
    with ThreadPoolExecutor(3) as pool:
        for (gradients, buffers), (g, b) in zip(expected, pool.map(work, range(3)), strict=True):
            np.testing.assert_array_equal(gradients, g)
            np.testing.assert_array_equal(buffers, b)
    np.testing.assert_array_equal(start, flat.buffers)


def test_several_inputs_and_outputs():
    def call(self, a, b):
        return ops.add(a, b) * self.p["w"], ops.subtract(a, b)

    class Both:
        def call(self, output, target):
            return ops.square(output[0] - target).sum() + ops.square(output[1]).sum()

        def weight(self, target):
            return 1.0

    module = Toy(call, {"w": np.ones(3)})
    flat = FlatParameters(module)
    spec = Spec((2, 3))
    a, b = np.full((2, 3), 2.0, "float32"), np.ones((2, 3), "float32")
    program = core.train_program(module, Both(), flat, (spec, spec), spec)
    loss, _, outputs = program.run((a, b), b)

    assert (loss, len(outputs)) == (24.0 + 6.0, 2)
    predict = core.predict_program(module, flat, (spec, spec))
    np.testing.assert_array_equal(a - b, predict.run((a, b))[1])


def test_no_gradient_flows_through_running_statistics_that_are_read_after_their_update():
    def call(self, x):
        y, mean, variance = ops.batch_norm(
            ops.multiply(x, self.p["scale"]), np.ones(2, "f4"), np.zeros(2, "f4")
        )
        statistics = self.b["mean"], self.b["variance"]
        if core.context().training:
            ops.update_running(*statistics, mean, variance, momentum=0.5, count=6)
        return y + self.b["mean"] * 2.0

    x = np.random.default_rng(0).normal(size=(6, 2)).astype("float32")
    target = np.zeros((6, 2), "float32")
    found = []
    for eager in (True, False):
        module = Toy(call, {"scale": [0.5, 2.0]}, {"mean": [1.0, 2.0], "variance": [1.0, 1.0]})
        flat = FlatParameters(module)
        if eager:
            program = core.EagerTrainProgram(module, SumOfSquares(), flat, "for the test")
        else:
            program = core.train_program(module, SumOfSquares(), flat, Spec.of(x), Spec.of(target))
            assert program.reason is None
        loss = program.run(x, target)[0]
        found.append((loss, flat.gradient("scale").copy(), flat.buffers.copy()))

    # Normalised inputs do not depend on their scale, and the statistics give no gradient.
    for loss, gradient, buffers in found:
        assert loss == pytest.approx(found[0][0], rel=1e-5)
        np.testing.assert_allclose(gradient, 0, atol=2e-3)  # sums of a float32 that cancel
        np.testing.assert_allclose(buffers, found[0][2], rtol=1e-5)


def test_a_step_without_anything_to_train_sees_changed_weights():
    x, target = np.ones((2, 3), "f4"), np.zeros((2, 3), "f4")
    module = Toy(lambda self, x: ops.multiply(ops.square(self.p["w"]), x), {"w": [1.0, 2.0, 3.0]})
    module.p["w"].trainable = False
    _, program = make(module, SumOfSquares(), x, target)
    assert program.run(x, target)[0] == 2 * (1 + 16 + 81)

    module.p["w"].set([1.0, 1.0, 2.0])

    assert program.run(x, target)[0] == 2 * (1 + 1 + 16)
