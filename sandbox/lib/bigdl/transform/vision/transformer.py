"""What changes pictures: alone, in a row, by chance."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np

from ....core import validate
from ....core.errors import DataError, SandboxError
from ....core.random import RandomKey
from ....data.vision import ImageTransform, Picture
from .feature import BOUNDING_BOX, MAT, ImageFeature

_calls = itertools.count()


class Keys:
    """Hands each step of a chain the key of its random numbers, for one picture of one call."""

    def __init__(self, call: int, position: int) -> None:
        self._call, self._position = call, position
        self._steps = itertools.count()

    def next(self) -> RandomKey:
        """Return the next step's key: equal steps of one chain draw differently."""
        return RandomKey(self._call, next(self._steps), self._position)

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        key = self.next()
        words = np.random.SeedSequence([key.seed, key.step, key.sample_index]).generate_state(1)
        return float(words[0]) < probability * 2.0**32


def next_call() -> int:
    """Return the number that the draws of one call depend on: they count up in a process."""
    return next(_calls)


class FeatureTransformer:
    """Base of what changes an `ImageFeature`, or all of an `ImageFrame`.

    `transformer(frame)` and `frame.transform(transformer)` are the same;
    `transformer.transform(feature)` changes one picture. A subclass writes `change`.

    Random numbers depend on how many calls of transformers this process made before, the place of
    the step in its chain and the place of the picture in its frame: a program run again draws the
    same.
    """

    def transform(self, image_feature: Any, bigdl_type: str = "float") -> Any:
        """Change one picture, which is returned."""
        if not isinstance(image_feature, ImageFeature):
            raise validate.refuse("image_feature", "an ImageFeature", image_feature)
        return self.applied(image_feature, Keys(next_call(), 0))

    def __call__(self, image_frame: Any, bigdl_type: str = "float") -> Any:
        """Change all pictures of a frame, which is returned."""
        if isinstance(image_frame, ImageFeature):
            return self.transform(image_frame)
        return image_frame.transform(self)

    def applied(self, feature: ImageFeature, keys: Keys) -> ImageFeature:
        """Return the changed picture; errors name it."""
        try:
            self.change(feature, keys)
        except SandboxError as error:
            if feature.name in str(error):
                raise
            raise DataError(f"{feature.name}: {error}") from error
        return feature

    def change(self, feature: ImageFeature, keys: Keys) -> None:
        """Change one picture in place."""
        raise NotImplementedError(f"{type(self).__name__}: a FeatureTransformer writes `change`.")

    def __repr__(self) -> str:
        return type(self).__name__


class Pixels(FeatureTransformer):
    """A transform of `sandbox.lib.data.vision` that changes "mat", which is BGR."""

    bytes_only = False
    """Whether floats are rounded to bytes on the way, since the transform is defined on bytes."""

    def __init__(self, core: ImageTransform) -> None:
        self.core = core

    def fitted(self, mat: Any) -> ImageTransform:
        """Return the transform for a picture of this size."""
        return self.core

    def change(self, feature: ImageFeature, keys: Keys) -> None:
        """Change the pixels, and keep which part of them is left."""
        mat = feature[MAT]
        floats = self.bytes_only and mat.dtype != np.uint8
        if floats:
            mat = np.clip(np.rint(mat), 0, 255).astype(np.uint8)
        made = self.fitted(mat).one(Picture(mat, order="BGR"), random=keys.next())
        feature[MAT] = made.image.astype(np.float32) if floats else made.image
        if made.part is not None:
            x, y, width, height = made.part
            sides = np.array([mat.shape[1], mat.shape[0]] * 2, np.float32)
            feature[BOUNDING_BOX] = np.array([x, y, x + width, y + height], np.float32) / sides

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.core!r})"


def _checked(name: str, given: Any) -> FeatureTransformer:
    if not isinstance(given, FeatureTransformer):
        raise validate.refuse(name, "a FeatureTransformer", given)
    return given


class Pipeline(FeatureTransformer):
    """Run transformers one after another.

    Parameters
    ----------
    transformers : list of FeatureTransformer

    Raises
    ------
    ArgumentError : something else is among them.
    """

    def __init__(self, transformers: Iterable[Any], bigdl_type: str = "float") -> None:
        if isinstance(transformers, FeatureTransformer | str) or not isinstance(
            transformers, Iterable
        ):
            raise validate.refuse("transformers", "a list of FeatureTransformer", transformers)
        self.transformers = [_checked("transformers", one) for one in transformers]

    def change(self, feature: ImageFeature, keys: Keys) -> None:
        """Change a picture by each of them."""
        for one in self.transformers:
            one.applied(feature, keys)

    def __repr__(self) -> str:
        return f"Pipeline({self.transformers!r})"


class RandomTransformer(FeatureTransformer):
    """Apply a transformer with some probability.

    Parameters
    ----------
    transformer : FeatureTransformer
    prob : float in [0, 1]
    """

    def __init__(self, transformer: Any, prob: float, bigdl_type: str = "float") -> None:
        self.transformer = _checked("transformer", transformer)
        self.prob = validate.in_range("prob", prob, 0, 1)

    def change(self, feature: ImageFeature, keys: Keys) -> None:
        """Change a picture, or leave it."""
        if keys.chance(self.prob):
            self.transformer.applied(feature, keys)

    def __repr__(self) -> str:
        return f"RandomTransformer({self.transformer!r}, {self.prob:g})"
