"""Files are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import pytest

from sandbox.lib.engine import files


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
