"""MNIST from the four IDX files of a folder."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import validate
from ...data import read_idx
from .base import find

# Of the pixels 0..255 of the training and of the test images.
TRAIN_MEAN = 0.13066047740239506 * 255
TRAIN_STD = 0.3081078 * 255
TEST_MEAN = 0.13251460584233699 * 255
TEST_STD = 0.31048024 * 255


def read_data_sets(train_dir: str, data_type: str = "train") -> tuple[NDArray[Any], NDArray[Any]]:
    """Read images (n, 28, 28, 1) of 0..255 and labels (n,) of 0..9.

    Raises
    ------
    ArgumentError : `data_type` is neither "train" nor "test".
    DataError : a file is not in the folder, or damaged.
    """
    validate.one_of("data_type", data_type, ("train", "test"))
    start = "train" if data_type == "train" else "t10k"
    files = [f"{start}-images-idx3-ubyte", f"{start}-labels-idx1-ubyte"]
    images, labels = (read_idx(find(train_dir, f"{name}.gz", name)) for name in files)
    return images[..., None].astype(np.float32), labels


def load_data(location: str = "/tmp/mnist") -> tuple[Any, Any]:
    """Read ((training images, labels), (test images, labels))."""
    return read_data_sets(location, "train"), read_data_sets(location, "test")
