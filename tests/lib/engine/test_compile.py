"""What compiling does and does not do to a program's operations."""

from __future__ import annotations

import gc
import time

import numpy as np
import pytest
from oplists import Writer

from sandbox.lib import core, engine, nn
from sandbox.lib.core import ops
from sandbox.lib.engine import Spec

pytestmark = pytest.mark.usefixtures("native")


def refuse_negatives(x):
    if (x < 0).any():
        raise ValueError("negative")
    return np.sqrt(x)


root = core.operation(
    "tests.root",
    infer=lambda x: (x,),
    reference=refuse_negatives,
    gradient=lambda entry, dy: (dy,),
)


class Rooted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, rng=0)
        self.second = nn.Conv2d(16, 16, 3, rng=1)

    def call(self, x):
        return self.second(self.conv(root(x)))


def test_a_users_kernel_is_never_run_on_made_up_numbers():
    seen = []
    watched = core.operation(
        "tests.watched",
        infer=lambda x: (x,),
        reference=lambda x: seen.append(x.copy()) or x,
        gradient=lambda entry, dy: (dy,),
    )
    made = []
    for function in (root, watched):

        class Used(Rooted):
            def call(self, x, function=function):
                return self.second(self.conv(function(x)))

        model = Used()
        x = np.abs(np.random.Generator(np.random.PCG64(0)).standard_normal((2, 3, 8, 8), "f4"))
        program = core.predict_program(model, None, Spec.of(x), plan=engine.KernelPlan())
        made.append(program)
        assert program.reason is None
        assert seen == []
        np.testing.assert_allclose(program.run(x), model(x).data, rtol=1e-4, atol=1e-5)
    names = [step.name for step in made[0].executable.steps]
    assert names.count("conv2d") == 2
    # the other steps are native, timed one by one
    kinds = {s.implementation for s in made[0].executable.steps if s.name == "conv2d"}
    assert not kinds & {"reference", "numpy"}


def test_made_up_lengths_of_zero_do_not_stop_the_timing_of_a_program():
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 16, 3, padding=1, rng=0)

        def call(self, x, lengths):
            return self.conv(ops.reshape(ops.mask_sequence(x, lengths), (2, 1, 8, 8)))

    x, lengths = np.ones((2, 8, 8), "f4"), np.array([8, 3])
    specs = Spec.of(x), Spec.of(lengths)
    plan = engine.KernelPlan()
    model = Masked()
    program = core.predict_program(model, None, specs, plan=plan)
    assert program.reason is None
    np.testing.assert_allclose(
        program.run((x, lengths)), model(x, lengths).data, rtol=1e-4, atol=1e-5
    )
    assert any(key.startswith("program ") for key in plan._choices), "it was timed"
    with pytest.raises(core.errors.DataError):
        program.run((x, np.array([8, 0])))


def test_only_what_touches_a_value_without_elements_leaves_the_native_kernels():
    w = Writer({"x": Spec((4, 32)), "none": Spec((0, 32))})
    y = w.op("tanh", (w.ids["x"],), (4, 32))
    w.list.outputs.append(("y", y))
    empty = w.op("tanh", (w.ids["none"],), (0, 32))
    w.list.outputs.append(("empty", empty))
    joined = w.op("concat", (y, empty), (4, 32), axis=0)
    w.list.outputs.append(("joined", joined))
    total = w.op("sum", (empty,), (32,), axes=(0,), keepdims=False)
    w.list.outputs.append(("total", total))
    program = engine.compile(w.list, {})
    x = np.linspace(-1, 1, 128, dtype="f4").reshape(4, 32)
    found = [array.copy() for array in program.run([x, np.zeros((0, 32), "f4")])]

    np.testing.assert_allclose(found[0], np.tanh(x), rtol=1e-5, atol=1e-6)
    assert found[1].shape == (0, 32)
    np.testing.assert_array_equal(found[2], found[0])
    np.testing.assert_array_equal(found[3], np.zeros(32, "f4"))
    ways = [(step.name, step.implementation) for step in program.steps]
    assert ways[0][0] == "tanh"
    assert ways[0][1] not in ("reference", "numpy"), ways


@pytest.mark.parametrize("training", [False, True])
def test_layers_of_a_batch_without_rows_give_no_rows_and_gradients_of_zero(training):
    model = nn.Sequential(
        conv=nn.Conv2d(1, 4, 3, rng=0),
        relu=nn.ReLU(),
        flat=nn.Flatten(),
        fc=nn.Linear(16, 2, rng=0),
    )
    if training:
        flat = core.FlatParameters(model)

        class Total:
            def call(self, output, target):
                return ops.sum(output)

            def weight(self, target):
                return 1.0

            def check_output(self, output):
                pass

        program = core.train_program(model, Total(), flat, Spec((0, 1, 4, 4)), Spec((0, 2)))
        flat.gradients.fill(7)
        loss, _, output = program.run(np.zeros((0, 1, 4, 4), "f4"), np.zeros((0, 2), "f4"))
        assert loss == 0
        assert output.shape == (0, 2)
        assert all((flat.gradient(name) == 0).all() for name in flat.views)
    else:
        program = core.predict_program(model, None, Spec((0, 1, 4, 4)))
        assert program.run(np.zeros((0, 1, 4, 4), "f4")).shape == (0, 2)


class Cell(nn.Module):
    """An LSTM cell, unrolled."""

    def __init__(self, steps: int, size: int = 8) -> None:
        super().__init__()
        self.steps, self.size = steps, size
        self.inner = nn.Linear(4, 4 * size, rng=0)
        self.state = nn.Linear(size, 4 * size, bias=False, rng=1)

    def call(self, x):
        n = self.size
        h = c = np.zeros((x.shape[0], n), np.float32)
        for step in range(self.steps):
            gates = ops.add(self.inner(x[:, step]), self.state(h))
            keep, take, give = (ops.sigmoid(gates[:, k * n : (k + 1) * n]) for k in range(3))
            c = ops.add(ops.multiply(keep, c), ops.multiply(take, ops.tanh(gates[:, 3 * n :])))
            h = ops.multiply(give, ops.tanh(c))
        return h


def test_an_unrolled_cell_compiles_in_time_that_grows_with_its_length():
    def seconds(steps: int) -> float:
        model = Cell(steps)
        specs = (Spec((2, steps, 4)),)
        oplist = core.trace_training(model, Total(), specs, Spec((2, 8)))
        flat = core.FlatParameters(model)
        plan = engine.KernelPlan(frozen=True)
        best = float("inf")
        for _ in range(2):
            start = time.process_time()
            engine.compile(oplist, flat.storage(), plan=plan)
            best = min(best, time.process_time() - start)
        return best

    class Total:
        def call(self, output, target):
            return ops.sum(output)

    # four times the length: four times the time; 16 times where all values are compared
    assert seconds(160) < 9 * seconds(40)


@pytest.mark.parametrize("before", [True, False])
def test_the_search_for_garbage_is_after_compiling_as_it_was(before):
    w = Writer({"x": Spec((4, 32))})
    w.list.outputs.append(("y", w.op("tanh", (w.ids["x"],), (4, 32))))
    was = gc.isenabled()
    try:
        (gc.enable if before else gc.disable)()
        engine.compile(w.list, {})
        assert gc.isenabled() is before
    finally:
        (gc.enable if was else gc.disable)()
