"""The verbs of `ami`: small functions over the files of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..help import Command
from .commands import STYLE

ami_app = typer.Typer(help="The machine image on AWS, and instances of it.", **STYLE)

Region = Annotated[str | None, typer.Option(help="AWS region; else AWS_REGION or the profile's.")]


Instances = Annotated[list[str], typer.Argument(help="Instances.", metavar="NAME")]
OwnImage = Annotated[str, typer.Argument(help="AMI.")]


@ami_app.command("launch")
def launch_instance(
    cidr: Annotated[str, typer.Option(help="Who may connect: your address, 203.0.113.7/32.")],
    key_name: Annotated[str, typer.Option(help="A key pair of yours on AWS.")],
    region: Region = None,
    image: Annotated[str | None, typer.Option(help="AMI; default: your newest sandbox.")] = None,
    instance_type: Annotated[str, typer.Option("--type", help="Kind of instance.")] = "t3.large",
    disk: Annotated[int, typer.Option(min=8, help="Size of the disk in GB.")] = 30,
    subnet: Annotated[str | None, typer.Option(help="Subnet; default: the default one.")] = None,
    user_data: Annotated[
        Path | None, typer.Option(help="Script for the first start, e.g. docker/user-data.sh.")
    ] = None,
    anyone: Annotated[bool, typer.Option("--anyone", help="Allow a very wide --cidr.")] = False,
    count: Annotated[int, typer.Option(min=1, max=100, help="How many; all or none.")] = 1,
) -> None:
    """Start instances that only SSH reaches; print the tunnel."""
    from . import ami as verb

    verb.launch(
        region=region,
        key_name=key_name,
        cidr=cidr,
        image=image,
        instance_type=instance_type,
        disk_gb=disk,
        subnet=subnet,
        user_data=user_data,
        anyone=anyone,
        count=count,
    )


@ami_app.command("list")
def list_instances(region: Region = None) -> None:
    """List the sandbox's images, instances, and snapshots that no image uses."""
    from . import ami as verb

    raise typer.Exit(verb.show(region=region))


@ami_app.command(cls=Command)
def stop(names: Instances, region: Region = None) -> None:
    """Pause instances; their disks stay, and cost."""
    from . import ami as verb

    raise typer.Exit(verb.stop(names, region=region))


@ami_app.command(cls=Command)
def start(names: Instances, region: Region = None) -> None:
    """Go on with stopped instances; print their new addresses."""
    from . import ami as verb

    raise typer.Exit(verb.start(names, region=region))


@ami_app.command(cls=Command)
def terminate(names: Instances, region: Region = None) -> None:
    """End instances and remove their security groups."""
    from . import ami as verb

    raise typer.Exit(verb.terminate(names, region=region))


@ami_app.command()
def upload(
    disk: Annotated[Path, typer.Argument(help="A raw disk: sandbox vm build --cloud")],
    region: Region = None,
    name: Annotated[str | None, typer.Option(help="The image's name.")] = None,
) -> None:
    """Make an AMI of a raw disk, without Packer."""
    from . import image, upload as verb  # noqa: I001
    import time

    stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime())
    version = image.version()
    verb.upload(
        disk, region=region, name=name or f"bigdl-sandbox-{version}-{stamp}", version=version
    )


@ami_app.command()
def copy(
    image: OwnImage,
    to: Annotated[str, typer.Option(help="Region for the copy; the same one with --kms-key.")],
    kms_key: Annotated[
        str | None, typer.Option(help="Encrypt with this key of yours: for ami share.")
    ] = None,
    region: Region = None,
) -> None:
    """Copy an image into another region."""
    from . import ami_images as verb

    verb.copy(image, to=to, region=region, kms_key=kms_key)


@ami_app.command(cls=Command)
def share(
    image: OwnImage,
    accounts: Annotated[list[str], typer.Argument(help="12 digits each.", metavar="ACCOUNT")],
    remove: Annotated[bool, typer.Option("--remove", help="No longer.")] = False,
    region: Region = None,
) -> None:
    """Let other accounts start an image; not one encrypted with the default key."""
    from . import ami_images as verb

    raise typer.Exit(verb.share(image, accounts, region=region, remove=remove))


@ami_app.command(cls=Command)
def delete(
    names: Annotated[list[str], typer.Argument(help="Images.", metavar="AMI")],
    region: Region = None,
) -> None:
    """Delete images with their snapshots."""
    from . import ami_images as verb

    raise typer.Exit(verb.delete(names, region=region))


@ami_app.command("require-imdsv2")
def require_imdsv2(image: OwnImage, region: Region = None) -> None:
    """Metadata service version 2 only: after Packer 1.6."""
    from . import ami_images as verb

    raise typer.Exit(verb.require_imdsv2(image, region=region))


@ami_app.command()
def template() -> None:
    """Write the Packer templates from their sources."""
    from . import packer as verb

    for file in verb.write():
        print(f"written: {file}")
