"""What the carriers' tests share: a private Docker daemon, the image, containers that go away.

Everything is made once per test run, on first use, and taken down at its end: what went wrong is
not tried again for the next test. As root on Debian the packages that are missing are installed
first.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import sys
import tempfile
import time
import uuid
from pathlib import Path

import pytest

from sandbox.cli import debian
from sandbox.cli.errors import CommandError
from tests.image.daemon import ROOM, Borrowed, Daemon, which

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "bigdl-sandbox:test"
PACKAGES = ("docker.io", "iptables", "mmdebstrap", "qemu-system-x86", "qemu-utils", "packer",
            "mtools", "fdisk", "e2fsprogs", "grub-common", "ovmf", "openssh-server",
            "openssh-client", "iproute2", "docker-compose", "openssl", "podman", "rootlesskit",
            "uidmap", "passwd")  # fmt: skip
PROGRAMS = ("docker", "dockerd", "iptables-save", "mmdebstrap", "qemu-system-x86_64", "qemu-img",
            "packer", "mformat", "sfdisk", "mke2fs", "grub-mkimage", "sshd", "ssh",
            "ip", "docker-compose", "openssl", "podman", "rootlesskit", "newuidmap",
            "useradd")  # fmt: skip
READY = os.environ.get("SANDBOX_TEST_DOCKER")  # see Borrowed


def missing_programs():
    return [name for name in PROGRAMS if which(name) is None]


def reason_against():
    """Say why carriers cannot be built and started here, or give None."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "carriers are tested on Linux, x86-64"
    if os.geteuid() != 0:
        return "carriers are tested as root (a Docker daemon of their own, Debian systems)"
    missing, refusal = missing_programs(), debian.refusal()
    if missing and refusal:
        return (
            f"these programs are missing: {', '.join(missing)}, and {refusal} "
            f"(Debian: apt-get install {' '.join(PACKAGES)})"
        )
    return None


