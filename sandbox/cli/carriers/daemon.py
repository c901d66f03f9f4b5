"""The Docker daemon: reach it, or say why not and what to do."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CommandError

if TYPE_CHECKING:
    from docker import DockerClient

IMAGE = "bigdl-sandbox:latest"
LABEL = "org.bigdl-sandbox.role"
LOOPBACK = "127.0.0.1"


def connect() -> DockerClient:
    """Give a client of a daemon that answers.

    Raises
    ------
    CommandError : the SDK is not installed, or no daemon answers.
    """
    try:
        import docker
    except ImportError:
        cure = "pip install 'docker>=7.1'   (run-bigdl-docker.sh needs no Python at all)"
        raise CommandError("the Docker SDK for Python is not installed.", cure) from None
    try:
        client = docker.DockerClient(timeout=120, **chosen())
        client.ping()
    except (docker.errors.DockerException, OSError) as error:
        raise CommandError(*diagnose(str(error))) from None
    return client


def chosen() -> dict[str, Any]:
    """Give the daemon that the `docker` command speaks to: DOCKER_HOST, else its context."""
    from docker.context import ContextAPI
    from docker.utils import kwargs_from_env

    if os.environ.get("DOCKER_HOST"):
        return dict(kwargs_from_env())
    name = os.environ.get("DOCKER_CONTEXT")
    context = ContextAPI.get_context(name)
    if context is None:
        raise CommandError(f"there is no Docker context {name}.", "docker context ls   lists them.")
    return {"base_url": context.Host, "tls": context.TLSConfig or False}


def diagnose(error: str) -> tuple[str, str]:
    """Turn what the SDK said into (problem, cure)."""
    where = os.environ.get("DOCKER_HOST", "the standard socket /var/run/docker.sock")
    if "Permission denied" in error:
        return (
            f"this user may not speak to Docker ({where}).",
            "sudo usermod -aG docker $USER, then log in again; or run the command with sudo.",
        )
    if shutil.which("docker") is None and shutil.which("dockerd") is None:
        return (
            "Docker is not installed here.",
            "Debian, Ubuntu: sudo apt-get install docker.io   others: docs.docker.com/get-docker",
        )
    return (
        f"no Docker daemon answers at {where}.",
        "Linux: sudo systemctl start docker   macOS, Windows: start Docker Desktop. "
        "Is DOCKER_HOST right?",
    )


def need_image(client: DockerClient, name: str, *, pull: bool = True) -> Any:
    """Give an image by name; ask the registry for it where it is not here."""
    from docker.errors import APIError, ImageNotFound

    if not name:
        raise CommandError("the image's name is empty.", f"Leave it out for {IMAGE}.")
    try:
        return client.images.get(name)
    except ImageNotFound:
        pass
    except APIError as error:
        raise CommandError(
            f"{name!r} names no image: {explain(error)}", f"Such as {IMAGE}, or team/image:tag."
        ) from None
    cure = "sandbox docker build   makes it; docker load -i FILE   takes it from a bundle."
    if pull and "/" in name:
        print(f"{name} is not here; asking its registry for it ...", flush=True)
        try:
            return client.images.pull(name)
        except (APIError, ImageNotFound) as error:
            raise CommandError(f"{name} cannot be had: {explain(error)}", cure) from None
    raise CommandError(f"there is no image {name} here.", cure)


def explain(error: Exception) -> str:
    """Give the daemon's own words."""
    return str(getattr(error, "explanation", None) or error).strip()


def api(url: str, *, timeout_s: float = 3) -> Any:
    """Ask a Jupyter server on the loopback, past any proxy; None if it does not answer."""
    unchecked = ssl.create_default_context()  # its own certificate, on our own loopback
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=unchecked)
    )
    try:
        with opener.open(url, timeout=timeout_s) as answer:
            return json.loads(answer.read() or b"null")
    except (OSError, ValueError):
        return None


def make_folder(path: Path) -> None:
    """Make the folder that a command writes into, if it is not there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(
            f"{path} cannot be made a folder: {error.strerror}.", "Name one that you may write."
        ) from None
    if not os.access(path, os.W_OK):
        raise CommandError(f"{path} cannot be written.", "Name a folder of yours.")


def need_disk(folder: str | os.PathLike[str], wanted_bytes: float, what: str) -> None:
    """Refuse to begin what the disk cannot hold."""
    path = os.path.abspath(folder)
    while not os.path.exists(path):
        path = os.path.dirname(path)
    free = shutil.disk_usage(path).free
    if free < wanted_bytes:
        raise CommandError(
            f"{what} needs {wanted_bytes / 1e9:.1f} GB in {path}; {free / 1e9:.1f} GB are free.",
            "Free some space (docker system df, docker image prune), or name another folder.",
        )
