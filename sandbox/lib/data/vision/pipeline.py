"""Transforms in a row, by chance, one of several, in random order."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core import validate
from .base import ImageTransform
from .draws import Draws
from .picture import Picture

__all__ = ["OneOf", "Pipeline", "RandomApply", "RandomOrder"]


class _Several(ImageTransform):
    """Some transforms, each with its own part of the random numbers."""

    def __init__(self, *transforms: ImageTransform) -> None:
        if len(transforms) == 1 and isinstance(transforms[0], list | tuple):
            transforms = tuple(transforms[0])
        self.transforms = tuple(_transform("transforms", one) for one in transforms)
        self.words = sum(one.words for one in self.transforms)

    def dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Return the dtype after all transforms."""
        for one in self.transforms:
            dtype = one.dtype(dtype)
        return dtype

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.transforms))})"


def _transform(name: str, given: Any) -> ImageTransform:
    if isinstance(given, type) and issubclass(given, ImageTransform):
        raise validate.refuse(name, "transforms of pictures", given, "Call the class.")
    if not isinstance(given, ImageTransform):
        cure = "Others come behind: data.transforms.Compose(Pipeline(...), other)."
        raise validate.refuse(name, "transforms of pictures", given, cure)
    return given


class Pipeline(_Several):
    """Run transforms one after another, picture by picture.

    Parameters
    ----------
    *transforms : ImageTransform
        In order; a list of them is taken, too.

    Raises
    ------
    ArgumentError : something else is among them.

    Notes
    -----
    Same as BigDL `Pipeline`, PyTorch `Compose`. All random numbers of a batch are drawn at once,
    and each transform has its own of them: equal transforms in one pipeline draw differently.

    Examples
    --------
    >>> from sandbox.lib.data import vision
    >>> prepare = Pipeline(vision.ResizeShorter(8), vision.CenterCrop(6), vision.ToTensor())
    >>> prepare(np.zeros((12, 16, 3), "u1")).shape
    (3, 6, 6)
    """

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the picture after the last transform."""
        for one in self.transforms:
            picture = one.apply(picture, draws.take(one.words))
        return picture


class RandomApply(ImageTransform):
    """Apply a transform with some probability.

    Parameters
    ----------
    transform : ImageTransform
        What is applied.
    p : float in [0, 1]
        How probable that is.

    Notes
    -----
    Same as BigDL `RandomTransformer`, PyTorch `RandomApply`.

    Examples
    --------
    >>> from sandbox.lib.data import vision
    >>> RandomApply(vision.Grayscale(), 0.1)
    RandomApply(Grayscale(3), 0.1)
    """

    def __init__(self, transform: ImageTransform, p: float = 0.5) -> None:
        self.transform = _transform("transform", transform)
        self.p = validate.in_range("p", p, 0, 1)
        self.words = 1 + transform.words

    def dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Return the dtype after the transform, if it is always applied."""
        return self.transform.dtype(dtype) if self.p == 1 else dtype

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the picture, changed or not."""
        return self.transform.apply(picture, draws) if draws.chance(self.p) else picture

    def __repr__(self) -> str:
        return f"RandomApply({self.transform!r}, {self.p:g})"


class OneOf(_Several):
    """Apply one of several transforms, each with the same probability.

    Without random numbers it is the first.

    Notes
    -----
    Like PyTorch `RandomChoice`.

    Examples
    --------
    >>> from sandbox.lib.data import vision
    >>> blur = OneOf(vision.GaussianBlur(3), vision.GaussianBlur(5))
    >>> blur(np.full((4, 4, 3), 7, "u1")).max()
    np.uint8(7)
    """

    def __init__(self, *transforms: ImageTransform) -> None:
        super().__init__(*transforms)
        if not self.transforms:
            raise validate.refuse("transforms", "at least one transform", transforms)
        self.words = 1 + max(one.words for one in self.transforms)

    def dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Return the dtype after the first; all must give one."""
        return self.transforms[0].dtype(dtype)

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the picture after one of them."""
        chosen = draws.integer(0, len(self.transforms) - 1) if draws else 0
        return self.transforms[chosen].apply(picture, draws)


class RandomOrder(_Several):
    """Run transforms in an order that is drawn for each picture.

    Notes
    -----
    Same as PyTorch `RandomOrder`, BigDL `ColorJitter` with `shuffle`.

    Examples
    --------
    >>> from sandbox.lib.data import vision
    >>> RandomOrder(vision.Brightness(-9, 9), vision.Contrast(0.5, 1.5)).words
    3
    """

    def __init__(self, *transforms: ImageTransform) -> None:
        super().__init__(*transforms)
        self.words += max(0, len(self.transforms) - 1)

    def apply(self, picture: Picture, draws: Draws) -> Picture:
        """Return the picture after all of them."""
        order = draws.order(len(self.transforms))
        own = [draws.take(one.words) for one in self.transforms]
        for place in order:
            picture = self.transforms[place].apply(picture, own[place])
        return picture
