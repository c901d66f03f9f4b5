"""Running a module: whose turn it is, its path for errors, who is watching. All per thread."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..core import tree
from ..core.context import context, enter_scope, leave_scope, path, using
from ..core.errors import ArgumentError, add_path
from ..core.parameter import Variable
from ..core.segments import MISSED, SegmentedRun
from ..core.state import STATE
from ..core.value import Operand, Value, as_array, borrow
from .node import Node

if TYPE_CHECKING:
    from .module import Module

Observer: TypeAlias = "Callable[[str, Module, Any, Any], None]"


class _Calls(threading.local):
    def __init__(self) -> None:
        self.stack: list[Module] = []
        self.observers: list[Observer] = []


_calls = _Calls()


def recording() -> bool:
    """Tell whether a tape or a trace takes notes in this thread."""
    return STATE.tape is not None or STATE.trace is not None


def training(own: bool | None) -> bool:
    """Tell the mode of a call: an open `using(training=...)` decides, else the module's own."""
    now = context()
    return now.training if own is None or now.explicit else own


def label(module: Any) -> str:
    """Give the path of a module for messages made outside of `run`."""
    kind = type(module).__name__
    name = module.name
    return f"{name} ({kind})" if name else kind


class Given:
    """The inputs of a call: values where arrays and numbers were, and what was among them."""

    __slots__ = ("borrowed", "inputs", "kept", "module", "named", "nodes", "values")

    def __init__(self, module: Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        self.module = module
        self.nodes = False
        self.values = False
        self.kept = recording()  # a tape keeps what it sees: borrowed arrays may change
        self.borrowed: list[Value] = []
        self.inputs = tuple([self._take(x, "", place) for place, x in enumerate(inputs)])
        self.named = {name: self._take(x, "", name) for name, x in named.items()}

    def _take(self, item: Any, path: str, place: int | str) -> Any:
        """Make values of arrays and of lists of numbers; floats take the parameters' dtype."""
        if isinstance(item, np.ndarray):
            return self._value(item, item, path, place)
        if isinstance(item, Operand):
            self.values = self.values or isinstance(item, Value)
            return item
        if isinstance(item, Node):
            self.nodes = True
            return item
        if item is None:
            return None
        if isinstance(item, (list, tuple)):
            if tree.is_numbers(item):
                return self._value(_array(item), item, path, place)
            parts = [self._take(x, f"{path}.{k}", place) for k, x in enumerate(item)]
            return parts if isinstance(item, list) else tuple(parts)
        if isinstance(item, dict):
            return {key: self._take(x, f"{path}.{key}", place) for key, x in item.items()}
        known = isinstance(item, (float, int, np.generic))
        return self._value(np.asarray(item) if known else item, item, path, place)

    def _value(self, array: Any, item: Any, path: str, place: int | str) -> Value:
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
            where = f"{place}{path}" if isinstance(place, int) else repr(f"{place}{path}")
            raise ArgumentError(f"{label(self.module)}: {_no_array(where, item)}")
        if array.dtype.kind == "f" and (array.dtype != np.float32 or Variable.wide):
            pairs = self.module.named_parameters()
            found = (p.dtype for _, p in pairs if p.dtype.kind == "f")
            array = array.astype(next(found, array.dtype), copy=False)
        if self.kept:
            return Value(array)
        value = borrow(array)
        self.borrowed.append(value)
        return value


def _no_array(where: str, item: Any) -> str:
    cure = "Turn it with np.asarray(x, dtype='float32')."
    if isinstance(item, (list, tuple)) and item and not tree.is_numbers(item):
        cure = "Make one array of several with np.stack."
    kind = getattr(item, "dtype", type(item).__name__)
    return f"input {where} must be an array of numbers; got {kind}. {cure}"


def _array(numbers: Any) -> Any:
    """Make an array of a list of numbers; a list of rows of unlike length stays what it is."""
    try:
        return np.asarray(numbers)
    except ValueError:
        return numbers


def arrays(output: Any, borrowed: Sequence[Value] = ()) -> Any:
    """Take the arrays out of a tree, read-only; none of them is part of a caller's array."""
    if isinstance(output, Operand):
        return as_array(output, borrowed)
    if isinstance(output, (tuple, list, dict)):
        return tree.map(lambda x: as_array(x, borrowed), output)
    return output


def run(
    module: Module,
    inputs: tuple[Any, ...],
    segment: str | None = None,
    named: dict[str, Any] | None = None,
    method: str = "call",
) -> Any:
    """Call a module under its name in its parent; errors get the path on their way up.

    `method` names another way to compute with it than `call`: a cell reads a whole sequence.
    """
    stack = _calls.stack
    kind = type(module).__name__
    if segment is None and stack:
        inside = stack[-1].named_children()
        segment = next((name for name, child in inside if child is module), module.name or kind)
    if segment is not None:
        enter_scope(segment)
    stack.append(module)
    try:
        if module.training is context().training:
            output = _call(module, inputs, named, method)
        else:
            with using(training=module.training) as own:
                own.explicit = False  # a module inside may have a mode of its own
                output = _call(module, inputs, named, method)
        if _calls.observers:
            seen: Any = _by_name(module, inputs, named, method) if named else inputs
            for observer in tuple(_calls.observers):
                observer(path(), module, seen, output)
    except Exception as error:
        wrong = None
        if isinstance(error, AttributeError):
            wrong = _not_taken(error, inputs, named)
        elif isinstance(error, TypeError):
            wrong = _miscounted(getattr(module, method), inputs, named or {})
        add_path(wrong or error, segment or module.name or kind, kind)
        if wrong is not None:
            raise wrong from error
        raise
    finally:
        stack.pop()
        if segment is not None:
            leave_scope()
    return output


def segmented() -> SegmentedRun | None:
    """Return the run in segments that parts of a module may join now, if there is one."""
    now = STATE.segments
    return None if now is None or _calls.observers or not now.is_on else now


def _call(
    module: Module, inputs: tuple[Any, ...], named: dict[str, Any] | None, method: str
) -> Any:
    now = None if STATE.segments is None or method != "call" else segmented()
    if now is not None:
        output = now.call(module, inputs, named or {})
        if output is not MISSED:
            return output
    compute = getattr(module, method)
    return compute(*inputs, **named) if named else compute(*inputs)


def _by_name(
    module: Module, inputs: tuple[Any, ...], named: dict[str, Any], method: str
) -> dict[str, Any]:
    """Return all inputs by name, for observers."""
    return dict(inspect.signature(getattr(module, method)).bind(*inputs, **named).arguments)


def _not_taken(
    error: AttributeError, inputs: tuple[Any, ...], named: dict[str, Any] | None
) -> ArgumentError | None:
    """Say so if a module takes an array where it was given a list, a dict or nothing."""
    if not isinstance(error.obj, (list, tuple, dict, type(None))):
        return None
    items = [*((str(k), x) for k, x in enumerate(inputs)), *((named or {}).items())]
    places = [where for key, x in items for where, part in _inside(key, x) if part is error.obj]
    return ArgumentError(_no_array(places[0], error.obj)) if places else None


def _miscounted(
    compute: Callable[..., Any], inputs: tuple[Any, ...], named: dict[str, Any]
) -> ArgumentError | None:
    """Say so if a module takes other inputs than it was given: too many, too few, other names."""
    signature = inspect.signature(compute)
    try:
        signature.bind(*inputs, **named)
    except TypeError as error:
        taken = [str(p.replace(annotation=p.empty)) for p in signature.parameters.values()]
        got = [str(len(inputs)), *(f"`{name}`" for name in named)]
        return ArgumentError(
            f"inputs must be ({', '.join(taken)}); got {' and '.join(got)}: {error}. "
            "Give each input by place or by its name."
        )
    return None


def _inside(where: str, item: Any) -> Iterator[tuple[str, Any]]:
    """Go through an input and all parts of it, by path."""
    yield where, item
    if isinstance(item, (list, tuple, dict)):
        pairs = item.items() if isinstance(item, dict) else enumerate(item)
        for key, part in pairs:
            yield from _inside(f"{where}.{key}", part)


@contextmanager
def observe(observer: Observer) -> Iterator[None]:
    """Look at every module call of this thread, for feature maps, tables and timings.

    Parameters
    ----------
    observer : function of (path, module, inputs, output)
        Called after each module's call; the values have `.data` unless a trace is running. Inputs
        are a tuple, or a dict of all by name where some were given by name.

    Examples
    --------
    >>> import numpy as np
    >>> from sandbox.lib import nn
    >>> model = nn.Sequential(fc=nn.Linear(2, 3), relu=nn.ReLU())
    >>> with nn.observe(lambda path, module, inputs, output: print(path or "model", output.shape)):
    ...     _ = model(np.ones((1, 2), "f4"))
    fc (1, 3)
    relu (1, 3)
    model (1, 3)
    """
    _calls.observers.append(observer)
    try:
        yield
    finally:
        _calls.observers.remove(observer)