def certificates():
    """List this machine's additional certificate authorities: builds here may need them."""
    found = sorted(Path("/usr/local/share/ca-certificates").rglob("*.crt"))
    bundles = (os.environ.get(name) for name in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"))
    return found or [Path(bundle) for bundle in bundles if bundle and Path(bundle).is_file()][:1]


class Kit:
    """The daemon and the image, made when they are first asked for."""

    def __init__(self):
        self.exits = contextlib.ExitStack()
        self._made = {}

    def temporary(self, name):
        """Make a folder with a short path that goes away at the end of the run."""
        assert self.daemon  # whose start sweeps the place
        holder = tempfile.TemporaryDirectory(prefix=f"sbx-{name}-", dir=ROOM)
        self.exits.callback(holder.cleanup)
        return Path(holder.name)

    def once(self, name, make):
        """Make something the first time; its error in the end is the error of all later times."""
        if name not in self._made:
            try:
                try:
                    self._made[name] = (make(), None)
                except CommandError as error:  # a mirror, most often
                    print(f"{name}: {error}\nonce more ...")
                    self._made[name] = (make(), None)
            except BaseException as error:
                self._made[name] = (None, str(error) or repr(error))
                raise
        made, error = self._made[name]
        if error is not None:
            pytest.fail(f"no {name} (see the first test that wanted it): {error.splitlines()[0]}")
        return made

    @property
    def programs(self):
        """Give the programs, after installing the Debian packages of those that are missing."""
        return self.once("Debian packages", self._install_packages)

    def _install_packages(self):
        if missing_programs():
            complaint = debian.install(PACKAGES)
            if missing := missing_programs():
                pytest.fail(f"apt-get did not bring {', '.join(missing)}:\n{complaint}")
        return PROGRAMS

    @property
    def daemon(self):
        assert self.programs
        return self.once("Docker daemon", self._start_daemon)

    def _start_daemon(self):
        daemon = Borrowed(READY) if READY else Daemon()
        self.exits.callback(daemon.stop)
        os.environ["DOCKER_HOST"] = daemon.host
        return daemon

    @property
    def client(self):
        return self.daemon.client

    @property
    def image(self):
        """Give the image's name, after building it through the command line's own code."""
        assert self.daemon
        return self.once("Docker image", self._build_image)

    def _build_image(self):
        from sandbox.cli.carriers import image

        if not (READY and self.client.images.list(image.MADE_BASE)):
            image.make_base(self.client)
        image.build(tag=IMAGE, base=image.MADE_BASE, extra_ca=certificates())
        return IMAGE


KIT = pytest.StashKey[Kit]()


def kit(config):
    """Give the one kit of this test run, or skip."""
    reason = reason_against()
    if reason:
        pytest.skip(reason)
    if KIT not in config.stash:
        config.stash[KIT] = Kit()
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

    def run(self, command, *, timeout=300, **options):
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


def wait_until(condition, what, *, patience_s=120, every_s=0.2):
    """Wait for something; give the seconds it took."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > patience_s:
            pytest.fail(f"not within {patience_s} s: {what}")
        time.sleep(every_s)
    return time.monotonic() - started


def busy(seconds):
    """Give the time that what takes so many seconds may take with everything else that runs."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def get(port, path, *, token="", method="GET", data=None, timeout=120, tls=None):
    """Ask over HTTP(S), past proxies and redirects; give (status, body, headers)."""
    import http.client

    if tls is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    else:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=tls)
    try:
        headers = {"Authorization": f"token {token}"} if token else {}
        connection.request(method, path, body=data, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace"), dict(answer.getheaders())
    finally:
        connection.close()


def compute(port, token, code, *, timeout=300, tls=None):
    """Run code in a fresh kernel of a Jupyter server; give what it printed."""
    import json

    import websocket

    status, body, _ = get(
        port, "/api/kernels", token=token, method="POST", data="{}", timeout=timeout, tls=tls
    )
    assert status == 201, body
    kernel = json.loads(body)["id"]
    address = f"{'wss' if tls else 'ws'}://127.0.0.1:{port}/api/kernels/{kernel}/channels"
    socket = websocket.create_connection(
        address, timeout=timeout, header=[f"Authorization: token {token}"], http_no_proxy=["*"],
        sslopt={"context": tls} if tls else None,
    )  # fmt: skip
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
        waiting = {"execute_reply", "idle"}  # two sockets behind this one: in either order
        while waiting:
            answer = json.loads(socket.recv())
            if answer["parent_header"].get("msg_id") != message:
                continue
            if answer["msg_type"] == "stream":
                printed.append(answer["content"]["text"])
            if answer["msg_type"] == "error":
                pytest.fail("\n".join(answer["content"]["traceback"]))
            waiting -= {answer["msg_type"], answer["content"].get("execution_state")}
        return "".join(printed)
    finally:
        socket.close()
        gone = f"/api/kernels/{kernel}"
        get(port, gone, token=token, method="DELETE", timeout=timeout, tls=tls)


def terminal(port, token, lines, *, timeout=60):
    """Type lines into a fresh terminal of a Jupyter server; give what was on its screen."""
    import json

    import websocket

    status, body, _ = get(port, "/api/terminals", token=token, method="POST", data="{}")
    assert status == 200, body
    name = json.loads(body)["name"]
    socket = websocket.create_connection(
        f"ws://127.0.0.1:{port}/terminals/websocket/{name}", timeout=timeout,
        header=[f"Authorization: token {token}"], http_no_proxy=["*"],
    )  # fmt: skip
    screen = ""
    try:
        for number, line in enumerate(lines):
            end = f"line-{number}-is-done"
            socket.send(json.dumps(["stdin", f"{line}\r"]))
            socket.send(json.dumps(["stdin", f"printf '%s\\n' {end[:5]}{end[5:]!r}\r"]))
            shown = ""
            while f"\n{end}" not in plain(shown):
                kind, text, *_ = json.loads(socket.recv())
                shown += text if kind == "stdout" else ""
            screen += plain(shown)
        return screen
    finally:
        socket.close()
        get(port, f"/api/terminals/{name}", token=token, method="DELETE")


def plain(screen):
    """Give what a terminal shows without what steers it."""
    return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\a]*\a)|\r", "", screen)
