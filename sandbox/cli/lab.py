"""`sandbox lab`: JupyterLab on the loopback, quiet, offline-safe, with a random token."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from . import java
from .places import trust, workplace

CONFIG = Path(__file__).parent / "jupyter"
LOOPBACK = "127.0.0.1"


def settings(*, port: int, browser: bool, folder: Path) -> list[str]:
    """Give the server's arguments.

    `CONFIG` adds what only a file can set: no news, no update checks, no extension catalogue,
    so that the page asks nothing of any host but this one.
    """
    return [
        f"--ServerApp.ip={LOOPBACK}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=100",
        f"--ServerApp.open_browser={browser}",
        f"--ServerApp.root_dir={folder}",
        f"--ServerApp.allow_root={os.name == 'posix' and os.geteuid() == 0}",
        "--ServerApp.log_level=WARN",
        "--LabApp.log_level=WARN",
        "--LabApp.news_url=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
        "--LabApp.default_url=/lab",
    ]


def has_display() -> bool:
    """Tell whether a browser window can be opened here."""
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def serve(*, port: int, browser: bool) -> None:
    """Serve until interrupted."""
    folder = workplace(tell=print)
    trust(folder)
    java.settle()
    old_path = os.environ.get("JUPYTER_CONFIG_PATH")
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, (str(CONFIG), old_path)))
    token = os.environ.pop("JUPYTER_TOKEN", "") or secrets.token_hex(24)

    from .server import Lab

    arguments = settings(port=port, browser=browser and has_display(), folder=folder)
    # Not by argument: all users of a machine see arguments. Nor left for the kernels to read.
    os.environ["JUPYTER_TOKEN"] = token
    try:
        server = Lab.initialize_server(argv=arguments)
    finally:
        del os.environ["JUPYTER_TOKEN"]
    if server.port != port:
        print(f"Port {port} is taken; using {server.port}.", flush=True)
    scheme = "https" if server.certfile else "http"
    address = f"{scheme}://{LOOPBACK}:{server.port}{server.base_url}lab"
    print(
        f"\nJupyterLab:  {address}?token={token}\n"
        f"Notebooks:   {folder}\n"
        "Stop it with Ctrl-C, twice.\n",
        flush=True,
    )
    server.start()
