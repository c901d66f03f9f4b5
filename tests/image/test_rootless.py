"""The launcher with a Docker and a Podman that have no root: real ones, of an account of the test.

They have no network: what is to be seen is whose files come out of the mounted folder.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from sandbox.cli.carriers.image import MADE_BASE
from tests.image.daemon import TIED, search_path, which
from tests.image.kit import ROOT, wait_until

pytestmark = pytest.mark.docker
ACCOUNT = "sbx-rootless"


@pytest.fixture(scope="module")
def account(kit):
    """An ordinary account with subordinate ids, and a folder of its own; both go again."""
    assert kit.image
    home = kit.temporary("rootless")
    home.chmod(0o755)
    subprocess.run(["userdel", ACCOUNT], capture_output=True, check=False)  # of a run cut off
    subprocess.run(["useradd", "--no-create-home", "--home-dir", home, ACCOUNT], check=True)
    entry = pwd.getpwnam(ACCOUNT)
    for name in ("work", "tools", "run"):
        (home / name).mkdir()
        os.chown(home / name, entry.pw_uid, entry.pw_gid)
    os.chown(home, entry.pw_uid, entry.pw_gid)
    (home / "run").chmod(0o700)
    shutil.copy(ROOT / "run-bigdl-docker.sh", home)  # the checkout may be closed to the account
    # Podman, installed as `docker`; runc suits the cgroups of any machine.
    (home / "tools" / "docker").symlink_to(which("podman"))
    (home / "containers.conf").write_text(
        '[engine]\nruntime = "runc"\n[containers]\nnetns = "none"\n'
    )
    tar = home / "base.tar"
    with tar.open("wb") as file:
        for chunk in kit.client.images.get(MADE_BASE).save(named=MADE_BASE):
            file.write(chunk)
    yield entry, home
    # Files of subordinate ids can only be removed by root, which this is.
    for process in pids_of(entry.pw_uid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    wait_until(lambda: not pids_of(entry.pw_uid), "the account's processes end")
    subprocess.run(["userdel", ACCOUNT], capture_output=True, check=True)


def pids_of(uid):
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == uid:
                found.append(int(folder.name))
    return found


def environment(home, **more):
    return {
        "PATH": search_path(),
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "CONTAINERS_CONF": str(home / "containers.conf"),
        **more,
    }


def as_person(entry, words, settings, **options):
    become = [which("setpriv"), f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}",
              "--clear-groups", *map(str, words)]  # fmt: skip
    return subprocess.run(become, env=settings, capture_output=True, text=True, **options)


@pytest.fixture(scope="module")
def docker(account):
    """A rootless Docker daemon; give the settings by which it is reached."""
    entry, home = account
    host = f"unix://{home}/run/docker.sock"
    settings = environment(home, DOCKER_HOST=host)
    daemon = [
        *TIED, f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups",
        which("rootlesskit"), "--net=host", "--copy-up=/etc", "--copy-up=/run",
        f"--state-dir={home}/run/kit", "sh", "-c",
        'rm -f /run/docker /run/containerd; exec "$@"', "sh", which("dockerd"), "--rootless",
        f"--data-root={home}/data", f"--exec-root={home}/run/exec",
        f"--pidfile={home}/run/docker.pid", f"--host={host}", "--bridge=none", "--iptables=false",
    ]  # fmt: skip
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            list(map(str, daemon)), env=settings, stdout=log, stderr=log, cwd="/"
        )

    def answers():
        assert process.poll() is None, (home / "log").read_text()[-2000:]
        return as_person(entry, ["docker", "info"], settings).returncode == 0

    wait_until(answers, "a rootless Docker")
    loaded = as_person(entry, ["docker", "load", "-i", home / "base.tar"], settings)
    assert loaded.returncode == 0, loaded.stderr
    yield settings
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="module")
def podman(account):
    entry, home = account
    settings = environment(home)
    settings["PATH"] = f"{home}/tools:{settings['PATH']}"
    loaded = as_person(entry, ["docker", "load", "-i", home / "base.tar"], settings, cwd=home)
    assert loaded.returncode == 0, loaded.stderr
    return settings


@pytest.mark.parametrize("kind", ["docker", "podman"])
def test_files_of_a_rootless_container_are_the_persons_own(kind, account, request, kit):
    entry, home = account
    settings = request.getfixturevalue(kind)
    folder = home / "work" / f'{kind}: a, "b"'
    folder.mkdir()
    os.chown(folder, entry.pw_uid, entry.pw_gid)

    def launch(*words):
        command = [home / "run-bigdl-docker.sh", *words]
        return as_person(entry, command, settings, cwd=folder, timeout=300)

    answer = launch(MADE_BASE, "--", "touch", "/home/jovyan/work/mine")
    assert answer.returncode == 0, answer.stderr
    assert (folder / "mine").stat().st_uid == entry.pw_uid

    theirs = kit.temporary("theirs")  # somebody else's, which the person may enter
    theirs.chmod(0o755)
    os.chown(theirs, 4242, 4242)
    refused = launch("--mount", str(theirs), MADE_BASE, "--", "touch", "/home/jovyan/work/mine")
    assert refused.returncode == 2
    assert f"{theirs} cannot be written inside the container" in refused.stderr
    assert f"writes as you, uid {entry.pw_uid}" in refused.stderr
    assert list(theirs.iterdir()) == []
