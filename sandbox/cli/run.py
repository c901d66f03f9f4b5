"""`sandbox run`: a notebook from top to bottom, its output as it comes, its key figures last."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from traitlets.config.loader import JSONFileConfigLoader

from . import java
from .errors import CommandError
from .lab import CONFIG
from .places import check_runtime_folder, find_notebook

# `test accuracy: 99.12 %`: a short name, a colon, a value that begins with a number.
FIGURE = re.compile(r"^([A-Za-z][\w /(),.-]{1,40}): ([-+]?\d[\w .,:%/x±+-]{0,40})$")
COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # and what moves the cursor
Write = Callable[[str], None]


class Figures:
    r"""Collect the lines of the form `name: value`; the last one of a name counts.

    Examples
    --------
    >>> figures = Figures()
    >>> figures.read("epoch 1\ntest accuracy: 98.7")
    >>> figures.read("0 %\n")
    >>> figures.found
    {'test accuracy': '98.70 %'}
    """

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._rest = ""

    def read(self, text: str) -> None:
        """Take some output; a line may come in pieces."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            match = FIGURE.match(COLOURS.sub("", line.rsplit("\r", 1)[-1]).strip())
            if match:
                self.found.pop(match[1], None)
                self.found[match[1]] = match[2].strip()

    def close(self) -> None:
        """End the last line."""
        self.read("\n")


class StreamingClient(NotebookClient):
    """A notebook client that hands on what the cells print while they run."""

    write: Write
    figures: Figures
    shown: str = ""

    def process_message(self, message: Any, cell: Any, cell_index: int) -> Any:
        """Show a message of the kernel, then let it go into the notebook."""
        content = message["content"]
        if message["msg_type"] == "stream":
            self.write(content["text"])
            self.figures.read(content["text"])
        elif message["msg_type"] in ("execute_result", "display_data", "update_display_data"):
            self._show(content["data"])
        return super().process_message(message, cell, cell_index)

    def _show(self, data: Any) -> None:
        """Show the text of a display: not a picture's name, nor the same words twice."""
        text = data.get("text/plain", "")
        if text and text != self.shown and "image/png" not in data and text[:1] != "<":
            self.write(text + "\n")
            self.shown = text


def heading_before(notebook: Any, index: int) -> str:
    """Give the nearest heading above a cell, to say where we are."""
    for cell in reversed(notebook.cells[: index + 1]):
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                if line.startswith("#"):
                    return line.lstrip("# ").strip()
    return ""


def execute(
    notebook: Path,
    *,
    output: Path | None = None,
    timeout: int = 1800,
    fast: bool = False,
    write: Write | None = None,
) -> int:
    """Execute a notebook; give 0, or 1 when a cell failed."""
    path = find_notebook(notebook)
    output_to = Output(sys.stdout)
    write = write or output_to
    try:
        content = nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, KeyError) as error:
        raise CommandError(
            f"{path} is not a notebook: {str(error).splitlines()[0][:120]}",
            f"Get the shipped one back: sandbox reset {path.name}",
        ) from None
    check_runtime_folder()
    java.settle()
    if fast:
        os.environ["FAST"] = "1"
    figures = Figures()
    started = time.perf_counter()
    client = StreamingClient(
        content,
        timeout=timeout,
        kernel_name="python3",
        # Encrypted as in JupyterLab: a loopback port is open to every user of a machine.
        config=JSONFileConfigLoader("jupyter_server_config.json", str(CONFIG)).load_config(),
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.write, client.figures = write, figures
    total = sum(cell.cell_type == "code" for cell in content.cells)
    seen = {"cells": 0, "heading": ""}

    def before(cell: Any, cell_index: int) -> None:
        if cell.cell_type != "code":
            return
        seen["cells"] += 1
        heading = heading_before(content, cell_index)
        if heading != seen["heading"]:
            write(f"\n== {heading}\n")
            seen["heading"] = heading
        write(f"[{seen['cells']}/{total}, {time.perf_counter() - started:.0f} s]\n")

    client.on_cell_start = before
    write(f"{path.name}: {total} cells\n")
    status = 0
    try:
        client.execute()
    except CellExecutionError as error:
        status = 1
        write(f"\nA cell failed:\n{COLOURS.sub('', str(error))}\n")
    except CellTimeoutError as error:
        status = 1
        write(f"\nA cell took more than {timeout} s (--timeout raises this):\n{error}\n")
    except DeadKernelError:
        status = 1
        write("\nThe kernel died; often memory ran out; `sandbox doctor` tells how much is left.\n")
    if output is not None:
        nbformat.write(content, output)
    figures.close()
    seconds = time.perf_counter() - started
    outcome = "finished" if status == 0 else f"FAILED in cell {seen['cells']} of {total}"
    write(f"\n{path.name} {outcome} in {seconds:.1f} s\n")
    for name, value in figures.found.items():
        write(f"{name}: {value}\n")
    output_to.close()
    return status


class Output:
    r"""Writes what comes to a terminal as it is; elsewhere only lines that stay.

    What a progress bar rewrites (`text\r`) is of no use in a file.

    Examples
    --------
    >>> import io
    >>> out = io.StringIO()
    >>> output = Output(out)
    >>> for text in ("epoch 1: 10 %\r", "epoch 1: 90 %\repoch 1: ", "done\nnext\r"):
    ...     output(text)
    >>> out.getvalue()
    'epoch 1: done\n'
    >>> output.close()
    >>> out.getvalue()
    'epoch 1: done\nnext\n'
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._plain, self._rest = stream, not stream.isatty(), ""

    def __call__(self, text: str) -> None:
        """Take some output."""
        if self._plain:
            *lines, rest = (self._rest + COLOURS.sub("", text)).split("\n")
            self._rest = "\r".join(rest.rsplit("\r", 2)[-2:])
            text = "".join(_last(line) + "\n" for line in lines)
        self._stream.write(text)
        self._stream.flush()

    def close(self) -> None:
        """Write what is left without an end of its line."""
        if self._rest:
            self("\n")


def _last(line: str) -> str:
    """Give what a line shows in the end."""
    return line.rstrip("\r").rsplit("\r", 1)[-1].rstrip() if "\r" in line else line
