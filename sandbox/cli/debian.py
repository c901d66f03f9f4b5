"""Debian packages that the checks need: installed where they are missing, by root only."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

POLICY = Path("/usr/sbin/policy-rc.d")
TRIES = 3


def refusal() -> str | None:
    """Say why packages cannot be installed from here, or give None."""
    if shutil.which("apt-get") is None:
        return "this is no Debian"
    if os.geteuid() != 0:
        return "only root may install them"
    if os.environ.get("SANDBOX_OFFLINE"):
        return "SANDBOX_OFFLINE forbids to download them"
    return None


def install(packages: Sequence[str]) -> str:
    """Install packages without starting their services; give apt's complaint, or nothing.

    A mirror may stumble and another apt may hold the lock, so that apt is asked several times.
    """
    print(f"Installing Debian's {' '.join(packages)} ...", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    patience = ["-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=5"]
    commands = (
        ["apt-get", *patience, "update"],
        ["apt-get", *patience, "install", "-y", "--no-install-recommends", *packages],
    )
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")  # 101: no service may start
        POLICY.chmod(0o755)
    try:
        for attempt in range(TRIES):
            time.sleep(20 * attempt)
            answers = [
                subprocess.run(words, capture_output=True, env=environment, check=False)
                for words in commands
            ]
            if answers[-1].returncode == 0:
                return ""
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)
    return "".join(answer.stderr.decode(errors="replace") for answer in answers)[-2000:]
