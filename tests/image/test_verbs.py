"""`sandbox docker ...` with a stand-in for the daemon: runs anywhere, in seconds."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from sandbox.cli.carriers import bundle, cluster, commands, daemon, launch, release
from sandbox.cli.errors import CommandError

ROOT = Path(__file__).resolve().parents[2]
docker = pytest.importorskip("docker")
APIError = docker.errors.APIError
GB = 1 << 30


class Thing:
    """A container, network or image that remembers what happened to it."""

    def __init__(self, shelf, name, labels=None, status="running"):
        self.shelf, self.name, self.status = shelf, name, status
        self.labels = labels or {}
        self.changes, self.said = None, b""
        self.id = f"sha256:{name}"
        self.tags = [name]
        self.attrs = {"Size": 1000, "State": {"ExitCode": 1}, "RepoDigests": []}

    def start(self):
        error = self.shelf.refusals.pop(0) if self.shelf.refusals else None
        if error:
            raise error

    def reload(self):
        pass

    def remove(self, force=False):
        self.shelf.things.remove(self)

    def stop(self, timeout):
        self.status = "exited"

    def diff(self):
        return self.changes

    def exec_run(self, command, stderr=True):
        return (0, self.said) if self.said else (1, b"")

    def logs(self, **options):
        return self.shelf.said

    def save(self, named):
        yield b"image"
        if self.shelf.refusals:
            raise self.shelf.refusals.pop(0)

    def tag(self, repository, tag):
        self.shelf.create(None, name=f"{repository}:{tag}")


class Shelf:
    """`client.containers`, `client.networks` and `client.images`."""

    def __init__(self):
        self.things, self.refusals, self.made, self.said = [], [], [], b""

    def create(self, first, command=None, **options):
        name = options.get("name", first)
        self.made.append({"image": first, "command": command, **options})
        thing = Thing(self, name, options.get("labels"), status="created")
        self.things.append(thing)
        return thing

    def get(self, name):
        for thing in self.things:
            if thing.name == name:
                return thing
        raise docker.errors.ImageNotFound("none")

    def list(self, all=False, filters=None):
        wanted = (filters or {}).get("label")
        name, _, value = (wanted or "").partition("=")
        return [
            t for t in self.things
            if wanted is None or (name in t.labels and value in ("", t.labels[name]))
        ]  # fmt: skip

    def remove(self, name):
        self.things.remove(self.get(name))

    def push(self, repository, **options):
        yield {"error": "denied"}

    def run(self, *words, **options):
        return b'{"system": "12", "python": "3", "architecture": "x", "created": "2026", \
"data": [], "packages": [], "debian": []}'


@pytest.fixture
def client(monkeypatch):
    fake = SimpleNamespace(
        containers=Shelf(),
        networks=Shelf(),
        images=Shelf(),
        api=SimpleNamespace(create_endpoint_config=lambda aliases: aliases),
        info=lambda: {"MemTotal": 8 * GB, "NCPU": 2},
    )
    fake.images.create(daemon.IMAGE)
    for module in (launch, cluster, bundle, release):
        monkeypatch.setattr(module, "connect", lambda: fake)
    return fake


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "work"
    made.mkdir()
    if os.geteuid() == 0:
        os.chown(made, 1000, 100)
    return made


class TestRun:
    def test_the_launcher_is_handed_all_words_as_they_are(self, monkeypatch):
        told = []
        monkeypatch.setattr(os, "execv", lambda program, words: told.append(words))
        words = ["--port", "9", "team/box:1", "--", "run", "--help", "a b"]
        assert CliRunner().invoke(commands.docker_app, ["run", *words]).exit_code == 0
        assert told[0][1:] == [str(ROOT / "run-bigdl-docker.sh"), "--detach", *words]

    def test_without_bash_the_way_out_is_named(self, monkeypatch):
        monkeypatch.setattr(launch.shutil, "which", lambda name: None)
        with pytest.raises(CommandError, match=r"needs bash[\s\S]*README.txt"):
            launch.run([])

    def test_stop_refuses_what_is_no_sandbox(self, client):
        client.containers.create(None, name="theirs")
        with pytest.raises(CommandError, match="no container of the sandbox is called theirs"):
            launch.stop(["theirs"])
        assert len(client.containers.things) == 1

    @pytest.mark.parametrize("found", ["/home/jovyan/mine.ipynb", "/tmp/home-77/notebooks"])
    def test_stop_keeps_a_container_with_work_outside_the_mounted_folder(
        self, client, capsys, found
    ):
        box = client.containers.create(None, name="lab", labels={launch.LABEL: "lab"})
        box.changes = [
            {"Path": path, "Kind": kind}
            for path, kind in [
                *(("/home/jovyan", 0), ("/home/jovyan/.cache", 1), (launch.WORK, 1)),
                *((found, 1), (f"{found}/more", 1), ("/tmp/x", 1)),
            ]
        ]
        assert launch.stop(["lab"]) == 0
        assert f"docker cp lab:{found} ." in capsys.readouterr().out
        assert client.containers.things == [box]
        box.changes = box.changes[:3]
        assert launch.stop(["lab"]) == 0
        assert client.containers.things == []

    @pytest.mark.parametrize(
        ("server", "expected"),
        [
            ({"base_url": "/", "secure": False}, "http://127.0.0.1:1/lab?token=abc"),
            ({"base_url": "/a/", "secure": True}, "https://127.0.0.1:1/a/lab?token=abc"),
            ({"base_url": "/", "password": True}, "http://127.0.0.1:1/lab"),
        ],
    )
    def test_status_tells_the_address_that_answers(
        self, client, monkeypatch, capsys, server, expected
    ):
        box = client.containers.create(None, name="lab", labels={launch.LABEL: "lab"})
        box.status, box.said = "running", json.dumps(server).encode()
        box.attrs["Config"] = {"Env": ["SANDBOX_TOKEN=abc"]}
        monkeypatch.setattr(launch, "published", lambda container: 1)
        monkeypatch.setattr(launch, "api", lambda url: {"version": "2"})
        assert launch.status() == 0
        assert capsys.readouterr().out.endswith(f" {expected}\n")

    def test_status_is_1_when_one_does_not_answer(self, client, monkeypatch, capsys):
        client.containers.create(None, name="lab", labels={launch.LABEL: "lab"}).status = "running"
        monkeypatch.setattr(launch, "published", lambda container: 1)
        assert launch.status() == 1
        assert "running, does not answer" in capsys.readouterr().out


class TestWhichDaemon:
    def test_the_context_of_the_docker_command_is_followed(self, monkeypatch, tmp_path):
        (tmp_path / "config.json").write_text('{"currentContext": "desk"}')
        name = hashlib.sha256(b"desk").hexdigest()
        meta = tmp_path / "contexts" / "meta" / name / "meta.json"
        meta.parent.mkdir(parents=True)
        host = "unix:///home/me/.docker/desktop/docker.sock"
        meta.write_text(json.dumps(
            {"Name": "desk", "Metadata": {}, "Endpoints": {"docker": {"Host": host}}}
        ))  # fmt: skip
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        monkeypatch.delenv("DOCKER_HOST", raising=False)
        monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
        assert daemon.chosen()["base_url"] == host
        monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
        assert daemon.chosen()["base_url"] == "tcp://127.0.0.1:1"
        monkeypatch.delenv("DOCKER_HOST")
        monkeypatch.setenv("DOCKER_CONTEXT", "none")
        with pytest.raises(CommandError, match="no Docker context none"):
            daemon.chosen()


UP = {"image": daemon.IMAGE, "prefix": "lab", "workers": 2, "memory": "1.5g", "cores": 1}


class TestCluster:
    def test_workers_are_told_whole_megabytes_and_belong_to_their_cluster(self, client):
        client.containers.said = b"Registering worker a:1 with\nRegistering worker b:1 with\n"
        cluster.up(**UP)
        made = client.containers.made
        assert [entry["name"] for entry in made] == ["lab-master", "lab-worker-1", "lab-worker-2"]
        assert made[1]["command"][-2:] == ["1536m", cluster.ADDRESS]
        assert {entry["labels"][cluster.CLUSTER] for entry in made} == {"lab"}

    def test_down_takes_one_cluster_and_nothing_else(self, client):
        for prefix in ("lab", "lab-two"):
            client.networks.create(prefix, labels=cluster.labels(prefix))
            client.containers.create(None, name=f"{prefix}-master", labels=cluster.labels(prefix))
        client.networks.create("other")
        assert cluster.down("lab") == 2
        assert [n.name for n in client.networks.things] == ["lab-two", "other"]
        assert [c.name for c in client.containers.things] == ["lab-two-master"]
        assert cluster.down("other") == 0

    def test_a_worker_that_cannot_start_takes_all_down(self, client):
        client.containers.refusals = [None, APIError("x", explanation="no space left")]
        with pytest.raises(CommandError, match="no space left"):
            cluster.up(**UP)
        assert client.containers.things == client.networks.things == []

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({"memory": "banana"}, "must be a size"),
            ({"memory": "100m"}, "too little for a Spark worker"),
            ({"workers": 20}, "20 workers of 1.5g need 41.0 GB"),
            ({"prefix": "a b"}, "--name must be"),
            ({"prefix": "bridge"}, "a network bridge is there already"),
        ],
    )
    def test_what_cannot_be_is_refused(self, client, wrong, words):
        client.networks.create("bridge")
        with pytest.raises(CommandError, match=words):
            cluster.up(**{**UP, **wrong})
        assert client.containers.made == []

    def test_all_workers_are_waited_for_and_one_that_ended_is_quoted(self, client):
        client.containers.said = b"Registering worker a:1 with\n" * 2  # it came back
        box = client.containers.create(None, name="lab-worker-2")
        box.status = "exited"
        with pytest.raises(CommandError, match=r"1 of 2 workers joined\. lab-worker-2 said last"):
            cluster.wait_for_workers(box, 2, [], patience_s=5)

    def test_a_misspelt_option_is_no_command(self):
        answer = CliRunner().invoke(commands.docker_app, ["cluster", "--wrokers", "3"])
        assert answer.exit_code == 2
        assert "--wrokers" in answer.output

    def test_a_command_keeps_its_own_options(self, monkeypatch):
        told = {}
        monkeypatch.setattr(cluster, "train", lambda **options: told.update(options) or 0)
        words = ["cluster", "--workers", "3", "--", "python", "x.py", "--workers", "9"]
        assert CliRunner().invoke(commands.docker_app, words).exit_code == 0
        assert (told["workers"], told["command"]) == (3, ["python", "x.py", "--workers", "9"])


class TestBundle:
    def test_only_data_that_may_be_passed_on_goes_along(self, client, tmp_path):
        sets = tmp_path / "sets"
        for name in ("mnist", "movielens"):
            (sets / name).mkdir(parents=True)
            (sets / name / "rows").write_text("1")
        stick = bundle.bundle(tmp_path / "stick", image=daemon.IMAGE, data=sets)
        files = {str(f.relative_to(stick)) for f in stick.rglob("*") if f.is_file()}
        assert files == {"README.txt", "SHA256SUMS", "bigdl-sandbox.tar.gz", "image.json",
                         "run-bigdl-docker.sh", "data/mnist/rows"}  # fmt: skip
        assert "--data FOLDER/data" in (stick / "README.txt").read_text()
        assert "data/mnist/rows" in (stick / "SHA256SUMS").read_text()

    def test_it_tells_how_far_it_is_and_how_to_start_from_it(self, client, tmp_path, capsys):
        client.images.things[0].attrs["Size"] = 10
        stick = bundle.bundle(tmp_path / "stick", image=daemon.IMAGE)
        said = capsys.readouterr().out
        assert said.startswith("the image: 50 % of 0.0 GB\n")
        text = (stick / "README.txt").read_text()
        assert f"bash FOLDER/run-bigdl-docker.sh --offline {daemon.IMAGE}\n" in text
        assert '-v "${PWD}:/home/jovyan/work" -e SANDBOX_OFFLINE=1 bigdl-sandbox:latest\n' in text

    @pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), SystemExit(130)])
    def test_a_bundle_that_cannot_be_finished_is_taken_away(self, client, tmp_path, error):
        client.images.refusals = [error]
        with pytest.raises(type(error)):
            bundle.bundle(tmp_path / "stick", image=daemon.IMAGE)
        assert list(tmp_path.iterdir()) == []

    def test_room_is_asked_for_before_anything_is_written(self, client, tmp_path):
        client.images.things[0].attrs["Size"] = 10**18
        with pytest.raises(CommandError, match=r"the bundle needs 8.*GB are free"):
            bundle.bundle(tmp_path / "stick", image=daemon.IMAGE)
        assert list(tmp_path.iterdir()) == []


class TestPublish:
    def test_a_push_that_is_refused_leaves_no_tag(self, client, tmp_path):
        with pytest.raises(CommandError, match=r"denied\n  docker login ghcr.io"):
            release.publish(
                image=daemon.IMAGE, repository="ghcr.io/a/b", previous=None, output=tmp_path,
                push=True,
            )  # fmt: skip
        assert [thing.name for thing in client.images.things] == [daemon.IMAGE]


def test_what_the_system_refuses_is_no_traceback(monkeypatch):
    def full(*words, **options):
        raise OSError(errno.ENOSPC, "No space left on device", "/stick/x")

    monkeypatch.setattr(bundle, "bundle", full)
    answer = CliRunner().invoke(commands.docker_app, ["bundle", "/stick"])
    assert isinstance(answer.exception, CommandError)
    assert "/stick/x: No space left on device" in str(answer.exception)


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGHUP])
def test_a_verb_told_to_end_takes_away_what_it_has_made(tmp_path, kill):
    script = (
        "import sys, time\nfrom pathlib import Path\n"
        "from sandbox.cli.carriers import bundle, commands\n"
        "def wait(*words, **options):\n"
        "    try: Path('made').touch(); time.sleep(60)\n"
        "    finally: Path('made').unlink(); Path('gone').touch()\n"
        "bundle.bundle = wait\n"
        "commands.docker_app(['bundle', 'x'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )
    until = time.monotonic() + 30
    while not (tmp_path / "made").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(kill)
    assert process.wait(20) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["gone"]
