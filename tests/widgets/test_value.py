"""The slider over a function: what it shows, when it calls, what it refuses."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sandbox.widgets import digits
from sandbox.widgets.assets import bundle
from sandbox.widgets.value import ValueExplorer


def test_moving_the_slider_shows_the_other_value() -> None:
    made = ValueExplorer(lambda n: f"{n} squared is {n * n}", [2, 3, 4], "n", start=3)

    assert (made.value, made.text) == (3, "3 squared is 9")
    made.place = 2
    assert (made.value, made.text, made.shown) == (4, "4 squared is 16", 2)
    assert "4 squared is 16" in made.picture().text


def test_a_value_is_computed_once_and_only_when_it_is_wanted() -> None:
    calls: list[int] = []

    def count(n: int) -> str:
        calls.append(n)
        return str(n)

    made = ValueExplorer(count, range(5), "n")
    for place in (3, 0, 3):
        made.place = place

    assert calls == [0, 3]


def test_a_picture_is_shown_as_it_is_and_saved_with_the_notebook() -> None:
    made = ValueExplorer(lambda n: digits(np.full((n, 4, 4), 9)), [1, 2], "images")
    data, _ = made._bundle()

    assert made.svg.startswith(b"<?xml")
    assert made.width == made.picture().size["width"]
    assert data["text/plain"] == "1 images."
    assert "application/vnd.jupyter.widget-view+json" in data


def test_a_failure_is_told_in_the_widget_and_the_next_value_works() -> None:
    made = ValueExplorer(lambda n: str(6 // n), [1, 0, 2], "n")

    made.place = 1
    assert "division" in made.error
    assert made.shown == 1
    made.place = 2
    assert (made.error, made.text) == ("", "3")


def test_a_page_without_a_kernel_shows_the_value_but_offers_no_slider() -> None:
    page = ValueExplorer(lambda n: f"side {n}", [28], "side").to_html()

    assert "side 28" in page
    assert '"live": false' in page


def test_what_cannot_be_shown_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        ValueExplorer(str, [], "n")
    with pytest.raises(ValueError, match="one of the values; got 9"):
        ValueExplorer(str, [1, 2], "n", start=9)
    with pytest.raises(TypeError, match="a text or a Picture; got float"):
        ValueExplorer(lambda n: n / 2, [1], "n")  # type: ignore[arg-type, return-value]


def test_the_view_asks_for_one_value_at_a_time(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the JavaScript unit tests cannot run")
    (tmp_path / "value.mjs").write_text(bundle("value.js"), encoding="utf-8")
    code = """
import { next } from "./value.mjs";
console.log(next(3, 1, 1), next(3, 2, 1), next(1, 1, 1));
"""
    (tmp_path / "test.mjs").write_text(code, encoding="utf-8")
    result = subprocess.run(
        [node, str(tmp_path / "test.mjs")], capture_output=True, text=True, timeout=60, check=True
    )

    assert result.stdout.split() == ["3", "-1", "-1"]
