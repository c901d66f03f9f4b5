"""Kernels are timed a few times each, on part of a large batch, within a budget."""

from __future__ import annotations

import numpy as np
import pytest
from oplists import lenet

from sandbox.lib import core, criterion, engine, nn
from sandbox.lib.engine import (
    KernelPlan,
    Op,
    OpList,
    Spec,
    compiler,
    dnnl,
    plan,
    progress,
    sample,
    timing,
)
from sandbox.lib.engine.errors import ArgumentError

pytestmark = pytest.mark.usefixtures("native")


@pytest.fixture(autouse=True)
def _nothing_remembered():
    timing.forget()


@pytest.fixture
def small_samples(monkeypatch):
    """Cut every batch as far as that goes."""
    monkeypatch.setattr(sample, "LONGEST", 1e-9)


def batch(n):
    random = np.random.Generator(np.random.PCG64(0))
    return [random.standard_normal((n, 1, 28, 28), np.float32), random.integers(0, 10, n)]


def kernels(program):
    return [(step.name, step.implementation, step.layouts) for step in program.steps]


def relus(count):
    layouts = [dnnl.plain((n + 1, 64)) for n in range(count)]
    return [dnnl.eltwise(dnnl.ELTWISE["relu"], layout, layout) for layout in layouts]


def test_no_kernel_runs_more_often_than_it_may_however_many_programs_have_it():
    for _ in range(3):
        engine.compile(*lenet(8), plan=KernelPlan())
        assert timing.runs()
        assert max(timing.runs().values()) <= timing.RUNS


def test_layers_of_the_same_shape_are_timed_once():
    oplist = OpList()
    x, w = oplist.new_value(Spec((2, 16, 8, 8))), oplist.new_value(Spec((16, 16, 3, 3)))
    oplist.inputs = [("x", x), ("w", w)]
    window = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    counts = []
    for _ in range(12):
        y = oplist.new_value(Spec((2, 16, 8, 8)))
        oplist.ops.append(Op("conv2d", (x, w), (y,), dict(window)))
        oplist.outputs, x = [("y", y)], y
        engine.compile(oplist, {}, plan=KernelPlan())
        counts.append(len(timing.runs()))
    assert counts[-1] == counts[3]  # the first and the last one have copies of their own


def test_out_of_budget_the_first_option_is_taken_and_the_others_never_run(monkeypatch):
    monkeypatch.setattr(timing, "SECONDS", 0.0)
    monkeypatch.setattr(timing, "TRAINING", 0.0)
    first, second = relus(2)
    assert timing.Timer(1).fastest([[first], [second]]) == 0
    assert list(timing.runs()) == [first.meaning]


def test_a_kernel_that_refuses_to_run_is_no_choice(monkeypatch):
    first, second = relus(2)
    call = timing.Timer._call

    def without_arguments(self, primitive, places):
        (handle, stream, _, given), keep = call(self, primitive, places)
        return (handle, stream, 0 if primitive is first else len(keep), given), keep

    monkeypatch.setattr(timing.Timer, "_call", without_arguments)
    assert timing.Timer(1, limited=False).fastest([[first], [second]]) == 1
    with pytest.raises(dnnl.RefusedError, match="no kernel runs"):
        timing.Timer(1, limited=False).fastest([[first]])


def test_a_window_over_a_single_pixel_is_trained():
    """One of oneDNN's kernels for it is made, but refuses to run."""
    model = nn.Sequential(
        a=nn.Conv2d(3, 32, 1, rng=0), b=nn.Conv2d(32, 32, 3, padding=1, rng=1), flat=nn.Flatten()
    )
    x = np.random.default_rng(0).standard_normal((4, 3, 1, 1), np.float32)
    flat = core.FlatParameters(model)
    specs = Spec.of(x), Spec((4,), "int64")
    program = core.train_program(model, criterion.CrossEntropy(), flat, *specs, threads=1)
    loss, _, _ = program.run(x, np.arange(4))
    expected = len(x) * criterion.CrossEntropy()(model(x), np.arange(4))  # a program gives the sum
    assert loss == pytest.approx(expected, rel=1e-5)


def test_the_budget_grows_with_the_step():
    timer = timing.Timer(1, scale=4.0)
    before = timer.left
    timer.step = 10.0
    assert timer.left == pytest.approx(before + timing.TRAINING * 40.0, abs=1.0)


def test_a_program_whose_kernels_cannot_all_be_timed_takes_infinitely_long(monkeypatch):
    made = engine.compile(*lenet(8), plan=KernelPlan())
    steps = made._blueprint.steps
    assert 0 < timing.Timer(1).program(steps) < 10
    timing.forget()
    monkeypatch.setattr(timing, "SECONDS", 0.0)
    assert timing.Timer(1).program(steps) == np.inf


