"""A stand-in for Docker, and the launcher run with it: anywhere, in milliseconds."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "run-bigdl-docker.sh"
PAYLOAD = """#!/bin/bash
echo "$@" >>"$FAKE_LOG"
case "$1 $2" in
  info*)
    if [[ -n "$FAKE_DOWN" ]]; then echo "$FAKE_DOWN" >&2; exit 1; fi
    echo "WARNING: a plug-in is broken" >&2
    if [[ -n "$FAKE_PODMAN" && "$*" != *Host* ]]; then echo "can't evaluate field" >&2; exit 125; fi
    echo 8000000000 2 "${FAKE_PODMAN:-[name=seccomp,profile=default $FAKE_SECURITY]}" ;;
  "image inspect") exit "${FAKE_NO_IMAGE:-0}" ;;
  "inspect --type") echo "$FAKE_THERE" ;;
  pull*) exit 1 ;;
  ps*) echo made-here ;;
  exec*) printf '%s\n' "$FAKE_SERVER" ;;
  logs*) printf '%s\n' "$FAKE_LOGS" ;;
  diff*) printf '%s\n' "$FAKE_DIFF" ;;
  "run --rm")
    if [[ "$*" == *--entrypoint* ]]; then echo "${FAKE_TRIED:-}" >&2; exit "${FAKE_TRIAL:-0}"; fi ;;
  run*)
    if [[ -n "$FAKE_TAKEN" && ! -e "$FAKE_LOG.once" ]]; then
      touch "$FAKE_LOG.once"
      echo "docker: Error response from daemon: driver failed: $FAKE_TAKEN" >&2
      exit 125
    fi
    if [[ -n "$FAKE_RUN" ]]; then echo "$FAKE_RUN" >&2; exit 125; fi; echo 0123abcd ;;
  "inspect --format") echo "${FAKE_RUNNING:-false}" ;;
esac
"""


@pytest.fixture
def launcher(tmp_path):
    """Give a function that runs the launcher in a folder of uid 1000 with a stand-in for Docker."""
    tools, folder = tmp_path / "tools", tmp_path / "work"
    tools.mkdir()
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, 1000, 100)
    fake = tools / "docker"
    fake.write_text(PAYLOAD)
    fake.chmod(0o755)

    def run(*words, tool=True, kill=None, **environment):
        path = f"{tools}:{os.environ['PATH']}" if tool else str(tmp_path / "bin")
        if not tool:  # everything but Docker
            (tmp_path / "bin").mkdir(exist_ok=True)
            for name in ("bash", "env", "stat", "uname", "cat", "od", "tr", "id"):
                place = tmp_path / "bin" / name
                found = next(
                    Path(p) / name for p in ("/bin", "/usr/bin") if (Path(p) / name).exists()
                )
                if not place.exists():
                    place.symlink_to(found)
        settings = {**os.environ, "PATH": path, "FAKE_LOG": str(tmp_path / "log"), **environment}
        for name in ("SANDBOX_TOKEN", "SANDBOX_DATA", "SANDBOX_IMAGE"):
            settings.pop(name, None)
        settings.update(environment)
        process = subprocess.Popen(
            [str(SCRIPT), *words],
            cwd=folder,
            env=settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # A shell cannot hear what was ignored before it began: tests may run under nohup.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
        try:
            if kill is not None:
                until = time.monotonic() + 30
                while "inspect --format" not in (run.log.read_text() if run.log.exists() else ""):
                    assert time.monotonic() < until
                    time.sleep(0.05)
                for _ in range(2):  # the impatient press Ctrl-C twice
                    os.killpg(process.pid, kill)
            said, complained = process.communicate(timeout=60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        return subprocess.CompletedProcess(words, process.returncode, said, complained)

    run.tools = tools
    run.folder = folder
    run.log = tmp_path / "log"
    return run


def planned(answer):
    assert answer.returncode == 0, answer.stderr
    return shlex.split(answer.stdout)


def after(words, option):
    return [words[i + 1] for i, word in enumerate(words[:-1]) if word == option]
