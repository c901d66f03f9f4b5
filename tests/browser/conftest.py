"""A real JupyterLab and a real Chromium, both on the loopback, both with folders of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox.cli import lab, places
from sandbox.cli.test import find_browser

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "only-for-this-test"
LOOPBACK = ("127.0.0.1", "localhost")
SCREENSHOTS = os.environ.get("SANDBOX_SCREENSHOTS")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def chromium() -> str:
    path = find_browser()
    if path is None:
        pytest.skip("Chromium is not installed: the browser tests cannot run")
    return path


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    folder = Path(SCREENSHOTS) if SCREENSHOTS else tmp_path / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Lab:
    """A running JupyterLab: its address and its folder."""

    def __init__(self, port: int, folder: Path, log: Path) -> None:
        self.port = port
        self.folder = folder
        self.log = log

    def address(self, notebook: str) -> str:
        # `reset`: a restored workspace would open every notebook twice.
        return f"http://127.0.0.1:{self.port}/lab/tree/{notebook}?reset&token={TOKEN}"


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Start JupyterLab with the product's own settings on a learner's copies of the lessons."""
    tmp_path = tmp_path_factory.mktemp("lab")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANDBOX_HOME", str(tmp_path / "home"))
        yield from serve(tmp_path, places.workplace())


def serve(tmp_path: Path, folder: Path) -> Iterator[Lab]:
    """Run a server on this folder until it is given back."""
    port, log = free_port(), tmp_path / "lab.log"
    environment = {
        **os.environ,
        "FAST": "1",
        "JUPYTER_TOKEN": TOKEN,
        "JUPYTER_CONFIG_PATH": str(lab.CONFIG),
        "PYTHONPATH": str(ROOT),
        **{f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "DATA", "RUNTIME")},
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }
    command = [sys.executable, "-m", "jupyterlab", "--LabApp.expose_app_in_browser=True"]
    command += lab.settings(port=port, browser=False, folder=folder)
    with log.open("w") as out:
        server = subprocess.Popen(
            command, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/api/status?token={TOKEN}", server, log)
        yield Lab(port, folder, log)
    finally:
        server.send_signal(signal.SIGTERM)  # the server ends its kernels
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not answer:\n{log.read_text()}")


class Watch:
    """What a page did that it must not do: errors, and requests to other hosts."""

    def __init__(self, page: Any) -> None:
        self.problems: list[str] = []
        self.requests = 0
        page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        page.on("console", self.console)
        page.on("request", lambda request: self.request(request.url))
        page.on("websocket", lambda socket: self.request(socket.url))
        page.on("requestfailed", self.failed)

    def console(self, message: Any) -> None:
        if message.type == "error":
            self.problems.append(f"console: {message.text}")

    def failed(self, request: Any) -> None:
        reason = request.failure or ""
        if "ERR_ABORTED" not in reason:  # the page itself called it off
            self.problems.append(f"request failed: {request.url} {reason}")

    def request(self, address: str) -> None:
        self.requests += 1
        parts = urlsplit(address)
        if parts.scheme in ("data", "blob"):
            return
        if parts.hostname not in LOOPBACK:
            self.problems.append(f"request to another host: {address}")


@pytest.fixture
def page(chromium: str) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": 1400, "height": 1300})
        view.set_default_timeout(120_000)
        view.watch = Watch(view)
        yield view
        if SCREENSHOTS:
            view.screenshot(path=Path(SCREENSHOTS) / "last.png")
        browser.close()
