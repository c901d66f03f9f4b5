"""MNIST: handwritten digits, from the first place that has them, or a stand-in that says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core import validate
from ...core.errors import DataError
from ...engine import names as _names
from ..arrays import ArrayDataset
from ..idx import IdxDataset, read_idx, write_idx
from ..transforms import AddChannel, Compose, Normalize
from . import sources
from .sources import Provenance

MEAN, STD = 0.1307, 0.3081
"""Of the training images, scaled to [0, 1]."""
_FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
_STAND_IN_ROWS = {"train": slice(0, 1500), "test": slice(1500, 1797)}


class Digits(NamedTuple):
    """What `load` returns."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    provenance: Provenance


def load(split: str = "train") -> Digits:
    """Return images (N, 28, 28), labels (N,) and their provenance.

    Looked for in `$SANDBOX_DATA/mnist`, the cache, the image's data folder; then downloaded unless
    `SANDBOX_OFFLINE` is set. Failing all that, scikit-learn's 1,797 digits stand in, enlarged:
    1,500 to train, 297 to test.

    Parameters
    ----------
    split : "train" or "test"

    Raises
    ------
    ArgumentError : another split.
    DataError : files were found but are damaged.

    Examples
    --------
    >>> digits = load("test")  # doctest: +SKIP
    >>> print(digits.provenance.describe())  # doctest: +SKIP
    mnist/test: 10000 rows from /opt/sandbox/data/mnist (LeCun, ... cite).
    """
    folder = _real_folder(split)
    if folder is None:
        images, labels = stand_in(split)
        return Digits(images, labels, sources.record(_provenance(split, None, len(labels))))
    images_path, labels_path = (_path(folder, file) for file in _FILES[split])
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1] or images.dtype != np.uint8:
        raise DataError(
            f"{images_path}: must hold N images of 28x28 bytes with N labels; got {images.dtype} "
            f"{images.shape} and labels {labels.shape}. Fetch the files again."
        )
    return Digits(images, labels, sources.record(_provenance(split, folder, len(labels))))


def dataset(split: str = "train", *, standardize: bool = True) -> ArrayDataset:
    """Return a data set of (1, 28, 28) images, scaled to mean 0 and deviation 1, or to [0, 1].

    Its attribute `provenance` says where the images came from.
    """
    digits = load(split)
    data = ArrayDataset(digits.images, digits.labels, transform=transform(standardize))
    data.provenance = digits.provenance
    return data


def idx_dataset(split: str = "train", *, standardize: bool = True) -> IdxDataset:
    """Return the same as `dataset`, read from files by each rank itself."""
    data = IdxDataset(*paths(split), transform=transform(standardize))
    data.provenance = load(split).provenance
    return data


def transform(standardize: bool = True) -> Compose:
    """Return the usual transform of MNIST images."""
    validate.boolean("standardize", standardize)
    scale = Normalize(1 / 255, MEAN, STD) if standardize else Normalize(1 / 255)
    return Compose(AddChannel(), scale)


def paths(split: str = "train") -> tuple[Path, Path]:
    """Return the IDX files of images and labels; a stand-in is written into the cache first."""
    folder = _real_folder(split)
    if folder is not None:
        images, labels = (_path(folder, file) for file in _FILES[split])
        return images, labels
    folder = sources.cache_folder() / "mnist-stand-in"
    folder.mkdir(parents=True, exist_ok=True)
    targets = folder / _FILES[split][0], folder / _FILES[split][1]
    digits = load(split)
    for target, array in zip(targets, (digits.images, digits.labels), strict=True):
        write_idx(target, array)
    return targets


def stand_in(split: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return scikit-learn's digits as MNIST-like images: 8x8 enlarged to 20x20, centred in 28x28.

    They are real handwriting (Alpaydin and Kaynak 1998, UCI optical digits, test part), but easier
    and far fewer than MNIST's.
    """
    from sklearn.datasets import load_digits

    validate.one_of("split", split, _FILES)
    found: Any = load_digits()
    rows = _STAND_IN_ROWS[split]
    enlarge = _linear_interpolation(8, 20)
    large = np.einsum("ri,nij,cj->nrc", enlarge, found.images[rows], enlarge) * (255 / 16)
    images = np.zeros((len(large), 28, 28), np.uint8)
    images[:, 4:24, 4:24] = np.rint(large)
    return images, found.target[rows].astype(np.uint8)


def _linear_interpolation(small: int, large: int) -> NDArray[np.float64]:
    """Return the matrix that enlarges a line of pixels, pixel centres kept in proportion."""
    place = np.clip((np.arange(large) + 0.5) * small / large - 0.5, 0, small - 1)
    left = np.minimum(place.astype(int), small - 2)
    matrix = np.zeros((large, small))
    matrix[np.arange(large), left] = 1 - (place - left)
    matrix[np.arange(large), left + 1] = place - left
    return matrix


def _real_folder(split: str) -> Path | None:
    validate.one_of("split", split, _FILES)
    files = list(_FILES[split])
    return sources.find("mnist", files) or sources.download(sources.SOURCES["mnist"], files)


def _path(folder: Path, file: str) -> Path:
    return sources.in_folder(folder, file) or folder / file


def _provenance(split: str, folder: Path | None, rows: int) -> Provenance:
    source = sources.SOURCES["mnist"]
    if folder is not None:
        return Provenance(
            "mnist", split, "real", str(folder), rows, source.terms, source.redistributable
        )
    return Provenance(
        "mnist",
        split,
        "stand-in",
        "scikit-learn's load_digits, 8x8 enlarged to 28x28",
        rows,
        "UCI optical recognition of handwritten digits, CC BY 4.0",
        True,
        "Accuracies on it say nothing about MNIST.",
    )


_names.suggest(__name__)
