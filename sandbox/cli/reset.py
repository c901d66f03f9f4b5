"""`sandbox reset`: the shipped notebook comes back, the edited one is kept beside it."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from .errors import CommandError
from .places import ROOT, SHIPPED, by_start, workplace


def pristine(name: str) -> bytes:
    """Give the shipped bytes of a notebook: from the shipped folder, else from git."""
    folder = workplace()
    if folder != SHIPPED and (SHIPPED / name).is_file():
        return (SHIPPED / name).read_bytes()
    if folder != SHIPPED:
        raise _unknown(name)
    git = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "show", f"HEAD:notebooks/{name}"]
    try:
        answer = subprocess.run(git, capture_output=True, check=False)
    except FileNotFoundError:
        raise CommandError(
            "git is not installed.", "Copy the notebook from a fresh clone."
        ) from None
    if answer.returncode:
        raise _unknown(name)
    return answer.stdout


def _unknown(name: str) -> CommandError:
    shipped = ", ".join(path.name for path in sorted(SHIPPED.glob("*.ipynb")))
    return CommandError(f"no shipped notebook is called {name}.", f"Shipped: {shipped}.")


def restore(notebook: Path | None, *, caches: bool = False) -> int:
    """Restore a notebook, forget the cached kernel plans, or both."""
    if notebook is None and not caches:
        raise CommandError("nothing to reset.", "Name a notebook, or give --caches.")
    if caches:
        _forget_plans()
    if notebook is not None:
        _restore(notebook)
    return 0


def _restore(notebook: Path) -> None:
    name = (by_start(SHIPPED, notebook.name) or notebook.with_suffix(".ipynb")).name
    content = pristine(name)
    place = workplace() / name
    if place.exists():
        if place.read_bytes() == content:
            print(f"{name} is as it was shipped.")
            return
        stem = f"{place.stem}.mine-{time.strftime('%Y%m%d-%H%M%S')}"
        backup = place.with_name(f"{stem}.ipynb")
        number = 2
        while backup.exists():
            backup = place.with_name(f"{stem}-{number}.ipynb")
            number += 1
        shutil.copy2(place, backup)
        print(f"Yours is kept as {backup.name}.")
    place.write_bytes(content)
    print(f"{name} is back as it was shipped.")


def _forget_plans() -> None:
    from ..lib import engine

    folder = engine.plan_folder()
    count = len(list(folder.glob("*.json"))) if folder.is_dir() else 0
    shutil.rmtree(folder, ignore_errors=True)
    print(f"Forgot {count} kernel plans in {folder}; the next start times kernels again.")
