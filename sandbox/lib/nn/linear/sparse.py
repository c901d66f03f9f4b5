"""Sparse rows: ids and values, -1 where a row has no more of them (docs/decisions/0034)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ...core import Parameter, ops
from ...core.errors import ShapeError
from ...core.validate import boolean, integers, one_of, positive, positive_int
from .. import init
from ..case import Case
from ..checks import check_axis, check_integers, check_rank, floating
from ..module import Module
from ..registry import register
from .embedding import shortening

_MODES = ("sum", "mean", "sqrtn", "max")


def sparse_row(ids: Any, values: Any = None, dtype: Any = "float32") -> tuple[Any, Any]:
    """Check ids (batch, places) and their values, which are 1 by default."""
    check_integers(ids)
    check_rank(ids, "(batch, places) of ids", 2)
    if values is None:
        return ids, np.ones(ids.shape, dtype)
    values = floating(values)
    if values.shape != ids.shape:
        raise ShapeError(
            f"values must have the shape of the ids, {ids.shape}; got shape {values.shape}."
        )
    return ids, values


def present(ids: Any, values: Any) -> Any:
    """Return the values, 0 where no id is."""
    return ops.where(ops.greater_equal(ids, 0), values, np.zeros((), values.dtype))


@register("nn.EmbeddingBag")
class EmbeddingBag(Module):
    """Look up a vector for each id of a row and make one of them: their weighted sum.

    y[n] = sum_j a[n, j] · w[ids[n, j]], over all j with ids[n, j] >= 0; divided by sum_j a[n, j]
    (mode "mean") or by sqrt(sum_j a[n, j]²) (mode "sqrtn"); the largest of each feature
    (mode "max")

    Parameters
    ----------
    num_embeddings : int > 0
        Number of different ids.
    embedding_dim : int > 0
        Features of a vector.
    mode : "sum", "mean", "sqrtn" or "max"
        How vectors are combined; "max" takes no values. A row without ids gives 0.
    max_norm : float > 0, optional
        Longer vectors are shortened to this length when they are looked up; w itself stays.
    weight_init : str
        Rule of the first vectors, see `nn.init`.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    ids : (batch, places) integers in [0, num_embeddings), -1 where there is none
    values : (batch, places) float32, a; 1 by default
    output : (batch, embedding_dim)
    weight : (num_embeddings, embedding_dim)

    Raises
    ------
    ArgumentError : a size is not positive, or there is no such `mode`.
    ShapeError : in `call`, ids are no integers of two axes, or values have another shape or are
        given to mode "max".
    DataError : in `call`, an id is out of range; the message names row and position.

    Notes
    -----
    Same as BigDL `LookupTableSparse` (0.13, with `combiner`; ids count from 1) and PyTorch
    `EmbeddingBag` (rows of one length; -1 is its `padding_idx`). Source of "sqrtn": TensorFlow's
    embedding_lookup_sparse. MKL's sparse product, forward and, behind a radix sort of the ids,
    back; reference: `engine.ops.sparse`.

    Examples
    --------
    >>> layer = EmbeddingBag(10, 3, mode="mean", rng=0)
    >>> layer(np.array([[4, 2, -1], [7, -1, -1]])).shape
    (2, 3)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: EmbeddingBag(7, 3, mode="sqrtn", rng=rng),
            inputs=((4, 5), (4, 5)),
            integers=((-1, 7), None),
            output=(4, 3),
            wrong=((4, 5), (4, 6)),
            sizes=("7 -> 3", "mode='sqrtn'"),
        ),
        Case(
            lambda rng: EmbeddingBag(5, 4, mode="mean", max_norm=0.4, rng=rng),
            inputs=((6, 3),),
            integers=((-1, 5),),
            output=(6, 4),
            wrong=((6,),),
            sizes=("5 -> 4", "max_norm=0.4"),
        ),
        Case(
            lambda rng: EmbeddingBag(5, 4, mode="max", rng=rng),
            inputs=((6, 3),),
            integers=((-1, 5),),
            output=(6, 4),
            wrong=((6,),),
        ),
    )

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        mode: str = "sum",
        max_norm: float | None = None,
        weight_init: str = "normal",
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.num_embeddings = positive_int("num_embeddings", num_embeddings)
        self.embedding_dim = positive_int("embedding_dim", embedding_dim)
        self.mode = one_of("mode", mode, _MODES)
        self.max_norm = None if max_norm is None else positive("max_norm", max_norm)
        shape = (self.num_embeddings, self.embedding_dim)
        self.weight = Parameter(init.draw(weight_init, shape, rng), "weight", copy=False)

    def call(self, ids: Any, values: Any = None) -> Any:
        """Add up the vectors of each row, or find the largest."""
        if self.mode == "max":
            if values is not None:
                raise ShapeError(f"values must be None for mode 'max'; got shape {values.shape}.")
            return self._largest(sparse_row(ids)[0])
        ids, amounts = sparse_row(ids, values, self.weight.dtype)
        if self.max_norm is not None:
            vectors = ops.embedding(ops.maximum(ids, 0), self.weight)
            factors = ops.reshape(shortening(vectors, self.max_norm), ids.shape)
            y = ops.embedding_bag(ids, ops.multiply(amounts, factors), self.weight)
        else:
            y = ops.embedding_bag(ids, amounts, self.weight)
        return y if self.mode == "sum" else ops.divide(y, self._total(ids, values))

    def _largest(self, ids: Any) -> Any:
        """Give the largest number of each feature, 0 for rows without ids."""
        there = ops.reshape(ops.greater_equal(ids, 0), (*ids.shape, 1))
        vectors = ops.embedding(ops.maximum(ids, 0), self.weight)
        if self.max_norm is not None:
            vectors = ops.multiply(vectors, shortening(vectors, self.max_norm))
        largest = ops.max_with_index(ops.where(there, vectors, -np.inf), 1)[0]
        return ops.where(ops.any(there, 1), largest, 0.0)

    def _total(self, ids: Any, values: Any) -> Any:
        """Give what each row is divided by; 1 where nothing is added up."""
        if values is None:
            there = ops.cast(ops.greater_equal(ids, 0), self.weight.dtype)
            total = ops.maximum(ops.sum(there, 1, keepdims=True), 1.0)
            return total if self.mode == "mean" else ops.sqrt(total)
        values = present(ids, floating(values))
        if self.mode == "sqrtn":
            squared = ops.sum(ops.square(values), 1, keepdims=True)
            return ops.sqrt(ops.where(ops.greater(squared, 0.0), squared, 1.0))
        total = ops.sum(values, 1, keepdims=True)
        return ops.where(ops.equal(total, 0.0), 1.0, total)

    def extra(self) -> str:
        """Give the sizes, then what differs from the defaults."""
        parts = [f"{self.num_embeddings} -> {self.embedding_dim}"]
        if self.mode != "sum":
            parts.append(f"mode={self.mode!r}")
        if self.max_norm is not None:
            parts.append(f"max_norm={self.max_norm:g}")
        return ", ".join(parts)


