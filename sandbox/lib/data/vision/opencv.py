"""OpenCV as this room wants it: quiet, in the threads of its caller, with bounded pictures."""

from __future__ import annotations

import importlib
import os
from typing import Any

from ...core.errors import DataError

__all__ = ["INTERPOLATIONS", "cv", "named"]

MOST_PIXELS = 1 << 27
"""What a file may claim to hold (134 million): a few damaged bytes must not ask for all memory."""


def _load() -> Any:
    # read by OpenCV once, when its library is loaded
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MOST_PIXELS))
    try:
        found: Any = importlib.import_module("cv2")
    except ImportError as error:
        raise ImportError(
            f"sandbox.lib.data.vision needs OpenCV, which cannot be imported: {error}. "
            "Install it: pip install opencv-python-headless"
        ) from error
    # The threads are ours: one picture each, as many as the rank has cores.
    found.setNumThreads(0)
    found.utils.logging.setLogLevel(found.utils.logging.LOG_LEVEL_SILENT)
    return found


cv: Any = _load()

INTERPOLATIONS: dict[str, int] = {
    "nearest": cv.INTER_NEAREST,
    "linear": cv.INTER_LINEAR,
    "cubic": cv.INTER_CUBIC,
    "area": cv.INTER_AREA,
    "lanczos": cv.INTER_LANCZOS4,
}


def named(error: Exception) -> DataError:
    """Return an error of OpenCV as one of ours: its last sentence, without its source files."""
    text = " ".join(str(getattr(error, "err", "") or error).split())
    return DataError(f"OpenCV: {text}")
