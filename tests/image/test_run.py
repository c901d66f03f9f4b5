"""Launchers, bundle, publishing and the cluster, with a real daemon."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox.cli.carriers import cluster, launch
from sandbox.cli.carriers.image import MADE_BASE
from tests.image.kit import ROOT, busy, get, wait_until

pytestmark = pytest.mark.docker


@pytest.fixture
def call(kit):
    """Run a command of the command line, or the launcher."""
    assert kit.image

    def run(*words, cwd=None, timeout=300):
        command = [sys.executable, "-m", "sandbox.cli", *words]
        if words[0].endswith(".sh"):
            command = [str(ROOT / words[0]), *words[1:]]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "DOCKER_HOST": kit.daemon.host}
        environment.pop("SANDBOX_DATA", None)
        return subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout
        )

    yield run
    for container in launch.ours(kit.client):
        container.remove(force=True)


@pytest.fixture
def taken():
    """Hold a port; give it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def address(text):
    found = re.search(r"http://127\.0\.0\.1:(\d+)/lab\?token=(\w+)", text)
    assert found, text
    return int(found[1]), found[2]


@pytest.mark.parametrize("launcher", ["python", "shell"])
def test_launcher_takes_the_next_port_and_tells_the_address(kit, call, work, taken, launcher):
    folder = work(4242, 4242)
    words = (
        ["docker", "run", kit.image, "--memory", "2g"]
        if launcher == "python"
        else ["run-bigdl-docker.sh", "--detach", "--mem", "2g", kit.image]
    )
    answer = call(*words, "--name", "lab-one", "--port", str(taken), cwd=folder)
    said = answer.stdout + answer.stderr
    assert answer.returncode == 0, said
    port, token = address(said)
    assert port != taken
    assert f"Port {taken} is taken; using {port}" in said
    assert get(port, "/api/kernels", token=token)[0] == 200
    assert (folder / "notebooks").stat().st_uid == 4242
    box = kit.client.containers.get("lab-one").attrs
    assert box["HostConfig"]["PortBindings"]["8888/tcp"][0]["HostIp"] == "127.0.0.1"
    assert box["HostConfig"]["Memory"] == 2 << 30
    assert box["HostConfig"]["CapDrop"] == ["ALL"]
    assert token not in " ".join(box["Args"])

    again = call(*words, "--name", "lab-one", cwd=folder)
    assert again.returncode == 2
    assert "lab-one is there already" in again.stderr
    listed = call("docker", "status")
    assert (listed.returncode, address(listed.stdout)) == (0, (port, token))
    started = time.monotonic()
    assert call("docker", "stop", "lab-one").returncode == 0
    assert time.monotonic() - started < busy(8)  # of which 5 at most for the container
    assert launch.ours(kit.client) == []


def test_launcher_in_the_foreground_runs_a_command_and_keeps_its_status(kit, call, work):
    folder = work(1000, 100)
    words = [
        "run-bigdl-docker.sh",
        kit.image,
        "--",
        "bash",
        "-c",
        'echo "$1 $PWD"; exit 5',
        "x",
        "a b",
    ]
    answer = call(*words, cwd=folder)
    assert (answer.returncode, answer.stdout) == (5, "a b /home/jovyan/work\n")


def test_what_cannot_start_is_told_and_leaves_nothing(kit, call, work):
    folder = work(1000, 100)
    cases = [
        (["docker", "run", "no-such:1", "--offline"], "there is no image no-such:1"),
        (["run-bigdl-docker.sh", "--offline", "no-such:1"], "there is no image no-such:1"),
        (["docker", "run", kit.image, "--memory", "900g"], "is more than the"),
        (["run-bigdl-docker.sh", "--mem", "900g", kit.image], "is more than the"),
        (["docker", "run", kit.image, "--memory", "64m"], "too little for Jupyter"),
        (["docker", "run", kit.image, "--cpus", "1000"], "--cpus must be"),
        (["docker", "run", kit.image, "--mount", "/"], "belongs to root"),
        (["run-bigdl-docker.sh", "--mount", "/", kit.image], "belongs to root"),
        (["docker", "run", kit.image, "--data", "/no/such"], "/no/such"),
        (["docker", "run", MADE_BASE], "Docker could not start it"),  # tini is not in it
        (["docker", "stop", "nobody"], "no container of the sandbox is called nobody"),
        (["docker", "build", "--extra-ca", "/etc/passwd"], "is no PEM certificate"),
        (["docker", "build", "--data", str(folder)], "holds no data set"),
        (["docker", "build", "--base-image", "registry.invalid/x:1"], "cannot be pulled"),
        (["docker", "bundle", str(folder), "--image", kit.image], "is there already"),
        (["docker", "publish", "UPPER/case"], "--repository must be like"),
    ]
    for words, part in cases:
        answer = call(*words, cwd=folder)
        assert answer.returncode == 2, (words, answer.stdout, answer.stderr)
        assert part in answer.stderr, (words, answer.stderr)
        assert "Traceback" not in answer.stderr
    assert launch.ours(kit.client) == []
    assert kit.client.images.list(filters={"dangling": True, "label": "none"}) == []


