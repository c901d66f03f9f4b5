"""The files of the sandbox that go into a carrier: what git knows, never what else lies about.

    python3 -m sandbox.cli.carriers.files TAR

writes them into a tar in the layout of /opt/sandbox, for Packer. Image, machine and Packer take
them from here, so that no `.env` and no lesson that somebody has run gets into one of them. This
file needs nothing but Python, since Packer runs it without the sandbox's environment.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import IO

from ..errors import CommandError
from ..places import ROOT

PARTS = ("sandbox", "notebooks", "provision", "docker", "pyproject.toml", "LICENSE")
# In git, but of no use where nobody develops.
NOT_CARRIED = ("notebooks/conftest.py", "notebooks/ruff.toml")
# Filled by the options of a build, never by what lies there.
FILLED_BY_OPTIONS = ("docker/certs", "docker/data")
# Where no git tells what belongs to the sandbox, everything does but these.
LEFT_OUT = (".*", "__pycache__", "*.pyc", "*.egg-info", "*.key", "*.pem", "*.crt", "*.p12", "id_*")
REVISION = "provision/revision"  # written into every carrier; manifest.json quotes it
SHOWN = 5  # names in a message

Entry = tuple[str, "Path | bytes"]


def carried(root: Path = ROOT) -> list[tuple[str, Path]]:
    """Give (name below `root`, file) of what goes into a carrier; say what stays out.

    Raises
    ------
    CommandError : a part is missing, or this is a git checkout and git cannot tell what is in it.

    Notes
    -----
    A file that is not committed but known to git (`git add`) goes in, and so does a change of it;
    then the revision ends in `-dirty`. In a release archive, without git, everything goes in but
    the names of `LEFT_OUT`.
    """
    for part in PARTS:
        if not (root / part).exists():
            raise CommandError(f"{root / part} is missing.", "Run this in a clone or a release.")
    names = _known_to_git(root) if _is_checkout(root) else _all_but_left_out(root)
    return [(name, root / name) for name in sorted(names) if _belongs(name)]


def revision(root: Path = ROOT) -> str:
    """Give the commit of what goes in, with `-dirty` if it was changed since; else `unknown`."""
    if not _is_checkout(root):
        return "unknown"
    commit = _git(root, "rev-parse", "--verify", "--quiet", "HEAD", empty_on_error=True).strip()
    if not commit:
        return "unknown"
    return f"{commit}-dirty" if _changed(root) else commit


def context(root: Path = ROOT) -> list[Entry]:
    """Give the entries of Docker's build context, by their names in the repository."""
    return [*carried(root), (REVISION, f"{revision(root)}\n".encode())]


def installation(root: Path = ROOT) -> list[Entry]:
    """Give the entries of /opt/sandbox on a machine, by their names below it."""
    entries = [entry for entry in context(root) if not entry[0].startswith("docker/")]
    return [
        (name if name.startswith("provision/") else f"app/{name}", content)
        for name, content in entries
    ]


def write_tar(target: IO[bytes], entries: Iterable[Entry]) -> None:
    """Write entries into a tar, without times, owners and the umask of who builds."""
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in entries:
            entry = tarfile.TarInfo(name)
            entry.mode = 0o644
            if isinstance(content, bytes):
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
                continue
            with content.open("rb") as file:
                facts = os.fstat(file.fileno())
                entry.size = facts.st_size
                entry.mode |= 0o111 if facts.st_mode & 0o100 else 0
                archive.addfile(entry, file)


def _belongs(name: str) -> bool:
    filled = any(name.startswith(f"{folder}/") for folder in FILLED_BY_OPTIONS)
    return name not in NOT_CARRIED and (not filled or name.endswith("/README.md"))


def _git(root: Path, *words: str, empty_on_error: bool = False) -> str:
    """Ask git; a hook's GIT_DIR and another owner of the folder (sudo) do not disturb."""
    answer = subprocess.run(
        ["git", "-c", f"safe.directory={root.resolve()}", "-C", str(root), *words],
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    )
    if answer.returncode and not empty_on_error:
        raise CommandError(f"git {words[0]} failed in {root}: {answer.stderr.strip()[-500:]}")
    return "" if answer.returncode else answer.stdout


def _is_checkout(root: Path) -> bool:
    if not (root / ".git").exists():  # an archive unpacked within another checkout has none either
        return False
    try:
        top = _git(root, "rev-parse", "--show-toplevel").strip()
    except FileNotFoundError:
        raise CommandError(
            f"{root} is a git checkout, and git, which tells its files from yours, is not here.",
            "Install git (Debian: sudo apt-get install git).",
        ) from None
    return Path(top).resolve() == root.resolve()


def _known_to_git(root: Path) -> list[str]:
    known = _names(_git(root, "ls-files", "-z", "--", *PARTS))
    others = _names(_git(root, "ls-files", "-z", "--others", "--exclude-standard", "--", *PARTS))
    others = [name for name in others if _belongs(name)]
    if others:
        print(f"left out, git does not know {_some(others)}   (git add, if they belong in)")
    changed = _changed(root)
    if changed:
        print(f"changed since the last commit, marked -dirty: {_some(changed)}")
    return [name for name in known if (root / name).is_file()]


def _changed(root: Path) -> list[str]:
    names = _git(root, "diff", "--name-only", "-z", "HEAD", "--", *PARTS, empty_on_error=True)
    return [name for name in _names(names) if _belongs(name)]


def _all_but_left_out(root: Path) -> list[str]:
    print(
        f"{root} is no git checkout: every file of {', '.join(PARTS)} goes in\n"
        f"  except {' '.join(LEFT_OUT)}. Let nothing of yours lie there."
    )
    found = []
    for part in PARTS:
        start = root / part
        for file in start.rglob("*") if start.is_dir() else [start]:
            name = file.relative_to(root)
            if file.is_file() and not any(fnmatch(p, o) for p in name.parts for o in LEFT_OUT):
                found.append(name.as_posix())
    return found


def _names(text: str) -> list[str]:
    return [name for name in text.split("\0") if name]


def _some(names: list[str]) -> str:
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def main() -> int:
    """Write the tar that the Packer templates upload."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with open(sys.argv[1], "wb") as target:
            write_tar(target, installation())
    except CommandError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
