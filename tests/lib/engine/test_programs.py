"""Whole programs: equal to the reference, to their clones in threads, and to themselves."""

from __future__ import annotations

import threading
import weakref

import numpy as np
import pytest
from oplists import CONV, POOL, Writer, lenet, one_op, residual

from sandbox.lib import engine
from sandbox.lib.engine import Op, RandomKey, Spec, compiler, dnnl
from sandbox.lib.engine.ops.pooling import place_dtype

pytestmark = pytest.mark.usefixtures("native")


def batch(n, seed=0):
    random = np.random.Generator(np.random.PCG64(seed))
    return [random.standard_normal((n, 1, 28, 28), np.float32), random.integers(0, 10, n)]


def gradients(storage):
    return {key: array.copy() for key, array in storage.items() if key.startswith("gradient")}


def against_reference(oplist, storage, inputs, tolerance, random=None):
    """Run natively and by NumPy; compare outputs and everything written."""
    mine = {key: array.copy() for key, array in storage.items()}
    theirs = {key: array.copy() for key, array in storage.items()}
    program = engine.compile(oplist, mine, plan=engine.KernelPlan())
    found = [array.copy() for array in program.run(inputs, random=random)]
    with engine.use_reference():
        expected = engine.compile(oplist, theirs).run(inputs, random=random)
    for (name, _), got, wanted in zip(oplist.outputs, found, expected, strict=True):
        assert wanted.shape == got.shape
        assert np.abs(wanted - got).max() <= tolerance * np.abs(wanted).max(), name
    for key, wanted in theirs.items():
        scale = max(float(np.abs(wanted).max()), 1e-3)
        assert float(np.abs(wanted - mine[key]).max()) <= tolerance * scale, key
    return program


@pytest.mark.parametrize(("n", "used"), [(1, 1), (128, 2)])
def test_small_programs_take_one_thread(n, used, monkeypatch):
    monkeypatch.setattr(compiler, "MEETING", 2.5e-5)  # tests have small programs with two, too
    assert compiler.worthwhile(lenet(n)[0], 2) == used


@pytest.mark.parametrize("n", [1, 3, 128])
def test_lenet_training_equals_the_reference(n):
    oplist, storage = lenet(n)
    # sums over up to 73,728 products, in another order
    against_reference(oplist, storage, batch(n), 3e-5)


def test_convolutions_that_the_library_refuses_are_columns_and_products(monkeypatch):
    def refuse(*arguments, **options):
        raise dnnl.RefusedError("not on this processor")

    for name in ("convolution", "convolution_data", "convolution_weights"):
        monkeypatch.setattr(dnnl, name, refuse)
    oplist, storage = lenet(3)
    program = against_reference(oplist, storage, batch(3), 3e-5)
    ways = {step.name: step.implementation for step in program.steps if "conv2d" in step.name}
    assert ways == {
        "conv2d": "im2col+sgemm",
        "conv2d_grad_input": "sgemm+col2im",
        "conv2d_grad_weight": "im2col+sgemm",
    }


def test_residual_network_with_batch_norm_and_dropout_equals_the_reference():
    oplist, storage = residual(6)
    random = np.random.Generator(np.random.PCG64(2))
    inputs = [random.standard_normal((6, 3, 12, 12), np.float32), random.integers(0, 10, 6)]
    # batch statistics of few elements cancel: the largest gradients agree to a few 1e-4
    program = against_reference(oplist, storage, inputs, 1e-3, RandomKey(1, 2, 3))
    names = [step.name for step in program.steps]
    assert "relu" not in names  # fused into what comes before
    assert names.count("batch_norm") == names.count("batch_norm_grad") == 2


@pytest.mark.parametrize(
    ("kernel", "size"), [((2, 2), 9), ((3, 3), 9), ((18, 18), 20), ((5, 4), 5)]
)
def test_max_pooling_keeps_its_workspace_within_a_program(kernel, size):
    w = Writer({"x": Spec((2, 16, size, size))})
    attrs = {"kernel": kernel, "stride": (1, 1), "padding": ((0, 0), (1, 1))}
    y = (2, 16, size - kernel[0] + 1, size + 2 - kernel[1] + 1)
    value, workspace = w.op(
        "max_pool2d", (w.ids["x"],), y, Spec(y, place_dtype(attrs["kernel"])), **attrs
    )
    shape = (2, 16, size, size)
    back = w.op("max_pool2d_grad", (value, workspace), shape, input_shape=shape, **attrs)
    w.list.outputs += [("y", value), ("dx", back)]
    x = np.random.Generator(np.random.PCG64(3)).standard_normal(shape, np.float32)
    against_reference(w.list, {}, [x], 1e-6)


