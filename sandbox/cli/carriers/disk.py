"""A bootable disk out of a folder with a Debian system: plain files only, no loop device, no mount.

The disk has a DOS partition table, a small FAT partition with GRUB for EFI, and one ext4 partition
(label root) at the end, which can grow. GRUB for BIOS lies in the gap before the first partition.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from ..errors import CommandError
from ..places import ROOT

SECTOR = 512
ESP_START, ESP_SECTORS = 2048, 65536
ROOT_START = ESP_START + ESP_SECTORS
GRUB_CONFIG = ROOT / "vm" / "grub.cfg"
BIOS_MODULES = "biosdisk part_msdos ext2 normal search search_label configfile linux serial echo"
EFI_MODULES = "part_msdos ext2 fat normal search search_label configfile linux serial echo efi_gop"
PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "grub-mkimage": "grub-common",
    "mke2fs": "e2fsprogs",
    "mformat": "mtools",
    "sfdisk": "fdisk",
    "qemu-img": "qemu-utils",
}


def search_path() -> str:
    """Give where programs lie: some accounts' PATH lacks what only root runs."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def need_programs() -> None:
    """Refuse to begin without root or without a program, naming its Debian package."""
    path = search_path()
    missing = sorted(
        package for name, package in PROGRAMS.items() if shutil.which(name, path=path) is None
    )
    if missing:
        raise CommandError(
            f"building a disk needs {', '.join(missing)}.",
            f"sudo apt-get install {' '.join(missing)}   (a Debian or Ubuntu machine)",
        )
    if os.geteuid() != 0:
        raise CommandError("building a disk needs root (owners of files).", "Use sudo.")


def check_size(size_gb: float) -> None:
    """Refuse a size that holds no system, or that a DOS partition table cannot tell."""
    if not 2 <= size_gb <= 2000:
        raise CommandError(f"--size must be 2 to 2000 GB; got {size_gb:g}.")


def call(*command: str | Path, stdin: str | None = None, name: str = "") -> str:
    """Run a program; its complaint becomes the error, under the name of the program."""
    answer = subprocess.run(
        [str(word) for word in command],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": search_path()},
    )
    if answer.returncode:
        said = (answer.stderr or answer.stdout).strip()[-1500:]
        cures = {
            "CERTIFICATE_VERIFY_FAILED": "Behind a proxy that re-signs TLS? Add --extra-ca FILE.",
            "No space left": "Name a folder on a larger disk.",
        }
        raise CommandError(
            f"{name or command[0]} failed ({answer.returncode}): {said}",
            next((cure for sign, cure in cures.items() if sign in said), ""),
        )
    return answer.stdout


def make(system: Path, target: Path, *, size_gb: float) -> Path:
    """Write the raw disk of a system; the file is sparse."""
    size = int(size_gb * 1e9) // (1 << 20) * (1 << 20)
    used = int(call("du", "-sxm", system).split()[0])
    if used * 1.1 * (1 << 20) > size - ROOT_START * SECTOR:
        raise CommandError(
            f"--size {size_gb:g} is too small for a system of {used / 1000:.1f} GB.",
            f"Give --size {math.ceil(used * 1.4 / 1000)} or more.",
        )
    boot = system / "boot" / "grub"
    boot.mkdir(parents=True, exist_ok=True)
    shutil.copy(GRUB_CONFIG, boot / "grub.cfg")
    (system / "etc" / "fstab").write_text("LABEL=root / ext4 errors=remount-ro 0 1\n")
    half = target.with_suffix(".half")
    try:
        with half.open("wb") as file:
            file.truncate(size)
        _partitions(half)
        _bios(system, half)
        _efi(system, half)
        blocks = (size - ROOT_START * SECTOR) // 4096
        call("mke2fs", "-q", "-t", "ext4", "-b", "4096", "-L", "root", "-d", system,
             "-O", "^metadata_csum_seed,^orphan_file", "-m", "1",
             "-E", f"offset={ROOT_START * SECTOR},lazy_itable_init=1,nodiscard",
             "-F", half, str(blocks))  # fmt: skip
        half.rename(target)
    finally:
        half.unlink(missing_ok=True)
    return target


def _partitions(disk: Path) -> None:
    table = (
        "label: dos\n"
        f"start={ESP_START}, size={ESP_SECTORS}, type=ef\n"
        f"start={ROOT_START}, type=83, bootable\n"
    )
    call("sfdisk", "--quiet", disk, stdin=table)


def _write(disk: Path, content: bytes, offset: int) -> None:
    with disk.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def _bios(system: Path, disk: Path) -> None:
    modules = system / "usr/lib/grub/i386-pc"
    with tempfile.TemporaryDirectory() as folder:
        core = Path(folder) / "core.img"
        call("grub-mkimage", "-d", modules, "-O", "i386-pc", "-p", "(hd0,msdos2)/boot/grub",
             "-o", core, *BIOS_MODULES.split())  # fmt: skip
        if core.stat().st_size > (ESP_START - 1) * SECTOR:
            raise CommandError("GRUB does not fit before the first partition.")
        _write(disk, (modules / "boot.img").read_bytes()[:440], 0)
        _write(disk, core.read_bytes(), SECTOR)


def _efi(system: Path, disk: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "early.cfg").write_text(
            "search --no-floppy --set=root --label root\nset prefix=($root)/boot/grub\n"
        )
        call("grub-mkimage", "-d", system / "usr/lib/grub/x86_64-efi", "-O", "x86_64-efi",
             "-c", folder / "early.cfg", "-p", "/boot/grub", "-o", folder / "BOOTX64.EFI",
             *EFI_MODULES.split())  # fmt: skip
        esp = folder / "esp.img"
        with esp.open("wb") as file:
            file.truncate(ESP_SECTORS * SECTOR)
        call("mformat", "-i", esp, "-v", "EFI", "::")
        call("mmd", "-i", esp, "::/EFI", "::/EFI/BOOT")
        call("mcopy", "-i", esp, folder / "BOOTX64.EFI", "::/EFI/BOOT/BOOTX64.EFI")
        _write(disk, esp.read_bytes(), ESP_START * SECTOR)


def convert(raw: Path, target: Path, *, compress: bool = False) -> Path:
    """Turn a raw disk into qcow2 or streamOptimized VMDK, by the target's suffix."""
    options = {
        ".qcow2": ["-O", "qcow2", *(["-c"] if compress else [])],
        ".vmdk": ["-O", "vmdk", "-o", "subformat=streamOptimized,adapter_type=lsilogic"],
    }[target.suffix]
    half = target.with_suffix(".half")
    try:
        call("qemu-img", "convert", "-f", "raw", *options, raw, half)
        half.rename(target)
    finally:
        half.unlink(missing_ok=True)
    return target
