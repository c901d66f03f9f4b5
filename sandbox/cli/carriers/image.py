"""`sandbox docker build`: the image, from a context of exactly the files it needs (files.py)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CommandError
from ..places import ROOT
from . import files
from .daemon import IMAGE, connect, explain, need_disk
from .disk import search_path

if TYPE_CHECKING:
    from docker import DockerClient

ROLE = "org.bigdl-sandbox.stage"  # a label of what a build leaves
BASE = "debian:bookworm-slim"
MADE_BASE = "bigdl-sandbox-base:bookworm"
# [registry/]path[:tag][@digest], in small letters but for the tag
REFERENCE = re.compile(r"[a-z0-9][a-z0-9._:/-]*(:[A-Za-z0-9_.-]+)?(@sha256:[0-9a-f]{64})?")
BUDGET_BYTES = 2.2e9  # 2.1e9 before OpenCV, which links with 0.15e9 of libraries
NEEDED_BYTES = 9e9
# In a mount namespace of its own: killed half way, it leaves nothing mounted.
OWN_MOUNTS = ("unshare", "--mount", "--propagation", "private")
MMDEBSTRAP = (
    *OWN_MOUNTS,
    "mmdebstrap",
    "--variant=minbase",
    '--aptopt=Acquire::Retries "5"',
    '--aptopt=Acquire::Languages "none"',
    *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale", "info")),
)


def data_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Give the files of the data sets that an image may carry; say what is left out."""
    from ...lib.data.sets.sources import SOURCES

    if not folder.is_dir():
        raise CommandError(f"--data names {folder}, which is no folder.", "Give a folder of sets.")
    sets = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    chosen = [path for path in sets if path.name in SOURCES and SOURCES[path.name].redistributable]
    for path in sets:
        if path not in chosen:
            why = "may not be passed on" if path.name in SOURCES else "is no set of the sandbox"
            print(f"left out: {path.name} ({why})")
    if not chosen:
        raise CommandError(
            f"{folder} holds no data set that an image may carry.",
            "May be carried: " + ", ".join(n for n, s in SOURCES.items() if s.redistributable),
        )
    for path in chosen:
        for file in sorted(path.rglob("*")):
            if file.is_file():
                yield f"docker/data/{path.name}/{file.relative_to(path)}", file


