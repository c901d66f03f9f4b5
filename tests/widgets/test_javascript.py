"""The pure functions of the views, tested by node where there is one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sandbox.widgets.assets import bundle

HERE = Path(__file__).parent
WIDGETS = ("curves", "filters", "convolution")


def test_node_runs_the_tests_of_the_views(tmp_path: Path, run_node: Callable[..., str]) -> None:
    for name in WIDGETS:
        (tmp_path / f"{name}.mjs").write_text(bundle(f"{name}.js"), encoding="utf-8")

    assert "# fail 0" in run_node("--test", str(HERE / "views.test.mjs"), BUNDLES=str(tmp_path))


def test_a_bundle_holds_each_file_once() -> None:
    for name in WIDGETS:
        code = bundle(f"{name}.js")
        assert code.count("export function ticks(") == 1
        assert "./common.js" not in code
