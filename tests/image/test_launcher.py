"""run-bigdl-docker.sh and the start of the container, with a stand-in for Docker: runs anywhere."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "run-bigdl-docker.sh"
PAYLOAD = """#!/bin/bash
echo "$@" >>"$FAKE_LOG"
case "$1 $2" in
  "info --format")
    if [[ -n "$FAKE_DOWN" ]]; then echo "$FAKE_DOWN" >&2; exit 1; fi
    echo 8000000000 ;;
  "image inspect") exit "${FAKE_NO_IMAGE:-0}" ;;
  "inspect --type") echo "$FAKE_THERE" ;;
  pull*) exit 1 ;;
  run*) if [[ -n "$FAKE_RUN" ]]; then echo "$FAKE_RUN" >&2; exit 125; fi; echo 0123abcd ;;
  "inspect --format") echo false ;;
esac
"""
pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs bash")


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

    def run(*words, tool=True, **environment):
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
        return subprocess.run(
            [str(SCRIPT), *words],
            cwd=folder,
            env=settings,
            capture_output=True,
            text=True,
            timeout=60,
        )

    run.folder = folder
    run.log = tmp_path / "log"
    return run


def planned(answer):
    assert answer.returncode == 0, answer.stderr
    return shlex.split(answer.stdout)


def after(words, option):
    return [words[i + 1] for i, word in enumerate(words[:-1]) if word == option]


def test_default_is_one_port_on_the_loopback_as_the_owner_of_the_folder(launcher):
    words = planned(launcher("--dry-run"))
    assert words[-1] == "bigdl-sandbox:latest"
    (port,) = after(words, "-p")
    assert port.startswith("127.0.0.1:")
    assert port.endswith(":8888")
    owner = launcher.folder.stat()
    assert after(words, "--user") == [f"{owner.st_uid}:{owner.st_gid}"]
    assert after(words, "-v") == [f"{launcher.folder}:/home/jovyan/work"]
    assert after(words, "--cap-drop") == ["ALL"]
    assert after(words, "-e") == ["SANDBOX_TOKEN"]  # its value is not in the list of processes


def test_all_arguments_of_a_command_are_kept(launcher):
    words = planned(launcher("--dry-run", "--", "run", "my notebook", "--output", "a b"))
    assert words[-5:] == ["bigdl-sandbox:latest", "run", "my notebook", "--output", "a b"]
    words = planned(launcher("--dry-run", "team/image:2", "bash", "-c", "echo $HOME"))
    assert words[-4:] == ["team/image:2", "bash", "-c", "echo $HOME"]


def test_options_reach_docker(launcher, tmp_path):
    words = planned(
        launcher(
            "--dry-run", "--mem=3g", "--cpus", "1.5", "--name", "one", "--data", str(tmp_path),
            "--offline", "--port", "9000",
        )
    )  # fmt: skip
    assert after(words, "--memory") == after(words, "--memory-swap") == ["3g"]
    assert after(words, "--cpus") == ["1.5"]
    assert after(words, "--name") == ["one"]
    assert f"{tmp_path}:/data:ro" in after(words, "-v")
    assert "SANDBOX_OFFLINE=1" in after(words, "-e")
    assert "SANDBOX_DATA=/data" in after(words, "-e")


def test_lan_opens_and_insists_on_a_token(launcher):
    assert after(planned(launcher("--dry-run", "--lan")), "-p")[0].startswith("0.0.0.0:")
    refused = launcher("--dry-run", "--lan", "--token", "")
    assert refused.returncode == 2
    assert "--lan insists on a token" in refused.stderr


def test_a_port_in_use_is_passed_over(launcher):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        answer = launcher("--dry-run", "--port", str(port))
    assert f"Port {port} is taken" in answer.stderr
    assert after(planned(answer), "-p") != [f"127.0.0.1:{port}:8888"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "x"], "--port must be"),
        (["--port", "70000"], "--port must be"),
        (["--mem", "lots"], "--mem must be"),
        (["--cpus", "two"], "--cpus must be"),
        (["--name", "a b"], "--name must be"),
        (["--mount", "/no/such"], "/no/such, which is no folder"),
        (["--data", "/no/such"], "/no/such is no folder"),
        (["--token", "short"], "--token must be"),
        (["--wrong"], "no such option: --wrong"),
        (["--port"], "--port needs a value"),
    ],
)
def test_a_wrong_option_ends_with_two(launcher, words, said):
    answer = launcher(*words)
    assert answer.returncode == 2
    assert said in answer.stderr
    assert not launcher.log.exists()  # Docker was not asked anything


@pytest.mark.parametrize(
    ("fake", "said"),
    [
        ({"FAKE_DOWN": "Cannot connect to the Docker daemon"}, "no Docker daemon answers"),
        ({"FAKE_DOWN": "permission denied while trying"}, "may not speak to Docker"),
        ({"FAKE_NO_IMAGE": "1"}, "there is no image bigdl-sandbox:latest"),
        ({"FAKE_THERE": "running lab"}, "is there already (running)"),
        ({"FAKE_THERE": "exited "}, "is there already (exited)"),
        ({"FAKE_RUN": "docker: Error: no space left on device"}, "no space left on device"),
        ({}, "the sandbox did not start"),
    ],
)
def test_what_docker_cannot_do_is_told_with_a_cure(launcher, fake, said):
    answer = launcher("--mem", "2g", **fake)
    assert answer.returncode == 2
    assert said in answer.stderr
    if "run" in [line.split()[0] for line in launcher.log.read_text().splitlines()]:
        assert "rm -f bigdl-sandbox" in launcher.log.read_text()  # nothing is left behind


def test_more_memory_than_there_is_and_too_little_are_refused(launcher):
    assert "more than the 7629 MB" in launcher("--mem", "9g").stderr
    assert "too little" in launcher("--mem", "100m").stderr


def test_an_ended_container_of_ours_is_replaced(launcher):
    launcher(FAKE_THERE="exited lab")
    assert "rm bigdl-sandbox" in launcher.log.read_text()


def test_without_docker_the_ways_out_are_named(launcher):
    answer = launcher(tool=False)
    assert answer.returncode == 2
    assert "Docker is not installed here" in answer.stderr
    assert "run-bigdl-native.sh" in answer.stderr


def test_help_ends_with_zero():
    answer = subprocess.run([str(SCRIPT), "--help"], capture_output=True, text=True, timeout=20)
    assert answer.returncode == 0
    assert "--offline" in answer.stdout


@pytest.mark.parametrize("verb", ["run", "build", "status", "bundle"])
def test_verbs_say_that_docker_is_not_there(verb, tmp_path):
    words = {"bundle": [str(tmp_path / "x")]}.get(verb, [])
    answer = subprocess.run(
        [sys.executable, "-m", "sandbox.cli", "docker", verb, *words],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"},
    )
    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr
    assert "Docker" in answer.stderr
    assert list(tmp_path.iterdir()) == []
