"""Arguments under several names: those of Keras 3, and those of Keras 1 that mean the same."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

from ..nn.registry import bound_arguments

__all__ = ["Spelled"]


class Spelled(type):
    """Translates the argument names of Keras 1 and keeps the arguments as the object's config.

    A class has `aliases`, old names and what they are called now, and `shared`, the arguments that
    its `__init__` hands on to its base in `**options`.
    """

    aliases: Mapping[str, str]
    shared: tuple[str, ...]

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make an object.

        Raises
        ------
        TypeError : an argument is not known, or given under both of its names.
        """
        given = cls._translated(kwargs)
        made = super().__call__(*args, **given)
        made.__dict__["_arguments"] = bound_arguments(cls, args, given)
        return made

    def _translated(cls, kwargs: dict[str, Any]) -> dict[str, Any]:
        made: Any = cls
        parameters = inspect.signature(made.__init__).parameters
        known = [name for name in parameters if name not in ("self", "options")]
        known += [name for name in cls.shared if name not in known]
        takes_all = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters.values())
        found: dict[str, Any] = {}
        for key, item in kwargs.items():
            name = cls.aliases.get(key, key)
            if name in found:
                raise TypeError(f"{cls.__name__}: {key!r} is another name of {name!r}; got both.")
            if name not in known and not takes_all:
                near = difflib.get_close_matches(key, [*known, *cls.aliases], 1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise TypeError(
                    f"{cls.__name__}: arguments must be among {', '.join(known)}; "
                    f"got {key!r}.{hint}"
                )
            found[name] = item
        return found
