"""The launcher under every kind of Docker: what it keeps, and what it says when nothing starts."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal

import pytest

from tests.image.fake_docker import ROOT, after, planned

LOG = "  not ours\nsandbox: note\n  its cure\n[I 2026] Server\n  nor this\nsandbox: more"
pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs bash")


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
    answer = launcher("--detach", "--token", "abcdefgh", FAKE_SERVER=file, FAKE_LOGS=LOG)
    assert answer.returncode == 0, answer.stderr
    port = re.search(r"-p 127\.0\.0\.1:(\d+):8888", launcher.log.read_text())[1]
    assert "\nnote\n  its cure\nmore\n\nJupyterLab:  " + address.format(port=port) in answer.stderr
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


@pytest.mark.parametrize("words", ["port is already allocated", "address already in use"])
def test_a_port_that_docker_finds_taken_is_passed_over(launcher, words):
    launcher("--port", "18000", FAKE_TAKEN=words)
    tried = re.findall(r"-p 127\.0\.0\.1:(\d+):8888", launcher.log.read_text())
    assert len(tried) == 2
    assert int(tried[0]) < int(tried[1])


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


def test_an_ended_container_of_ours_is_replaced(launcher):
    launcher(FAKE_THERE="exited lab")
    assert "rm bigdl-sandbox" in launcher.log.read_text()


@pytest.mark.parametrize("stray", ["/home/jovyan/mine.ipynb", "/tmp/home-77/notebooks"])
def test_one_that_holds_work_of_its_own_is_not_replaced(launcher, stray):
    changes = f"C /home/jovyan\nA /home/jovyan/.cache\nA /home/jovyan/work\nA {stray}\nA {stray}/x"
    answer = launcher(FAKE_THERE="exited lab", FAKE_DIFF=changes)
    assert answer.returncode == 2
    assert f"not in the mounted folder:\n{stray}\nFetch it:" in answer.stderr
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


def test_without_docker_the_ways_out_are_named(launcher):
    answer = launcher(tool=False)
    assert answer.returncode == 2
    assert "neither Docker nor Podman is installed here" in answer.stderr
    assert "run-bigdl-native.sh" in answer.stderr
