"""Rows dealt to threads: the numbers of one thread, and only where rows do not meet."""

from __future__ import annotations

import multiprocessing

import numpy as np
import pytest

from sandbox.lib import core, engine, nn
from sandbox.lib.engine.split import SplitExecutable

pytestmark = pytest.mark.skipif(not engine.is_native(), reason="there are no native kernels")


class Tagger(nn.Module):
    """A recurrent network; `mixed` takes the mean over all rows off."""

    def __init__(self, kind=nn.LSTM, *, mixed=False):
        super().__init__()
        self.layer = kind(12, 16, return_sequences=False, rng=0)
        self.out = nn.Linear(16, 3, rng=1)
        self.mixed = mixed

    def call(self, x):
        z = self.out(self.layer(x))
        return z - core.ops.mean(z, axes=0, keepdims=True) if self.mixed else z


def program(model, rows, threads):
    return core.predict_program(model, model, (engine.Spec((rows, 20, 12)),), threads=threads)


def texts(rows, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, 20, 12)).astype(np.float32)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
@pytest.mark.parametrize("rows", [4, 7])
def test_each_thread_takes_part_of_the_rows_with_the_numbers_of_one(kind, rows):
    model = Tagger(kind)
    one, two = program(model, rows, 1), program(model, rows, 2)
    for seed in (0, 1):
        wanted = np.array(one.run((texts(rows, seed),)))
        found = np.array(two.run((texts(rows, seed),)))
        # Kernels for fewer rows may add up in another order.
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)

    assert isinstance(two.executable, SplitExecutable)


def test_rows_that_meet_are_not_split():
    split = program(Tagger(mixed=True), 6, 2)
    whole = program(Tagger(mixed=True), 6, 1)

    assert not isinstance(split.executable, SplitExecutable)
    np.testing.assert_allclose(split.run((texts(6),)), whole.run((texts(6),)), rtol=1e-5, atol=1e-6)


def test_changed_weights_are_taken_over_by_all_parts():
    model = Tagger()
    two = program(model, 6, 2)
    before = np.array(two.run((texts(6),)))
    model.out.bias.set(model.out.bias.data + 1)
    np.testing.assert_allclose(two.run((texts(6),)), before + 1, rtol=1e-5, atol=1e-6)


def test_an_error_in_another_part_is_raised(monkeypatch):
    executable = program(Tagger(), 6, 2).executable
    monkeypatch.setattr(executable._parts[1], "run_checked", None)
    with pytest.raises(TypeError):
        executable.run([texts(6)])


def _run_in_child(pipe, two, x):
    pipe.send(np.array(two.run((x,))))


def test_a_forked_process_has_threads_of_its_own():
    two, x = program(Tagger(), 6, 2), texts(6)
    wanted = np.array(two.run((x,)))
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_run_in_child, args=(theirs, two, x))
    child.start()

    assert ours.poll(60)
    np.testing.assert_array_equal(ours.recv(), wanted)
    child.join(10)