def test_three_threads_of_clones_give_the_same_bits_as_one():
    oplist, storage = lenet(16)
    first = engine.compile(oplist, storage, plan=engine.KernelPlan())
    batches = [batch(16, seed) for seed in range(10)]
    expected = []
    for inputs in batches:
        outputs = [array.copy() for array in first.run(inputs)]
        expected.append((outputs, gradients(storage)))
    different: list[int] = []

    def work() -> None:
        own = {
            key: array.copy() if key.startswith("gradient") else array
            for key, array in storage.items()
        }
        program = first.clone(own)
        for step in range(300):
            outputs, wanted = expected[step % len(batches)]
            found = program.run(batches[step % len(batches)])
            same = all(np.array_equal(a, b) for a, b in zip(outputs, found, strict=True))
            if not same or any(not np.array_equal(wanted[key], own[key]) for key in wanted):
                different.append(step)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert different == []


def test_programs_of_the_same_gradients_share_memory_and_disturb_no_results():
    small, storage = lenet(4)
    programs, alone = [], []
    for size in (4, 16, 8):
        oplist = lenet(size)[0]
        programs.append(engine.compile(oplist, storage, plan=engine.KernelPlan(frozen=True)))
        own = {key: array.copy() for key, array in storage.items()}
        program = engine.compile(oplist, own, plan=engine.KernelPlan(frozen=True))
        outputs = [array.copy() for array in program.run(batch(size))]
        alone.append((outputs, gradients(own)))
    found = []
    for size, program, (_, wanted) in zip((4, 16, 8), programs, alone, strict=True):
        found.append(program.run(batch(size)))
        assert all(np.array_equal(wanted[key], storage[key]) for key in wanted)
    for outputs, (wanted, _) in zip(found, alone, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(outputs, wanted, strict=True))
    assert programs[1]._workspace is programs[2]._workspace
    assert programs[1].clone()._workspace is not programs[1]._workspace
    other = engine.compile(small, lenet(4)[1], plan=engine.KernelPlan(frozen=True))
    assert other._workspace is not programs[2]._workspace


def test_a_larger_program_frees_the_memory_of_the_smaller_ones():
    """Two dozen lengths of texts, met in any order, once kept three times the longest's memory."""
    _, storage = lenet(4)
    programs = [
        engine.compile(lenet(size)[0], storage, plan=engine.KernelPlan(frozen=True))
        for size in (4, 6)
    ]
    wanted = [[array.copy() for array in programs[0].run(batch(4))], gradients(storage)]
    before = weakref.ref(programs[0]._workspace.memory.base)
    assert before() is not None
    large = engine.compile(lenet(64)[0], storage, plan=engine.KernelPlan(frozen=True))
    large.run(batch(64))
    assert before() is None
    found = programs[0].run(batch(4))  # at its new place
    for a, b in zip(wanted[0], found, strict=True):
        np.testing.assert_array_equal(a, b)
    for key, array in wanted[1].items():
        np.testing.assert_array_equal(array, storage[key])


def test_eager_operations_in_three_threads_give_the_same_bits():
    x, w = batch(8)[0], np.ones((6, 1, 5, 5), np.float32)
    (expected,) = engine.execute("conv2d", [x, w], CONV)
    different: list[int] = []

    def work() -> None:
        for step in range(100):
            if not np.array_equal(expected, engine.execute("conv2d", [x, w], CONV)[0]):
                different.append(step)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert different == []


def test_two_cores_give_the_same_values_as_one():
    oplist, storage = lenet(32)
    inputs = batch(32)
    engine.compile(oplist, storage, threads=1).run(inputs)
    one = gradients(storage)
    engine.compile(oplist, storage, threads=2).run(inputs)
    for key, wanted in one.items():  # only the order of sums differs
        np.testing.assert_allclose(wanted, storage[key], atol=1e-5 * np.abs(wanted).max())


