"""Names of modules and criterions in model files, and the way there and back.

A model file never names a Python path: only what was registered can be made from it. A
serialized module is plain JSON: `{"module": "nn.Linear", "config": {"in_features": 4, ...}}`.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias, TypeVar

from ..core.errors import ArgumentError, SandboxError
from . import init

Config: TypeAlias = dict[str, Any]
"""A serialized module or criterion: {"module": registry name, "config": arguments}."""
T = TypeVar("T", bound=type)


class Configured(Protocol):
    """What can be serialized: something with a `config()`."""

    def config(self) -> dict[str, Any]:
        """Give the arguments that make an equal one."""
        ...


_classes: dict[str, type] = {}
_names: dict[type, str] = {}


def register(name: str) -> Callable[[T], T]:
    """Make a class known under a name, so that models which use it can be saved and loaded.

    Parameters
    ----------
    name : str
        The name in model files: `room.Class` for ours, `yours.Class` for yours.

    Raises
    ------
    ArgumentError : the name belongs to another class already.

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> from sandbox.lib.core import ops
    >>> @nn.register("doctest.Swish")
    ... class Swish(nn.Module):
    ...     def call(self, x):
    ...         return ops.multiply(x, ops.sigmoid(x))
    >>> nn.deserialize(nn.serialize(Swish()))
    Swish()
    """
    if not isinstance(name, str) or not name:
        raise ArgumentError(
            f"register() must be given a name; got {name!r}. "
            'Write @register("yours.ClassName") above the class.'
        )

    def add(cls: T) -> T:
        known = _classes.get(name)
        # A notebook cell that is run again defines the same class anew: the newer one counts.
        if known is not None and known.__qualname__ != cls.__qualname__:
            raise ArgumentError(
                f"register: {name!r} is the name of {known.__module__}.{known.__qualname__} "
                f"already; got {cls.__qualname__}. Choose another name."
            )
        _classes[name] = cls
        _names[cls] = name
        return cls

    return add


def registered() -> Mapping[str, type]:
    """Give all registered classes by name (a copy).

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> nn.registered()["nn.Linear"].__name__
    'Linear'
    """
    return dict(_classes)


def name_of(thing: object) -> str:
    """Give the registry name of an object's class.

    Raises
    ------
    ArgumentError : its class is not registered.
    """
    cls = thing if isinstance(thing, type) else type(thing)
    if cls not in _names:
        raise ArgumentError(
            f"{cls.__name__} must be registered to be written to a model file; got a class that "
            f'is not. Write @register("yours.{cls.__name__}") above it.'
        )
    return _names[cls]


def find(name: str) -> type:
    """Give the class of a registry name.

    Raises
    ------
    ArgumentError : nothing has this name; the message lists similar ones.

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> nn.registry.find("nn.Linaer")
    Traceback (most recent call last):
    sandbox.lib.core.errors.ArgumentError: the model names a module 'nn.Linaer' which is not \
