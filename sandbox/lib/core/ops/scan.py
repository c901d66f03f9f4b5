"""Scan: a body that runs for every step of a series, compiled once. Meaning as in JAX's `lax.scan`.

Eagerly it is a loop of Python's. The gradient is a scan the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...engine.operation import find
from ...engine.oplist import OpList, Spec
from .. import tree, validate
from ..errors import ArgumentError, ShapeError
from ..function import TapeEntry, as_operand, function
from ..state import STATE
from ..sublists import SubTrace, replay
from ..value import Input, Operand, Value
from ._lists import Control, Gradients, alike, filled, is_float, operands_of, spec_of, zeros
from .arithmetic import add
from .shape import transpose

__all__ = ["scan"]

Step = Callable[[Sequence[Operand], Sequence[Operand]], tuple[Sequence[Operand], Sequence[Operand]]]

_stack = function("stack")
_unstack = function("unstack")
_reshape = function("reshape")


def scan(
    body: Callable[[Any, Any], tuple[Any, Any]],
    init: tree.Tree,
    xs: tree.Tree = None,
    *,
    length: int | None = None,
    reverse: bool = False,
    axis: int = 0,
) -> tuple[Any, Any]:
    """Run a body for every step, handing a carry on; returns (last carry, stacked ys).

    carry_t, y_t = body(carry_(t-1), x_t); carry_(-1) = init

    Parameters
    ----------
    body : function of (carry, x) -> (carry, y)
        Written with `core.ops` and modules; x and y are trees or None. Parameters and values from
        outside may be used. In a program it is compiled once and its gradient computes the step
        anew, so that of all steps only the carries are kept.
    init : tree of arrays or values
        The first carry; its shapes and dtypes stay.
    xs : tree of arrays or values, optional
        What is read step by step along `axis`.
    length : int > 0, optional
        Number of steps; needed without `xs`.
    reverse : bool
        Begin with the last step; ys stand where their x does.
    axis : int
        The time axis of xs and ys: 0, or 1 for (batch, time, ...).

    Shapes
    ------
    xs : (time, ...); x : (...)
    ys : (time, ...); y : (...)

    Raises
    ------
    ShapeError : the carry changes its structure, shape or dtype; lengths of xs differ or are 0.
    ArgumentError : the body gives no pair, or neither `xs` nor `length` is given.

    Notes
    -----
    Same as `jax.lax.scan`. A body that draws random numbers or updates buffers runs eagerly only.
    In a bf16 program products inside stay float32.

    Examples
    --------
    >>> import numpy as np
    >>> total, sums = scan(lambda s, x: (s + x, s + x), np.float32(0), np.float32([1, 2, 3]))
    >>> total.data.item(), sums.data.tolist()
    (6.0, [1.0, 3.0, 6.0])
    """
    carried, structure = operands_of(init)
    validate.function("body", body)
    axis = validate.integer("axis", axis)
    reverse = validate.boolean("reverse", reverse)
    series, xs_structure = operands_of(xs)
    if axis:
        series = [_moved(x, axis, 0) for x in series]
    count = _steps(series, length)
    shape_of_y: list[tree.Structure] = []

    def step(
        carry: Sequence[Operand], x: Sequence[Operand]
    ) -> tuple[Sequence[Operand], Sequence[Operand]]:
        result = body(structure.unflatten(carry), xs_structure.unflatten(x))
        if not isinstance(result, tuple) or len(result) != 2:
            raise ArgumentError(
                f"scan: `body` must give a pair (carry, y); got {type(result).__name__}. "
                "Where there is no y give None."
            )
        after = alike("scan", carried, structure, result[0])
        ys, found = tree.flatten(tree.with_arrays(result[1]))
        shape_of_y[:] = [found]
        return after, [as_operand(y) for y in ys]

    if STATE.trace is None:
        results = _loop(step, carried, series, count, reverse, keep=False)
    else:
        results = _traced_scan(step, carried, series, count, reverse)
    last, ys = results[: len(carried)], results[len(carried) :]
    if axis:
        ys = [_moved(y, 0, axis) for y in ys]
    return structure.unflatten(last), shape_of_y[0].unflatten(ys)


def _moved(x: Operand, source: int, target: int) -> Value:
    place = validate.axis("axis", source if source else target, x.ndim)
    order = list(range(x.ndim))
    if source:
        order.insert(0, order.pop(place))
    else:
        order.insert(place, order.pop(0))
    return transpose(x, order)


def _steps(series: Sequence[Operand], length: int | None) -> int:
    if length is not None:
        length = validate.positive_int("length", length)
    for x in series:
        if not x.ndim:
            raise ShapeError("scan: xs must have a time axis; got a scalar.")
        if not x.shape[0]:
            raise ShapeError(f"scan: xs axis 0 (time) must not be empty; got shape {x.shape}.")
        if length is not None and x.shape[0] != length:
            raise ShapeError(f"scan: xs axis 0 must be {length} (steps); got shape {x.shape}.")
        length = x.shape[0]
    if length is None:
        raise ArgumentError("scan: `length` must be given where there are no xs; got None.")
    return length


def _order(length: int, reverse: bool) -> range:
    return range(length - 1, -1, -1) if reverse else range(length)


def _loop(
    step: Step,
    init: Sequence[Operand],
    series: Sequence[Operand],
    length: int,
    reverse: bool,
    keep: bool,
) -> list[Operand]:
    """Do eagerly what the operation does."""
    parts = [_unstack.apply((x,), {}) for x in series]
    carry: Sequence[Operand] = init
    rows: dict[int, Sequence[Operand]] = {}
    entered: dict[int, Sequence[Operand]] = {}
    for t in _order(length, reverse):
        if STATE.tape is not None:
            # A value of each step: its gradients are added up within the step, as in a program.
            carry = [_reshape.apply((x,), {"shape": x.shape})[0] for x in carry]
        entered[t] = carry
        carry, rows[t] = step(carry, [part[t] for part in parts])
    stacks = [rows] + ([entered] if keep else [])
    found = list(carry)
    for by_step in stacks:
        for column in zip(*[by_step[t] for t in range(length)], strict=True):
            found.append(_stack.apply(tuple(column), {})[0])
    return found


def _traced_scan(
    step: Step,
    carried: Sequence[Operand],
    series: Sequence[Operand],
    length: int,
    reverse: bool,
) -> list[Operand]:
    with SubTrace("scan") as trace:
        carry = [trace.input("", spec_of(x)) for x in carried]
        parts = [trace.input("", Spec(x.shape[1:], x.dtype.name)) for x in series]
        after, ys = step(carry, parts)
        body = trace.close([*after, *ys])
    attrs = {
        "body": body,
        "carry": len(carried),
        "xs": len(series),
        "length": length,
        "reverse": reverse,
        "keep": False,
    }
    return list(_scan.apply((*carried, *series, *trace.captured), attrs))


def _run_scan(inputs: tuple[Operand, ...], attrs: dict[str, Any]) -> list[Operand]:
    body, carry, xs = attrs["body"], attrs["carry"], attrs["xs"]
    rest = inputs[carry + xs :]

    def step(
        states: Sequence[Operand], parts: Sequence[Operand]
    ) -> tuple[Sequence[Operand], Sequence[Operand]]:
        results = replay(body, [*states, *parts, *rest])
        return results[:carry], results[carry:]

    series = inputs[carry : carry + xs]
    return _loop(step, inputs[:carry], series, attrs["length"], attrs["reverse"], attrs["keep"])


_scan = Control(find("scan"), _run_scan)


@_scan.gradient
def _scan_gradient(entry: TapeEntry, *dys: Value | None) -> Gradients:
    """Scan the other way round: the step computed anew from its carry, and back through it."""
    body: OpList = entry.attrs["body"]
    n, m = entry.attrs["carry"], entry.attrs["xs"]
    total = len(body.outputs)
    init, series, rest = entry.inputs[:n], entry.inputs[n : n + m], entry.inputs[n + m :]
    floats = [k for k in range(n) if is_float(init[k])]
    wanted = [k for k in range(m) if entry.needs[n + k] and is_float(series[k])]
    shared = [k for k in range(len(rest)) if entry.needs[n + m + k] and is_float(rest[k])]
    given = [k for k in range(n, len(dys)) if dys[k] is not None and is_float(entry.outputs[k])]
    carried = [*filled([dys[k] for k in floats], [init[k] for k in floats])]
    carried += [zeros(rest[k]) for k in shared]
    arriving = [dys[k] for k in given]
    stacks = entry.outputs[total:]
    with SubTrace("the gradient of scan") as trace:
        d_after = [trace.input("", spec_of(x)) for x in carried]
        states = [trace.input("", spec_of(x)) for x in init]
        parts = [trace.input("", Spec(x.shape[1:], x.dtype.name)) for x in series]
        d_given = [
            trace.input("", Spec(dy.shape[1:], dy.dtype.name)) for dy in arriving if dy is not None
        ]
        same = [trace.input("", spec_of(x)) for x in rest]
        trace.entries = []
        outputs = replay(body, [*states, *parts, *same])
        starts = [(outputs[k], dy) for k, dy in zip(given, d_given, strict=True) if k < total]
        starts += [(outputs[k], dy) for k, dy in zip(floats, d_after, strict=False)]
        starts += [(same[k], dy) for k, dy in zip(shared, d_after[len(floats) :], strict=True)]
        wrt = [states[k] for k in floats] + [same[k] for k in shared] + [parts[k] for k in wanted]
        found = filled(trace.gradients(starts, wrt), wrt)
        for k, dy in zip(given, d_given, strict=True):
            if k >= total:  # a gradient for the carry that entered the step
                place = floats.index(k - total)
                found[place] = add(found[place], dy)
        back = trace.close(found)
    attrs = {
        "body": back,
        "carry": len(carried),
        "xs": n + m + len(given),
        "length": entry.attrs["length"],
        "reverse": not entry.attrs["reverse"],
        "keep": False,
    }
    read = [*stacks, *series, *[dy for dy in arriving if dy is not None]]
    results = _scan.apply((*carried, *read, *rest, *trace.captured), attrs)
    gradients: list[Input | None] = [None] * len(entry.inputs)
    places = [*floats, *[n + m + k for k in shared], *[n + k for k in wanted]]
    for place, result in zip(places, results, strict=True):
        gradients[place] = result
    return gradients
