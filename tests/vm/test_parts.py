"""What can be checked of the machine without building one: runs anywhere, in seconds."""

from __future__ import annotations

import os
import re
import ssl
import struct
import subprocess
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from typer.testing import CliRunner

from sandbox.cli.carriers import disk, ova, vm, vm_commands
from sandbox.cli.errors import CommandError
from tests.vm.machine import fingerprint

ROOT = Path(__file__).resolve().parents[2]
SEAL = ROOT / "provision" / "seal.sh"
ENVELOPE = "{http://schemas.dmtf.org/ovf/envelope/1}"
RASD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"
VSSD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData}"


@pytest.fixture
def packed(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    vmdk = tmp_path / "in" / "box-disk1.vmdk"
    vmdk.write_bytes(b"KDMV" + bytes(5000))
    target = tmp_path / "out" / "box & co.ova"
    return ova.pack(target, vmdk, capacity_bytes=16_000_000_000, version="1.2.3")


class TestOva:
    def test_descriptor_comes_first_then_checksums_then_disk(self, packed):
        with tarfile.open(packed) as archive:
            names = archive.getnames()
            assert archive.format == tarfile.DEFAULT_FORMAT or archive.format is not None
            sums = archive.extractfile(names[1]).read().decode()
            owners = {(m.uid, m.gid, m.uname, m.mode) for m in archive.getmembers()}
        assert owners == {(0, 0, "root", 0o644)}  # nothing of who built it
        assert names == ["box-disk1.ovf", "box-disk1.mf", "box-disk1.vmdk"]
        assert packed.read_bytes()[257:263] == b"ustar\0"
        assert [line.split("= ")[0] for line in sums.splitlines()] == [
            "SHA256(box-disk1.ovf)",
            "SHA256(box-disk1.vmdk)",
        ]
        assert ova.check(packed) == []
        assert list(packed.parent.iterdir()) == [packed]

    def test_descriptor_is_what_importers_understand(self, packed):
        with tarfile.open(packed) as archive:
            tree = ElementTree.fromstring(archive.extractfile("box-disk1.ovf").read())
        assert tree.tag == f"{ENVELOPE}Envelope"
        kinds = [item.findtext(f"{RASD}ResourceType") for item in tree.iter(f"{ENVELOPE}Item")]
        assert kinds == ["3", "4", "20", "17", "10"]  # CPU, memory, SATA, disk, network
        assert tree.find(f".//{VSSD}VirtualSystemType").text == "vmx-13"
        # vSphere: "Parent element does not refer to a ref of type DiskControllerReference" on AHCI.
        items = {
            item.findtext(f"{RASD}ResourceType"): item for item in tree.iter(f"{ENVELOPE}Item")
        }
        assert items["20"].findtext(f"{RASD}ResourceSubType") == "vmware.sata.ahci"
        parent = items["17"].findtext(f"{RASD}Parent")
        assert parent == items["20"].findtext(f"{RASD}InstanceID")
        assert items["17"].findtext(f"{RASD}HostResource") == "ovf:/disk/disk1"
        units = {key: items[key].findtext(f"{RASD}AllocationUnits") for key in ("3", "4")}
        assert units == {"3": "hertz * 10^6", "4": "byte * 2^20"}
        assert items["10"].findtext(f"{RASD}ResourceSubType") == "E1000"
        networks = [n.attrib[f"{ENVELOPE}name"] for n in tree.iter(f"{ENVELOPE}Network")]
        assert networks == [items["10"].findtext(f"{RASD}Connection")] == ["NAT"]
        assert tree.find(f".//{ENVELOPE}OperatingSystemSection").attrib[f"{ENVELOPE}id"] == "96"
        file = tree.find(f".//{ENVELOPE}File").attrib
        shown = tree.find(f".//{ENVELOPE}Disk").attrib
        assert file[f"{ENVELOPE}href"] == "box-disk1.vmdk"
        assert file[f"{ENVELOPE}size"] == "5004"
        assert shown[f"{ENVELOPE}fileRef"] == file[f"{ENVELOPE}id"]
        assert shown[f"{ENVELOPE}capacity"] == "16000000000"
        assert shown[f"{ENVELOPE}format"].endswith("#streamOptimized")
        ids = [item.findtext(f"{RASD}InstanceID") for item in tree.iter(f"{ENVELOPE}Item")]
        assert len(set(ids)) == len(ids)
        # The schema wants the children of an Item in alphabetic order.
        for item in tree.iter(f"{ENVELOPE}Item"):
            tags = [child.tag for child in item]
            assert tags == sorted(tags)

    def test_a_changed_disk_and_a_wrong_order_are_found(self, packed, tmp_path):
        with tarfile.open(packed) as archive:
            archive.extractall(tmp_path / "x", filter="data")
        (tmp_path / "x" / "box-disk1.vmdk").write_bytes(b"other")
        for order, problem in (("ovf mf vmdk", "checksum"), ("vmdk ovf mf", "order")):
            with tarfile.open(tmp_path / "bad.ova", "w") as archive:
                for suffix in order.split():
                    archive.add(tmp_path / "x" / f"box-disk1.{suffix}", f"box-disk1.{suffix}")
            assert problem in ova.check(tmp_path / "bad.ova")[0]
        with tarfile.open(tmp_path / "bare.ova", "w") as archive:
            (tmp_path / "x" / "box-disk1.mf").write_text("")
            for suffix in ("ovf", "mf", "vmdk"):
                archive.add(tmp_path / "x" / f"box-disk1.{suffix}", f"box-disk1.{suffix}")
        assert len(ova.check(tmp_path / "bare.ova")) == 2  # no sums for either
        with pytest.raises(CommandError, match="is no OVA"):
            ova.check(SEAL)


class TestDisk:
    @pytest.mark.vm
    def test_vmdk_is_of_the_kind_that_importers_take(self, kit, tmp_path):
        assert "qemu-img" in kit.programs
        raw = tmp_path / "disk.raw"
        raw.write_bytes(b"system".ljust(1 << 20, b"\0") * 2)
        head = disk.convert(raw, tmp_path / "disk.vmdk").read_bytes()[:4096]
        assert head.startswith(b"KDMV\3\0\0\0")  # version 3: with markers, compressed
        assert b'createType="streamOptimized"' in head
        assert disk.convert(raw, tmp_path / "disk.qcow2").read_bytes()[:4] == b"QFI\xfb"
        with pytest.raises(CommandError, match="qemu-img failed"):
            disk.convert(tmp_path / "none.raw", tmp_path / "other.vmdk")
        names = sorted(file.name for file in tmp_path.iterdir())
        assert names == ["disk.qcow2", "disk.raw", "disk.vmdk"]

    @pytest.mark.vm
    def test_table_has_an_efi_partition_and_a_bootable_root_that_can_grow(self, kit, tmp_path):
        assert "sfdisk" in kit.programs
        raw = tmp_path / "disk.raw"
        with raw.open("wb") as file:
            file.truncate(200 << 20)
        disk._partitions(raw)
        table = raw.read_bytes()[446:512]
        rows = [struct.unpack("<B3xB3xII", table[16 * n : 16 * n + 16]) for n in range(4)]
        rest = (200 << 20) // disk.SECTOR - disk.ROOT_START
        assert rows[0] == (0, 0xEF, disk.ESP_START, disk.ESP_SECTORS)
        assert rows[1] == (0x80, 0x83, disk.ROOT_START, rest)  # the last one, to the end
        assert rows[2:] == [(0, 0, 0, 0)] * 2
        assert table[-2:] == b"\x55\xaa"

    def test_grub_for_bios_lies_right_behind_the_first_sector(self, tmp_path, monkeypatch):
        modules = tmp_path / "usr/lib/grub/i386-pc"
        modules.mkdir(parents=True)
        (modules / "boot.img").write_bytes(b"B" * 512)

        def mkimage(*words):
            Path(words[words.index("-o") + 1]).write_bytes(b"C" * 700)

        monkeypatch.setattr(disk, "call", mkimage)
        raw = tmp_path / "disk.raw"
        raw.write_bytes(bytes(4096))
        disk._bios(tmp_path, raw)
        # The partition table, at 446, is left alone; GRUB's first sector knows the second.
        assert raw.read_bytes() == (b"B" * 440 + bytes(72) + b"C" * 700 + bytes(4096 - 512 - 700))

    def test_a_disk_that_fails_half_way_leaves_nothing(self, tmp_path, monkeypatch):
        def call(*words, **_):
            if words[0] == "du":
                return "100\t/"
            raise CommandError("sfdisk failed")

        monkeypatch.setattr(disk, "call", call)
        system, target = tmp_path / "system", tmp_path / "disk.raw"
        (system / "etc").mkdir(parents=True)
        with pytest.raises(CommandError, match="sfdisk failed"):
            disk.make(system, target, size_gb=2)
        assert [file.name for file in tmp_path.iterdir()] == ["system"]


class TestSeal:
    LEFT = (
        "etc/ssh/ssh_host_rsa_key", "etc/bigdl-sandbox/jupyter.env", "root/.ssh/authorized_keys",
        "home/admin/.ssh/authorized_keys", "home/jovyan/.bash_history", "root/.aws/credentials",
        "home/jovyan/.cache/thing", "var/lib/dbus/machine-id", "var/lib/systemd/random-seed",
        "var/lib/apt/lists/pages", "var/log/journal/abc/system.journal", "tmp/upload/x",
        "usr/local/share/ca-certificates/proxy.crt", "etc/sudoers.d/bigdl-sandbox",
        "etc/issue.d/20-first-login.issue", "etc/sudoers.d/90-cloud-init-users", "etc/shadow-",
        "etc/gshadow-", "root/.ssh/id_ed25519", "home/jovyan/.ssh/id_rsa", "root/.ssh/known_hosts",
        "home/jovyan/.ssh/known_hosts.old", "root/.bash_history", "root/.python_history",
        "root/.lesshst", "home/jovyan/.lesshst", "root/.viminfo", "home/jovyan/.viminfo",
        "root/.wget-hsts", "home/jovyan/.wget-hsts", "home/jovyan/.aws/config",
        "root/.docker/config.json", "home/jovyan/.docker/config.json", "root/.netrc",
        "home/jovyan/.netrc", "root/.git-credentials", "home/jovyan/.git-credentials",
        "root/.cache/pip/x", "home/jovyan/.jupyter/jupyter_cookie_secret",
        "home/jovyan/.local/share/jupyter/notebook_secret", "var/crash/x",
        "home/jovyan/.local/share/jupyter/runtime/kernel-1.json",
        "home/jovyan/.ipython/profile_default/history.sqlite", "var/lib/dhcp/dhclient.eth0.leases",
        "var/lib/systemd/credential.secret", "var/lib/NetworkManager/a-lease", "var/tmp/x",
        "var/lib/cloud/instances/i-1/user-data.txt", "var/lib/cloud/data/result.json",
        "var/cache/apt/pkgcache.bin", "var/cache/apt/archives/a.deb", "var/log/apt/history",
        "var/log/syslog.1", "var/log/syslog.2.gz", "tmp/.hidden", "run/sshd.pid",
        "etc/bigdl-sandbox/tls.pem", "etc/issue.d/15-certificate.issue",
    )  # fmt: skip
    # What the list of names once did not know; whatever else lies in a home goes as well.
    UNFORESEEN = (
        "home/jovyan/.ssh/deploy_key", "home/jovyan/.ssh/config", "home/jovyan/.kube/config",
        "home/jovyan/.config/gh/hosts.yml", "home/jovyan/.azure/token.json", "root/.kube/config",
        "home/jovyan/.pypirc", "home/jovyan/.npmrc", "root/.npmrc", "home/jovyan/.pip/pip.conf",
        "home/jovyan/.config/pip/pip.conf", "home/jovyan/my-token", "home/admin/letters/one",
        "etc/pip.conf", "etc/apt/auth.conf", "etc/apt/auth.conf.d/mirror", "etc/npmrc",
        "var/spool/cron/crontabs/jovyan", "root/notes.txt",
    )  # fmt: skip
    KEPT = ("etc/ssh/sshd_config", "etc/bigdl-sandbox/machine", "etc/skel/.bashrc",
            "home/jovyan/.bashrc", "var/lib/dpkg/info/base.list", "usr/share/x")  # fmt: skip
    LOGS = ("var/log/syslog", "var/log/app/deep/app.out", "var/log/cloud-init.log", "var/log/wtmp")

    @pytest.fixture
    def tree(self, tmp_path):
        for name in (*self.LEFT, *self.UNFORESEEN, *self.KEPT, *self.LOGS):
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("x")
        (tmp_path / "home/jovyan/work").mkdir()
        (tmp_path / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
        (tmp_path / "etc/shadow").write_text(
            "root:$y$secret:1:0:9:7:::\nbin:*:1::::::\njovyan:!:1:0::::: \nopen::1::::::\n"
        )
        packaged = ("etc", "etc/ssh", "etc/ssh/sshd_config", "etc/skel", "etc/skel/.bashrc",
                    "etc/apt", "var", "var/lib")  # fmt: skip
        (tmp_path / "var/lib/dpkg/info/base.list").write_text(
            "".join(f"/{name}\n" for name in packaged)
        )
        (tmp_path / "opt/sandbox").mkdir(parents=True)
        (tmp_path / "opt/sandbox/base.list").write_text(
            "etc/issue.d\netc/sudoers.d\nsrv\nopt\nvar/spool\nusr/local\nusr/local/share\n"
            "usr/local/share/ca-certificates\nvar/crash\nvar/lib/NetworkManager\n"
            "etc/ssh/sshd_config.d\netc/apt/auth.conf.d\n"
        )
        return tmp_path

    def seal(self, *words):
        return subprocess.run(["sh", str(SEAL), *map(str, words)], capture_output=True, text=True)

    def test_every_leftover_is_named_and_then_gone(self, tree):
        found = self.seal("--check", tree)
        assert found.returncode == 1, found.stderr
        named = found.stdout.splitlines()
        for name in (*self.LEFT, *self.UNFORESEEN):
            parts = Path(name).parts
            stems = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
            assert any(f"left: {stem}" in named for stem in stems), name
        assert {f"left: {name}" for name in self.LOGS} <= set(named)
        assert "left: etc/machine-id" in named
        assert "left: etc/shadow (a password)" in named
        sealed = self.seal(tree)
        assert (sealed.returncode, sealed.stdout) == (0, ""), sealed.stderr
        clean = self.seal("--check", tree)
        assert (clean.returncode, clean.stdout) == (0, "")
        assert all((tree / name).is_file() for name in self.KEPT)
        assert not any((tree / name).exists() for name in (*self.LEFT, *self.UNFORESEEN))
        assert {(tree / name).read_text() for name in self.LOGS} == {""}
        homes = {str(path.relative_to(tree / "home")) for path in (tree / "home").rglob("*")}
        assert homes == {"admin", "admin/.bashrc", "jovyan", "jovyan/.bashrc", "jovyan/work",
                         "jovyan/.cache", "jovyan/.jupyter", "jovyan/.local",
                         "jovyan/.ipython", "jovyan/.config"}  # fmt: skip
        assert (tree / "etc/machine-id").read_text() == ""  # empty: made anew at the next boot
        assert (tree / "etc/shadow").read_text().splitlines() == [
            "root:!:1:0:9:7:::", "bin:*:1::::::", "jovyan:!:1:0::::: ", "open:!:1::::::",
        ]  # fmt: skip

    def test_what_neither_a_package_nor_a_list_knows_is_named_once_and_left_alone(self, tree):
        assert self.seal(tree).returncode == 0
        for name in ("srv/students/marks.csv", "opt/licence/key", "etc/backup.conf",
                     "usr/local/bin/tool", "var/lib/db/rows"):  # fmt: skip
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text("x")
        found = self.seal("--check", tree)
        assert found.returncode == 1
        assert found.stdout.splitlines() == [
            "left: etc/backup.conf", "left: opt/licence", "left: srv/students",
            "left: usr/local/bin", "left: var/lib/db",
        ]  # fmt: skip
        assert self.seal(tree).returncode == 0
        assert (tree / "srv/students/marks.csv").exists()  # its owner's to decide
        (tree / "etc/bigdl-sandbox/allowed").write_text("/srv/students\nopt/licence\n")
        assert "srv" not in self.seal("--check", tree).stdout

    def test_a_file_of_debian_that_was_changed_after_the_build_is_named(self, tree):
        assert self.seal(tree).returncode == 0
        (tree / "opt/sandbox/manifest.json").write_text("{}")
        late = (tree / "opt/sandbox/manifest.json").stat().st_mtime + 10
        assert self.seal("--check", tree).stdout == ""
        os.utime(tree / "etc/ssh/sshd_config", (late, late))
        assert self.seal("--check", tree).stdout == "left: etc/ssh/sshd_config\n"

    def test_a_changed_start_file_of_a_home_is_replaced(self, tree):
        (tree / "home/jovyan/.bashrc").write_text("export TOKEN=secret")
        assert "left: home/jovyan/.bashrc" in self.seal("--check", tree).stdout
        assert self.seal(tree).returncode == 0
        assert (tree / "home/jovyan/.bashrc").read_text() == "x"

    def test_work_goes_only_when_that_is_said(self, tree):
        work = tree / "home/jovyan/work/notebook.ipynb"
        work.write_text("days of work")
        refused = self.seal(tree)
        assert refused.returncode == 2
        assert "--keep-work or --remove-work. Nothing was touched" in refused.stderr
        assert (tree / "home/jovyan/.bash_history").exists()
        assert self.seal("--keep-work", tree).returncode == 0
        assert work.exists()
        assert self.seal("--check", "--keep-work", tree).returncode == 0
        assert self.seal("--check", tree).stdout == "left: home/jovyan/work/notebook.ipynb\n"
        assert self.seal("--remove-work", tree).returncode == 0
        assert list(work.parent.iterdir()) == []

    def test_a_name_that_people_chose_removes_nothing_but_itself(self, tree):
        """Were names handed on by lines, this one would remove what lies elsewhere."""
        victim = tree / "usr/share/x"
        for folder in ("tmp", "home/jovyan", "home/jovyan/.cache"):
            (tree / folder / "a\nusr/share").mkdir(parents=True)
            (tree / folder / "-rf *").write_text("x")
            (tree / folder / "link").symlink_to(victim.parent)
        assert self.seal(tree).returncode == 0
        assert victim.exists()
        assert self.seal("--check", tree).stdout == ""

    def test_a_computer_that_is_no_machine_of_ours_is_left_alone(self, tree):
        (tree / "etc/bigdl-sandbox/machine").unlink()
        for words in ([tree], ["--check", tree], ["--wipe", tree]):
            refused = self.seal(*words)
            assert refused.returncode == 2
            assert refused.stdout == ""
        assert all((tree / name).exists() for name in self.LEFT)

    def test_the_folders_that_stay_in_a_home_are_those_that_are_made_there(self):
        made = re.search(r"for folder in (.+); do", (ROOT / "provision/user.sh").read_text())
        kept = re.search(r"^folders='(.+)'$", SEAL.read_text(), re.MULTILINE)
        assert kept[1].split() == made[1].split()


class TestFirstBoot:
    def test_keys_and_secret_are_there_before_anybody_can_connect_or_log_in(self):
        units = {}
        for name in ("bigdl-sandbox-first-boot", "bigdl-sandbox"):
            text = (ROOT / "provision" / "files" / f"{name}.service").read_text()
            lines = [line.split("=", 1) for line in text.splitlines() if "=" in line]
            units[name] = {key: value.split() for key, value in lines}
        first, lab = units.values()
        later = {"ssh.service", "bigdl-sandbox.service", "systemd-user-sessions.service"}
        assert later <= set(first["Before"])
        assert "bigdl-sandbox-first-boot.service" in lab["Requires"]
        assert lab["User"] == ["jovyan"]
        assert lab["NoNewPrivileges"] == ["yes"]
        assert lab["CapabilityBoundingSet"] == []

    def test_nobody_has_a_password_in_a_cloud(self):
        settings = yaml.safe_load(vm.CLOUD)
        assert settings["system_info"]["default_user"]["lock_passwd"] is True
        sshd = (ROOT / "provision" / "files" / "sshd.conf").read_text().splitlines()
        assert {"PasswordAuthentication no", "PermitRootLogin no"} <= set(sshd)

    @pytest.fixture
    def boot(self, tmp_path):
        """Give a function that lets a machine of a kind boot; it gives that machine's folder."""

        def run(name, kind="vm"):
            root = tmp_path / name
            for folder in ("etc/bigdl-sandbox", "etc/ssh"):
                (root / folder).mkdir(parents=True, exist_ok=True)
            address = "0.0.0.0" if kind == "vm" else "127.0.0.1"
            machine = root / "etc/bigdl-sandbox/machine"
            machine.write_text(f"kind={kind}\naddress={address}\n")
            answer = subprocess.run(
                ["sh", str(ROOT / "provision/first-boot.sh"), str(root)],
                capture_output=True,
                text=True,
            )
            assert answer.returncode == 0, answer.stderr
            return root

        return run

    @pytest.mark.vm
    def test_secrets_differ_from_machine_to_machine_and_stay(self, kit, boot):
        assert "ssh" in kit.programs  # whose package has ssh-keygen
        found = []
        for name in ("one", "one", "two", "two"):
            root = boot(name)
            secrets = [root / "etc/bigdl-sandbox" / file for file in ("jupyter.env", "tls.pem")]
            found.append([file.read_text() for file in secrets])
            key = root / "etc/ssh/ssh_host_ed25519_key"
            assert {file.stat().st_mode & 0o777 for file in (*secrets, key)} == {0o600}
        assert found[0] == found[1]
        assert found[2] == found[3]
        assert not set(found[0]) & set(found[2])
        assert re.fullmatch(
            r"SANDBOX_ADDRESS=0\.0\.0\.0\nSANDBOX_TOKEN=[a-km-np-z2-9]{20}\n"
            "SANDBOX_CERTIFICATE=/etc/bigdl-sandbox/tls.pem\n",
            found[0][0],
        )

    @pytest.mark.vm
    def test_what_listens_on_a_network_has_a_certificate_and_the_screen_shows_it(self, kit, boot):
        assert "ssh" in kit.programs
        root = boot("vm")
        file = root / "etc/bigdl-sandbox/tls.pem"
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(file)  # key and all
        text = file.read_text()
        shown = (root / "etc/issue.d/15-certificate.issue").read_text()
        assert fingerprint(text[text.index("-----BEGIN CERTIFICATE") :]) in "".join(shown.split())
        cloud = boot("cloud", kind="ami")
        assert not (cloud / "etc/bigdl-sandbox/tls.pem").exists()
        assert "CERTIFICATE" not in (cloud / "etc/bigdl-sandbox/jupyter.env").read_text()

    @pytest.mark.vm
    def test_a_certificate_is_renewed_before_it_ends(self, kit, boot):
        assert "ssh" in kit.programs
        file = boot("vm") / "etc/bigdl-sandbox/tls.pem"
        words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x",
                 "-keyout", str(file), "-out", str(file), "-days", "59"]  # fmt: skip
        subprocess.run(words, check=True, capture_output=True)
        old = file.read_text()
        boot("vm")
        new = file.read_text()
        assert "BEGIN CERTIFICATE" in new
        assert new != old
        boot("vm")
        assert file.read_text() == new


class TestErrors:
    def test_an_unknown_format_is_refused(self, tmp_path):
        with pytest.raises(CommandError, match="must be of raw, qcow2, ova; got vdi"):
            vm.build(tmp_path, formats=("vdi",))

    def test_a_certificate_that_is_none_is_told_before_anything_is_made(self, tmp_path):
        (tmp_path / "text.pem").write_text("no certificate")
        for file in (tmp_path / "none.crt", tmp_path / "text.pem", tmp_path):
            with pytest.raises(CommandError, match="is no PEM certificate"):
                vm.build(tmp_path / "new", formats=("ova",), extra_ca=[file])
        assert not (tmp_path / "new").exists()

    def test_certificates_of_one_name_are_both_kept(self, tmp_path, monkeypatch):
        said = []
        monkeypatch.setattr(vm, "chroot", lambda system, *words: None)
        monkeypatch.setattr(disk, "call", lambda *words: said.append(words))
        system = tmp_path / "system"
        for folder in ("etc", "usr/local/share/ca-certificates"):
            (system / folder).mkdir(parents=True)
        files = [tmp_path / place / "ca.crt" for place in ("one", "two")]
        for file in files:
            file.parent.mkdir()
            file.write_bytes(file.parent.name.encode())
        vm.provision(system, kind="vm", lean=True, authorities=files)
        folder = system / "usr/local/share/ca-certificates"
        assert sorted(file.read_bytes() for file in folder.iterdir()) == [b"one", b"two"]
        assert all(file.suffix == ".crt" for file in folder.iterdir())
        assert [str(words[1]) for words in said] == [str(SEAL)] * 2
        assert "--check" in said[-1]
        assert "LLMNR=no" in (system / "etc/systemd/resolved.conf.d/bigdl-sandbox.conf").read_text()

    def test_a_disk_that_is_full_comes_with_the_cure(self):
        with pytest.raises(CommandError) as caught:
            disk.call("sh", "-c", "echo No space left on device >&2; exit 1")
        assert "larger disk" in caught.value.cure

    def test_the_size_that_is_named_as_the_cure_is_enough(self, tmp_path, monkeypatch):
        used = 1780  # times 1.4 is 2.49 GB
        monkeypatch.setattr(disk, "call", lambda *words: f"{used}\t/")
        with pytest.raises(CommandError) as caught:
            disk.make(tmp_path, tmp_path / "x.raw", size_gb=2)
        named = int(caught.value.cure.split()[2])
        assert used * 1.1 * (1 << 20) <= named * 1e9 - disk.ROOT_START * disk.SECTOR

    @pytest.mark.parametrize(("words", "form"), [([], "qcow2,ova"), (["--cloud"], "raw")])
    def test_what_is_built_by_default_fits_where_it_goes(self, monkeypatch, words, form):
        asked = {}
        monkeypatch.setattr(vm, "build", lambda target, **options: asked.update(options))
        result = CliRunner().invoke(vm_commands.vm_app, ["out", *words])
        assert result.exit_code == 0, result.output
        assert ",".join(asked["formats"]) == form

    @pytest.mark.parametrize("size", [1.9, 2001, float("nan")])
    def test_a_size_that_holds_nothing_is_refused(self, tmp_path, size):
        with pytest.raises(CommandError, match="must be 2 to 2000 GB"):
            vm.build(tmp_path, formats=("ova",), size_gb=size)

    def test_missing_programs_are_named_by_their_packages(self, monkeypatch):
        monkeypatch.setattr(disk.shutil, "which", lambda name, path: None)
        with pytest.raises(CommandError, match="e2fsprogs") as caught:
            disk.need_programs()
        assert "apt-get install" in caught.value.cure

    def test_without_root_nothing_begins(self, monkeypatch, tmp_path):
        monkeypatch.setattr(disk.shutil, "which", lambda name, path: "/bin/true")
        monkeypatch.setattr(disk.os, "geteuid", lambda: 1000)
        with pytest.raises(CommandError, match="needs root"):
            vm.build(tmp_path / "new", formats=("ova",))
        assert not (tmp_path / "new").exists()

    def test_too_little_disk_is_told_before_anything_is_made(self, monkeypatch, tmp_path):
        monkeypatch.setattr(disk, "need_programs", lambda: None)
        usage = type("Usage", (), {"free": 10**9})
        monkeypatch.setattr("sandbox.cli.carriers.daemon.shutil.disk_usage", lambda path: usage)
        with pytest.raises(CommandError, match=r"needs 14\.0 GB"):
            vm.build(tmp_path, formats=("ova",))
        assert list(tmp_path.iterdir()) == []

    def test_a_program_that_fails_is_quoted(self):
        with pytest.raises(CommandError, match=r"sh failed \(3\): why"):
            disk.call("sh", "-c", "echo why >&2; exit 3")
