"""Notebooks as tests: short runs, one marker for all, and no doctest of the script twins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent
collect_ignore_glob = ["scripts/*", "*/.ipynb_checkpoints/*"]

# Kernels are started with this environment: one pass over the data instead of several.
os.environ.setdefault("FAST", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every cell, so that `-m` can leave them out; solutions are for `test --all`."""
    for item in items:
        if HERE in Path(item.path).parents:
            item.add_marker(pytest.mark.notebook)
        if HERE / "solutions" in Path(item.path).parents:
            item.add_marker(pytest.mark.campaign)
