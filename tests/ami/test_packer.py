"""Packer end to end: moto plays AWS, a container with sshd plays the instance."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile

import boto3
import pytest

from sandbox.cli.carriers import files, packer
from tests.image.daemon import which
from tests.image.kit import ROOT, get, wait_until
from tests.vm.machine import free_port

pytestmark = pytest.mark.docker
DEBIAN = "136693071363"
INSTANCE = """
FROM {image}
USER root
RUN apt-get update -q -o Acquire::Retries=5 && \\
    apt-get install -q -y -o Acquire::Retries=5 --no-install-recommends openssh-server sudo && \\
    mkdir -p /run/sshd && useradd --create-home --shell /bin/bash admin && \\
    echo 'admin ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/90-cloud-init-users && \\
    echo 'secret of the build' >/home/admin/.bash_history
ENTRYPOINT []
CMD ["/usr/sbin/sshd", "-D", "-e"]
"""


@pytest.fixture
def aws(tmp_path, monkeypatch):
    """Start moto as a server that has Debian's image; give its address."""
    images = [{
        "ami_id": "ami-0debian12", "name": "debian-12-amd64-20260101-1", "owner_id": DEBIAN,
        "description": "Debian 12", "public": True, "virtualization_type": "hvm",
        "architecture": "x86_64", "state": "available", "platform": None,
        "image_type": "machine", "hypervisor": "xen", "root_device_name": "/dev/xvda",
        "root_device_type": "ebs", "sriov": "simple",
    }]  # fmt: skip
    (tmp_path / "amis.json").write_text(json.dumps(images))
    port = free_port()
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port), "-H", "127.0.0.1"],
        env={**os.environ, "MOTO_AMIS_PATH": str(tmp_path / "amis.json")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"

    def answers():
        assert server.poll() is None
        try:
            return get(port, "/moto-api/")[0] == 200
        except OSError:
            return False

    try:
        wait_until(answers, "moto answers")
        yield address
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture
def instance(kit, containers, tmp_path):
    """Start a machine with sshd and a sudoer, as Debian's image on AWS has them."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    recipe = tmp_path / "instance"
    recipe.mkdir()
    (recipe / "Dockerfile").write_text(INSTANCE.format(image=kit.image))
    image, _ = kit.client.images.build(path=str(recipe), rm=True)
    box = kit.client.containers.create(image.id, ports={"22/tcp": ("127.0.0.1", None)})
    containers.started.append(box)
    box.start()
    public = (tmp_path / "key.pub").read_text().strip()
    answer = box.exec_run(
        ["sh", "-c", "install -d -m 700 -o admin /home/admin/.ssh && "
         f"echo '{public}' >/home/admin/.ssh/authorized_keys && "
         "chown admin /home/admin/.ssh/authorized_keys"]
    )  # fmt: skip
    assert answer.exit_code == 0
    box.reload()
    port = int(box.attrs["NetworkSettings"]["Ports"]["22/tcp"][0]["HostPort"])
    yield box, port, key
    box.remove(force=True, v=True)
    kit.client.images.remove(image.id, force=True)


@pytest.mark.parametrize(
    ("template", "names"),
    [("sandbox", []), ("qemu", ["disk", "ssh_key"]), ("virtualbox", ["ova", "ssh_key"])],
)
def test_packer_itself_accepts_the_classic_forms(kit, tmp_path, template, names):
    assert "packer" in kit.programs
    version = subprocess.run([which("packer"), "version"], capture_output=True, text=True).stdout
    if "v1.6." not in version:
        pytest.skip(f"the classic form is for Packer 1.6; this is {version.strip()}")
    key = tmp_path / "key"  # any file will do for the disk
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (source,) = (
        file
        for file in packer.outputs()
        if (file.parent.name, file.name) == ("classic", f"{template}.pkr.hcl")
    )
    variables = [word for name in names for word in ("-var", f"{name}={key}")]
    answer = subprocess.run(
        [which("packer"), "validate", *variables, str(source)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={
            **os.environ,
            "CHECKPOINT_DISABLE": "1",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "PACKER_CACHE_DIR": str(tmp_path),
        },
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_packer_makes_a_sealed_image_with_the_service_in_it(aws, instance, tmp_path):
    box, port, key = instance
    variables = {
        "aws_endpoint": aws,
        "ssh_host": "127.0.0.1",
        "ssh_port": port,
        "ssh_key": key,
        "release": "9.9.9",
    }
    words = [w for name, value in variables.items() for w in ("-var", f"{name}={value}")]
    answer = subprocess.run(
        [which("packer"), "build", *words, str(ROOT / "ami/classic/sandbox.pkr.hcl")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
        env={
            **os.environ,
            "CHECKPOINT_DISABLE": "1",
            "PACKER_CACHE_DIR": str(tmp_path / "cache"),
            "AWS_MAX_ATTEMPTS": "2",
        },
    )
    assert answer.returncode == 0, answer.stdout[-4000:] + answer.stderr[-1000:]
    made = json.loads((tmp_path / "packer-manifest.json").read_text())["builds"][0]
    region, image = made["artifact_id"].split(":")
    client = boto3.client("ec2", region_name=region, endpoint_url=aws)
    (found,) = client.describe_images(ImageIds=[image])["Images"]
    assert found["Name"].startswith("bigdl-sandbox-9.9.9-")
    tags = {tag["Key"]: tag["Value"] for tag in found["Tags"]}
    assert tags["Base"] == "debian-12-amd64-20260101-1"
    states = [
        one["State"]["Name"]
        for group in client.describe_instances()["Reservations"]
        for one in group["Instances"]
    ]
    assert states == ["terminated"]
    groups = client.describe_security_groups()["SecurityGroups"]
    assert [group["GroupName"] for group in groups] == ["default"]

    def inside(command):
        ran = box.exec_run(["sh", "-c", command], user="root")
        return ran.exit_code, ran.output.decode()

    assert inside("/opt/sandbox/provision/seal.sh --check") == (0, "")
    # What git knows came, by way of the tar that Packer made, and its revision is on record.
    listed = inside("cd /opt/sandbox/app && find . -type f ! -name '*.pyc'")[1].split("\n")
    wanted = {name for name, _ in files.installation() if name.startswith("app/")}
    assert {name.replace("./", "app/", 1) for name in listed if name} == wanted
    with tarfile.open(tmp_path / "packer-files.tar") as archive:
        revision = archive.extractfile("provision/revision").read().decode().strip()
    assert f'"revision": "{revision}"' in inside("cat /opt/sandbox/manifest.json")[1]
    assert (
        inside("ls /home/admin/.ssh/authorized_keys /home/admin/.bash_history 2>&1 | grep -c No")[1]
        == "2\n"
    )
    wants = "/etc/systemd/system/multi-user.target.wants"
    assert inside(f"ls {wants} | grep bigdl")[1].split() == [
        "bigdl-sandbox-first-boot.service",
        "bigdl-sandbox.service",
    ]
    assert "THIS-HOST" in inside("cat /etc/motd")[1]

    # What the first boot does, twice: the second time nothing changes.
    first = "/opt/sandbox/provision/first-boot.sh"
    secret = "/etc/bigdl-sandbox/jupyter.env"
    look = f"cat {secret} /etc/ssh/*_key.pub; stat -c %a%U {secret}"
    status, said = inside(f"{first} && {look}")
    assert status == 0, said
    assert re.search(r"SANDBOX_ADDRESS=127\.0\.0\.1\nSANDBOX_TOKEN=[a-km-np-z2-9]{32}\n", said)
    assert said.endswith("600root\n")
    assert inside(f"{first} && {look}") == (0, said)
    assert "?token=" in inside("sandbox-url")[1]
    # Keys only, and nobody has a password.
    assert (
        inside("/usr/sbin/sshd -T | grep -cE '^(passwordauthentication|permitrootlogin) no'")[1]
        == "2\n"
    )
    assert inside("grep -cE '^[^:]+:[^:!*]' /etc/shadow")[1] == "0\n"
    assert inside("/opt/sandbox/provision/seal.sh --check")[0] == 1  # now there are secrets again

    # The same machine as one with a screen: a password of its own, to be changed, shown there only.
    status, said = inside(f"/opt/sandbox/provision/service.sh vm && {first}; cat /etc/issue.d/20*")
    assert status == 0, said
    assert re.search(r"First login here:  jovyan  /  [bcdefghjknprstuvx]{12}   ", said)
    assert inside("getent shadow jovyan | cut -d: -f3")[1] == "0\n"
    again = inside(f"{first}; cat /etc/issue.d/20*")[1]
    assert again in said
    inside("echo jovyan:my-own-word | chpasswd")
    assert inside(f"{first}; ls /etc/issue.d/20* 2>/dev/null")[1] == ""