def test_training_reads_changed_weights_and_inference_when_told():
    oplist, storage = lenet(4, training=False)
    inputs = batch(4)[:1]
    program = engine.compile(oplist, storage)
    before = program.run(inputs)[0].copy()
    for key, array in storage.items():
        if key.startswith("parameter"):
            array *= 2
    program.refresh_parameters()
    after = program.run(inputs)[0].copy()
    assert not np.allclose(before, after)
    with engine.use_reference():
        expected = engine.compile(oplist, storage).run(inputs)[0]
    np.testing.assert_allclose(expected, after, rtol=1e-4, atol=1e-4)


def test_inference_keeps_its_reordered_weights_between_runs():
    training, storage = lenet(4)
    program = engine.compile(training, storage, plan=engine.KernelPlan())
    inference, storage = lenet(4, training=False)
    lean = engine.compile(inference, storage, plan=engine.KernelPlan())
    reorders = [step for step in lean.steps if step.name == "reorder" and "x5x5" in step.layouts]
    assert reorders == []
    assert any(step.name == "reorder" and "x5x5" in step.layouts for step in program.steps)


def test_relu_is_fused_and_its_gradient_works_on_the_pooled_map():
    oplist, storage = lenet(4)
    program = engine.compile(oplist, storage)
    names = [step.name for step in program.steps]
    assert "relu" not in names
    sizes = [step.layouts for step in program.steps if step.name == "relu_grad"]
    assert len(sizes) == 4
    assert not any("24x24" in layouts or "8x8" in layouts for layouts in sizes)


def test_a_flattened_map_is_read_where_it_lies():
    n = 64
    w = Writer({"x": Spec((n, 16, 8, 8))})
    kernel = w.parameter("conv.weight", 32, 16, 3, 3)
    weight = w.parameter("fc.weight", 40, 32 * 36)
    y = w.op("conv2d", (w.ids["x"], kernel), (n, 32, 6, 6), **CONV)
    flat = w.op("reshape", (y,), (n, 32 * 36), shape=(n, 32 * 36))
    w.list.outputs.append(("y", w.op("linear", (flat, weight), (n, 40))))
    storage = {key: array for key, array in w.storage.items() if key.startswith("parameter")}
    x = np.random.Generator(np.random.PCG64(4)).standard_normal((n, 16, 8, 8), np.float32)
    program = against_reference(w.list, storage, [x], 1e-5)
    assert "linear" in [step.name for step in program.steps]


def test_dropout_masks_follow_the_samples_not_the_batches():
    w = Writer({"x": Spec((4, 6))})
    y, mask = w.op("dropout", (w.ids["x"],), (4, 6), (4, 6), p=0.5, path="drop")
    w.list.outputs += [("y", y), ("mask", mask)]
    program = engine.compile(w.list, {})
    x = np.ones((4, 6), np.float32)
    first = [array.copy() for array in program.run([x], random=RandomKey(1, 5, 0))]
    second = program.run([x], random=RandomKey(1, 5, 2))
    np.testing.assert_array_equal(first[1][2:], second[1][:2])
    np.testing.assert_array_equal(first[0], first[1])
    with pytest.raises(engine.EngineError, match="RandomKey"):
        program.run([x])


def test_updates_and_tied_gradients_are_written():
    w = Writer({"x": Spec((3,))})
    mean = w.list.new_value(Spec((3,)))
    w.list.buffers.append(("mean", mean))
    new = w.op("add", (mean, w.ids["x"]), (3,))
    w.list.updates.append(("mean", new))
    doubled = w.op("add", (new, new), (3,))
    w.gradient("a", doubled)
    w.gradient("b", doubled)
    storage = {
        "buffer:mean": np.ones(3, np.float32),
        "gradient:a": np.zeros(3, np.float32),
        "gradient:b": np.zeros(3, np.float32),
    }
    program = engine.compile(w.list, storage)
    program.run([np.full(3, 2, np.float32)])
    program.run([np.full(3, 2, np.float32)])
    assert storage["buffer:mean"].tolist() == [5, 5, 5]
    assert [10, 10, 10] == storage["gradient:a"].tolist() == storage["gradient:b"].tolist()


def test_a_value_may_be_output_twice_and_be_an_input():
    w = Writer({"x": Spec((2, 3))})
    flat = w.op("reshape", (w.ids["x"],), (6,), shape=(6,))
    w.list.outputs += [("same", w.ids["x"]), ("flat", flat), ("again", flat)]
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    same, flat_found, again = engine.compile(w.list, {}).run([x])
    np.testing.assert_array_equal(x, same)
    np.testing.assert_array_equal(x.reshape(6), flat_found)
    np.testing.assert_array_equal(x.reshape(6), again)


