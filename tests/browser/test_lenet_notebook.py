"""Notebook 02 in JupyterLab, as a learner meets it: run all, watch, press buttons, read on."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.page import IDLE, RUN_ALL, SCROLL
from tests.browser.walk import walk

pytestmark = [pytest.mark.browser, pytest.mark.notebook, pytest.mark.spark]

NOTEBOOK = "02_lenet_mnist.ipynb"
CELLS = """() => window.jupyterapp.shell.currentWidget.content.widgets
    .filter((cell) => cell.model.type === "code")
    .map((cell) => ({ count: cell.model.executionCount, source: cell.model.sharedModel.source,
        outputs: cell.model.outputs.toJSON() }))"""
# Note every change of the number of points, with the state it was seen in.
RECORD = """() => {
    window.seen = [];
    window.stages = new Set();
    window.places = {}; // of the first chart in its view, by what the run does
    setInterval(() => {
        const doing = document.querySelector(".sbx-starting:not([hidden]) .sbx-note");
        if (doing) window.stages.add(doing.textContent.split(",")[0]);
        const chart = document.querySelector('.sbx-curves [data-chart="loss"]');
        if (!chart) return;
        const points = Number(chart.dataset.points);
        const run = document.querySelector(".sbx-curves .sbx-state").dataset.run;
        const phase = points ? run : "starting";
        const top = Math.round(chart.getBoundingClientRect().top
            - chart.closest(".sbx-curves").getBoundingClientRect().top);
        (window.places[phase] ??= new Set()).add(top);
        const last = window.seen.at(-1);
        if (!last || last.points !== points || last.run !== run) {
            window.seen.push({ points, run, at: performance.now() });
        }
    }, 20);
}"""
# Is there room for the placeholder, beside the arrows of a number?
FITS = """(input) => {
    const style = getComputedStyle(input);
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = style.font;
    return pen.measureText(input.placeholder).width
        <= input.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - 16;
}"""
COLOURS = """(canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const seen = new Set();
    for (let i = 0; i < data.length; i += 4) {
        if (data[i + 3]) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
    }
    return seen.size;
}"""


def state(page: Any, run: str) -> None:
    page.wait_for_selector(f".sbx-curves .sbx-state[data-run='{run}']")


def drawn(page: Any, canvas: Any, before: str, *, same: bool) -> None:
    """Wait until the canvas shows what it showed before, or something else: frames take time."""
    page.wait_for_function(
        "([canvas, before, same]) => (canvas.toDataURL() === before) === same",
        arg=[canvas.element_handle(), before, same],
    )


def points(page: Any) -> int:
    return int(page.locator('.sbx-curves [data-chart="loss"]').get_attribute("data-points"))


def test_curves_and_filters_live_while_spark_trains(
    jupyter: Any, page: Any, screenshots: Path
) -> None:
    page.goto(jupyter.address(NOTEBOOK))
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_function(IDLE)
    page.evaluate(RECORD)
    page.evaluate(RUN_ALL)

    # Until the first step the curves say what goes on; then points arrive, and buttons reach Spark.
    page.evaluate(SCROLL, "TrainingCurves(trainer)")
    page.get_by_role("progressbar", name="Start of the training").wait_for()
    page.screenshot(path=screenshots / "0-starting.png")
    page.wait_for_function(
        """() => Number(document.querySelector('[data-chart="loss"]')?.dataset.points) > 0"""
    )
    stages = page.evaluate("() => [...window.stages]")
    assert {"starting Java", "starting Spark", "starting 2 Python processes"} <= set(stages)
    page.get_by_role("button", name="Pause").click()
    state(page, "paused")
    time.sleep(0.4)
    held = points(page)
    time.sleep(0.8)
    assert points(page) == held
    assert page.get_by_label("Learning rate", exact=True).evaluate(FITS)
    page.get_by_label("Learning rate", exact=True).fill("0.02")
    page.get_by_role("button", name="Set").click()
    page.get_by_text("Learning rate 0.02 from the next iteration on.").wait_for()
    page.screenshot(path=screenshots / "1-paused.png")
    page.get_by_role("button", name="Go on").click()
    page.wait_for_function(
        f"""() => Number(document.querySelector('[data-chart="loss"]').dataset.points) > {held}"""
    )
    page.screenshot(path=screenshots / "2-training.png")
    state(page, "done")
    page.locator(".sbx-curves summary").click()
    page.screenshot(path=screenshots / "3-finished.png")
    seen = page.evaluate("() => window.seen")
    # Nothing that appears or goes in the head moves the charts below it.
    places = page.evaluate("""() => Object.fromEntries(Object.entries(window.places)
        .map(([phase, tops]) => [phase, [...tops]]))""")
    assert {"starting", "running", "paused", "done"} <= set(places)
    assert len({top for tops in places.values() for top in tops}) == 1, places
    live = sorted({entry["points"] for entry in seen if entry["run"] == "running"} - {0})
    assert len(live) >= 5, f"points arrived in {len(live)} steps only: {seen}"

    # The rest runs by itself; until it has, outputs that appear move what is to be clicked.
    page.wait_for_function(f"""() => ({CELLS})().every((cell) =>
        cell.count !== null || cell.source.startsWith("# "))""")
    page.wait_for_function(IDLE)

    # The filters followed.
    page.evaluate(SCROLL, "FilterViewer(trainer")
    viewer = page.locator(".sbx-filterview")
    viewer.wait_for()
    assert int(viewer.get_attribute("data-frames")) >= 5
    for panel in ("before", "now", "change"):
        canvas = viewer.locator(f"canvas[data-panel={panel}]")
        assert canvas.evaluate(COLOURS) > 20
    now = viewer.locator("canvas[data-panel=now]")
    latest = now.evaluate("(canvas) => canvas.toDataURL()")
    slider = viewer.get_by_role("slider")
    slider.focus()
    page.keyboard.press("Home")
    drawn(page, now, latest, same=False)
    page.keyboard.press("End")
    drawn(page, now, latest, same=True)
    now.click(position={"x": 30, "y": 30})
    expect(viewer.locator(".sbx-kernel td")).to_have_count(50)
    page.screenshot(path=screenshots / "4-filters.png")

    # A convolution by hand.
    page.evaluate(SCROLL, "explorer = ConvolutionExplorer")
    explorer = page.locator(".sbx-convolution")
    explorer.wait_for()
    result = explorer.locator("canvas").nth(1)
    before = result.evaluate("(canvas) => canvas.toDataURL()")
    explorer.get_by_role("button", name="horizontal edges").click()
    drawn(page, result, before, same=False)
    result.hover(position={"x": 120, "y": 90})
    expect(explorer.locator(".sbx-equation")).to_contain_text("=")
    page.screenshot(path=screenshots / "5-convolution.png")

    # All cells ran, the key figure is there, and the saved notebook keeps pictures.
    cells = page.evaluate(CELLS)
    errors = [o for c in cells for o in c["outputs"] if o["output_type"] == "error"]
    assert errors == []
    text = "".join(str(o.get("text", "")) for c in cells for o in c["outputs"])
    assert re.search(r"test accuracy: \d\d\.\d\d %", text)
    curves = next(c for c in cells if "curves = TrainingCurves" in c["source"])
    saved = curves["outputs"][0]["data"]
    assert "image/png" in saved
    assert "Finished at" in "".join(saved["text/plain"])
    for name, source in (
        ("6-confusion", "confusion_matrix(counts)"), ("7-wrong", "wrong=True"),
        ("8-maps", "feature_maps(model"),
    ):  # fmt: skip
        page.evaluate(SCROLL, source)
        time.sleep(0.3)
        page.screenshot(path=screenshots / f"{name}.png")

    # The drawing: choose a layer, let its window slide.
    page.evaluate(SCROLL, "NetworkExplorer(lenet()")
    network = page.locator(".sbx-net").first
    network.get_by_role("button", name="pool1", exact=True).click()
    told = network.locator(".sbx-equation")
    expect(told).to_contain_text("24 : 2 = 12 windows of 2 side by side")
    first = told.text_content()
    network.get_by_role("button", name="slide").click()
    expect(told).not_to_have_text(first)
    network.get_by_role("button", name="hold").click()
    page.screenshot(path=screenshots / "9-network.png")

    assert walk(page, screenshots, "02") == []
    assert page.watch.problems == []
    assert page.watch.requests > 50
