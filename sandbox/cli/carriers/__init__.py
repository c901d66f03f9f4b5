"""The carriers of the sandbox: Docker image, VM and AMI, from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # files.py runs where the environment is not
    import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verbs `docker`, `vm` and `ami`."""
    from .ami_commands import ami_app
    from .commands import docker_app
    from .vm_commands import vm_app

    app.add_typer(docker_app, name="docker")
    app.add_typer(vm_app, name="vm")
    app.add_typer(ami_app, name="ami")
