"""What the tests ask of JupyterLab's page, in its own JavaScript."""

from __future__ import annotations

# Is the notebook open, and does its kernel wait for work?
IDLE = """() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status
    === "idle" """
RUN_ALL = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
# Go to the cell with this text.
SCROLL = """(text) => {
    const book = window.jupyterapp.shell.currentWidget.content;
    const at = book.widgets.findIndex((cell) => cell.model.type === "code"
        && cell.model.sharedModel.source.includes(text));
    book.activeCellIndex = at;
    return book.scrollToItem(at, "start");
}"""
