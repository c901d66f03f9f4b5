"""A Docker daemon of the tests' own, which leaves the machine as it was.

A second run on the same machine waits for the first one.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

BRIDGE, ADDRESS = "sbx-bridge0", "172.30.251.1/24"
PLACES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
# Paths below it must be short (sockets), and the place large: /tmp may lie in memory.
ROOM = Path("/var/tmp")
RUN_TIME = (Path("/run/docker"), Path("/run/containerd"))  # dockerd insists on these
# Ends with the test run, however that ends.
TIED = ("setpriv", "--pdeathsig", "TERM")


def search_path():
    return os.pathsep.join([os.environ.get("PATH", ""), *PLACES])


def which(name):
    return shutil.which(name, path=search_path())


class Daemon:
    """A dockerd with its own data folder and socket; the firewall is put back afterwards."""

    def __init__(self):
        self.turn = take_turn()
        sweep()
        self.folder = Path(tempfile.mkdtemp(prefix="sbx-docker-", dir=ROOM))
        self.host = f"unix://{self.folder}/docker.sock"
        self.rules = {program: firewall(program) for program in ("iptables", "ip6tables")}
        forwarding = Path("/proc/sys/net/ipv4/ip_forward")
        self.forwarding = (forwarding, forwarding.read_text())
        self.places = [path for path in RUN_TIME if not path.exists()]
        self.log = (self.folder / "log").open("wb")
        # A bridge of its own: the machine may have a daemon with docker0 already.
        network(f"link add {BRIDGE} type bridge")
        network(f"addr add {ADDRESS} dev {BRIDGE}")
        network(f"link set {BRIDGE} up")
        command = [
            *TIED, which("dockerd"), "--data-root", self.folder / "data", "--exec-root",
            self.folder / "exec", "--pidfile", self.folder / "pid", "--host", self.host,
            "--bridge", BRIDGE,
        ]  # fmt: skip
        self.process = subprocess.Popen(
            list(map(str, command)),
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
            env={**os.environ, "PATH": search_path()},
        )
        self.client = None
        try:
            self.client = self._connect()
        except BaseException:
            self.stop()
            raise

    def _connect(self):
        import docker

        until = time.monotonic() + 120
        while True:
            try:
                # The SDK leaves its socket open when nobody listens yet.
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.connect(self.host.removeprefix("unix://"))
                client = docker.DockerClient(base_url=self.host, timeout=300)
                client.ping()
                return client
            except Exception as error:
                if self.process.poll() is not None or time.monotonic() > until:
                    said = (self.folder / "log").read_text(errors="replace")[-2000:]
                    pytest.fail(f"no Docker daemon starts here: {error}\n{said}")
                time.sleep(0.2)

    def stop(self):
        if self.client is not None:
            with contextlib.suppress(Exception):  # a daemon that has died has no containers
                for container in self.client.containers.list(all=True):
                    container.remove(force=True)
            self.client.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self.log.close()
        for program, rules in self.rules.items():
            restore(program, rules)
        file, content = self.forwarding
        file.write_text(content)
        network(f"link delete {BRIDGE}")
        for place in (self.folder, *self.places):
            remove_tree(place)
        self.turn.close()


def take_turn():
    """Wait until no other run is at it on this machine; give what has to be closed at the end."""
    turn = socket.socket(socket.AF_UNIX)
    while True:
        try:
            turn.bind("\0bigdl-sandbox-carriers")  # no file: it goes with this process
            return turn
        except OSError:
            time.sleep(1)


def sweep():
    """Remove what a run that was killed has left: its daemon has ended with it."""
    for folder in ROOM.glob("sbx-*-*"):
        remove_tree(folder)


def remove_tree(folder):
    for _ in range(20):
        unmount(folder)
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.5)


def firewall(program):
    """Give the rules of `iptables` or `ip6tables`, or None where there is no such program."""
    saver = which(f"{program}-save")
    return saver and subprocess.run([saver], capture_output=True, text=True, check=False).stdout


def restore(program, rules):
    """Put the rules back; a table that was not there before is emptied."""
    if rules is None:
        return
    for table in re.split(r"(?m)^(?=\*)", firewall(program))[1:]:
        name = table.split()[0]
        if f"{name}\n" not in rules:
            chains = re.findall(r"(?m)^:(\S+) (?:ACCEPT|DROP)", table)
            rules += "\n".join([name, *(f":{chain} ACCEPT [0:0]" for chain in chains), "COMMIT\n"])
    subprocess.run([which(f"{program}-restore")], input=rules, text=True, check=True)


def network(words):
    """Change this machine's network; what is there already, or gone already, is no error."""
    subprocess.run([which("ip"), *words.split()], capture_output=True, check=False)


class Borrowed:
    """Somebody's running daemon, whose cache makes work on these tests quicker."""

    def __init__(self, host):
        import docker

        self.host = host
        self.client = docker.DockerClient(base_url=host, timeout=300)

    def stop(self):
        self.client.close()


def unmount(folder):
    """Unmount whatever is left mounted below a folder."""
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    inside = [line.split()[1] for line in mounts if line.split()[1].startswith(f"{folder}/")]
    for place in sorted(inside, reverse=True):
        subprocess.run(["umount", "-l", place], capture_output=True, check=False)