def test_bundle_can_be_checked_and_loaded(kit, call, tmp_path):
    """With a small image: the large one differs in time only."""
    assert kit.image
    target = tmp_path / "stick"
    answer = call("docker", "bundle", str(target), "--image", MADE_BASE)
    assert answer.returncode == 0, answer.stderr
    check = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=target, capture_output=True)
    assert check.returncode == 0, check.stdout
    assert os.access(target / "run-bigdl-docker.sh", os.X_OK)
    assert f"--offline {MADE_BASE}" in (target / "README.txt").read_text()
    known = kit.client.images.get(MADE_BASE).id
    with (target / "bigdl-sandbox.tar.gz").open("rb") as file:
        assert kit.client.images.load(file)[0].id == known
    assert [path.name for path in tmp_path.iterdir()] == ["stick"]


def test_publishing_is_shown_and_not_done(kit, call, tmp_path):
    first = call(
        "docker", "publish", "ghcr.io/team/box", "--image", kit.image, "--output", str(tmp_path)
    )
    assert first.returncode == 0, first.stderr
    assert "would publish (dry run" in first.stdout
    assert "ghcr.io/team/box:latest" in first.stdout
    assert "label org.opencontainers.image.revision=" in first.stdout
    again = call("docker", "publish", "ghcr.io/team/box", "--image", kit.image, "--previous",
                 str(tmp_path / "manifest.json"), "--output", str(tmp_path / "next"))  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert "No changes." in (tmp_path / "next" / "release-notes.md").read_text()
    assert kit.client.images.get(kit.image).tags == [kit.image]


def test_lenet_trains_on_a_cluster_of_containers_and_survives_a_killed_worker(kit):
    prefix = "t-cluster"
    cluster.up(image=kit.image, prefix=prefix, workers=3, memory="1g", cores=1)
    try:
        # Long enough that a quick machine is not done before the worker is killed.
        command = ["python", cluster.LESSON, "--ranks", "2", "--epochs", "20", "--rows", "12000"]
        data = os.environ.get("SANDBOX_DATA")
        driver = cluster.drive(
            image=kit.image, prefix=prefix, command=command, data=Path(data) if data else None
        )

        def said():
            return driver.logs().decode(errors="replace")

        def has_trained():
            driver.reload()
            assert driver.status != "exited", said()[-3000:]
            return "step: 20 " in said()

        wait_until(has_trained, "the twentieth step", patience_s=400)
        boxes = [kit.client.containers.get(name) for name in cluster.names(prefix, 3)[1:]]

        def at_work():
            count = ["pgrep", "-c", "-f", "pyspark.daemon"]  # the first one only waits for work
            return [box for box in boxes if int(box.exec_run(count).output) > 1]

        wait_until(at_work, "a worker trains")
        at_work()[0].kill()
        status = driver.wait(timeout=600)["StatusCode"]
        assert status == 0, said()[-3000:]
        assert "a worker was lost" in said()
        accuracy = re.search(r"^accuracy: ([\d.]+)$", said(), re.MULTILINE)
        assert accuracy is not None, said()[-3000:]
        assert float(accuracy[1]) > 0.85
        assert len(cluster.registered(kit.client.containers.get(f"{prefix}-master"))) == 3
    finally:
        cluster.down(prefix)
    assert launch.ours(kit.client) == []
    assert kit.client.networks.list(names=[f"^{prefix}$"]) == []
