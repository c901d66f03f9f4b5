"""A checkout with a ready environment, and a JupyterLab started by its script.

A real set-up takes minutes and a network. Here `bin/python` calls this very Python, and the stamp
says that the environment is complete: what follows after the set-up is the real thing.

As a program (`script_kit.py lab|run SCRIPT`) it runs inside a network namespace of its own.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = re.compile(r"JupyterLab:  http://127\.0\.0\.1:(\d+)/lab\?token=(\w+)")


def make_checkout(folder: Path) -> Path:
    """Copy what the script needs to start the product; give the script."""
    folder.mkdir(parents=True)
    for name in ("sandbox", "notebooks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("run-bigdl-native.sh", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    return folder / "run-bigdl-native.sh"


def make_environment(script: Path, venv: Path) -> None:
    """Make an environment that the script takes for set up."""
    root = script.parent.resolve()
    (venv / "bin").mkdir(parents=True)
    python = venv / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    recipe = re.search(r"^recipe=(\d+)", script.read_text(), re.MULTILINE)[1]
    lock = (root / "requirements.lock").read_bytes()
    stamp = hashlib.sha256(f"{recipe}\n".encode() + lock).hexdigest()
    (venv / "sandbox-stamp").write_text(stamp + "\n")
    (venv / "sandbox-checkout").write_text(f"{root}\n")


@contextmanager
def lab(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Iterator[dict]:
    """Run a command that starts JupyterLab; give its port, token, log and status."""
    with log.open("w") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    try:
        until = time.monotonic() + 60
        while not (found := ADDRESS.search(log.read_text())):
            if process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"no JupyterLab: {log.read_text()}")
            time.sleep(0.1)
        port, token = int(found[1]), found[2]
        status = _ask(port, token, until)
        yield {"port": port, "token": token, "log": log.read_text(), "status": status}
    finally:
        with suppress(ProcessLookupError):  # it ended by itself
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def _ask(port: int, token: str, until: float) -> dict:
    while True:
        try:
            address = f"http://127.0.0.1:{port}/api/status?token={token}"
            with urllib.request.urlopen(address, timeout=5) as answer:
                return json.load(answer)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def raise_loopback() -> None:
    """Switch `lo` on, which is off in a new network namespace; check that nothing else is there."""
    names = [name for _, name in socket.if_nameindex()]
    if names != ["lo"]:
        raise AssertionError(f"this is no network namespace of its own: {names}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        flags = struct.pack("16sh14x", b"lo", 0x1 | 0x40)  # IFF_UP | IFF_RUNNING
        fcntl.ioctl(probe, 0x8914, flags)  # SIOCSIFFLAGS


if __name__ == "__main__":
    verb, script = sys.argv[1:]
    raise_loopback()
    if verb == "lab":
        with lab([script, "lab", "--no-browser"], Path("lab.log"), os.environ) as told:
            print(json.dumps(told["status"]))
    else:
        sys.exit(
            subprocess.run([script, "run", "02_lenet_mnist", "--fast"], check=False).returncode
        )
