"""What the carriers' tests share: a private Docker daemon, the image, containers that go away.

Everything is made once per test run, on first use, and taken down at its end. As root on Debian the
packages that are missing are installed first.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "bigdl-sandbox:test"
PACKAGES = (
    "docker.io iptables mmdebstrap qemu-system-x86 qemu-utils packer mtools dosfstools fdisk "
    "e2fsprogs grub-common grub-pc-bin grub-efi-amd64-bin ovmf openssh-server openssh-client "
    "iproute2"
)
PROGRAMS = ("dockerd", "iptables-save", "mmdebstrap", "qemu-system-x86_64", "qemu-img", "packer",
            "mformat", "sfdisk", "mke2fs", "grub-mkimage", "ssh", "sshd", "ip")  # fmt: skip
BRIDGE, ADDRESS = "sbx-bridge0", "172.30.251.1/24"
READY = os.environ.get("SANDBOX_TEST_DOCKER")  # see Borrowed
PLACES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def which(name):
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *PLACES]))


def reason_against():
    """Say why carriers cannot be built and started here, or give None."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "carriers are tested on Linux, x86-64"
    if os.geteuid() != 0:
        return "carriers are tested as root (a Docker daemon of their own, Debian systems)"
    missing = [name for name in PROGRAMS if which(name) is None]
    if missing and which("apt-get") is None:
        return (
            f"these programs are missing: {', '.join(missing)} (Debian: apt-get install {PACKAGES})"
        )
    return None


def install_packages():
    """Install the Debian packages that are missing."""
    if all(which(name) for name in PROGRAMS):
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Installing must not start daemons of the system's own.
    policy = Path("/usr/sbin/policy-rc.d")
    own_policy = not policy.exists()
    if own_policy:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        for words in ("update -q", f"install -q -y --no-install-recommends {PACKAGES}"):
            answer = subprocess.run(
                ["apt-get", *words.split()], capture_output=True, text=True, env=environment
            )
            if answer.returncode:
                pytest.fail(f"apt-get {words.split()[0]} failed:\n{answer.stderr[-2000:]}")
    finally:
        if own_policy:
            policy.unlink()


def certificates():
    """List this machine's additional certificate authorities: builds here may need them."""
    return sorted(Path("/usr/local/share/ca-certificates").rglob("*.crt"))


