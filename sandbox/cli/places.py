"""Where things lie: the checkout, the shipped lessons, the learner's own copies of them."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .errors import CommandError

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "notebooks"
GIVEN = ".shipped"  # beside the copies: each lesson as it was given, to tell what has been edited
KEPT = ".mine-"  # in the names of notebooks that `keep` has put aside
START = "00_start.ipynb"  # what JupyterLab opens with
_LESSONS = ("*.ipynb", "solutions/*.ipynb")
_RENAMED = {  # as lessons were called -> as they are called now
    "01_lenet_mnist": "02_lenet_mnist",
    "02_neuron_to_network": "01_neuron_to_network",
}


def settle() -> None:
    """Make what the environment says of folders hold for children that work in other ones.

    A home that is none (`/`, unset, closed: accounts without one, containers) becomes a private
    folder among the temporary ones, since Jupyter and others write there without asking.
    """
    for name in ("SANDBOX_DATA", "SANDBOX_CACHE", "SANDBOX_HOME"):
        if os.environ.get(name):
            os.environ[name] = os.path.abspath(os.path.expanduser(os.environ[name]))
    home = os.path.expanduser("~")
    if home.strip("/") and os.path.isdir(home) and os.access(home, os.W_OK | os.X_OK):
        return
    from ..lib.engine.folders import temporary_folder

    folder = temporary_folder() / "home"
    folder.mkdir(mode=0o700, exist_ok=True)
    given = os.environ.get("HOME")
    fault = "HOME is not set" if given is None else f"HOME={given} is no home to write in"
    print(
        f"sandbox: {fault}; "
        f"settings, caches and copies of notebooks go to {folder}, which is temporary. "
        "Set HOME to a folder of yours.",
        file=sys.stderr,
    )
    os.environ["HOME"] = str(folder)


def check_runtime_folder() -> None:
    """Refuse a folder for Jupyter's own files that cannot be written.

    Raises
    ------
    CommandError : names the folder and the variable.
    """
    from jupyter_core.paths import jupyter_runtime_dir

    folder = Path(jupyter_runtime_dir())
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CommandError(
            f"Jupyter's runtime folder {folder} must be writable; got: {error.strerror or error}.",
            "Name a folder of yours in JUPYTER_RUNTIME_DIR, or unset it.",
        ) from None


def workplace(tell: Callable[[str], object] | None = None) -> Path:
    """Give the learner's folder with copies of all lessons, brought up to date.

    A lesson that is missing comes (back), one whose cells nobody has edited follows the shipped
    version, an edited one stays; of those `tell` hears when a newer version has been shipped.
    """
    if not SHIPPED.is_dir():
        raise CommandError(f"{SHIPPED} is missing.", "Clone the repository again.")
    folder = Path(os.environ.get("SANDBOX_HOME") or Path.home() / "bigdl-sandbox") / "notebooks"
    try:
        _rename(folder)
        for lesson in lessons():
            if not _bring(lesson, folder) and tell is not None:
                tell(
                    f"{lesson} has been shipped anew; yours is edited and stays. "
                    f"`reset {lesson}` brings the new one and keeps yours beside it."
                )
    except OSError as error:
        raise CommandError(
            f"the notebooks cannot be copied to {folder}: {error.strerror or error}.",
            "Name a folder of yours in SANDBOX_HOME.",
        ) from None
    return folder


def make_packages_folder() -> None:
    """Make the folder where `pip install` puts a person's own packages, in an image or machine.

    Python looks there only if the folder is there when it starts: a kernel that has just installed
    the first package would not find it.
    """
    import site

    if site.ENABLE_USER_SITE and os.environ.get("PYTHONUSERBASE"):
        with contextlib.suppress(OSError):
            Path(site.getusersitepackages()).mkdir(parents=True, exist_ok=True)


def lessons() -> list[Path]:
    """Give the shipped lessons and their solutions, relative to their folder."""
    found = (path for pattern in _LESSONS for path in SHIPPED.glob(pattern))
    return sorted(path.relative_to(SHIPPED) for path in found)


def as_given(lesson: Path) -> bytes:
    """Give a lesson as learners get it: nothing has been run, and JupyterLab has nothing to add.

    It writes the kernel and its language into each notebook that it opens, which then counts as
    changed although nobody has touched it.
    """
    content = (SHIPPED / lesson).read_bytes()
    try:
        book = json.loads(content)
        for cell in book["cells"]:
            if cell["cell_type"] == "code":
                cell |= {"outputs": [], "execution_count": None}
        book["metadata"] |= _kernel()
    except (ValueError, KeyError, TypeError):
        return content
    return json.dumps(book, indent=1, ensure_ascii=False).encode() + b"\n"


def _kernel() -> dict[str, Any]:
    """Give what a notebook of this Python's kernel carries."""
    return {
        "kernelspec": {
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
            "name": "python3",
        },
        "language_info": {
            "codemirror_mode": {"name": "ipython", "version": sys.version_info[0]},
            "file_extension": ".py",
            "mimetype": "text/x-python",
            "name": "python",
            "nbconvert_exporter": "python",
            "pygments_lexer": "ipython3",
            "version": platform.python_version(),
        },
    }


