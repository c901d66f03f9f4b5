"""`sandbox docker cluster`: a Spark standalone cluster of containers, and a driver that trains."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CommandError
from .daemon import LABEL, connect, explain, need_image
from .launch import ours

if TYPE_CHECKING:
    from docker import DockerClient

SIZE = re.compile(r"(\d+(?:\.\d+)?)([bkmg]?)", re.IGNORECASE)
MASTER = "spark-master"
ADDRESS = f"spark://{MASTER}:7077"
CLUSTER = "org.bigdl-sandbox.cluster"  # a label: of which cluster
LEAST = 640 << 20  # what the lesson asks of an executor
DAEMON = 512 << 20  # what a container needs besides what Spark gives out
LESSON = "/opt/sandbox/bin/cluster_lenet.py"
DEPLOY = "org.apache.spark.deploy"


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


def check_name(name: str) -> str:
    """Give a name that Docker takes."""
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", name):
        raise CommandError(
            f"--name must be two or more letters, digits and _ . -; got {name!r}.",
            "Leave it out for the usual one.",
        )
    return name


def names(prefix: str, workers: int) -> list[str]:
    """Give the containers' names, the master first.

    Examples
    --------
    >>> names("lab", 2)
    ['lab-master', 'lab-worker-1', 'lab-worker-2']
    """
    return [f"{prefix}-master", *(f"{prefix}-worker-{n + 1}" for n in range(workers))]


def labels(prefix: str) -> dict[str, str]:
    """Give what tells the parts of a cluster from everything else."""
    return {LABEL: "cluster", CLUSTER: prefix}


def up(*, image: str, prefix: str, workers: int, memory: str, cores: int) -> Any:
    """Start a network, a master and workers; wait until all workers have joined.

    Either everything runs afterwards, or nothing does.
    """
    from docker.errors import APIError, DockerException

    check_name(prefix)
    each = parse_size(memory)
    if each < LEAST:
        raise CommandError(f"--memory {memory} is too little for a Spark worker.", "Give 1g.")
    wanted = workers * (each + DAEMON) + 2 * DAEMON
    client = connect()
    need_image(client, image, pull=False)
    if prefix in [network.name for network in client.networks.list()]:
        raise CommandError(
            f"a network {prefix} is there already.",
            f"sandbox docker cluster --down --name {prefix}   if it is a cluster; "
            "or give another --name.",
        )
    total = client.info()["MemTotal"]
    if wanted > total:
        raise CommandError(
            f"{workers} workers of {memory} need {wanted / 2**30:.1f} GB in all; "
            f"Docker has {total / 2**30:.1f}.",
            "Ask for fewer --workers, or less --memory.",
        )
    network = client.networks.create(prefix, labels=labels(prefix))
    try:
        master = _start(
            client,
            image,
            f"{prefix}-master",
            network.name,
            ["spark-class", f"{DEPLOY}.master.Master", "--host", MASTER, "--port", "7077"],
            hostname=MASTER,
        )
        worker = ["spark-class", f"{DEPLOY}.worker.Worker", "--work-dir", "/tmp/spark-work",
                  "-c", str(cores), "-m", f"{each >> 20}m", ADDRESS]  # fmt: skip
        joining = [
            _start(client, image, name, network.name, worker) for name in names(prefix, workers)[1:]
        ]
        wait_for_workers(master, workers, joining)
    except (DockerException, APIError) as error:
        down(prefix)
        raise CommandError(f"the cluster did not start: {explain(error)}") from None
    except BaseException:
        down(prefix)
        raise
    return network


def _start(
    client: DockerClient,
    image: str,
    name: str,
    network: str,
    command: list[str],
    *,
    hostname: str | None = None,
    environment: dict[str, str] | None = None,
    mounts: list[Any] | None = None,
) -> Any:
    host = hostname or name
    container = client.containers.create(
        image,
        command,
        name=name,
        hostname=host,
        # This network only: a host's name must lead to the same address from inside and outside.
        network=network,
        networking_config={network: client.api.create_endpoint_config(aliases=[host])},
        labels=labels(network),
        environment=environment or {"SPARK_LOCAL_HOSTNAME": host, "SPARK_DAEMON_MEMORY": "256m"},
        mounts=mounts or [],
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        shm_size="512m",
    )
    container.start()
    return container


def registered(master: Any) -> set[str]:
    """Give the workers that the master knows; on a busy machine it may hear of one twice."""
    return set(re.findall(r"Registering worker (\S+)", master.logs().decode(errors="replace")))


def wait_for_workers(
    master: Any, wanted: int, joining: list[Any], *, patience_s: float = 120
) -> None:
    """Wait until the master has registered so many workers."""
    until = time.monotonic() + patience_s
    while True:
        there = len(registered(master))
        if there >= wanted:
            return
        for container in (master, *joining):
            container.reload()
            if container.status == "exited" or time.monotonic() > until:
                lines = container.logs(tail=15).decode(errors="replace")
                raise CommandError(
                    f"{there} of {wanted} workers joined. {container.name} said last:\n{lines}",
                    "Are there memory and processors for so many?",
                )
        time.sleep(0.3)


def drive(
    *, image: str, prefix: str, command: list[str], data: Path | None = None, ranks: int = 2
) -> Any:
    """Start the driver container: the LeNet lesson, or a command of the user's."""
    from docker.types import Mount

    mounts = [Mount("/data", str(data.resolve()), type="bind", read_only=True)] if data else []
    return _start(
        connect(),
        image,
        f"{prefix}-driver",
        prefix,
        command or ["python", LESSON, "--ranks", str(ranks)],
        environment={"SPARK_MASTER": ADDRESS, "SANDBOX_OFFLINE": "1"},
        mounts=mounts,
    )


def down(prefix: str) -> int:
    """Remove the containers and the network of a cluster; give how many things were there."""
    client = connect()
    gone = [box for box in ours(client) if box.labels.get(CLUSTER) == prefix]
    networks = client.networks.list(filters={"label": f"{CLUSTER}={prefix}"})
    for container in gone:
        container.remove(force=True)
    for network in networks:
        network.remove()
    if gone:
        print(f"removed {len(gone)} containers of {prefix}")
    return len(gone) + len(networks)


def train(
    *,
    image: str,
    prefix: str,
    workers: int,
    memory: str,
    cores: int,
    data: Path | None,
    command: list[str],
) -> int:
    """Start a cluster, run the lesson or a command on it, show its output, take all down."""
    if data is not None and not data.is_dir():
        raise CommandError(f"--data names {data}, which is no folder.", "Give a folder of sets.")
    up(image=image, prefix=prefix, workers=workers, memory=memory, cores=cores)
    try:
        print(f"{workers} workers have joined {ADDRESS}", flush=True)
        driver = drive(
            image=image, prefix=prefix, command=command, data=data, ranks=workers * cores
        )
        for line in driver.logs(stream=True, follow=True):
            print(line.decode(errors="replace"), end="", flush=True)
        return int(driver.wait()["StatusCode"])
    finally:
        down(prefix)
