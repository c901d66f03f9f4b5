"""`sandbox data`: which data sets there are, and where each one lies on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from ..lib.core.errors import DataError
from ..lib.data import sources
from .errors import CommandError

# The sets of the lessons: where there is no real one, lessons and tests work with a stand-in.
STAND_INS = {
    "mnist": "STAND-IN, scikit-learn's digits enlarged",
    "rt_polarity": "STAND-IN, made-up sentences",
    "imdb": "STAND-IN, made-up reviews",
    "creditcard": "STAND-IN, simulated payments",
    "adult": "STAND-IN, made-up people",
    "movielens": "STAND-IN, simulated film ratings",
}


def place(name: str) -> Path | None:
    """Give the folder that holds a data set here, or None."""
    files = list(sources.SOURCES[name].files)
    if files:
        return sources.find(name, files)
    return next((folder for folder in sources.folders(name) if os.path.isdir(folder)), None)


def state(name: str) -> str:
    """Say in a few words where a data set comes from here."""
    folder = place(name)
    if folder is not None:
        return f"real, {folder}"
    if name in STAND_INS and sources.offline():
        return STAND_INS[name]
    if name in STAND_INS and not sources.SOURCES[name].mirrors:
        return f"{STAND_INS[name]} (`data --fetch {name}` fetches the real one)"
    if name in STAND_INS:
        return f"{STAND_INS[name]} (fetched first, where the network lets it)"
    return "not here"


def in_one_line() -> str:
    """Tell the data of this machine in the last lines of a test run."""
    folder = os.environ.get("SANDBOX_DATA")
    head = f"SANDBOX_DATA={folder}" if folder else "SANDBOX_DATA is not set"
    head = sources.own_folder_fault().rstrip(".") or head
    found = [f"{name}: {state(name)}" for name in STAND_INS]
    others = [name for name in sources.SOURCES if name not in STAND_INS and place(name)]
    return "; ".join([head, *found, *([f"also here: {', '.join(others)}"] if others else [])])


def cure() -> str:
    """Tell how to get each set of the lessons that is not here, a line each; empty if all are."""
    lines = ["SANDBOX_DATA: correct or unset it"] if sources.own_folder_fault() else []
    for name in STAND_INS:
        source = sources.SOURCES[name]
        if place(name) is not None:
            continue
        own = f"SANDBOX_DATA=FOLDER with {name}/ in it"
        if source.can_be_fetched:
            network = "without SANDBOX_OFFLINE" if sources.offline() else "with a network"
            lines.append(f"{name}: `sandbox data --fetch {name}` {network}, or {own}")
        else:
            lines.append(f"{name}: {own} ({', '.join(source.files)})")
    return "\n".join(lines)


def show(names: list[str], *, fetch: bool = False) -> int:
    """Print the table of data sets, or of those named; load them into the cache first if wanted."""
    if fault := sources.own_folder_fault():
        raise CommandError(fault, "Correct or unset it.")
    for name in names:
        if name not in sources.SOURCES:
            known = ", ".join(sources.SOURCES)
            raise CommandError(f"no data set is called {name}.", f"There is: {known}.")
    if fetch and sources.offline():
        raise CommandError("data sets cannot be fetched offline.", "Leave --offline out.")
    failed = [fault for name in (names or STAND_INS) if (fault := _fetch(name))] if fetch else []
    print(f"{'SANDBOX_DATA':<12} {sources.own_folder() or '(not set)'}")
    for name in names or sources.SOURCES:
        print(f"{name:<12} {sources.SOURCES[name].about}\n{'':<12} {state(name)}")
    if failed:
        cure = "Is there a network? The same command goes on where this one broke off."
        raise CommandError("\n  ".join(failed), cure)
    return 0


def _fetch(name: str) -> str:
    """Load a set into the cache unless it is here; give what went wrong, empty if nothing did."""
    if place(name) is not None:
        return ""
    try:
        print(f"{name}: fetched into {sources.fetch(name)}", flush=True)
    except DataError as error:
        return str(error)
    return ""
