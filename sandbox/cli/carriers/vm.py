"""`sandbox vm build`: a virtual machine from Debian packages and our provisioning scripts.

No hypervisor is needed. The system is made in a folder, provisioned in a chroot by the scripts of
provision/ that Packer runs as well (or takes its environment out of the Docker image), sealed,
and written into a disk.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, cast

from ..errors import CommandError
from ..places import ROOT
from . import disk, files, ova
from .daemon import connect, make_folder, need_disk, need_image
from .image import OWN_MOUNTS, bootstrap, check_authorities, version

FORMATS = ("raw", "qcow2", "ova")
# No grub2-common: with a new kernel its hook would write another grub.cfg, for modules of GRUB that
# this disk has not; Debian keeps the links /vmlinuz and /initrd.img right without it.
PACKAGES = (
    "systemd-sysv udev dbus systemd-resolved systemd-timesyncd iproute2 openssh-server sudo "
    "ca-certificates python3 python3-venv libgomp1 libnss-wrapper procps tini util-linux kmod "
    "grub-pc-bin grub-efi-amd64-bin initramfs-tools cloud-guest-utils e2fsprogs fdisk"
)
# The cloud kernel knows no AHCI and no E1000, which VirtualBox and VMware offer.
KERNEL = "linux-image-amd64"
# What brings the key pair of AWS into a machine, with the account that Debian's own images have.
CLOUD = """datasource_list: [Ec2, NoCloud, None]
network: {config: disabled}
ssh_deletekeys: false
locale: false
system_info:
  distro: debian
  default_user:
    name: admin
    lock_passwd: true
    shell: /bin/bash
    sudo: ["ALL=(ALL) NOPASSWD:ALL"]
"""
NETWORK = "[Match]\nName=en* eth*\n\n[Network]\nDHCP=yes\n"
# Else port 5355 would be open to everybody on the same network.
RESOLVED = "[Resolve]\nLLMNR=no\nMulticastDNS=no\n"
NEEDED_BYTES = 14e9
STARTER = ROOT / "vm" / "run-bigdl-vm.sh"  # for those who get the machine without the sandbox
MASKED = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "fstrim.timer"),
    *("e2scrub_all.timer", "e2scrub_reap.service"),  # for LVM; seconds of every boot
)


def build(
    target: Path,
    *,
    formats: tuple[str, ...],
    size_gb: float = 16,
    image: str | None = None,
    lean: bool = False,
    cloud: bool = False,
    extra_ca: list[Path] | None = None,
) -> list[Path]:
    """Build the disk in the formats asked for; give the files.

    A disk for a `cloud` is reached through SSH only, by the key pair that the cloud hands to it.

    Raises
    ------
    CommandError : a program, root, room on the disk, or the Docker image is missing, or a step
        failed; nothing half made is left behind.
    """
    unknown = set(formats) - set(FORMATS)
    if unknown or not formats:
        raise CommandError(
            f"--format must be of {', '.join(FORMATS)}; got {', '.join(sorted(unknown)) or 'none'}."
        )
    disk.check_size(size_gb)
    authorities = check_authorities(extra_ca)
    disk.need_programs()
    source = need_image(connect(), image, pull=False) if image else None
    need_disk(target, NEEDED_BYTES / (3 if lean else 1), "building the machine")
    make_folder(target)
    with tempfile.TemporaryDirectory(prefix="sandbox-vm-", dir=target) as name:
        folder = Path(name)
        folder.chmod(0o755)
        system = folder / "system"
        with step("Debian"):
            packages = [KERNEL, *PACKAGES.split(), *(["cloud-init"] if cloud else [])]
            bootstrap(packages, system)
        with step("sandbox from the image" if source else "sandbox"):
            if source is not None:
                take_environment(source, system)
            put_sandbox(system)
            if cloud:
                (system / "etc/cloud/cloud.cfg.d/90-bigdl-sandbox.cfg").write_text(CLOUD)
            provision(system, kind="ami" if cloud else "vm", lean=lean, authorities=authorities)
        with step("disk"):
            raw = disk.make(system, folder / "sandbox.raw", size_gb=size_gb)
            shutil.rmtree(system)
        return write_formats(raw, target, formats)


def write_formats(raw: Path, target: Path, formats: tuple[str, ...]) -> list[Path]:
    """Write a raw disk in several formats into a folder."""
    made: list[Path] = []
    capacity = raw.stat().st_size
    if "qcow2" in formats:
        with step("qcow2"):
            made.append(disk.convert(raw, target / "bigdl-sandbox.qcow2"))
    if "ova" in formats:
        with step("ova"):
            vmdk = disk.convert(raw, target / "bigdl-sandbox-disk1.vmdk")
            try:
                made.append(
                    ova.pack(
                        target / "bigdl-sandbox.ova",
                        vmdk,
                        capacity_bytes=capacity,
                        version=version(),
                    )
                )
            finally:
                vmdk.unlink()
    if "raw" in formats:
        made.append(Path(shutil.move(raw, target / "bigdl-sandbox.raw")))
    if {"qcow2", "ova"} & set(formats):
        shutil.copy(STARTER, target)
    for file in made:
        held = file.stat().st_blocks * 512
        print(f"{file}: {held / 1e9:.2f} GB", flush=True)
    return made


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print how long a step took."""
    started = time.perf_counter()
    yield
    print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)


