"""run-bigdl-docker.sh and the start of the container, with a stand-in for Docker: runs anywhere."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
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


def test_default_is_one_port_on_the_loopback_as_the_owner_of_the_folder(launcher):
    words = planned(launcher("--dry-run"))
    assert words[-1] == "bigdl-sandbox:latest"
    (port,) = after(words, "-p")
    assert port.startswith("127.0.0.1:")
    assert port.endswith(":8888")
    owner = launcher.folder.stat()
    assert after(words, "--user") == [f"{owner.st_uid}:{owner.st_gid}"]
    assert after(words, "--mount") == [f"type=bind,src={launcher.folder},dst=/home/jovyan/work"]
    assert after(words, "--name") == ["bigdl-sandbox"]
    assert after(words, "--cap-drop") == ["ALL"]
    assert after(words, "-e") == ["SANDBOX_TOKEN"]  # its value is not in the list of processes


def test_all_arguments_of_a_command_are_kept(launcher):
    words = planned(launcher("--dry-run", "--", "run", "my notebook", "--output", "a b"))
    assert words[-5:] == ["bigdl-sandbox:latest", "run", "my notebook", "--output", "a b"]
    words = planned(launcher("--dry-run", "team/image:2", "bash", "-c", "echo $HOME"))
    assert words[-4:] == ["team/image:2", "bash", "-c", "echo $HOME"]
    assert "--name" not in words  # it may run beside a JupyterLab


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
    assert f"type=bind,src={tmp_path},dst=/data,readonly" in after(words, "--mount")
    assert "SANDBOX_OFFLINE=1" in after(words, "-e")
    assert "SANDBOX_DATA=/data" in after(words, "-e")


def test_variables_volumes_and_an_authority_reach_docker(launcher):
    (launcher.folder / "sets").mkdir()
    authority = launcher.folder / "proxy.crt"
    authority.write_text("-----BEGIN CERTIFICATE-----\n")
    words = planned(
        launcher(
            "--dry-run", "-e", "A=b c", "--env=HTTPS_PROXY", "-v", "./sets:/more:ro",
            "--volume", "packages:/home/jovyan/.local", "--extra-ca", "proxy.crt", "--https",
        )
    )  # fmt: skip
    assert {"A=b c", "HTTPS_PROXY"} < set(after(words, "-e"))
    assert after(words, "--volume") == [
        f"{launcher.folder}/./sets:/more:ro",
        "packages:/home/jovyan/.local",
    ]
    trusted = [word for word in after(words, "-e") if word.startswith("SANDBOX_EXTRA_CA=")]
    inside = trusted[0].partition("=")[2]
    assert f"type=bind,src={authority},dst={inside},readonly" in after(words, "--mount")
    assert f"SANDBOX_HTTPS={socket.gethostname()}" in after(words, "-e")


@pytest.mark.parametrize("words", [["--ServerApp.base_url=/a/"], ["lab", "--debug"], ["lab"]])
def test_options_of_jupyterlab_are_no_command(launcher, words):
    plan = planned(launcher("--dry-run", "--", *words))
    assert after(plan, "-p")
    given = [word for word in words if word != "lab"]
    assert plan[plan.index("bigdl-sandbox:latest") + 1 :] == given


@pytest.mark.parametrize(
    ("facts", "user", "more"),
    [
        ({}, "owner", []),
        ({"FAKE_SECURITY": "name=rootless name=cgroupns"}, "0:0", []),
        ({"FAKE_SECURITY": "name=userns"}, "owner", ["--userns", "host"]),
        ({"FAKE_SECURITY": "name=selinux"}, "owner", ["--security-opt", "label=disable"]),
        ({"FAKE_PODMAN": "rootless=true selinux=false"}, "0:0", []),
        (
            {"FAKE_PODMAN": "rootless=false selinux=true"},
            "owner",
            ["--security-opt", "label=disable"],
        ),
    ],
)
def test_the_work_belongs_to_its_owner_under_every_kind_of_docker(launcher, facts, user, more):
    words = planned(launcher("--dry-run", **facts))
    owner = launcher.folder.stat()
    expected = f"{owner.st_uid}:{owner.st_gid}" if user == "owner" else user
    assert after(words, "--user") == [expected]
    rest = words[: words.index("--user")]
    assert rest[len(rest) - len(more) :] == more
    assert ("--userns" in words, "label=disable" in words) == (
        "--userns" in more,
        "label=disable" in more,
    )


def test_podman_serves_where_there_is_no_docker(launcher):
    (launcher.tools / "docker").rename(launcher.tools / "podman")
    path = f"{launcher.tools}:{launcher.folder.parent / 'bin'}"
    launcher(tool=False)  # makes that folder
    for name in ("sed", "dirname"):
        (launcher.folder.parent / "bin" / name).symlink_to(shutil.which(name))
    words = planned(launcher("--dry-run", PATH=path, FAKE_PODMAN="rootless=true selinux=false"))
    assert words[0] == "podman"
    assert after(words, "--user") == ["0:0"]


@pytest.mark.parametrize(
    ("server", "address", "place"),
    [
        ({}, "https://127.0.0.1:{port}/lab?token=abcdefgh", "{folder}"),
        ({"base_url": "/a/"}, "https://127.0.0.1:{port}/a/lab?token=abcdefgh", "{folder}"),
        ({"root_dir": "/home/jovyan/work/x"}, "https://", "{folder}/x"),
        (
            {"root_dir": "/home/jovyan/workshop"},
            "https://",
            "/home/jovyan/workshop in the container",
        ),
        ({"root_dir": "/srv"}, "https://", "/srv in the container: lost with it, unless"),
        ({"password": True}, "https://127.0.0.1:{port}/lab\n", "{folder}"),
    ],
)
def test_what_is_told_is_what_the_server_says_of_itself(launcher, server, address, place):
    told = {"base_url": "/", "password": False, "root_dir": "/home/jovyan/work", "secure": True}
    file = json.dumps(told | server, indent=2, sort_keys=True)
    answer = launcher(
        "--detach", "--token", "abcdefgh", FAKE_SERVER=file, FAKE_LOGS="sandbox: note"
    )
    assert answer.returncode == 0, answer.stderr
    port = re.search(r"-p 127\.0\.0\.1:(\d+):8888", launcher.log.read_text())[1]
    assert "\nnote\n\nJupyterLab:  " + address.format(port=port) in answer.stderr
    assert f"\nNotebooks:   {place.format(folder=launcher.folder)}" in answer.stderr


@pytest.mark.parametrize("command", [[], ["--", "doctor"]])
@pytest.mark.parametrize(
    ("fake", "said"),
    [
        ({"FAKE_TRIAL": "1"}, "cannot be written inside the container, not even as its owner"),
        ({"FAKE_TRIAL": "1", "FAKE_SECURITY": "name=rootless"}, "writes as you, uid"),
        ({"FAKE_TRIAL": "125", "FAKE_TRIED": "Note\nError: no room"}, "not start it: no room\n"),
    ],
)
def test_a_folder_that_cannot_be_written_inside_starts_nothing(launcher, command, fake, said):
    fake = {name: value.replace("\\n", "\n") for name, value in fake.items()}
    answer = launcher(*command, **fake)
    assert answer.returncode == 2
    assert said in answer.stderr
    runs = [line for line in launcher.log.read_text().splitlines() if line.startswith("run ")]
    assert len(runs) == 1
    assert "--entrypoint test" in runs[0]


def test_a_folder_may_have_any_name(launcher):
    odd = launcher.folder / 'a:b,c "d" ü'
    odd.mkdir()
    os.chown(odd, *(1000, 100) if os.geteuid() == 0 else (-1, -1))
    (mount,) = after(planned(launcher("--dry-run", "--mount", odd.name)), "--mount")
    (row,) = csv.reader([mount])  # as Docker reads it
    assert row == ["type=bind", f"src={odd}", "dst=/home/jovyan/work"]


@pytest.mark.parametrize("name", ["-dir", "-", "--", "~x", "./-P"])
def test_a_folder_may_begin_like_an_option(launcher, name, monkeypatch):
    odd = launcher.folder / name
    odd.mkdir()
    os.chown(odd, *(1000, 100) if os.geteuid() == 0 else (-1, -1))
    monkeypatch.setenv("CDPATH", "/tmp")
    for option in ("--mount", "--data"):
        words = planned(launcher("--dry-run", option, name))
        assert any(f"src={odd}," in mount for mount in after(words, "--mount"))


def test_a_tilde_that_no_shell_resolved_is_the_home(launcher, monkeypatch):
    monkeypatch.setenv("HOME", str(launcher.folder.parent))
    name = launcher.folder.name
    for given in (f"--mount=~/{name}", f"--data=~/{name}"):
        words = planned(launcher("--dry-run", given))
        assert any(f"src={launcher.folder}," in mount for mount in after(words, "--mount"))
    answer = launcher("--dry-run", "--mount=~/not here")
    assert answer.returncode == 2
    assert f"mkdir -p {launcher.folder.parent}/not\\ here" in answer.stderr


def test_a_folder_that_its_owner_cannot_write_is_refused(launcher):
    launcher.folder.chmod(0o555)
    answer = launcher()
    assert answer.returncode == 2
    assert f"{launcher.folder} cannot be written by its owner" in answer.stderr


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


@pytest.mark.parametrize("words", ["port is already allocated", "address already in use"])
def test_a_port_that_docker_finds_taken_is_passed_over(launcher, words):
    launcher("--port", "18000", FAKE_TAKEN=words)
    tried = re.findall(r"-p 127\.0\.0\.1:(\d+):8888", launcher.log.read_text())
    assert len(tried) == 2
    assert int(tried[0]) < int(tried[1])


def test_ports_end_at_65535(launcher):
    with contextlib.ExitStack() as held:
        for port in range(65530, 65536):
            holder = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):  # somebody else's: taken as well
                holder.bind(("127.0.0.1", port))
                holder.listen()
        answer = launcher("--dry-run", "--port", "65530")
    assert answer.returncode == 2
    assert "no port from 65530 to 65535 is free" in answer.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "x"], "--port must be"),
        (["--port", "70000"], "--port must be"),
        (["--port", "099999"], "--port must be"),
        (["--mem", "lots"], "--memory must be"),
        (["--memory", ""], "--memory needs a value"),
        (["--cpus", "two"], "--cpus must be"),
        (["--name", "a b"], "--name must be"),
        (["--mount", "/no/such"], "/no/such, which is no folder"),
        (["--data", "/no/such"], "/no/such is no folder"),
        (["--token", "short"], "--token must be"),
        (["--token", "a b c d e f"], "--token must be"),
        (["--env", "2x=1"], "--env must be like"),
        (["--env", "SANDBOX_TOKEN=abcdefgh"], "SANDBOX_TOKEN is not for --env"),
        (["--volume", "/etc"], "--volume must be like"),
        (["--volume", "./none:/x"], "/none, which is not there"),
        (["--extra-ca", "/etc/passwd"], "/etc/passwd is no PEM certificate"),
        (["--", "--ServerApp.port=9000"], "are given before the --"),
        (["--", "--IdentityProvider.token=x"], "are given before the --"),
        (["--", "test"], "test is a verb of run-bigdl-native.sh"),
        ([""], "the image's name is empty"),
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
        ({"FAKE_DOWN": "x", "DOCKER_HOST": "tcp://box:1"}, "at DOCKER_HOST=tcp://box:1"),
        ({"FAKE_THERE": "running lab"}, "docker stop bigdl-sandbox   ends it"),
        ({"FAKE_THERE": "exited "}, "is there already, and no sandbox"),
        ({"FAKE_RUN": "docker: Error: no space left on device"}, "no space left on device"),
        ({}, "the sandbox did not start"),
    ],
)
def test_what_docker_cannot_do_is_told_with_a_cure(launcher, fake, said):
    answer = launcher("--mem", "2g", **fake)
    assert answer.returncode == 2
    assert said in answer.stderr
    if "run" in [line.split()[0] for line in launcher.log.read_text().splitlines()]:
        made, asked = launcher.log.read_text(), "ps --all --quiet --filter label="
        label = re.search(f"{asked}(\\S+)", made)[1]
        assert f"--label {label} " in made[: made.index(asked)]  # ours by its label, not by name:
        assert "rm --force made-here" in made  # nothing is left behind
        assert "rm --force bigdl-sandbox" not in made  # nobody else's is touched


@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGHUP])
def test_a_launch_that_is_broken_off_leaves_nothing(launcher, kill):
    answer = launcher(kill=kill, FAKE_RUNNING="true")
    assert answer.returncode == 130
    assert "docker run" not in answer.stderr  # no words of the shell's on its jobs
    assert launcher.log.read_text().rstrip().endswith("rm --force made-here")


def test_more_than_there_is_and_too_little_are_refused(launcher):
    for size in ("9g", "99999999999999g"):
        assert "more than the 7629 MB" in launcher("--memory", size).stderr
    assert "too little" in launcher("--mem", "100m").stderr
    for processors in ("0", "2.5"):
        assert "above 0 and at most 2" in launcher("--cpus", processors).stderr
    assert "run " not in launcher.log.read_text()


def test_an_ended_container_of_ours_is_replaced(launcher):
    launcher(FAKE_THERE="exited lab")
    assert "rm bigdl-sandbox" in launcher.log.read_text()


@pytest.mark.parametrize("stray", ["/home/jovyan/mine.ipynb", "/tmp/home-77/notebooks"])
def test_one_that_holds_work_of_its_own_is_not_replaced(launcher, stray):
    changes = f"C /home/jovyan\nA /home/jovyan/.cache\nA /home/jovyan/work\nA {stray}\nA {stray}/x"
    answer = launcher(FAKE_THERE="exited lab", FAKE_DIFF=changes)
    assert answer.returncode == 2
    assert f"not in the mounted folder:\n  {stray}\n  Fetch it:" in answer.stderr
    assert "rm bigdl-sandbox" not in launcher.log.read_text()


def test_work_in_a_container_outlives_a_launch_that_is_broken_off(launcher):
    answer = launcher(kill=signal.SIGTERM, FAKE_RUNNING="true", FAKE_DIFF="A /home/jovyan/mine.csv")
    assert answer.returncode == 130
    assert "made-here is kept" in answer.stderr
    assert "docker cp made-here:/home/jovyan/mine.csv ." in answer.stderr
    assert "rm --force" not in launcher.log.read_text()


def test_a_missing_image_is_made_without_setting_up_python(launcher):
    said = launcher(FAKE_NO_IMAGE="1").stderr
    assert "run-bigdl-native" not in said
    assert f"git -C {ROOT} archive HEAD | docker build -f docker/Dockerfile" in said
    assert f"docker load -i {ROOT}/bigdl-sandbox.tar.gz" in said


def test_it_starts_from_a_disk_from_which_nothing_may_be_started(launcher, tmp_path):
    script = tmp_path / "run-bigdl-docker.sh"
    script.write_bytes(SCRIPT.read_bytes())  # and no right to run it
    answer = subprocess.run(["bash", str(script), "--wrong"], capture_output=True, text=True)
    assert answer.returncode == 2
    assert f"bash {script} --help" in answer.stderr


def test_without_docker_the_ways_out_are_named(launcher):
    answer = launcher(tool=False)
    assert answer.returncode == 2
    assert "neither Docker nor Podman is installed here" in answer.stderr
    assert "run-bigdl-native.sh" in answer.stderr


def test_help_ends_with_zero():
    answer = subprocess.run([str(SCRIPT), "--help"], capture_output=True, text=True, timeout=20)
    assert answer.returncode == 0
    assert "--offline" in answer.stdout


@pytest.mark.parametrize("verb", ["run", "build", "status", "bundle"])
def test_verbs_say_that_docker_is_not_there(verb, tmp_path, launcher):
    tmp_path = tmp_path / "empty"
    tmp_path.mkdir()
    words = {"bundle": [str(tmp_path / "x")], "run": ["--mount", str(launcher.folder)]}
    answer = subprocess.run(
        [sys.executable, "-m", "sandbox.cli", "docker", verb, *words.get(verb, [])],
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
