"""The verbs `docker`, `vm` and `ami`: small functions over the files of this folder."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from ..errors import CommandError
from ..help import Command
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
vm_app = typer.Typer(help="The virtual machine: disk, qcow2, OVA.", **STYLE)
ami_app = typer.Typer(help="The machine image on AWS, and instances of it.", **STYLE)


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


@docker_app.command()
def run(
    image: Annotated[str, typer.Argument(help="The image.")] = IMAGE,
    name: Annotated[str, typer.Option(help="The container's name.")] = "bigdl-sandbox",
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="First port to try; the next free one is taken.")
    ] = 8888,
    mount: Annotated[
        Path | None, typer.Option(help="Folder for the notebooks (default: this one).")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with data sets.")] = None,
    memory: Annotated[
        str | None, typer.Option("--memory", "--mem", help="Limit, such as 2g.")
    ] = None,
    cpus: Annotated[float | None, typer.Option(help="Limit, such as 2.")] = None,
    token: Annotated[str | None, typer.Option(help="Instead of a random one.")] = None,
    lan: Annotated[bool, typer.Option("--lan", help="Let other machines reach it.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Pull nothing, download nothing.")
    ] = False,
) -> None:
    """Start JupyterLab in a container; print its address once it answers."""
    from . import launch as verb

    verb.run(
        image=image,
        name=name,
        folder=mount or Path.cwd(),
        port=port,
        lan=lan,
        token=token,
        memory=memory,
        cpus=cpus,
        data=data,
        offline=offline,
    )


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
    """Stop and remove containers; the work in the mounted folder stays."""
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


Region = Annotated[str | None, typer.Option(help="AWS region; else AWS_REGION or the profile's.")]


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
) -> None:
    """Start an instance that only SSH reaches; print the tunnel."""
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
    )


@ami_app.command("list")
def list_instances(region: Region = None) -> None:
    """List the sandbox's images and instances."""
    from . import ami as verb

    raise typer.Exit(verb.show(region=region))


@ami_app.command(cls=Command)
def terminate(
    names: Annotated[list[str], typer.Argument(help="Instances.", metavar="NAME")],
    region: Region = None,
) -> None:
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


@ami_app.command("require-imdsv2")
def require_imdsv2(
    image: Annotated[str, typer.Argument(help="AMI.")], region: Region = None
) -> None:
    """Metadata service version 2 only: after Packer 1.6."""
    from . import ami as verb

    raise typer.Exit(verb.require_imdsv2(image, region=region))


@ami_app.command()
def template() -> None:
    """Write the Packer templates from their sources."""
    from . import packer as verb

    for file in verb.write():
        print(f"written: {file}")
