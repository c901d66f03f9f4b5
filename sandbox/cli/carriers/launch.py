"""`sandbox docker run|status|stop`: containers on this machine; the launcher starts them."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import CommandError
from ..places import ROOT
from .daemon import LABEL, LOOPBACK, api, connect

if TYPE_CHECKING:
    from docker import DockerClient

LAUNCHER = "run-bigdl-docker.sh"
WORK = "/home/jovyan/work"
TCP = "8888/tcp"
# As the launcher does.
SERVER_FILE = 'cat "${JUPYTER_RUNTIME_DIR:-/tmp/jupyter-runtime}"/jpserver-*.json'
ADDED = 1  # in Docker's list of what has changed
STRAY = re.compile(r"/(home/jovyan|tmp/home-\d+)/[^./][^/]*")


def run(words: list[str]) -> NoReturn:
    """Become the launcher: one script starts sandboxes, whatever it is called by.

    Raises
    ------
    CommandError : there is no bash here, or no launcher beside the package.
    """
    launcher, bash = ROOT / LAUNCHER, shutil.which("bash")
    if bash is None:
        cure = "Windows: in WSL; or the docker command that a bundle's README.txt gives."
        raise CommandError("starting the sandbox in Docker needs bash.", cure)
    if not launcher.exists():
        raise CommandError(f"{launcher} is missing.", "Run this in a clone of the repository.")
    sys.stdout.flush()
    os.execv(bash, [bash, str(launcher), "--detach", *words])


def ours(client: DockerClient) -> list[Any]:
    """Give the containers of the sandbox, running or not."""
    return client.containers.list(all=True, filters={"label": LABEL})


def published(container: Any) -> int | None:
    """Give the port on this machine, or None."""
    bindings = (container.attrs["NetworkSettings"]["Ports"] or {}).get(TCP)
    return int(bindings[0]["HostPort"]) if bindings else None


def token_of(container: Any) -> str:
    """Give the token a container was started with."""
    entries = container.attrs["Config"]["Env"] or []
    return next((e.split("=", 1)[1] for e in entries if e.startswith("SANDBOX_TOKEN=")), "")


def server_of(container: Any) -> dict[str, Any]:
    """Give what the Jupyter server of a container says of itself: base_url, secure and others."""
    status, said = container.exec_run(["sh", "-c", SERVER_FILE], stderr=False)
    try:
        return dict(json.loads(said)) if status == 0 else {}
    except ValueError:
        return {}


def address_of(container: Any, port: int) -> str | None:
    """Give the address under which a container's Jupyter answers, or None."""
    server = server_of(container)
    scheme = "https" if server.get("secure") else "http"
    place = f"{scheme}://{LOOPBACK}:{port}{server.get('base_url', '/')}"
    if api(f"{place}api") is None:
        return None
    token = "" if server.get("password") else token_of(container)
    return f"{place}lab" + (f"?token={token}" if token else "")


def status() -> int:
    """List the containers and the addresses that answer; give 1 if one of them does not."""
    containers = ours(connect())
    if not containers:
        print("no sandbox container runs here (sandbox docker run starts one)")
        return 0
    silent = 0
    for container in containers:
        port, address, state = published(container), None, container.status
        if state == "running" and port is not None:
            address = address_of(container, port)
            state = "running" if address else "running, does not answer"
            silent += not address
        line = f"{container.name:<24} {state:<24} {container.labels.get(LABEL):<14} {address or ''}"
        print(line.rstrip())
    return int(bool(silent))


def strays(container: Any) -> list[str]:
    """List what a person has put into a container beside the mounted folder."""
    added = (entry["Path"] for entry in container.diff() or [] if entry["Kind"] == ADDED)
    return [path for path in added if STRAY.fullmatch(path) and path != WORK]


def stop(names: list[str], *, everything: bool = False) -> int:
    """Stop and remove containers of the sandbox; other people's are refused.

    One that holds work outside the mounted folder is stopped only, and said so.
    """
    client = connect()
    there = {container.name: container for container in ours(client)}
    if everything:
        names = list(there)
    if not names:
        raise CommandError("which one?", f"There is: {', '.join(there) or 'none'}; or --all.")
    for name in names:
        if name not in there:
            raise CommandError(
                f"no container of the sandbox is called {name}.",
                f"There is: {', '.join(there) or 'none'}.",
            )
    for name in names:
        there[name].stop(timeout=10)
        if found := strays(there[name]):
            print(
                f"stopped {name}, and kept it for what is not in the mounted folder: "
                f"{', '.join(found)}\n"
                f"  docker cp {name}:{found[0]} .   fetches it; docker rm {name}   lets it be lost."
            )
        else:
            there[name].remove()
            print(f"stopped {name}")
    return 0
