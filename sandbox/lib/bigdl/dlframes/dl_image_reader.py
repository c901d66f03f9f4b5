"""`DLImageReader`, as `bigdl.dlframes.dl_image_reader` names it."""

from __future__ import annotations

from .images import DLImageReader as DLImageReader
