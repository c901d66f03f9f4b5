"""What tests of all rooms share."""

from __future__ import annotations

import pytest

from sandbox.cli.report import is_ci
from sandbox.lib import engine


@pytest.fixture
def native() -> None:
    """Skip without native kernels; in CI, where the lock installs their library, fail."""
    if not engine.is_native():
        reason = f"no native library: {engine.describe().reason}"
        if is_ci():
            pytest.fail(reason)
        pytest.skip(reason)
