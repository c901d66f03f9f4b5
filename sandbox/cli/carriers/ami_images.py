"""`sandbox ami copy|share|delete|require-imdsv2`: what is done with an image that is there."""

from __future__ import annotations

import re
from typing import Any

from ..errors import CommandError
from .aws import aws_errors, lost_snapshots, named, own_images, service, snapshots_of

ACCOUNT = re.compile(r"\d{12}")
DEFAULT_KEY = "AWS"  # who manages a key: AWS itself, so that nobody can give others a right to it
UNKNOWN_KEY = "somebody"  # these credentials may not look


def need_own(client: Any, name: str) -> dict[str, Any]:
    """Give an image of ours by its id."""
    images = {image["ImageId"]: image for image in own_images(client)}
    if name not in images:
        raise CommandError(
            f"{name} is no sandbox image of this account in {client.meta.region_name}.",
            f"There is: {', '.join(images) or 'none'}.",
        )
    return images[name]


def copy(image: str, *, to: str, region: str | None, kms_key: str | None = None) -> str:
    """Copy an image into a region (or its own, with another key); give the id of the copy.

    Raises
    ------
    CommandError : there is no such image, or AWS refused; the copy is deleted again.
    """
    with aws_errors():
        here = service("ec2", region)
        source = need_own(here, image)
        there = service("ec2", to)
        key = {"KmsKeyId": kms_key} if kms_key else {}
        made = there.copy_image(
            SourceImageId=image,
            SourceRegion=here.meta.region_name,
            Name=f"{source['Name']}-copy" if to == here.meta.region_name else source["Name"],
            Description=source.get("Description", ""),
            Encrypted=True,
            **key,
        )
        name = str(made["ImageId"])
        try:
            tags = {tag["Key"]: tag["Value"] for tag in source.get("Tags", [])}
            kept = {key: tags[key] for key in ("Release", "Base") if key in tags}
            there.create_tags(Resources=[name], Tags=named(**kept))
            print(f"{name}: AWS copies it to {to}; that takes some minutes ...", flush=True)
            there.get_waiter("image_available").wait(ImageIds=[name])
            (copied,) = there.describe_images(ImageIds=[name])["Images"]
            there.create_tags(Resources=snapshots_of(copied), Tags=named(**kept))
        except BaseException:
            _remove(there, there.describe_images(ImageIds=[name])["Images"][0])
            raise
    print(f"{name} is in {to}: sandbox ami launch --region {to} ...")
    return name


def share(image: str, accounts: list[str], *, region: str | None, remove: bool = False) -> int:
    """Let other accounts start an image, or no longer.

    Raises
    ------
    CommandError : an account is none; the image is encrypted with the default key of this account,
        which nobody else can be given a right to.
    """
    for account in accounts:
        if not ACCOUNT.fullmatch(account):
            raise CommandError(
                f"an account must have 12 digits; got {account!r}.",
                "aws sts get-caller-identity   tells one's own.",
            )
    with aws_errors():
        client = service("ec2", region)
        keys = _keys(client, need_own(client, image), region)
        if not remove and DEFAULT_KEY in keys.values():
            raise CommandError(
                f"{image} cannot be shared: it is encrypted with this account's default key.",
                f"Copy it with a key of yours: sandbox ami copy {image} --kms-key KEY "
                f"--to {client.meta.region_name}   and share the copy.",
            )
        people = [{"UserId": account} for account in accounts]
        client.modify_image_attribute(
            ImageId=image,
            Attribute="launchPermission",
            LaunchPermission={"Remove" if remove else "Add": people},
        )
    print(f"{image} is {'no longer ' if remove else ''}shared with {', '.join(accounts)}")
    for key in keys if not remove else ():
        print(f"They need the right to use {key} too: aws kms create-grant, or its policy.")
    return 0


def _keys(client: Any, image: dict[str, Any], region: str | None) -> dict[str, str]:
    """Give who manages each key that an image's snapshots are encrypted with."""
    from botocore.exceptions import ClientError

    snapshots = client.describe_snapshots(SnapshotIds=snapshots_of(image))["Snapshots"]
    encrypted = [one for one in snapshots if one.get("Encrypted")]
    managers = {}
    for key in {one["KmsKeyId"] for one in encrypted}:
        try:
            facts = service("kms", region).describe_key(KeyId=key)["KeyMetadata"]
            managers[key] = str(facts["KeyManager"])
        except ClientError:
            managers[key] = UNKNOWN_KEY  # AWS itself refuses to share with a default key
    return managers


def delete(names: list[str], *, region: str | None) -> int:
    """Delete images with their snapshots, or snapshots that no image uses.

    What runs already goes on running.
    """
    with aws_errors():
        client = service("ec2", region)
        images = own_images(client)
        known = {image["ImageId"]: image for image in images}
        lost = {one["SnapshotId"] for one in lost_snapshots(client, images)}
        for name in names:
            if name not in known and name not in lost:
                raise CommandError(
                    f"{name} is no sandbox image of this account, nor a snapshot left by one.",
                    f"There is: {', '.join([*known, *lost]) or 'none'}.",
                )
        for name in names:
            if name in known:
                gone = _remove(client, known[name])
                print(f"deleted {name} with {', '.join(gone) or 'no snapshot'}")
            else:
                client.delete_snapshot(SnapshotId=name)
                print(f"deleted {name}")
    return 0


def _remove(client: Any, image: dict[str, Any]) -> list[str]:
    """Deregister an image and delete its snapshots, which cost; give those."""
    client.deregister_image(ImageId=image["ImageId"])
    snapshots = snapshots_of(image)
    for snapshot in snapshots:
        client.delete_snapshot(SnapshotId=snapshot)
    return snapshots


def require_imdsv2(image: str, *, region: str | None) -> int:
    """Make every later instance of an image use version 2 of the metadata service."""
    with aws_errors():
        service("ec2", region).modify_image_attribute(
            ImageId=image, Attribute="imdsSupport", ImdsSupport={"Value": "v2.0"}
        )
    print(f"{image}: metadata service version 2 only")
    return 0
