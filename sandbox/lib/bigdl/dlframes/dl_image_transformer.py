"""`DLImageTransformer`, as `bigdl.dlframes.dl_image_transformer` names it."""

from __future__ import annotations

from .images import DLImageTransformer as DLImageTransformer
