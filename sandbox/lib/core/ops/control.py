"""Branches, and loops that run as often as their numbers say. Meaning as in JAX's `lax`.

Eagerly they are what Python does. In a trace each part is a list of operations of its own, compiled
once, however often it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ...engine.operation import find
from ...engine.oplist import OpList
from .. import tree, validate
from ..errors import GradientError, ShapeError
from ..function import TapeEntry, as_operand, as_value
from ..state import STATE
from ..sublists import SubTrace, replay, with_same_inputs
from ..value import Input, Operand, Value
from ._lists import Control, Gradients, alike, filled, is_float, operands_of
from .scan import scan

__all__ = ["cond", "while_loop"]


def cond(
    pred: Input,
    on_true: Callable[..., Any],
    on_false: Callable[..., Any],
    *operands: tree.Tree,
) -> Any:
    """Return on_true(*operands) if `pred` is true, else on_false(*operands); one of them runs.

    Parameters
    ----------
    pred : value of one element
        True if it is not 0.
    on_true, on_false : function of the operands
        Their results must be alike. Parameters and values from outside may be used.
    operands : trees of arrays or values

    Raises
    ------
    ShapeError : `pred` has more than one element; in a trace: the results are not alike.

    Notes
    -----
    Same as `jax.lax.cond`. The gradient goes through the branch that is taken.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.float32([1.0, -2.0])
    >>> cond(np.float32(0), lambda x: x * 2.0, lambda x: x * 3.0, Value(x)).data.tolist()
    [3.0, -6.0]
    """
    validate.function("on_true", on_true)
    validate.function("on_false", on_false)
    truth = as_operand(pred)
    if truth.size != 1:
        raise ShapeError(f"cond: `pred` must have one element; got shape {truth.shape}.")
    given = [operands_of(item) for item in operands]
    if STATE.trace is None:
        branch = on_true if truth._data.any() else on_false
        return tree.map(as_value, branch(*[s.unflatten(xs) for xs, s in given]))
    leaves = [x for xs, _ in given for x in xs]
    parts: list[tuple[OpList, list[Operand]]] = []
    structures: list[tree.Structure] = []
    for branch in (on_true, on_false):
        with SubTrace("cond") as trace:
            arguments = [s.unflatten([trace.symbol(x) for x in xs]) for xs, s in given]
            results, structure = tree.flatten(tree.with_arrays(branch(*arguments)))
            oplist = trace.close(results)
        parts.append((oplist, list(trace.captured)))
        structures.append(structure)
    specs = [[oplist.values[value] for _, value in oplist.outputs] for oplist, _ in parts]
    if structures[0] != structures[1] or specs[0] != specs[1]:
        shown = [
            structure.unflatten(found) for structure, found in zip(structures, specs, strict=True)
        ]
        raise ShapeError(
            f"cond: both branches must give results that are alike; got {shown[0]} and {shown[1]}."
        )
    lists, captured = with_same_inputs(parts, len(leaves))
    attrs = {"on_true": lists[0], "on_false": lists[1]}
    return structures[0].unflatten(_cond.apply((truth, *leaves, *captured), attrs))


def _run_cond(inputs: tuple[Operand, ...], attrs: dict[str, Any]) -> list[Operand]:
    branch = attrs["on_true"] if inputs[0]._data.any() else attrs["on_false"]
    return replay(branch, inputs[1:])


_cond = Control(find("cond"), _run_cond)


@_cond.gradient
def _cond_gradient(entry: TapeEntry, *dys: Value | None) -> Gradients:
    """Go back through the branch that was taken, computed anew."""
    rest = entry.inputs[1:]
    given = [k for k, dy in enumerate(dys) if dy is not None and is_float(dy)]
    arriving = [dys[k] for k in given]
    read: list[Operand] = [*rest, *[dy for dy in arriving if dy is not None]]
    wanted = [k for k, x in enumerate(rest) if entry.needs[k + 1] and is_float(x)]
    parts = []
    for branch in (entry.attrs["on_true"], entry.attrs["on_false"]):
        with SubTrace("the gradient of cond") as trace:
            symbols = [trace.symbol(x) for x in read]
            trace.entries = []
            outputs = replay(branch, symbols[: len(rest)])
            starts = [(outputs[k], dy) for k, dy in zip(given, symbols[len(rest) :], strict=True)]
            wrt = [symbols[k] for k in wanted]
            back = trace.close(filled(trace.gradients(starts, wrt), wrt))
        parts.append((back, list(trace.captured)))
    lists, captured = with_same_inputs(parts, len(read))
    attrs = {"on_true": lists[0], "on_false": lists[1]}
    results = _cond.apply((entry.inputs[0], *read, *captured), attrs)
    gradients: list[Input | None] = [None] * len(entry.inputs)
    for place, result in zip(wanted, results, strict=True):
        gradients[place + 1] = result
    return gradients


# -- while -----------------------------------------------------------------------------------------


def while_loop(
    condition: Callable[[Any], Input],
    body: Callable[[Any], Any],
    init: tree.Tree,
    *,
    max_steps: int | None = None,
) -> Any:
    """Run carry = body(carry) as long as condition(carry) is true; returns the last carry.

    Parameters
    ----------
    condition : function of carry -> value of one element
    body : function of carry -> carry
    init : tree of arrays or values
        The first carry; its shapes and dtypes stay.
    max_steps : int > 0, optional
        Stop after that many steps in any case. Needed for a gradient in a program, which then
        keeps the carry of every step.

    Raises
    ------
    ShapeError : the carry changes its structure, shape or dtype; the condition has more elements.
    GradientError : a program wants a gradient, and there is no `max_steps`.

    Notes
    -----
    Same as `jax.lax.while_loop`.

    Examples
    --------
    >>> import numpy as np
    >>> from sandbox.lib.core import ops
    >>> while_loop(lambda x: ops.greater(100.0, x), lambda x: x * 2.0, Value(np.float32(3))).data
    array(192., dtype=float32)
    """
    validate.function("condition", condition)
    validate.function("body", body)
    carried, structure = operands_of(init)
    limit = None if max_steps is None else validate.positive_int("max_steps", max_steps)

    def truth(carry: Sequence[Operand]) -> Operand:
        found = as_operand(condition(structure.unflatten(carry)))
        if found.size != 1:
            raise ShapeError(f"while_loop: the condition must be one element; got {found.shape}.")
        return found

    def step(carry: Sequence[Operand]) -> list[Operand]:
        return alike("while_loop", carried, structure, body(structure.unflatten(carry)))

    if STATE.trace is None:
        carry: Sequence[Operand] = carried
        for _ in _counted(limit):
            if not truth(carry)._data.any():
                break
            carry = step(carry)
        return structure.unflatten([as_value(x) for x in carry])
    if limit is not None:

        def masked(carry: list[Any], _: None) -> tuple[list[Any], None]:
            return cond(truth(carry), lambda c: list(step(c)), lambda c: c, carry), None

        return structure.unflatten(scan(masked, list(carried), length=limit)[0])
    parts: list[tuple[OpList, list[Operand]]] = []
    for part in (lambda carry: [truth(carry)], step):
        with SubTrace("while_loop") as trace:
            oplist = trace.close(part([trace.symbol(x) for x in carried]))
        parts.append((oplist, list(trace.captured)))
    lists, captured = with_same_inputs(parts, len(carried))
    attrs = {"condition": lists[0], "body": lists[1], "carry": len(carried)}
    return structure.unflatten(_while.apply((*carried, *captured), attrs))


def _counted(limit: int | None) -> Iterator[int]:
    step = 0
    while limit is None or step < limit:
        yield step
        step += 1


def _run_while(inputs: tuple[Operand, ...], attrs: dict[str, Any]) -> list[Operand]:
    carry: list[Operand] = list(inputs[: attrs["carry"]])
    rest = inputs[attrs["carry"] :]
    while replay(attrs["condition"], [*carry, *rest])[0]._data.any():
        carry = replay(attrs["body"], [*carry, *rest])
    return carry


_while = Control(find("while_loop"), _run_while)


@_while.gradient
def _while_gradient(entry: TapeEntry, *dys: Value | None) -> Gradients:
    raise GradientError(
        "gradient of while_loop needs the number of its steps, which is known only when it has "
        "run. Give it `max_steps`, or use scan."
    )
