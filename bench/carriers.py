"""Carriers in full: image, OVA, BIOS, EFI and cloud boots, Packer's qemu build; sizes, seconds.

Needs root on Debian, a Docker daemon (DOCKER_HOST) and about 30 GB. The tests do the same with a
smaller machine; this is the real one. Takes long: processors are emulated.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from . import harness

ROOT = Path(__file__).resolve().parents[1]
INFERENCE = """
import numpy as np
from sandbox.lib import engine, nn
net = nn.zoo.lenet5(rng=0)
print(net(np.zeros((2, 1, 28, 28), "f4")).shape, engine.is_native())
"""
TRAINING = """
import numpy as np
from sandbox.lib import criterion, nn, optim
from sandbox.lib.spark import SparkBackend
from sandbox.lib.train import Trainer
rng = np.random.default_rng(0)
rows = rng.normal(size=(256, 1, 28, 28)).astype("f4"), rng.integers(0, 10, 256)
backend = SparkBackend("local[3]")
loss = criterion.CrossEntropy()
trainer = Trainer(nn.zoo.lenet5(rng=0), loss, optim.SGD(0.1), batch_size=64, backend=backend,
                  progress=None)
history = trainer.fit(rows, steps=4)
print(len(history), "steps on Spark, loss", round(float(history["loss"][-1]), 3))
"""


def main(arguments, report):
    parser = harness.options("carriers", __doc__)
    parser.add_argument("--image", default="bigdl-sandbox:latest", help="built if it is not there")
    parser.add_argument("--own-base", action="store_true", help="see: sandbox docker build --help")
    parser.add_argument(
        "--extra-ca", type=Path, action="append", default=[],
        help="certificate authority to trust while building",
    )  # fmt: skip
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="where there is room")
    parser.add_argument("--skip", default="", help="of efi, cloud, packer; separated by commas")
    asked = parser.parse_args(arguments)
    if os.geteuid() != 0:
        raise harness.RefusedError("carriers are built as root (owners of files): use sudo.")
    from sandbox.cli.carriers import disk
    from sandbox.cli.errors import CommandError

    try:
        disk.need_programs()
        with tempfile.TemporaryDirectory(prefix="carriers-", dir=asked.folder) as folder:
            measure(asked, Path(folder), report)
    except CommandError as error:
        raise harness.RefusedError(str(error)) from None
    return report.close()


def measure(asked: argparse.Namespace, folder: Path, report: harness.Report) -> None:
    """Build and boot everything."""
    from sandbox.cli.carriers import daemon, image, ova, vm

    client = daemon.connect()
    if not client.images.list(asked.image):
        started = time.perf_counter()
        image.build(tag=asked.image, own_base=asked.own_base, extra_ca=asked.extra_ca)
        report.value("image, build", time.perf_counter() - started, "s")
    found = client.images.get(asked.image)
    report.value("image, unpacked", found.attrs["Size"] / 1e9, "GB", at_most=2.0)

    started = time.perf_counter()
    made = vm.build(
        folder / "out", formats=("qcow2", "ova"), image=asked.image, extra_ca=asked.extra_ca
    )
    report.value("machine, build in all", time.perf_counter() - started, "s")
    for file in made:
        report.value(f"machine, {file.suffix[1:]}", file.stat().st_size / 1e9, "GB")
    wrong = ova.check(made[-1])
    report.value("OVA, problems found", len(wrong), at_most=0)
    vmdk = vm.extract_disk(made[-1], folder)
    skip = asked.skip.split(",")
    boot(report, vmdk, folder / "bios", "BIOS, SATA and E1000, from VMDK", hardware="virtualbox")
    if "efi" not in skip:
        boot(report, vmdk, folder / "efi", "EFI, SATA and E1000, from VMDK", hardware="virtualbox",
             efi=True)  # fmt: skip
    if "cloud" not in skip:
        cloud(report, asked, folder)
    if "packer" not in skip:
        packer(report, made[0], folder)


def boot(report: harness.Report, disk: Path, folder: Path, what: str, **options: object) -> None:
    """Boot a disk until a kernel computes."""
    from tests.image.kit import compute
    from tests.vm.machine import Machine

    folder.mkdir()
    machine = Machine(disk, folder, grow_gb=20, **options)
    try:
        report.value(f"{what}: SSH", machine.wait_for_ssh(), "s")
        report.value(f"{what}: Jupyter", machine.wait_for_jupyter(), "s")
        token = machine.ssh("sudo sandbox-url").stdout.strip().split("token=")[1]
        for code in (INFERENCE, TRAINING):
            said = compute(machine.port, token, code, timeout=900, tls=machine.tls).strip()
            report(f"{what}: a kernel says {said}")
    finally:
        machine.remove()


def cloud(report: harness.Report, asked: argparse.Namespace, folder: Path) -> None:
    """Boot the disk for `ami upload` with a key pair handed over as a cloud does it."""
    from sandbox.cli.carriers import vm
    from tests.vm.machine import Machine

    (disk,) = vm.build(
        folder / "cloud", formats=("raw",), size_gb=8, image=asked.image, cloud=True,
        extra_ca=asked.extra_ca,
    )  # fmt: skip
    place = folder / "instance"
    place.mkdir()
    machine = Machine(disk, place, cloud=True)
    try:
        report.value("disk for AWS: SSH with the key pair", machine.wait_for_ssh(), "s")
        ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8888/api').status)"
        seconds = machine.wait(
            lambda: machine.ssh(f'python3 -c "{ask}"').stdout == "200\n", "Jupyter answers inside"
        )
        report.value("disk for AWS: Jupyter", seconds, "s")
        report(f"disk for AWS: sudo sandbox-url says {machine.ssh('sudo sandbox-url').stdout[:32]}")
    finally:
        machine.remove()


def packer(report: harness.Report, disk: Path, folder: Path) -> None:
    """Let Packer provision a disk over SSH, as somebody with a Debian cloud image would."""
    from tests.vm.machine import Machine

    # A disk that lets a key in without a stick: the first boot of our own, with a key kept.
    start = folder / "start"
    start.mkdir()
    machine = Machine(disk, start)
    try:
        machine.wait_for_ssh()
        machine.ssh("sudo systemctl poweroff")
        machine.process.wait(120)
        source = folder / "source.qcow2"
        command = ["qemu-img", "convert", "-O", "qcow2", start / "overlay.qcow2", source]
        subprocess.run(list(map(str, command)), check=True)
        key = shutil.copy(machine.key, folder / "key")
    finally:
        machine.remove()
    variables = {
        "disk": source,
        "ssh_key": key,
        "ssh_username": "jovyan",
        "accelerator": "tcg",
        "output": folder / "packer",
    }
    words = [w for name, value in variables.items() for w in ("-var", f"{name}={value}")]
    started = time.perf_counter()
    answer = subprocess.run(
        ["packer", "build", *words, str(ROOT / "vm/packer/classic/qemu.pkr.hcl")],
        cwd=folder,
        env={**os.environ, "CHECKPOINT_DISABLE": "1", "PACKER_CACHE_DIR": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        report(answer.stdout[-3000:])
        report.missed.append("Packer, qemu")
        return
    report.value("Packer, qemu build", time.perf_counter() - started, "s")
    size = (folder / "packer" / "bigdl-sandbox.qcow2").stat().st_size
    report.value("Packer, qcow2", size / 1e9, "GB")
