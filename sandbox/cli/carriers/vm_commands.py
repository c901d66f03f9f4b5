"""The verbs of `vm`: small functions over the files of this folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import CommandError
from .commands import STYLE

vm_app = typer.Typer(help="The virtual machine: disk, qcow2, OVA.", **STYLE)


@vm_app.command("build")
def build_machine(
    target: Annotated[
        Path | None, typer.Argument(help="Folder to write into; asked for without one.")
    ] = None,
    formats: Annotated[
        str | None,
        typer.Option(
            "--format", help="Of raw, qcow2, ova; by commas. Default: qcow2,ova (--cloud: raw)."
        ),
    ] = None,
    size: Annotated[float, typer.Option(help="Size of the disk in GB; it can grow later.")] = 16,
    from_image: Annotated[
        str | None, typer.Option(help="Take the environment out of this Docker image: faster.")
    ] = None,
    cloud: Annotated[
        bool, typer.Option("--cloud", help="For ami upload: SSH only, with your AWS key pair.")
    ] = False,
    lean: Annotated[
        bool, typer.Option("--lean", help="Without Spark and large packages: to try booting.")
    ] = False,
    extra_ca: Annotated[
        list[Path] | None,
        typer.Option(help="Certificate authority to trust while building.", metavar="FILE"),
    ] = None,
) -> None:
    """Build a bootable disk (BIOS and EFI) and an OVA from Debian packages (root)."""
    from . import vm as verb

    if target is None:
        target = ask_for_folder(Path("vm-build"))
    if formats is None:
        formats = "raw" if cloud else "qcow2,ova"
    verb.build(
        target,
        formats=tuple(part.strip() for part in formats.split(",") if part.strip()),
        size_gb=size,
        image=from_image,
        lean=lean,
        cloud=cloud,
        extra_ca=extra_ca,
    )


def ask_for_folder(usual: Path) -> Path:
    """Ask whether to build into a folder that nobody has named, before much is written there."""
    cure = "Name a folder: vm build FOLDER."
    if not sys.stdin.isatty():
        raise CommandError("vm build must be told where to write; got no folder.", cure)
    question = f"Build the machine into {usual.absolute()} (some minutes, 14 GB while it works)?"
    if not typer.confirm(question):
        raise CommandError("nothing was built.", cure)
    return usual
