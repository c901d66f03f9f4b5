"""Parts of pictures, of the centre, drawn, given; boxes are moved, cut and dropped alike."""

from __future__ import annotations

from typing import Any

from ...core import validate
from ...core.errors import DataError
from .base import ImageTransform
from .draws import Draws
from .margins import Fill, as_fill, as_range, drawn_size, fill_of, padded
from .opencv import INTERPOLATIONS
from .picture import Picture
from .resize import resized

__all__ = [
    "CenterCrop",
    "FixedCrop",
    "RandomCrop",
    "RandomResizedCrop",
]


class _SizedCrop(ImageTransform):
    """A part of a fixed size."""

    def __init__(
        self, size: int | tuple[int, int], *, fill: Fill | None = None, centers: bool = False
    ) -> None:
        self.height, self.width = validate.pair("size", size)
        self.fill = None if fill is None else as_fill(fill)
        self.centers = validate.boolean("centers", centers)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return (height, width, channels) of the part."""
        return (self.height, self.width, *super().shape(shape)[2:])

    def _large(self, picture: Picture) -> Picture:
        """Return a picture that the part fits into."""
        picture.pixels(type(self).__name__)
        if picture.height >= self.height and picture.width >= self.width:
            return picture
        if self.fill is None:
            raise DataError(
                f"{self!r}: a picture must be at least {self.height} x {self.width}; got "
                f"{picture.height} x {picture.width}. Put ResizeShorter in front, or give fill=0 "
                "to put it on a ground."
            )
        return padded(picture, self.height, self.width, fill_of(self.fill, picture, self))

    def __repr__(self) -> str:
        more = "" if self.fill is None else f", fill={self.fill!r}"
        more += ", centers=True" if self.centers else ""
        return f"{type(self).__name__}(({self.height}, {self.width}){more})"


class CenterCrop(_SizedCrop):
    """Take the middle of a picture.

    y[i, j] = x[top + i, left + j], top = (height - h) // 2, left = (width - w) // 2

    Parameters
    ----------
    size : int or (height, width)
        Of the part.
    fill : number or one for each channel, optional
        Smaller pictures are put on a ground of this colour; else they are an error.
    centers : bool
        Drop boxes whose centre lies outside, too, and not only those that lie outside as a whole.

    Raises
    ------
    DataError : the picture is smaller, and there is no `fill`.

    Notes
    -----
    Same as BigDL `CenterCrop`, `RandomCropper` (by its central method) and `RoiProject`; PyTorch
    `CenterCrop`.

    Examples
    --------
    >>> import numpy as np
    >>> CenterCrop((1, 2))(np.arange(12, dtype="u1").reshape(3, 4, 1)).ravel().tolist()
    [5, 6]
    """

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the middle, as a view."""
        picture = self._large(picture)
        x, y = (picture.width - self.width) // 2, (picture.height - self.height) // 2
        return picture.cropped(x, y, self.width, self.height, centers=self.centers)


class RandomCrop(_SizedCrop):
    """Take a part of a fixed size, each place equally likely; with a margin: `Pad` in front.

    Parameters
    ----------
    size : int or (height, width)
        Of the part.
    fill, centers
        As for `CenterCrop`.

    Raises
    ------
    DataError : the picture is smaller, and there is no `fill`.

    Notes
    -----
    Same as BigDL `RandomCrop`, `RandomCropper` (its mirror is `HorizontalFlip`) and `RoiProject`;
    PyTorch `RandomCrop`.

    Examples
    --------
    >>> import numpy as np
    >>> RandomCrop(2)(np.zeros((3, 4, 3), "u1")).shape
    (2, 2, 3)
    """

    words = 2

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the part, as a view."""
        picture = self._large(picture)
        y = draws.integer(0, picture.height - self.height)
        x = draws.integer(0, picture.width - self.width)
        return picture.cropped(x, y, self.width, self.height, centers=self.centers)


class FixedCrop(ImageTransform):
    """Take a given part of a picture.

    Parameters
    ----------
    x1, y1, x2, y2 : float
        Its edges, as parts of width and height, or in pixels; rounded to pixels.
    normalized : bool
        Whether they are parts, from 0 to 1.
    clip : bool
        Whether to cut the part at the picture's edges; else it must lie inside.
    centers : bool
        As for `CenterCrop`.

    Raises
    ------
    DataError : the part has no pixel, or is not inside.

    Notes
    -----
    Same as BigDL `FixedCrop`.

    Examples
    --------
    >>> import numpy as np
    >>> FixedCrop(0.25, 0, 0.75, 1)(np.arange(4, dtype="u1").reshape(1, 4, 1)).ravel().tolist()
    [1, 2]
    """

    def __init__(
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        *,
        normalized: bool = True,
        clip: bool = True,
        centers: bool = False,
    ) -> None:
        self.box = tuple(
            validate.finite(name, value)
            for name, value in (("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2))
        )
        for name, low, high in (("x2", x1, x2), ("y2", y1, y2)):
            if not low < high:
                raise validate.refuse(name, f"a number > {low}", high)
        self.normalized = validate.boolean("normalized", normalized)
        self.clip = validate.boolean("clip", clip)
        self.centers = validate.boolean("centers", centers)

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the part, as a view."""
        picture.pixels("FixedCrop")
        return part_of(picture, self.box, self.normalized, self.clip, self.centers, self)

    def __repr__(self) -> str:
        more = "" if self.normalized else ", normalized=False"
        more += "" if self.clip else ", clip=False"
        more += ", centers=True" if self.centers else ""
        return f"FixedCrop({', '.join(f'{edge:g}' for edge in self.box)}{more})"


