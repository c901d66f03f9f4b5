"""Every registered class tells the same things in the same order."""

from __future__ import annotations

from sandbox.lib import nn


def test_public_classes_have_all_sections_and_an_example():
    wanted = ("Shapes", "Raises", "Notes", "Examples")
    for name, cls in nn.registered().items():
        if name.startswith(("nn.", "criterion.")):
            missing = [part for part in wanted if f"    {part}\n    ---" not in (cls.__doc__ or "")]
            assert not missing, f"{name} lacks {missing}"
            assert ">>>" in cls.__doc__
