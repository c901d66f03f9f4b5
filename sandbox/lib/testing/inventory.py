"""The counterparts of BigDL's names: a table made of what docstrings say.

`python -m sandbox.lib.testing.inventory` writes `docs/inventory.md`; a test finds rows without a
counterpart and a table that is out of date. What a docstring must say: `engine.names.equivalents`.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..core.errors import ArgumentError
from ..engine.names import FRAMEWORKS, equivalents

ROOMS = (
    "nn", "nn.init", "nn.zoo", "criterion", "optim", "optim.schedules", "metrics", "train",
    "quantize", "summary", "data", "data.vision", "core", "core.ops", "interop", "spark",
    "spark.ml",
)  # fmt: skip


def offered() -> Iterator[tuple[str, Any]]:
    """Go through the public classes and functions of all rooms, and the methods of the classes."""
    seen: set[int] = set()
    for room in ROOMS:
        try:
            module = importlib.import_module(f"sandbox.lib.{room}")
        except ModuleNotFoundError:
            continue
        names = getattr(module, "__all__", None)
        for name in names or [name for name in vars(module) if not name.startswith("_")]:
            thing = getattr(module, name)
            home = getattr(thing, "__module__", "") or ""
            if id(thing) in seen or not callable(thing) or not home.startswith("sandbox.lib"):
                continue
            seen.add(id(thing))
            yield f"{room}.{name}", thing
            for method, function in _methods(thing) if inspect.isclass(thing) else ():
                usual = method in ("__call__", "__init__") or not method.startswith("_")
                function = getattr(function, "__func__", function)
                if usual and (inspect.isfunction(function) or isinstance(function, property)):
                    yield f"{room}.{name}.{method}", function


def _methods(cls: type) -> Iterator[tuple[str, Any]]:
    """Go through a class's own methods, then those of the bases it stands for.

    A base stands in the same room, in a file of its own, and has this one class below it.
    """
    yield from vars(cls).items()
    for base in cls.__bases__:
        if base.__module__.startswith("sandbox.lib") and base.__subclasses__() == [cls]:
            yield from _methods(base)


def counterparts(framework: str = "BigDL") -> dict[str, list[str]]:
    """Return, for each of a framework's names, ours.

    Raises
    ------
    ArgumentError : no such framework is named anywhere.

    Examples
    --------
    >>> counterparts("BigDL")["SpatialMaxPooling"]
    ['nn.GlobalMaxPool2d', 'nn.MaxPool2d']
    """
    if framework not in FRAMEWORKS:
        raise ArgumentError(f"`framework` must be one of {FRAMEWORKS}; got {framework!r}.")
    found: dict[str, set[str]] = {}
    for ours, thing in offered():
        for theirs in equivalents(thing).get(framework, ()):
            found.setdefault(theirs, set()).add(ours)
    return {theirs: sorted(ours) for theirs, ours in found.items()}


def inventory() -> dict[str, list[str]]:
    """Return the names that must have a counterpart, by section."""
    sections: dict[str, list[str]] = {}
    lines = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines()[1:]
    for line in lines:
        if line.startswith("# "):
            section = sections.setdefault(line[2:], [])
        else:
            section.extend(line.split())
    return sections


def table() -> str:
    """Return `docs/inventory.md`."""
    known = counterparts()
    lines = [
        "# What BigDL's names are here",
        "",
        "Made by `python -m sandbox.lib.testing.inventory`. What differs, the docstrings tell.",
    ]
    for section, names in inventory().items():
        lines += ["", f"## {section}", "", "| BigDL 0.13 | here |", "|---|---|"]
        for name in names:
            ours = ", ".join(f"`{one}`" for one in known.get(name, ()))
            lines.append(f"| `{name}` | {ours} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path("docs/inventory.md").write_text(table(), encoding="utf-8")
