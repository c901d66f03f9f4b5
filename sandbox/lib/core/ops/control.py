"""Loops and branches: a part of a computation that runs for every step, or perhaps.

Eagerly they are what Python does. In a trace the part becomes a list of operations of its own,
compiled once, however often it runs. Names and meaning as in JAX's `lax`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ...engine.operation import find
from ...engine.oplist import OpList, Spec
from .. import tree, validate
from ..errors import ArgumentError, GradientError, ShapeError
from ..function import Function, TapeEntry, as_operand, as_value, function
from ..state import STATE
from ..sublists import SubTrace, replay, with_same_inputs
from ..value import Input, Operand, Value, wrap
from .arithmetic import add
from .shape import transpose

__all__ = ["cond", "scan", "while_loop"]

Gradients = Sequence[Input | None]
Step = Callable[[Sequence[Operand], Sequence[Operand]], tuple[Sequence[Operand], Sequence[Operand]]]


_stack = function("stack")
_unstack = function("unstack")
_reshape = function("reshape")


@_stack.gradient
def _stack_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return _unstack.apply((dy,), {})


@_unstack.gradient
def _unstack_gradient(entry: TapeEntry, *dys: Value | None) -> Gradients:
    return (_stack.apply(tuple(_filled(dys, entry.outputs)), {})[0],)


def _filled(gradients: Sequence[Value | None], like: Sequence[Operand]) -> list[Value]:
    return [_zeros(x) if g is None else g for g, x in zip(gradients, like, strict=True)]


def _zeros(like: Operand) -> Value:
    return wrap(np.zeros(like.shape, like.dtype))


def _is_float(x: Operand) -> bool:
    return x.dtype.kind == "f"


def _spec(x: Operand) -> Spec:
    return Spec(x.shape, x.dtype.name)


class _Control(Function):
    """An operation on lists: eagerly the lists' operations run, each on the tape."""

    __slots__ = ()

    def apply(self, inputs: tuple[Operand, ...], attrs: dict[str, Any]) -> tuple[Value, ...]:
        """Run the lists, or write the operation down."""
        trace = STATE.trace
        if trace is None:
            return tuple([as_value(x) for x in _RUN[self.name](inputs, attrs)])
        if "keep" not in attrs or attrs["keep"]:
            return super().apply(inputs, attrs)
        # The carries of all steps are for the gradient alone.
        keep = trace.entries is not None or STATE.tape is not None
        outputs = super().apply(inputs, {**attrs, "keep": keep})
        return outputs[: len(attrs["body"].outputs)]


_scan = _Control(find("scan"))
_cond = _Control(find("cond"))
_while = _Control(find("while_loop"))


# -- scan ------------------------------------------------------------------------------------------


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
    carried, structure = _operands(init)
    series, xs_structure = _operands(xs)
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
        after = _alike("scan", carried, structure, result[0])
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


def _operands(items: tree.Tree) -> tuple[list[Operand], tree.Structure]:
    leaves, structure = tree.flatten(tree.with_arrays(items))
    return [as_operand(leaf) for leaf in leaves], structure


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


