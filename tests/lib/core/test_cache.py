from __future__ import annotations

import numpy as np
from toys import CrossEntropy, SumOfSquares, batch, convolutional, perceptron

from sandbox.lib import core


def test_programs_are_found_again_by_shape():
    module, criterion, cache = convolutional(), CrossEntropy(), core.ProgramCache()
    flat = core.FlatParameters(module)
    x, target = batch()
    program = cache.train(module, criterion, flat, x, target)

    assert program is cache.train(module, criterion, flat, x, target)
    assert program is not cache.train(module, criterion, flat, x[:3], target[:3])
    assert program is not cache.train(module, criterion, flat, x, target, threads=2)
    assert len(cache) == 3


def test_freezing_a_parameter_makes_a_new_program():
    module, criterion, cache = perceptron(), SumOfSquares(), core.ProgramCache()
    flat = core.FlatParameters(module)
    x, target = np.ones((4, 3), "float32"), np.ones((4, 2), "float32")
    cache.train(module, criterion, flat, x, target)
    module.p["a.weight"].trainable = False
    program = cache.train(module, criterion, flat, x, target)

    assert "a.weight" not in dict(program.oplist.gradients)


def test_exchanged_parameters_make_a_new_program():
    module, cache = perceptron(), core.ProgramCache()
    x = np.ones((2, 3), "float32")
    first = cache.predict(module, x).run(x).copy()
    module.p["b.weight"] = core.Parameter(3.0 * module.p["b.weight"].data)

    np.testing.assert_allclose(3.0 * first, cache.predict(module, x).run(x), rtol=1e-5)


def test_the_program_not_used_for_longest_is_dropped():
    module, cache = perceptron(), core.ProgramCache(maxsize=2)
    first, second, third = (np.ones((n, 3), "float32") for n in (1, 2, 3))
    kept = cache.predict(module, first)
    dropped = cache.predict(module, second)
    cache.predict(module, first)
    cache.predict(module, third)

    assert len(cache) == 2
    assert kept is cache.predict(module, first)
    assert dropped is not cache.predict(module, second)


def test_clear_drops_all():
    cache = core.ProgramCache()
    cache.predict(perceptron(), np.ones((2, 3), "float32"))
    cache.clear()

    assert len(cache) == 0
