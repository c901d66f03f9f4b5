"""A training that is interrupted and run again, and one that another stands in the way of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import expect

from tests.browser.page import IDLE, RUN_ALL

pytestmark = [pytest.mark.browser, pytest.mark.notebook, pytest.mark.spark]

CELLS = (
    "import time\nimport numpy as np\n"
    "from sandbox.lib import nn, optim\nfrom sandbox.lib.criterion import CrossEntropy\n"
    "from sandbox.lib.spark import SparkBackend\nfrom sandbox.lib.train import Trainer\n"
    "from sandbox.widgets import TrainingCurves\n"
    "rows = np.ones((64, 4), 'f4'), np.arange(64) % 2\n"
    "def make():\n"
    "    model = nn.Sequential(fc=nn.Linear(4, 2, rng=0))\n"
    "    return Trainer(model, CrossEntropy(), optim.SGD(1e-6), progress=None,\n"
    "                   backend=SparkBackend('local[3]'))",
    "trainer = make()\ntrainer.fit(rows, epochs=1_000_000, background=True)\n"
    "TrainingCurves(trainer)",
    "while trainer.running:\n    time.sleep(0.1)",
    "second = make()\nsecond.fit(rows, epochs=3, background=True)\nTrainingCurves(second)",
    "bad = Trainer(second.model, CrossEntropy(), optim.SGD(0.1), progress=None)\n"
    "bad.fit((np.full((64, 4), np.nan, 'f4'), rows[1]), epochs=1, background=True)\n"
    "TrainingCurves(bad)",
)
RUN = """(number) => {
    const book = window.jupyterapp.shell.currentWidget.content;
    book.activeCellIndex = number;
    window.jupyterapp.commands.execute("notebook:run-cell");
}"""
KERNEL = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
# Not by the kernel's status, which Lab loses at times while much goes on.
WAITS = """() => document.querySelectorAll(".jp-CodeCell")[2]
    .querySelector(".jp-InputArea-prompt").textContent.includes("*")"""
INTERRUPT = f"() => {KERNEL}.interrupt()"
ALL_RUN = """() => ![...document.querySelectorAll(".jp-CodeCell .jp-InputArea-prompt")]
    .some((prompt) => prompt.textContent.includes("*"))"""
CURVES = "document.querySelector('.sbx-curves')"
# Another picture stands there, of a training under way. Not by its number of steps: some
# thousands pass in a second, so one cannot tell which of the two trainings showed it.
AGAIN = f"""() => {CURVES} && !{CURVES}.dataset.first
    && {CURVES}.querySelector(".sbx-state").textContent === "● Training"
    && parseInt({CURVES}.querySelector("[data-value=step]").textContent) > 0"""
SLOW = 240_000  # ms; Spark on a busy machine


def test_an_interrupted_training_is_run_again_and_one_in_the_way_is_stopped_by_a_button(
    jupyter: Any, page: Any, screenshots: Path
) -> None:
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS[:3]])
    book.cells.append(nbformat.v4.new_code_cell("assert trainer.running"))
    book.cells += [nbformat.v4.new_code_cell(cell) for cell in CELLS[3:]]
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, jupyter.folder / "again.ipynb")
    page.goto(jupyter.address("again.ipynb"))
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_function(IDLE)
    page.evaluate(RUN_ALL)
    state = page.locator(".sbx-curves .sbx-state")
    expect(state).to_have_text("● Training", timeout=SLOW)

    # The cell that waits is interrupted, the training goes on; its cell is run again.
    page.wait_for_function(WAITS)
    page.evaluate(INTERRUPT)
    page.get_by_text("KeyboardInterrupt").first.wait_for()
    page.wait_for_function(ALL_RUN)  # until then the kernel puts off whatever it is asked
    page.wait_for_function(IDLE)
    page.evaluate(f"() => {{ {CURVES}.dataset.first = true; }}")
    page.evaluate(RUN, 1)
    page.wait_for_function(AGAIN, timeout=SLOW)

    # Another trainer finds Spark taken: it says so, and the keyboard stops the one in the way.
    page.evaluate(RUN, 4)
    waits = page.locator(".sbx-curves").last
    expect(waits.locator(".sbx-state")).to_have_text("● Waiting", timeout=SLOW)
    expect(waits).to_contain_text("another training holds Spark: stop it?")
    page.screenshot(path=screenshots / "again-waits.png")
    waits.get_by_role("button", name="Stop the other training").focus()
    page.keyboard.press("Enter")
    expect(waits.locator(".sbx-answer")).to_have_text("Stopping the other training.")
    expect(waits.locator(".sbx-state")).to_have_text("✓ Finished", timeout=SLOW)
    expect(state.first).to_have_text("■ Stopped")
    expect(waits.get_by_role("button", name="Stop the other training")).to_be_hidden()
    page.screenshot(path=screenshots / "again-through.png")

    # One that fails tells why, in place of panels that wait.
    page.evaluate(RUN, 5)
    failed = page.locator(".sbx-curves").last
    expect(failed.locator(".sbx-state")).to_have_text("✕ Failed", timeout=SLOW)
    expect(failed.get_by_role("alert")).to_contain_text("DataError: step 1 (epoch 1, batch 1): ")
    expect(failed.locator("svg.sbx-chart").first).to_be_hidden()
    expect(failed.locator(".sbx-summary")).to_be_hidden()  # it says the same
    failed.scroll_into_view_if_needed()
    page.screenshot(path=screenshots / "again-failed.png")
    assert page.watch.problems == []
