"""The base of all metrics: partial sums that add up over batches, threads and ranks."""

from __future__ import annotations

import copy
import re
from abc import ABC, abstractmethod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..core import tree, validate
from ..core.errors import ArgumentError, DataError, ShapeError

Sums = NDArray[np.float64]
M = TypeVar("M", bound="Metric")


class Metric(ABC):
    """Judge outputs of a model by sums over rows.

    Whatever can be had from sums is a metric: `update` returns the sums of one batch, these are
    added over all batches and ranks, `result` makes the figure of the total. Nothing is kept on the
    metric, so one object serves many threads.

    Parameters
    ----------
    name : str, optional
        Key in histories and summaries; the class name in snake case by default.

    Examples
    --------
    A metric of one's own in ten lines:

    >>> class MeanAbsoluteError(Metric):
    ...     '''Mean distance between output and target.'''
    ...     size = 2
    ...     def update(self, output, target):
    ...         return np.array([np.abs(output - target).sum(), output.size], float)
    ...     def result(self, state):
    ...         return state[0] / state[1]
    >>> MeanAbsoluteError()(np.array([1.0, 2.0]), np.array([1.5, 2.0]))
    0.25
    """

    size: int = 2
    """Length of the vector of sums."""
    higher_is_better: bool = True
    """The direction: what `Plateau`, `EarlyStopping` and the best checkpoint go by."""
    while_training: bool = True
    """Whether batches to learn from can be judged; else it is measured in validation only."""
    takes_trees: bool = True
    """Whether `update` understands several outputs and targets; else `on` must name one of them."""
    at: tuple[str, str | None] | None = None
    """Which output and target are judged, where there are several; set by `on`."""

    def __init__(self, *, name: str | None = None) -> None:
        own = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()
        if name is not None and (not isinstance(name, str) or not name):
            raise ArgumentError(f"{type(self).__name__}: `name` must be text; got {name!r}.")
        self.name = name or own

    def on(self: M, output: str, target: str | None = None, *, name: str | None = None) -> M:
        """Return this metric for one of several outputs.

        Parameters
        ----------
        output : str
            Path of the output: the key of a dict, the place in a tuple ("0"), joined by dots; ""
            for the one there is.
        target : str, optional
            Path of its target; by default the same, or the one target if there are not several.
        name : str, optional
            By default the path with the metric's name: "digit_top1".

        Examples
        --------
        >>> from sandbox.lib.metrics import Top1
        >>> digit = Top1().on("digit")
        >>> digit.name, digit({"digit": np.eye(2), "size": np.ones(2)}, {"digit": [0, 0]})
        ('digit_top1', 0.5)
        """
        for argument, value in (("output", output), ("target", target), ("name", name)):
            if not isinstance(value, str) and (value is not None or argument == "output"):
                raise ArgumentError(
                    f"{type(self).__name__}.on: `{argument}` must be text; got {value!r}."
                )
        other = copy.copy(self)
        other.at = (output, target)
        other.name = name or (f"{output}_{self.name}" if output else self.name)
        return other

    def pick(self, output: Any, target: Any) -> tuple[Any, Any]:
        """Return what `update` takes of the outputs and targets of a batch.

        Raises
        ------
        ShapeError : there is no such output or target, or there are several and `on` was not used.
        """
        if self.at is None:
            for what, given in (("output", output), ("target", target)):
                if self.takes_trees or not isinstance(given, tuple | list | dict):
                    continue
                paths = tree.flatten(given)[1].paths
                raise ShapeError(
                    f"{self.name}: {what} must be one array; got several: {', '.join(paths)}. "
                    f"Name one: {type(self).__name__}(...).on({paths[0] if paths else ''!r})."
                )
            return output, target
        place, goal = self.at
        if goal is None:
            goal = place if isinstance(target, tuple | list | dict) else ""
        return (
            part_at(output, place, f"{self.name}: output"),
            part_at(target, goal, f"{self.name}: target"),
        )

    def reading(self: M, meanings: Any) -> M:
        """Return this metric for outputs of which it is known what they are.

        Parameters
        ----------
        meanings : tree like the outputs, or one text for all
            "logits", "probabilities", "logarithms", "values" or "unknown". Most metrics do not ask.
        """
        return self

    def zero(self) -> Sums:
        """Return the sums over no rows."""
        return np.zeros(self.size)

    @abstractmethod
    def update(self, output: NDArray[Any], target: NDArray[Any]) -> Sums:
        """Return the sums of one batch, a float64 vector as long as `zero()`."""

    @abstractmethod
    def result(self, state: Sums) -> Any:
        """Return the figure (a float or an array) from the sums over all rows."""

    def __call__(self, output: Any, target: Any) -> Any:
        """Return the figure of one batch alone."""
        output, target = self.pick(arrays(output), arrays(target))
        result = self.result(self.zero() + self.update(output, target))
        return float(result) if np.ndim(result) == 0 else result

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def arrays(values: Any) -> Any:
    """Return an array, or a tree of them where lists, tuples or dicts hold arrays."""
    if isinstance(values, dict):
        return {key: arrays(item) for key, item in values.items()}
    if isinstance(values, tuple | list) and any(np.ndim(v) and hasattr(v, "dtype") for v in values):
        return type(values)(arrays(item) for item in values)
    found = validate.array("output and target", values, "arrays of numbers")
    if found.dtype.kind not in "fiub":
        raise DataError(f"output and target must hold numbers; got dtype {found.dtype}.")
    return found


