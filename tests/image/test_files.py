"""Which files go into a carrier: git's, and nothing private that lies among them."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from sandbox.cli.carriers import files
from sandbox.cli.errors import CommandError

ROOT = Path(__file__).resolve().parents[2]
PRIVATE = ("sandbox/.env", "notebooks/mine.ipynb", "notebooks/.ipynb_checkpoints/a.ipynb",
           "docker/certs/proxy.crt", "docker/data/mnist/rows", "provision/notes.txt")  # fmt: skip
SHIPPED = ("sandbox/__init__.py", "notebooks/01.ipynb", "provision/machine.sh", "docker/Dockerfile",
           "docker/certs/README.md", "pyproject.toml", "LICENSE")  # fmt: skip


def git(folder, *words):
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)


@pytest.fixture
def tree(tmp_path):
    """Make a small sandbox that is a git checkout, with private files among the others."""
    root = tmp_path / "tree"
    for name in (*SHIPPED, "notebooks/conftest.py", "tests/test_x.py"):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    (root / "provision/machine.sh").chmod(0o755)
    git(root.parent, "init", "-q", str(root))
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    for name in PRIVATE:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("secret")
    return root


def names(root):
    return {name for name, _ in files.carried(root)}


def test_untracked_files_stay_out_and_are_named(tree, capsys):
    assert names(tree) == set(SHIPPED)
    said = capsys.readouterr().out
    assert "git does not know" in said
    assert all(name in said for name in ("sandbox/.env", "notebooks/mine.ipynb"))
    assert "proxy.crt" not in said  # there for an option of the build


def test_what_git_is_told_of_goes_in_before_it_is_committed(tree):
    git(tree, "add", "notebooks/mine.ipynb")
    assert names(tree) == {*SHIPPED, "notebooks/mine.ipynb"}
    assert files.revision(tree).endswith("-dirty")


def test_a_changed_tree_is_called_dirty_and_its_changes_are_named(tree, capsys):
    commit = files.revision(tree)
    assert len(commit) == 40  # untracked files do not go in: no change
    (tree / "tests/test_x.py").write_text("changed")
    assert files.revision(tree) == commit  # nor does this one
    (tree / "notebooks/01.ipynb").write_text("run, with outputs")
    assert files.revision(tree) == f"{commit}-dirty"
    (tree / "LICENSE").unlink()
    git(tree, "reset", "-q", "--hard")
    (tree / "sandbox/__init__.py").unlink()
    assert files.revision(tree) == f"{commit}-dirty"
    capsys.readouterr()
    assert names(tree) == {*SHIPPED} - {"sandbox/__init__.py"}
    assert "marked -dirty: sandbox/__init__.py" in capsys.readouterr().out


def test_a_release_archive_carries_all_but_a_stated_list_and_says_so(tree, tmp_path, capsys):
    archive = tmp_path / "archive"  # within another checkout, as it may happen
    git(tmp_path, "init", "-q")
    shutil.copytree(tree, archive, ignore=shutil.ignore_patterns(".git"))
    (archive / "provision/id_ed25519").write_text("secret")
    (archive / "sandbox/__pycache__").mkdir()
    (archive / "sandbox/__pycache__/x.pyc").write_text("")
    assert names(archive) == {*SHIPPED, "notebooks/mine.ipynb", "provision/notes.txt"}
    said = capsys.readouterr().out
    assert "no git checkout: every file of sandbox, notebooks" in said
    assert all(pattern in said for pattern in files.LEFT_OUT)
    assert files.revision(archive) == "unknown"


def test_a_checkout_without_git_is_refused(tree, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CommandError, match="git, which tells its files from yours, is not here"):
        files.carried(tree)


def test_a_part_that_is_missing_is_named(tree):
    shutil.rmtree(tree / "notebooks")
    with pytest.raises(CommandError, match="notebooks is missing"):
        files.carried(tree)


def test_the_settings_of_a_git_hook_do_not_lead_elsewhere(tree, tmp_path, monkeypatch):
    git(tmp_path, "init", "-q", "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other/.git"))
    assert names(tree) == set(SHIPPED)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="chown needs root")
def test_a_checkout_of_somebody_else_is_read_as_sudo_does(tree, monkeypatch):
    for path in (tree, *tree.rglob("*")):
        os.chown(path, 1000, 1000)
    monkeypatch.delenv("SUDO_UID", raising=False)
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):  # which may trust all folders
        monkeypatch.setenv(name, os.devnull)
    refused = subprocess.run(["git", "-C", str(tree), "status"], capture_output=True, text=True)
    assert refused.returncode
    assert names(tree) == set(SHIPPED)


def test_a_machine_gets_the_app_its_scripts_and_the_revision(tree):
    entries = dict(files.installation(tree))
    assert entries["provision/revision"].decode() == f"{files.revision(tree)}\n"
    assert entries["app/notebooks/01.ipynb"] == tree / "notebooks/01.ipynb"
    assert "provision/machine.sh" in entries
    assert not [name for name in entries if "docker" in name or "conftest" in name]


def test_a_tar_tells_nothing_of_who_wrote_it(tree):
    packed = io.BytesIO()
    files.write_tar(packed, files.context(tree))
    packed.seek(0)
    with tarfile.open(fileobj=packed) as archive:
        facts = {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in archive.getmembers()}
        modes = {m.name: m.mode for m in archive.getmembers()}
        assert archive.extractfile("LICENSE").read() == b"LICENSE"
    assert facts == {(0, 0, "", "", 0)}
    assert modes["provision/machine.sh"] == 0o755
    assert modes["LICENSE"] == 0o644


def test_packer_gets_its_files_without_the_environment_of_the_sandbox(tmp_path):
    """As the templates do: another Python (`-S`: no packages), started in another folder."""
    answer = subprocess.run(
        [sys.executable, "-S", "-m", "sandbox.cli.carriers.files", "out.tar"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    with tarfile.open(tmp_path / "out.tar") as archive:
        found = set(archive.getnames())
    assert {"app/pyproject.toml", "app/sandbox/cli/server.py", "provision/seal.sh"} <= found


def test_the_manifest_quotes_the_revision(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "provision"))
    import manifest

    assert manifest.revision(tmp_path) == "unknown"
    (tmp_path / "provision").mkdir()
    (tmp_path / "provision/revision").write_text("abc-dirty\n")
    monkeypatch.setattr(manifest, "debian_packages", list)  # of a Debian system only
    assert json.loads(json.dumps(manifest.manifest(tmp_path)))["revision"] == "abc-dirty"


def test_context_holds_what_is_copied_and_no_secret():
    names = {name for name, _ in files.carried()}
    for line in (ROOT / "docker/Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for part in line.split()[1:-1]:
                assert any(name.startswith(part) for name in names), part
    assert not [n for n in names if n.endswith((".crt", ".pem", ".key", ".pyc"))]
    assert "notebooks/conftest.py" not in names


@pytest.mark.docker
def test_an_image_holds_these_files_only_and_tells_its_revision(kit, containers):
    look = (
        "cd /opt/sandbox/app && find . -type f ! -name '*.pyc' | sort && "
        "cat ../provision/revision && grep -o '\"revision\": .*' ../manifest.json"
    )
    status, said = containers.run(["bash", "-c", look])
    assert status == 0, said
    *found, revision, quoted = said.splitlines()
    wanted = {name for name, _ in files.carried() if not name.startswith(("docker", "provision"))}
    assert {name.removeprefix("./") for name in found} == wanted
    labels = kit.client.images.get(kit.image).labels
    assert labels["org.opencontainers.image.revision"] == revision
    assert quoted == f'"revision": "{revision}",'
