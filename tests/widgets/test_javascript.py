"""The pure functions of the views, tested by node where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sandbox.widgets.assets import bundle

HERE = Path(__file__).parent
WIDGETS = ("curves", "filters", "convolution")


def test_node_runs_the_tests_of_the_views(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the JavaScript unit tests cannot run")
    for name in WIDGETS:
        (tmp_path / f"{name}.mjs").write_text(bundle(f"{name}.js"), encoding="utf-8")
    result = subprocess.run(
        [node, "--test", str(HERE / "views.test.mjs")],
        env={**os.environ, "BUNDLES": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr


def test_a_bundle_holds_each_file_once() -> None:
    for name in WIDGETS:
        code = bundle(f"{name}.js")
        assert code.count("export function ticks(") == 1
        assert "./common.js" not in code