def part_at(values: Any, path: str, what: str) -> Any:
    """Return what is at a path of a tree, or raise `ShapeError` with the paths there are.

    Examples
    --------
    >>> part_at({"a": (1, 2)}, "a.1", "output")
    2
    """
    found, left = values, path
    while left:
        parts = found if isinstance(found, dict) else {}
        if isinstance(found, tuple | list):
            parts = {str(place): item for place, item in enumerate(found)}
        key = next((k for k in parts if left == k or left.startswith(f"{k}.")), None)
        if key is None:
            known = ", ".join(map(repr, tree.flatten(values)[1].paths))
            raise ShapeError(f"{what} must have {path!r}; got {known or 'nothing'}.")
        found, left = parts[key], left[len(key) + 1 :]
    return found


def ratio(numerator: float, denominator: float) -> float:
    """Return the quotient, or NaN where there is nothing to divide by."""
    return float(numerator) / float(denominator) if denominator else float("nan")


def rows_of_labels(
    output: NDArray[Any], target: NDArray[Any], ignore_index: int | None = None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return scores (rows, classes) and labels (rows,): of maps a row for each position.

    Parameters
    ----------
    output : (batch, classes, ...)
    target : (batch, ...)
    ignore_index : int, optional
        A label that marks rows to leave out.

    Examples
    --------
    >>> scores, labels = rows_of_labels(np.zeros((2, 3, 4)), np.arange(8).reshape(2, 4), 7)
    >>> scores.shape, labels.shape
    ((7, 3), (7,))
    """
    if output.ndim > 2 and target.shape == (output.shape[0], *output.shape[2:]):
        output = np.moveaxis(output, 1, -1).reshape(-1, output.shape[1])
        target = target.reshape(-1)
    if ignore_index is not None and target.shape == output.shape[:1]:
        kept = target != ignore_index
        output, target = output[kept], target[kept]
    return output, target


def checked_classes(
    owner: Metric, output: NDArray[Any], target: NDArray[Any], classes: int | None = None
) -> NDArray[np.int64]:
    """Return the labels, after checking that (N, K) scores and N labels in [0, K) fit together."""
    if output.ndim != 2 or (classes is not None and output.shape[1] != classes):
        wanted = "(rows, classes)" if classes is None else f"(rows, {classes})"
        cure = "Flatten other axes into rows first."
        if output.ndim == 1:
            cure = "One score a row? use output.reshape(-1, 1)."
        raise ShapeError(
            f"{owner.name}: output must have shape {wanted}; got {output.shape}. {cure}"
        )
    if target.shape != output.shape[:1]:
        cure = "One-hot targets? use target.argmax(1)."
        if target.ndim == 2 and target.shape[1] == 1:
            cure = "Use target.reshape(-1)."
        raise ShapeError(
            f"{owner.name}: target must have one label for each of {len(output)} rows; got shape "
            f"{target.shape}. {cure}"
        )
    if target.dtype.kind not in "iub":
        raise DataError(
            f"{owner.name}: target must hold integer labels; got dtype {target.dtype}. "
            "Use target.astype('int64')."
        )
    labels = target.astype(np.int64, copy=False)
    wrong = (labels < 0) | (labels >= output.shape[1])
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{owner.name}: labels must be in [0, {output.shape[1]}); got {labels[row]} in row "
            f"{row}. Labels count from 0."
        )
    return labels
