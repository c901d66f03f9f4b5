"""The promise that the public names exist and are told about; the examples run as doctests."""

from __future__ import annotations

from sandbox.lib import core


def test_public_names_exist():
    for name in core.__all__:
        assert hasattr(core, name)
    for name in core.ops.__all__:
        assert getattr(core.ops, name).__doc__
