"""Help without Python's names of types: `NAME...` in place of `NAME <list[str]>`."""

from __future__ import annotations

import re
from typing import Any

import typer.core

_LIST = re.compile(r"(?:\.\.\.)? <list\[\w+\]>")


class Command(typer.core.TyperCommand):
    """A command that takes several of something."""

    def get_help(self, ctx: Any) -> str:
        """Give the text of `--help`."""
        return _LIST.sub("...", super().get_help(ctx))
