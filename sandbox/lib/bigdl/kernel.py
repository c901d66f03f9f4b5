"""The notebook kernel "BigDL (Python 3)": `sc` and `spark` are there, as in pyspark's shell.

Programs of the ancestor use them without making them. Spark is started by the first cell that
reads one of the two names before it sets it, so that a notebook without Spark starts none.
"""

from __future__ import annotations

import ast
from typing import Any

_NAMES = ("sc", "spark")


def read_first(source: str, names: tuple[str, ...] = _NAMES) -> set[str]:
    """Return which of the names a piece of Python reads before it sets them.

    Examples
    --------
    >>> sorted(read_first("sc.stop(); spark = 1; spark + 1"))
    ['sc']
    """
    try:
        found = ast.parse(source)
    except SyntaxError:
        return set()
    first: dict[str, ast.Name] = {}
    for statement in found.body:
        uses = [one for one in ast.walk(statement) if isinstance(one, ast.Name)]
        # Of a line, what is read comes before what it sets: `sc = sc or other` reads.
        for one in sorted(uses, key=lambda one: (one.lineno, isinstance(one.ctx, ast.Store))):
            if one.id in names:
                first.setdefault(one.id, one)
    return {name for name, one in first.items() if isinstance(one.ctx, ast.Load)}


def give_spark(shell: Any, source: str) -> None:
    """Put `sc` and `spark` into a shell's names if a cell needs one that is not there."""
    missing = {name for name in read_first(source) if name not in shell.user_ns}
    if not missing:
        return
    from ..spark.session import context

    session = context.running_session() or context.spark_session()
    known = {"spark": session, "sc": session.sparkContext}
    shell.push({name: value for name, value in known.items() if name not in shell.user_ns})


def load_ipython_extension(shell: Any) -> None:
    """Make `sc` and `spark` in cells that need them."""

    def before_cell(info: Any) -> None:
        give_spark(shell, shell.transform_cell(info.raw_cell or ""))

    shell.events.register("pre_run_cell", before_cell)
