"""Subnormal numbers count as zero in programs and optimisers, and nowhere else."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from sandbox.lib import engine, optim
from sandbox.lib.engine import Op, OpList, Spec, subnormal
from sandbox.lib.engine.subnormal import FlushToZero

pytestmark = pytest.mark.skipif(
    not subnormal.available(), reason="this system has no way to ask for it"
)
SMALL, TINY = np.float32(1e-30), np.float32(1e-10)  # their product is subnormal


def is_kept():
    return bool((np.full(64, SMALL) * TINY).all())


def test_the_thread_is_as_before_behind_the_block_also_after_an_error():
    assert is_kept()
    with FlushToZero():
        assert not is_kept()
        with FlushToZero():
            assert not is_kept()
        assert not is_kept()
    assert is_kept()
    with pytest.raises(ZeroDivisionError), FlushToZero():
        raise ZeroDivisionError
    assert is_kept()


def test_numpy_does_not_warn_within_the_block():
    with FlushToZero(), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.finfo(np.float32).eps > 0
        assert np.finfo(np.float64).tiny > 0


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["multiply", "linear"])
def test_kernels_of_a_program_flush_in_all_threads(name, threads):
    # linear: one term of each sum is not zero, by oneDNN or MKL; multiply: large enough to share
    rows, columns = 256, 1024
    x = np.zeros((rows, columns), "f4")
    w = np.zeros((columns, columns), "f4")
    if name == "multiply":
        x[:], w = SMALL, np.full_like(x, TINY)
    else:
        x[:, 0], w[:, 0] = SMALL, TINY
    specs = [Spec(x.shape), Spec(w.shape), Spec((rows, columns))]
    oplist = OpList(
        values=specs,
        ops=[Op(name, (0, 1), (2,))],
        inputs=[("x", 0), ("w", 1)],
        outputs=[("y", 2)],
    )
    with engine.threads.limit(threads):
        program = engine.compile(oplist, {}, threads=threads, plan=engine.KernelPlan(frozen=True))
        assert not program.run([x, w])[0].any()
    assert is_kept()


@pytest.mark.usefixtures("native")
def test_kernels_run_one_at_a_time_flush_too():
    x, w = np.full((4, 8), SMALL), np.full((3, 8), TINY)
    assert not engine.execute("linear", [x, w], {})[0].any()


@pytest.mark.parametrize(
    "optimizer", [optim.SGD(0.1, momentum=0.9), optim.Adam(0.1)], ids=["SGD", "Adam"]
)
def test_momentum_without_gradients_ends_at_zero(optimizer):
    """Rounding to nearest keeps the least subnormals times 0.9 as they are, for ever."""
    parameters, gradients = np.ones(64, "f4"), np.full(64, 1e-3, "f4")
    state = optimizer.init_slice(64)
    for step in range(1000):
        optimizer.apply_slice(parameters, gradients, state, step=step, learning_rate=0.1)
        gradients[:] = 0
    first = state[optimizer.slots[0]]
    assert not first.any()
