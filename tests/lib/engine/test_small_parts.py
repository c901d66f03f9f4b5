"""Pool, memory plan, list of operations, random contract, errors, doctests."""

from __future__ import annotations

import doctest
import importlib
import json
import threading

import numpy as np
import pytest
from oplists import lenet

from sandbox.lib.engine import Op, OpList, RandomKey, Spec, dnnl, passes
from sandbox.lib.engine.blueprint import Allocation, Step, Tensor, plan_memory
from sandbox.lib.engine.memory import Pool, size_class
from sandbox.lib.engine.ops import shape
from sandbox.lib.engine.random import dropout_mask


def test_a_pooled_array_returns_when_the_last_view_dies():
    pool = Pool()
    array = pool.empty((100, 1000), np.float32)
    view = array[3:].reshape(-1)[5:]
    del array
    assert pool.held == 0
    del view
    assert pool.held >= 400_000
    again = pool.empty((100, 999), np.float32)
    assert pool.held == 0
    assert again.flags.c_contiguous
    assert again.flags.writeable


def test_the_pool_keeps_no_more_than_its_limit():
    pool = Pool(limit=1 << 20)
    arrays = [pool.empty((1 << 18,), np.float32) for _ in range(3)]
    del arrays
    assert pool.held <= 1 << 20
    pool.clear()
    assert pool.held == 0


def test_the_pool_gives_threads_arrays_of_their_own():
    pool = Pool()
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(300):
            array = pool.empty((5000,), np.float32)
            array.fill(number)
            if not (array == number).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("nbytes", [16_385, 100_000, 1 << 20, (1 << 20) + 1])
def test_size_classes_waste_at_most_an_eighth(nbytes):
    assert nbytes <= size_class(nbytes) <= nbytes * 1.13


def test_buffers_whose_lives_overlap_never_share_memory():
    random = np.random.Generator(np.random.PCG64(0))
    for _ in range(20):
        tensors = [
            Tensor(Allocation(int(random.integers(1, 5000))), (1,), "float32", None)
            for _ in range(30)
        ]
        steps = []
        for position in range(30):
            reads = [tensors[i] for i in random.integers(0, position, 2)] if position else []
            steps.append(Step("x", "", reads, [tensors[position]]))
        total = plan_memory(steps, [tensors[-1]])
        buffers = [tensor.allocation for tensor in tensors]
        assert total <= sum(buffer.nbytes + 64 for buffer in buffers)
        for i, a in enumerate(buffers):
            assert a.offset % 64 == 0
            for b in buffers[:i]:
                apart = a.offset + a.nbytes <= b.offset or b.offset + b.nbytes <= a.offset
                assert apart or a.last < b.first or b.last < a.first


def test_a_list_is_told_as_json_and_as_text():
    oplist, _ = lenet(2)
    data = oplist.to_dict()
    assert json.loads(json.dumps(data)) == data
    assert [op["name"] for op in data["ops"]] == [op.name for op in oplist.ops]
    assert len(str(oplist).splitlines()) == len(oplist.ops)
    assert "conv2d" in str(oplist)


def test_passes_leave_the_callers_list_alone():
    oplist, _ = lenet(2)
    before = json.dumps(oplist.to_dict())
    better = passes.optimise(oplist)
    assert before == json.dumps(oplist.to_dict())
    assert len(better.ops) < len(oplist.ops)


def test_dead_operations_are_dropped():
    spec = Spec((2,))
    oplist = OpList(
        values=[spec] * 3,
        ops=[Op("exp", (0,), (1,)), Op("relu", (0,), (2,))],
        inputs=[("x", 0)],
        outputs=[("y", 2)],
    )
    assert [op.name for op in passes.optimise(oplist).ops] == ["relu"]


def test_a_relu_read_elsewhere_too_is_not_fused():
    spec = Spec((2, 2))
    oplist = OpList(
        values=[spec] * 4,
        ops=[Op("linear", (0, 1), (2,)), Op("relu", (2,), (3,))],
        inputs=[("x", 0), ("w", 1)],
        outputs=[("z", 2), ("y", 3)],
    )
    assert [op.name for op in passes.optimise(oplist).ops] == ["linear", "relu"]


@pytest.mark.parametrize("elements", [(1,), (7,), (8,), (3, 5)])
def test_masks_of_two_halves_are_those_of_the_whole_batch(elements):
    whole = dropout_mask((6, *elements), 0.4, "a.drop", RandomKey(3, 4, 10))
    second = dropout_mask((2, *elements), 0.4, "a.drop", RandomKey(3, 4, 14))
    np.testing.assert_array_equal(whole[4:], second)


def test_masks_depend_on_seed_step_and_path():
    keys = [RandomKey(1, 1), RandomKey(2, 1), RandomKey(1, 2)]
    masks = [dropout_mask((4, 64), 0.5, "a", key) for key in keys]
    masks.append(dropout_mask((4, 64), 0.5, "b", keys[0]))
    for i, mask in enumerate(masks):
        assert not any(np.array_equal(mask, other) for other in masks[:i])


def test_masks_drop_the_asked_share_and_keep_the_mean():
    mask = dropout_mask((1000, 100), 0.2, "a", RandomKey(0))
    # 100,000 draws: three standard deviations are 0.004
    assert abs((mask == 0).mean() - 0.2) < 0.004
    assert abs(mask.mean() - 1) < 0.005
    assert (dropout_mask((3, 3), 0.0, "a", RandomKey(0)) == 1).all()
    assert (dropout_mask((3, 3), 1.0, "a", RandomKey(0)) == 0).all()


def test_the_mask_of_a_known_key_never_changes():
    mask = dropout_mask((2, 8), 0.5, "layers.0", RandomKey(seed=7, step=3, sample_index=5))
    assert (mask > 0).astype(int).tolist() == KNOWN


KNOWN = [[0, 0, 1, 1, 1, 1, 1, 1], [0, 1, 1, 0, 1, 1, 1, 0]]


@pytest.mark.parametrize("name", ["oplist", "errors", "random", "plan"])
def test_examples_in_the_documentation_hold(name):
    module = importlib.import_module(f"sandbox.lib.engine.{name}")
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("tag", ["blocked16", "blocked8"])
def test_a_blocked_map_of_height_one_is_renamed_without_a_copy(tag):
    flat, long = dnnl.tagged((2, 32, 1, 50), tag), dnnl.tagged((2, 32, 50), tag)
    assert long == shape.renamed(flat, (2, 32, 50))
    assert flat == shape.renamed(long, (2, 32, 1, 50))
    assert shape.renamed(dnnl.tagged((2, 32, 5, 10), tag), (2, 32, 50)) is None
    assert shape.renamed(long, (2, 32, 5, 10)) is None
