"""What a module holds: parameters, buffers and other modules, by path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..core import Buffer, Parameter
from ..core.errors import ArgumentError
from . import calls

if TYPE_CHECKING:
    from .module import Module

_INTERNAL = ("_name", "_arguments", "_training")


class Holder:
    """What holds parameters, buffers and other holders in its attributes: the base of `Module`.

    Those in lists, tuples and dicts count as held directly.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        """Assign; a parameter or buffer can only give way to another one or to None.

        Raises
        ------
        ArgumentError : such a change, or a set that holds modules or parameters.
        """
        if isinstance(value, (set, frozenset)):
            list(self._held(name, value))  # refuses modules in it
        held = self.__dict__.get(name)
        if isinstance(held, (Parameter, Buffer)) and not isinstance(
            value, (type(held), type(None))
        ):
            raise ArgumentError(
                f"{calls.label(self)}: `{name}` must be a {type(held).__name__}; got "
                f"{type(value).__name__}. To change its numbers use .{name}.set(array)."
            )
        super().__setattr__(name, value)

    def _members(self) -> Iterator[tuple[str, Any]]:
        for name, item in self.__dict__.items():
            if type(item) in _PLAIN or name in _INTERNAL:
                continue
            if isinstance(item, _HELD):
                yield name, item
            elif isinstance(item, _COLLECTIONS):
                yield from self._held(name, item)

    def _held(self, path: str, item: Any) -> Iterator[tuple[str, Any]]:
        """Go through what is held under a path: itself, or in lists, tuples and dicts, nested."""
        if isinstance(item, _HELD):
            yield path, item
        elif isinstance(item, (list, tuple)):
            for place, element in enumerate(item):
                if type(element) in _PLAIN:
                    continue
                if isinstance(element, _HELD):
                    yield f"{path}.{place}", element
                elif isinstance(element, _COLLECTIONS):
                    yield from self._held(f"{path}.{place}", element)
        elif isinstance(item, dict):
            names: set[str] = set()
            for key, element in item.items():
                for below, held in self._held(f"{path}.{key}", element):
                    self._check_key(path, key, names)
                    yield below, held
                names.add(str(key))
        elif isinstance(item, (set, frozenset)) and any(isinstance(e, _HELD) for e in item):
            raise ArgumentError(
                f"{calls.label(self)}: `{path}` must hold modules and parameters in a list, tuple "
                "or dict; got a set, which has no order and no names."
            )

    def _check_key(self, path: str, key: Any, before: set[str]) -> None:
        usable = isinstance(key, (str, int)) and str(key) and not set("./") & set(str(key))
        if not usable or str(key) in before:
            raise ArgumentError(
                f"{calls.label(self)}: keys of `{path}` must be different names without dots and "
                f"slashes, as they are part of the parameters' names; got {key!r}."
            )

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Go through the modules held directly, by name, in the order of assignment.

        Those in lists, tuples and dicts count as held directly: "blocks.0", "heads.digit".
        """
        for name, item in self._members():
            if isinstance(item, Holder):
                module: Any = item
                yield name, module

    def children(self) -> list[Module]:
        """List the modules held directly, in the order of assignment."""
        return [child for _, child in self.named_children()]

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Go through this module (path "") and all inside, each once, by path ("block.conv1")."""
        seen: set[int] = set()
        pending: list[tuple[str, Any]] = [(prefix, self)]
        while pending:
            path, module = pending.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            inside = [(_join(path, name), child) for name, child in module.named_children()]
            pending.extend(reversed(inside))

    def parts(self) -> list[Module | Parameter | Buffer]:
        """List this module and all modules, parameters and buffers inside, each once, by one walk.

        What a compiled program belongs to: it fits as long as these are the same objects.
        """
        found: dict[int, Any] = {id(self): self}
        pending: list[dict[Any, Any] | list[Any] | tuple[Any, ...]] = [self.__dict__]
        arguments = {id(self.__dict__["_arguments"])}
        while pending:
            held = pending.pop()
            for item in held.values() if isinstance(held, dict) else held:
                if type(item) in _PLAIN:
                    continue
                if isinstance(item, _HELD):
                    if id(item) not in found:
                        found[id(item)] = item
                        if isinstance(item, Holder):
                            pending.append(item.__dict__)
                            arguments.add(id(item.__dict__["_arguments"]))
                elif isinstance(item, (list, tuple, dict)) and id(item) not in arguments:
                    pending.append(item)
        return list(found.values())

    def _named(self, kind: type[Any]) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, module in self.named_modules():
            for name, item in module._members():
                if isinstance(item, kind) and id(item) not in seen:
                    seen.add(id(item))
                    yield _join(path, name), item

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Go through all parameters by path ("conv1.weight"); shared ones come once.

        Same as BigDL `Layer.parameters`, PyTorch `named_parameters`.

        Examples
        --------
        >>> from sandbox.lib import nn
        >>> model = nn.Sequential(fc=nn.Linear(2, 3), out=nn.Linear(3, 1, bias=False))
        >>> [name for name, _ in model.named_parameters()]
        ['fc.weight', 'fc.bias', 'out.weight']
        """
        return self._named(Parameter)

    def parameters(self) -> list[Parameter]:
        """List all parameters, in the order of `named_parameters`.

        `bool(module.parameters())` is BigDL's `Layer.is_with_weights`; the `.dtype` of one is
        BigDL's `Layer.get_dtype`.
        """
        return [parameter for _, parameter in self.named_parameters()]

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """Go through all buffers (running statistics) by path ("bn1.running_mean").

        `model.bn1.running_mean.set(array)` does what BigDL's `Layer.set_running_mean` and
        BigDL's `Layer.set_running_std` do; the latter are variances here.
        """
        return self._named(Buffer)

    def buffers(self) -> list[Buffer]:
        """List all buffers, in the order of `named_buffers`."""
        return [buffer for _, buffer in self.named_buffers()]


_HELD = (Holder, Parameter, Buffer)
_PLAIN = frozenset((int, float, str, bool, type(None)))
_COLLECTIONS = (list, tuple, dict, set, frozenset)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
