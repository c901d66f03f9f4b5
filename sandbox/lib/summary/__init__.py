"""TensorBoard event files, written by our own writer. See README.md."""

from __future__ import annotations

from .events import EventWriter

__all__ = ["EventWriter"]