@register("nn.SparseLinear")
class SparseLinear(Module):
    """Connect the features that a sparse row has to every output feature.

    y[n, o] = b[o] + sum_j values[n, j] · w[ids[n, j], o], over all j with ids[n, j] >= 0

    Parameters
    ----------
    in_features : int > 0
        Different features; millions are well.
    out_features : int > 0
        Features of the output.
    bias : bool
        Whether to add b.
    weight_init : str
        Rule of the first weights, see `nn.init`, over the few features that a row has.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    ids : (batch, places) integers in [0, in_features), -1 where there is none
    values : (batch, places) float32; 1 by default
    output : (batch, out_features)
    weight : (in_features, out_features): what one feature says lies together
    bias : (out_features,)

    Raises
    ------
    ArgumentError : a size is not positive, or there is no such `weight_init`.
    ShapeError : in `call`, ids are no integers of two axes, or values have another shape.
    DataError : in `call`, an id is out of range; the message names row and position.

    Notes
    -----
    Same as BigDL `SparseLinear` (0.13, whose weight is turned). Equal to `nn.Linear` of the same
    numbers, dense. An id that comes twice counts twice. MKL's sparse product, forward and, behind a
    radix sort of the ids, back; reference: `engine.ops.sparse`.

    Examples
    --------
    >>> layer = SparseLinear(1000, 2, weight_init="ones")
    >>> layer(np.array([[4, 999, -1]]), np.float32([[0.5, 2.0, 0.0]]))
    array([[2.5, 2.5]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: SparseLinear(7, 3, rng=rng),
            inputs=((4, 5), (4, 5)),
            integers=((-1, 7), None),
            output=(4, 3),
            wrong=((4, 5), (4, 6)),
            sizes=("7 -> 3",),
        ),
        Case(
            lambda rng: SparseLinear(5, 1, bias=False, rng=rng),
            inputs=((6, 3),),
            integers=((-1, 5),),
            output=(6, 1),
            wrong=((6,),),
            sizes=("bias=False",),
        ),
    )

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        weight_init: str = "normal",
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.in_features = positive_int("in_features", in_features)
        self.out_features = positive_int("out_features", out_features)
        shape = (self.in_features, self.out_features)
        self.weight = Parameter(init.draw(weight_init, shape, rng), "weight", copy=False)
        self.bias = Parameter(init.zeros(shape[1:]), "bias") if boolean("bias", bias) else None

    def call(self, ids: Any, values: Any = None) -> Any:
        """Add up what the features of each row say."""
        ids, values = sparse_row(ids, values, self.weight.dtype)
        y = ops.embedding_bag(ids, values, self.weight)
        return y if self.bias is None else ops.add(y, self.bias)

    def extra(self) -> str:
        """Give the sizes."""
        sizes = f"{self.in_features} -> {self.out_features}"
        return sizes + ("" if self.bias is not None else ", bias=False")


@register("nn.DenseToSparse")
class DenseToSparse(Module):
    """Give a row's numbers with their places as ids, -1 where a number is 0.

    ids[n, i] = i and values[n, i] = x[n, i], but for x[n, i] = 0: -1 and 0

    Shapes
    ------
    input : (batch, features) float32
    output : ids (batch, features) int64 and values (batch, features)

    Raises
    ------
    ShapeError : in `call`, the input has not two axes.

    Notes
    -----
    Same as BigDL `DenseToSparse` (0.13). As many places as features, as shapes do not depend on
    numbers; data that are sparse by themselves come short from `data.sparse_rows`.

    Examples
    --------
    >>> DenseToSparse()(np.float32([[0, 7, 0], [5, 0, 6]]))
    (array([[-1,  1, -1],
           [ 0, -1,  2]]), array([[0., 7., 0.],
           [5., 0., 6.]], dtype=float32))
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: DenseToSparse(),
            inputs=((3, 4),),
            output=((3, 4), (3, 4)),
            wrong=((3, 4, 5), (3,)),
        ),
    )

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)

    def call(self, x: Any) -> Any:
        """Give ids and values."""
        x = floating(x)
        check_rank(x, "(batch, features)", 2)
        return ops.where(ops.not_equal(x, 0.0), np.arange(x.shape[1]), np.array(-1)), x


