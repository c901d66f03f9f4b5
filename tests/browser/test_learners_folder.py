"""What a learner meets in JupyterLab beside the lessons: the file list, resets, kernels that go."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import expect

from sandbox.cli import places, reset
from tests.browser.page import IDLE, RUN_ALL
from tests.browser.walk import walk

pytestmark = [pytest.mark.browser, pytest.mark.notebook]

LESSON = "01_neuron_to_network.ipynb"
WRITE = """(text) => {
    const book = window.jupyterapp.shell.currentWidget;
    book.content.widgets[0].model.sharedModel.setSource(text);
    return window.jupyterapp.commands.execute("docmanager:save");
}"""
FIRST = """() =>
    window.jupyterapp.shell.currentWidget.content.widgets[0].model.sharedModel.source"""
SAVE = "() => window.jupyterapp.commands.execute('docmanager:save')"
SHUT_DOWN = "() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()"
RESTART = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
RELOAD = "() => { window.jupyterapp.commands.execute('docmanager:reload'); }"
GONE = "run this cell to use it"
NOTICE = """() => [...document.querySelectorAll(".sbx")]
    .map((view) => getComputedStyle(view, "::before").content)"""


def open_notebook(jupyter: Any, page: Any, name: str) -> None:
    page.goto(jupyter.address(name))
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_function(IDLE)


def test_a_lesson_is_reset_while_it_is_open(jupyter: Any, page: Any, screenshots: Path) -> None:
    shipped = {path: path.read_bytes() for path in places.SHIPPED.rglob("*.[ip]*")}
    open_notebook(jupyter, page, LESSON)
    names = page.locator(".jp-DirListing-item .jp-DirListing-itemText").all_text_contents()
    assert "solutions" in names
    assert all(name == "solutions" or name.endswith(".ipynb") for name in names)

    page.evaluate(WRITE, "my own words")
    assert "my own words" in (jupyter.folder / LESSON).read_text()
    reset.restore(Path("01"))
    page.evaluate(RELOAD)
    page.wait_for_function(f"({FIRST})().startsWith('# ')")
    page.screenshot(path=screenshots / "reset.png")

    # Opened anew it loads as well, and what was saved lies in the copies only.
    open_notebook(jupyter, page, LESSON)
    page.evaluate(SAVE)
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert {path: path.read_bytes() for path in places.SHIPPED.rglob("*.[ip]*")} == shipped
    assert page.watch.problems == []


def test_the_start_page_answers(jupyter: Any, page: Any, screenshots: Path) -> None:
    open_notebook(jupyter, page, "00_start.ipynb")
    page.evaluate(RUN_ALL)
    slider = page.get_by_role("slider", name="a number")
    slider.wait_for()
    slider.fill("11")
    page.get_by_text("12 × 12 = 144").wait_for()
    assert walk(page, screenshots, "00") == []
    assert page.watch.problems == []


CELLS = (
    "from sandbox.widgets import TrainingCurves\n"
    "from sandbox.widgets.value import ValueExplorer\n"
    "ValueExplorer(lambda k: f'{k} squared is {k * k}', [1, 2, 3], 'k')",
    "class Trainer:\n"
    "    history, state = None, 'running'\n"
    "    def subscribe(self, function): return lambda: None\n"
    "curves = TrainingCurves(Trainer())\n"
    "curves.show([{'type': 'stage', 'text': 'starting Java', 'share': 0.2}])\n"
    "curves",
    "from sandbox.widgets import DescentExplorer\nDescentExplorer([1, 2], [2, 4], rate=0.1)",
)


def test_a_view_whose_kernel_is_gone_says_so(jupyter: Any, page: Any, screenshots: Path) -> None:
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, jupyter.folder / "views.ipynb")
    open_notebook(jupyter, page, "views.ipynb")
    page.evaluate(RUN_ALL)
    slider, pause = page.get_by_role("slider", name="k"), page.get_by_role("button", name="Pause")
    starting = page.get_by_role("progressbar", name="Start of the training")
    step = page.get_by_role("button", name="step", exact=True)
    for live in (slider, pause, starting, step):
        live.wait_for()
    page.get_by_text("starting Java").first.wait_for()
    page.screenshot(path=screenshots / "view-live.png")
    assert all(GONE not in notice for notice in page.evaluate(NOTICE))

    def gone(picture: str) -> None:
        for dead in (slider, pause, starting):
            expect(dead).to_be_hidden()
        page.get_by_text("1 squared is 1").wait_for()
        expect(page.locator(".sbx-curves .sbx-state")).to_have_text("○ Kernel gone")
        *asking, alone = page.evaluate(NOTICE)
        assert all(GONE in notice for notice in asking)
        # What computes in the page goes on, and says that the notebook does not follow it.
        assert "it works, but cells do not hear of it" in alone
        step.click()
        page.get_by_text(re.compile(r"step \d+: weight 1")).wait_for()
        page.screenshot(path=screenshots / picture)

    page.evaluate(SAVE)
    page.evaluate(RESTART)
    gone("view-restarted.png")
    page.wait_for_function(IDLE)
    page.evaluate(SHUT_DOWN)
    open_notebook(jupyter, page, "views.ipynb")  # the saved views, a kernel that never made them
    gone("view-saved.png")

    page.evaluate(RUN_ALL)
    slider.wait_for()
    slider.fill("2")
    page.get_by_text("3 squared is 9").wait_for()
    # JupyterLab complains of its own requests that a restart cut off.
    assert [one for one in page.watch.problems if "Canceled future" not in one] == []
