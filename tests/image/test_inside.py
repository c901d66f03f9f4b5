"""What a person meets in a running image: the first page, a terminal, packages of her own, exec."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
import zipfile

import pytest
import websocket

from tests.image.kit import ROOT, Containers, compute, get, published, terminal, wait_until

pytestmark = pytest.mark.docker
TOKEN = "token-for-a-person"
UID = 4242


def healthy(container):
    container.reload()
    return container.attrs["State"]["Health"]["Status"] == "healthy"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Give a person's folder, whose uid has no account in the image."""
    import os

    made = tmp_path_factory.mktemp("person")
    for parent in (made.parent, made.parent.parent):
        parent.chmod(0o755)
    os.chown(made, UID, UID)
    made.chmod(0o755)
    return made


@pytest.fixture(scope="module")
def box(kit, folder):
    """Give a running sandbox, as the launcher starts it."""
    started = Containers(kit)
    yield started.start(
        port=True,
        user=f"{UID}:{UID}",
        group_add=["users"],
        cap_drop=["ALL"],
        environment={"SANDBOX_TOKEN": TOKEN},
        volumes={str(folder): {"bind": "/home/jovyan/work", "mode": "rw"}},
    )
    started.remove()


@pytest.fixture(scope="module")
def port(box):
    number = published(box)

    def answers():
        try:
            return get(number, "/api", timeout=5)[0] == 200
        except OSError:
            return False

    wait_until(answers, "Jupyter answers")
    return number


@pytest.fixture(scope="module")
def open_page(port):
    """Keep a connection open as a page does; give it, when that was, and what has come."""
    status, body, _ = get(port, "/api/terminals", token=TOKEN, method="POST", data="{}")
    assert status == 200, body
    address = f"ws://127.0.0.1:{port}/terminals/websocket/{json.loads(body)['name']}"
    header = [f"Authorization: token {TOKEN}"]
    connection = websocket.create_connection(address, header=header, http_no_proxy=["*"])
    heard = []

    def listen():  # whoever does not listen does not answer Jupyter's pings
        with contextlib.suppress(OSError, websocket.WebSocketException):
            while text := connection.recv():
                heard.append(text)
        heard.append("CLOSED")

    threading.Thread(target=listen, daemon=True).start()
    yield connection, time.monotonic(), heard
    connection.close()


