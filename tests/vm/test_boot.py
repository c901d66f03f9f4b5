"""The machine itself: built into an OVA, booted from the OVA's disk until a kernel computes."""

from __future__ import annotations

import http.client
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from sandbox.cli.carriers import ova, vm
from tests.image.daemon import which
from tests.image.kit import certificates, compute, get
from tests.vm.machine import Machine, fingerprint

pytestmark = pytest.mark.vm


@pytest.fixture(scope="session")
def product(kit):
    """Build the OVA of a lean machine with the environment of the image; give its folder."""
    ready = os.environ.get("SANDBOX_TEST_OVA")
    if ready:  # built before, for work on these tests
        return Path(ready)
    return kit.once("OVA", lambda: build(kit))


def build(kit):
    folder = kit.temporary("vm")
    vm.build(
        folder, formats=("ova",), size_gb=5, image=kit.image, lean=True, extra_ca=certificates()
    )
    return folder


def test_ova_is_in_order_and_nothing_else_is_left_of_the_build(product):
    names = {path.name for path in product.iterdir() if not path.name.startswith("_")}
    assert names == {"bigdl-sandbox.ova", vm.STARTER.name}
    assert ova.check(product / "bigdl-sandbox.ova") == []


def test_machine_boots_from_the_ova_until_a_kernel_computes(product, tmp_path):
    disk = vm.extract_disk(product / "bigdl-sandbox.ova", tmp_path)
    info = subprocess.run([which("qemu-img"), "check", str(disk)], capture_output=True, text=True)
    assert info.returncode in (0, 63), info.stderr  # 63: this format has nothing to check
    machine = Machine(disk, tmp_path, grow_gb=8, hardware="virtualbox")
    try:
        ssh = machine.wait_for_ssh()
        jupyter = machine.wait_for_jupyter()
        print(f"ssh after {ssh:.0f} s, Jupyter after {jupyter:.0f} s")

        # The way the message of the day tells.
        assert "sudo sandbox-url" in machine.ssh("cat /etc/motd").stdout
        url = machine.ssh("sudo sandbox-url")
        assert url.stdout.startswith("https://10.0.2.15:8888/lab?token="), url.stderr
        token = url.stdout.strip().split("token=")[1]
        # Encrypted, by the certificate whose fingerprint the machine's screen shows, and only so.
        code = "print(sum(range(10)))"
        assert compute(machine.port, token, code, timeout=600, tls=machine.tls) == "45\n"
        console = machine.console.read_text(errors="replace")
        assert fingerprint(machine.certificate) in "".join(console.split())
        with pytest.raises((OSError, http.client.HTTPException)):
            get(machine.port, "/api")

        facts = machine.ssh(
            "stat -c %a:%U /etc/bigdl-sandbox; cat /etc/machine-id; "
            "df --output=size -m / | tail -1; "
            "ls /etc/ssh/ssh_host_*_key | wc -l; systemctl is-active bigdl-sandbox; "
            "lsmod | grep -cE '^(ahci|e1000) '; systemctl --failed --no-legend | wc -l"
        ).stdout.split("\n")
        assert facts[0] == "755:root"
        assert len(facts[1]) == 32
        assert int(facts[2]) > 7000  # the disk was 5 GB
        assert facts[3:7] == ["2", "active", "2", "0"], facts
        # Nothing but SSH and Jupyter can be reached; the notebook's processes are held in.
        reached = "ss -Htln | awk '{ print $4 }' | grep -v '^127' | sed 's/.*://' | sort -u"
        assert machine.ssh(reached).stdout.split() == ["22", "8888"]
        exposure = machine.ssh("systemd-analyze security --no-pager bigdl-sandbox | tail -1").stdout
        assert float(exposure.split(":")[1].split()[0]) < 4, exposure
        # Logins (SSH, the screen) find the programs, and so does a command over SSH.
        programs = 'command -v python pip sandbox; echo "$PATH"'
        inside = [f"/opt/sandbox/venv/bin/{name}" for name in ("python", "pip", "sandbox")]
        for how in (programs, f"bash -lc {shlex.quote(programs)}"):
            *found, path = machine.ssh(how).stdout.splitlines()
            assert found == inside, how
            assert "/opt/sandbox/java/bin" in path.split(":")  # a lean machine has no Java there
        # A new kernel's hooks leave the boot menu alone.
        hooks = machine.ssh("ls /etc/kernel/postinst.d; ls -d /usr/sbin/update-grub").stdout
        assert hooks.split() == ["initramfs-tools"]
        sbom = machine.ssh("grep -o pkg:deb/debian/linux-image-amd64 /opt/sandbox/sbom.spdx.json")
        assert sbom.returncode == 0  # what the machine has more than the Docker image
        hidden = machine.ssh("cat /etc/bigdl-sandbox/jupyter.env")
        assert hidden.returncode != 0
        assert "JupyterLab:  https://10.0.2.15:8888/lab" in console
        assert "https://127.0.0.1:8888/lab" in console  # for those behind NAT, who are most
        assert "https://127.0.0.1:8888/lab" in url.stderr
        assert "First login" not in console  # who brought a key needs no password
        password = machine.ssh(
            "true",
            options=("-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password"),
        )
        assert password.returncode == 255
        assert machine.ssh("true", user="root").returncode == 255
        sealed_again(machine)
    finally:
        machine.remove()


def sealed_again(machine):
    """Hand a machine in use on: work and traces in it, sealed, off; then look at its disk."""
    traces = ("~/.config/gh/hosts.yml", "~/.ssh/deploy_key", "~/.bash_history", "/srv/marks")
    for trace in traces:
        assert (
            machine.ssh(f"mkdir -p $(dirname {trace}); echo s | sudo tee {trace}").stdout == "s\n"
        )
    seal = "sudo /opt/sandbox/provision/seal.sh"
    unsure = machine.ssh(f"{seal} --poweroff")
    assert unsure.returncode == 2, unsure
    assert "--keep-work or --remove-work" in unsure.stderr
    refused = machine.ssh(f"{seal} --remove-work --poweroff")
    assert (refused.returncode, refused.stdout) == (1, "left: srv/marks\n"), refused
    assert machine.ssh("sudo rm /srv/marks; ls ~/.ssh").stdout.split() == [
        "authorized_keys", "deploy_key",
    ]  # fmt: skip
    sealed = machine.ssh(f"{seal} --remove-work --poweroff", timeout=600)
    assert sealed.stdout == "", sealed
    machine.wait(lambda: machine.process.poll() == 0, "the machine is off")
    home, work, settings, server, shadow = machine.on_disk(
        "ls -p /home/jovyan", "ls -p /home/jovyan/work", "ls -p /etc/bigdl-sandbox",
        "ls -p /etc/ssh", "cat /etc/shadow",
    )  # fmt: skip

    def names(listing):
        return {line.split("/")[5] for line in listing.splitlines() if "/" in line} - {".", ".."}

    folders = {"work", ".jupyter", ".local", ".cache", ".ipython", ".config"}
    assert names(home) == folders | {".bashrc", ".profile", ".bash_logout"}
    assert names(work) == set()
    assert names(settings) == {"machine"}
    assert not [name for name in names(server) if name.startswith("ssh_host_")]
    assert re.search(r"^jovyan:!", shadow, re.MULTILINE)
