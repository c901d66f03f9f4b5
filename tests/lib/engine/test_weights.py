"""Weights in the layouts of the kernels: made once, shared, never written while they are read."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

from sandbox.lib import core, engine, nn
from sandbox.lib.core import ops
from sandbox.lib.engine import Spec
from sandbox.lib.engine.weights import STORE, WeightStore

pytestmark = pytest.mark.usefixtures("native")
CHANNELS = 128


@pytest.fixture(autouse=True)
def _empty_store():
    gc.collect()
    STORE.forget()


def network() -> nn.Module:
    """Return a network whose convolutions take weights in blocks: 0.6 MB of them."""
    return nn.Sequential(
        first=nn.Conv2d(16, CHANNELS, 3, padding=1, rng=0),
        relu=nn.ReLU(),
        second=nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, rng=1),
        pool=nn.GlobalAvgPool2d(),
    )


def batch(rows: int, seed: int = 0) -> np.ndarray:
    random = np.random.Generator(np.random.PCG64(seed))
    return random.standard_normal((rows, 16, 6, 6), np.float32)


def program(model, rows: int, **options):
    """Return a program of blocked layouts, whatever is the fastest here."""
    plan = engine.KernelPlan(frozen=True)
    return core.predict_program(model, None, Spec((rows, 16, 6, 6)), plan=plan, **options)


def weight_bytes(model) -> int:
    return sum(p.data.nbytes for name, p in model.named_parameters() if name.endswith("weight"))


def run_in_threads(count: int, work) -> None:
    errors: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_programs_of_several_batch_sizes_share_the_weights():
    model = network()
    first = program(model, 2)
    alone = STORE.nbytes
    others = [program(model, rows) for rows in (1, 3, 8)]

    assert alone >= weight_bytes(model)
    assert STORE.nbytes == alone
    for rows, other in zip((1, 3, 8), others, strict=True):
        np.testing.assert_allclose(
            other.run(batch(rows)), program(model, rows).run(batch(rows)), rtol=0
        )
    assert first.run(batch(2)).shape == (2, CHANNELS)


def test_four_threads_share_the_weights_of_a_program():
    model = network()
    shared = program(model, 2)
    alone, expected = STORE.nbytes, shared.run(batch(2)).copy()
    all_run, counted = threading.Barrier(4), threading.Barrier(4)
    seen: list[int] = []

    def work(number: int) -> None:
        assert np.array_equal(shared.run(batch(2)), expected)
        all_run.wait(60)
        if number == 0:
            seen.append(STORE.nbytes)
        counted.wait(60)

    run_in_threads(4, work)
    assert seen == [alone]


def test_weights_die_with_their_last_user():
    model = network()
    one, two = program(model, 2), program(model, 4)
    gc.collect()
    gc.disable()  # by themselves, at once: nothing may hold a program in a circle
    try:
        del one
        assert STORE.nbytes >= weight_bytes(model)
        del two
        assert STORE.nbytes == 0
    finally:
        gc.enable()


def test_changed_weights_are_new_blocks_while_another_thread_reads_the_old_ones():
    model = network()
    shared = program(model, 2)
    x = batch(2)
    before = shared.run(x).copy()
    old = [prepared for prepared in shared.executable._prepared]
    copies = [[block.copy() for block in prepared.blocks] for prepared in old]
    weight = dict(model.named_parameters())["second.weight"]
    weight.set(2.0 * weight.data)
    after = shared.run(x).copy()

    assert not np.array_equal(before, after)
    assert np.array_equal(program(model, 2).run(x), after)
    for prepared, blocks in zip(old, copies, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(prepared.blocks, blocks, strict=True))
    kept = [a is b for a, b in zip(old, shared.executable._prepared, strict=True)]
    assert kept.count(False) == 1, "the other weights stay as they are"


def test_four_threads_with_weights_set_in_between_give_the_bits_of_one():
    model = network()
    weight = dict(model.named_parameters())["second.weight"]
    values = [np.float32(scale) * weight.data for scale in (1.0, -0.5, 3.0, 0.25)]
    x = batch(2)
    expected = []
    for value in values:
        weight.set(value)
        expected.append(program(model, 2).run(x).copy())
    shared = [program(model, 2), program(model, 2)]
    ready, done = threading.Barrier(4), threading.Barrier(4)

    def work(number: int) -> None:
        for turn in range(40):
            if number == 0:
                weight.set(values[turn % 4])
            ready.wait(60)
            for _ in range(3):
                found = shared[number % 2].run(x)
                assert np.array_equal(found, expected[turn % 4]), turn
            done.wait(60)

    run_in_threads(4, work)
    gc.collect()
    assert STORE.nbytes <= 1.5 * weight_bytes(model), "old versions are gone"


def test_weights_set_while_others_read_them_never_mix_within_a_block():
    """Two programs at two versions of the same weights do not disturb each other."""
    model = network()
    x = batch(2)
    slow, quick = program(model, 2), program(model, 4)
    expected = slow.run(x).copy()
    old = slow.executable
    weight = dict(model.named_parameters())["first.weight"]
    weight.set(weight.data + np.float32(1))
    quick.run(batch(4))

    # the slow thread is in the middle of its run and has not looked at the versions again
    biased = old.run([x])[0]
    assert np.array_equal(biased, expected)


def test_values_computed_from_constants_are_shared():
    class Shifted(nn.Module):
        def __init__(self, table: np.ndarray) -> None:
            super().__init__()
            self.table = table

        def call(self, x):
            return ops.add(x, ops.sum(ops.exp(self.table), 0))

    table = np.ones((50, 300), np.float32)
    models = [Shifted(table), Shifted(table.copy()), Shifted(2 * table)]
    made, sizes = [], []
    for model, rows in zip((models[0], *models), (1, 2, 3, 4), strict=True):
        made.append(core.predict_program(model, None, Spec((rows, 300))))
        sizes.append(STORE.nbytes)

    assert sizes[0] > 0
    assert sizes == [sizes[0], sizes[0], sizes[0], 2 * sizes[0]]
    zeros = np.zeros((4, 300), np.float32)
    np.testing.assert_allclose(made[3].run(zeros), np.full((4, 300), 50 * np.exp(2)), rtol=1e-5)


def test_a_constant_output_is_given_anew_in_each_run():
    class Constant(nn.Module):
        def call(self, x):
            return x, ops.exp(np.zeros((3,), np.float32))

    made = core.predict_program(Constant(), None, Spec((2,)))
    x = np.ones((2,), np.float32)
    made.run(x)[1][...] = 7
    assert made.run(x)[1].tolist() == [1, 1, 1]


def test_blocks_are_made_once_however_many_threads_ask():
    store, calls = WeightStore(), []
    start = threading.Barrier(4)
    found = []

    def make():
        calls.append(1)
        threading.Event().wait(0.05)
        return [np.ones(8, np.uint8)]

    def work(number: int) -> None:
        start.wait(60)
        found.append(store.get("key", None, make))

    run_in_threads(4, work)
    assert len(calls) == 1
    assert all(prepared is found[0] for prepared in found)
    assert store.nbytes == 8
    with pytest.raises(ValueError, match="read-only"):
        found[0].blocks[0][0] = 2


def test_blocks_that_could_not_be_made_are_made_by_the_next_to_ask():
    store = WeightStore()

    def fail():
        raise MemoryError("no room")

    with pytest.raises(MemoryError):
        store.get("key", None, fail)
    assert len(store) == 0
    assert store.get("key", None, lambda: [np.ones(4, np.uint8)]).nbytes == 4


def test_without_versions_a_program_keeps_weights_of_its_own():
    model = network()
    shared = program(model, 2)
    before = STORE.nbytes
    storage = {f"parameter:{name}": np.array(p.data) for name, p in model.named_parameters()}
    plan = engine.KernelPlan(frozen=True)
    own = engine.compile(shared.oplist, storage, plan=plan)
    storage["parameter:second.weight"][...] *= 2
    assert STORE.nbytes == 2 * before
    assert np.array_equal(own.run([batch(2)])[0], shared.run(batch(2)))
    own.refresh_parameters()
    assert not np.array_equal(own.run([batch(2)])[0], shared.run(batch(2)))


@pytest.mark.parametrize("scaled", [False, True])
def test_an_operation_of_weights_in_two_steps_gives_the_same_in_each_run(scaled):
    rng = np.random.default_rng(0)

    class Held(nn.Module):
        def __init__(self):
            super().__init__()
            self.x = core.Parameter(rng.normal(size=(2, 3, 4)).astype("f4"))
            self.w = core.Parameter(rng.normal(size=3).astype("f4"))

        def call(self, y):
            w = core.ops.multiply(self.w, y) if scaled else self.w
            return core.ops.tanh_shrink(core.ops.group_norm(self.x, w, self.w, groups=3))

    model = Held()
    program = core.predict_program(model, None, engine.Spec((3,)))
    for factor in (1, 2, 2):  # the second of its kernels once wrote over what the first had kept
        y = np.full(3, factor, "f4")
        assert np.allclose(program.run(y), model(y), atol=1e-6)
