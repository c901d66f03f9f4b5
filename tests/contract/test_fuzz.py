"""Random models over all operations: natively and by the reference, eagerly and compiled."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sandbox.lib import engine
from sandbox.lib.core import ops
from sandbox.lib.engine.operation import OPERATIONS
from sandbox.lib.engine.ops.comparison import COMPARISONS
from sandbox.lib.testing import fuzz
from sandbox.lib.testing.fuzz import judge
from sandbox.lib.testing.fuzz.graph import Ref
from sandbox.lib.testing.fuzz.maker import Maker

GRAPHS, CHUNK, QUICK = 500, 25, 100


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SANDBOX_CACHE", str(tmp_path))


CHUNKS = [
    pytest.param(first, marks=[pytest.mark.campaign] if first >= QUICK else [])
    for first in range(0, GRAPHS, CHUNK)
]


@pytest.mark.parametrize("first", CHUNKS)
def test_random_graphs_give_the_same_in_every_mode(first):
    for seed in range(first, first + CHUNK):
        graph = fuzz.generate(seed)
        found = fuzz.check(graph)
        assert not found, "\n".join([graph.listing(), *map(str, found)])


def test_every_operation_is_drawn_or_excepted_with_a_reason():
    drawn = set(fuzz.names())
    assert set(ops.__all__) <= drawn | set(fuzz.EXCEPTIONS)
    assert not drawn & set(fuzz.EXCEPTIONS)
    assert all(len(reason) > 20 for reason in fuzz.EXCEPTIONS.values())


def test_every_operation_occurs_in_what_is_drawn():
    left = set(fuzz.names())
    for seed in range(3 * GRAPHS):
        left -= {step.name for step in fuzz.generate(seed).steps}
        if not left:
            return
    raise AssertionError(f"never drawn: {sorted(left)}")


def test_a_seed_tells_all():
    first, second = fuzz.generate(17), fuzz.generate(17)
    assert first.listing() == second.listing()
    assert first.listing() != fuzz.generate(18).listing()
    for one, two in zip(first.sources.values(), second.sources.values(), strict=True):
        np.testing.assert_array_equal(one.data, two.data)


def _first_with(name):
    """Return a graph where a slightly wrong number is one at the end, too: none is compared."""
    for graph in map(fuzz.generate, range(10_000)):
        names = {step.name for step in graph.steps}
        if name in names and len(names) > 4 and not names & set(COMPARISONS):
            return graph
    raise AssertionError(f"never drawn: {name}")


WRONG = {"tanh": "tanh", "transpose": "transpose", "mean": "mean", "batch_norm": "batch_norm_grad"}


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_reference_kernel_is_found_and_shrunk_to_it(monkeypatch, name):
    kernel = WRONG[name]
    right = OPERATIONS[kernel]
    graph = _first_with(name)
    assert not fuzz.check(graph)

    def wrong(*arrays, **attrs):
        made = right.reference(*arrays, **attrs)
        both = made if isinstance(made, tuple) else (made,)
        changed = tuple(array * np.float32(1 + 1e-3) for array in both)
        return changed if isinstance(made, tuple) else changed[0]

    monkeypatch.setitem(OPERATIONS, kernel, dataclasses.replace(right, reference=wrong))
    assert fuzz.check(graph)
    small = fuzz.shrink(graph, fuzz.check)
    assert [step.name for step in small.steps] == [name]
    assert fuzz.check(small)
    assert name in small.listing()


@pytest.mark.parametrize(("factor", "is_wrong"), [(0.5, True), (1.0, False)])
def test_what_rounding_decides_is_no_difference(factor, is_wrong):
    # The sign of x - factor * x: at a factor of 1 only rounding tells it.
    maker = Maker(0)
    x = maker.source("input", np.float32([1.5, -0.7, 0.3]))
    part = maker.apply("multiply", ((Ref(x), factor), {}))
    rest = maker.apply("subtract", ((Ref(x), Ref(part)), {}))
    graph = maker.graph([maker.apply("sign", ((Ref(rest),), {}))])
    case = judge._Case(graph)
    with engine.use_reference():
        program = case.predict_program()
        expected = case.predicted(program)
    other = {name: 1 - array for name, array in expected.items()}

    found = list(judge._judge(case, program.oplist, "for the test", expected, other))

    assert bool(found) == is_wrong
