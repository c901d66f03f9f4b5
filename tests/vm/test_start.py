"""The script that starts the machine and forwards its ports to this computer's loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.image.daemon import which
from tests.vm.machine import free_port

SCRIPT = Path(__file__).resolve().parents[2] / "vm/run-bigdl-vm.sh"
# VirtualBox itself does not run here: this one writes down what it is asked.
VIRTUALBOX = """#!/bin/sh
echo "$*" >>"$LOG"
case "$1" in
  showvminfo) [ -n "$THERE" ] ;;
  list) printf '%s' "$RUNNING" ;;
esac
"""


def call(*words, **environment):
    return subprocess.run(
        ["bash", str(SCRIPT), *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.fixture
def disk(tmp_path):
    file = tmp_path / "box, 1.qcow2"
    file.write_bytes(b"")
    return file


@pytest.fixture
def ports():
    return ["--port", free_port(), "--ssh-port", free_port()]


@pytest.fixture
def virtualbox(tmp_path, ports):
    """Give a function that starts an OVA by a VirtualBox that only takes notes."""
    (tmp_path / "VBoxManage").write_text(VIRTUALBOX)
    (tmp_path / "VBoxManage").chmod(0o755)
    ova, log = tmp_path / "box.ova", tmp_path / "log"
    ova.write_bytes(b"")

    def start(*words, there="", running=""):
        log.write_text("")
        path = f"{tmp_path}:{os.environ['PATH']}"
        answer = call(*ports, *words, ova, PATH=path, LOG=str(log), THERE=there, RUNNING=running)
        return answer, log.read_text().splitlines()

    return start


def test_virtualbox_imports_once_and_forwards_from_the_loopback_only(virtualbox, ports):
    answer, asked = virtualbox()
    assert answer.returncode == 0, answer.stderr
    assert f"https://127.0.0.1:{ports[1]}/lab" in answer.stdout
    changes = [line for line in asked if not line.startswith(("list", "showvminfo"))]
    assert changes[0].startswith("import ")
    assert changes[0].endswith("box.ova --vsys 0 --vmname bigdl-sandbox")
    forwards = [line.split()[-1] for line in changes if "--natpf1" in line and "delete" not in line]
    assert forwards == [f"jupyter,tcp,127.0.0.1,{ports[1]},,8888",
                        f"ssh,tcp,127.0.0.1,{ports[3]},,22"]  # fmt: skip
    assert changes[-1] == "startvm bigdl-sandbox --type gui"

    answer, asked = virtualbox("--headless", there="yes")
    assert answer.returncode == 0, answer.stderr
    assert not [line for line in asked if line.startswith("import")]
    assert asked[-1] == "startvm bigdl-sandbox --type headless"


def test_a_dry_run_changes_nothing_of_a_machine_that_is_there(virtualbox):
    answer, asked = virtualbox("--dry-run", there="yes")
    assert answer.returncode == 0, answer.stderr
    assert "VBoxManage startvm bigdl-sandbox" in answer.stdout
    assert {line.split()[0] for line in asked} == {"list", "showvminfo"}


def test_a_machine_that_runs_is_left_alone(virtualbox):
    answer, asked = virtualbox(there="yes", running='"bigdl-sandbox" {1}\n')
    assert answer.returncode == 2
    assert "bigdl-sandbox runs already" in answer.stderr
    assert asked == ["list runningvms"]


@pytest.mark.vm
def test_qemu_listens_on_the_loopback_only(kit, tmp_path, disk, ports):
    """It forwards from its first moment on, whatever is on the disk."""
    assert "qemu-system-x86_64" in kit.programs
    make = [which("qemu-img"), "create", "-q", "-f", "qcow2", str(disk), "1G"]
    subprocess.run(make, check=True)
    log = (tmp_path / "log").open("w+")
    command = ["bash", str(SCRIPT), "--headless", "--memory", "1024", *map(str, ports), str(disk)]
    machine = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        listening = ""
        for _ in range(300):
            said = subprocess.run(["ss", "-Htlnp"], capture_output=True, text=True).stdout
            listening = [line for line in said.splitlines() if f"pid={machine.pid}," in line]
            if len(listening) == 2 or machine.poll() is not None:
                break
            time.sleep(0.1)
        addresses = {line.split()[3] for line in listening}
        assert addresses == {f"127.0.0.1:{port}" for port in ports[1::2]}, log.read()
    finally:
        machine.kill()
        machine.wait(20)
        log.close()


def test_a_name_with_a_comma_reaches_qemu_whole(disk, ports, tmp_path):
    (tmp_path / "qemu-system-x86_64").write_text("#!/bin/sh\n")
    (tmp_path / "qemu-system-x86_64").chmod(0o755)
    key = shutil.copy(disk, tmp_path / "key.img")
    path = f"{tmp_path}:{os.environ['PATH']}"
    said = call("--dry-run", "--key", key, *ports, disk, PATH=path).stdout
    plain = said.replace("\\", "")
    assert f"file={tmp_path}/box,, 1.qcow2,format=qcow2,if=virtio" in plain
    assert f"file={key},format=raw,if=virtio,readonly=on" in plain


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "which machine"),
        (["none.ova"], "none.ova is not there"),
        ([SCRIPT], "neither .ova nor .qcow2"),
        (["--port", "0"], "--port must be a number from 1 to 65535; got '0'"),
        (["--port"], "--port must have a value"),
        (["--lan"], "--lan is no option"),
    ],
)
def test_a_wrong_argument_is_told_with_its_cure(words, problem):
    answer = call(*words)
    assert answer.returncode == 2
    assert problem in answer.stderr
    assert len(answer.stderr.splitlines()) == 2


def test_a_taken_port_is_told_before_anything_starts(disk):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = call("--port", port, disk)
    assert answer.returncode == 2
    assert f"port {port} is taken" in answer.stderr
