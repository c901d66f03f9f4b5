"""Installing Debian packages for the checks, with a stand-in for apt."""

from __future__ import annotations

import os

import pytest

from sandbox.cli import debian

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a shell")
APT = """#!/bin/sh
echo "$*" >>{folder}/log
cat {folder}/policy | tail -1 >>{folder}/log
case "$*" in *install*) ;; *) exit 0 ;; esac
[ "$(grep -c install {folder}/log)" -gt {failures} ] || {{ echo no mirror >&2; exit 100; }}
"""


@pytest.fixture
def apt(tmp_path, monkeypatch):
    """Give a function that puts an apt-get in place which fails so many times; and its log."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(debian, "POLICY", tmp_path / "policy")
    monkeypatch.setattr(debian.time, "sleep", lambda seconds: None)

    def make(failures):
        fake = tmp_path / "apt-get"
        fake.write_text(APT.format(folder=tmp_path, failures=failures))
        fake.chmod(0o755)
        return tmp_path / "log"

    return make


def test_a_mirror_that_stumbles_is_asked_again_and_no_service_starts(apt):
    log = apt(failures=1)
    assert debian.install(["chromium", "mtools"]) == ""
    said = log.read_text().splitlines()
    assert [line.split()[5] for line in said[::2]] == ["update", "install", "update", "install"]
    assert said[2].endswith("--no-install-recommends chromium mtools")
    assert set(said[1::2]) == {"exit 101"}
    assert not debian.POLICY.exists()


def test_what_apt_complains_of_is_given_in_the_end(apt):
    log = apt(failures=99)
    assert "no mirror" in debian.install(["chromium"])
    assert log.read_text().count(" install ") == debian.TRIES
    assert not debian.POLICY.exists()


def test_nothing_is_installed_without_root_or_offline(apt, monkeypatch):
    apt(failures=0)
    monkeypatch.delenv("SANDBOX_OFFLINE", raising=False)
    monkeypatch.setattr(debian.os, "geteuid", lambda: 0)
    assert debian.refusal() is None
    monkeypatch.setenv("SANDBOX_OFFLINE", "1")
    assert "SANDBOX_OFFLINE" in debian.refusal()
    monkeypatch.setattr(debian.os, "geteuid", lambda: 1000)
    assert "only root" in debian.refusal()
    monkeypatch.setattr(debian.shutil, "which", lambda name: None)
    assert "no Debian" in debian.refusal()