def build_arguments(base: str) -> dict[str, str]:
    """Give the ARGs: where the image comes from."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch and not epoch.isdecimal():
        raise CommandError(f"SOURCE_DATE_EPOCH must be seconds since 1970; got {epoch!r}.")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return {
        "BASE_IMAGE": base,
        "VERSION": version(),
        "REVISION": files.revision(),
        "CREATED": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def version() -> str:
    """Give the version of the sandbox, from its project file."""
    import tomllib

    try:
        return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
    except OSError:
        return metadata.version("bigdl-sandbox")


def bootstrap(packages: list[str], target: Path) -> None:
    """Make a small Debian system with these packages, in a folder or a tar."""
    words = [*MMDEBSTRAP, f"--include={','.join(packages)}", "bookworm", str(target)]
    environment = {**os.environ, "PATH": search_path()}
    answer = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    if answer.returncode:
        raise CommandError(
            f"mmdebstrap failed:\n{answer.stderr[-1500:]}",
            "Is there a network? On Ubuntu: apt-get install debian-archive-keyring",
        )


def make_base(client: DockerClient) -> str:
    """Make the base image from the Debian mirror, for places without a registry."""
    if shutil.which("mmdebstrap") is None or (hasattr(os, "geteuid") and os.geteuid() != 0):
        raise CommandError(
            "making the base image needs root and mmdebstrap.",
            "sudo apt-get install mmdebstrap, and sudo; or leave --own-base out to pull " + BASE,
        )
    print("Making the base image from the Debian mirror ...", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        tar = Path(folder) / "base.tar"
        bootstrap(["ca-certificates"], tar)
        repository, tag = MADE_BASE.split(":")
        client.api.import_image_from_file(str(tar), repository=repository, tag=tag)
    return MADE_BASE


def check_authorities(files: list[Path] | None) -> list[Path]:
    """Give the certificates to trust while building, after a look at them."""
    for file in files or []:
        if not file.is_file() or b"BEGIN CERTIFICATE" not in file.read_bytes():
            raise CommandError(
                f"--extra-ca {file} is no PEM certificate.", "Give a .crt or .pem file."
            )
    return files or []


def build(
    *,
    tag: str,
    base: str = BASE,
    own_base: bool = False,
    data: Path | None = None,
    extra_ca: list[Path] | None = None,
    verbose: bool = False,
) -> Any:
    """Build the image; give it.

    Raises
    ------
    CommandError : Docker, disk, the base image, certificates or data are not there, or a step of
        the build failed (its output is quoted); nothing unnamed is left behind.
    """
    from docker.errors import APIError, BuildError, ImageNotFound

    for option, name in (("--tag", tag), ("--base-image", base)):
        if not REFERENCE.fullmatch(name):
            raise CommandError(f"{option} must be like {IMAGE}; got {name!r}.")
    arguments = build_arguments(base if not own_base else MADE_BASE)
    authorities = check_authorities(extra_ca)
    client = connect()
    folder = client.info()["DockerRootDir"]
    if os.path.isdir(folder):
        need_disk(folder, NEEDED_BYTES, "building the image")
    extra = list(data_files(data)) if data else []
    for number, file in enumerate(authorities):
        extra.append((f"docker/certs/extra-{number}.crt", file))
    if own_base:
        make_base(client)
    else:
        try:
            client.images.get(base)
        except ImageNotFound:
            try:
                client.images.pull(base)
            except (APIError, ImageNotFound) as error:
                raise CommandError(
                    f"the base image {base} cannot be pulled: {explain(error)}",
                    "Is the registry reachable? --own-base makes it from the Debian mirror.",
                ) from None
    started = time.perf_counter()
    with tempfile.TemporaryFile() as file:
        files.write_tar(file, [*files.context(), *extra])
        file.seek(0)
        try:
            image = _run(client, file, tag, arguments, verbose=verbose)
        except (APIError, BuildError) as error:
            raise CommandError(f"the build failed: {explain(error)}", "See above.") from None
    print(f"built {tag} in {time.perf_counter() - started:.0f} s")
    report(image)
    report_untagged(client)
    return image


def _run(
    client: DockerClient, file: Any, tag: str, arguments: dict[str, str], *, verbose: bool
) -> Any:
    lines: list[str] = []
    stream = client.api.build(
        fileobj=file,
        custom_context=True,
        dockerfile="docker/Dockerfile",
        tag=tag,
        buildargs=arguments,
        rm=True,
        forcerm=True,
        decode=True,
    )
    for part in stream:
        text = part.get("stream") or part.get("status") or ""
        lines += text.splitlines()
        if verbose:
            sys.stdout.write(text)
        elif text.startswith("Step "):
            print(text.strip(), flush=True)
        if "error" in part:
            said = "\n".join(lines[-25:])
            cure = (
                "Behind a proxy that re-signs TLS? Add --extra-ca FILE."
                if "CERTIFICATE_VERIFY_FAILED" in said
                else "Run it again with --verbose for the whole output."
            )
            raise CommandError(f"the build failed: {part['error']}\n{said}", cure)
    return client.images.get(tag)


def layers(image: Any) -> list[tuple[int, str]]:
    """Give (bytes, what made it) of the layers that hold anything."""
    rows = [(entry["Size"], " ".join(entry["CreatedBy"].split())) for entry in image.history()]
    return [(size, text.replace("/bin/sh -eu -c ", "")) for size, text in rows if size]


def report(image: Any) -> None:
    """Say how large the image and its layers are."""
    for size, text in layers(image):
        print(f"{size / 1e6:9.1f} MB  {text[:80]}")
    size = image.attrs["Size"]
    verdict = "within" if size <= BUDGET_BYTES else "OVER"
    print(f"{size / 1e6:9.1f} MB  in all ({verdict} the budget of {BUDGET_BYTES / 1e9:.1f} GB)")


def report_untagged(client: DockerClient) -> None:
    """Say which images without a name builds have left, and how to be rid of them.

    Docker's classic builder keeps the stage in which the environment is made: the next build goes
    on from there.
    """
    left = client.images.list(filters={"dangling": True, "label": ROLE})
    if not left:
        return
    print("Without a name, and there for quicker builds only:")
    for image in left:
        print(f"{image.attrs['Size'] / 1e6:9.1f} MB  {image.short_id}  {image.labels[ROLE]}")
    numbers = " ".join(image.short_id.removeprefix("sha256:") for image in left)
    print(f"Remove them:  docker image rm {numbers}")
