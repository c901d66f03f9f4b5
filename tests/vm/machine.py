"""A virtual machine in qemu, emulated: slow, and the same everywhere."""

from __future__ import annotations

import hashlib
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from sandbox.cli.carriers.disk import ROOT_START, SECTOR
from tests.image.daemon import TIED, which
from tests.image.kit import get

FIRMWARE = "/usr/share/ovmf/OVMF.fd"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def key_disk(folder, *, cloud):
    """Make an SSH key and the disk that brings it into a machine: our stick, or a cloud's seed."""
    key = folder / "key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(key)], check=True
    )
    stick = folder / "stick.img"
    with stick.open("wb") as file:
        file.truncate(4 << 20)
    public = key.with_suffix(".pub").read_text()
    files = {"authorized_keys": public}
    if cloud:
        files = {
            "meta-data": "instance-id: test\n",
            "user-data": f"#cloud-config\nssh_authorized_keys:\n  - {public}",
        }
    label = "CIDATA" if cloud else "SANDBOX"
    subprocess.run([which("mformat"), "-i", stick, "-v", label, "::"], check=True)
    for name, text in files.items():
        subprocess.run(
            [which("mcopy"), "-i", stick, "-", f"::/{name}"], input=text, text=True, check=True
        )
    return key, stick


def fingerprint(certificate):
    """Give the SHA-256 of a certificate as screens and browsers show it."""
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest().upper()
    return ":".join(digest[n : n + 2] for n in range(0, 64, 2))


class Machine:
    """Boots an overlay over a disk; the disk itself is not written."""

    def __init__(self, disk, folder, *, grow_gb=None, hardware="virtio", efi=False, cloud=False):
        self.folder = Path(folder)
        self.user = "admin" if cloud else "jovyan"
        self.key, stick = key_disk(self.folder, cloud=cloud)
        overlay = self.folder / "overlay.qcow2"
        form = {".qcow2": "qcow2", ".vmdk": "vmdk", ".raw": "raw"}[Path(disk).suffix]
        size = [f"{grow_gb}G"] if grow_gb else []
        subprocess.run(
            [which("qemu-img"), "create", "-q", "-f", "qcow2", "-b", str(disk), "-F", form,
             str(overlay), *size], check=True,
        )  # fmt: skip
        self.ssh_port, self.port = free_port(), free_port()
        self.console = self.folder / "console.log"
        forward = (
            f"user,id=n,hostfwd=tcp:127.0.0.1:{self.ssh_port}-:22,"
            f"hostfwd=tcp:127.0.0.1:{self.port}-:8888"
        )
        devices = {
            "virtio": ["-drive", f"file={overlay},if=virtio", "-drive",
                       f"file={stick},format=raw,if=virtio,readonly=on",
                       "-device", "virtio-net-pci,netdev=n"],
            "virtualbox": ["-machine", "q35", "-drive", f"file={overlay},if=none,id=d",
                           "-device", "ahci,id=ahci", "-device", "ide-hd,drive=d,bus=ahci.0",
                           "-drive", f"file={stick},format=raw,if=none,id=s",
                           "-device", "ide-hd,drive=s,bus=ahci.1", "-device", "e1000,netdev=n"],
        }[hardware]  # fmt: skip
        command = [
            *TIED, which("qemu-system-x86_64"), "-accel", "tcg,thread=multi,tb-size=512",
            "-cpu", "max", "-smp", "2", "-m", "2048", "-display", "none",
            "-serial", f"file:{self.console}", "-netdev", forward,
            "-object", "rng-random,id=r,filename=/dev/urandom",
            "-device", "virtio-rng-pci,rng=r", *devices,
        ]  # fmt: skip
        if efi:
            command += ["-bios", FIRMWARE]
        self.log = (self.folder / "qemu.log").open("wb")
        self.process = subprocess.Popen(
            command, stdout=self.log, stderr=self.log, start_new_session=True
        )
        self.started = time.monotonic()
        self.tls = None  # for machines that speak HTTPS

    def wait(self, condition, what, patience_s=900):
        while True:
            try:
                if condition():
                    return time.monotonic() - self.started
            except (OSError, subprocess.TimeoutExpired):
                pass  # not yet
            waited = time.monotonic() - self.started
            if self.process.poll() is not None or waited > patience_s:
                said = self.console.read_text(errors="replace")[-3000:]
                pytest.fail(
                    f"{what}: not within {waited:.0f} s (qemu: {self.process.poll()})\n{said}\n"
                    f"{(self.folder / 'qemu.log').read_text()}"
                )
            time.sleep(1)

    def wait_for_jupyter(self):
        """Wait for HTTPS (a cloud's disk: HTTP); give the seconds."""

        def answers():
            if self.user == "jovyan" and self.tls is None:
                shown = ssl.get_server_certificate(("127.0.0.1", self.port), timeout=60)
                self.certificate, self.tls = shown, ssl.create_default_context(cadata=shown)
            return get(self.port, "/api", tls=self.tls)[0] == 200

        return self.wait(answers, "Jupyter answers")

    def ssh(self, command, *, user=None, options=(), timeout=180):
        words = [
            "ssh", "-q", "-p", str(self.ssh_port), "-i", str(self.key), "-o", "BatchMode=yes",
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "ConnectTimeout=30", *options, f"{user or self.user}@127.0.0.1", command,
        ]  # fmt: skip
        return subprocess.run(words, capture_output=True, text=True, timeout=timeout)

    def wait_for_ssh(self):
        return self.wait(lambda: self.ssh("true").returncode == 0, "SSH lets the key in")

    def on_disk(self, *requests):
        """Give what debugfs says of the root file system of a machine that is off."""
        raw = self.folder / "raw.img"
        subprocess.run(
            [which("qemu-img"), "convert", "-O", "raw", self.folder / "overlay.qcow2", raw],
            check=True,
        )
        try:
            place = f"{raw}?offset={ROOT_START * SECTOR}"
            words = [which("debugfs"), "-R"]
            return [
                subprocess.run([*words, asked, place], capture_output=True, text=True).stdout
                for asked in requests
            ]
        finally:
            raw.unlink()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self.log.close()

    def remove(self):
        """Stop it, and give the room of its disks back."""
        self.stop()
        for name in ("overlay.qcow2", "stick.img"):
            (self.folder / name).unlink(missing_ok=True)
