from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sandbox.lib import engine

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    """Keep the tests' kernel plans out of the user's cache, and start from an empty plan."""
    monkeypatch.setenv("SANDBOX_CACHE", str(tmp_path))
    monkeypatch.setattr(engine, "_default", None)
    engine.threads.set_threads(1)
