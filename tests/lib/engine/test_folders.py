"""One cache for every kind of account: with a home, without one, with a home that is closed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from sandbox.lib.engine import folders


@pytest.fixture(autouse=True)
def plain(monkeypatch, tmp_path):
    for name in ("SANDBOX_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folders.temporary_folder.cache_clear()
    yield
    folders.temporary_folder.cache_clear()


def test_the_users_cache_holds_it(monkeypatch, tmp_path):
    assert folders.cache_folder() == tmp_path / ".cache" / "bigdl-sandbox"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert folders.cache_folder() == tmp_path / "x" / "bigdl-sandbox"


def test_a_named_cache_counts_and_its_tilde_is_the_home(monkeypatch, tmp_path):
    monkeypatch.setenv("SANDBOX_CACHE", "~/my cache")
    assert folders.cache_folder() == tmp_path / "my cache"
    monkeypatch.setenv("SANDBOX_CACHE", "here")
    assert folders.cache_folder() == Path.cwd() / "here"


@pytest.mark.parametrize("home", ["/", "/no/such/home", "/dev/null", ""])
def test_a_home_that_is_none_gives_way_to_a_private_folder(monkeypatch, tmp_path, home):
    monkeypatch.setenv("HOME", home)
    monkeypatch.setattr(os.path, "lexists", lambda path: str(path) in ("/", "/dev/null"))
    if home == "":
        monkeypatch.delenv("HOME")
        monkeypatch.setattr(Path, "home", _no_home)
    folder = folders.cache_folder()
    assert folder == tmp_path / f"bigdl-sandbox-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700


def _no_home():
    raise RuntimeError("Could not determine home directory.")


def test_a_private_folder_that_others_may_write_is_not_used(tmp_path):
    planted = tmp_path / f"bigdl-sandbox-{os.getuid()}"
    planted.mkdir()
    planted.chmod(0o777)
    found = folders.temporary_folder()
    assert found != planted
    assert found.stat().st_mode & 0o777 == 0o700
    assert folders.temporary_folder() == found
