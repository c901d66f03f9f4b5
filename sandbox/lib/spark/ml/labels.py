"""Labels of classes: numbers, truth values or texts, and what the classes are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...core.errors import ArgumentError, DataError
from ...criterion import Criterion, Labelled
from ..rows.columns import column
from .frames import inner_type, is_vector

__all__ = [
    "balanced",
    "counted",
    "indexed",
    "label_kinds",
    "named_classes",
    "numbered",
    "with_weights",
]

_SHOWN = 8  # labels in an error


def named_classes(frame: Any, name: str) -> list[str] | None:
    """Return what the values of a column are called, where a StringIndexer has told Spark."""
    attributes = frame.schema[name].metadata.get("ml_attr", {})
    names = attributes.get("vals")
    return list(names) if attributes.get("type") == "nominal" and names else None


def counted(frame: Any, name: str) -> dict[Any, int]:
    """Return the rows of each label, without those that have none."""
    rows = frame.groupBy(column(name).alias("label")).count().collect()
    return {row[0]: row[1] for row in rows if row[0] is not None}


def indexed(frame: Any, name: str, labels: Sequence[str], found: Any, owner: str) -> Any:
    """Return the DataFrame with a column's texts as their places among the labels.

    Parameters
    ----------
    found : iterable of str
        The texts that the column has.

    Raises
    ------
    DataError : a text is no label; tells which are.
    """
    from pyspark.sql import functions as f

    unknown = sorted(set(found) - set(labels))
    if unknown:
        more = f" and {len(unknown) - 1} others" if len(unknown) > 1 else ""
        known = ", ".join(map(repr, labels[:_SHOWN])) + (", ..." if len(labels) > _SHOWN else "")
        raise DataError(
            f"{owner}: column {name!r} must hold labels of training; got {unknown[0]!r}{more}. "
            f"Known are {known}."
        )
    texts = f.array(*[f.lit(label) for label in labels])
    place = f.array_position(texts, column(name)) - 1
    return frame.withColumn(name, place.cast("int"))


def label_kinds(several: Any, names: Sequence[str], classes: Any) -> list[tuple[str, Any]]:
    """Return for each label column whether the criterion takes its numbers as classes.

    Parameters
    ----------
    several : list or dict of names, or None
        As `labelCols`.
    names : list of str
        The columns.
    classes : bool, None, or a tuple, list or dict of them
        As criterions tell by `takes_classes`.

    Raises
    ------
    ArgumentError : the criterion is for other outputs.

    Examples
    --------
    >>> label_kinds({"digit": "a", "size": "b"}, ["a", "b"], {"digit": True, "size": False})
    [('a', True), ('b', False)]
    """
    if several is None or classes is None or isinstance(classes, bool):
        return [(name, classes) for name in names]
    places = list(several) if isinstance(several, dict) else list(range(len(several)))
    parts = classes if isinstance(classes, dict) else dict(enumerate(classes))
    if set(parts) != set(places):
        raise ArgumentError(
            "NNEstimator: `labelCols` must be columns of what the criterion compares, "
            f"{', '.join(map(str, parts))}; got {several!r}. For a criterion of named outputs: "
            "labelCols={'digit': 'column'}."
        )
    return [(name, parts[place]) for name, place in zip(names, places, strict=True)]


def numbered(frame: Any, name: str, takes: Any) -> Any:
    """Return a DataFrame with a column of single labels as classes, or else as rows of one number.

    Parameters
    ----------
    takes : bool or None
        Whether the criterion takes classes.
    """
    from pyspark.sql import functions as f

    kind = frame.schema[name].dataType
    if inner_type(kind) is not kind or is_vector(kind):
        return frame
    truth = kind.simpleString() == "boolean"
    if takes is not False:
        return frame.withColumn(name, column(name).cast("int")) if truth else frame
    single = column(name).cast("double") if truth else column(name)
    return frame.withColumn(name, f.array(single))


def balanced(counts: Mapping[Any, int], classes: int) -> list[float]:
    """Return weights of classes by which each counts the same in all: rows / (classes · its rows).

    Same as scikit-learn `class_weight="balanced"`.

    Examples
    --------
    >>> balanced({0: 30, 1: 10}, 2)
    [0.6666666666666666, 2.0]
    """
    rows = sum(counts.values())
    return [rows / (classes * counts[k]) if counts.get(k) else 0.0 for k in range(classes)]


def with_weights(criterion: Criterion, weights: Sequence[float], owner: str) -> Criterion:
    """Return the criterion with weights of classes.

    Raises
    ------
    ArgumentError : it has no place for them.
    """
    arguments = criterion.config()
    if not isinstance(criterion, Labelled) or "class_weights" not in arguments:
        raise ArgumentError(
            f"{owner}: `classWeights` must go with a criterion of class labels, such as "
            f"CrossEntropy; got {type(criterion).__name__}. Use weightCol."
        )
    found: Criterion = type(criterion)(**{**arguments, "class_weights": list(weights)})
    return found
