"""Sparse rows, ids with values, times a matrix; docs/decisions/0034."""

from __future__ import annotations

from collections.abc import Sequence

from ..function import TapeEntry, as_operand, function
from ..value import Input, Value

__all__ = ["embedding_bag"]

Gradients = Sequence[Input | None]

_bag = function("embedding_bag")
_bag_grad_weight = function("embedding_bag_grad_weight")
_bag_grad_values = function("embedding_bag_grad_values")


def embedding_bag(ids: Input, values: Input, weight: Input) -> Value:
    """Return, for each row of ids, the sum of their rows of `weight` times their values.

    y[n] = sum_j values[n, j] · weight[ids[n, j]], over all j with ids[n, j] >= 0

    Shapes
    ------
    ids : (batch, places) integers in [0, num_embeddings), -1 where there is none
    values : (batch, places)
    weight : (num_embeddings, features)
    output : (batch, features)

    Examples
    --------
    >>> import numpy as np
    >>> table = np.float32([[1, 0], [0, 1], [5, 5]])
    >>> embedding_bag(np.array([[0, 2], [1, -1]]), np.float32([[2, 1], [3, 9]]), table).data
    array([[7., 5.],
           [0., 3.]], dtype=float32)
    """
    return _bag.apply((as_operand(ids), as_operand(values), as_operand(weight)), {})[0]


@_bag.gradient
def _bag_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    ids, values, weight = entry.inputs
    attrs = {"num_embeddings": weight.shape[0]}
    return (
        None,
        _bag_grad_values.apply((ids, weight, dy), {})[0] if entry.needs[1] else None,
        _bag_grad_weight.apply((ids, values, dy), attrs)[0] if entry.needs[2] else None,
    )
