"""What a stage can be told: Params with defaults, checked when they are set."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from pyspark.ml.param import Param, Params

from ...core.errors import ArgumentError, SandboxError
from ...engine.names import meant

__all__ = ["Setting", "Stage", "one_or_several"]

S = TypeVar("S", bound="Stage")
_NONE = object()
_LONGEST = 60  # characters of a value in `explainParams`


class Setting(Param[Any]):
    """A Param with its default and a check of its own.

    Parameters
    ----------
    name, doc : str
        As Spark's Params.
    check : function of (name, value)
        Returns the value in its normal form, or raises ArgumentError.
    default : optional
        None or left out: the Param is undefined until it is set.
    plain : bool, default=True
        Whether the value is JSON-able as it is; else `objects.py` tells how it is written.
    """

    def __init__(
        self,
        name: str,
        doc: str,
        check: Callable[[str, Any], Any],
        default: Any = None,
        *,
        plain: bool = True,
    ) -> None:
        super().__init__(Params._dummy(), name, doc, typeConverter=partial(check, name))
        self.default = default
        self.plain = plain


class Stage(Params):
    """What all stages of this room share.

    Each Param `x` has `setX`, which returns the stage, and `getX`; the constructor takes all of
    them by name. Values are checked when they are set.
    """

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for name, param in _params(cls).items():
            word = name[0].upper() + name[1:]
            for made in (_setter(name, word, param.doc), _getter(name, word, param.doc)):
                if not hasattr(cls, made.__name__):
                    made.__qualname__ = f"{cls.__name__}.{made.__name__}"
                    setattr(cls, made.__name__, made)
        cls.__signature__ = _signature(cls)  # type: ignore[attr-defined]

    def __init__(self, **given: Any) -> None:
        super().__init__()
        known = {param.name: param for param in self.params}
        self._setDefault(
            **{
                name: param.default
                for name, param in known.items()
                if isinstance(param, Setting) and param.default is not None
            }
        )
        for name in given:
            if name not in known:
                near = meant(name, known)
                raise ArgumentError(
                    f"{type(self).__name__}: there is no Param {name!r}."
                    + (f" Did you mean {near!r}?" if near else "")
                    + f" explainParams() of a {type(self).__name__} tells all of them."
                )
        self._set(**given)

    def copy(self: S, extra: Any = None) -> S:
        """Return a copy of the same uid, with some Params set; objects are not copied."""
        made = super().copy(extra)
        own = {p.name: v for p, v in (extra or {}).items() if self._testOwnParam(p.parent, p.name)}
        return made._set(**own)  # once more: of two that shut each other out these hold

    def set(self, param: Any, value: Any) -> None:
        """Set a Param; an error is the same as that of its `setX`."""
        self._shouldOwn(param)
        self._set(**{param.name: value})

    def _set(self: S, **given: Any) -> S:
        for name, value in given.items():
            if value is None:  # as if it had never been set
                self._paramMap.pop(getattr(self, name), None)
                continue
            try:
                super()._set(**{name: value})
            except SandboxError as error:
                raise type(error)(f"{type(self).__name__}: {error}") from None
        return self

    def _given(self, name: str) -> Any:
        """Return a Param's value or its default, None where it has neither."""
        param = self.getParam(name)
        return self.getOrDefault(param) if self.isDefined(param) else None

    def explainParam(self, param: Any) -> str:  # noqa: N802 - Spark's
        """Return a Param's name, what it is, its default and its present value, in one line."""
        param = self._resolveParam(param)
        told = []
        if self.hasDefault(param):
            told.append(f"default: {_shown(self._defaultParamMap[param])}")
        if self.isSet(param):
            told.append(f"current: {_shown(self._paramMap[param])}")
        return f"{param.name}: {param.doc} ({', '.join(told) or 'undefined'})"


def one_or_several(given: dict[str, Any], one: str, several: str) -> dict[str, Any]:
    """Return values of Params of which one names a column and the other takes its place.

    Several columns given for the one are meant for the other; whichever is set last holds.

    Examples
    --------
    >>> one_or_several({"labelCol": ["a", "b"]}, "labelCol", "labelCols")
    {'labelCols': ['a', 'b'], 'labelCol': None}
    """
    found = dict(given)
    if isinstance(found.get(one), list | tuple | dict):
        found[several] = found.pop(one)
    for name, other in ((one, several), (several, one)):
        if found.get(name) is not None:
            found.setdefault(other, None)
    return found


def _params(cls: type) -> dict[str, Any]:
    """Return the Params of a class by name."""
    found = {name: getattr(cls, name, None) for name in dir(cls)}
    return {name: param for name, param in found.items() if isinstance(param, Param)}


def _setter(name: str, word: str, doc: str) -> Callable[..., Any]:
    def set_value(self: Any, value: Any) -> Any:
        return self._set(**{name: value})

    set_value.__name__ = f"set{word}"
    set_value.__doc__ = f"Set `{name}`, {doc}; None takes it back. Return the stage."
    return set_value


def _getter(name: str, word: str, doc: str) -> Callable[..., Any]:
    def get_value(self: Any) -> Any:
        return self._given(name)

    get_value.__name__ = f"get{word}"
    get_value.__doc__ = f"Return `{name}`, {doc}; None if it is not set and has no default."
    return get_value


def _signature(cls: type) -> inspect.Signature:
    """Return what the constructor takes, for who asks in a notebook: its own, and all Params."""
    kind = inspect.Parameter
    found = [p for p in inspect.signature(cls.__init__).parameters.values() if p.name != "self"]  # type: ignore[misc]
    own = [p for p in found if p.kind is kind.POSITIONAL_OR_KEYWORD]
    named = [
        kind(name, kind.KEYWORD_ONLY, default=getattr(param, "default", None))
        for name, param in _params(cls).items()
        if name not in [p.name for p in own]
    ]
    return inspect.Signature([*own, *named])


def _shown(value: Any) -> str:
    """Return a value in one short line."""
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