def test_an_operation_without_a_native_kernel_is_a_step_of_the_program():
    w = Writer({"x": Spec((4, 2, 6, 6))})
    kernel = w.parameter("weight", 16, 2, 3, 3)
    y = w.op("conv2d", (w.ids["x"], kernel), (4, 16, 4, 4), **CONV)
    turned = w.op("transpose", (y,), (4, 4, 4, 16), axes=(0, 2, 3, 1))
    largest = w.op("max", (turned,), (), axes=(0, 1, 2, 3), keepdims=False)
    w.list.outputs += [("turned", turned), ("largest", largest)]
    x = np.random.Generator(np.random.PCG64(5)).standard_normal((4, 2, 6, 6), np.float32)
    storage = {"parameter:weight": w.storage["parameter:weight"]}
    program = against_reference(w.list, storage, [x], 1e-5)
    assert "reference" in [step.implementation for step in program.steps]


def test_wrong_inputs_are_refused_with_the_cure():
    oplist, storage = lenet(4, training=False)
    program = engine.compile(oplist, storage)
    with pytest.raises(engine.EngineError, match=r"input 'x' must have shape \(4, 1, 28, 28\)"):
        program.run([np.zeros((3, 1, 28, 28), np.float32)])
    with pytest.raises(engine.EngineError, match="inputs must be 1 arrays; got 0"):
        program.run([])


def test_storage_is_checked_by_name():
    oplist, storage = lenet(4)
    missing = {key: value for key, value in storage.items() if key != "parameter:fc1.weight"}
    with pytest.raises(engine.EngineError, match=r"fc1\.weight: storage must hold"):
        engine.compile(oplist, missing)
    wrong = {**storage, "parameter:fc1.weight": np.zeros((3, 3), np.float32)}
    with pytest.raises(engine.EngineError, match=r"fc1\.weight: the bound parameter must have"):
        engine.compile(oplist, wrong)


def test_a_failing_kernel_is_named_with_its_shapes():
    from sandbox.lib.engine import dnnl

    oplist = one_op("relu", [(2, 3)], [(2, 3)], {})
    program = engine.compile(oplist, {})
    calls = program._bound().calls
    call, arguments = calls[0]
    calls[0] = (call, (*arguments[:2], 0, arguments[3]))  # no arguments at all
    with pytest.raises(engine.EngineError, match=r"here \(relu\).*2x3:ab.*invalid arguments") as e:
        program.run([np.zeros((2, 3), np.float32)])
    assert "Likely causes:" in str(e.value)
    assert dnnl.STATUS[2] in str(e.value)


def test_profile_times_every_step():
    oplist, storage = lenet(4)
    program = engine.compile(oplist, storage)
    found = program.profile(batch(4))
    assert [step.name for step in program.steps] == [step.name for step in found]
    assert all(step.seconds is not None and step.seconds > 0 for step in found)


def test_a_reference_program_has_the_same_interface():
    oplist, storage = lenet(2)
    with engine.use_reference():
        program = engine.compile(oplist, storage)
    assert {"numpy"} == {step.implementation for step in program.steps}
    found = program.clone().run(batch(2))
    assert len(found) == 2
    program.refresh_parameters()
    assert len(oplist.ops) == len(program.profile(batch(2), repeats=1))


def test_an_empty_batch_runs_by_the_reference():
    oplist = one_op("linear", [(0, 3), (2, 3)], [(0, 2)], {})
    (y,) = engine.compile(oplist, {}).run(
        [np.zeros((0, 3), np.float32), np.zeros((2, 3), np.float32)]
    )
    assert y.shape == (0, 2)


def test_pooling_of_a_plain_input_takes_part_in_the_choice():
    oplist = one_op("max_pool2d", [(2, 16, 8, 8)], [(2, 16, 4, 4)], POOL)
    oplist.ops[0] = Op("max_pool2d", (0,), (1, 2), POOL)
    oplist.values.append(Spec((2, 16, 4, 4), "uint8"))
    x = np.arange(2 * 16 * 64, dtype=np.float32).reshape(2, 16, 8, 8)
    (y,) = engine.compile(oplist, {}).run([x])
    np.testing.assert_array_equal(x[:, :, 1::2, 1::2], y)
