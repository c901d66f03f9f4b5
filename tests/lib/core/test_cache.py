from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from toys import CrossEntropy, SumOfSquares, batch, convolutional, perceptron

from sandbox.lib import core, engine, nn
from sandbox.lib.core import cache as cache_module


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
    module, cache = perceptron(), core.ProgramCache()
    first, second, third = (np.ones((n, 3), "float32") for n in (1, 2, 3))
    kept = cache.predict(module, first)
    dropped = cache.predict(module, second)
    cache.predict(module, first)
    cache.limit = cache.nbytes + 1024  # the third has another row of outputs
    cache.predict(module, third)

    assert len(cache) == 2
    assert cache.nbytes <= cache.limit
    assert kept is cache.predict(module, first)
    assert dropped is not cache.predict(module, second)


def test_the_program_asked_for_last_is_kept_however_large():
    module, cache = perceptron(), core.ProgramCache(megabytes=1)
    cache.limit = 1
    x, y = np.ones((1, 3), "float32"), np.ones((2, 3), "float32")
    for given in (x, y):
        program = cache.predict(module, given)
        assert len(cache) == 1
        assert program is cache.predict(module, given)


def test_what_programs_share_counts_once():
    model = nn.Sequential(a=nn.Conv2d(16, 128, 3, rng=0), b=nn.Conv2d(128, 128, 3, rng=0))
    plan = engine.KernelPlan(frozen=True)
    cache = core.ProgramCache()
    sizes = []
    for rows in (1, 2, 3):
        cache.predict(model, np.ones((rows, 16, 6, 6), "float32"), plan=plan)
        sizes.append(cache.nbytes)
    weights = sum(p.data.nbytes for _, p in model.named_parameters())
    assert sizes[0] > (weights if engine.is_native() else 0)
    assert sizes[2] - sizes[0] < 2 * weights


@pytest.mark.parametrize("text", ["0", "-3", "many", "1.5"])
def test_a_size_that_is_no_number_is_named(monkeypatch, text):
    monkeypatch.setenv("SANDBOX_PROGRAM_CACHE_MB", text)
    with pytest.raises(core.errors.ArgumentError, match=f"must be a whole number.*'{text}'"):
        core.ProgramCache()


def test_the_size_is_a_setting(monkeypatch):
    assert core.ProgramCache().limit == 1024 << 20
    monkeypatch.setenv("SANDBOX_PROGRAM_CACHE_MB", "7")
    assert core.ProgramCache().limit == 7 << 20
    assert core.ProgramCache(megabytes=9).limit == 9 << 20


def in_threads(*works):
    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result(60) for future in [pool.submit(work) for work in works]]


def test_threads_that_ask_for_the_same_program_compile_it_once(monkeypatch):
    module, cache, calls = perceptron(), core.ProgramCache(), []
    start = threading.Barrier(4)
    real = cache_module.predict_program

    def slow(*arguments, **options):
        calls.append(1)
        time.sleep(0.1)
        return real(*arguments, **options)

    monkeypatch.setattr(cache_module, "predict_program", slow)

    def work():
        start.wait(60)
        return cache.predict(module, np.ones((2, 3), "float32"))

    found = in_threads(*4 * [work])
    assert len(calls) == 1
    assert all(program is found[0] for program in found)


def test_a_program_that_takes_long_to_compile_keeps_nobody_else_waiting(monkeypatch):
    module, cache = perceptron(), core.ProgramCache()
    compiling, go_on = threading.Event(), threading.Event()
    real = cache_module.predict_program

    def slow(made, flat, specs, **options):
        if specs.shape[0] == 2:
            compiling.set()
            assert go_on.wait(60)
        return real(made, flat, specs, **options)

    monkeypatch.setattr(cache_module, "predict_program", slow)

    def first():
        return cache.predict(module, np.ones((2, 3), "float32"))

    def second():
        assert compiling.wait(60)
        program = cache.predict(module, np.ones((5, 3), "float32"))
        go_on.set()
        return program

    found = in_threads(first, second)
    assert found[0] is not found[1]
    assert len(cache) == 2


def test_what_cannot_be_compiled_is_tried_again(monkeypatch):
    module, cache, calls = perceptron(), core.ProgramCache(), []
    real = cache_module.predict_program

    def once(*arguments, **options):
        calls.append(1)
        if len(calls) == 1:
            raise MemoryError("no room")
        return real(*arguments, **options)

    monkeypatch.setattr(cache_module, "predict_program", once)
    x = np.ones((2, 3), "float32")
    with pytest.raises(MemoryError):
        cache.predict(module, x)
    assert len(cache) == 0
    assert cache.predict(module, x).run(x).shape == (2, 2)


def test_an_interrupted_compilation_is_taken_over_by_who_waits(monkeypatch):
    module, cache, calls = perceptron(), core.ProgramCache(), []
    compiling = threading.Event()
    real = cache_module.predict_program

    def once(*arguments, **options):
        calls.append(1)
        if len(calls) == 1:
            compiling.set()
            time.sleep(0.1)  # until the other waits; one that comes later compiles as well
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(cache_module, "predict_program", once)
    x = np.ones((2, 3), "float32")

    def first():
        with pytest.raises(KeyboardInterrupt):
            cache.predict(module, x)

    def second():
        assert compiling.wait(60)
        return cache.predict(module, x)

    _, program = in_threads(first, second)
    assert program is cache.predict(module, x)
    assert len(calls) == 2


def test_clear_drops_all():
    cache = core.ProgramCache()
    cache.predict(perceptron(), np.ones((2, 3), "float32"))
    cache.clear()

    assert len(cache) == 0
