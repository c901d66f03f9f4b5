"""The verbs of `docker`: small functions over the files of this folder."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from ..errors import CommandError
from ..help import Command, HandedOn
from .daemon import IMAGE, explain

Tag = Annotated[str, typer.Option("--tag", "-t", help="Name of the image.")]
Image = Annotated[str, typer.Option(help="The image to use.")]


class Verbs(typer.core.TyperGroup):
    """A group of verbs; what Docker or the system refuses becomes an error of the user's."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb that was asked for."""
        # Told to end, a verb takes away what it has made, as after Ctrl-C.
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda *_: sys.exit(130))
        try:
            return super().invoke(ctx)
        except Exception as error:
            if type(error).__module__.startswith(("docker.errors", "requests.exceptions")):
                raise CommandError(f"Docker refused: {explain(error)}") from None
            if isinstance(error, OSError) and error.strerror:
                where = f"{error.filename}: " if error.filename else ""
                raise CommandError(
                    f"{where}{error.strerror}.", "Is there room on the disk, and a right to write?"
                ) from None
            raise


STYLE = {
    "cls": Verbs,
    "no_args_is_help": True,
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["--help", "-h"]},
}
docker_app = typer.Typer(help="The Docker image: build, run, bundle, publish.", **STYLE)


@docker_app.command()
def build(
    tag: Tag = IMAGE,
    base_image: Annotated[
        str, typer.Option(help="What to build on; give a digest (@sha256:...) for publishing.")
    ] = "debian:bookworm-slim",
    own_base: Annotated[
        bool, typer.Option("--own-base", help="Make the base from the Debian mirror (root).")
    ] = False,
    data: Annotated[
        Path | None, typer.Option(help="Put these data sets in; only those that may be passed on.")
    ] = None,
    extra_ca: Annotated[
        list[Path] | None,
        typer.Option(help="Certificate authority to trust while building.", metavar="FILE"),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show all output.")] = False,
) -> None:
    """Build the image (some minutes, 9 GB of room while it works)."""
    from . import image as verb

    verb.build(
        tag=tag, base=base_image, own_base=own_base, data=data, extra_ca=extra_ca, verbose=verbose
    )


@docker_app.command(cls=HandedOn)
def run(context: typer.Context) -> None:
    """Start JupyterLab in a container, or a command: run-bigdl-docker.sh --detach."""
    from . import launch as verb

    verb.run(context.args)


@docker_app.command()
def status() -> None:
    """List the sandbox's containers and their addresses."""
    from . import launch as verb

    raise typer.Exit(verb.status())


@docker_app.command(cls=Command)
def stop(
    names: Annotated[list[str] | None, typer.Argument(help="Which ones.", metavar="NAME")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of the sandbox's.")] = False,
) -> None:
    """Stop and remove containers; work outside the mounted folder is never removed."""
    from . import launch as verb

    raise typer.Exit(verb.stop(names or [], everything=everything))


@docker_app.command()
def bundle(
    target: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
    image: Image = IMAGE,
    data: Annotated[Path | None, typer.Option(help="Copy these data sets in as well.")] = None,
) -> None:
    """Write image, launcher and checksums into a folder, for a stick or a LAN."""
    from . import bundle as verb

    verb.bundle(target, image=image, data=data)


@docker_app.command()
def publish(
    repository: Annotated[str, typer.Argument(help="Such as ghcr.io/team/bigdl-sandbox.")],
    image: Image = IMAGE,
    previous: Annotated[
        Path | None, typer.Option(help="manifest.json of the release before, for the differences.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for the notes.")] = Path("release"),
    push: Annotated[bool, typer.Option("--push", help="Really do it.")] = False,
) -> None:
    """Show what would be published, and write the release notes."""
    from . import release as verb

    verb.publish(image=image, repository=repository, previous=previous, output=output, push=push)


@docker_app.command(context_settings={"allow_extra_args": True})
def cluster(
    context: typer.Context,
    image: Image = IMAGE,
    name: Annotated[
        str, typer.Option(help="Prefix of network and containers.")
    ] = "sandbox-cluster",
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker containers.")] = 2,
    memory: Annotated[str, typer.Option(help="Memory Spark may give out on a worker.")] = "1g",
    cores: Annotated[int, typer.Option(min=1, help="Cores Spark may give out on a worker.")] = 1,
    data: Annotated[Path | None, typer.Option(help="Folder with data sets.")] = None,
    down: Annotated[bool, typer.Option("--down", help="Remove the cluster.")] = False,
) -> None:
    """Start a Spark cluster of containers and train LeNet on it (or run a command after --)."""
    from . import cluster as verb

    if down:
        if not verb.down(name):
            raise CommandError(
                f"no cluster is called {name}.", "sandbox docker status   lists all."
            )
        return
    raise typer.Exit(
        verb.train(
            image=image,
            prefix=name,
            workers=workers,
            memory=memory,
            cores=cores,
            data=data,
            command=context.args,
        )
    )
