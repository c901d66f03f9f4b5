"""The record of an operation: all the engine knows of it, in one place.

`ops/<family>.py` make the records; passes, builder, interpreter, precision and checks ask them and
never compare names of their own. Gradients are added one room up, in `core.ops`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import ArgumentError, EngineError
from .oplist import Op, Spec

if TYPE_CHECKING:
    from . import dnnl
    from .builder import Builder

Array = NDArray[Any]
Attrs = dict[str, Any]
Infer = Callable[..., tuple[Spec, ...]]
Kernel = Callable[..., Any]
Lowering = Callable[["Builder", Op], None]
Expects = Callable[["Builder", Op, int], "dnnl.Layout | None"]

OPERATIONS: dict[str, Operation] = {}


@dataclass(frozen=True)
class Range:
    """What the integers of one input must satisfy, whatever they were computed from.

    Parameters
    ----------
    position : int
        Which input.
    check : function of (array, limit)
        Raises a `DataError` that names the first element which does not.
    limit : function of (*specs of the inputs, **attrs) -> int or None
        None: there is nothing to check.
    """

    position: int
    check: Callable[[Array, int], None]
    limit: Callable[..., int | None]


@dataclass(frozen=True)
class Sample:
    """Shapes and attributes to show an operation's kernel with (`engine.describe`)."""

    shapes: tuple[tuple[int, ...], ...]
    attrs: Attrs


@dataclass(frozen=True, eq=False)
class Operation:
    """What the engine knows of one operation.

    Parameters
    ----------
    name : str
        The same in lists of operations and in `core`.
    infer : function of (*specs, **attrs) -> tuple of Spec
        Shape and dtype of the outputs; raises `ShapeError` for inputs that do not fit.
    reference : function of (*arrays, **attrs) -> array or tuple of arrays
        NumPy kernel: works in any float dtype, writes into no input. With `random` it takes
        `random=RandomKey`.
    lower : function of (builder, op), optional
        Adds the native steps; raises `RefusedError` before the first one where it cannot serve.
    alone : str, optional
        Worth a native program when run alone (eagerly), for inputs of these kinds of dtype: a
        letter per input, the last one repeated. f: float32, i: an integer, w: a workspace.
    random : bool
        Draws random numbers.
    effects : bool
        Does something beside its outputs: never dropped, joined, moved or run while compiling.
    moves : bool
        Hands elements on without changing them.
    view : bool
        The output is the same bytes under another shape.
    cheap : bool
        Takes about as long as reading and writing its values, and is done again where memory is
        short. Views, what moves and what is elementwise need not be told.
    elementwise : bool
        Element i of the output depends on element i of the inputs (after broadcasting) only.
    gradient : bool
        Belongs to a backward pass.
    keeps : bool
        Keeps something for its gradient, also when run alone.
    policies : bool
        Its candidates' names are layouts that a whole program may follow.
    products : int
        How many of its first inputs are multiplied: rounded in bf16, added up in float32.
    follows : tuple of int
        Goes on in bf16 if all these inputs do.
    follows_with : tuple of int
        Outputs beside the first that are then kept in bf16 layouts as well.
    batch_outputs : int, optional
        How many of its first outputs have the batch axis; all by default, none for sums over it.
    post_ops : tuple of str
        Operations its kernel takes on, applied to what it writes; `passes.fusion` follows this. One
        that combines with another value reads it as one more input, see `operands`.
    spreads : bool
        The other value of a post-op may be repeated along axes to fit.
    constants : tuple of str, optional
        Can be taken on by another's kernel, which is given these attributes as its two constants.
    loses_nan : bool
        Its native kernel compares numbers: NaN may not come out where the reference gives it, or
        infinity come out as NaN; see `nan.py`.
    makes_nan : bool
        Makes NaN or infinity of ordinary numbers: 0 / 0, e^100, log(-1).
    ranges : tuple of Range
        Inputs whose numbers are checked, in every way to run it.
    expects : function of (builder, op, value) -> layout or None, optional
        In which layout it is going to read a value, before it is lowered.
    sample : Sample, optional
        To show its kernel with.
    why : str, optional
        Why NumPy's kernel serves it, where it has no `lower`; for `engine.describe`.
    """

    name: str
    infer: Infer
    reference: Kernel
    lower: Lowering | None = None
    alone: str = ""
    random: bool = False
    effects: bool = False
    moves: bool = False
    view: bool = False
    cheap: bool = False
    elementwise: bool = False
    gradient: bool = False
    keeps: bool = False
    policies: bool = False
    products: int = 0
    follows: tuple[int, ...] = ()
    follows_with: tuple[int, ...] = ()
    batch_outputs: int | None = None
    post_ops: tuple[str, ...] = ()
    spreads: bool = False
    constants: tuple[str, ...] | None = None
    loses_nan: bool = False
    makes_nan: bool = False
    ranges: tuple[Range, ...] = ()
    expects: Expects | None = None
    sample: Sample | None = None
    why: str = ""

    @property
    def is_cheap(self) -> bool:
        """Whether it is quickly done once more."""
        return self.cheap or self.view or self.moves or self.elementwise

    @property
    def pure(self) -> bool:
        """Whether equal inputs always give equal outputs and nothing else happens."""
        return not (self.random or self.effects)

    def check(self, inputs: Sequence[Array], attrs: Attrs) -> None:
        """Raise a `DataError` if numbers of an input are out of their range."""
        for rule in self.ranges:
            if rule.position < len(inputs):
                limit = rule.limit(*inputs, **attrs)
                if limit is not None:
                    rule.check(inputs[rule.position], limit)


def register(name: str, *, infer: Infer, reference: Kernel, **traits: Any) -> Operation:
    """Make the record of a new operation known.

    Kernels are silent about NaN and infinity, as native ones are: who looks at the loss says it
    better.
    """
    if name in OPERATIONS:
        raise ArgumentError(f"`name` must be new; got {name!r}, which is registered already.")
    quiet = np.errstate(all="ignore")(reference)
    made = Operation(name, infer, quiet, **traits)
    OPERATIONS[name] = made
    return made


def find(name: str) -> Operation:
    """Return the record of an operation."""
    found = OPERATIONS.get(name) if isinstance(name, str) else None
    if found is None:
        raise EngineError(f"engine: operation must be one of {sorted(OPERATIONS)}; got {name!r}.")
    return found


PostOp = tuple[str, float, float]  # an operation another's kernel has taken on, two constants


def operands(op: Op) -> tuple[int, ...]:
    """Return the values that an operation's post-ops combine with: its last inputs."""
    count = sum(find(name).constants is None for name, *_ in op.attrs.get("post_ops", ()))
    return op.inputs[len(op.inputs) - count :]


def apply_post_ops(y: Array, items: Sequence[PostOp], given: Sequence[Array]) -> Array:
    """Return y after operations its kernel has taken on; `given` are their operands, in order."""
    rest = iter(given)
    for name, *constants in items:
        record = find(name)
        attrs = dict(zip(record.constants or (), constants, strict=False))
        others = () if record.constants is not None else (next(rest),)
        y = record.reference(y, *others, **attrs)
    return y
