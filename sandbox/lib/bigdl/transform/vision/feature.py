"""A picture and all that is known of it, by name: the record that transformers fill."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError

FLOATS, BYTES, MAT, TENSOR = "floats", "bytes", "mat", "imageTensor"
LABEL, URI, SAMPLE, PREDICT = "label", "uri", "sample", "predict"
ORIGINAL_SIZE, BOUNDING_BOX = "originalSize", "boundingBox"


def as_mat(image: Any) -> NDArray[Any]:
    """Return pixels (height, width, channels) as bytes or as float32."""
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.dtype.kind not in "uif":
        raise DataError(
            "ImageFeature: an image must be an array (height, width, channels) of numbers; got "
            f"{array.dtype} of shape {array.shape}."
        )
    return array if array.dtype == np.uint8 else array.astype(np.float32)


class ImageFeature:
    """One picture: its file's bytes, its pixels, label, address, sample, prediction, by name.

    Parameters
    ----------
    image : array (height, width, channels), optional
        Pixels in the order BGR, kept under "mat".
    label : number or array, optional
        Kept under "label"; boxes are rows that end in x1, y1, x2, y2.
    path : str, optional
        Where it comes from, kept under "uri".

    Raises
    ------
    DataError : `image` is no picture; a name is asked for that is not there.

    Notes
    -----
    Same as BigDL `ImageFeature`: `feature["mat"]` reads and writes a field.

    Examples
    --------
    >>> feature = ImageFeature(np.zeros((2, 3, 3)), label=1, path="a.png")
    >>> feature.get_image().shape, feature.get_label(), feature.keys()
    ((3, 2, 3), array([1.], dtype=float32), ['label', 'mat', 'originalSize', 'uri'])
    """

    def __init__(
        self, image: Any = None, label: Any = None, path: Any = None, bigdl_type: str = "float"
    ) -> None:
        self.fields: dict[str, Any] = {}
        if image is not None:
            self[MAT] = as_mat(image)
            self[ORIGINAL_SIZE] = self[MAT].shape
        if label is not None:
            self.set_label(label)
        if path is not None:
            self[URI] = path

    def __getitem__(self, key: str) -> Any:
        if key not in self.fields:
            raise DataError(
                f"{self.name}: the picture must have {key!r}; it has {self.keys()}. A transformer "
                "in front makes it: BytesToMat, MatToFloats, MatToTensor, ImageFrameToSample."
            )
        return self.fields[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.fields[key] = value

    def __contains__(self, key: object) -> bool:
        return key in self.fields

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    @property
    def name(self) -> str:
        """How errors call it."""
        return f"ImageFeature {self.fields.get(URI, '')}".strip()

    def get(self, key: str, default: Any = None) -> Any:
        """Return a field, or the default where it is missing."""
        return self.fields.get(key, default)

    def keys(self) -> list[str]:
        """Return the names of what there is, in alphabetical order."""
        return sorted(self.fields)

    def set_label(self, label: Any) -> None:
        """Keep a label as an array of floats."""
        self[LABEL] = np.atleast_1d(np.asarray(label, np.float32))

    def get_image(self, float_key: str = FLOATS, to_chw: bool = True) -> NDArray[np.float32]:
        """Return the pixels as floats, channels in front or last."""
        pixels = np.asarray(self[float_key if float_key in self else MAT], np.float32)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1)) if to_chw else pixels

    def get_label(self) -> Any:
        """Return the label as an array, or None."""
        return self.get(LABEL)

    def __repr__(self) -> str:
        return f"{self.name} {self.keys()}"
