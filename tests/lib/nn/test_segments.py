"""Models that cannot be traced as a whole: their parts are programs, with the same results."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import core, engine, nn
from sandbox.lib.core import RandomKey, ops
from sandbox.lib.core.eager_programs import EagerPredictProgram, EagerTrainProgram
from sandbox.lib.criterion import MSE, CrossEntropy
from sandbox.lib.engine.oplist import Spec

KEY = RandomKey(3, 1, 7)


class Look(nn.Module):
    """Cannot be traced: it looks at a number."""

    def call(self, x):
        return x * 2.0 if float(x.data.reshape(-1)[0]) > 0 else x * 0.5


class Positive(nn.Module):
    """Gives as many rows as have a positive sum, at least one: its size depends on data."""

    def call(self, x):
        rows = np.flatnonzero(x.data.sum(axis=1) > 0)
        return ops.concat([x[int(row) : int(row) + 1] for row in [*rows, 0]], 0)


def convolutional(look=True):
    return nn.Sequential(
        conv1=nn.Conv2d(2, 4, 3, padding=1, rng=0),
        bn1=nn.BatchNorm(4),
        relu1=nn.ReLU(),
        middle=nn.Sequential(*([Look()] if look else []), nn.Dropout(0.4), nn.ReLU()),
        conv2=nn.Conv2d(4, 4, 3, padding=1, rng=1),
        bn2=nn.BatchNorm(4),
        drop=nn.Dropout(0.3),
        pool=nn.GlobalAvgPool2d(),
        fc=nn.Linear(4, 3, rng=2),
    )


def branched():
    x = nn.Input()
    shared = nn.Sequential(nn.Linear(5, 5, rng=0), nn.Dropout(0.5), name="shared")
    h = shared(x)
    left, right = nn.Tanh()(h), Look(name="look")(h)
    joined = nn.Add()(shared(nn.ReLU()(left)), right)
    return nn.Graph(x, nn.Linear(10, 3, rng=1)(nn.Concat()(joined, left)))


class Custom(nn.Module):
    """Python of its own between modules, in a tree."""

    def __init__(self):
        self.first = nn.Sequential(nn.Linear(5, 5, rng=0), nn.Dropout(0.5), nn.Tanh())
        self.look = Look()
        self.last = nn.Linear(10, 3, rng=1)

    def call(self, x):
        a = self.first(x)
        b = self.look(a)
        if float(b.data.sum()) > -1e9:
            b = self.first(b)
        return self.last(ops.concat([a, b], 1))


MODELS = {
    "convolutional": (convolutional, (4, 2, 5, 5), 3),
    "branched": (branched, (4, 5), 2),
    "custom": (Custom, (4, 5), 3),
}


def inputs(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def step(model, x, program_of, frozen=()):
    """Loss, gradients, buffers and output of two steps of training."""
    for name in frozen:
        dict(model.named_modules())[name].freeze()
    flat = core.FlatParameters(model)
    program = program_of(model, flat)
    found = []
    labels = np.arange(len(x)) % 3
    for key in (KEY, RandomKey(3, 2, 7)):
        loss, _, output = program.run(x, labels, key)
        found += [np.float32(loss), flat.gradients.copy(), flat.buffers.copy(), np.array(output)]
        flat.values -= np.float32(0.01) * flat.gradients
        flat.touch()
    return found, program


def plain(model, flat):
    return EagerTrainProgram(model, CrossEntropy(), flat, "asked for")


def segmented(x):
    def made(model, flat):
        labels = Spec((len(x),), "int64")
        return core.train_program(model, CrossEntropy(), flat, Spec.of(x), labels)

    return made


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("frozen", [(), (0,)])
def test_segments_train_as_the_tape_does(name, frozen):
    make, shape, _ = MODELS[name]
    x = inputs(shape)
    first = [name for name, m in make().named_modules() if list(m._members())][1:2]
    frozen = [first[k] for k in frozen]
    with engine.use_reference():
        expected, _ = step(make(), x, plain, frozen)
        exact, program = step(make(), x, segmented(x), frozen)
    native, _ = step(make(), x, segmented(x), frozen)

    assert "as the whole cannot be traced" in program.reason
    for wanted, same, near in zip(expected, exact, native, strict=True):
        np.testing.assert_array_equal(wanted, same)
        # A few dozen float32 additions of numbers of size 1, in two steps.
        np.testing.assert_allclose(wanted, near, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_segments_predict_as_python_does(name):
    make, shape, _ = MODELS[name]
    model, x = make(), inputs(shape)
    with engine.use_reference():
        expected = EagerPredictProgram(model, "asked for").run(x)
        exact = core.predict_program(model, None, Spec.of(x)).run(x)
    program = core.predict_program(model, None, Spec.of(x))

    np.testing.assert_array_equal(expected, exact)
    for _ in range(2):
        np.testing.assert_allclose(expected, program.run(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_the_reason_counts_segments_and_names_the_module(name):
    make, shape, count = MODELS[name]
    program = core.predict_program(make(), None, Spec(shape))
    assert "segments" not in program.reason

    program.run(inputs(shape))

    assert program.reason.startswith(f"runs in {count} segments, as the whole cannot be traced: ")
    assert "Look" in program.reason


def test_rows_of_steps_are_one_program_each():
    ran = []
    x = inputs((4, 2, 5, 5))
    program = core.predict_program(convolutional(), None, Spec.of(x))
    program.run(x)

    for _, segment in program._segments._store.programs():
        if segment is not None:
            ran.append([op.name for op in segment._list.ops])

    assert [ops for ops in ran if "conv2d" in ops] == [
        ["conv2d", "batch_norm_inference", "relu"],
        ["conv2d", "batch_norm_inference", "avg_pool2d", "reshape", "linear"],
    ]


def test_a_segment_follows_changed_weights_and_statistics():
    model, x = convolutional(), inputs((4, 2, 5, 5))
    program = core.predict_program(model, None, Spec.of(x))
    before = np.array(program.run(x))

    model.conv1.weight.set(model.conv1.weight.data * 2)
    model.bn2.running_mean.set(np.full(4, 0.5, np.float32))

    expected = EagerPredictProgram(model, "asked for").run(x)
    assert not np.allclose(before, expected, atol=1e-3)
    np.testing.assert_allclose(expected, program.run(x), rtol=1e-5, atol=1e-6)


def test_sizes_that_depend_on_data_get_programs_by_size():
    model = nn.Sequential(
        fc1=nn.Linear(3, 4, rng=0), relu=nn.ReLU(), some=Positive(), fc2=nn.Linear(4, 2, rng=1)
    )
    program = core.predict_program(model, None, Spec((6, 3)))
    for seed in range(4):
        x = inputs((6, 3), seed)
        expected = EagerPredictProgram(model, "asked for").run(x)
        np.testing.assert_allclose(expected, program.run(x), rtol=1e-5, atol=1e-6)
    assert program.reason.startswith("runs in 2 segments")


def test_gradients_go_through_sizes_that_depend_on_data():
    x, y = inputs((6, 3)), np.zeros(2, np.float32)

    def trained(how):
        model = nn.Sequential(nn.Linear(3, 4, rng=0), Positive(), nn.Linear(4, 2, rng=1), Mean())
        flat = core.FlatParameters(model)
        if how == "plain":
            program = EagerTrainProgram(model, MSE(), flat, "asked for")
        else:
            program = core.train_program(model, MSE(), flat, Spec.of(x), Spec.of(y))
        return program.run(x, y)[0], flat.gradients.copy()

    for wanted, actual in zip(trained("plain"), trained("segments"), strict=True):
        np.testing.assert_allclose(wanted, actual, rtol=1e-4, atol=1e-6)


class Mean(nn.Module):
    def call(self, x):
        return ops.mean(x, 0)


def test_observers_see_every_module():
    model, x = convolutional(), inputs((4, 2, 5, 5))
    program = core.predict_program(model, None, Spec.of(x))
    program.run(x)
    seen = []

    with nn.observe(lambda path, module, inputs, output: seen.append(path)):
        program.run(x)

    assert {"conv1", "bn1", "middle.0", "fc", ""} <= set(seen)


def test_a_tape_inside_of_a_module_gives_true_gradients():
    class Cubed(nn.Module):
        def __init__(self):
            self.weight = core.Parameter(inputs(3, 2))

        def call(self, x):
            return x * x * x * self.weight

    class Slope(nn.Module):
        def __init__(self):
            self.inner = Cubed()

        def call(self, x):
            with core.Tape() as tape:
                y = self.inner(x).sum()
            slope = tape.gradients(y, [x])[0]
            return slope * 1.0 if float(slope.data.sum()) < 1e9 else slope

    x, y = inputs((4, 3)), inputs((4, 3), 1)
    found = []
    for how in ("plain", "segments"):
        model = Slope()
        flat = core.FlatParameters(model)
        program = EagerTrainProgram(model, MSE(), flat, "asked for")
        if how == "segments":
            program = core.train_program(model, MSE(), flat, Spec.of(x), Spec.of(y))
        found.append((program.run(x, y)[0], flat.gradients.copy()))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-6)
    assert found[0][1].any()
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-5, atol=1e-6)


def test_a_clone_trains_with_buffers_of_its_own():
    x = inputs((4, 2, 5, 5))
    model = convolutional()
    flat = core.FlatParameters(model)
    program = segmented(x)(model, flat)
    twin = flat.replica()
    clone = program.clone(twin)
    before = flat.buffers.copy()

    loss = clone.run(x, np.arange(4) % 3, KEY)[0]

    np.testing.assert_array_equal(before, flat.buffers)
    assert loss == program.run(x, np.arange(4) % 3, KEY)[0]
    np.testing.assert_array_equal(twin.buffers, flat.buffers)
    np.testing.assert_array_equal(twin.gradients, flat.gradients)


def test_errors_name_the_module_inside():
    model = nn.Sequential(look=Look(), fc=nn.Linear(4, 2, rng=0))

    with pytest.raises(core.ShapeError, match=r"Sequential/fc \(Linear\): input axis 1 must be 4"):
        core.predict_program(model, None, Spec((2, 3))).run(inputs((2, 3)))


def test_numbers_python_makes_anew_end_a_segment():
    class Counts(nn.Module):
        def __init__(self):
            self.calls = [0]

        def call(self, x):
            self.calls[0] += 1
            return x * float(self.calls[0])

    model = nn.Sequential(fc=nn.Linear(3, 3, rng=0), counts=Counts(), out=nn.Linear(3, 2, rng=1))
    x = inputs((2, 3))
    program = core.predict_program(model, None, Spec.of(x))
    first = np.array(program.run(x))
    calls = model.counts.calls[0]

    second = program.run(x)

    assert model.counts.calls[0] == calls + 1
    assert program.reason.startswith("runs in 2 segments")
    assert not np.allclose(first, second)


def test_nothing_is_compiled_where_all_is_to_run_eagerly(monkeypatch):
    monkeypatch.setenv("SANDBOX_EAGER", "1")
    x = inputs((4, 5))
    program = core.predict_program(branched(), None, Spec.of(x))
    program.run(x)

    assert "segments" not in program.reason