def wheel(folder, name, version, text):
    """Write the smallest wheel there is."""
    file = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name}.py", text)
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(
            f"{info}/entry_points.txt", f"[console_scripts]\nsay-{name} = {name}:main\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    file.chmod(0o644)
    return file


class TestFirstPage:
    def test_lab_opens_with_the_start_page(self, port, folder, open_page):
        status, _, headers = get(port, "/lab", token=TOKEN)
        assert (status, headers["Location"]) == (302, "/lab/tree/notebooks/00_start.ipynb")
        assert (folder / "notebooks" / "00_start.ipynb").is_file()

    def test_only_what_a_person_wants_comes_into_her_folder(self, port, folder):
        found = {str(path.relative_to(folder)) for path in folder.rglob("*")}
        assert not [name for name in found if "__pycache__" in name or "checkpoints" in name]
        assert {path.name for path in folder.iterdir()} == {"notebooks", ".packages"}

    def test_deleting_in_lab_leaves_no_waste_basket_in_the_folder(self, port, folder):
        body = json.dumps({"type": "file", "format": "text", "content": "x"})
        assert get(port, "/api/contents/x.txt", token=TOKEN, method="PUT", data=body)[0] == 201
        assert (folder / "x.txt").stat().st_uid == UID
        assert get(port, "/api/contents/x.txt", token=TOKEN, method="DELETE")[0] == 204
        assert not [path for path in folder.iterdir() if path.name.startswith((".Trash", "x"))]


class TestTerminal:
    def test_programs_are_found_and_the_arrow_key_brings_the_line_back(self, port):
        said = terminal(
            port,
            TOKEN,
            [
                "echo shell $0 $BASH_VERSION",
                "for p in python pip sandbox java git curl less nano unzip; do command -v $p; done",
                "java -version 2>&1 | head -1",
                "echo once",
                "\x1b[A\x1b[A",  # the arrow, past the helper's own line: `echo once` again
            ],
        )
        assert re.search(r"^shell \S*bash 5", said, re.MULTILINE), said
        for program in (
            *("/opt/sandbox/venv/bin/python", "/opt/sandbox/venv/bin/pip"),
            *("/opt/sandbox/venv/bin/sandbox", "/opt/sandbox/java/bin/java"),
            *("/usr/bin/git", "/usr/bin/curl", "/usr/bin/less", "/usr/bin/nano", "/usr/bin/unzip"),
        ):
            assert re.search(rf"^{program}$", said, re.MULTILINE), (program, said)
        assert 'version "21' in said
        assert len(re.findall(r"^once$", said, re.MULTILINE)) == 2, said

    FIND = "for p in python pip sandbox java; do command -v $p; done; cd; pwd"

    @pytest.mark.parametrize("shell", [["bash", "-l"], ["sh", "-l"], ["bash"]])
    def test_shells_of_docker_exec_find_them_too(self, box, port, shell):
        answer = box.exec_run([*shell, "-c", self.FIND])
        assert answer.output.decode().split() == [
            "/opt/sandbox/venv/bin/python",
            "/opt/sandbox/venv/bin/pip",
            "/opt/sandbox/venv/bin/sandbox",
            "/opt/sandbox/java/bin/java",
            "/home/jovyan",
        ]


class TestPackages:
    def test_a_package_is_installed_beside_the_locked_ones_and_kept(
        self, kit, containers, box, port, folder
    ):
        file = wheel(folder, "gladly", "1.0", "def main(): print('gladly')\n")
        code = (
            f"%pip install --no-index {file.name}\n"
            "import gladly, site\n"
            "gladly.main(); print(gladly.__file__)\n"
            "!say-gladly\n"
        )
        said = compute(port, TOKEN, code)  # the same kernel finds it at once
        assert "Successfully installed gladly-1.0" in said
        place = ".packages/lib/python3.11/site-packages/gladly.py"
        assert f"gladly\n/home/jovyan/work/{place}\ngladly" in said.replace("\r", "")
        assert (folder / place).stat().st_uid == UID
        # Another container with the same folder; a terminal's words this time.
        again = wheel(folder, "kindly", "1.0", "def main(): print('kindly')\n")
        status, said = containers.run(
            [
                "bash",
                "-c",
                f"pip install --user --no-index {again.name} && say-gladly && say-kindly",
            ],
            user=f"{UID}:{UID}",
            network_mode="none",
            volumes={str(folder): {"bind": "/home/jovyan/work", "mode": "rw"}},
        )
        assert status == 0, said
        assert said.split()[-2:] == ["gladly", "kindly"]
        assert "WARNING" not in said

    def test_a_package_cannot_take_the_place_of_a_locked_one(self, box, port, folder):
        file = wheel(folder, "numpy", "99.0", "raise SystemExit('not numpy')\n")
        install = ["pip", "install", "--no-index", "--no-deps", file.name]
        said = box.exec_run(install, workdir="/home/jovyan/work").output
        assert b"Will not install to the user site because it will lack sys.path" in said
        # Put there by force, it is still not the one that is imported.
        place = ".packages/lib/python3.11/site-packages"
        box.exec_run([*install, "--target", place], workdir="/home/jovyan/work")
        assert (folder / place / "numpy.py").is_file()
        said = box.exec_run(["python", "-c", "import numpy; print(numpy.__version__)"]).output
        assert re.fullmatch(rb"2\.\d+\.\d+\n", said), said


class TestExec:
    # A session that somebody makes without our help: Java itself must know who runs it.
    SPARK = (
        "from pyspark.sql import SparkSession\n"
        "s = SparkSession.builder.master('local[1]').getOrCreate()\n"
        "print('rows', s.range(10).count(), s.sparkContext.sparkUser())\n"
    )

    def test_java_knows_a_uid_without_an_account(self, box, port):
        show = ["java", "-XshowSettings:properties", "-version"]
        for user in ("", "5000", "5000:5000"):
            said = box.exec_run(show, user=user).output.decode()
            assert re.search("user.name = jovyan", said), (user, said)

    def test_spark_starts_for_a_uid_of_docker_exec(self, box, port):
        answer = box.exec_run(["python", "-c", self.SPARK], user="5000")
        assert b"rows 10 jovyan" in answer.output, answer.output[-3000:]

    def test_a_second_start_script_leaves_the_server_s_files_alone(self, box, port):
        list_files = ["bash", "-c", "ls /tmp/jupyter-runtime | grep -c jpserver"]
        assert box.exec_run(list_files).output == b"2\n"  # .json and -open.html
        for command in (["start.sh", "true"], ["start.sh", "doctor", "--no-spark", "--json"]):
            answer = box.exec_run(command)
            assert answer.exit_code == 0, answer.output
        assert box.exec_run(list_files).output == b"2\n"
        check = box.exec_run(["python", "/opt/sandbox/bin/healthcheck.py"])
        assert (check.exit_code, b"version" in check.output) == (0, True), check.output
        wait_until(lambda: healthy(box), "healthy")


def test_jupyterhub_starts_a_person_s_server(containers):
    """A real Hub, in the same container."""
    program = {str(ROOT / "tests/image/hub.py"): {"bind": "/hub.py", "mode": "ro"}}
    status, said = containers.run(["python", "/hub.py"], network_mode="none", volumes=program)
    assert status == 0, said[-3000:]
    for line in ("nobody: 403", "wrong token: 403", "ann: 200 ['notebooks']"):
        assert line in said.splitlines(), said[-3000:]
    assert "Extension Manager is 'readonly'" in said  # the image's settings hold there too


def test_memory_that_runs_out_is_named(containers):
    """Java grows past what the container may use, and is killed for it."""
    script = (
        "from sandbox.lib.spark import spark_session\n"
        "from sandbox.lib.spark.session.ended import java_alive\n"
        "s = spark_session('local[1]', conf={'spark.driver.memory': '3g'})\n"
        "gateway = s.sparkContext._gateway\n"
        "with java_alive():\n"
        "    gateway.new_array(gateway.jvm.byte, 2_000_000_000)\n"
    )
    status, said = containers.run(["python", "-c", script], network_mode="none", mem_limit="600m")
    assert status == 1
    last = said.strip().splitlines()[-1]
    assert "was killed, as the system does when memory runs out, which may use 600 MB" in last, said
    assert "docker run -m 3g" in last


def test_a_page_stays_connected_for_more_than_half_a_minute(open_page):
    """Opened by the first test: after 30 s Jupyter asks for the first time whether it is alive."""
    connection, opened, heard = open_page
    wait_until(lambda: time.monotonic() - opened > 32, "half a minute")
    assert "CLOSED" not in heard
    connection.send(json.dumps(["stdin", "echo still $((40 + 2))\r"]))
    wait_until(lambda: any("still 42" in text for text in heard), "an answer")
