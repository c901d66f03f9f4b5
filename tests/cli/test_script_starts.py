"""The start script after the set-up: without rights, without a network, beside a busy port."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from script_kit import lab, make_checkout, make_environment

from tests.image.kit import compute

pytestmark = pytest.mark.processes

KIT = Path(__file__).with_name("script_kit.py")
STRANGER = 54321  # a user that owns nothing
IS_ROOT = os.geteuid() == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users reach too; pytest's own ones are private."""
    path = Path(tempfile.mkdtemp(prefix="sandbox-test-")).resolve()
    path.chmod(0o755)
    yield path
    for place, _, _ in os.walk(path):
        os.chmod(place, 0o755)  # what was made read-only above can be removed
    shutil.rmtree(path)


@pytest.fixture
def script(folder: Path) -> Path:
    """A checkout with an environment beside it."""
    script = make_checkout(folder / "checkout")
    make_environment(script, script.parent / ".venv")
    return script


def at_home(folder: Path) -> dict[str, str]:
    """Give an environment whose home, caches and settings are in the folder."""
    kept = ("PATH", "LANG", "SANDBOX_DATA", "SANDBOX_CHROMIUM", "JAVA_HOME", "LD_LIBRARY_PATH")
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return {name: os.environ[name] for name in kept if name in os.environ} | {"HOME": str(home)}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def as_stranger() -> list[str]:
    """Give the words that make a command run without rights, or skip."""
    if not IS_ROOT:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root cannot become another user: setpriv (util-linux) is not installed")
    plain = ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups"]
    # Where Python lies in root's own home, the stranger may read everything, still write nothing.
    reader = [f"--{kind}-caps=-all,+dac_read_search" for kind in ("inh", "ambient")]
    trial = ["sh", "-c", 'exec "$0" -c ""', sys.executable]
    for command in (plain, [*plain, *reader]):
        if not subprocess.run([*command, *trial], capture_output=True).returncode:
            return command
    pytest.skip(f"another user may not run {sys.executable}, and root lacks CAP_DAC_READ_SEARCH")


def without_network() -> list[str]:
    """Give the words that run a command in a network namespace of its own, or skip."""
    for command in (["unshare", "-n"], ["unshare", "-rn"]):
        try:
            if not subprocess.run([*command, "true"], capture_output=True).returncode:
                return command
        except FileNotFoundError:
            pytest.skip("unshare (util-linux) is not installed")
    pytest.skip("a network namespace needs root or user namespaces; this machine grants neither")


def test_a_user_without_rights_works_in_a_checkout_of_someone_elses(folder):
    become = as_stranger()
    script = make_checkout(folder / "checkout")
    environment = at_home(folder)
    home = Path(environment["HOME"])
    # No environment beside the script and none can be made there: it is kept at home.
    name = hashlib.sha256(str(script.parent).encode()).hexdigest()[:12]
    make_environment(script, home / ".local/share/bigdl-sandbox" / name)
    for place, _, files in os.walk(script.parent, topdown=False):
        for name in files:
            os.chmod(Path(place, name), 0o555 if name.endswith(".sh") else 0o444)
        os.chmod(place, 0o555)
    if IS_ROOT:
        for place, _, files in os.walk(home):
            for path in (place, *(os.path.join(place, name) for name in files)):
                os.chown(path, STRANGER, STRANGER)

    command = [*become, str(script), "lab", "--no-browser", "--port", str(free_port())]
    with lab(command, folder / "lab.log", environment) as told:
        assert f"Notebooks:   {home}/bigdl-sandbox/notebooks" in told["log"]
        assert "Setting up" not in told["log"]
        assert told["status"]["kernels"] == 0
    assert (home / "bigdl-sandbox/notebooks/02_lenet_mnist.ipynb").is_file()


def test_a_port_that_is_taken_gives_way_to_the_next_free_one(folder, script):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [str(script), "lab", "--no-browser", "--port", str(port)]
        with lab(command, folder / "lab.log", at_home(folder)) as told:
            assert told["port"] > port
            assert f"Port {port} is taken; using {told['port']}." in told["log"]


def test_what_passes_between_server_and_kernel_is_encrypted(folder, script):
    """A loopback port is open to every user of a machine."""
    code = (
        "import json\nfrom ipykernel.connect import get_connection_file\n"
        "print('curve_secretkey' in json.load(open(get_connection_file())))"
    )
    command = [str(script), "lab", "--no-browser", "--port", str(free_port())]
    with lab(command, folder / "lab.log", at_home(folder)) as told:
        assert compute(told["port"], told["token"], code) == "True\n"
        assert "without encryption" not in (folder / "lab.log").read_text()


def test_opening_and_running_a_lesson_leaves_no_warning(folder, script):
    command = [str(script), "lab", "--no-browser", "--port", str(free_port())]
    with lab(command, folder / "lab.log", at_home(folder)) as told:
        for lesson in ("02_lenet_mnist", "solutions/01_neuron_to_network"):
            address = f"http://127.0.0.1:{told['port']}/api/contents/{lesson}.ipynb"
            with urllib.request.urlopen(f"{address}?token={told['token']}", timeout=30) as answer:
                assert answer.status == 200
        assert compute(told["port"], told["token"], "print(6 * 7)") == "42\n"
    said = (folder / "lab.log").read_text()
    for word in ("not trusted", "websocket_ping"):
        assert word not in said


def alone(verb: str, script: Path, folder: Path, *, timeout: int) -> str:
    """Give what a verb of the script prints where there is no network."""
    answer = subprocess.run(
        [*without_network(), sys.executable, str(KIT), verb, str(script)],
        env=at_home(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout[-3000:] + answer.stderr[-3000:]
    return answer.stdout


def test_jupyterlab_answers_without_a_network(folder, script):
    assert '"kernels": 0' in alone("lab", script, folder, timeout=100)


@pytest.mark.spark
@pytest.mark.notebook
@pytest.mark.campaign
def test_the_first_lesson_trains_without_a_network(folder, script):
    said = alone("run", script, folder, timeout=500)
    accuracy = re.search(r"^test accuracy: (\d\d\.\d\d) %$", said, re.MULTILINE)
    assert accuracy, said[-2000:]
    assert float(accuracy[1]) > 90  # one short epoch; chance is 10
