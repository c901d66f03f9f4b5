"""Pictures of any sizes as a data set: decoded and changed anew each time a row is asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import validate
from ...core.errors import DataError
from ...engine.oplist import Spec
from ..casting import check_fit
from ..conversion import take_target, target_type
from ..dataset import Dataset, DataSpec, Pair
from ..trees import numbers
from .base import ImageTransform, as_picture, run_rows
from .codec import Decode
from .draws import MIDDLE
from .picture import Picture

__all__ = ["PictureDataset"]


class PictureDataset(Dataset):
    """Pictures of varying sizes, each with a label or with boxes.

    Memory holds what is given: files, or their paths. A batch is decoded and changed when it is
    asked for, in the threads of its rank, by random numbers of seed, step and position.

    Parameters
    ----------
    pictures : list of bytes, paths, arrays (height, width, channels) or `Picture`
        One for each row.
    labels : array (rows,) or (rows, ...), optional
        Integer classes, or float targets.
    objects : list of arrays (n, 5), or an array (rows, n, 5), in place of `labels`
        class, x1, y1, x2, y2 of each thing, in pixels; class -1 is none. Boxes as parts of width
        and height: put `DenormalizeBoxes()` behind `Decode()`.
    masks : list of paths, bytes of files or arrays (height, width) of uint8, in place of `labels`
        The class of each pixel; moved as the pixels are, the nearest where sizes change, 0 where a
        transform adds ground. Files hold numbers in one channel, as PNG.
    transform : ImageTransform
        Makes pictures of one size, `Decode()` first if files are given.
    most : int > 0, optional
        Most things in a picture; by default as many as a row has.
    dtype : numpy dtype or None
        Of the batches' x; None leaves what the transform gives.

    Shapes
    ------
    x : (rows, *size of the transform's pictures)
    y : as `labels`; or (rows, most, 5) float32: class, x1, y1, x2, y2 as parts of the changed
        picture, class -1 behind the last, as `criterion.MultiBox` and `metrics.DetectionMAP` take
        them; or (rows, height, width) int64: the class of each pixel of the changed picture

    Raises
    ------
    DataError : a picture cannot be read or changed, or comes out in another size; names the row
        and the file.

    Notes
    -----
    Like BigDL `ImageFrame`, `LocalImageFrame`, `LocalImageFrame.get_image`, `ImageFrame.transform`
    and `ImageFrameToSample`: lazy, and drawn anew in each epoch.

    Examples
    --------
    >>> from sandbox.lib.data import vision
    >>> pictures = [np.zeros((6, 9, 3), "u1"), np.zeros((8, 5, 3), "u1")]
    >>> make = vision.Pipeline(vision.RandomResizedCrop(4), vision.ToTensor())
    >>> x, y = PictureDataset(pictures, [0, 1], transform=make).batch([(0, [1, 0])])
    >>> x.shape, y
    ((2, 3, 4, 4), array([1, 0]))
    """

    def __init__(
        self,
        pictures: Sequence[Any],
        labels: ArrayLike | None = None,
        *,
        objects: Any = None,
        masks: Any = None,
        transform: ImageTransform,
        most: int | None = None,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(dtype=None if dtype is None else validate.number_dtype("dtype", dtype))
        self.pipeline: ImageTransform = validate.instance("transform", transform, ImageTransform)
        self.pictures = [
            _given(one, row)
            for row, one in enumerate(validate.several("pictures", pictures, "a list of pictures"))
        ]
        if not self.pictures:
            raise DataError("PictureDataset: the data set must have at least one row; got 0.")
        said = [name for name, one in _targets(labels, objects, masks) if one is not None]
        if len(said) > 1:
            raise validate.refuse(said[1], f"None where `{said[0]}` are given", said)
        self.objects = None if objects is None else _objects(objects)
        self.masks = None if masks is None else _masks(masks)
        given = np.zeros(len(self.pictures), np.int8) if labels is None else labels
        self.y = numbers(given, "PictureDataset: labels")
        known: Any = next((k for k in (self.objects, self.masks) if k is not None), self.y)
        if not self.y.ndim or len(known) != len(self.pictures):
            count = len(known) if np.ndim(self.y) else self.y
            raise DataError(
                "PictureDataset: there must be a label, an array of objects or a mask for each of "
                f"{len(self.pictures)} pictures; got {count}."
            )
        longest = max((len(one) for one in self.objects), default=1) if self.objects else 1
        self.most = max(longest, 1) if most is None else validate.positive_int("most", most)
        if self.most < longest:
            raise validate.refuse("most", f"an int >= {longest}, what a row has", most)
        self._spec: Spec | None = None
        self._sides: tuple[int, ...] = ()  # of masks
        self.check_types(0)

    @property
    def partition_sizes(self) -> tuple[int, ...]:
        """One partition with all rows."""
        return (len(self.pictures),)

    def stored(self) -> DataSpec:
        """Return the form of one row of the batches: the first picture's."""
        if self._spec is None:
            made, kept = run_rows(
                self.pipeline, 1, self.picture, place=lambda row: self.place(0, row)
            )
            self._sides = kept[0].masks.shape[1:] if self.masks is not None else ()
            self._spec = Spec(made.shape[1:], (self.dtype or made.dtype).name)
        y = Spec(tuple(self.y.shape[1:]), self.y.dtype.name)
        if self.objects is not None:
            y = Spec((self.most, 5), "float32")
        if self.masks is not None:
            y = Spec(self._sides, "uint8")
        return DataSpec(self._spec, y)

    def picture(self, row: int) -> Picture:
        """Return a row's picture before the transform, its file read."""
        found = _read(self.pictures[row])
        if self.masks is not None:
            return _masked(found, self.masks[row])
        if self.objects is None:
            return found
        boxes = self.objects[row]
        return Picture(
            found.image,
            boxes=boxes[:, 1:],
            labels=boxes[:, 0].astype(np.int64),
            data=found.data,
            order=found.order,
        )

    def place(self, partition: int, row: int) -> str:
        """Return how errors call a row: with its file."""
        given = self.pictures[row]
        return f"row {row} ({given})" if isinstance(given, Path) else f"row {row}"

    def load(self, partition: int) -> Pair:
        """Return all rows as they are without random numbers."""
        self._check_partition(partition)
        return self.rows(partition, np.arange(len(self.pictures)))

    def held(self, partition: int) -> Any:
        """Return the labels; None where there are objects."""
        self._check_partition(partition)
        return self.y if self.objects is None and self.masks is None else None

    def check_types(self, partition: int) -> None:
        """Look once whether the batches' dtype can hold the labels."""
        if partition not in self._fitting:
            wanted = target_type(self.y.dtype, self._classes is True)
            check_fit(self.y, wanted, f"{type(self).__name__}: labels")
            self._fitting.add(partition)

    def rows(
        self,
        partition: int,
        indices: ArrayLike,
        *,
        out: Pair | None = None,
        random: Any = None,
    ) -> Pair:
        """Return rows, decoded and changed; `random` is the `RandomKey` of the first of them."""
        self._check_partition(partition)
        picked = np.asarray(indices)
        picked = picked.astype(np.int64) if not picked.size else picked
        self._check_indices(partition, picked, len(self.pictures))
        self.check_types(partition)
        spec = self.spec
        x, target = (None, None) if out is None else out
        if x is None:
            x = np.empty((len(picked), *spec.x.shape), spec.x.dtype)
        kept: list[Picture] = []
        if len(picked):
            _, kept = run_rows(
                self.pipeline,
                len(picked),
                lambda row: self.picture(int(picked[row])),
                out=x,
                random=random,
                place=lambda row: self.place(partition, int(picked[row])),
            )
        if self.masks is not None:
            if target is None:
                target = np.empty((len(picked), *spec.y.shape), np.int64)
            for row, picture in enumerate(kept):
                target[row] = picture.masks[0]
            return x, target
        if self.objects is None:
            return x, take_target(self.y, picked, target, self._classes is True)
        if target is None:
            target = np.empty((len(picked), self.most, 5), np.float32)
        for row, picture in enumerate(kept):
            target[row] = picture.objects(self.most)
        return x, target

    def __repr__(self) -> str:
        kind = "labels" if self.objects is None else f"up to {self.most} objects"
        kind = kind if self.masks is None else "masks"
        return f"PictureDataset({len(self.pictures)} pictures, {kind}, {self.pipeline!r})"

    __str__ = __repr__


def _targets(labels: Any, objects: Any, masks: Any) -> list[tuple[str, Any]]:
    return [("labels", labels), ("objects", objects), ("masks", masks)]


def _masks(given: Any) -> list[Any]:
    """Return what the masks are kept as: paths, bytes or arrays."""
    return [
        _given(one, row)
        for row, one in enumerate(validate.several("masks", given, "a list of masks"))
    ]


def _read(given: Any) -> Picture:
    """Return a picture as it is, or read from its file."""
    if isinstance(given, Path):
        try:
            given = given.read_bytes()
        except OSError as error:
            raise DataError(f"the file must be readable; got {error}.") from error
    return as_picture(given)


def _masked(picture: Picture, mask: Any) -> Picture:
    """Return a picture with the class of each of its pixels."""
    read = Decode("GRAY").apply(_read(mask), MIDDLE)
    classes = read.pixels("the mask", dtype="uint8")
    if classes.shape[2] != 1:
        raise DataError(f"the mask must have one channel; got shape {classes.shape}.")
    return replace(picture, masks=classes.transpose(2, 0, 1))


def _given(one: Any, row: int) -> Any:
    """Return what a row is kept as: a path, bytes, an array or a picture."""
    if isinstance(one, str | os.PathLike):
        return Path(one)
    if isinstance(one, bytes | bytearray | memoryview):
        return bytes(one)
    try:
        return as_picture(one)
    except DataError as error:
        raise DataError(f"PictureDataset: row {row}: {error}") from None


def _objects(given: Any) -> list[NDArray[np.float32]]:
    """Return an array (n, 5) for each row, without the empty places."""
    found = []
    for row, one in enumerate(validate.several("objects", given, "a list of arrays (n, 5)")):
        array = numbers(one, f"PictureDataset: objects of row {row}").astype(np.float32)
        array = array.reshape(-1, 5) if not array.size else array
        if array.ndim != 2 or array.shape[1] != 5:
            raise DataError(
                f"PictureDataset: objects of row {row} must be (n, 5): class, x1, y1, x2, y2; got "
                f"shape {array.shape}."
            )
        found.append(array[array[:, 0] >= 0])
    return found
