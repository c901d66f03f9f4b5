"""Where things lie: the checkout, the notebooks, the user's own folder."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from .errors import CommandError

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "notebooks"


def settle() -> None:
    """Make what the environment says of folders hold for children that work in other ones.

    A home that is none (`/`, unset, closed: accounts without one, containers) becomes a private
    folder among the temporary ones, since Jupyter and others write there without asking.
    """
    for name in ("SANDBOX_DATA", "SANDBOX_CACHE"):
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


def workplace() -> Path:
    """Give the folder with the notebooks to work in.

    The checkout's own one where it can be written; else a copy in the user's home, made once.
    """
    if not SHIPPED.is_dir():
        raise CommandError(f"{SHIPPED} is missing.", "Clone the repository again.")
    if os.access(SHIPPED, os.W_OK):
        return SHIPPED
    home = Path(os.environ.get("SANDBOX_HOME", Path.home() / "bigdl-sandbox"))
    copy = home / "notebooks"
    if not copy.is_dir():
        try:
            _copy_shipped(copy)
        except OSError as error:
            raise CommandError(
                f"the notebooks cannot be copied to {copy}: {error.strerror or error}.",
                "Name a folder of yours in SANDBOX_HOME.",
            ) from None
    return copy


def _copy_shipped(copy: Path) -> None:
    """Copy the notebooks; broken off half way, the next start does it anew."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".notebooks-", dir=copy.parent) as folder:
        half = Path(folder) / copy.name
        shutil.copytree(SHIPPED, half, copy_function=shutil.copyfile)
        for place in (half, *(path for path in half.rglob("*") if path.is_dir())):
            place.chmod(0o755)
        half.rename(copy)


def find_notebook(name: Path) -> Path:
    """Find a notebook by path, by name in the notebooks folder, or by the start of its name."""
    for candidate in (name, name.with_suffix(".ipynb"), workplace() / name):
        if candidate.is_file():
            return candidate.resolve()
    folder = workplace()
    if found := by_start(folder, name.name):
        return found
    there = ", ".join(path.name for path in sorted(folder.glob("*.ipynb"))) or "none"
    raise CommandError(f"there is no notebook {name}.", f"Notebooks: {there}.")


def by_start(folder: Path, start: str) -> Path | None:
    """Give the one notebook of a folder whose name begins so; None if there are none or several."""
    found = [path for path in folder.glob("*.ipynb") if path.name.startswith(start)]
    return found[0] if len(found) == 1 else None