def _alike(
    what: str, before: Sequence[Operand], structure: tree.Structure, after: tree.Tree
) -> list[Operand]:
    found, new_structure = _operands(after)
    if new_structure != structure:
        raise ShapeError(
            f"{what}: the carry must keep its structure {structure}; got {new_structure}."
        )
    for old, new in zip(before, found, strict=True):
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            raise ShapeError(
                f"{what}: the carry must keep shape {old.shape} and dtype {old.dtype}; got "
                f"{new.shape} {new.dtype}. Begin with what the body gives."
            )
    return found


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
        carry = [trace.input("", _spec(x)) for x in carried]
        parts = [trace.input("", Spec(x.shape[1:], x.dtype.name)) for x in series]
        after, ys = step(carry, parts)
        body = trace.close([*after, *ys])
    attrs = {
        "body": body,
        "carry": len(carried),
        "xs": len(series),
        "length": length,
        "reverse": bool(reverse),
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


@_scan.gradient
def _scan_gradient(entry: TapeEntry, *dys: Value | None) -> Gradients:
    """Scan the other way round: the step computed anew from its carry, and back through it."""
    body: OpList = entry.attrs["body"]
    n, m = entry.attrs["carry"], entry.attrs["xs"]
    total = len(body.outputs)
    init, series, rest = entry.inputs[:n], entry.inputs[n : n + m], entry.inputs[n + m :]
    floats = [k for k in range(n) if _is_float(init[k])]
    wanted = [k for k in range(m) if entry.needs[n + k] and _is_float(series[k])]
    shared = [k for k in range(len(rest)) if entry.needs[n + m + k] and _is_float(rest[k])]
    given = [k for k in range(n, len(dys)) if dys[k] is not None and _is_float(entry.outputs[k])]
    carried = [*_filled([dys[k] for k in floats], [init[k] for k in floats])]
    carried += [_zeros(rest[k]) for k in shared]
    arriving = [dys[k] for k in given]
    stacks = entry.outputs[total:]
    with SubTrace("the gradient of scan") as trace:
        d_after = [trace.input("", _spec(x)) for x in carried]
        states = [trace.input("", _spec(x)) for x in init]
        parts = [trace.input("", Spec(x.shape[1:], x.dtype.name)) for x in series]
        d_given = [
            trace.input("", Spec(dy.shape[1:], dy.dtype.name)) for dy in arriving if dy is not None
        ]
        same = [trace.input("", _spec(x)) for x in rest]
        trace.entries = []
        outputs = replay(body, [*states, *parts, *same])
        starts = [(outputs[k], dy) for k, dy in zip(given, d_given, strict=True) if k < total]
        starts += [(outputs[k], dy) for k, dy in zip(floats, d_after, strict=False)]
        starts += [(same[k], dy) for k, dy in zip(shared, d_after[len(floats) :], strict=True)]
        wrt = [states[k] for k in floats] + [same[k] for k in shared] + [parts[k] for k in wanted]
        found = _filled(trace.gradients(starts, wrt), wrt)
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


# -- cond ------------------------------------------------------------------------------------------


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
    truth = as_operand(pred)
    if truth.size != 1:
        raise ShapeError(f"cond: `pred` must have one element; got shape {truth.shape}.")
    given = [_operands(item) for item in operands]
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


@_cond.gradient
def _cond_gradient(entry: TapeEntry, *dys: Value | None) -> Gradients:
    """Go back through the branch that was taken, computed anew."""
    rest = entry.inputs[1:]
    given = [k for k, dy in enumerate(dys) if dy is not None and _is_float(dy)]
    arriving = [dys[k] for k in given]
    read: list[Operand] = [*rest, *[dy for dy in arriving if dy is not None]]
    wanted = [k for k, x in enumerate(rest) if entry.needs[k + 1] and _is_float(x)]
    parts = []
    for branch in (entry.attrs["on_true"], entry.attrs["on_false"]):
        with SubTrace("the gradient of cond") as trace:
            symbols = [trace.symbol(x) for x in read]
            trace.entries = []
            outputs = replay(branch, symbols[: len(rest)])
            starts = [(outputs[k], dy) for k, dy in zip(given, symbols[len(rest) :], strict=True)]
            wrt = [symbols[k] for k in wanted]
            back = trace.close(_filled(trace.gradients(starts, wrt), wrt))
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
    carried, structure = _operands(init)
    limit = None if max_steps is None else validate.positive_int("max_steps", max_steps)

    def truth(carry: Sequence[Operand]) -> Operand:
        found = as_operand(condition(structure.unflatten(carry)))
        if found.size != 1:
            raise ShapeError(f"while_loop: the condition must be one element; got {found.shape}.")
        return found

    def step(carry: Sequence[Operand]) -> list[Operand]:
        return _alike("while_loop", carried, structure, body(structure.unflatten(carry)))

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


@_while.gradient
def _while_gradient(entry: TapeEntry, *dys: Value | None) -> Gradients:
    raise GradientError(
        "gradient of while_loop needs the number of its steps, which is known only when it has "
        "run. Give it `max_steps`, or use scan."
    )


_RUN: dict[str, Callable[[tuple[Operand, ...], dict[str, Any]], list[Operand]]] = {
    "scan": _run_scan,
    "cond": _run_cond,
    "while_loop": _run_while,
}
