"""Fixtures of the image's tests serve here as well."""

from tests.image.conftest import containers, kit, work

__all__ = ["containers", "kit", "work"]