def part_of(
    picture: Picture, box: Any, normalized: bool, clip: bool, centers: bool, owner: object
) -> Picture:
    width, height = picture.width, picture.height
    scale = (width, height, width, height) if normalized else (1, 1, 1, 1)
    x1, y1, x2, y2 = (round(float(edge) * side) for edge, side in zip(box, scale, strict=True))
    if clip:
        x1, y1, x2, y2 = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
    if not (0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height):
        raise DataError(
            f"{owner!r}: a part must have a pixel and lie in the picture, {height} x {width}; got "
            f"pixels {x1} to {x2} across, {y1} to {y2} down."
        )
    return picture.cropped(x1, y1, x2 - x1, y2 - y1, centers=centers)


class RandomResizedCrop(ImageTransform):
    """Take a part of random area and aspect, and make it a picture of a fixed size.

    area ~ U(scale) · height · width, aspect ~ exp(U(log ratios)); w = sqrt(area · aspect),
    h = sqrt(area / aspect); of ten tries the first that fits, else the middle with the nearest
    aspect. Without random numbers: the largest part of the middle that has the result's aspect.

    Parameters
    ----------
    size : int or (height, width)
        Of the result.
    scale : (low, high)
        Part of the picture's area.
    ratio : (low, high)
        Width over height.
    interpolation : "linear", "cubic", "area", "nearest" or "lanczos"
        See `Resize`.
    centers : bool
        As for `CenterCrop`.

    Notes
    -----
    Like BigDL `RandomAlterAspect`: drawn as PyTorch `RandomResizedCrop` does, aspects evenly on a
    log scale. Source: Szegedy et al. 2015 (Inception), section 6.

    Examples
    --------
    >>> import numpy as np
    >>> RandomResizedCrop(4)(np.zeros((10, 20, 3), "u1")).shape
    (4, 4, 3)
    """

    words = 10 * 2 + 2

    def __init__(
        self,
        size: int | tuple[int, int],
        *,
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        interpolation: str = "linear",
        centers: bool = False,
    ) -> None:
        self.height, self.width = validate.pair("size", size)
        self.scale = as_range("scale", scale, 1e-6, 1.0)
        self.ratio = as_range("ratio", ratio, 1e-3, 1e3)
        self.interpolation = validate.one_of("interpolation", interpolation, tuple(INTERPOLATIONS))
        self.centers = validate.boolean("centers", centers)

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the part in its new size."""
        picture.pixels("RandomResizedCrop")
        part = picture.cropped(*self._place(picture, draws), centers=self.centers)
        return resized(part, self.height, self.width, self.interpolation)

    def _place(self, picture: Picture, draws: Draws) -> tuple[int, int, int, int]:
        """Return left, top, width and height of the part."""
        aspect, (low, high) = self.width / self.height, self.ratio
        if draws:
            for _ in range(10):
                width, height = drawn_size(picture.image, self.scale, self.ratio, draws)
                if 0 < width <= picture.width and 0 < height <= picture.height:
                    y = draws.integer(0, picture.height - height)
                    x = draws.integer(0, picture.width - width)
                    return x, y, width, height
            aspect = min(max(picture.width / picture.height, low), high)
        width = max(1, min(picture.width, round(picture.height * aspect)))
        height = max(1, min(picture.height, round(picture.width / aspect)))
        return (picture.width - width) // 2, (picture.height - height) // 2, width, height

    def __repr__(self) -> str:
        ratio = f"({self.ratio[0]:.4g}, {self.ratio[1]:.4g})"
        more = ", centers=True" if self.centers else ""
        return (
            f"RandomResizedCrop(({self.height}, {self.width}), scale={self.scale}, ratio={ratio}, "
            f"interpolation={self.interpolation!r}{more})"
        )
