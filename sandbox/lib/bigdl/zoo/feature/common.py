"""Steps from a column to a tensor, as `zoo.feature.common`.

Columns are read by the stages themselves: steps that only change kinds of objects have nothing to
do here, and say the shape. Steps on pictures are those of `transform.vision`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ....core import validate
from ....core.errors import ArgumentError
from ....data import vision


class Preprocessing:
    """Base of steps; `transforms` are those of `sandbox.lib.data.vision` that they stand for."""

    shape: list[int] | None = None
    """The shape that a row gets, None where it stays."""

    def transforms(self) -> list[vision.ImageTransform]:
        """Return the transforms of pictures."""
        return []

    def __repr__(self) -> str:
        return type(self).__name__


class ChainedPreprocessing(Preprocessing):
    """Steps one after another.

    Parameters
    ----------
    transformers : list of Preprocessing

    Raises
    ------
    ArgumentError : something else is among them.
    """

    def __init__(self, transformers: Iterable[Any], bigdl_type: str = "float") -> None:
        self.steps = list(transformers)
        for one in self.steps:
            if not isinstance(one, Preprocessing):
                raise validate.refuse("transformers", "a list of Preprocessing", one)
            self.shape = one.shape or self.shape

    def transforms(self) -> list[vision.ImageTransform]:
        """Return the transforms of pictures, in order."""
        return [made for one in self.steps for made in one.transforms()]

    def __repr__(self) -> str:
        return f"ChainedPreprocessing({self.steps!r})"


class _Shaped(Preprocessing):
    """Makes a tensor of a row."""

    def __init__(self, size: Iterable[int] | None = None, bigdl_type: str = "float") -> None:
        self.shape = [validate.positive_int("size", one) for one in size or ()] or None


class SeqToTensor(_Shaped):
    """Make a tensor of a number, an array or a vector: of shape `size`, or as it is."""


class ArrayToTensor(_Shaped):
    """Make a tensor of an array."""


class MLlibVectorToTensor(_Shaped):
    """Make a tensor of a vector of Spark ML."""


class ScalarToTensor(Preprocessing):
    """Make a tensor of a number."""

    def __init__(self, bigdl_type: str = "float") -> None: ...


class SeqToMultipleTensors(Preprocessing):
    """Make several tensors of one array: for models of several inputs give several columns."""

    def __init__(self, size: Any, bigdl_type: str = "float") -> None:
        raise ArgumentError(
            "SeqToMultipleTensors: a model of several inputs must have a column for each; got one "
            f"array for {size!r}. setFeaturesCol(['first', 'second'])."
        )


class ToTuple(Preprocessing):
    """Stands between features and labels; rows have both here."""

    def __init__(self, bigdl_type: str = "float") -> None: ...


class TensorToSample(ToTuple):
    """Stands between tensors and samples; rows are both here."""


class FeatureLabelPreprocessing(Preprocessing):
    """Steps of the features, and steps of the labels."""

    def __init__(
        self, feature_transformer: Any, label_transformer: Any = None, bigdl_type: str = "float"
    ) -> None:
        self.features, self.labels = feature_transformer, label_transformer


def as_preprocessing(name: str, given: Any) -> Preprocessing:
    """Return steps: themselves, or of a list of sizes those that give this shape.

    Examples
    --------
    >>> as_preprocessing("feature_preprocessing", [1, 28, 28]).shape
    [1, 28, 28]
    """
    if given is None:
        return SeqToTensor()
    if isinstance(given, Preprocessing):
        return given
    if isinstance(given, list | tuple) and all(isinstance(one, int) for one in given):
        return SeqToTensor(given)
    raise validate.refuse(name, "a list of sizes or a Preprocessing", given)
