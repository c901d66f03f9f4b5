"""Whatever a person's old Jupyter configuration says: the address answers with the token only."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from traitlets.config import Config

sys.path.insert(0, str(Path(__file__).parent))
from jupyter_server.auth import passwd
from script_kit import lab

from sandbox.cli import places, server
from sandbox.cli.errors import CommandError
from tests.image.kit import terminal

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]
OPEN = """
c.{app}.token = ""
c.{app}.password = ""
c.{app}.ip = "0.0.0.0"
c.{app}.allow_origin = "*"
c.{app}.allow_remote_access = True
c.{app}.disable_check_xsrf = True
"""
FILES = {
    "jupyter_config.py": 'c.PasswordIdentityProvider.token = ""\nc.Server.token = ""\n',
    "jupyter_server_config.py": OPEN.format(app="NotebookApp")
    + 'c.IdentityProvider.token = ""\n'
    + 'c.ServerApp.identity_provider_class = "jupyter_server.auth.identity.IdentityProvider"\n'
    + "c.ServerApp.allow_unauthenticated_access = True\n",
    "jupyter_server_config.json": json.dumps(
        {"PasswordIdentityProvider": {"token": "", "hashed_password": ""}}
    ),
    "jupyter_lab_config.py": OPEN.format(app="LabApp"),
    "jupyter_notebook_config.py": OPEN.format(app="NotebookApp"),
}
# What a server is started with in the image, the VM and the AMI.
AS_IN_THE_IMAGE = (
    "import sys; from pathlib import Path; from sandbox.cli import server; "
    f"server.OURS = (Path({str(ROOT / 'provision/jupyter')!r}),); server.main()"
)


def opened(folder: Path) -> Path:
    """Write every file that once switched the token off."""
    folder.mkdir(parents=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


def environment(home: Path, **others: str) -> dict[str, str]:
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("JUPYTER", "SANDBOX_TOKEN"))}
    return {
        **kept,
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "JUPYTER_SERVER_ALLOW_UNAUTHENTICATED_ACCESS": "true",
        "JUPYTER_TOKEN_FILE": os.devnull,
        **others,
    }


def status(port: int, path: str, token: str = "", **headers: str) -> int:
    """Give the status of an answer; a page that asks for the token counts as 302."""
    if token:
        headers["Authorization"] = f"token {token}"
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return 302 if "/login" in answer.url else answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def assert_opens_with_the_start_page(port: int, token: str) -> None:
    def end_of(path: str) -> str:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{port}{path}token={token}", timeout=10
        ) as at:
            return str(at.url).partition(f":{port}")[2]

    assert end_of("/lab?") == f"/lab/tree/{places.START}?token={token}"
    assert end_of("/lab?reset&") == f"/lab/workspaces/default?reset&token={token}"
    for path in ("/lab/tree/01_neuron_to_network.ipynb?", "/lab/workspaces/mine?"):
        assert end_of(path) == f"{path}token={token}"


def assert_shut(port: int, token: str) -> None:
    for path in ("/api/kernels", "/api/contents", "/api/terminals", "/api/sessions", "/metrics"):
        assert status(port, path) in (403, 302), path
        assert status(port, path, token=token) == 200, path
    assert status(port, "/lab") == 302
    assert status(port, "/lab", token=token) == 200
    assert status(port, "/api") == 200  # the version only: how a health check asks
    assert status(port, "/api/kernels", token=token, Host="evil.example") == 403


@pytest.mark.parametrize("variable", ["HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_CONFIG_PATH"])
def test_no_old_configuration_switches_the_token_off(tmp_path, variable):
    home = tmp_path / "home"
    folder = opened(home / ".jupyter" if variable == "HOME" else tmp_path / "old")
    where = {} if variable == "HOME" else {variable: str(folder)}
    port = free_port()
    command = [sys.executable, "-m", "sandbox.cli", "lab", "--no-browser", "--port", str(port)]
    with lab(command, tmp_path / "log", environment(home, JUPYTER_TOKEN="", **where)) as told:
        assert_shut(told["port"], told["token"])
        assert_opens_with_the_start_page(told["port"], told["token"])
        listening = Path("/proc/net/tcp")
        if listening.exists():
            assert f" 00000000:{told['port']:04X} " not in listening.read_text()
    log = (tmp_path / "log").read_text()
    line = rf"sandbox: .*NotebookApp\.token, .* in {folder}/jupyter_server_config\.py overruled"
    assert re.search(line, log), log
    assert f"PasswordIdentityProvider.token, Server.token in {folder}/jupyter_config.py" in log
    assert "Traceback" not in log


def test_a_terminal_finds_the_environment_without_a_shell_and_a_path(tmp_path):
    """As a desktop or a service starts it: bash, no login shell, which would lose the PATH."""
    command = [sys.executable, "-m", "sandbox.cli", "lab", "--no-browser", "--port"]
    poor = environment(tmp_path, PATH="/usr/bin:/bin")
    poor.pop("SHELL", None)
    with lab([*command, str(free_port())], tmp_path / "log", poor) as told:
        said = terminal(
            told["port"],
            told["token"],
            ["echo in $0", "command -v python", "command -v pip", "echo one", "\x1b[A\x1b[A"],
        )
    ours = Path(sys.executable).parent
    assert re.search(r"^in \S*bash$", said, re.MULTILINE), said
    assert f"\n{ours}/python\n" in said
    assert f"\n{ours}/pip\n" in said or not (ours / "pip").exists()
    assert len(re.findall(r"^one$", said, re.MULTILINE)) == 2, said
    assert "websocket_ping" not in (tmp_path / "log").read_text()


def test_the_start_page_is_found_where_a_carrier_has_the_lessons(tmp_path):
    assert server.start_page(tmp_path) is None
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / places.START).touch()
    assert server.start_page(tmp_path) == f"notebooks/{places.START}"
    (tmp_path / places.START).touch()
    assert server.start_page(tmp_path) == places.START


def test_in_the_image_no_old_configuration_switches_the_token_off(tmp_path):
    opened(tmp_path / ".jupyter")
    port, token = free_port(), "token-for-tests"
    settings = {
        "JUPYTER_CONFIG_PATH": str(ROOT / "provision/jupyter"),
        "SANDBOX_ADDRESS": "127.0.0.1",
        "SANDBOX_PORT": str(port),
        "SANDBOX_TOKEN": token,
    }
    command = [sys.executable, "-c", AS_IN_THE_IMAGE, "--allow-root", "--no-browser"]
    log = tmp_path / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, env=environment(tmp_path, **settings)
        )
    try:
        for _ in range(600):
            try:
                if status(port, "/api") == 200:
                    break
            except OSError:
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)
        assert_shut(port, token)
    finally:
        process.terminate()
        process.wait(20)
    assert "overruled: who may come in" in log.read_text()


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [(["--IdentityProvider.token="], {}), ([], {}), ([], {"SANDBOX_TOKEN": ""})],
    ids=["argument", "JUPYTER_TOKEN_FILE", "SANDBOX_TOKEN"],
)
def test_in_the_image_no_token_at_all_is_refused_off_the_loopback(tmp_path, arguments, settings):
    settings = settings | {
        "JUPYTER_CONFIG_PATH": str(ROOT / "provision/jupyter"),
        "SANDBOX_ADDRESS": "0.0.0.0",
    }
    answer = subprocess.run(
        [sys.executable, "-c", AS_IN_THE_IMAGE, "--allow-root", "--no-browser", *arguments],
        env=environment(tmp_path, **settings),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.returncode == 2, answer.stderr
    assert "while" in answer.stderr
    assert "listens on 0.0.0.0" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_what_leaves_the_door_alone_counts():
    given = Config()
    given.NotebookApp.token = ""
    given.ServerApp.password = passwd("a word of mine")
    given.ServerApp.terminals_enabled = False
    given.PasswordIdentityProvider.hashed_password = passwd("")
    rest, access = server.apart(given)
    assert server.names_in(access) == [
        "NotebookApp.token",
        "PasswordIdentityProvider.hashed_password",
    ]
    assert server.names_in(rest) == ["ServerApp.password", "ServerApp.terminals_enabled"]
    assert given.NotebookApp.token == ""  # the caller's is as it was


def test_a_runtime_folder_that_cannot_be_written_is_named_with_the_cure(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "file" / "runtime"))
    with pytest.raises(
        CommandError, match=r"file/runtime must be writable; got: Not a dir"
    ) as told:
        places.check_runtime_folder()
    assert "JUPYTER_RUNTIME_DIR" in told.value.cure