def _rename(folder: Path) -> None:
    """Let copies of lessons that are called otherwise now go by the new names."""
    for old, new in _RENAMED.items():
        for place in (folder, folder / "solutions", folder / GIVEN, folder / GIVEN / "solutions"):
            before, after = place / f"{old}.ipynb", place / f"{new}.ipynb"
            if before.is_file() and not after.exists():
                before.rename(after)


def present_name(name: Path) -> Path | None:
    """Give the present name of a lesson that was called otherwise (its start will do), or None."""
    start = name.name.removesuffix(".ipynb")
    found = [new for old, new in _RENAMED.items() if old.startswith(start) and "_" in start]
    return name.with_name(f"{found[0]}.ipynb") if len(found) == 1 else None


def _bring(lesson: Path, folder: Path) -> bool:
    """Bring a copy up to date; False where it stays behind the shipped version for its edits."""
    new, copy, given = as_given(lesson), folder / lesson, folder / GIVEN / lesson
    before = given.read_bytes() if given.is_file() else b""
    if copy.exists():
        mine = copy.read_bytes()
        if _cells(mine) != _cells(new):
            if _cells(mine) != _cells(before):
                return _cells(before) == _cells(new)
            if mine != before:  # only run, not edited: its outputs are worth a file
                keep(copy)
            write(copy, new)
    else:
        write(copy, new)
    if before != new:
        write(given, new)
    return True


def trust(folder: Path) -> None:
    """Sign the lessons of a folder that are as shipped: their outputs are ours, and safe to show.

    JupyterLab would call each of them "not trusted" when it opens it. Without a place for
    signatures it still does.
    """
    import sqlite3

    import nbformat
    from nbformat.sign import NotebookNotary

    with contextlib.suppress(OSError, sqlite3.Error):
        notary = NotebookNotary()
        for lesson in lessons():
            content = as_given(lesson)
            if (folder / lesson).is_file() and (folder / lesson).read_bytes() == content:
                notary.sign(nbformat.reads(content.decode(), as_version=4))
        notary.store.close()


def _cells(content: bytes) -> Any:
    """Give what a learner edits: the cells without their outputs; all of a file that has none."""
    try:
        return [(c["cell_type"], "".join(c["source"])) for c in json.loads(content)["cells"]]
    except (ValueError, KeyError, TypeError):
        return content


def write(place: Path, content: bytes) -> None:
    """Write a file as a whole or not at all: the lesson may be open, and the disk full."""
    from sandbox.lib.engine.files import write_atomic  # NumPy and more: most verbs need none

    place.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(place, content)


def keep(place: Path) -> Path:
    """Copy a notebook to a free name beside it, which tells the time; give that."""
    stem = f"{place.stem}{KEPT}{time.strftime('%Y%m%d-%H%M%S')}"
    backup, number = place.with_name(f"{stem}.ipynb"), 2
    while backup.exists():
        backup, number = place.with_name(f"{stem}-{number}.ipynb"), number + 1
    shutil.copy2(place, backup)
    return backup


def find_notebook(name: Path) -> Path:
    """Find a notebook by path, by name among the learner's, or by the start of its name."""
    for candidate in (name, name.with_suffix(".ipynb")):
        if candidate.is_file():
            return candidate.resolve()
    folder = workplace()
    for candidate in (folder / name, folder / name.with_suffix(".ipynb")):
        if candidate.is_file():
            return candidate.resolve()
    if found := by_start(folder / name.parent, name.name):
        return found
    if (renamed := present_name(name)) and (folder / renamed).is_file():
        print(f"{name} is called {renamed} now.")
        return (folder / renamed).resolve()
    there = ", ".join(path.name for path in sorted(folder.glob("*.ipynb"))) or "none"
    raise CommandError(f"there is no notebook {name}.", f"Notebooks: {there}.")


def by_start(folder: Path, start: str) -> Path | None:
    """Give the one notebook of a folder whose name begins so; None if there are none or several.

    What `keep` has put there does not count, unless the start names it.
    """
    found = [path for path in folder.glob("*.ipynb") if path.name.startswith(start)]
    if KEPT not in start:
        found = [path for path in found if KEPT not in path.name]
    return found[0] if len(found) == 1 else None
