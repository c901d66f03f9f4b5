"""`sandbox docker run|status|stop`: containers on this machine, on the loopback unless asked."""

from __future__ import annotations

import os
import re
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CommandError
from .daemon import LABEL, LOOPBACK, api, connect, explain, free_port, need_image, wait_healthy

if TYPE_CHECKING:
    from docker import DockerClient

WORK = "/home/jovyan/work"
DATA = "/data"
TCP = "8888/tcp"
LEAST_MEMORY = 512 << 20
PORT_TAKEN = re.compile("port is already allocated|address already in use")
SIZE = re.compile(r"(\d+(?:\.\d+)?)([bkmg]?)", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Read a size like Docker does.

    Examples
    --------
    >>> parse_size("2g"), parse_size("1.5m"), parse_size("100")
    (2147483648, 1572864, 100)
    """
    match = SIZE.fullmatch(text)
    if not match:
        raise CommandError(f"--memory must be a size such as 2g or 800m; got {text!r}.")
    return int(float(match[1]) * 1024 ** " kmg".index(match[2].lower().replace("b", "") or " "))


def owner(folder: Path) -> tuple[int, int]:
    """Give uid and gid of a folder to mount: what is made in it shall belong to the same user."""
    if not folder.is_dir():
        raise CommandError(f"--mount names {folder}, which is no folder.", f"mkdir -p {folder}")
    facts = folder.stat()
    if facts.st_uid == 0 and sys.platform == "linux":
        raise CommandError(
            f"{folder} belongs to root, and the sandbox does not run as root.",
            "Start it from a folder of yours, or make one:  install -d -o 1000 -g 100 ~/work; "
            "--mount ~/work",
        )
    if not facts.st_mode & 0o200:
        raise CommandError(f"{folder} is not writable for its owner.", f"chmod u+w {folder}")
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        raise CommandError(f"{folder} lies on a read-only disk.", "Name another folder: --mount.")
    return facts.st_uid, facts.st_gid


def check_limits(client: DockerClient, memory: str | None, cpus: float | None) -> None:
    """Refuse limits that this machine does not have or that nothing runs in."""
    info = client.info()
    if memory is not None:
        wanted, there = parse_size(memory), info["MemTotal"]
        if wanted > there:
            raise CommandError(
                f"--memory {memory} is more than the {there / 2**30:.1f} GB that Docker has.",
                "Ask for less; Docker Desktop: raise it in Settings, Resources.",
            )
        if wanted < LEAST_MEMORY:
            raise CommandError(f"--memory {memory} is too little for Jupyter.", "Give 2g or more.")
    if cpus is not None and not 0 < cpus <= info["NCPU"]:
        raise CommandError(f"--cpus must be above 0 and at most {info['NCPU']}; got {cpus:g}.")


def check_token(token: str | None, *, lan: bool) -> str:
    """Give the token to use; a server that others can reach never goes without one."""
    if token == "" and lan:
        raise CommandError("--lan insists on a token.", "Leave --token out for a random one.")
    if token and not re.fullmatch(r"[A-Za-z0-9_.~-]{8,}", token):
        raise CommandError(
            "--token must be at least 8 letters, digits or _ . ~ -.",
            "Leave it out for a random one.",
        )
    return secrets.token_hex(24) if token is None else token


def check_name(name: str) -> str:
    """Give a name that Docker takes."""
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", name):
        raise CommandError(
            f"--name must be two or more letters, digits and _ . -; got {name!r}.",
            "Leave it out for the usual one.",
        )
    return name


def options(
    *,
    name: str,
    folder: Path,
    address: str,
    port: int,
    token: str,
    memory: str | None,
    cpus: float | None,
    data: Path | None,
    offline: bool,
) -> dict[str, Any]:
    """Give the SDK's arguments for one sandbox container."""
    from docker.types import Mount  # whose folders may have any name

    uid, gid = owner(folder)
    environment = {"SANDBOX_TOKEN": token}
    if token == "":
        environment["SANDBOX_INSECURE"] = "1"  # published on the loopback only
    mounts = [Mount(WORK, str(folder.resolve()), type="bind")]
    if data is not None:
        if not data.is_dir():
            raise CommandError(
                f"--data names {data}, which is no folder.", "Give a folder of sets."
            )
        mounts.append(Mount(DATA, str(data.resolve()), type="bind", read_only=True))
        environment["SANDBOX_DATA"] = DATA
    if offline:
        environment["SANDBOX_OFFLINE"] = "1"
    limits: dict[str, Any] = {}
    if memory is not None:
        limits |= {"mem_limit": memory, "memswap_limit": memory}
    if cpus is not None:
        limits["nano_cpus"] = int(cpus * 1e9)
    return {
        "name": name,
        "user": f"{uid}:{gid}",
        "group_add": ["users"],
        "environment": environment,
        "mounts": mounts,
        "ports": {TCP: (address, port)},
        "labels": {LABEL: "lab"},
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "pids_limit": 4096,
        "shm_size": "1g",
        **limits,
    }


def run(
    *,
    image: str,
    name: str,
    folder: Path,
    port: int,
    lan: bool = False,
    token: str | None = None,
    memory: str | None = None,
    cpus: float | None = None,
    data: Path | None = None,
    offline: bool = False,
    patience_s: float = 120,
) -> str:
    """Start a container, wait until Jupyter answers, print and give its address."""
    from docker.errors import APIError

    check_name(name)
    token = check_token(token, lan=lan)
    client = connect()
    check_limits(client, memory, cpus)
    need_image(client, image, pull=not offline)
    _refuse_taken(client, name)
    address = "0.0.0.0" if lan else LOOPBACK
    wanted, container = port, None
    try:
        while True:
            port = free_port(port, address)
            container = client.containers.create(
                image,
                **options(
                    name=name,
                    folder=folder,
                    address=address,
                    port=port,
                    token=token,
                    memory=memory,
                    cpus=cpus,
                    data=data,
                    offline=offline,
                ),
            )
            try:
                container.start()
                break
            except APIError as error:
                if not PORT_TAKEN.search(explain(error)):
                    raise
                container.remove(force=True)
                port += 1
        if port != wanted:
            print(f"Port {wanted} is taken; using {port}.")
        seconds = wait_healthy(container, port, patience_s=patience_s)
    except BaseException as error:
        if container is not None:
            container.remove(force=True)
        if isinstance(error, APIError):
            raise CommandError(f"Docker could not start it: {explain(error)}") from None
        raise
    url = f"http://{LOOPBACK}:{port}/lab" + (f"?token={token}" if token else "")
    print(f"\nJupyterLab:  {url}\nNotebooks:   {folder.resolve()}")
    if lan:
        print("Others reach it under this machine's address in place of 127.0.0.1.")
    print(f"Stop it:     sandbox docker stop {name}\n(ready after {seconds:.1f} s)", flush=True)
    return url


def _refuse_taken(client: DockerClient, name: str) -> None:
    from docker.errors import NotFound

    try:
        there = client.containers.get(name)
    except NotFound:
        return
    if LABEL not in there.labels:
        raise CommandError(
            f"a container called {name} is there already, and no sandbox.", "Give another --name."
        )
    if there.status not in ("exited", "created", "dead"):
        raise CommandError(
            f"a sandbox called {name} is there already ({there.status}).",
            f"sandbox docker stop {name}   ends it; or give another --name.",
        )
    there.remove()  # its work is in the mounted folder


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


def status() -> int:
    """List the containers and the addresses that answer; give 1 if one of them does not."""
    containers = ours(connect())
    if not containers:
        print("no sandbox container runs here (sandbox docker run starts one)")
        return 0
    silent = 0
    for container in containers:
        port = published(container)
        answers = port is not None and api(port) is not None
        state = container.status
        if state == "running" and port is not None:
            state = "running" if answers else "running, does not answer"
            silent += not answers
        line = f"{container.name:<24} {state:<24} {container.labels.get(LABEL):<14}"
        if answers:
            line += f" http://{LOOPBACK}:{port}/lab?token={token_of(container)}"
        print(line.rstrip())
    return int(bool(silent))


def stop(names: list[str], *, everything: bool = False) -> int:
    """Stop and remove containers of the sandbox; other people's are refused."""
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
        there[name].remove()
        print(f"stopped {name}")
    return 0