registered. Did you mean nn.Linear or nn.Bilinear? If it is your own class, import the file which \
registers it.
    """
    if name in _classes:
        return _classes[name]
    ends = {known: known.rsplit(".", 1)[-1].lower() for known in _classes}
    last = str(name).rsplit(".", 1)[-1].lower()
    alike = difflib.get_close_matches(last, ends.values(), 3, 0.7)
    near = [known for end in alike for known in ends if ends[known] == end]
    hint = f"Did you mean {' or '.join(dict.fromkeys(near))}? " if near else ""
    raise ArgumentError(
        f"the model names a module {name!r} which is not registered. {hint}"
        "If it is your own class, import the file which registers it."
    )


def serialize(thing: Configured) -> Config:
    """Write a module or criterion as plain JSON data (its structure, not its weights).

    A module that is used in two places is written once and referred to by an id afterwards, so
    that sharing survives.

    Parameters
    ----------
    thing : Module or Criterion
        Of a registered class; so must be all modules inside.

    Raises
    ------
    ArgumentError : a class is not registered, or a config value is not plain data.

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> nn.serialize(nn.Dropout(0.25))
    {'module': 'nn.Dropout', 'config': {'p': 0.25}}
    """
    if isinstance(thing, type):
        raise ArgumentError(
            f"`thing` must be an object; got the class {thing.__name__}. Write {thing.__name__}()."
        )
    return _Writer().write(thing)


def deserialize(config: Mapping[str, Any]) -> Any:
    """Make the module or criterion which `serialize` wrote.

    Weights are drawn anew; a model file fills them in afterwards.

    Raises
    ------
    ArgumentError : the config is malformed, a name is unknown, or an argument is refused.

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> nn.deserialize({"module": "nn.Linear", "config": {"in_features": 4, "out_features": 2}})
    Linear(4 -> 2)
    """
    return _Reader().read(current(config))


def current(config: Any) -> Any:
    """Write what files of earlier versions say in the names of today.

    Examples
    --------
    >>> current({"module": "nn.Linear", "config": {"weight_init": "he"}})
    {'module': 'nn.Linear', 'config': {'weight_init': 'he_normal'}}
    """
    if isinstance(config, Mapping):
        return {
            key: init.current_name(item) if key == "weight_init" else current(item)
            for key, item in config.items()
        }
    return [current(item) for item in config] if isinstance(config, (list, tuple)) else config


def bound_arguments(
    cls: type[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """Give the arguments of a construction by name, defaults included, without `rng` and `name`.

    Wrong arguments give an empty dict: `__init__` itself is about to refuse them.

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> bound_arguments(nn.Linear, (4, 2), {"bias": False, "rng": 0})
    {'in_features': 4, 'out_features': 2, 'bias': False, 'weight_init': 'he_normal'}
    """
    signature = inspect.signature(cls.__init__)
    try:
        bound = signature.bind(None, *args, **kwargs)
    except TypeError:
        return {}
    bound.apply_defaults()
    config: dict[str, Any] = {}
    for key, item in list(bound.arguments.items())[1:]:
        kind = signature.parameters[key].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            config.update(item)
        elif kind is not inspect.Parameter.VAR_POSITIONAL:
            config[key] = item
    return {key: item for key, item in config.items() if key not in ("rng", "name")}


class _Writer:
    def __init__(self) -> None:
        # The object is kept with its config: an id stays its own while it lives.
        self.seen: dict[int, tuple[Configured, Config]] = {}
        self.shared = 0

    def write(self, thing: Configured) -> Config:
        if id(thing) in self.seen:
            first = self.seen[id(thing)][1]
            if "id" not in first:
                self.shared += 1
                first["id"] = self.shared
            return {"shared": first["id"]}
        name = name_of(thing)
        written: Config = {"module": name}
        self.seen[id(thing)] = (thing, written)
        owner = type(thing).__name__
        config = {key: self.value(item, owner, key) for key, item in thing.config().items()}
        written["config"] = config
        own_name = getattr(thing, "name", None)
        if own_name is not None:
            written["name"] = own_name
        return written

    def value(self, item: Any, owner: str, key: str) -> Any:
        if item is None or isinstance(item, (bool, int, float, str)):
            return item
        if isinstance(item, (list, tuple)):
            return [self.value(element, owner, key) for element in item]
        if isinstance(item, Mapping):
            return {str(k): self.value(element, owner, key) for k, element in item.items()}
        if type(item) in _names or hasattr(item, "config"):
            return self.write(item)
        if hasattr(item, "item") and getattr(item, "ndim", None) == 0:
            return item.item()
        raise ArgumentError(
            f"{owner}: argument `{key}` must be plain data (numbers, text, lists, modules) to be "
            f"written to a model file; got {type(item).__name__}. Override config() in {owner}."
        )


class _Reader:
    def __init__(self) -> None:
        self.made: dict[int, Any] = {}

    def read(self, written: Mapping[str, Any]) -> Any:
        if not isinstance(written, Mapping):
            raise ArgumentError(
                "a model config must be a dict with `module` and `config`; got "
                f"{type(written).__name__}."
            )
        if "shared" in written:
            if written["shared"] not in self.made:
                raise ArgumentError(
                    "`shared` in a model config must be the `id` of a module before it; got "
                    f"{written['shared']!r}, known are {sorted(self.made)}."
                )
            return self.made[written["shared"]]
        name, config = written.get("module"), written.get("config", {})
        if not isinstance(name, str) or not isinstance(config, Mapping):
            raise ArgumentError(
                "a model config must hold `module` (a registry name) and `config` (its arguments); "
                f"got the keys {sorted(map(str, written))}."
            )
        cls = find(name)
        arguments = {str(key): self.value(item) for key, item in config.items()}
        if written.get("name") is not None:
            arguments["name"] = written["name"]
        make = getattr(cls, "from_config", None)
        try:
            thing = make(arguments) if make is not None else cls(**arguments)
        except SandboxError as error:
            raise type(error)(f"{name} in the model config: {error}") from error
        except (TypeError, KeyError, ValueError, IndexError) as error:
            known = [p for p in inspect.signature(cls).parameters if p not in ("rng", "name")]
            raise ArgumentError(
                f"{name}: the arguments must be {', '.join(known) or 'none'}; got "
                f"{', '.join(arguments) or 'none'} ({error!r}). Was the file written by another "
                "version of this class?"
            ) from error
        if "id" in written:
            self.made[written["id"]] = thing
        return thing

    def value(self, item: Any) -> Any:
        if isinstance(item, Mapping):
            if "module" in item or "shared" in item:
                return self.read(item)
            return {key: self.value(element) for key, element in item.items()}
        if isinstance(item, (list, tuple)):
            return tuple(self.value(element) for element in item)
        return item
