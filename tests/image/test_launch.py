"""The launcher and what it says, the Compose file, a bundle's lines, with a real daemon."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import signal
import socket
import ssl
import subprocess
import urllib.request

import pytest
from typer.testing import CliRunner

from sandbox.cli.carriers import bundle, commands, image, launch
from sandbox.cli.carriers.image import MADE_BASE
from tests.image.kit import ROOT, certificates, get, wait_until

pytestmark = pytest.mark.docker
SCRIPT = ROOT / "run-bigdl-docker.sh"
ADDRESS = re.compile(r"^JupyterLab:  (https?)://127\.0\.0\.1:(\d+)(/\S*)lab\?token=(\w+)$", re.M)
CLUSTER = """
import os, socket, time
from sandbox.lib.spark import spark_session
spark = spark_session(os.environ["SPARK_MASTER"], conf={"spark.executor.memory": "640m"})
def where(rows):
    time.sleep(0.5)  # long enough for the other worker to take a share
    yield socket.gethostname()
rows = spark.sparkContext.parallelize(range(8), 8).mapPartitions(where)
print("hosts:", len(set(rows.collect())))
"""
TRUSTS = """
cd /tls && python -c '
import http.server, ssl
server = http.server.HTTPServer(("127.0.0.1", 8443), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("proxy.crt", "proxy.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()' 2>/dev/null &
until (exec 3<>/dev/tcp/127.0.0.1/8443) 2>/dev/null; do sleep 0.1; done
place=https://localhost:8443/proxy.crt
python -c "import urllib.request; print('urllib', urllib.request.urlopen('$place').status)"
python -c "import requests; print('requests', requests.get('$place').status_code)"
pip download --no-deps --retries 0 --dest /tmp https://localhost:8443/none-1-py3-none-any.whl 2>&1 |
  grep -o '404 Client Error' | head -n 1
"""


@pytest.fixture
def start(kit):
    """Give a function that runs the launcher to its end; what it leaves is removed."""
    assert kit.image

    def run(*words, cwd, **options):
        settings = {**os.environ, "DOCKER_HOST": kit.daemon.host, "SANDBOX_IMAGE": kit.image}
        settings.pop("SANDBOX_DATA", None)
        command = ["bash", str(SCRIPT), *map(str, words)]
        return subprocess.run(
            command, cwd=cwd, env=settings, capture_output=True, text=True, timeout=300, **options
        )

    yield run
    for container in launch.ours(kit.client):
        container.remove(force=True)


@pytest.fixture
def free():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return holder.getsockname()[1]


def certificate(folder):
    """Make a certificate for localhost that nobody trusts."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout",
         folder / "proxy.key", "-out", folder / "proxy.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "proxy.key").chmod(0o644)
    return folder / "proxy.crt"


def ask(url, context=None, **headers):
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(urllib.request.Request(url, headers=headers), timeout=60) as answer:
        return json.loads(answer.read())


def edited(folder, lesson):
    """Put a learner's copy there, and what it was made of: an older lesson than the image's."""
    for place, source in ((folder / ".shipped", "old"), (folder, "mine")):
        place.mkdir(exist_ok=True)
        cell = {"cell_type": "code", "source": source, "metadata": {}, "outputs": []}
        book = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (place / lesson).write_text(json.dumps(book))
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 1000, 100)


def test_what_is_asked_for_is_there_and_said_and_outlives_a_stop(kit, start, work, free):
    folder, more = work(), work()
    (more / "rows").write_text("7")
    edited_folder = folder / "notebooks"
    edited_folder.mkdir()
    (edited_folder / "own.txt").write_text("there before")
    edited(edited_folder, "02_lenet_mnist.ipynb")
    words = ["--detach", "--lan", "--https", "--port", free, "--env", "COLOUR=two words",
             "--volume", f"{more}:/more:ro", "--", "--ServerApp.base_url=/a/"]  # fmt: skip
    answer = start(*words, cwd=folder)
    assert answer.returncode == 0, answer.stderr
    said = answer.stderr
    scheme, port, base, token = ADDRESS.search(said).groups()
    assert (scheme, port, base) == ("https", str(free), "/a/")
    assert f"\nNotebooks:   {folder}\n" in said
    assert "02_lenet_mnist.ipynb has been shipped anew; yours is edited and stays." in said
    assert "sandbox reset LESSON" in said
    assert "in clear" not in said

    # The certificate is the one whose print was told, made for this name.
    pem = ssl.get_server_certificate(("127.0.0.1", int(port)))
    told = re.search(r"SHA-256 ([0-9A-F:]+)", said)[1].replace(":", "").lower()
    assert hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest() == told
    context = ssl.create_default_context(cadata=pem)
    place, secret = f"https://127.0.0.1:{port}/a", {"Authorization": f"token {token}"}
    assert ask(f"{place}/api", context)["version"]
    names = {entry["name"] for entry in ask(f"{place}/api/contents", context, **secret)["content"]}
    assert names == {"notebooks"}
    box = kit.client.containers.get("bigdl-sandbox")
    status, output = box.exec_run(["sh", "-c", 'echo "$COLOUR" && cat /more/rows'])
    assert (status, output) == (0, b"two words\n7")
    assert (folder / "notebooks" / "03_sentiment.ipynb").exists()
    mine = json.loads((folder / "notebooks" / "02_lenet_mnist.ipynb").read_text())
    assert mine["cells"][0]["source"] == "mine"
    assert f"https://127.0.0.1:{port}/a/lab?token={token}" in status_lines()

    box.exec_run(["sh", "-c", "echo mine >new.txt; echo stray >/home/jovyan/stray.txt"])
    box.stop(timeout=10)
    again = start("--detach", "--lan", cwd=folder)
    assert again.returncode == 2
    assert "docker cp bigdl-sandbox:/home/jovyan/stray.txt ." in again.stderr
    box.remove()
    again = start("--detach", "--lan", cwd=folder)
    assert again.returncode == 0, again.stderr
    assert "Token and work travel in clear" in again.stderr
    assert "--https" in again.stderr
    scheme, port, base, token = ADDRESS.search(again.stderr).groups()
    assert (scheme, base) == ("http", "/")
    status, body, _ = get(int(port), "/api/contents/new.txt", token=token)
    assert (status, json.loads(body)["content"]) == (200, "mine\n")


def status_lines():
    answer = CliRunner().invoke(commands.docker_app, ["status"])
    assert answer.exit_code == 0, answer.output
    return answer.output


def test_in_the_foreground_the_address_stays_on_the_screen(kit, work, free):
    """Jupyter's log is not shown; after Ctrl-C nothing is left."""
    folder = work()
    settings = {**os.environ, "DOCKER_HOST": kit.daemon.host, "SANDBOX_IMAGE": kit.image}
    process = subprocess.Popen(
        [str(SCRIPT), "--port", str(free), "--name", "t-front"],
        cwd=folder,
        env=settings,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        said = ""
        while "Stop it:     Ctrl-C" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        port = int(ADDRESS.search(said)[2])
        assert get(port, "/api/kernels")[0] == 403  # which Jupyter writes down
        os.killpg(process.pid, signal.SIGINT)
        assert process.communicate(timeout=120)[1] == ""
        assert process.returncode == 130
        assert kit.client.containers.list(all=True, filters={"name": "^t-front$"}) == []
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        for box in kit.client.containers.list(all=True, filters={"name": "^t-front$"}):
            box.remove(force=True)


def test_a_folder_on_a_read_only_disk_is_refused_with_a_cure_that_helps(kit, start, work):
    folder = work() / "disk"
    folder.mkdir()
    os.chown(folder, 1000, 100)
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        answer = start("--detach", cwd=folder)
    finally:
        subprocess.run(["umount", folder], check=True)
    assert answer.returncode == 2
    assert "cannot be written" in answer.stderr
    assert "is its disk read-only?" in answer.stderr
    assert "--user" not in answer.stderr  # no other user could write it
    assert launch.ours(kit.client) == []


def test_a_proxys_authority_is_trusted_by_python_requests_and_pip(start, work):
    folder, tls = work(), work()
    authority = certificate(tls)
    words = ["--volume", f"{tls}:/tls:ro", "--", "bash", "-c", TRUSTS]
    trusting = start("--extra-ca", authority, *words, cwd=folder)
    assert trusting.stdout == "urllib 200\nrequests 200\n404 Client Error\n", trusting.stderr
    assert "CERTIFICATE_VERIFY_FAILED" in start(*words, cwd=folder).stderr


def test_the_line_for_powershell_starts_the_sandbox(kit, work, free):
    """PowerShell and bash read it alike: the folder's name, the quotes, the options."""
    text = bundle.read_me(kit.image, 10**9, with_data=False)
    (line,) = (part.strip() for part in text.splitlines() if part.strip().startswith("docker run"))
    line = line.replace(":8888:8888", f":{free}:8888").replace("--rm", "--rm --name t-windows")
    folder = work()
    process = subprocess.Popen(
        ["bash", "-c", f"exec {line}"], cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:

        def answers():
            assert process.poll() is None, process.stderr.read()
            with contextlib.suppress(OSError):
                return get(free, "/api")[0] == 200

        wait_until(answers, "the address")
        box = kit.client.containers.get("t-windows")
        assert re.search(r"http://127\.0\.0\.1:8888/lab\?token=", box.logs().decode())
        assert (folder / "notebooks" / "00_start.ipynb").stat().st_uid == 1000
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    assert kit.client.containers.list(all=True, filters={"name": "^t-windows$"}) == []


def compose():
    new = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    program = ["docker", "compose"] if new.returncode == 0 else ["docker-compose"]
    return [*program, "-p", "t-compose", "-f", str(ROOT / "docker" / "compose.yaml")]


def test_compose_gives_a_cluster_with_lab_as_its_driver(kit, free):
    settings = {**os.environ, "DOCKER_HOST": kit.daemon.host, "SANDBOX_IMAGE": kit.image,
                "SANDBOX_PORT": str(free), "SANDBOX_TOKEN": "token-for-tests"}  # fmt: skip

    def call(*words):
        answer = subprocess.run([*compose(), *words], env=settings, capture_output=True, text=True)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    def named(part):
        filters = {"label": f"com.docker.compose.service={part}"}
        return kit.client.containers.list(filters=filters)

    try:
        call("up", "--detach", "--scale", "worker=2")
        master, (lab,) = named("spark-master")[0], named("lab")

        def joined():
            return len(re.findall("Registering worker", master.logs().decode())) == 2

        wait_until(joined, "two workers join", patience_s=300)
        status, said = lab.exec_run(["python", "-c", CLUSTER])
        assert status == 0, said.decode()
        assert b"hosts: 2\n" in said
        wait_until(lambda: get(free, "/api")[0] == 200, "JupyterLab")
        assert get(free, "/api/kernels", token="token-for-tests")[0] == 200
        assert get(free, "/api/kernels")[0] == 403
        lab.exec_run(["sh", "-c", "echo kept >/home/jovyan/work/mine"])
        call("down", "--timeout", "2")  # and up again: the work is in its volume
        volume = kit.client.volumes.get("t-compose_work")
        assert volume.attrs["Name"] == "t-compose_work"
        found = kit.client.containers.run(
            MADE_BASE, ["cat", "/w/mine"], remove=True, network_mode="none",
            volumes={volume.name: {"bind": "/w", "mode": "ro"}},
        )  # fmt: skip
        assert found == b"kept\n"
    finally:
        call("down", "--timeout", "2", "--volumes")


def test_what_a_build_leaves_without_a_name_is_told_and_can_be_removed(kit, tmp_path, capsys):
    assert kit.image
    (tmp_path / "Dockerfile").write_text(
        f"FROM {MADE_BASE} AS builder\nRUN echo large >/made\nLABEL {image.ROLE}=builder\n"
        f"FROM {MADE_BASE}\nCOPY --from=builder /made /made\n"
    )
    kit.client.images.build(path=str(tmp_path), tag="t-stages", rm=True, network_mode="none")
    image.report_untagged(kit.client)
    said = capsys.readouterr().out
    assert re.search(r"MB +sha256:\w+ +builder\n", said)
    command = shlex.split(re.search("Remove them:  (.*)", said)[1])
    subprocess.run(command, check=True, capture_output=True)
    image.report_untagged(kit.client)
    assert capsys.readouterr().out == ""
    assert kit.client.images.get("t-stages")
    kit.client.images.remove("t-stages")


def recipes(start):
    """Give the indented lines of the page that begin so."""
    page = (ROOT / "docker" / "recipes.md").read_text()
    return re.findall(rf"(?m)^    ({re.escape(start)}.*)$", page)


def test_the_launcher_takes_every_line_of_the_recipes(start, work, monkeypatch):
    folder = work()
    monkeypatch.setenv("HOME", str(folder))
    (folder / "tls").mkdir()
    (folder / "work").mkdir()
    os.chown(folder / "work", 1000, 100)
    certificate(folder)
    lines = recipes("./run-bigdl-docker.sh ")
    assert len(lines) >= 7
    for line in lines:
        words = shlex.split(line.replace("~", str(folder)))[1:]
        answer = start("--dry-run", *words, cwd=folder)
        assert answer.returncode == 0, (line, answer.stderr)
        assert answer.stdout.startswith("docker run")


def test_an_image_of_ones_own_has_its_packages(kit, tmp_path):
    page = (ROOT / "docker" / "recipes.md").read_text()
    text = re.search(r"```dockerfile\n(.*?)```", page, re.DOTALL)[1]
    text = text.replace("bigdl-sandbox:latest", kit.image)
    if authorities := certificates():
        (tmp_path / "proxy.crt").write_bytes(b"".join(file.read_bytes() for file in authorities))
        text = re.sub(r"(?m)^# (COPY|RUN|ENV)", r"\1", text)
    (tmp_path / "Dockerfile").write_text(text)
    kit.client.images.build(path=str(tmp_path), tag="t-own", rm=True, network_mode="host")
    try:
        command = ["sh", "-c", "id -u && tree --version && python -c 'import tabulate, numpy'"]
        said = kit.client.containers.run("t-own", command, remove=True, network_mode="none")
        assert said.startswith(b"1000\ntree v")
    finally:
        kit.client.images.remove("t-own", force=True)
