"""Published distributions own the names `bigdl` and `zoo`, too: beside them ours is refused."""

from __future__ import annotations

from importlib import metadata


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
