"""A picture and what is known of it: boxes, labels and masks that move with its pixels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import validate
from ...core.errors import DataError

__all__ = ["Picture", "box_overlaps"]

Array = NDArray[Any]
_CHANNELS = (1, 2, 3, 4)
_IMAGE = "an array (height, width, channels) of uint8 or float32"


@dataclass(frozen=True)
class Picture:
    """One picture on its way through transforms: pixels, and boxes and masks of what is in it.

    Parameters
    ----------
    image : (height, width, channels) uint8 or float32, optional
        Its pixels, rows from the top; (height, width) is one channel.
    boxes : (n, 4) floats, optional
        x1, y1, x2, y2 in pixels from the left upper corner: the whole picture is
        (0, 0, width, height).
    labels : (n,) ints, optional
        Class of each box.
    masks : (n, height, width) uint8, optional
        Which pixels belong to each thing.
    data : bytes, optional
        The file it comes from, until `Decode` has made `image` of it.
    order : "RGB", "BGR" or "GRAY"
        What its channels are.
    channels_first : bool
        Whether `image` is (channels, height, width) already, as `ToTensor` leaves it.
    part : (x, y, width, height), optional
        What the last crop took of the picture in front of it, or the last ground put around it, in
        that picture's pixels.
    room : array, optional
        Its row of a batch, where the last transform may put its result.

    Raises
    ------
    ArgumentError, DataError : arrays of other forms; boxes, labels and masks differ in number.

    Notes
    -----
    Like BigDL `ImageFeature`: fields with names and types in place of a table of objects; pixels
    are RGB and boxes are pixels throughout.

    Examples
    --------
    >>> picture = Picture(np.zeros((4, 6, 3), "u1"), boxes=[[1, 1, 5, 3]], labels=[7])
    >>> picture.height, picture.width, picture.boxes.tolist()
    (4, 6, [[1.0, 1.0, 5.0, 3.0]])
    """

    image: Any = None
    boxes: Any = None
    labels: Any = None
    masks: Any = None
    data: bytes | None = None
    order: str = "RGB"
    channels_first: bool = False
    part: tuple[int, int, int, int] | None = None
    room: Any = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        kept = object.__setattr__
        if self.image is None and self.data is None:
            raise validate.refuse("image", f"{_IMAGE}, or `data` bytes", None)
        if self.image is not None:
            image = self.image if isinstance(self.image, np.ndarray) else None
            if image is None or image.ndim not in (2, 3) or image.dtype not in _DTYPES:
                raise _refused(self.image)
            kept(self, "image", image[:, :, None] if image.ndim == 2 else image)
        validate.one_of("order", self.order, ("RGB", "BGR", "GRAY"))
        if self.boxes is not None:
            boxes = validate.numbers("boxes", self.boxes, "an array (n, 4) of numbers")
            boxes = boxes.reshape(-1, 4) if not boxes.size else boxes
            if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
                raise DataError(
                    "Picture: boxes must be finite numbers x1, y1, x2, y2 of shape (n, 4); got "
                    f"{validate.numbers('boxes', self.boxes).tolist()!r}."
                )
            if (boxes[:, 2:] < boxes[:, :2]).any():
                row = int((boxes[:, 2:] < boxes[:, :2]).any(1).argmax())
                raise DataError(
                    "Picture: boxes must be x1 <= x2 and y1 <= y2; got "
                    f"{boxes[row].tolist()} in box {row}. (x, y, width, height)? add x and y."
                )
            kept(self, "boxes", boxes.astype(np.float32))
        count = None if self.boxes is None else len(self.boxes)
        for name in ("labels", "masks"):
            given = getattr(self, name)
            if given is None:
                continue
            array = validate.numbers(name, given)
            kept(self, name, array)
            if count is not None and len(array) != count:
                raise DataError(
                    f"Picture: there must be as many {name} as boxes, {count}; got {len(array)}."
                )
        if self.masks is not None and self.image is not None and not self.channels_first:
            if self.masks.ndim != 3 or self.masks.shape[1:] != self.image.shape[:2]:
                raise DataError(
                    f"Picture: masks must be (n, {self.height}, {self.width}) like the picture; "
                    f"got shape {self.masks.shape}."
                )
            kept(self, "masks", self.masks.astype(np.uint8, copy=False))

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self.image.shape[1 if self.channels_first else 0])

    @property
    def width(self) -> int:
        """Pixels of a row."""
        return int(self.image.shape[2 if self.channels_first else 1])

    def pixels(self, place: str, *, dtype: str | None = None) -> Array:
        """Return the pixels for a transform, `place`, that reads (height, width, channels).

        Raises
        ------
        DataError : the picture is not decoded, has its channels in front or is of another dtype.
        """
        image: Array | None = self.image
        if image is None:
            raise DataError(
                f"{place}: the picture must be decoded before; got {len(self.data or b'')} bytes. "
                "Put Decode() in front."
            )
        if self.channels_first or image.shape[2] not in _CHANNELS:
            cure = (
                "Put this transform in front of ToTensor()."
                if self.channels_first
                else "Channels first? Put ChannelsLast() in front. A batch of gray pictures? Give "
                "them a last axis."
            )
            raise DataError(
                f"{place}: a picture must be (height, width, channels) with 1 to 4 channels; got "
                f"shape {image.shape}. {cure}"
            )
        if not image.size:
            raise DataError(f"{place}: a picture must have pixels; got shape {image.shape}.")
        if dtype is not None and image.dtype != dtype:
            raise DataError(
                f"{place}: a picture must be {dtype}, numbers 0 to 255; got {image.dtype}. Put "
                "this transform in front of those that make floats."
            )
        return image

    def changed(self, image: Array) -> Picture:
        """Return it with other pixels in the same places."""
        return _like(self, image=image)

    def moved(
        self,
        image: Array,
        *,
        boxes: Any = None,
        masks: Any = None,
        inside: bool = False,
        centers: bool = False,
    ) -> Picture:
        """Return it with its pixels moved, and boxes and masks that were moved alike.

        Parameters
        ----------
        image : array
            The moved pixels.
        boxes, masks : arrays, optional
            Where there are some.
        inside : bool
            Cut boxes at the picture's edges; those of which nothing is left go, with label and
            mask.
        centers : bool
            Boxes whose centre lies outside go, too (Liu et al. 2016).
        """
        made = _like(self, image=image, boxes=boxes, masks=masks)
        if boxes is None or not inside:
            return made
        edges = np.array([made.width, made.height] * 2, np.float32)
        cut = np.clip(boxes, 0, edges)
        stay = (cut[:, 2:] > cut[:, :2]).all(1)
        if centers:
            middle = (boxes[:, :2] + boxes[:, 2:]) / 2
            stay &= ((middle >= 0) & (middle < edges[:2])).all(1)
        return _like(
            made,
            boxes=cut[stay],
            labels=None if self.labels is None else self.labels[stay],
            masks=None if masks is None else masks[stay],
        )

    def cropped(self, x: int, y: int, width: int, height: int, *, centers: bool = False) -> Picture:
        """Return a part of it, as a view of the same pixels."""
        made = self.moved(
            self.image[y : y + height, x : x + width],
            boxes=None if self.boxes is None else self.boxes - np.array([x, y, x, y], np.float32),
            masks=None if self.masks is None else self.masks[:, y : y + height, x : x + width],
            inside=True,
            centers=centers,
        )
        return _like(made, part=(x, y, width, height))

    def objects(self, most: int) -> NDArray[np.float32]:
        """Return (most, 5): class, x1, y1, x2, y2 as parts of the picture; class -1 behind.

        The form that `criterion.MultiBox` and `metrics.DetectionMAP` take.
        """
        found = np.zeros((most, 5), np.float32)
        found[:, 0] = -1
        boxes = np.zeros((0, 4), np.float32) if self.boxes is None else self.boxes
        if len(boxes) > most:
            raise DataError(f"Picture: there must be at most {most} boxes; got {len(boxes)}.")
        if len(boxes):
            found[: len(boxes), 0] = 0 if self.labels is None else self.labels
            found[: len(boxes), 1:] = boxes / np.array([self.width, self.height] * 2, np.float32)
        return found

    def __repr__(self) -> str:
        what = f"{len(self.data or b'')} bytes"
        if self.image is not None:
            what = f"{'x'.join(map(str, self.image.shape))} {self.image.dtype} {self.order}"
        boxes = "" if self.boxes is None else f", {len(self.boxes)} boxes"
        return f"Picture({what}{boxes})"


_DTYPES = (np.dtype(np.uint8), np.dtype(np.float32))


def _refused(given: Any) -> DataError:
    got = type(given).__name__
    if isinstance(given, np.ndarray):
        got = f"{given.dtype} of shape {given.shape}"
    return DataError(
        f"Picture: image must be {_IMAGE}; got {got}. Other numbers: image.astype('float32')."
    )


def _like(picture: Picture, **fields: Any) -> Picture:
    """Return a picture with other fields, which are known to be right and are not looked at."""
    made = object.__new__(Picture)
    made.__dict__.update(picture.__dict__)
    made.__dict__.update(fields)
    return made


def with_fields(picture: Picture, **fields: Any) -> Picture:
    """Return a picture with other fields."""
    return _like(picture, **fields) if fields else replace(picture)


def box_overlaps(box: Array, boxes: Array) -> NDArray[np.float64]:
    """Return the intersection over union of one box with each of several.

    iou = |a ∩ b| / |a ∪ b|, 0 where both are empty

    Shapes
    ------
    box : (4,), as x1, y1, x2, y2
    boxes : (n, 4)
    output : (n,) float64

    Examples
    --------
    >>> box_overlaps(np.array([0, 0, 2, 2]), np.array([[1, 1, 3, 3], [0, 0, 2, 1], [5, 5, 6, 6]]))
    array([0.14285714, 0.5       , 0.        ])
    """
    box = validate.numbers("box", box, "four numbers x1, y1, x2, y2")
    boxes = validate.numbers("boxes", boxes, "numbers (n, 4)").astype(np.float64)
    if box.shape != (4,):
        raise validate.refuse("box", "four numbers x1, y1, x2, y2", box)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise validate.refuse("boxes", "numbers (n, 4)", boxes)
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    both = np.maximum(sides, 0).prod(1)
    union = (boxes[:, 2:] - boxes[:, :2]).prod(1) + float(np.prod(box[2:] - box[:2])) - both
    found: NDArray[np.float64] = np.divide(both, union, out=np.zeros(len(boxes)), where=union > 0)
    return found
