"""Kinds of verbs: what their `--help` says, and who reads it."""

from __future__ import annotations

import re
from typing import Any

import typer.core

_LIST = re.compile(r"(?:\.\.\.)? <list\[\w+\]>")


class Command(typer.core.TyperCommand):
    """A verb that takes several of something."""

    def get_help(self, ctx: Any) -> str:
        """Give the text of `--help`: `NAME...` in place of `NAME <list[str]>`."""
        return _LIST.sub("...", super().get_help(ctx))


class HandedOn(typer.core.TyperCommand):
    """A verb whose words, --help and -- among them, are another program's to read."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Keep all words as they are."""
        ctx.args = list(args)
        return ctx.args
