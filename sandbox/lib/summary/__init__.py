"""TensorBoard event files, written by our own writer. See README.md."""

from __future__ import annotations

from ..engine import names as _names
from .events import EventWriter

__all__ = ["EventWriter"]

_names.suggest(__name__)
