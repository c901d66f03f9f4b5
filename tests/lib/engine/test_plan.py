"""The kernel plan: chosen once, kept, sent, and obeyed."""

from __future__ import annotations

import numpy as np
import pytest
from oplists import CONV, lenet

from sandbox.lib import engine
from sandbox.lib.engine import KernelPlan, Op, OpList, Spec, compiler, dnnl, plan, timing


def batch(n):
    random = np.random.Generator(np.random.PCG64(0))
    return [random.standard_normal((n, 1, 28, 28), np.float32), random.integers(0, 10, n)]


def no_timing(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("something was timed")

    monkeypatch.setattr(timing.Timer, "_run", refuse)
    monkeypatch.setattr(compiler, "_fastest", refuse)


def kernels(program):
    return [(step.name, step.implementation, step.layouts) for step in program.steps]


@pytest.mark.usefixtures("native")
def test_a_plan_is_obeyed_without_timing_and_gives_the_same_bits(monkeypatch):
    oplist, storage = lenet(16)
    learned = KernelPlan()
    first = engine.compile(oplist, storage, plan=learned)
    first.run(batch(16))
    expected = {key: array.copy() for key, array in storage.items()}
    sent = KernelPlan.from_json(learned.to_json())
    assert sent.frozen
    no_timing(monkeypatch)
    second = engine.compile(oplist, storage, plan=sent)
    assert kernels(first) == kernels(second)
    second.run(batch(16))
    for key, array in expected.items():
        np.testing.assert_array_equal(array, storage[key])


@pytest.mark.usefixtures("native")
def test_another_batch_size_takes_over_the_choices(monkeypatch):
    learned = KernelPlan()
    first = engine.compile(*lenet(16), plan=learned)
    no_timing(monkeypatch)
    second = engine.compile(*lenet(13), plan=learned.freeze())
    assert [step[1] for step in kernels(first)] == [step[1] for step in kernels(second)]
    engine.compile(*lenet(15), plan=learned)  # not frozen: the choice is taken over all the same


@pytest.mark.usefixtures("native")
def test_an_empty_frozen_plan_takes_first_candidates_and_never_times(monkeypatch):
    no_timing(monkeypatch)
    nothing = KernelPlan(frozen=True)
    program = engine.compile(*lenet(4), plan=nothing)
    assert len(nothing) == 0
    assert not any(step.implementation.startswith("ref") for step in program.steps)


@pytest.mark.usefixtures("native")
def test_choices_are_kept_in_the_cache_file(monkeypatch):
    engine.compile(*lenet(4))
    file = plan.cache_file(engine.fingerprint())
    assert file.is_file()
    monkeypatch.setattr(engine, "_default", None)
    no_timing(monkeypatch)
    engine.compile(*lenet(4))


def test_a_damaged_cache_file_is_ignored(tmp_path):
    file = plan.cache_file("here")
    file.parent.mkdir(parents=True, exist_ok=True)
    for text in ("", "{", "[]", '{"format": 1}', '{"format": 99}'):
        file.write_text(text, encoding="utf-8")
        assert len(plan.load_cached("here")) == 0


def test_the_cache_is_merged_and_of_one_processor(tmp_path):
    for name in ("a", "b"):
        mine = KernelPlan(fingerprint="here")
        mine.record(name, 1, "x")
        plan.save_cached(mine)
    assert len(plan.load_cached("here")) == 2
    assert len(plan.load_cached("elsewhere")) == 0
    assert list(plan.cache_file("here").parent.glob("*.tmp")) == []


def test_a_folder_that_cannot_be_written_is_no_error(monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    monkeypatch.setenv("SANDBOX_CACHE", str(blocked))
    plan.save_cached(KernelPlan(fingerprint="here"))


def test_plans_merge_and_the_other_wins():
    mine, other = KernelPlan(), KernelPlan(fingerprint="here")
    mine.record("k", 1, "old")
    other.record("k", 1, "new")
    mine.merge(other)
    assert mine.lookup("k", 1) == "new"
    assert mine.fingerprint == "here"
    assert mine.lookup("k", 2, exact=True) is None


def test_a_plan_of_another_format_is_refused():
    with pytest.raises(ValueError, match="format must be 1; got 99"):
        KernelPlan.from_json('{"format": 99}')


@pytest.mark.parametrize("lengths", [[1, 3], [2, 2]])
def test_whole_programs_are_timed_on_lengths_that_they_take(native, monkeypatch, lengths):
    oplist = OpList()
    x, w, rows, steps = (
        oplist.new_value(Spec(shape, dtype))
        for shape, dtype in (
            ((2, 16, 8, 8), "float32"),
            ((16, 16, 3, 3), "float32"),
            ((2, 3), "float32"),
            ((2,), "int64"),
        )
    )
    oplist.inputs = [("x", x), ("w", w), ("rows", rows), ("steps", steps)]
    y, masked = oplist.new_value(Spec((2, 16, 6, 6))), oplist.new_value(Spec((2, 3)))
    oplist.ops = [
        Op("conv2d", (x, w), (y,), dict(CONV), "conv"),
        Op("mask_sequence", (rows, steps), (masked,), {"value": 0.0}, "mask"),
    ]
    oplist.outputs = [("y", y), ("masked", masked)]
    monkeypatch.setattr(compiler, "CLOSE", float("inf"))
    seen = []
    whole = compiler._fastest
    monkeypatch.setattr(compiler, "_fastest", lambda *given: seen.append(whole(*given)) or seen[-1])

    program = engine.compile(oplist, {}, plan=KernelPlan())

    # Below AVX-512 all policies lead to the same kernels here, and nothing is to be compared.
    assert seen or not dnnl.isa().startswith("avx512")
    random = np.random.default_rng(0)
    arrays = [random.normal(size=oplist.values[value].shape).astype("f4") for value in (x, w, rows)]
    found = program.run([*arrays, np.array(lengths)])[1]
    expected = np.where(np.arange(3) < np.array(lengths)[:, None], arrays[2], 0)
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(engine.errors.DataError, match="lengths must be integers in"):
        program.run([*arrays, np.array([0, 1])])
