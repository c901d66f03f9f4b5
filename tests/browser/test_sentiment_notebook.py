"""Notebook 03 in JupyterLab: a review of one's own is judged, and each word tells its share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import expect

from tests.browser.page import IDLE, RUN_ALL, SCROLL
from tests.browser.walk import walk

pytestmark = [
    pytest.mark.browser,
    pytest.mark.notebook,
    pytest.mark.spark,
    pytest.mark.campaign,
]

NOTEBOOK = "03_sentiment.ipynb"
ERRORS = """() => window.jupyterapp.shell.currentWidget.content.widgets
    .filter((cell) => cell.model.type === "code")
    .flatMap((cell) => cell.model.executionCount === null ? ["not run"]
        : cell.model.outputs.toJSON().filter((output) => output.output_type === "error"))"""
# Not needed for the widget; tests of the notebooks run them.
LEFT_OUT = ("trial.fit", "trial.wait", "found", "gru.fit")
BUSY = 60_000  # ms; what the kernel may take on a busy machine
ACTIVE = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"


def test_a_review_is_typed_and_its_words_are_walked_by_the_arrow_keys(
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
    page.wait_for_function(f"() => !({ERRORS})().includes('not run')", timeout=5 * BUSY)
    page.wait_for_function(IDLE)
    assert page.evaluate(ERRORS) == []

    page.evaluate(SCROLL, "WordContributions(again, review")
    widget = page.locator(".sbx-contributions")
    widget.wait_for()
    words = widget.locator(".sbx-words .sbx-word")
    page.screenshot(path=screenshots / "1-words.png")

    # What is typed is judged without a button.
    box = widget.get_by_role("textbox", name="a review of your own")
    box.fill("A wonderful film with zyxwv actors!")
    expect(words).to_have_count(7, timeout=BUSY)
    expect(words.locator("span")).to_have_text(
        ["a", "wonderful", "film", "with", "zyxwv", "actors", "!"]
    )
    expect(words.nth(4)).to_have_attribute("data-known", "false")
    expect(widget.locator(".sbx-verdict strong")).to_have_text(re.compile(r"(good|bad), \d+\.\d %"))

    # The arrow keys go from word to word, and the notebook keeps its place.
    place = page.evaluate(ACTIVE)
    told = widget.locator(".sbx-equation")
    widget.get_by_role("group", name="7 words").focus()
    for key, word in (("ArrowRight", "wonderful"), ("ArrowDown", "film"), ("ArrowUp", "wonderful"),
                      ("ArrowLeft", "a"), ("ArrowLeft", "!")):  # fmt: skip
        page.keyboard.press(key)
        expect(told).to_contain_text(f"“{word}”: ")
        expect(widget.locator("[aria-current=true]")).to_have_text(re.compile(re.escape(word)))
    expect(told).to_have_text(re.compile(r"[+−]\d+\.\d\d;  good \d+\.\d % with it, \d+\.\d % with"))
    assert page.evaluate(ACTIVE) == place
    page.screenshot(path=screenshots / "2-typed.png")

    # Words that nobody knows, or none at all: the old verdict goes, and the reader is told why.
    notice = widget.get_by_text(re.compile("None of these words is in the vocabulary"))
    box.fill("zyxwv qqqq xxyz")
    expect(notice).to_be_visible(timeout=BUSY)
    expect(widget.locator(".sbx-verdict strong")).to_have_text("no verdict")
    expect(widget.locator(".sbx-scale")).to_be_hidden()
    page.screenshot(path=screenshots / "3-unknown.png")
    box.fill("-- <br />")
    expect(widget.get_by_text("type some words")).to_be_visible(timeout=BUSY)
    expect(words).to_have_count(0)
    expect(widget.locator(".sbx-verdict strong")).to_be_hidden()
    page.screenshot(path=screenshots / "4-nothing.png")
    box.fill("The story is slow and the ending is a mess, but the actors are wonderful.")
    expect(words).to_have_count(15, timeout=BUSY)
    assert walk(page, screenshots, "03") == []

    assert page.watch.problems == []
