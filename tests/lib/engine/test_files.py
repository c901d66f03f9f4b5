"""Files are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import pytest

from sandbox.lib.engine import files
from sandbox.lib.engine.errors import ArgumentError, EngineError


def test_the_old_content_stays_and_nothing_half_is_left_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    files.write_atomic(path, b"old")

    def breaks(file: BinaryIO) -> None:
        file.write(b"ne")
        assert path.read_bytes() == b"old"
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        files.write_atomic(path, breaks)
    assert [one.name for one in tmp_path.iterdir()] == ["notes"]
    assert path.read_bytes() == b"old"
    files.write_atomic(path, lambda file: file.write(b"new"))
    assert path.read_bytes() == b"new"


def test_file_and_folder_are_on_the_disk_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    sync = os.fsync

    def look(handle: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{handle}"))
        sync(handle)

    monkeypatch.setattr(os, "fsync", look)
    files.write_atomic(tmp_path / "notes", b"content")
    half, folder = map(Path, synced)
    assert half.parent == folder == tmp_path.resolve()
    assert half.name.startswith(".notes.")
    assert not half.exists()


def test_a_folder_that_is_not_there_is_the_disks_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.write_atomic(tmp_path / "none" / "notes", b"content")


@pytest.mark.parametrize("mode", [0o755, None])
def test_a_script_gets_its_rights_before_it_is_there(mode: int | None, tmp_path: Path) -> None:
    files.write_atomic(tmp_path / "script", b"#!/bin/sh\n", mode=mode)
    assert os.access(tmp_path / "script", os.X_OK) == (mode is not None)


def test_a_url_of_a_file_is_its_path(tmp_path: Path) -> None:
    assert files.locate(f"file://{tmp_path}/a%20b") == tmp_path / "a b"
    assert files.locate("file://localhost/a") == Path("/a")
    assert files.locate("notes: of today/x") == Path("notes: of today/x")
    assert files.locate("C:\\states") == Path("C:\\states")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("gs://bucket/x", r"URL of file://, hdfs://, s3a://, s3://; got 'gs://bucket/x'"),
        (Path("s3a://bucket/x"), r"a URL as text; got 's3a:/bucket/x'.*write 's3a://"),
        ("hdfs:/x", r"write 'hdfs://"),
        ("s3a:///x", "must name a bucket; got 's3a:///x'"),
        ("file://other/x", "must be of this machine"),
    ],
)
def test_a_url_that_cannot_be_is_refused(given: str | Path, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        files.locate(given)


def test_hadoop_without_its_library_names_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HADOOP_HOME", "JAVA_HOME", "ARROW_LIBHDFS_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    place = files.locate("hdfs://nowhere:8020/states/a")
    assert (place.name, str(place.parent)) == ("a", "hdfs://nowhere:8020/states")
    with pytest.raises(EngineError, match=r"hdfs://nowhere:8020: Hadoop's.*\n.*\n.*HADOOP_HOME"):
        files.write_atomic(place, b"x")
    assert not list(tmp_path.iterdir()), "no folder named hdfs:"