def test_long_programs_are_never_run_as_a_whole(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("a whole program was run")

    monkeypatch.setattr(compiler, "_fastest", refuse)
    monkeypatch.setattr(compiler, "CLOSE", float("inf"))
    monkeypatch.setattr(compiler, "WHOLE", 0.0)
    engine.compile(*lenet(8), plan=KernelPlan())


def test_large_batches_are_planned_on_part_of_them(small_samples):
    oplist, storage = lenet(64)
    learned = KernelPlan()
    program = engine.compile(oplist, storage, plan=learned)
    small, scale = sample.sampled(oplist, 1)
    assert (small.values[small.inputs[0][1]].shape, scale) == ((2, 1, 28, 28), 32.0)
    kinds = ("convolution", "pooling", "inner_product")
    sizes = {
        argument[1][0][0]
        for meaning in timing.runs()
        if meaning[0].startswith(kinds)
        for argument in meaning[3]
        if argument[0] in (dnnl.SRC, dnnl.DIFF_SRC)
    }
    assert sizes == {2}
    loss = program.run(batch(64))[0]
    expected = engine.compile(oplist, storage, plan=KernelPlan(frozen=True)).run(batch(64))[0]
    # Other kernels add up in another order: some roundings of the largest terms, of size 1.
    np.testing.assert_allclose(loss, expected, rtol=1e-5, atol=1e-6)


def test_planned_on_a_sample_the_whole_batch_is_obeyed_frozen(small_samples, monkeypatch):
    learned = KernelPlan()
    first = engine.compile(*lenet(64), plan=learned)
    sent = KernelPlan.from_json(learned.to_json())
    timing.forget()
    second = engine.compile(*lenet(64), plan=sent)
    assert kernels(first) == kernels(second)
    assert timing.runs() == {}


def test_gradients_and_parameters_of_a_sample_keep_their_shapes():
    oplist, _ = lenet(64)  # some weights have 64 or 128 rows, too
    small = sample.with_batch(oplist, 4)
    assert small is not None
    for _, value in (*oplist.parameters, *oplist.gradients):
        assert small.values[value] == oplist.values[value]
    assert {op.name for op in small.ops} == {op.name for op in oplist.ops}


def test_what_does_not_follow_from_the_batch_is_planned_as_it_is():
    oplist = OpList()
    x, fixed, y = (oplist.new_value(Spec((16, 4))) for _ in range(3))
    oplist.inputs, oplist.outputs = [("x", x)], [("y", y)]
    oplist.constants = [(np.ones((16, 4), "f4"), fixed)]
    oplist.ops = [Op("add", (x, fixed), (y,))]
    assert sample.with_batch(oplist, 4) is None


def test_a_reshape_that_joins_batch_and_time_is_cut():
    oplist = OpList()
    x, y = oplist.new_value(Spec((16, 5, 4))), oplist.new_value(Spec((80, 4)))
    oplist.inputs, oplist.outputs = [("x", x)], [("y", y)]
    oplist.ops = [Op("reshape", (x,), (y,), {"shape": (80, 4)})]
    small = sample.with_batch(oplist, 4)
    assert small is not None
    assert small.values[y].shape == (20, 4)
    assert small.ops[0].attrs == {"shape": (20, 4)}
    assert oplist.ops[0].attrs == {"shape": (80, 4)}


def test_tuning_times_anew_and_takes_the_place_of_what_the_plan_had(monkeypatch):
    mine = KernelPlan()
    engine.compile(*lenet(8), plan=mine)
    (whole_program,) = [key for key in mine._choices if key.startswith("program ")]
    mine.record(whole_program, 8, "a policy of nobody")
    seen = []
    whole = compiler._fastest
    monkeypatch.setattr(compiler, "_fastest", lambda *given: seen.append(given) or whole(*given))
    program = engine.tune(*lenet(8), plan=mine)
    assert seen
    assert mine.lookup(whole_program, 8) in compiler.POLICIES
    assert kernels(program) == kernels(engine.compile(*lenet(8), plan=mine.freeze()))


def test_a_frozen_plan_is_not_tuned():
    with pytest.raises(ArgumentError, match="must not be frozen"):
        engine.tune(*lenet(4), plan=KernelPlan(frozen=True))


def test_whoever_listens_hears_how_far_planning_is(monkeypatch):
    monkeypatch.setattr(progress, "EVERY", 0.0)
    heard = []
    with engine.planning(heard.append):
        engine.compile(*lenet(8), plan=KernelPlan())
    assert heard
    assert heard[0] == 0.0
    assert heard == sorted(heard)
    assert heard[-1] < 1.0
    count = len(heard)
    engine.compile(*lenet(9), plan=KernelPlan())
    assert len(heard) == count


@pytest.fixture
def shipping(monkeypatch, tmp_path):
    """Let the library come with a plan for this machine: that of a LeNet, learned here."""
    made = KernelPlan(fingerprint=engine.fingerprint())
    engine.compile(*lenet(8), plan=made)
    monkeypatch.setattr(engine, "shipped", lambda *machine: KernelPlan.from_json(made.to_json()))
    timing.forget()
    return made


def test_a_shipped_plan_is_used_without_timing(shipping):
    program = engine.compile(*lenet(8))
    assert timing.runs() == {}
    assert kernels(program) == kernels(engine.compile(*lenet(8), plan=shipping.freeze()))
    kept = plan.load_cached(engine.fingerprint())
    assert kept.to_json() == engine.default_plan().to_json()  # what was used is the user's now
    assert len(kept) > 0


def test_the_users_own_choice_goes_before_a_shipped_one(shipping):
    mine = KernelPlan(fingerprint=engine.fingerprint())
    mine.record("a signature", 8, "mine")
    plan.save_cached(mine)
    shipping.record("a signature", 8, "shipped")
    assert engine.default_plan().lookup("a signature", 8) == "mine"


def test_shipped_plans_can_be_turned_off(shipping, monkeypatch):
    monkeypatch.setenv("SANDBOX_SHIPPED_PLANS", "0")
    engine.compile(*lenet(8))
    assert timing.runs()


def test_shipped_plans_are_of_one_family_of_instructions_and_one_library():
    assert plan.shipped("avx", "3.2.0") is None
    for name in ("avx512_core_vnni", "avx2"):
        found = plan.shipped(name, "3.2.0")
        assert found is not None
        assert found.frozen
        assert len(found) > 0
        assert plan.shipped(name, "0.0.0") is None
