"""What comes out of a computation cannot change what went in, nor the other way round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from toys import SumOfSquares, Toy

from sandbox.lib import core, engine
from sandbox.lib.core import Buffer, FlatParameters, GradientError, Parameter, Tape, Value, ops
from sandbox.lib.engine.oplist import Spec

VIEWS: list[Callable[[Any], Any]] = [
    lambda x: ops.reshape(x, (3, 2)),
    lambda x: ops.transpose(x, (1, 0)),
    lambda x: (Value(x) if isinstance(x, np.ndarray) else x)[:, 1],
    lambda x: ops.reshape(x, (2, 3)),
]


@pytest.mark.parametrize("view", VIEWS)
def test_results_are_read_only(view):
    x, weight = Value(np.ones((2, 3), "f4")), Parameter(np.ones((2, 3), "f4"))
    for result in (view(x), view(weight), view(np.ones((2, 3), "f4")), ops.tanh(x), x):
        with pytest.raises(ValueError, match="read-only"):
            result.data[...] = 5.0


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_a_parameter_keeps_its_numbers(view):
    weight = Parameter(np.ones((2, 3), "f4"))
    result = view(weight)
    weight.set(np.zeros((2, 3)))

    np.testing.assert_array_equal(result.data, np.ones(result.shape))


@pytest.mark.parametrize("give", [Value, ops.abs, lambda x: ops.reshape(x, (3,))])
def test_a_callers_array_is_copied_and_stays_his(give):
    numbers = np.float32([1.0, 2.0, 3.0])
    value = give(numbers)
    numbers[0] = 9.0

    np.testing.assert_array_equal([1.0, 2.0, 3.0], value.data)


def test_an_array_that_nobody_can_write_into_is_not_copied():
    y = ops.tanh(np.float32([1.0]))

    assert np.shares_memory(Value(y.data).data, y.data)
    assert not np.shares_memory(Value(Parameter(y.data).data).data, y.data)


def test_a_view_of_live_weights_is_copied():
    weight = Parameter([1.0, 2.0])
    value = Value(weight.data)
    weight.set([5.0, 5.0])

    np.testing.assert_array_equal([1.0, 2.0], value.data)


def test_writing_into_an_input_after_the_forward_pass_does_not_change_the_gradient():
    numbers, factor = np.float32([1.0, 2.0]), np.float32([3.0, 4.0])
    weight = Parameter([1.0, 1.0])
    with Tape() as tape:
        loss = (weight * factor * Value(numbers)).sum()
    numbers[:], factor[:] = 0.0, 0.0

    np.testing.assert_array_equal([3.0, 8.0], tape.gradients(loss, [weight])[0])


def test_the_seed_stays_the_callers():
    x, seed = Value(np.ones(2, "f4")), np.ones(2, "f4")
    with Tape() as tape:
        y = ops.reshape(x, (2,))
    gradient = tape.gradients(y, [x], seed)[0]
    seed[:] = 7.0

    np.testing.assert_array_equal([1.0, 1.0], gradient)


# set() while a tape is alive ----------------------------------------------------------------------


def _flat(parameters: dict[str, Any]) -> FlatParameters:
    module = Toy(None, {})
    module.p = parameters
    return FlatParameters(module)


@pytest.mark.parametrize("flat", [False, True])
def test_set_between_forward_and_backward_does_not_change_the_gradient(flat):
    weight, x = Parameter([2.0, 3.0]), Value(np.float32([1.0, 1.0]))
    if flat:
        _flat({"w": weight})
    with Tape() as tape:
        loss = (x * weight.reshape(2) * weight).sum()
    weight.set([50.0, 50.0])
    dx, dw = tape.gradients(loss, [x, weight])

    np.testing.assert_array_equal([4.0, 9.0], dx)
    np.testing.assert_array_equal([4.0, 6.0], dw)
    np.testing.assert_array_equal([50.0, 50.0], weight.data)


def test_set_while_recording_counts_from_there_on():
    weight, x = Parameter([2.0]), Value(np.float32([1.0]))
    with Tape() as tape:
        y = x * weight
        weight.set([5.0])
        loss = (y * weight).sum()
    dx, dw = tape.gradients(loss, [x, weight])

    assert (loss.data, dx[0], dw[0]) == (10.0, 10.0, 7.0)


def test_moving_into_another_storage_leaves_the_tape_what_it_saw():
    weight, x = Parameter([2.0]), Value(np.float32([1.0]))
    with Tape() as tape:
        loss = (x * weight).sum()
    flat = _flat({"w": weight})
    flat.values[:] = 9.0
    flat.touch()

    assert tape.gradients(loss, [x])[0] == [2.0]


def test_writing_past_set_gives_no_gradient_rather_than_a_wrong_one():
    weight, x = Parameter([2.0], "fc.weight"), Value(np.float32([1.0]))
    flat = _flat({"w": weight})
    with Tape() as tape:
        loss = (x * weight).sum()
    flat.values[:] = 9.0
    flat.touch()

    with pytest.raises(GradientError, match=r"fc\.weight.*must keep its numbers between"):
        tape.gradients(loss, [x])


# Buffers that are read, then updated --------------------------------------------------------------


def _reads_then_updates(self: Toy, x: Any) -> Any:
    mean = self.b["mean"]
    before = ops.reshape(mean, (2,))
    product = x * mean * self.p["w"]
    mean.update(mean * 0.5 + 1.0)
    return before + product * 0.0, product + ops.reshape(mean, (2,))


def _outputs_the_old_one(self: Toy, x: Any) -> Any:
    a, b = self.b["a"], self.b["b"]
    before = ops.reshape(a, (2,))
    new_a, new_b = ops.reshape(b, (2,)), ops.reshape(a, (2,))
    a.update(new_a)  # they change places
    b.update(new_b)
    return x * self.p["w"], before


class FirstOnly:
    """The sum of the last output."""

    def call(self, output: Any, target: Any) -> Any:
        return (output[1] * target).sum()

    def weight(self, target: Any) -> float:
        return float(len(target))

    def check_output(self, output: Any) -> None:
        pass


X = np.float32([[1.0, 2.0], [3.0, 4.0]])


def _train(module: Toy, mode: str, monkeypatch: Any) -> tuple[Any, ...]:
    flat = FlatParameters(module)
    if mode == "eager":
        monkeypatch.setenv("SANDBOX_EAGER", "1")
    with engine.use_reference() if mode == "reference" else core.using():
        program = core.train_program(
            module, FirstOnly(), flat, Spec((2, 2)), Spec((2, 2), "float32")
        )
        assert (program.reason is None) == (mode != "eager")
        outputs = [[np.array(y) for y in program.run(X, np.ones_like(X))[2]] for _ in range(2)]
    return outputs, flat


@pytest.mark.parametrize("mode", ["program", "reference", "eager"])
def test_a_buffer_read_before_its_update_gives_the_old_numbers(mode, monkeypatch):
    module = Toy(_reads_then_updates, {"w": [1.0, 1.0]}, {"mean": [2.0, 4.0]})
    outputs, flat = _train(module, mode, monkeypatch)

    for seen, (old, new) in zip(([2.0, 4.0], [2.0, 3.0]), outputs, strict=True):
        np.testing.assert_array_equal(np.broadcast_to(seen, (2, 2)), old)
        np.testing.assert_array_equal(X * seen + (np.float32(seen) * 0.5 + 1), new)
    np.testing.assert_array_equal(X.sum(0) * [2.0, 3.0], flat.gradient("w"))  # not the updated one
    np.testing.assert_array_equal([2.0, 2.5], flat.buffer("mean"))


@pytest.mark.parametrize("mode", ["program", "reference", "eager"])
def test_two_buffers_may_change_places(mode, monkeypatch):
    module = Toy(_outputs_the_old_one, {"w": [1.0, 1.0]}, {"a": [1.0, 2.0], "b": [3.0, 4.0]})
    outputs, flat = _train(module, mode, monkeypatch)

    np.testing.assert_array_equal([[1.0, 2.0], [3.0, 4.0]], [first[1] for first in outputs])
    np.testing.assert_array_equal([1.0, 2.0], flat.buffer("a"))
    np.testing.assert_array_equal([3.0, 4.0], flat.buffer("b"))


def test_a_plain_call_gives_the_old_numbers_and_the_tape_their_gradient():
    module = Toy(_reads_then_updates, {"w": [1.0, 1.0]}, {"mean": [2.0, 4.0]})
    with Tape() as tape:
        old, new = module(Value(X))
        loss = new.sum()

    np.testing.assert_array_equal(np.broadcast_to([2.0, 4.0], (2, 2)), old.data)
    np.testing.assert_array_equal(X.sum(0) * [2.0, 4.0], tape.gradients(loss, [module.p["w"]])[0])
    np.testing.assert_array_equal([2.0, 3.0], module.b["mean"].data)


def test_the_gradient_of_an_update_flows_alike_traced_and_on_the_tape(monkeypatch):
    def call(self: Toy, x: Any) -> Any:
        self.b["s"].update(self.p["w"] * 3.0)
        return x, x * self.b["s"]

    found = []
    for mode in ("program", "reference", "eager"):
        module = Toy(call, {"w": [1.0, 1.0]}, {"s": [0.0, 0.0]})
        _, flat = _train(module, mode, monkeypatch)
        found.append(flat.gradient("w").copy())

    np.testing.assert_array_equal(np.tile(3 * X.sum(0), (3, 1)), found)


def test_a_buffer_as_output_is_an_array_of_its_own():
    b = Buffer([1.0])
    assert core.value.as_array(b) == [1.0]
    assert not np.shares_memory(core.value.as_array(b), b.data)


def test_sum_of_squares_still_trains_with_frozen_arrays():
    module = Toy(lambda self, x: x * self.p["w"], {"w": [1.0, 1.0]})
    flat = FlatParameters(module)
    x, target = X.copy(), np.zeros_like(X)
    core.train_program(module, SumOfSquares(), flat, Spec.of(x), Spec.of(target)).run(x, target)

    assert x.flags.writeable
    assert target.flags.writeable
    np.testing.assert_array_equal((2 * X * X).sum(0), flat.gradient("w"))


def test_a_tape_that_lives_on_does_not_hinder_the_next_one():
    weight, x = Parameter([2.0], "fc.weight"), Value(np.float32([1.0]))
    flat = _flat({"w": weight})
    with Tape() as old:
        spoilt = (x * weight).sum()
    flat.values[:] = 9.0
    flat.touch()
    with Tape() as tape:
        loss = (x * weight).sum()

    assert tape.gradients(loss, [x])[0] == [9.0]
    weight.set([3.0])
    with pytest.raises(GradientError, match="must keep its numbers between"):
        old.gradients(spoilt, [x])
