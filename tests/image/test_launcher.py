"""run-bigdl-docker.sh and the start of the container, with a stand-in for Docker: runs anywhere."""

from __future__ import annotations

import contextlib
import csv
import os
import socket
import subprocess
import sys

import pytest

from tests.image.fake_docker import ROOT, SCRIPT, after, planned

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs bash")


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


def test_more_than_there_is_and_too_little_are_refused(launcher):
    for size in ("9g", "99999999999999g"):
        assert "more than the 7629 MB" in launcher("--memory", size).stderr
    assert "too little" in launcher("--mem", "100m").stderr
    for processors in ("0", "2.5"):
        assert "above 0 and at most 2" in launcher("--cpus", processors).stderr
    assert "run " not in launcher.log.read_text()


def test_it_starts_from_a_disk_from_which_nothing_may_be_started(launcher, tmp_path):
    script = tmp_path / "run-bigdl-docker.sh"
    script.write_bytes(SCRIPT.read_bytes())  # and no right to run it
    answer = subprocess.run(["bash", str(script), "--wrong"], capture_output=True, text=True)
    assert answer.returncode == 2
    assert f"bash {script} --help" in answer.stderr


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
