"""The OVA: an OVF description, its checksums and the disk in one tar, in the order importers want.

Descriptor first, then the manifest, then the disk; `SHA256(file)= hex` with no space before `=`,
which VMware insists on; hardware family vmx-13, which VirtualBox 5, VMware Workstation 14, Fusion
10, ESXi 6.5 and all later ones know.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from string import Template
from xml.sax.saxutils import escape

from ..errors import CommandError
from ..places import ROOT

DESCRIPTOR = ROOT / "vm" / "sandbox.ovf.in"
MANIFEST_LINE = re.compile(r"SHA256\(([^)]+)\)= ([0-9a-f]{64})")


def descriptor(
    *, name: str, disk: Path, capacity_bytes: int, cpus: int, memory_mb: int, version: str
) -> str:
    """Fill in the OVF template."""
    values: Mapping[str, object] = {
        "name": name,
        "disk": disk.name,
        "disk_bytes": disk.stat().st_size,
        "capacity_bytes": capacity_bytes,
        "cpus": cpus,
        "memory_mb": memory_mb,
        "version": version,
    }
    return Template(DESCRIPTOR.read_text()).substitute(
        {key: escape(str(value)) for key, value in values.items()}
    )


def manifest(files: list[Path]) -> str:
    """Give the checksums of files in the form of an OVF manifest."""
    lines = []
    for file in files:
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        lines.append(f"SHA256({file.name})= {digest}\n")
    return "".join(lines)


def pack(
    target: Path,
    disk: Path,
    *,
    capacity_bytes: int,
    cpus: int = 2,
    memory_mb: int = 4096,
    version: str,
) -> Path:
    """Write the OVA of a streamOptimized VMDK; nothing half made is left behind."""
    name = target.stem
    ovf, sums = disk.with_suffix(".ovf"), disk.with_suffix(".mf")
    half = target.with_suffix(".half")
    try:
        text = descriptor(
            name=name,
            disk=disk,
            capacity_bytes=capacity_bytes,
            cpus=cpus,
            memory_mb=memory_mb,
            version=version,
        )
        ovf.write_text(text)
        sums.write_text(manifest([ovf, disk]))
        with tarfile.open(half, "w", format=tarfile.USTAR_FORMAT) as archive:
            for file in (ovf, sums, disk):
                entry = archive.gettarinfo(str(file), file.name)
                entry.uid = entry.gid = 0
                entry.uname = entry.gname = "root"
                entry.mode = 0o644
                with file.open("rb") as content:
                    archive.addfile(entry, content)
        half.rename(target)
    finally:
        for left in (ovf, sums, half):
            left.unlink(missing_ok=True)
    return target


def check(ova: Path) -> list[str]:
    """Name what an importer would refuse; an empty list means that it is in order."""
    try:
        with tarfile.open(ova) as archive:
            return _problems(archive)
    except (OSError, tarfile.TarError) as error:
        raise CommandError(
            f"{ova} is no OVA: {error}", "Build it again: sandbox vm build"
        ) from None


def _problems(archive: tarfile.TarFile) -> list[str]:
    names = archive.getnames()
    if [Path(name).suffix for name in names] != [".ovf", ".mf", ".vmdk"]:
        return [f"the order must be .ovf, .mf, .vmdk; got {', '.join(names)}"]
    stated = dict(MANIFEST_LINE.findall(_read(archive, names[1]).decode()))
    problems: list[str] = []
    for name in (names[0], names[2]):
        content = archive.extractfile(name)
        digest = hashlib.sha256()
        while content is not None and (block := content.read(1 << 20)):
            digest.update(block)
        if stated.get(name) != digest.hexdigest():
            problems.append(f"the checksum of {name} is wrong or missing")
    return problems


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    content = archive.extractfile(name)
    return content.read() if content else b""
