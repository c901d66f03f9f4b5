"""What the packages `bigdl` and `zoo` are: names of this front; published ones are refused."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib import metadata
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_FRONT = __name__.rpartition(".")[0]


class Reexports(MetaPathFinder, Loader):
    """Finds `bigdl.nn.layer` as a module with all names of `sandbox.lib.bigdl.nn.layer`.

    Objects are the same under both names, and there is no `__all__`: programs take `np` and `os`
    out of a star import. Only the files of a package are no names of the ancestor, and left out.

    Parameters
    ----------
    package : str
        The package whose modules are found.
    source : str
        The package whose names they have.
    """

    def __init__(self, package: str, source: str) -> None:
        self.package, self.source = package, source

    def _source_of(self, name: str) -> str:
        return self.source + name.removeprefix(self.package)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: Any = None
    ) -> ModuleSpec | None:
        """Return how a module of the package is made, None for others."""
        if not fullname.startswith(f"{self.package}."):
            return None
        found = importlib.util.find_spec(self._source_of(fullname))
        if found is None:
            return None
        is_package = found.submodule_search_locations is not None
        return ModuleSpec(fullname, self, origin=found.origin, is_package=is_package)

    def exec_module(self, module: ModuleType) -> None:
        """Give a module the names of the one that it stands for."""
        source = importlib.import_module(self._source_of(module.__name__))
        module.__doc__ = source.__doc__
        for name, value in vars(source).items():
            own = isinstance(value, ModuleType) and value.__name__.startswith(f"{_FRONT}.")
            if not own and (not name.startswith("__") or name == "__version__"):
                setattr(module, name, value)


def reexport(package: str, source: str, *published: str) -> None:
    """Let the modules of a package have the names of another's.

    Raises
    ------
    ImportError : one of the published distributions, which own the same name, is installed.
    """
    refuse_published(*published)
    if not any(isinstance(one, Reexports) and one.package == package for one in sys.meta_path):
        sys.meta_path.append(Reexports(package, source))


def refuse_published(*names: str) -> None:
    """Raise an ImportError if one of these distributions is installed.

    Examples
    --------
    >>> refuse_published("no-such-distribution")
    """
    for name in names:
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        raise ImportError(
            f"sandbox-bigdl: the distribution {name} {found.version} is installed beside it and "
            "has modules of the same names; which of them were imported would be chance. Remove "
            f"one: `pip uninstall {name}`, or `pip uninstall sandbox-bigdl`."
        )
