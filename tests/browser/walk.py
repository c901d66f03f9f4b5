"""A walk through an open notebook, cell by cell, in the sizes of screens, light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SIZES = ((1440, 900), (1280, 720), (960, 600))  # the last: a projector, or a browser zoomed in
THEMES = ("Light", "Dark")
# What is side by side does not go by the theme, nor colours by the size: the dark one is looked at
# once, unless somebody wants the pictures.
TURNS = tuple((theme, size) for theme in THEMES for size in SIZES)
SAMPLE = (*((THEMES[0], size) for size in SIZES), (THEMES[1], SIZES[-1]))
THEME = "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"
LIT = "(light) => document.body.dataset.jpThemeLight === light"
# The cells that show a view of ours or a picture.
SHOWING = """() => window.jupyterapp.shell.currentWidget.content.widgets
    .map((cell, k) => [cell, k])
    .filter(([cell]) => cell.model.type === "code" && cell.model.outputs.toJSON().some((output) =>
        output.data?.["application/vnd.jupyter.widget-view+json"] || output.data?.["image/png"]))
    .map(([, k]) => k)"""
GO = """async (k) => {
    const book = window.jupyterapp.shell.currentWidget.content;
    book.activeCellIndex = k;
    await book.scrollToItem(k, "start");
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    await frame();
    const cell = book.widgets[k].node;
    (cell.querySelector(".sbx") ?? cell).scrollIntoView({ block: "start" });
    for (let i = 0; i < 3; i++) await frame();
}"""
# What is wrong with what the cell shows, in this window and theme.
LOOK = """([k, dark]) => {
    const cell = window.jupyterapp.shell.currentWidget.content.widgets[k].node;
    const wrong = [];
    const seen = (node) => node.getClientRects().length > 0;
    const box = (node) => node.getBoundingClientRect();
    const all = (node, names) => [...node.querySelectorAll(names)].filter(seen);
    const area = box(cell.querySelector(".jp-OutputArea"));
    for (const view of all(cell, ".sbx")) {
        if (view.scrollWidth > view.clientWidth + 1) wrong.push(`${view.className} is cut off`);
        const light = getComputedStyle(view).backgroundColor.match(/\\d+/g).slice(0, 3)
            .reduce((sum, v) => sum + Number(v), 0) > 384;
        if (light === dark) wrong.push(`${view.className} is not in the theme's colours`);
        for (const row of all(view, ".sbx-three, .sbx-pair, .sbx-beside")) {
            const parts = [...row.children].filter(seen).map(box);
            if (Math.max(...parts.map((p) => p.top)) >= Math.min(...parts.map((p) => p.bottom)))
                wrong.push(`${view.className}: what belongs together is not side by side`);
            if (Math.max(...parts.map((p) => p.bottom)) > window.innerHeight)
                wrong.push(`${view.className}: what belongs together leaves the window`);
        }
    }
    for (const image of all(cell, "img.sbx-picture, .sbx img")) {
        if (box(image).right > area.right + 1) wrong.push(`${image.alt} is cut off`);
        if (getComputedStyle(image).colorScheme.includes("dark") !== dark)
            wrong.push(`${image.alt} is not in the theme's colours`);
        if (!image.alt) wrong.push("a picture has no text");
    }
    return wrong;
}"""


def walk(page: Any, screenshots: Path, name: str) -> list[str]:
    """Go to every cell that shows something, in sizes and themes; give what is wrong there."""
    wrong, asked = [], screenshots.name != "screenshots"
    for theme, (width, height) in TURNS if asked else SAMPLE:
        page.evaluate(THEME, f"JupyterLab {theme}")
        page.wait_for_function(LIT, arg=str(theme == "Light").lower())
        page.set_viewport_size({"width": width, "height": height})
        for cell in page.evaluate(SHOWING):
            page.evaluate(GO, cell)
            found = page.evaluate(LOOK, [cell, theme == "Dark"])
            wrong += [f"{theme}, {width} x {height}, cell {cell}: {one}" for one in found]
            if found or asked:
                page.screenshot(path=screenshots / f"walk-{name}-{theme}-{width}-{cell:02}.png")
    return wrong
