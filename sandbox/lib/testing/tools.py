"""What the clauses share: making modules and inputs, running them, comparing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..core import RandomKey, Tape, Value, ops, tree, using, validate
from ..nn import Case, Module
from ..nn.case import map_shapes

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


def cases_of(cls: Any, base: type[Any], given: Any, kind: type[Any]) -> tuple[Any, ...]:
    """Give the cases to check a class with: those given, else its own.

    Raises
    ------
    ArgumentError : it is no class of this base, or something given is no case.
    """
    if not isinstance(cls, type) or not issubclass(cls, base):
        raise validate.refuse("cls", f"a class of {base.__name__}", cls)
    if given is None:
        return own_cases(cls)
    cases = validate.several("cases", given, f"a tuple of {kind.__name__}")
    return tuple(validate.instance("cases", case, kind) for case in cases)


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
        for variable in (*module.parameters(), *module.buffers()):
            variable._place(np.array(variable.data, dtype=dtype))
    return module


def inputs_of(
    case: Case, seed: int = 0, dtype: str = "float32", rows: int | None = None
) -> list[Array]:
    """Draw the arrays of the inputs' tree, in the order of its leaves.

    Where there are kinks, all elements are far from each other and from 0.
    """
    rng = generator(seed + 2000)
    made = []
    for place, shape in enumerate(shapes_of(case.inputs)):
        shape = shape if rows is None else (rows, *shape[1:])
        limits = integers_of(case, place)
        if limits is not None:
            made.append(rng.integers(*limits, size=shape))
            continue
        count = int(np.prod(shape))
        if case.within is not None:
            values = rng.uniform(*case.within, size=count)
        elif case.kinks:
            values = (rng.permutation(count) - count / 2 + 0.5) / max(count, 1) * 4
        else:
            values = rng.normal(size=count)
        made.append(values.reshape(shape).astype(dtype))
    return made


class _Shape:
    """A shape as one leaf of a tree."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = tuple(shape)


def shapes_of(shapes: Any) -> list[tuple[int, ...]]:
    """Give the shapes of a tree of shapes, in the order of its leaves."""
    return [leaf.shape for leaf in tree.leaves(map_shapes(_Shape, shapes))]


def arranged(shapes: Any, leaves: list[Any]) -> Any:
    """Put leaves where a tree has its shapes."""
    return tree.flatten(map_shapes(_Shape, shapes))[1].unflatten(leaves)


def feed(module: Module, case: Case, leaves: list[Any], method: str = "__call__") -> Any:
    """Call a module, or a method of it, with the leaves of the case's inputs."""
    return tree.call(getattr(module, method), arranged(case.inputs, leaves))


def integers_of(case: Case, place: int) -> tuple[int, int] | None:
    """Give the limits of an input of integers; None for one of real numbers."""
    return case.integers[place] if place < len(case.integers) else None


def mode(training: bool, step: int = 1) -> AbstractContextManager[Any]:
    """Open a training or inference context with a fixed random key."""
    if not training:
        return using(training=False)
    return using(training=True, random=RandomKey(3, step, 0), collect=True)


def run(
    module: Module,
    inputs: list[Array],
    *,
    training: bool = False,
    step: int = 1,
    case: Case | None = None,
) -> tuple[Any, list[Array]]:
    """Call a module and walk back: output, gradients of inputs and parameters.

    What is minimised is the sum of the outputs times fixed projections. Without a case the inputs
    are given by place.
    """
    values = [Value(x) for x in inputs]
    with mode(training, step):
        with Tape() as tape:
            y = module(*values) if case is None else feed(module, case, values)
            loss = projected(y)
        found = tape.gradients(loss, [*values, *module.parameters()])
    return tree.map(lambda x: x.data, y), found


def projected(y: Any) -> Any:
    """Give the sum of all outputs times fixed random numbers."""
    parts = [ops.sum(ops.multiply(x, Value(projection(x.shape, x.dtype)))) for x in tree.leaves(y)]
    return reduce(ops.add, parts)


def projections(y: Any) -> Any:
    """Give the tree of the numbers that `projected` multiplies outputs with."""
    return tree.map(lambda x: projection(x.shape, x.dtype), y)


def projection(shape: tuple[int, ...], dtype: Any) -> Array:
    """Give the fixed random numbers an output is multiplied with."""
    return generator(7).normal(size=shape).astype(dtype)


def close(expected: Any, actual: Any, tolerance: float, what: str) -> None:
    """Compare trees of arrays, each array relative to its largest element."""
    tree.map(lambda a, b: _close(a, b, tolerance, what), expected, actual)


def _close(expected: Array, actual: Array, tolerance: float, what: str) -> None:
    require(
        expected.shape == actual.shape, f"{what}: shape {actual.shape} must be {expected.shape}"
    )
    if not expected.size:
        return
    scale = max(float(np.abs(expected).max()), 1e-3)
    worst = float(np.abs(expected - actual).max()) / scale
    require(worst <= tolerance, f"{what}: differs by {worst:.2e} of the largest, > {tolerance:g}")


def same(expected: Any, actual: Any, what: str) -> None:
    """Compare trees of arrays bit for bit."""
    require(equal(expected, actual), f"{what}: must be equal bit for bit")


def equal(expected: Any, actual: Any) -> bool:
    """Tell whether two trees of arrays are equal bit for bit."""
    pairs = tree.leaves(tree.map(np.array_equal, expected, actual))
    return all(pairs)


def names_of(module: Module, inputs: list[Array]) -> list[str]:
    """Name what `run` gives: output, inputs, parameters."""
    gradients = [f"gradient of input {i}" for i in range(len(inputs))]
    return ["output", *gradients, *(f"gradient of {name}" for name, _ in module.named_parameters())]


def modes() -> Iterator[bool]:
    """Go through inference and training."""
    yield False
    yield True
