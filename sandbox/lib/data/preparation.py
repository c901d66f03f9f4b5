"""What a data set makes of its rows, kept without them: new rows of the same kind get the same."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import tree, validate
from ..core.errors import DataError
from ..engine.oplist import Spec
from .arrays import ArrayDataset
from .casting import cast
from .conversion import rules
from .dataset import Dataset
from .transforms import Transform
from .trees import arrays, named, shown

_log = logging.getLogger("sandbox.data")
Step = tuple[Transform | None, np.dtype[Any] | None]


class Preparation:
    """Transforms and dtypes of a data set's x.

    Rows as the data set stores them get its transform. Rows in another form, that of its batches
    (more axes, floats where integers are stored), have been transformed and stay as they are; where
    the axes do not tell, the log says so. Transforms that augment draw nothing: new rows are not
    moved or mirrored.

    Parameters
    ----------
    data : Dataset
        Is not kept.

    Examples
    --------
    >>> from sandbox.lib.data import transforms
    >>> images = np.full((2, 3), 255, "u1")
    >>> data = ArrayDataset(images, [0, 1], transform=transforms.Normalize(1 / 255))
    >>> Preparation(data)(images)[0]
    array([1., 1., 1.], dtype=float32)
    """

    def __init__(self, data: Dataset) -> None:
        stored = validate.instance("data", data, Dataset).stored().x
        self.stored, self.form = tree.flatten(stored)
        self.made = tree.leaves(data.spec.x)
        if isinstance(stored, Spec):
            self.steps: list[Step] = [(data.transform, data.dtype)]
        else:
            columns = rules(stored, data.transform, data.dtype, type(data).__name__)
            self.steps = [(column.transform, column.dtype) for column in columns]
        light = getattr(data, "light", None)
        self.columns = None if light is None else light()
        """How a data set of columns reads them; it holds no rows."""
        self.changes = any(transform is not None for transform, _ in self.steps)

    def __call__(self, x: Any, place: str = "x") -> Any:
        """Return an array, or a tree of arrays, as the batches hold it."""
        return self.fitted(x, place)(x)

    def fitted(self, x: Any, place: str = "x") -> Callable[..., Any]:
        """Return a function that prepares rows of x, cut from it from row `first` on.

        Raises
        ------
        DataError : rows of x are neither as the data set stores them nor as its batches hold them.
        """
        found, form = tree.flatten(x)
        steps = self._steps(found, form, place)

        def prepare(rows: Any, first: int = 0) -> Any:
            made = []
            for array, (transform, dtype) in zip(tree.leaves(rows), steps, strict=True):
                after = array if transform is None else transform(array)
                numbers = np.arange(first, first + len(after))
                made.append(after if dtype is None else cast(after, dtype, place, rows=numbers))
            return form.unflatten(made)

        return prepare

    def dataset(self, x: Any, y: Any) -> ArrayDataset:
        """Return rows of the same kind, with labels, as a data set that prepares them alike."""
        x = arrays(x, "ArrayDataset: x")
        found, form = tree.flatten(x)
        steps = self._steps(found, form, "ArrayDataset: x")
        transforms, dtypes = (form.unflatten([step[k] for step in steps]) for k in (0, 1))
        return ArrayDataset(x, y, transform=transforms, dtype=dtypes)

    def _steps(self, found: list[NDArray[Any]], form: tree.Structure, place: str) -> list[Step]:
        """Return what is done with each array."""
        if form != self.form:
            if self.changes:
                raise DataError(
                    f"{place} must be a tree like that of the training data, {self.form}, whose "
                    f"transform it gets; got {form}."
                )
            return [(None, _fitting(array, np.dtype(np.float32))) for array in found]
        steps: list[Step] = []
        for path, array, stored, made, (transform, dtype) in zip(
            form.paths, found, self.stored, self.made, self.steps, strict=True
        ):
            if transform is not None and not _is_stored(array, stored):
                got = shown(Spec(array.shape[1:], array.dtype.name))
                if array.ndim - 1 != len(made.shape):
                    raise DataError(
                        f"{named(place, path)} must have rows as the training data store them, "
                        f"{shown(stored)}: their {transform!r} is applied here; got {got}. Rows "
                        "that are transformed already? use predict(x, prepared=True), or a data "
                        "set."
                    )
                if len(made.shape) == len(stored.shape):
                    _log.warning(
                        "%s: rows are %s where the training data store %s: taken as transformed"
                        " already, %r is not applied. Give them as stored, or say prepared=True.",
                        *(named(place, path), got, shown(stored), transform),
                    )
                transform = None
            steps.append((transform, _fitting(array, dtype) if transform is None else dtype))
        return steps


def _is_stored(array: NDArray[Any], stored: Spec) -> bool:
    """Tell whether rows are as stored: of as many axes, and no floats in place of integers."""
    floats = array.dtype.kind == "f" and np.dtype(stored.dtype).kind != "f"
    return array.ndim - 1 == len(stored.shape) and not floats


def _fitting(array: NDArray[Any], dtype: np.dtype[Any] | None) -> np.dtype[Any] | None:
    """Return the dtype of an array without a transform; no float is cut to a whole number."""
    if array.dtype.kind == "f":
        return np.dtype(np.float32) if dtype is None or dtype.kind != "f" else dtype
    return dtype
