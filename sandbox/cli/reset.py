"""`sandbox reset`: the shipped notebook comes back, the edited one is kept beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

from .errors import CommandError
from .places import (
    SHIPPED,
    as_given,
    by_start,
    keep,
    lessons,
    present_name,
    trust,
    workplace,
    write,
)


def restore(notebook: Path | None, *, caches: bool = False) -> int:
    """Restore a notebook, forget the cached kernel plans, or both."""
    if notebook is None and not caches:
        raise CommandError("nothing to reset.", "Name a notebook, or give --caches.")
    if caches:
        _forget_plans()
    if notebook is not None:
        _restore(_find_lesson(notebook))
    return 0


def _find_lesson(notebook: Path) -> Path:
    """Find a shipped lesson by its path or name, or by the start of its name."""
    folder = Path("solutions" if notebook.resolve().parent.name == "solutions" else "")
    found = by_start(SHIPPED / folder, notebook.name)
    if found is None and (found := present_name(notebook)) is not None:
        print(f"{notebook.name} is called {found.name} now.")
    lesson = folder / (found or notebook.with_suffix(".ipynb")).name
    if lesson not in lessons():
        shipped = ", ".join(map(str, lessons()))
        raise CommandError(f"no shipped notebook is called {lesson}.", f"Shipped: {shipped}.")
    return lesson


def _restore(lesson: Path) -> None:
    folder = workplace()
    place, content = folder / lesson, as_given(lesson)
    if place.read_bytes() == content:
        print(f"{lesson} is as it was shipped.")
        return
    print(f"Yours is kept as {keep(place).name}.")
    write(place, content)
    trust(folder)
    print(
        f"{lesson} is back as it was shipped.\n"
        "Open in JupyterLab? There: File > Reload Notebook from Disk."
    )


def _forget_plans() -> None:
    from ..lib import engine

    folder = engine.plan_folder()
    count = len(list(folder.glob("*.json"))) if folder.is_dir() else 0
    shutil.rmtree(folder, ignore_errors=True)
    print(f"Forgot {count} kernel plans in {folder}; the next start times kernels again.")
