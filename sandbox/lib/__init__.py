"""See README.md of this room."""

from __future__ import annotations

from .engine import names as _names

_names.suggest(__name__)
