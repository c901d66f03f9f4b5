"""A real kernel: what runs cells in it and tells what they show."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[[str], str]


@contextmanager
def kernel() -> Iterator[Run]:
    """Start a kernel; give what runs a cell in it and returns the text of its error and streams."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(
        kernel_name="python3", env={**os.environ, "PYTHONPATH": str(ROOT)}
    )

    def run(code: str) -> str:
        said: list[str] = []

        def hear(message: Any) -> None:
            content = message["content"]
            if message["msg_type"] == "error":
                said.extend(f"{line}\n" for line in content["traceback"])
            elif message["msg_type"] == "stream":
                said.append(content["text"])

        client.execute_interactive(code, output_hook=hear, timeout=120)
        return re.sub(r"\x1b\[[0-9;]*m", "", "".join(said))  # a stream is cut anywhere

    try:
        yield run
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
