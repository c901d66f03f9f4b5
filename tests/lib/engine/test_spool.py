"""Folders of a process: kept while it lives, removed after it, whatever ended it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from sandbox.lib.engine import spool
from sandbox.lib.engine.spool import PrivateFolder

HOLD = """
import sys, time
from pathlib import Path
from sandbox.lib.engine.spool import PrivateFolder
folder = PrivateFolder("rows-", Path(sys.argv[1]))
(folder.path / "data").write_bytes(b"1")
print(folder.path, flush=True)
time.sleep(60)
"""


def test_a_folder_of_a_living_process_stays_and_of_a_killed_one_goes(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    path = process.stdout.readline().strip()
    try:
        assert spool.sweep("rows-", tmp_path) == []
        mine = PrivateFolder("rows-", tmp_path)
        assert os.path.exists(path)
        assert mine.path.stat().st_mode & 0o077 == 0
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    other = PrivateFolder("rows-", tmp_path)
    assert {mine.path, other.path} == set(tmp_path.iterdir())
    mine.close()
    other.close()
    other.close()
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_ours_or_not_yet_locked_is_left_alone(tmp_path):
    new, old = tmp_path / "rows-new", tmp_path / "rows-old"
    new.mkdir()
    old.mkdir()
    os.utime(old, (time.time() - 3600,) * 2)
    (tmp_path / "rows-link").symlink_to(tmp_path)
    assert spool.sweep("rows-", tmp_path) == [old]
    assert new.exists()
