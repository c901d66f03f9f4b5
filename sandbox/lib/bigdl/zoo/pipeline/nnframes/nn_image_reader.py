"""Pictures in a DataFrame, as `zoo.pipeline.nnframes.nn_image_reader`."""

from __future__ import annotations

from typing import Any

from ....dlframes.images import read_images
from ....transform.vision.geometry import Resize


class NNImageReader:
    """Reads pictures into a DataFrame."""

    @staticmethod
    def readImages(  # noqa: N802 - the ancestor's names
        path: str,
        sc: Any = None,
        minPartitions: int = 1,
        resizeH: int = -1,
        resizeW: int = -1,
        image_codec: int = -1,
        bigdl_type: str = "float",
    ) -> Any:
        """Return a DataFrame with a column `image` of the pictures at a path or pattern.

        Where both sizes are given, all pictures get them; `image_codec` is taken and changes
        nothing: pictures have three channels.
        """
        sized = resizeH > 0 and resizeW > 0
        return read_images(path, sc, minPartitions, Resize(resizeH, resizeW) if sized else None)
