"""Parameters, buffers and constants keep their dtype wherever they go."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from toys import SumOfSquares, Toy, perceptron

from sandbox.lib import core, engine, nn
from sandbox.lib.core import ArgumentError, Buffer, FlatParameters, Parameter, Tape, Value, ops
from sandbox.lib.engine.oplist import Spec

LARGE = 2**24 + 1  # float32 has no such number


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i8", "i4", "u1", "?"])
@pytest.mark.parametrize("kind", [Parameter, Buffer])
def test_an_array_keeps_its_dtype(kind, dtype):
    holder = kind(np.ones(3, dtype))

    assert np.dtype(dtype) == holder.dtype
    for twin in (copy.deepcopy(holder), pickle.loads(pickle.dumps(holder))):
        assert np.dtype(dtype) == twin.dtype


@pytest.mark.parametrize("data", [1, 2.5, [1, 2], [[0.5]], [True]])
def test_python_numbers_become_float32(data):
    assert np.float32 == Parameter(data).dtype


def test_numbers_that_are_none_are_refused():
    with pytest.raises(ArgumentError, match="array of numbers; got dtype complex64"):
        Parameter(np.zeros(2, "c8"))


def test_large_whole_numbers_survive():
    p = Parameter(np.array([LARGE]))
    p.set([LARGE + 2])

    assert p.data[0] == LARGE + 2
    assert pickle.loads(pickle.dumps(p)).data[0] == LARGE + 2


def test_what_would_be_lost_is_not_set():
    p = Parameter(np.array([1, 2]), "table")
    p.set(np.float32([3.0, 4.0]))
    for lost in ([0.5, 1.0], [np.nan, 1.0], np.array([1e30, 1.0])):
        with pytest.raises(ArgumentError, match="parameter 'table' must get numbers that int64"):
            p.set(lost)

    assert p.data.tolist() == [3, 4]


def test_whole_numbers_are_never_trained():
    p = Parameter(np.array([1, 2]))
    p.trainable = True

    assert not p.trainable
    p.astype("float32")
    assert p.trainable


def test_taken_over_without_a_copy():
    mine = np.ones(3, "f4")
    p = Parameter(mine, copy=False)
    p.set([2.0, 2.0, 2.0])

    assert mine.tolist() == [2.0, 2.0, 2.0]


# Flat vectors -------------------------------------------------------------------------------------


def counting() -> Toy:
    """A product with a table of whole numbers inside, and a counter."""

    def call(self: Toy, x: Any) -> Any:
        if core.context().training:
            self.b["count"].update(self.b["count"] + np.int64(2))
        return x * self.p["w"] * self.p["table"] + self.b["shift"]

    module = Toy(call, {"w": [1.0, 2.0]}, {"shift": [0.0, 0.0]})
    module.p["table"] = Parameter(np.array([LARGE, 3]))
    module.b["count"] = Buffer(np.array([LARGE]))
    return module


def test_what_is_no_float_lives_in_vectors_of_its_own():
    module = counting()
    flat = FlatParameters(module)

    assert list(flat.views) == ["w"]
    assert list(flat.buffer_views) == ["shift"]
    assert sorted(flat.others) == ["buffer:int64", "parameter:int64"]
    assert module.p["table"].data.tolist() == [LARGE, 3]
    assert np.shares_memory(module.p["table"].data, flat.others["parameter:int64"])
    assert (flat.buffer("count")[0], flat.value("table")[0]) == (LARGE, LARGE)
    assert flat.buffers.dtype == flat.values.dtype == np.float32
    assert list(flat.trainable()) == ["w"]


@pytest.mark.parametrize("mode", ["program", "reference", "eager"])
def test_counters_count_in_every_mode(mode, monkeypatch):
    if mode == "eager":
        monkeypatch.setenv("SANDBOX_EAGER", "1")
    module = counting()
    flat = FlatParameters(module)
    x = np.float32([[1.0, 1.0]])
    with engine.use_reference() if mode == "reference" else core.using():
        program = core.train_program(module, SumOfSquares(), flat, Spec.of(x), Spec.of(x))
        for _ in range(3):
            program.run(x, x)

        assert module.b["count"].data[0] == LARGE + 6
        assert flat.gradient("w").tolist() != [0.0, 0.0]
        if mode != "eager":
            core.profile(program, x, x)
            assert module.b["count"].data[0] == LARGE + 6
        twin = flat.replica()
        program.clone(twin).run(x, x)
        assert (twin.buffer("count")[0], flat.buffer("count")[0]) == (LARGE + 8, LARGE + 6)


def test_constants_of_a_program_keep_their_dtype():
    table = np.array([[LARGE, 1]])
    module = Toy(lambda self, x: x + table, {})
    program = core.predict_program(module, None, Spec((1, 2), "int64"))

    assert program.run(np.array([[1, 1]])).tolist() == [[LARGE + 1, 2]]


def test_one_array_is_one_constant_unless_it_changed():
    mask = np.ones((5, 5), "f4")

    def call(self: Toy, x: Any) -> Any:
        y = x * mask + mask
        return y * (mask * 2)

    oplist = core.serial.to_oplist(Toy(call, {}), Spec((5, 5)))
    assert len(oplist.constants) == 2


def test_two_floating_dtypes_are_refused_with_a_cure():
    module = Toy(None, {"a": [1.0]})
    module.p["b"] = Parameter(np.ones(2))
    with pytest.raises(ArgumentError, match=r"float32 \(a\) and float64 \(b\).*astype"):
        FlatParameters(module)


def test_half_precision_parameters_are_refused():
    module = Toy(None, {})
    module.p["b"] = Parameter(np.ones(2, "f2"))
    with pytest.raises(ArgumentError, match="must be float32 or float64; got float16"):
        FlatParameters(module)


# float64 ------------------------------------------------------------------------------------------


def double() -> Toy:
    module = perceptron()
    for holder in module.p.values():
        holder.astype("float64")
    return module


@pytest.mark.parametrize("mode", ["program", "eager"])
def test_a_float64_model_trains_in_float64_throughout(mode, monkeypatch):
    if mode == "eager":
        monkeypatch.setenv("SANDBOX_EAGER", "1")
    rng = core.random.rng(0)
    x, target = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    module = double()
    with Tape() as tape:
        expected = ops.square(module(Value(x)) - target).sum()
    wanted = tape.gradients(expected, list(module.p.values()))
    flat = FlatParameters(module)
    program = core.ProgramCache().train(module, SumOfSquares(), flat, x, target)
    loss, _, output = program.run(x, target)

    assert flat.values.dtype == flat.gradients.dtype == output.dtype == np.float64
    # Float64 has 16 digits; a float32 anywhere on the way would leave 7.
    np.testing.assert_allclose(loss, float(expected), rtol=1e-13)
    for name, gradient in zip(flat.names, wanted, strict=True):
        np.testing.assert_allclose(flat.gradient(name), gradient, rtol=1e-12, atol=1e-14)
    found = core.ProgramCache().predict(module, x).run(x)
    np.testing.assert_allclose(found, module(Value(x)).data, rtol=1e-13)


def test_memory_of_the_caller_holds_float64_too():
    flat = FlatParameters(double(), allocate=lambda count: np.zeros(count, "f4"))

    assert flat.values.dtype == np.float64
    assert len(flat.values) % 16 == 0


@pytest.mark.parametrize("place", [0, 1])
def test_a_weighted_sum_of_whole_numbers_is_refused(place):
    """Its factors would be cut to whole numbers: 0.9 to 0."""
    pair = [np.ones(3, "f4"), np.ones(3, "f4")]
    pair[place] = np.arange(3)
    with pytest.raises(core.ShapeError, match="input dtype must be float32 or float64; got int64"):
        ops.scale_add(*pair, 0.9, 0.1)


class Held(nn.Module):
    """Moves a constant, a buffer and a parameter that is not trained, all of one dtype."""

    def __init__(self, dtype):
        numbers = np.array([1, 0, 1, 1]).astype(dtype)
        self.buffer = Buffer(numbers)
        self.weight = Parameter(numbers if numbers.dtype.kind != "f" else numbers.astype("f4"))
        self.constant = numbers
        self.factor = Parameter(np.full(4, 2.0, "f4"))

    def call(self, x):
        same = ops.equal(self.buffer, self.constant)
        y = ops.where(same, x * self.factor, x) + ops.cast(self.weight, "float32")
        moved = ops.concat([ops.flip(self.buffer, 0), ops.take(self.constant, [1, 2])], 0)
        return y, moved, ops.pad(self.weight, [(1, 0)]), ops.stack([self.buffer, self.constant])


DTYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_goes_through_traces_and_vectors(dtype):
    model, x = Held(dtype), np.ones((2, 4), "f4")
    expected = core.tree.leaves(model(x))
    for flat in (None, FlatParameters(model)):
        program = core.predict_program(model, flat, Spec.of(x))
        assert program.reason is None
        for wanted, found in zip(expected, core.tree.leaves(program.run(x)), strict=True):
            assert wanted.dtype == found.dtype
            np.testing.assert_array_equal(wanted, found)
    assert expected[1].dtype == expected[3].dtype == np.dtype(dtype)
