"""`sandbox ami upload`: a raw disk becomes an AMI through the EBS direct API."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ..errors import CommandError
from .aws import aws_errors, named, service

ROOT_DEVICE = "/dev/xvda"
BLOCK = 512 * 1024
WORKERS = 8
SHOWN = 256  # blocks from one line of progress to the next


def blocks(disk: Path) -> Iterator[tuple[int, bytes]]:
    """Give (number, content) of the blocks that hold anything, the last one filled up."""
    empty = bytes(BLOCK)
    with disk.open("rb") as file:
        number = 0
        while content := file.read(BLOCK):
            content = content.ljust(BLOCK, b"\0")
            if content != empty:
                yield number, content
            number += 1


def checksum(content: bytes) -> str:
    """Give a block's SHA-256 as AWS wants it."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def upload(disk: Path, *, region: str | None, name: str, version: str) -> str:
    """Upload a disk and register it; give the AMI's id.

    Raises
    ------
    CommandError : the disk is none, or AWS refused; the snapshot is deleted again.
    """
    check(disk)
    check_name(name)
    with aws_errors():
        ec2, ebs = service("ec2", region), service("ebs", region)
        same = [{"Name": "name", "Values": [name]}]
        if ec2.describe_images(Owners=["self"], Filters=same)["Images"]:
            raise CommandError(f"there is an image {name} already.", "Give another --name.")
        size_gb = math.ceil(disk.stat().st_size / 2**30)
        snapshot = ebs.start_snapshot(
            VolumeSize=size_gb,
            Description=name,
            Encrypted=True,
            Tags=named(),
        )["SnapshotId"]
        try:
            count, total = _put_blocks(ebs, snapshot, disk)
            # The checksum of all checksums, in the order of the blocks.
            ebs.complete_snapshot(
                SnapshotId=snapshot,
                ChangedBlocksCount=count,
                Checksum=total,
                ChecksumAlgorithm="SHA256",
                ChecksumAggregationMethod="LINEAR",
            )
            ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot])
            image = register(ec2, snapshot, name, version)
        except BaseException:
            ec2.delete_snapshot(SnapshotId=snapshot)
            raise
    print(f"{image}: {name}, {count} blocks of 512 KiB, snapshot {snapshot}")
    return image


def check_name(name: str) -> None:
    """Refuse a name that AWS would refuse after the whole upload."""
    if not re.fullmatch(r"[\w()\[\] ./'@-]{3,128}", name, re.ASCII):
        raise CommandError(
            f"--name must have 3 to 128 letters, digits or ()[] ./-'@_; got {name!r}."
        )


def check(disk: Path) -> None:
    """Refuse what is no raw bootable disk."""
    if not disk.is_file():
        raise CommandError(f"{disk} is no file.", "sandbox vm build --cloud   makes one.")
    with disk.open("rb") as file:
        head = file.read(512)
    if head[:4] == b"QFI\xfb" or head[:4] == b"KDMV":
        raise CommandError(f"{disk} is not raw.", f"qemu-img convert -O raw {disk} disk.raw")
    if head[510:512] != b"\x55\xaa":
        raise CommandError(
            f"{disk} has no partition table.", "sandbox vm build --cloud   makes one that has."
        )


def _put_blocks(ebs: Any, snapshot: str, disk: Path) -> tuple[int, str]:
    def put(number: int, content: bytes) -> bytes:
        ebs.put_snapshot_block(
            SnapshotId=snapshot,
            BlockIndex=number,
            BlockData=content,
            DataLength=BLOCK,
            Checksum=checksum(content),
            ChecksumAlgorithm="SHA256",
        )
        return hashlib.sha256(content).digest()

    count, total = 0, hashlib.sha256()
    whole = math.ceil(disk.stat().st_size / BLOCK)
    with ThreadPoolExecutor(WORKERS) as pool:
        waiting = []
        for number, content in blocks(disk):
            waiting.append(pool.submit(put, number, content))
            if len(waiting) >= 4 * WORKERS:  # no more than this is held in memory
                total.update(waiting.pop(0).result())
            count += 1
            if count % SHOWN == 0:
                print(f"{count * BLOCK >> 20} MB, {number / whole:.0%} of the disk", flush=True)
        for answer in waiting:
            total.update(answer.result())
    return count, base64.b64encode(total.digest()).decode()


def register(ec2: Any, snapshot: str, name: str, version: str) -> str:
    """Make an image of a snapshot: IMDSv2, ENA, gp3, EFI where there is one, else BIOS."""
    answer = ec2.register_image(
        Name=name,
        Description="Deep learning on Spark and CPUs, in Jupyter",
        Architecture="x86_64",
        RootDeviceName=ROOT_DEVICE,
        VirtualizationType="hvm",
        EnaSupport=True,
        SriovNetSupport="simple",
        ImdsSupport="v2.0",
        BootMode="uefi-preferred",
        BlockDeviceMappings=[
            {
                "DeviceName": ROOT_DEVICE,
                "Ebs": {
                    "SnapshotId": snapshot,
                    "VolumeType": "gp3",
                    "DeleteOnTermination": True,
                },
            }
        ],
    )
    image = str(answer["ImageId"])
    try:
        ec2.create_tags(Resources=[image], Tags=named(Release=version))
    except BaseException:  # without its name it would not be found again
        ec2.deregister_image(ImageId=image)
        raise
    return image
