"""The command line: one small function per verb, each thin over the file of that verb."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from . import carriers, places
from .errors import CommandError
from .help import Command, HandedOn

app = typer.Typer(
    name="sandbox",
    help="Learn and do deep learning on Spark and CPUs.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


@app.command()
def lab(
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="First port to try; the next free one is taken.")
    ] = 8888,
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
) -> None:
    """Open JupyterLab on 127.0.0.1 with a random token."""
    from . import lab as verb

    verb.serve(port=port, browser=browser)


@app.command()
def run(
    notebook: Annotated[Path, typer.Argument(help="A notebook: a path, or a name in notebooks/.")],
    output: Annotated[Path | None, typer.Option(help="Write the executed notebook here.")] = None,
    timeout: Annotated[int, typer.Option(help="Seconds one cell may take.")] = 1800,
    fast: Annotated[bool, typer.Option("--fast", help="Set FAST=1: short training.")] = False,
) -> None:
    """Execute a notebook without a browser and print its key figures."""
    from . import run as verb

    raise typer.Exit(verb.execute(notebook, output=output, timeout=timeout, fast=fast))


@app.command("test", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def check(
    context: typer.Context,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave Spark, notebooks and browser out.")
    ] = False,
    whole: Annotated[
        bool,
        typer.Option("--all", help="Add Docker, the virtual machine and the longer samples."),
    ] = False,
) -> None:
    """Check style, types, units, contracts, Spark, notebooks, browser.

    Further arguments go to pytest, for example `test tests/lib -k conv`; with paths among them,
    these are run, whole. `-n 4` runs four tests at a time (2).
    """
    from . import test as verb

    raise typer.Exit(verb.check(context.args, quick=quick, whole=whole))


@app.command()
def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    spark: Annotated[bool, typer.Option(help="Start a Spark session as a trial.")] = True,
    kernels: Annotated[
        bool, typer.Option("--kernels", help="Tell which kernel serves each operation.")
    ] = False,
) -> None:
    """Say what this machine has, what is missing, and the cure."""
    from . import doctor as verb

    raise typer.Exit(verb.examine(as_json=json, try_spark=spark, kernels=kernels))


@app.command(cls=Command)
def data(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Data sets; all of them by default.", metavar="NAME"),
    ] = None,
    fetch: Annotated[
        bool,
        typer.Option(
            "--fetch", help="Load them into the cache; without names, those of the lessons."
        ),
    ] = False,
) -> None:
    """List the data sets and where each one comes from on this machine.

    `data --fetch imdb creditcard` loads these from where they are published. What broke off goes on
    where it was.
    """
    from . import data as verb

    raise typer.Exit(verb.show(names or [], fetch=fetch))


@app.command(cls=HandedOn)
def bench(context: typer.Context) -> None:
    """Measure this machine: `sandbox bench` lists what there is."""
    from . import bench as verb

    raise typer.Exit(verb.measure(context.args))


@app.command()
def reset(
    notebook: Annotated[
        Path | None, typer.Argument(help="A notebook: a path, or a name in notebooks/.")
    ] = None,
    caches: Annotated[bool, typer.Option("--caches", help="Forget kernel plans.")] = False,
) -> None:
    """Bring a notebook back to how it was shipped; yours is kept beside it."""
    from . import reset as verb

    raise typer.Exit(verb.restore(notebook, caches=caches))


carriers.register(app)


def main() -> None:
    """Run the command line; an error of the user's is told with its cure and ends with 2."""
    places.settle()
    try:
        app(prog_name="sandbox")
    except CommandError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