class Daemon:
    """A dockerd with its own data folder and socket; the firewall is put back afterwards."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="sbx-", dir="/tmp"))
        self.host = f"unix://{self.folder}/docker.sock"
        self.rules = subprocess.run(
            [which("iptables-save")], capture_output=True, text=True, check=False
        ).stdout
        forwarding = Path("/proc/sys/net/ipv4/ip_forward")
        self.forwarding = (forwarding, forwarding.read_text())
        self.log = (self.folder / "log").open("wb")
        # A bridge of its own: the machine may have a daemon with docker0 already.
        network(f"link add {BRIDGE} type bridge")
        network(f"addr add {ADDRESS} dev {BRIDGE}")
        network(f"link set {BRIDGE} up")
        command = [
            which("dockerd"), "--data-root", self.folder / "data", "--exec-root",
            self.folder / "exec", "--pidfile", self.folder / "pid", "--host", self.host,
            "--bridge", BRIDGE,
        ]  # fmt: skip
        path = os.pathsep.join([os.environ.get("PATH", ""), *PLACES])
        self.process = subprocess.Popen(
            list(map(str, command)),
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
            env={**os.environ, "PATH": path},
        )
        self.client = self._connect()

    def _connect(self):
        import docker

        until = time.monotonic() + 60
        while True:
            try:
                client = docker.DockerClient(base_url=self.host, timeout=300)
                client.ping()
                return client
            except Exception as error:
                if self.process.poll() is not None or time.monotonic() > until:
                    said = (self.folder / "log").read_text(errors="replace")[-2000:]
                    self.stop()
                    pytest.fail(f"no Docker daemon starts here: {error}\n{said}")
                time.sleep(0.2)

    def stop(self):
        client = getattr(self, "client", None)
        if client is not None:
            for container in client.containers.list(all=True):
                container.remove(force=True)
            client.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self.log.close()
        if self.rules:
            subprocess.run([which("iptables-restore")], input=self.rules, text=True, check=False)
        file, content = self.forwarding
        file.write_text(content)
        network(f"link delete {BRIDGE}")
        for _ in range(20):
            unmount(self.folder)
            shutil.rmtree(self.folder, ignore_errors=True)
            if not self.folder.exists():
                break
            time.sleep(0.5)


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


class Kit:
    """The daemon and the image, made when they are first asked for."""

    def __init__(self, config):
        self.config = config
        self._daemon = None
        self._image = None
        self.seconds = {}

    def temporary(self, name):
        """Make a folder with a short path that goes away at the end of the run."""
        holder = tempfile.TemporaryDirectory(prefix=f"sbx-{name}-", dir="/tmp")
        self.config.add_cleanup(holder.cleanup)
        return Path(holder.name)

    @property
    def daemon(self):
        if self._daemon is None:
            install_packages()
            self._daemon = Borrowed(READY) if READY else Daemon()
            self.config.add_cleanup(self._daemon.stop)
            os.environ["DOCKER_HOST"] = self._daemon.host
        return self._daemon

    @property
    def client(self):
        return self.daemon.client

    @property
    def image(self):
        """Give the image's name, after building it through the command line's own code."""
        if self._image is None:
            from sandbox.cli.carriers import image

            client = self.client
            started = time.monotonic()
            if not (READY and client.images.list(image.MADE_BASE)):
                image.make_base(client)
            self.seconds["base"] = time.monotonic() - started
            started = time.monotonic()
            image.build(tag=IMAGE, base=image.MADE_BASE, extra_ca=certificates())
            self.seconds["build"] = time.monotonic() - started
            self._image = IMAGE
        return self._image


KIT = pytest.StashKey[Kit]()


def kit(config):
    """Give the one kit of this test run, or skip."""
    reason = reason_against()
    if reason and os.environ.get("CI", "").lower() in ("1", "true", "yes"):
        pytest.fail(f"{reason}; continuous integration may not leave this out")
    if reason:
        pytest.skip(reason)
    if KIT not in config.stash:
        config.stash[KIT] = Kit(config)
    return config.stash[KIT]


class Containers:
    """Starts containers and removes them when the test ends."""

    def __init__(self, kit):
        self.kit = kit
        self.started = []

    def start(self, command=None, *, port=False, **options):
        name = f"t-{uuid.uuid4().hex[:8]}"
        if port:
            options["ports"] = {"8888/tcp": ("127.0.0.1", None)}
        container = self.kit.client.containers.create(self.kit.image, command, name=name, **options)
        self.started.append(container)
        container.start()
        container.reload()
        return container

    def run(self, command, *, timeout=120, **options):
        """Run to the end; give (status, output)."""
        container = self.start(command, **options)
        status = container.wait(timeout=timeout)["StatusCode"]
        return status, container.logs().decode(errors="replace")

    def remove(self):
        from docker.errors import NotFound

        for container in self.started:
            with contextlib.suppress(NotFound):  # a test may have removed it itself
                container.remove(force=True, v=True)


def published(container):
    container.reload()
    return int(container.attrs["NetworkSettings"]["Ports"]["8888/tcp"][0]["HostPort"])


def wait_until(condition, what, *, patience_s=60, every_s=0.2):
    """Wait for something; give the seconds it took."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > patience_s:
            pytest.fail(f"not within {patience_s} s: {what}")
        time.sleep(every_s)
    return time.monotonic() - started


def get(port, path, *, token="", method="GET", data=None):
    """Ask over HTTP, past proxies and redirects; give (status, body, headers)."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        headers = {"Authorization": f"token {token}"} if token else {}
        connection.request(method, path, body=data, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace"), dict(answer.getheaders())
    finally:
        connection.close()


def compute(port, token, code, *, timeout=120):
    """Run code in a fresh kernel of a Jupyter server; give what it printed."""
    import json

    import websocket

    status, body, _ = get(port, "/api/kernels", token=token, method="POST", data="{}")
    assert status == 201, body
    kernel = json.loads(body)["id"]
    address = f"ws://127.0.0.1:{port}/api/kernels/{kernel}/channels"
    socket = websocket.create_connection(
        address, timeout=timeout, header=[f"Authorization: token {token}"], http_no_proxy=["*"]
    )
    try:
        message = uuid.uuid4().hex
        request = {
            "header": {
                "msg_id": message, "msg_type": "execute_request", "version": "5.3", "date": "",
                "username": "", "session": message,
            },
            "parent_header": {}, "metadata": {}, "channel": "shell",
            "content": {"code": code, "silent": False, "store_history": False,
                        "user_expressions": {}, "allow_stdin": False},
        }  # fmt: skip
        socket.send(json.dumps(request))
        printed = []
        while True:
            answer = json.loads(socket.recv())
            if answer["parent_header"].get("msg_id") != message:
                continue
            if answer["msg_type"] == "stream":
                printed.append(answer["content"]["text"])
            if answer["msg_type"] == "error":
                pytest.fail("\n".join(answer["content"]["traceback"]))
            if answer["msg_type"] == "execute_reply":
                return "".join(printed)
    finally:
        socket.close()
        get(port, f"/api/kernels/{kernel}", token=token, method="DELETE")
