"""A browser against the container: JupyterLab opens, a widget moves, nothing else is asked."""

from __future__ import annotations

import json

import pytest

from sandbox.cli.test import find_browser
from tests.image.kit import get, published, wait_until

pytestmark = [pytest.mark.docker, pytest.mark.browser]
TOKEN = "token-for-the-browser"
CELL = (
    "import ipywidgets as w\n"
    "s = w.IntSlider(value=3, max=9)\n"
    "l = w.Label()\n"
    "s.observe(lambda c: setattr(l, 'value', f'now={c.new}'), 'value')\n"
    "w.VBox([s, l])"
)
IDLE = """() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status
    === "idle" """
# Not awaited: the page waits for its cells itself.
RUN_ALL = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
]


def test_a_widget_answers_in_the_browser_and_only_this_host_is_asked(containers):
    program = find_browser()
    if program is None:
        pytest.skip("no Chromium here (apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api")
    command = ["lab", "--LabApp.expose_app_in_browser=True"]
    box = containers.start(command, port=True, environment={"SANDBOX_TOKEN": TOKEN})
    port = published(box)

    def answers():
        try:
            return get(port, "/api")[0] == 200
        except OSError:
            return False

    wait_until(answers, "Jupyter answers")
    notebook = {
        "nbformat": 4, "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "cells": [{"id": "a", "cell_type": "code", "source": CELL, "metadata": {}, "outputs": [],
                   "execution_count": None}],
    }  # fmt: skip
    body = json.dumps({"type": "notebook", "content": notebook})
    assert get(port, "/api/contents/w.ipynb", token=TOKEN, method="PUT", data=body)[0] == 201
    asked = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, headless=True, args=FLAGS)
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"http://127.0.0.1:{port}/lab/tree/w.ipynb?token={TOKEN}", timeout=120_000)
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
        page.wait_for_function(IDLE, timeout=120_000)
        # The image's own settings: no question about news.
        assert (
            page.locator("text=Would you like to get notified about official Jupyter").count() == 0
        )
        handle = page.locator(".widget-slider .noUi-handle")
        page.evaluate(RUN_ALL)
        handle.wait_for(timeout=120_000)
        handle.focus()
        page.keyboard.press("ArrowRight")
        page.locator('.widget-label:has-text("now=4")').wait_for(timeout=120_000)
        browser.close()
    elsewhere = [
        url
        for url in asked
        if not url.startswith((f"http://127.0.0.1:{port}/", "data:", "blob:", "ws://127.0.0.1"))
    ]
    assert elsewhere == []
