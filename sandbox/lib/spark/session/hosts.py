"""The Python of a session's processes, and this package in it: also in a session of the user's own.

On this machine they get this very Python and this very package, whatever the session was made with.
Hosts of a cluster that lack the package get its files once a job has failed for it.
"""

from __future__ import annotations

import os
import re
import sys
import weakref
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from .jobs import interruptible

__all__ = ["equip", "is_local", "lacks_package", "send_package", "with_package"]

T = TypeVar("T")
_LOOPBACK = re.compile(r"local(\[|$|-cluster\[)|spark://(127\.|localhost[:/]|\[::1\])")
_PACKAGE = Path(__file__).resolve().parents[3]
_sent: weakref.WeakSet[Any] = weakref.WeakSet()


def is_local(master: str) -> bool:
    """Tell whether all of a master's processes run on this machine.

    Examples
    --------
    >>> is_local("local[2]"), is_local("local-cluster[2,1,1024]"), is_local("spark://10.0.0.1:7077")
    (True, True, False)
    """
    return _LOOPBACK.match(master) is not None


def equip(context: Any) -> None:
    """Let the Python processes of a session on this machine find what this process runs.

    Spark starts `python3` of the PATH where `PYSPARK_PYTHON` is not set, and a package that lies
    beside a notebook, or in another checkout, is not the one that is imported here.
    """
    if not is_local(context.master):
        return
    if not os.environ.get("PYSPARK_PYTHON"):
        context.pythonExec = sys.executable
    root, known = str(_PACKAGE.parent), context.environment.get("PYTHONPATH", "")
    if root not in known.split(os.pathsep):
        context.environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, known)))


def lacks_package(text: str) -> bool:
    """Tell whether an error is that a host does not have this package.

    Examples
    --------
    >>> lacks_package("ModuleNotFoundError: No module named 'sandbox'")
    True
    """
    return f"No module named '{_PACKAGE.name}" in text


def send_package(context: Any) -> bool:
    """Send this package's Python files to all hosts; False if they have been sent before.

    The native libraries are not among them: on such hosts the reference engine runs (and says so),
    unless the wheels of `requirements.lock` are installed there.
    """
    if context in _sent:
        return False
    _sent.add(context)
    # In the context's own folder: executors that come later fetch it from there.
    target = Path(context._temp_dir) / "sandbox-package.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(_PACKAGE.rglob("*")):
            if path.suffix in (".py", ".json", ".md", ".typed") and "__pycache__" not in path.parts:
                archive.write(path, os.path.join(_PACKAGE.name, path.relative_to(_PACKAGE)))
    context.addPyFile(str(target))
    return True


def with_package(context: Any, job: Callable[[], T]) -> T:
    """Return what a job gives, run again with the package sent if the hosts lack it.

    Ctrl-C cancels it.
    """
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        return interruptible(context, job)
    except (Py4JJavaError, PySparkException) as error:
        if not lacks_package(str(error)) or not send_package(context):
            raise
    return interruptible(context, job)
