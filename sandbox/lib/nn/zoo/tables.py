"""Ready networks for tables: fraud detection, and wide & deep for categories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core.errors import ArgumentError
from ...core.validate import in_range, integers, non_negative_int, positive_int
from .. import init
from ..activation.elementwise import ReLU
from ..container.graph import Graph
from ..container.sequential import Sequential
from ..linear.dense import Linear
from ..linear.embedding import Embedding
from ..node import Input
from ..noise.dropout import Dropout
from ..shape.axes import Narrow
from ..shape.reduce import Sum
from ..shape.views import Flatten
from ..table.merge import Concat
from ..table.pairwise import Add


def fraud_mlp(
    rng: init.Rng = None,
    *,
    features: int = 29,
    hidden: Sequence[int] = (64, 32),
    outputs: int = 2,
) -> Sequential:
    """Build a perceptron for card transactions.

    Parameters
    ----------
    rng : Generator, int or None
        Where the first weights are drawn from.
    features : int > 0
        Numbers of a transaction: 28 components and the amount.
    hidden : sequence of int > 0
        Widths of the hidden layers.
    outputs : int > 0
        2 for `criterion.CrossEntropy`, 1 for `criterion.BCEWithLogits`.

    Shapes
    ------
    input : (batch, features) float32
    output : (batch, outputs) logits

    Examples
    --------
    >>> fraud_mlp(0)
    Sequential(
      fc1: Linear(29 -> 64)
      relu1: ReLU()
      fc2: Linear(64 -> 32)
      relu2: ReLU()
      fc3: Linear(32 -> 2)
    )
    """
    hidden = integers("hidden", hidden, "a list of ints > 0", 1)
    rng = init.generator(rng)
    modules: dict[str, Any] = {}
    before = features
    for layer, width in enumerate(hidden, start=1):
        modules[f"fc{layer}"] = Linear(before, width, rng=rng)
        modules[f"relu{layer}"] = ReLU()
        before = width
    modules[f"fc{len(hidden) + 1}"] = Linear(before, outputs, rng=rng)
    return Sequential(**modules)


def wide_and_deep(
    fields: Sequence[int],
    numbers: int,
    classes: int,
    rng: init.Rng = None,
    *,
    dimension: int = 8,
    hidden: Sequence[int] = (64, 32),
    embedded: int | None = None,
    dropout: float = 0.0,
) -> Graph:
    """Build a wide & deep network for rows of categories and numbers.

    y = (sum over the fields of wide_f[id_f]) + deep(embeddings of the ids, numbers)

    Parameters
    ----------
    fields : sequence of int > 0
        How many categories each field has; a field may be a cross of columns. A row's id in field f
        is its category there plus the sizes of the fields before, see `offsets`.
    numbers : int >= 0
        Numbers in a row; without any the network has one input, the ids.
    classes : int > 0
        Classes to tell apart.
    rng : Generator, int or None
        Where the first weights are drawn from.
    dimension : int > 0
        Features of an embedded category.
    hidden : sequence of int > 0
        Widths of the deep part's hidden layers.
    embedded : int > 0, optional
        The deep part sees the first so many fields, the others (crosses) are for the wide part
        alone. All by default.
    dropout : float in [0, 1)
        Of the deep part's hidden features, while training.

    Shapes
    ------
    inputs : (batch, number of fields) integers, (batch, numbers) float32
    output : (batch, classes) logits

    Raises
    ------
    ArgumentError : there is no field, or fewer than `embedded`.

    Notes
    -----
    Fields share one table for each part, so that a row is one look-up. The wide part begins with
    zeros: a category that never came says nothing. `data.FeatureColumns` makes the inputs, and
    knows `fields`, `numbers` and `embedded`. Source: Cheng et al. 2016.
    Like BigDL `WideAndDeep` (Analytics Zoo): its indicator columns are embedded here.

    Examples
    --------
    >>> model = wide_and_deep((10, 5), 3, 2, 0)
    >>> ids, row = offsets((10, 5)) + np.array([[9, 0], [1, 4]]), np.zeros((2, 3), "f4")
    >>> model(ids, row).shape
    (2, 2)

    `Trainer(model, criterion.CrossEntropy(), optim.Adam()).fit(((ids, row), y))` trains it.
    """
    fields = integers("fields", fields, "a list of ints > 0", 1)
    hidden = integers("hidden", hidden, "a list of ints > 0", 1)
    numbers, dimension = non_negative_int("numbers", numbers), positive_int("dimension", dimension)
    in_range("dropout", dropout, 0, 1, closed="left")
    if not fields:
        raise ArgumentError("`fields` must name at least one size; got none.")
    count = len(fields) if embedded is None else positive_int("embedded", embedded)
    if count > len(fields):
        raise ArgumentError(f"`embedded` must be at most {len(fields)}, the fields; got {count}.")
    rng = init.generator(rng)
    ids, row = Input("ids"), Input("row")
    wide = Embedding(int(sum(fields)), classes, weight_init="zeros", name="wide")(ids)
    wide = Sum(1, name="wide_sum")(wide)
    deep = ids if count == len(fields) else Narrow(1, 0, count, name="embedded")(ids)
    table = Embedding(int(sum(fields[:count])), dimension, rng=rng, name="embedding")
    deep = Flatten(name="flatten")(table(deep))
    if numbers:
        deep = Concat(name="join")(deep, row)
    before = count * dimension + numbers
    for layer, width in enumerate(hidden, start=1):
        deep = Linear(before, width, rng=rng, name=f"fc{layer}")(deep)
        deep = ReLU(name=f"relu{layer}")(deep)
        if dropout:
            deep = Dropout(dropout, name=f"dropout{layer}")(deep)
        before = width
    deep = Linear(before, classes, rng=rng, name=f"fc{len(hidden) + 1}")(deep)
    return Graph((ids, row) if numbers else ids, Add(name="both")(wide, deep))


def offsets(fields: Sequence[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Give what is added to the categories of each field to make ids.

    Examples
    --------
    >>> offsets((10, 5, 2))
    array([ 0, 10, 15])
    """
    fields = integers("fields", fields, "a list of ints > 0", 1)
    return np.cumsum([0, *fields[:-1]], dtype=np.int64)