def take_environment(image: Any, system: Path) -> None:
    """Copy /opt/sandbox out of a Docker image, which has the same Debian and Python."""
    container = image.client.containers.create(image.id)
    try:
        stream, _ = container.get_archive("/opt/sandbox")
        with subprocess.Popen(
            ["tar", "-x", "-C", str(system / "opt")], stdin=subprocess.PIPE
        ) as unpack:
            pipe = cast("IO[bytes]", unpack.stdin)
            with suppress(BrokenPipeError):  # tar has ended; its status tells
                for chunk in stream:
                    pipe.write(chunk)
                pipe.close()
        if unpack.returncode:
            raise CommandError("the environment could not be copied out of the image.")
        # It does not name the kernel and whatever else a machine has more than an image.
        (system / "opt/sandbox/sbom.spdx.json").unlink(missing_ok=True)
        # These come from here, and none of the image's that is not here stays among them.
        for name in ("app", "provision"):
            shutil.rmtree(system / "opt/sandbox" / name)
    finally:
        container.remove(force=True)


def put_sandbox(system: Path) -> None:
    """Copy the sandbox and its provisioning scripts into a system."""
    with tempfile.TemporaryFile() as packed:
        files.write_tar(packed, files.installation())
        packed.seek(0)
        with tarfile.open(fileobj=packed) as archive:
            archive.extractall(system / "opt" / "sandbox", filter="tar")


def provision(system: Path, *, kind: str, lean: bool, authorities: list[Path]) -> None:
    """Run the provisioning scripts in a system, then seal it."""
    (system / "etc/hostname").write_text("sandbox\n")
    (system / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 sandbox\n")
    systemd = system / "etc/systemd"
    for name, text in (
        ("network/20-dhcp.network", NETWORK),
        ("resolved.conf.d/bigdl-sandbox.conf", RESOLVED),
    ):
        (systemd / name).parent.mkdir(parents=True, exist_ok=True)
        (systemd / name).write_text(text)
    for number, file in enumerate(authorities):
        shutil.copyfile(file, system / f"usr/local/share/ca-certificates/extra-{number}.crt")
    if authorities:
        chroot(system, "update-ca-certificates")
    resolv = system / "etc/resolv.conf"
    resolv.unlink(missing_ok=True)
    shutil.copyfile("/etc/resolv.conf", resolv)
    scripts = "/opt/sandbox/provision"
    chroot(system, f"{scripts}/machine.sh", kind, *(["--lean"] if lean else []))
    chroot(system, "systemctl", "enable", "systemd-networkd", "systemd-resolved")
    chroot(system, "systemctl", "mask", *MASKED)
    resolv.unlink()
    resolv.symlink_to("/run/systemd/resolve/stub-resolv.conf")
    disk.call("sh", ROOT / "provision" / "seal.sh", system)
    chroot(system, "update-ca-certificates", "--fresh")
    disk.call("sh", ROOT / "provision" / "seal.sh", "--check", system)


def chroot(system: Path, *command: str) -> None:
    """Run a command in a system, with /proc and /dev there for the time of it."""
    inside = (
        'mount -t proc proc "$0/proc" && mount --bind /dev "$0/dev" && '
        'root="$0" && exec chroot "$root" "$@"'
    )
    disk.call(
        *OWN_MOUNTS, "sh", "-c", inside, system,
        "env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME=/root", "LANG=C.UTF-8", "PIP_CERT=/etc/ssl/certs/ca-certificates.crt", *command,
        name=command[0],
    )  # fmt: skip


def extract_disk(ova_file: Path, target: Path) -> Path:
    """Take the VMDK out of an OVA."""
    with tarfile.open(ova_file) as archive:
        entry = next(item for item in archive.getmembers() if item.name.endswith(".vmdk"))
        archive.extract(entry, target, filter="data")
    return target / entry.name
