"""The start script, as far as it goes without a network."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.script_kit import make_environment

ROOT = Path(__file__).resolve().parents[2]


def start(*arguments: str, script: Path = ROOT / "run-bigdl-native.sh", **environment: str):
    return subprocess.run(
        [str(script), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


def checkout(folder: Path) -> Path:
    """Make a checkout of the script and its lock alone."""
    folder.mkdir(parents=True)
    for name in ("run-bigdl-native.sh", "requirements.lock"):
        target = folder / name
        target.write_bytes((ROOT / name).read_bytes())
        target.chmod(0o755)
    return folder / "run-bigdl-native.sh"


def fake(folder: Path, name: str, body: str) -> None:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/bash\n{body}\n")
    program.chmod(0o755)


def bare_path(folder: Path) -> str:
    """Give a PATH with the tools the script needs and no Python."""
    tools = folder / "tools"
    tools.mkdir()
    for name in (
        "bash",
        "env",
        "head",
        "id",
        "cat",
        "cut",
        "awk",
        "df",
        "dirname",
        "mkdir",
        "rm",
        "uname",
    ):
        for place in ("/usr/bin", "/bin"):
            if Path(place, name).exists():
                (tools / name).symlink_to(Path(place, name))
                break
    for name in ("sha256sum", "shasum", "readlink"):
        if Path("/usr/bin", name).exists():
            (tools / name).symlink_to(Path("/usr/bin", name))
    return str(tools)


def test_help_tells_the_verbs_and_needs_no_environment(tmp_path):
    answer = start("--help", script=checkout(tmp_path / "copy"))
    assert answer.returncode == 0
    for word in ("lab", "run NOTEBOOK", "test", "doctor", "bench", "--port", "--offline"):
        assert word in answer.stdout


def test_help_of_setup_sets_nothing_up(tmp_path):
    venv = tmp_path / "venv"
    script = checkout(tmp_path / "copy")
    answer = start("setup", "--help", script=script, SANDBOX_VENV=str(venv))
    assert answer.returncode == 0
    assert "--offline" in answer.stdout
    assert "SANDBOX_VENV" in answer.stdout
    answer = start("setup", "--halp", script=script, SANDBOX_VENV=str(venv))
    assert answer.returncode == 2
    assert "setup takes no --halp" in answer.stderr
    assert not venv.exists()


@pytest.fixture
def clones(tmp_path):
    """Give two clones and an environment that the first one has set up; its Python tells paths."""
    scripts = [checkout(tmp_path / name) for name in ("first", "second")]
    venv = tmp_path / "venv"
    make_environment(scripts[0], venv)
    fake(venv / "bin", "python", 'echo "$PYTHONPATH"')
    return scripts, venv


def test_clones_that_share_an_environment_run_each_its_own_code(clones):
    scripts, venv = clones
    for script in scripts:
        answer = start("doctor", script=script, SANDBOX_VENV=str(venv), PYTHONPATH="/mine")
        assert answer.returncode == 0, answer.stderr
        assert answer.stdout.strip() == f"{script.parent}:{script.parent}/sandbox/compat:/mine"
        assert "Setting up" not in answer.stderr


def test_a_clone_with_other_packages_leaves_the_environment_alone(clones):
    (_, second), venv = clones
    with (second.parent / "requirements.lock").open("a") as lock:
        lock.write("# another version\n")
    answer = start("doctor", script=second, SANDBOX_VENV=str(venv))
    assert answer.returncode == 2
    assert f"belongs to the checkout {venv.parent}/first, which has other" in answer.stderr
    assert "Name another folder in SANDBOX_VENV." in answer.stderr
    assert (venv / "sandbox-checkout").read_text().strip() == f"{venv.parent}/first"


def test_an_unknown_verb_ends_with_two_and_shows_the_usage(tmp_path):
    answer = start("fly", script=checkout(tmp_path / "copy"))
    assert answer.returncode == 2
    assert "no such verb: fly" in answer.stderr
    assert "Usage:" in answer.stderr


def test_without_a_python_the_advice_names_the_packages(tmp_path):
    script = checkout(tmp_path / "copy")
    answer = start("doctor", script=script, PATH=bare_path(tmp_path), SANDBOX_PYTHON="")
    assert answer.returncode == 2
    assert "Python 3.11, 3.12 or 3.13 is needed; on the PATH: none." in answer.stderr
    assert "apt-get install python3 python3-venv" in answer.stderr


def test_a_python_that_is_too_old_is_named_with_the_cures(tmp_path):
    script = checkout(tmp_path / "copy")
    fake(tmp_path / "bin", "python3", '[[ "$1" == --version ]] && echo "Python 3.9.2" || exit 1')
    path = f"{tmp_path / 'bin'}:{bare_path(tmp_path)}"
    answer = start("doctor", script=script, PATH=path, SANDBOX_PYTHON="")
    assert answer.returncode == 2
    assert "3.13 is needed; on the PATH: Python 3.9.2." in answer.stderr
    assert "SANDBOX_PYTHON=/path/to/python3" in answer.stderr


def test_a_named_python_that_does_not_fit_is_refused_by_name(tmp_path):
    script = checkout(tmp_path / "copy")
    fake(tmp_path / "bin", "python2", "exit 1")
    answer = start("doctor", script=script, SANDBOX_PYTHON=str(tmp_path / "bin" / "python2"))
    assert answer.returncode == 2
    assert "SANDBOX_PYTHON must be a Python 3.11 to 3.13" in answer.stderr


@pytest.mark.parametrize(
    ("user", "options", "advice"),
    [
        ("1000", [], "sudo apt-get install python3.11-venv"),
        ("0", ["--offline"], "sudo apt-get install python3.11-venv"),
        ("0", [], "apt-get install python3.11-venv failed"),  # tried, and the mirror is away
    ],
)
def test_debians_missing_venv_module_is_named_with_the_command(tmp_path, user, options, advice):
    script = checkout(tmp_path / "copy")
    path = bare_path(tmp_path)
    fake(
        tmp_path / "bin",
        "python3",
        'case "$2" in *ensurepip*) exit 1 ;; *print*) echo 3.11 ;; *) exit 0 ;; esac',
    )
    fake(tmp_path / "bin", "id", f"echo {user}")
    fake(tmp_path / "bin", "apt-get", "exit 100")
    path = f"{tmp_path / 'bin'}:{path}"
    answer = start("doctor", *options, script=script, PATH=path, SANDBOX_PYTHON="")
    assert answer.returncode == 2
    assert advice in answer.stderr


def test_a_foreign_folder_called_venv_is_not_removed(tmp_path):
    script = checkout(tmp_path / "copy")
    (script.parent / ".venv").mkdir()
    (script.parent / ".venv" / "precious").write_text("mine")
    answer = start("doctor", script=script)
    assert answer.returncode == 2
    assert "is no Python environment" in answer.stderr
    assert (script.parent / ".venv" / "precious").read_text() == "mine"


def test_a_missing_lock_is_named(tmp_path):
    script = checkout(tmp_path / "copy")
    (script.parent / "requirements.lock").unlink()
    answer = start("doctor", script=script)
    assert answer.returncode == 2
    assert "requirements.lock is missing" in answer.stderr


@pytest.mark.parametrize("name", ["run-bigdl-native.sh", ".ci/run", "sandbox/compat/install.sh"])
def test_the_scripts_are_executable(name):
    assert os.access(ROOT / name, os.X_OK)


def test_the_lock_names_hashes_and_no_index_and_no_torch():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    packages = [line for line in lines if line and line[0] not in " #"]
    hashes = [line for line in lines if line.startswith("    --hash=sha256:")]
    assert len(hashes) >= len(packages) > 100
    assert not [line for line in lines if "://" in line or line.startswith("--")]
    assert not [line for line in packages if line.startswith(("torch", "nvidia"))]
