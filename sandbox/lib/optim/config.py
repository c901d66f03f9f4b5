"""Named arguments as data: what a checkpoint tells about an optimiser."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any, ClassVar

from ..core import validate
from ..core.errors import ArgumentError

_REGISTRY: dict[str, type[Configured]] = {}

# What checkpoints of earlier versions say, and what it is called now.
_OLD_NAMES = {
    "optim.Averaged": "optim.EMA",
    "optim.Group": "optim.ParameterGroup",
    "optim.Groups": "optim.ParameterGroups",
    "optim.Step": "optim.StepDecay",
}
_OLD_ARGUMENTS = {"method": "optimizer"}


class Configured:
    """Base of everything in this room that is described by its constructor's arguments.

    A subclass stores each argument under its own name; `config()` reads them back. Subclasses are
    found by `optim.<ClassName>`; a class of the user's own gets the prefix it asks for with
    `class Mine(Optimizer, prefix="mine")`.
    """

    registry_name: ClassVar[str] = ""

    def __init_subclass__(cls, *, prefix: str = "optim", **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.registry_name = f"{prefix}.{cls.__name__}"
        _REGISTRY[cls.registry_name] = cls

    def config(self) -> dict[str, Any]:
        """Return the registry name and the arguments as JSON-able data."""
        names = inspect.signature(type(self).__init__).parameters
        arguments = {n: _plain(getattr(self, n)) for n in names if n != "self"}
        return {"name": self.registry_name, **arguments}

    def __repr__(self) -> str:
        signature = inspect.signature(type(self).__init__).parameters
        shown = []
        for name, parameter in signature.items():
            if name == "self":
                continue
            value = getattr(self, name)
            if parameter.default is inspect.Parameter.empty:
                shown.append(repr(value))
            elif value != parameter.default:
                shown.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Configured) and self.config() == other.config()

    def __hash__(self) -> int:
        return hash(self.registry_name)


def from_config(config: Mapping[str, Any]) -> Any:
    """Rebuild what `config()` described. Only registered names are accepted.

    Notes
    -----
    Like BigDL `OptimMethod.load`, `OptimMethod.save` (0.13): a config holds the arguments;
    the state (momentum ...) lies in the Trainer's checkpoints.

    Examples
    --------
    >>> from sandbox.lib import optim
    >>> optim.from_config(optim.SGD(0.1, momentum=0.9).config())
    SGD(0.1, momentum=0.9)
    """
    config = current_config(config)
    name = config.get("name") if isinstance(config, Mapping) else config
    if not isinstance(config, Mapping) or name not in _REGISTRY:
        raise ArgumentError(
            f"from_config: name must be one of {', '.join(sorted(_REGISTRY))}; got {name!r}. "
            "Import the module that defines it first."
        )
    arguments = {key: _rebuilt(value) for key, value in config.items() if key != "name"}
    try:
        return _REGISTRY[name](**arguments)
    except TypeError as error:
        raise ArgumentError(
            f"from_config: arguments of {name} must fit its signature; {error}."
        ) from None


def current_name(name: Any) -> Any:
    """Return what a registry name of an earlier version is called now; others stay as they are.

    Examples
    --------
    >>> current_name("optim.Averaged"), current_name("optim.SGD")
    ('optim.EMA', 'optim.SGD')
    """
    return _OLD_NAMES.get(name, name) if isinstance(name, str) else name


def current_config(config: Any) -> Any:
    """Return what `config()` described in an earlier version as it is described now.

    Examples
    --------
    >>> current_config({"name": "optim.Averaged", "method": {"name": "optim.SGD"}})
    {'name': 'optim.EMA', 'optimizer': {'name': 'optim.SGD'}}
    """
    if isinstance(config, list):
        return [current_config(item) for item in config]
    if not isinstance(config, Mapping) or "name" not in config:
        return config
    name = current_name(config["name"])
    # Only of ours: a class of the user's own may well take a `method`.
    old = _OLD_ARGUMENTS if isinstance(name, str) and name.startswith("optim.") else {}
    rest = {old.get(k, k): current_config(v) for k, v in config.items() if k != "name"}
    return {"name": name, **rest}


def _rebuilt(value: Any) -> Any:
    if isinstance(value, Mapping) and "name" in value:
        return from_config(value)
    return [_rebuilt(v) for v in value] if isinstance(value, list) else value


def checked_number(
    owner: object, name: str, value: Any, low: float, high: float = math.inf, closed: str = "left"
) -> float:
    """Return a float between low and high; the error names the owner's class."""
    try:
        return validate.in_range(name, value, low, high, closed=closed)
    except ArgumentError as error:
        raise ArgumentError(f"{type(owner).__name__}: {error}") from None


def checked_boolean(owner: object, name: str, value: Any) -> bool:
    """Return True or False; the error names the owner's class."""
    try:
        return validate.boolean(name, value)
    except ArgumentError as error:
        raise ArgumentError(f"{type(owner).__name__}: {error}") from None


def checked_integer(owner: object, name: str, value: Any) -> int:
    """Return an int > 0; the error names the owner's class."""
    try:
        return validate.positive_int(name, value)
    except ArgumentError as error:
        raise ArgumentError(f"{type(owner).__name__}: {error}") from None


def checked_non_negative_integer(owner: object, name: str, value: Any) -> int:
    """Return an int >= 0; the error names the owner's class."""
    try:
        return validate.non_negative_int(name, value)
    except ArgumentError as error:
        raise ArgumentError(f"{type(owner).__name__}: {error}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, Configured):
        return value.config()
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    if hasattr(value, "item") and not isinstance(value, (int, float, str)):
        return value.item()
    return value
