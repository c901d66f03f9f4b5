"""What the tests of modules share."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import nn


@pytest.fixture
def _undrawn(monkeypatch):
    """Draw no weights: hundreds of millions of normal numbers would take most of the test."""
    monkeypatch.setattr(nn.init, "draw", lambda rule, shape, rng: np.zeros(shape, "f4"))
