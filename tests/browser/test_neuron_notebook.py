"""Notebook 01 in JupyterLab: its sliders reach the kernel, and what they show changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.page import IDLE, RUN_ALL, SCROLL
from tests.browser.walk import walk

pytestmark = [pytest.mark.browser, pytest.mark.notebook]

NOTEBOOK = "01_neuron_to_network.ipynb"
ACTIVE = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
OPENED = """() => {
    const panel = window.jupyterapp.shell.currentWidget;
    const cells = panel.content.widgets.filter((cell) => cell.model.type === "code");
    return { dirty: panel.context.model.dirty,
        counts: cells.filter((cell) => cell.model.executionCount !== null).length,
        folded: cells.filter((cell) => cell.inputHidden).length };
}"""
DONE = """() => window.jupyterapp.shell.currentWidget.content.widgets
    .filter((cell) => cell.model.type === "code" && !cell.model.sharedModel.source.startsWith("# "))
    .every((cell) => cell.model.executionCount !== null)"""
LOADED = """(start) => {
    const images = [...document.querySelectorAll(".sbx img")];
    const image = images.find((one) => one.alt.startsWith(start));
    return image && image.complete && image.naturalWidth > 0;
}"""


def explorer(page: Any, name: str) -> Any:
    """Find the slider's widget; its name is unique in the notebook."""
    return page.locator(".sbx", has=page.get_by_role("slider", name=name, exact=True))


def test_sliders_change_a_text_and_a_picture(jupyter: Any, page: Any, screenshots: Path) -> None:
    page.goto(jupyter.address(NOTEBOOK))
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_function(IDLE)
    # Nothing has been run, nothing is to be saved, and plumbing is folded.
    assert page.evaluate(OPENED) == {"dirty": False, "counts": 0, "folded": 2}
    page.evaluate(RUN_ALL)

    page.evaluate(SCROLL, "neuron_says")
    words = explorer(page, "third weight")
    words.get_by_text("0.5 - 0.5 - 0.5 + 0.1 = -0.40, after ReLU 0.00").wait_for()
    words.get_by_role("slider").fill("8")
    words.get_by_text("0.5 - 0.5 + 2 + 0.1 = 2.10, after ReLU 2.10").wait_for()

    page.evaluate(SCROLL, "def cell_hears")
    cell = explorer(page, "angle of the edge in degrees")
    page.wait_for_function(LOADED, arg="3 images: edge at 0°, weights, sum 105")
    cell.screenshot(path=screenshots / "cell-0.png")
    cell.get_by_role("slider").fill("6")
    page.wait_for_function(LOADED, arg="3 images: edge at 90°, weights, sum 0")
    cell.screenshot(path=screenshots / "cell-90.png")

    # The arrow keys go from point to point, and the notebook keeps its place.
    page.evaluate(SCROLL, "neuron = NeuronExplorer")
    first = page.locator(".sbx", has=page.get_by_role("slider", name="weight 1")).first
    plane, told = first.get_by_role("img", name="The plane with 40"), first.locator(".sbx-equation")
    plane.focus()
    place, seen = page.evaluate(ACTIVE), [told.text_content()]
    for key in ("ArrowDown", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
        expect(told).not_to_have_text(seen[-1])
        seen.append(told.text_content())
    assert seen[3] == seen[1] != seen[2]
    assert page.evaluate(ACTIVE) == place

    # A step of gradient descent, as the arithmetic says.
    page.evaluate(SCROLL, "DescentExplorer(x, y")
    descent = page.locator(".sbx-descent")
    told = descent.locator(".sbx-equation")
    expect(told).to_contain_text("step 0: weight −0.5,")
    after = told.text_content().rpartition(" = ")[2]
    descent.get_by_role("button", name="step", exact=True).click()
    expect(told).to_contain_text(f"step 1: weight {after},")

    page.wait_for_function(DONE)
    page.wait_for_function(IDLE)
    assert walk(page, screenshots, "01") == []
    assert page.watch.problems == []
