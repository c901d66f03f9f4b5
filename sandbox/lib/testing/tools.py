"""What the clauses share: making modules and inputs, running them, comparing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..core import RandomKey, Tape, Value, ops, using
from ..nn import Case, Module

Array: TypeAlias = NDArray[Any]

# Central differences of step 1e-6 in float64 have an error near 1e-10; scalars in `call` are
# float32 constants, the same on both sides.
STEP, SLOPE_TOLERANCE = 1e-6, 1e-6


def own_cases(cls: type[Any]) -> tuple[Any, ...]:
    """Give the cases which the class itself brings (inherited ones are another class's).

    Raises
    ------
    AssertionError : there are none.
    """
    cases: tuple[Any, ...] = cls.__dict__.get("cases", ())
    require(cases, f"{cls.__name__} must bring `cases` for the contract; it has none")
    return cases


def require(condition: Any, message: str) -> None:
    """Raise an AssertionError unless the condition holds."""
    if not condition:
        raise AssertionError(message)


def generator(seed: int) -> np.random.Generator:
    """Give a generator of a seed."""
    return np.random.Generator(np.random.PCG64(seed))


def make(case: Case, seed: int = 0, dtype: str = "float32") -> Module:
    """Make the module of a case, with parameters and statistics that are all different."""
    module: Module = case.make(generator(seed))
    rng = generator(seed + 1000)
    for parameter in module.parameters():
        parameter.set(parameter.data + rng.normal(0, 0.2, parameter.shape).astype("f4"))
    for name, buffer in module.named_buffers():
        spread = rng.uniform(0.5, 1.5, buffer.shape)
        buffer.set((spread if "variance" in name else spread - 1).astype("f4"))
    if dtype != "float32":
        for holder in (*module.parameters(), *module.buffers()):
            holder._place(np.array(holder.data, dtype=dtype))
    return module


def inputs_of(
    case: Case, seed: int = 0, dtype: str = "float32", rows: int | None = None
) -> list[Array]:
    """Draw inputs; where there are kinks, all elements are far from each other and from 0."""
    rng = generator(seed + 2000)
    made = []
    for place, shape in enumerate(case.inputs):
        shape = shape if rows is None else (rows, *shape[1:])
        limits = integers_of(case, place)
        if limits is not None:
            made.append(rng.integers(*limits, size=shape))
            continue
        count = int(np.prod(shape))
        if case.kinks:
            values = (rng.permutation(count) - count / 2 + 0.5) / max(count, 1) * 4
        else:
            values = rng.normal(size=count)
        made.append(values.reshape(shape).astype(dtype))
    return made


def integers_of(case: Case, place: int) -> tuple[int, int] | None:
    """Give the limits of an input of integers; None for one of real numbers."""
    return case.integers[place] if place < len(case.integers) else None


def mode(training: bool, step: int = 1) -> AbstractContextManager[Any]:
    """Open a training or inference context with a fixed random key."""
    if not training:
        return using(training=False)
    return using(training=True, random=RandomKey(3, step, 0), collect=True)


def run(
    module: Module, inputs: list[Array], *, training: bool = False, step: int = 1
) -> tuple[Array, list[Array]]:
    """Call a module and walk back: output, gradients of inputs and parameters.

    What is minimised is the sum of the output times a fixed projection.
    """
    values = [Value(x) for x in inputs]
    with mode(training, step):
        with Tape() as tape:
            y = module(*values)
            loss = ops.sum(ops.multiply(y, Value(projection(y.shape, y.dtype))))
        found = tape.gradients(loss, [*values, *module.parameters()])
    return y.data, found


def projection(shape: tuple[int, ...], dtype: Any) -> Array:
    """Give the fixed random numbers an output is multiplied with."""
    return generator(7).normal(size=shape).astype(dtype)


def close(expected: Array, actual: Array, tolerance: float, what: str) -> None:
    """Compare arrays relative to the largest element."""
    require(
        expected.shape == actual.shape, f"{what}: shape {actual.shape} must be {expected.shape}"
    )
    if not expected.size:
        return
    scale = max(float(np.abs(expected).max()), 1e-3)
    worst = float(np.abs(expected - actual).max()) / scale
    require(worst <= tolerance, f"{what}: differs by {worst:.2e} of the largest, > {tolerance:g}")


def same(expected: Array, actual: Array, what: str) -> None:
    """Compare arrays bit for bit."""
    require(np.array_equal(expected, actual), f"{what}: must be equal bit for bit")


def names_of(module: Module, inputs: list[Array]) -> list[str]:
    """Name what `run` gives: output, inputs, parameters."""
    gradients = [f"gradient of input {i}" for i in range(len(inputs))]
    return ["output", *gradients, *(f"gradient of {name}" for name, _ in module.named_parameters())]


def modes() -> Iterator[bool]:
    """Go through inference and training."""
    yield False
    yield True