@register("nn.SparseConcat")
class SparseConcat(Module):
    """Put the features of several sparse rows behind each other.

    ids and values of all, the k-th ids moved up by the sum of the sizes before

    Parameters
    ----------
    sizes : sequence of int > 0
        How many features each input has: their ids are in [0, size).

    Shapes
    ------
    inputs : as many as `sizes`, each a pair of ids (batch, places) int64, -1 where there is none,
        and values (batch, places) float32
    output : a pair of ids and values, (batch, sum of the places)

    Raises
    ------
    ArgumentError : a size is not positive, or there are none.
    ShapeError : in `call`, there is another number of inputs, or one is no such pair.

    Notes
    -----
    Same as BigDL `SparseJoinTable` (0.13, along its dimension 2).

    Examples
    --------
    >>> first = np.array([[0, -1]]), np.float32([[1, 0]])
    >>> second = np.array([[2]]), np.float32([[5]])
    >>> SparseConcat([10, 3])(first, second)
    (array([[ 0, -1, 12]]), array([[1., 0., 5.]], dtype=float32))
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: SparseConcat((4, 3)),
            inputs=(((3, 2), (3, 2)), ((3, 5), (3, 5))),
            integers=((-1, 4), None, (-1, 3), None),
            output=((3, 7), (3, 7)),
            wrong=(((3, 2), (3, 2)), ((4, 5), (4, 5))),
            wrong_axis=0,
            sizes=("4 + 3",),
        ),
    )

    def __init__(self, sizes: Sequence[int], *, name: str | None = None) -> None:
        super().__init__(name=name)
        found = integers("sizes", sizes, "a list of ints > 0", 1)
        self.sizes = tuple(positive_int("sizes", size) for size in found)
        if not self.sizes:
            positive_int("sizes", 0)

    def call(self, *inputs: Any) -> Any:
        """Move the ids and join."""
        pairs = all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in inputs)
        if not pairs or len(inputs) != len(self.sizes):
            raise ShapeError(
                f"inputs must be {len(self.sizes)} pairs of ids and values (sizes); got "
                f"{len(inputs)} inputs."
            )
        ids, values, offset = [], [], 0
        for (own, amounts), size in zip(inputs, self.sizes, strict=True):
            own, amounts = sparse_row(own, amounts)
            check_axis(own, 0, inputs[0][0].shape[0], "the batch of the first input")
            ids.append(ops.where(ops.greater_equal(own, 0), ops.add(own, offset), -1))
            values.append(present(own, amounts))
            offset += size
        return ops.concat(ids, 1), ops.concat(values, 1)

    def extra(self) -> str:
        """Give the sizes."""
        return " + ".join(str(size) for size in self.sizes)
