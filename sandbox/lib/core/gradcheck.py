"""Check gradients against central differences in float64 along random directions.

One direction per input costs two evaluations, however large the input is. Source: the idea of
`check_grads` in HIPS/autograd.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import tree, validate
from .errors import GradientError
from .parameter import Parameter, Variable
from .random import ensure_rng
from .tape import Tape
from .value import Array, Operand, Value


@contextmanager
def in_float64(variables: Iterable[Variable]) -> Iterator[None]:
    """Let parameters and buffers hold float64 copies for a while; their own numbers come back."""
    held = validate.several("variables", variables, "a list of parameters and buffers")
    held = [validate.instance("variables", variable, Variable) for variable in held]
    before = [(variable, variable._array) for variable in held]
    try:
        for variable, array in before:
            variable._place(array.astype(np.float64))
        yield
    finally:
        for variable, array in before:
            variable._place(array)


def gradcheck(
    function: Callable[..., Any],
    inputs: Sequence[Any],
    parameters: Sequence[Parameter] = (),
    *,
    variables: Iterable[Variable] = (),
    epsilon: float = 1e-6,
    tolerance: float = 1e-6,
    rng: Any = None,
) -> float:
    """Compare the tape's gradients with finite differences.

    Parameters
    ----------
    function : function of values -> Value or tree of values
        A module or an operation; must give the same result every time.
    inputs : sequence of arrays
        Floating ones are turned to float64 and differentiated, integers are passed as they are.
    parameters : sequence of Parameter
        Differentiated as well.
    variables : buffers or further parameters that only need to be float64
    epsilon : float
        Step of the differences.
    tolerance : float
        Largest allowed |difference| / (1 + |expected|).
    rng : generator or seed

    Returns
    -------
    float : the largest relative difference found

    Raises
    ------
    GradientError : a gradient differs; names the input or parameter.

    Examples
    --------
    >>> from sandbox.lib import core
    >>> gradcheck(core.ops.tanh, [np.ones((2, 3))]) < 1e-6
    True
    """
    validate.function("function", function)
    inputs = validate.several("inputs", inputs, "a list of arrays")
    parameters = validate.several("parameters", parameters, "a list of parameters")
    variables = validate.several("variables", variables, "a list of parameters and buffers")
    for variable in (*parameters, *variables):
        validate.instance("parameters", variable, Variable)
    epsilon = validate.positive("epsilon", epsilon)
    tolerance = validate.positive("tolerance", tolerance)
    generator = ensure_rng(rng)
    with in_float64({*parameters, *variables}):
        arrays = [_float64(x) for x in inputs]
        values = [Value(array) for array in arrays]
        with Tape() as tape:
            outputs = _outputs(function(*values))
            weights = [generator.standard_normal(out.shape) for out in outputs]
            total = Value(np.zeros(()))
            for out, weight in zip(outputs, weights, strict=True):
                total = total + (out * weight).sum()
        floats = [k for k, array in enumerate(arrays) if array.dtype.kind == "f"]
        wrt: list[Operand] = [*[values[k] for k in floats], *parameters]
        gradients = tape.gradients(total, wrt)

        def evaluate() -> float:
            results = _outputs(function(*[Value(array) for array in arrays]))
            pairs = zip(results, weights, strict=True)
            return float(sum(np.sum(out.data * weight) for out, weight in pairs))

        targets = [(f"input {k}", arrays[k]) for k in floats]
        targets += [(f"parameter {p.name or p.shape}", p._array) for p in parameters]
        worst = 0.0
        for (name, array), gradient in zip(targets, gradients, strict=True):
            direction = generator.standard_normal(array.shape)
            measured = _slope(evaluate, array, direction, epsilon)
            expected = float(np.sum(gradient * direction))
            error = abs(measured - expected) / (1.0 + abs(measured))
            if not error <= tolerance:
                raise GradientError(
                    f"gradient of {name} must be {measured:.8g} along a random direction; got "
                    f"{expected:.8g} (relative difference {error:.2g}, allowed {tolerance:.2g})."
                )
            worst = max(worst, error)
    return worst


def _slope(evaluate: Callable[[], float], array: Array, direction: Array, epsilon: float) -> float:
    kept = array.copy()
    try:
        array[...] = kept + epsilon * direction
        above = evaluate()
        array[...] = kept - epsilon * direction
        below = evaluate()
    finally:
        array[...] = kept
    return (above - below) / (2.0 * epsilon)


def _float64(x: Any) -> Array:
    array = validate.numbers("inputs", x)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _outputs(result: Any) -> list[Value]:
    return tree.leaves(result)
