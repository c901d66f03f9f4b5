"""Modules to op lists and back: what a graph, a model file and a trace have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..engine.oplist import OpList
from . import tree, validate
from .errors import ArgumentError
from .function import FUNCTIONS, as_operand, as_value
from .trace import ModuleLike
from .tracing import trace_inference
from .value import Input, Operand, Value


def to_oplist(module: ModuleLike, input_specs: tree.Tree) -> OpList:
    """Return the list of operations of a module's inference, for inputs like this tree of `Spec`.

    Raises
    ------
    TraceError : the module cannot be traced; says why.
    """
    return trace_inference(module, tree.lone(input_specs))


def from_oplist(
    oplist: OpList, storage: Mapping[str, Input]
) -> Callable[..., Value | tuple[Value, ...]]:
    """Return a function that runs a list with the functions: with a tape, traced, in any dtype.

    Parameters
    ----------
    oplist : OpList
    storage : mapping
        An array or Parameter for each name in `oplist.parameters` and `oplist.buffers`.
    """
    validate.instance("oplist", oplist, OpList)
    if not isinstance(storage, Mapping):
        raise validate.refuse("storage", "a dict of arrays", storage)
    missing = [n for n, _ in (*oplist.parameters, *oplist.buffers) if n not in storage]
    if missing:
        raise ArgumentError(f"`storage` must hold {missing}; got {sorted(storage)}.")
    unknown = sorted({op.name for op in oplist.ops if op.name not in FUNCTIONS})
    if unknown:
        raise ArgumentError(f"`oplist` must use registered operations; got {unknown}.")
    fixed: dict[int, Operand] = {i: as_operand(array) for array, i in oplist.constants}
    for name, i in (*oplist.parameters, *oplist.buffers):
        fixed[i] = as_operand(storage[name])

    def run(*inputs: Any) -> Value | tuple[Value, ...]:
        if len(inputs) != len(oplist.inputs):
            raise ArgumentError(f"`inputs` must be {len(oplist.inputs)} arrays; got {len(inputs)}.")
        known = dict(fixed)
        for (_, i), x in zip(oplist.inputs, inputs, strict=True):
            known[i] = as_operand(x)
        for op in oplist.ops:
            results = FUNCTIONS[op.name].apply(tuple(known[i] for i in op.inputs), op.attrs)
            known.update(zip(op.outputs, results, strict=True))
        found = [known[i] for _, i in oplist.outputs]
        outputs = tuple([as_value(x) for x in found])
        return outputs[0] if len(outputs) == 1 else outputs

    return run
