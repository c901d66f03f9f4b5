"""Modules, criterions, methods and schedules against fixtures that PyTorch computed.

The pairs are in `tests/golden/`, a file for each family; `make.py` there writes the fixtures.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from sandbox.lib import optim
from sandbox.lib.core import RandomKey, Tape, Value, ops, tree, using
from sandbox.lib.criterion import Criterion
from sandbox.lib.nn import Module
from tests.golden.pairs import HERE, Method, Pair, Timetable, families

# The same float64 arithmetic in another order.
NEAR64 = 1e-9

MEMBERS = [(family, pair) for family, pairs in families().items() for pair in pairs]
DTYPES = ("float64", "float32")


def these(kind: type[Any]) -> list[Any]:
    return [pytest.param(f, m, id=m.name) for f, m in MEMBERS if isinstance(m, kind)]


@cache
def fixtures(family: str) -> dict[str, np.ndarray]:
    with np.load(HERE / f"{family}.npz", allow_pickle=False) as file:
        return dict(file)


def expected(family: str, name: str) -> dict[str, np.ndarray]:
    found = fixtures(family)
    return {k[len(name) + 1 :]: found[k] for k in found if k.startswith(f"{name}/")}


def close(found: Any, wanted: np.ndarray, near: float, what: str) -> None:
    array = np.asarray(found)
    assert array.shape == wanted.shape, what
    scale = max(float(np.abs(wanted).max(initial=0.0)), 1e-3)
    worst = float(np.abs(array - wanted).max(initial=0.0)) / scale
    assert worst <= near, f"{what}: differs by {worst:.2e} of the largest element"


def run(pair: Pair, dtype: str) -> dict[str, Any]:
    """Compute what `make.py` computes, with ours."""
    ours = pair.ours()
    values = [Value(x.astype(dtype) if x.dtype.kind == "f" else x) for x in pair.draw()]
    inputs = {f"input {k}": x for k, x in enumerate(values) if k not in pair.constant}
    inputs = {name: x for name, x in inputs.items() if x.dtype.kind == "f"}
    parameters = {}
    if isinstance(ours, Module):
        ours.astype(dtype)
        held = dict(ours.named_parameters()) | dict(ours.named_buffers())
        for name, array in pair.state({name: v.shape for name, v in held.items()}).items():
            held[name].set(array.astype(held[name].dtype))
        parameters = {f"gradient {name}": p for name, p in ours.named_parameters()}
    call = ours.call if isinstance(ours, Criterion) else ours
    random = RandomKey(0, 0, 0) if pair.training else None
    with using(training=pair.training, random=random, collect=pair.training), Tape() as tape:
        outputs = tree.leaves(call(*values))
        smooth = [(k, y) for k, y in enumerate(outputs) if y.dtype.kind == "f"]
        loss = Value(np.zeros((), dtype))
        for k, y in smooth:
            weights = pair.projection(y.shape, k).astype(dtype)
            loss = ops.add(loss, ops.sum(ops.multiply(y, Value(weights))))
    found = {f"output {k}": y.data for k, y in enumerate(outputs)}
    wanted = inputs | parameters
    return found | dict(zip(wanted, tape.gradients(loss, list(wanted.values())), strict=True))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("family", "pair"), these(Pair))
def test_outputs_and_gradients_are_those_of_pytorch(family, pair, dtype):
    wanted, found = expected(family, pair.name), run(pair, dtype)
    assert wanted, "no fixture: run tests/golden/make.py"
    near = NEAR64 if dtype == "float64" else pair.near
    for key, array in wanted.items():
        close(found[key], array, near, f"{pair.name}, {dtype}, {key}")
    for key in set(found) - set(wanted):
        assert not np.any(found[key]), f"{pair.name}: PyTorch has no {key}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("family", "method"), these(Method))
def test_methods_step_as_those_of_pytorch(family, method, dtype):
    wanted, optimizer = expected(family, method.name), method.ours()
    start = method.start()
    vector = np.concatenate([x.reshape(-1) for x in start.values()]).astype(dtype)
    views, at = {}, 0
    for part, array in start.items():
        views[part] = (at, at + array.size, array.shape)
        at += array.size
    spans = optim.ParameterSpans.of(views, 0, vector.size)
    state = optimizer.init_slice(vector.size, vector.dtype)
    near = NEAR64 if dtype == "float64" else method.near
    for step, gradients in enumerate(method.gradients()):
        gradient = np.concatenate([g.reshape(-1) for g in gradients.values()]).astype(dtype)
        named: dict[str, Any] = {"step": step, "spans": spans}
        if optimizer.needs_norms:
            named["norms"] = optimizer.measure_slice(vector, gradient, state, **named)
        if optimizer.needs_wholes:
            optimizer.aim_slice(vector, gradient, state, **named)
            for part, (first, last, shape) in views.items():
                whole, slope = (x[first:last].reshape(shape) for x in (vector, gradient))
                slots = {slot: state[slot][first:last].reshape(shape) for slot in state}
                optimizer.shape_whole(part, whole, slope, slots)
        rate = optimizer.learning_rate_at(step)
        optimizer.apply_slice(vector, gradient, state, learning_rate=rate, **named)
        for part, (first, last, shape) in views.items():
            now = vector[first:last].reshape(shape)
            close(now, wanted[part][step], near, f"{method.name}, step {step}, {part}")


@pytest.mark.parametrize(("family", "timetable"), these(Timetable))
def test_schedules_give_the_rates_of_pytorch(family, timetable):
    schedule, rates = timetable.ours(), []
    for step in range(timetable.steps):
        rates.append(schedule(step, timetable.steps))
        for loss in timetable.losses[step : step + 1]:
            schedule.observe({"loss": loss})
    close(rates, expected(family, timetable.name)["rates"], 1e-9, timetable.name)


def test_the_fixtures_are_small_and_say_what_made_them():
    files = [HERE / f"{family}.npz" for family in families()]
    assert sum(path.stat().st_size for path in files) <= 3_000_000
    assert all("PyTorch 2.13" in str(fixtures(f.stem)["made with"]) for f in files)
