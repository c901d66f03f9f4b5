"""An operation of one's own, end to end through the public way: eager, traced, trained, random."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from toys import SumOfSquares, Toy

from sandbox.lib import core, engine
from sandbox.lib.core import FlatParameters, RandomKey, Spec, ops

_names = (f"test.own{k}" for k in itertools.count())


def swish(name):
    return core.operation(
        name,
        infer=lambda x, *, beta: (x,),
        reference=lambda x, *, beta: x / (1 + np.exp(-beta * x)),
        gradient=lambda entry, dy: (
            ops.multiply(
                dy,
                ops.add(
                    ops.multiply(entry.outputs[0], entry.attrs["beta"]),
                    ops.multiply(
                        ops.sigmoid(ops.multiply(entry.inputs[0], entry.attrs["beta"])),
                        ops.subtract(1.0, ops.multiply(entry.outputs[0], entry.attrs["beta"])),
                    ),
                ),
            ),
        ),
        elementwise=True,
    )


def test_an_operation_runs_eagerly_traced_and_in_training_with_the_same_numbers():
    own = swish(next(_names))
    rng = core.random.rng(0)
    x, t = rng.normal(size=(6, 4)).astype("f4"), rng.normal(size=(6, 3)).astype("f4")
    weight = rng.normal(size=(3, 4))

    def train(eager):
        module = Toy(
            lambda self, x: own(ops.linear(x, self.p["weight"]), beta=1.5), {"weight": weight}
        )
        flat = FlatParameters(module)
        if eager:
            program = core.EagerTrainProgram(module, SumOfSquares(), flat, "for the test")
        else:
            program = core.train_program(module, SumOfSquares(), flat, Spec.of(x), Spec.of(t))
            assert program.reason is None
        loss, _, output = program.run(x, t)
        return loss, output, flat.gradients.copy()

    for expected, actual in zip(train(eager=True), train(eager=False), strict=True):
        # a product of 4 numbers in another order
        np.testing.assert_allclose(expected, actual, rtol=1e-5, atol=1e-6)
    core.gradcheck(lambda x: own(x, beta=1.5), [rng.normal(size=(3, 4))], [])


def test_a_random_operation_gets_its_key_and_is_drawn_anew_in_each_run():
    def noise(x, *, random):
        drawn = np.random.default_rng(random.step).normal(size=x.shape)
        return x + drawn.astype(x.dtype)

    own = core.operation(next(_names), infer=lambda x: (x,), reference=noise, random=True)
    constant = np.zeros(3, "f4")
    module = Toy(lambda self, x: own(constant) + x, {})
    x = np.ones(3, "f4")
    oplist = core.trace_inference(module, Spec.of(x))
    executable = engine.compile(oplist, {})
    first, again, second = (
        np.array(executable.run([x], random=RandomKey(0, step))[0]) for step in (1, 1, 2)
    )

    np.testing.assert_array_equal(noise(x, random=RandomKey(0, 1)), first)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)
    with core.using(random=RandomKey(0, 1)):
        np.testing.assert_array_equal(first, module(x))


def test_a_kernel_that_contradicts_its_rule_is_refused_everywhere():
    own = core.operation(
        next(_names), infer=lambda x: (x,), reference=lambda x: x.sum(axis=1, keepdims=True)
    )
    x = np.ones((2, 3), "f4")
    module = Toy(lambda self, x: own(x), {})

    with pytest.raises(core.EngineError, match=r"what `infer` says, float32 \(2, 3\); got .*2, 1"):
        own(x)
    with pytest.raises(core.EngineError, match=r"what `infer` says, float32 \(2, 3\); got .*2, 1"):
        core.predict_program(module, None, Spec.of(x)).run(x)


def test_an_operation_with_effects_is_neither_dropped_nor_folded():
    seen = []
    own = core.operation(
        next(_names),
        infer=lambda x: (x,),
        reference=lambda x: (seen.append(float(x.sum())), x)[1],
        effects=True,
    )
    module = Toy(lambda self, x: (own(np.ones(2, "f4")), x * 2.0)[1], {})
    program = core.predict_program(module, None, Spec((2,)))
    seen.clear()
    for k in range(3):
        program.run(np.full(2, k, "f4"))

    assert seen == [2.0, 2.0, 2.0]
