"""Candidates: the ways to run one operation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from . import dnnl


@dataclass
class Candidate:
    """One way to run an operation.

    Parameters
    ----------
    name : str
        Goes into the kernel plan.
    primitive : Primitive
        The kernel.
    reads, writes : dict of argument -> value id
        What the kernel takes and gives; the layouts are the primitive's own.
    wanted : dict of argument -> layout
        In which layouts the outputs will probably be read, to count the reorders.
    over : value id, optional
        What must lie at the destination before, since the kernel adds to it.
    """

    name: str
    primitive: dnnl.Primitive
    reads: dict[int, int]
    writes: dict[int, int]
    wanted: dict[int, dnnl.Layout] = field(default_factory=dict)
    over: int | None = None


Option = tuple[str, Callable[[], Candidate]]  # a candidate's name, and how to make it


def legal(options: Iterable[Option]) -> list[Candidate]:
    """Return the options the library has optimised kernels for, without doubles."""
    found: dict[Any, Candidate] = {}
    refusal: dnnl.RefusedError | None = None
    for _, make in options:
        try:
            candidate = make()
        except dnnl.RefusedError as error:
            refusal = error.with_traceback(None)  # which would keep this frame and be kept by it
            continue
        primitive = candidate.primitive
        arguments = (*candidate.reads, *candidate.writes)
        layouts = tuple(primitive.needs(argument).key for argument in arguments)
        found.setdefault((primitive.implementation, layouts), candidate)
    if not found and refusal is not None:
        raise dnnl.RefusedError(*refusal.args)
    return list(found.values())


def first_legal(options: Iterable[Option]) -> Candidate:
    """Return the first option the library has an optimised kernel for."""
    refusal = dnnl.RefusedError("there is nothing to choose from")
    for _, make in options:
        try:
            return make()
        except dnnl.RefusedError as error:
            refusal = error
    raise dnnl.RefusedError(*refusal.args)
