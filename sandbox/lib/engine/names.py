"""Names that are not there: which one was meant. A room ends with `names.suggest(__name__)`."""

from __future__ import annotations

import difflib
import functools
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, NoReturn

__all__ = ["FRAMEWORKS", "equivalents", "meant", "missing", "public", "suggest"]

FRAMEWORKS = ("BigDL", "Keras", "PyTorch", "ONNX", "Torch7")
_QUOTED = r"`[^`]+`(?:-\d+)?(?: ?\([^()]*\))?"
_EQUIVALENTS = re.compile(
    rf"\b({'|'.join(FRAMEWORKS)})(?:'s)? ({_QUOTED}(?:(?:, | and | or |, and ){_QUOTED})*)"
)


def meant(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that a wrong one stands for; None if none comes near.

    Examples
    --------
    >>> meant("Conv2D", ["Conv1d", "Conv2d"]), meant("relu", ["ReLU6", "ReLU"])
    ('Conv2d', 'ReLU')
    >>> meant("Convolution2d", ["Conv2d", "Flatten"]), meant("spam", ["Conv2d"])
    ('Conv2d', None)
    """
    folded: dict[str, str] = {}
    for one in known:
        folded.setdefault(_fold(one), one)
    wanted = _fold(name)
    if wanted in folded:
        return folded[wanted]
    near = difflib.get_close_matches(wanted, folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else None


def _fold(name: str) -> str:
    return name.replace("_", "").lower()


def equivalents(thing: object) -> dict[str, tuple[str, ...]]:
    """Return what other frameworks call a class or function, as its docstring says.

    The name of a framework is followed by its names in backticks: "Same as BigDL `LookupTable`
    (0.13), Keras `Embedding` and PyTorch `Embedding`."

    Examples
    --------
    >>> def twice(x):
    ...     '''Double: like BigDL `MulConstant(2)` (0.13), `Mul`, and ONNX `Mul`-14.'''
    >>> equivalents(twice)
    {'BigDL': ('MulConstant', 'Mul'), 'ONNX': ('Mul',)}
    """
    return dict(_said(inspect.getdoc(thing) or ""))


@functools.cache
def _said(documentation: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    text = " ".join(documentation.split())
    for framework, names in _EQUIVALENTS.findall(text):
        plain = [re.match(r"[\w.]+", name) for name in re.findall(r"`([^`]+)`", names)]
        more = tuple(match[0] for match in plain if match)
        found[framework] = (*found.get(framework, ()), *more)
    return found


def _counterpart(module: ModuleType, name: str) -> str | None:
    """Return which of a module's own another framework's name stands for, as a sentence."""
    for own in public(module):
        thing = vars(module).get(own)  # what is imported on demand is not imported for this
        if isinstance(thing, ModuleType) or not callable(thing):
            continue
        for framework, names in equivalents(thing).items():
            if name in names:
                return f"{framework}'s {name} is {own!r} here"
    return None


def public(module: ModuleType) -> list[str]:
    """Return the names a module offers: its `__all__`, else those of this package, modules last."""
    given = getattr(module, "__all__", None)
    if given is not None:
        return list(given)
    product = __name__.partition(".")[0] + "."
    own = {
        name: isinstance(value, ModuleType)
        for name, value in vars(module).items()
        if not name.startswith("_") and _home(value).startswith(product)
    }
    return sorted(own, key=own.__getitem__)


def _home(value: object) -> str:
    """Return the name of a module, or of the one that a class or a function is from."""
    return str(getattr(value, "__name__" if isinstance(value, ModuleType) else "__module__", ""))


def suggest(module: str) -> None:
    """Let a module answer a name that it does not have with the one that was meant.

    Set from here, for a type checker that reads a `__getattr__` takes every name for a right one.
    """
    vars(sys.modules[module])["__getattr__"] = missing(module)


def _is_unloaded_part(room: ModuleType, name: str) -> bool:
    """Tell whether a package has a module of this name, which nobody has imported yet."""
    if not hasattr(room, "__path__") or not name.isidentifier():
        return False
    return importlib.util.find_spec(f"{room.__name__}.{name}") is not None


def missing(module: str) -> Callable[[str], Any]:
    """Return such a `__getattr__`.

    Parameters
    ----------
    module : str
        Its `__name__`. Where none of its names comes near, the other rooms beside it that are
        imported are asked.

    Examples
    --------
    >>> missing("sandbox.lib.engine")("compil")
    Traceback (most recent call last):
    AttributeError: module 'sandbox.lib.engine' has no attribute 'compil'. Did you mean 'compile'?
    """

    def answer(name: str) -> NoReturn:
        text = f"module {module!r} has no attribute {name!r}"
        if name.startswith("_"):  # Python's own questions, and there are many
            raise AttributeError(text)
        room = sys.modules[module]
        found = meant(name, public(room))
        same = found is not None and _fold(found) == _fold(name)
        if not same and (counterpart := _counterpart(room, name)) is not None:
            raise AttributeError(f"{text}. {counterpart}.")
        if _is_unloaded_part(room, name):
            raise AttributeError(f"{text}: it is imported on its own: from {module} import {name}")
        if found is not None:
            text += f". Did you mean {found!r}?"
        elif (elsewhere := _elsewhere(module, name)) is not None:
            text += f". Did you mean {elsewhere}?"
        raise AttributeError(text)

    return answer


def _elsewhere(module: str, name: str) -> str | None:
    """Return the name of a room beside a module that has a name, as one writes it."""
    above = module.rpartition(".")[0]
    for place, room in list(vars(sys.modules[above]).items()):  # an import puts a part in there
        beside = isinstance(room, ModuleType) and room.__name__ == f"{above}.{place}" != module
        if beside:
            wanted = [one for one in public(room) if _fold(one) == _fold(name)]
            if wanted:
                return f"{place}.{wanted[0]}"
    return None
