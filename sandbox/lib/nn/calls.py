"""Running a module: whose turn it is, its path for errors, who is watching. All per thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..core.context import context, enter_scope, leave_scope, path, using
from ..core.errors import ArgumentError, add_path
from ..core.parameter import Holder
from ..core.state import STATE
from ..core.value import Operand, Value, as_array, borrow

if TYPE_CHECKING:
    from .module import Module

Observer: TypeAlias = "Callable[[str, Module, tuple[Any, ...], Any], None]"


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


def label(module: Module) -> str:
    """Give the path of a module for messages made outside of `run`."""
    kind = type(module).__name__
    name = module.name
    return f"{name} ({kind})" if name else kind


def values(module: Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Make values of arrays and of lists of numbers; other floats take the parameters' dtype."""
    made, kept = [], recording()
    for position, item in enumerate(inputs):
        if isinstance(item, Operand):
            made.append(item)
            continue
        array = _array(item) if isinstance(item, (list, tuple, float, int)) else item
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
            raise ArgumentError(
                f"{label(module)}: input {position} must be an array of numbers; got "
                f"{getattr(array, 'dtype', type(array).__name__)}. "
                "Turn it with np.asarray(x, dtype='float32')."
            )
        if array.dtype.kind == "f" and (array.dtype != np.float32 or Holder.wide):
            found = (p.dtype for _, p in module.named_parameters() if p.dtype.kind == "f")
            array = array.astype(next(found, array.dtype), copy=False)
        made.append(Value(array) if kept else borrow(array))
    return tuple(made)


def _array(numbers: Any) -> Any:
    """Make an array of a list of numbers; a list of rows of unlike length stays what it is."""
    try:
        return np.asarray(numbers)
    except ValueError:
        return numbers


def arrays(output: Any, borrowed: tuple[Any, ...] = ()) -> Any:
    """Take the arrays out of values, read-only; none of them is part of a caller's array."""
    if isinstance(output, (tuple, list)):
        return tuple(arrays(item, borrowed) for item in output)
    return as_array(output, borrowed)


def run(module: Module, inputs: tuple[Any, ...], segment: str | None = None) -> Any:
    """Call a module under its name in its parent; errors get the path on their way up."""
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
            output = module.call(*inputs)
        else:
            with using(training=module.training) as own:
                own.explicit = False  # a module inside may have a mode of its own
                output = module.call(*inputs)
        if _calls.observers:
            for observer in tuple(_calls.observers):
                observer(path(), module, inputs, output)
    except Exception as error:
        add_path(error, segment or module.name or kind, kind)
        raise
    finally:
        stack.pop()
        if segment is not None:
            leave_scope()
    return output


@contextmanager
def observe(observer: Observer) -> Iterator[None]:
    """Look at every module call of this thread, for feature maps, tables and timings.

    Parameters
    ----------
    observer : function of (path, module, inputs, output)
        Called after each module's call; the values have `.data` unless a trace is running.

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
