"""Notebook 04 in JupyterLab: a threshold is moved, its cost is read from axes with numbers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import expect

from tests.browser.page import IDLE, RUN_ALL, SCROLL
from tests.browser.test_sentiment_notebook import BUSY, ERRORS
from tests.browser.walk import walk

pytestmark = [
    pytest.mark.browser,
    pytest.mark.notebook,
    pytest.mark.spark,
    pytest.mark.campaign,
]

NOTEBOOK = "04_fraud.ipynb"
# Tests of the notebooks run these.
LEFT_OUT = ("linear.fit", "add_scores", "load_model(", '"V1": [1.0]')


def test_a_threshold_is_moved_and_its_cost_is_in_euros(
    jupyter: Any, page: Any, screenshots: Path
) -> None:
    path = jupyter.folder / NOTEBOOK
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [c for c in notebook.cells if not any(word in c.source for word in LEFT_OUT)]
    nbformat.write(notebook, path)

    page.goto(jupyter.address(NOTEBOOK))
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_function(IDLE)
    page.evaluate(RUN_ALL)
    page.wait_for_function(
        f"() => ({ERRORS})().every((one) => one !== 'not run')"
        f" || ({ERRORS})().some((one) => one !== 'not run')",
        timeout=10 * BUSY,
    )
    page.wait_for_function(IDLE)
    assert page.evaluate(ERRORS) == []

    page.evaluate(SCROLL, "explorer = cheapest(alarm=5)")
    widget = page.locator(".sbx-threshold")
    told = widget.locator(".sbx-equation")
    expect(told).to_have_text(re.compile(r"^cost [\d,]+ €;"))
    labels = widget.locator("svg .sbx-tick").all_text_contents()
    assert [one for one in labels if one.endswith(" €")]
    assert {"flagged", "100", "1000"} <= set(labels)  # fewer may share a score, and a place
    before = told.text_content()
    slider = widget.get_by_role("slider", name="threshold")
    slider.focus()
    page.keyboard.press("Home")
    expect(told).not_to_have_text(before)
    widget.get_by_role("button", name="cheapest").click()
    expect(told).to_have_text(before)
    widget.screenshot(path=screenshots / "threshold.png")

    assert walk(page, screenshots, "04") == []
    assert page.watch.problems == []
