"""Write what an installation holds into `manifest.json`, which release notes compare.

    manifest.py FOLDER

It comes from dpkg's and Python's own records, made inside the image or machine it describes.
sbom.sh writes what scanners read.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any


def created() -> str:
    """Give the time of the build; SOURCE_DATE_EPOCH makes it repeatable."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    moment = datetime.fromtimestamp(int(seconds), UTC) if seconds else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def debian_packages() -> list[dict[str, str]]:
    """List the installed Debian packages."""
    form = "${Package}\t${Version}\t${Architecture}\n"
    answer = subprocess.run(
        ["dpkg-query", "-W", "-f", form], check=True, capture_output=True, text=True
    )
    rows = (line.split("\t") for line in answer.stdout.splitlines())
    return [
        {"name": name, "version": version, "architecture": arch} for name, version, arch in rows
    ]


def python_packages() -> list[dict[str, str]]:
    """List the distributions of this Python."""
    found = {
        dist.metadata["Name"]: {
            "name": dist.metadata["Name"],
            "version": dist.version,
            "licence": dist.metadata.get("License-Expression")
            or (dist.metadata.get("License") or "").splitlines()[0:1]
            or "NOASSERTION",
        }
        for dist in metadata.distributions()
    }
    for package in found.values():
        if isinstance(package["licence"], list):
            package["licence"] = package["licence"][0]
    return [found[name] for name in sorted(found, key=str.lower)]


def data_files(folder: Path) -> list[dict[str, Any]]:
    """List the data sets that were put in, with checksums."""
    files = sorted(f for f in folder.rglob("*") if f.is_file() and f.name != "README.md")
    return [
        {
            "path": str(file.relative_to(folder)),
            "bytes": file.stat().st_size,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        }
        for file in files
    ]


def revision(root: Path) -> str:
    """Give the commit that the sandbox was taken from, with -dirty if it had been changed."""
    file = root / "provision" / "revision"  # a build by hand has none
    return file.read_text(encoding="utf-8").strip() if file.is_file() else "unknown"


def manifest(root: Path) -> dict[str, Any]:
    """Describe the installation under `root`."""
    return {
        "created": created(),
        "revision": revision(root),
        "python": platform.python_version(),
        "system": Path("/etc/debian_version").read_text(encoding="utf-8").strip(),
        "architecture": platform.machine(),
        "debian": debian_packages(),
        "packages": python_packages(),
        "data": data_files(root / "data"),
    }


def main() -> None:
    """Write the file into the folder given."""
    root = Path(sys.argv[1])
    content = json.dumps(manifest(root), indent=1) + "\n"
    (root / "manifest.json").write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
