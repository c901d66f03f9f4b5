"""The carriers of the sandbox: Docker image, VM and AMI, from the command line."""

from __future__ import annotations

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verbs `docker`, `vm` and `ami`."""
    from .commands import ami_app, docker_app, vm_app

    app.add_typer(docker_app, name="docker")
    app.add_typer(vm_app, name="vm")
    app.add_typer(ami_app, name="ami")
