"""`sandbox docker ...` with a stand-in for the daemon: runs anywhere, in seconds."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from sandbox.cli.carriers import bundle, cluster, commands, daemon, launch, release
from sandbox.cli.errors import CommandError

docker = pytest.importorskip("docker")
APIError = docker.errors.APIError
GB = 1 << 30


class Thing:
    """A container, network or image that remembers what happened to it."""

    def __init__(self, shelf, name, labels=None, status="running"):
        self.shelf, self.name, self.status = shelf, name, status
        self.labels = labels or {}
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


def run(folder, port=18_000, **options):
    asked = {"image": daemon.IMAGE, "name": "lab", "folder": folder, "port": port, **options}
    return launch.run(**asked)


def refused(port_words):
    return APIError("x", explanation=f"driver failed: {port_words}")


class TestRun:
    @pytest.mark.parametrize("words", ["port is already allocated", "address already in use"])
    def test_a_port_that_docker_finds_taken_is_passed_over(
        self, client, folder, monkeypatch, words
    ):
        monkeypatch.setattr(launch, "wait_healthy", lambda *a, **k: 1.0)
        client.containers.refusals = [refused(words)]
        first = launch.free_port(18_000)
        assert f"127.0.0.1:{first + 1}/" in run(folder, port=first)
        assert [thing.name for thing in client.containers.things] == ["lab"]
        assert client.containers.made[-1]["ports"] == {launch.TCP: ("127.0.0.1", first + 1)}

    @pytest.mark.parametrize("moment", ["start", "wait"])
    @pytest.mark.parametrize("error", [refused("no space"), KeyboardInterrupt(), SystemExit(130)])
    def test_whatever_breaks_it_off_nothing_is_left(
        self, client, folder, monkeypatch, moment, error
    ):
        def wait(*words, **options):
            raise error

        monkeypatch.setattr(launch, "wait_healthy", wait)
        if moment == "start":
            client.containers.refusals = [error]
        expected = CommandError if isinstance(error, APIError) else type(error)
        with pytest.raises(expected):
            run(folder)
        assert client.containers.things == []

    def test_it_starts_with_no_rights_in_a_folder_of_any_name(self, client, folder, monkeypatch):
        monkeypatch.setattr(launch, "wait_healthy", lambda *a, **k: 1.0)
        odd = folder / 'a:b "c"'
        odd.mkdir()
        os.chown(odd, folder.stat().st_uid, folder.stat().st_gid)
        run(odd, data=folder, memory="2g", cpus=1.5, offline=True)
        made = client.containers.made[-1]
        sources = [(m["Source"], m["Target"], m["ReadOnly"]) for m in made["mounts"]]
        assert sources == [(str(odd), launch.WORK, False), (str(folder), "/data", True)]
        assert made["cap_drop"] == ["ALL"]
        assert made["security_opt"] == ["no-new-privileges"]
        assert made["mem_limit"] == made["memswap_limit"] == "2g"
        assert made["nano_cpus"] == 1_500_000_000
        assert made["pids_limit"] == 4096
        assert "SANDBOX_INSECURE" not in made["environment"]
        assert made["environment"]["SANDBOX_OFFLINE"] == "1"
        assert len(made["environment"]["SANDBOX_TOKEN"]) == 48

    @pytest.mark.parametrize(
        ("labels", "status", "words"),
        [
            ({}, "exited", "and no sandbox"),
            ({launch.LABEL: "lab"}, "running", "docker stop lab"),
            ({launch.LABEL: "lab"}, "paused", "docker stop lab"),
        ],
    )
    def test_a_container_of_the_same_name_is_never_removed(
        self, client, folder, labels, status, words
    ):
        client.containers.create(None, name="lab", labels=labels).status = status
        with pytest.raises(CommandError, match=words):
            run(folder)
        assert len(client.containers.things) == 1

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({"memory": "banana"}, "must be a size"),
            ({"memory": "9g"}, "more than the 8.0 GB"),
            ({"memory": "100m"}, "too little"),
            ({"cpus": 0}, "above 0 and at most 2"),
            ({"cpus": float("nan")}, "above 0"),
            ({"name": "a b"}, "--name must be"),
            ({"image": ""}, "name is empty"),
            ({"image": "no-such"}, "there is no image no-such"),
            ({"data": Path("/no/such")}, "/no/such, which is no folder"),
            ({"folder": Path("/no/such")}, "/no/such, which is no folder"),
            ({"folder": Path("/proc")}, "belongs to root"),
        ],
    )
    def test_what_cannot_be_is_refused_before_anything_is_made(self, client, folder, wrong, words):
        with pytest.raises(CommandError, match=words):
            run(**{"folder": folder, **wrong})
        assert client.containers.things == []

    def test_lan_opens_and_no_token_is_for_the_loopback(self, client, folder, monkeypatch):
        monkeypatch.setattr(launch, "wait_healthy", lambda *a, **k: 1.0)
        run(folder, lan=True)
        assert client.containers.made[-1]["ports"][launch.TCP][0] == "0.0.0.0"
        run(folder, name="two", token="")
        assert client.containers.made[-1]["ports"][launch.TCP][0] == "127.0.0.1"
        assert client.containers.made[-1]["environment"]["SANDBOX_INSECURE"] == "1"

    def test_stop_refuses_what_is_no_sandbox(self, client):
        client.containers.create(None, name="theirs")
        with pytest.raises(CommandError, match="no container of the sandbox is called theirs"):
            launch.stop(["theirs"])
        assert len(client.containers.things) == 1

    def test_status_is_1_when_one_does_not_answer(self, client, monkeypatch, capsys):
        client.containers.create(None, name="lab", labels={launch.LABEL: "lab"}).status = "running"
        monkeypatch.setattr(launch, "published", lambda container: 1)
        monkeypatch.setattr(launch, "api", lambda port: None)
        assert launch.status() == 1
        assert "running, does not answer" in capsys.readouterr().out

    def test_a_container_that_has_ended_is_told_at_once_with_its_last_lines(self, client):
        client.containers.said = b"out of memory"
        box = client.containers.create(None, name="lab")
        box.status = "exited"
        with pytest.raises(CommandError, match=r"ended with status 1.*\nout of memory"):
            daemon.wait_healthy(box, 1, patience_s=5)

    def test_a_folder_that_its_owner_cannot_write_is_refused(self, client, folder):
        folder.chmod(0o555)
        with pytest.raises(CommandError, match="not writable for its owner"):
            run(folder)


class TestPorts:
    def test_the_last_one_is_65535(self, monkeypatch):
        monkeypatch.setattr(daemon, "is_free", lambda port, address: False)
        with pytest.raises(CommandError, match="from 65530 to 65535"):
            daemon.free_port(65530)

    def test_one_that_answers_or_is_bound_is_not_free(self):
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            assert not daemon.is_free(holder.getsockname()[1])
            holder.listen()
            assert not daemon.is_free(holder.getsockname()[1])

    def test_one_that_only_root_may_bind_is_docker_s_to_try(self, monkeypatch):
        def bind(self, address):
            raise PermissionError(errno.EACCES, "no")

        monkeypatch.setattr(daemon.socket.socket, "bind", bind, raising=False)
        monkeypatch.setattr(daemon.socket.socket, "connect_ex", lambda *a: 111, raising=False)
        assert daemon.is_free(80)


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
        "from sandbox.cli.carriers import commands, launch\n"
        "def wait(**options):\n"
        "    try: Path('made').touch(); time.sleep(60)\n"
        "    finally: Path('made').unlink(); Path('gone').touch()\n"
        "launch.run = wait\n"
        "commands.docker_app(['run'])\n"
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
