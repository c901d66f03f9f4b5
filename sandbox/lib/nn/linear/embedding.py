"""From ids to vectors."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core import Parameter, ops
from ...core.validate import boolean, positive, positive_int, refuse
from .. import init
from ..case import Case
from ..checks import check_integers
from ..module import Module
from ..registry import register


def _first(shape: tuple[int, ...], rng: np.random.Generator) -> init.Array:
    return init.deviating(shape, rng, 0.1)


def shortening(vectors: Any, limit: float) -> Any:
    """Return by what each vector (last axis) must be multiplied to be no longer than a limit."""
    squared = ops.sum(ops.square(vectors), -1, keepdims=True)
    return ops.divide(limit, ops.sqrt(ops.maximum(squared, limit * limit)))


@register("nn.Embedding")
class Embedding(Module):
    """Look up a vector for each id: words, products, categories.

    y[n, t] = w[x[n, t]]; 0 where x[n, t] is `padding_index`;
    times min(1, max_norm / |y[n, t]|) with `max_norm`

    Parameters
    ----------
    num_embeddings : int > 0
        Number of different ids.
    embedding_dim : int > 0
        Features of a vector.
    padding_index : int in [0, num_embeddings), optional
        The id that fills up short rows: its vector is 0 and learns nothing.
    max_norm : float > 0, optional
        Longer vectors are shortened to this length when they are looked up; w itself stays.
    with_lengths : bool
        Whether to give (vectors, lengths): the length of each row up to its last id that is no
        padding, at least 1. Layers over time behind it in a `Sequential` then leave the rest out.
    weight_init : str
        Rule of the first vectors, see `nn.init`; by default a normal distribution of deviation 0.1.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, ...) integers in [0, num_embeddings)
    output : (batch, ..., embedding_dim), with lengths also (batch,) int64
    weight : (num_embeddings, embedding_dim)

    Raises
    ------
    ArgumentError : a size is not positive, `padding_index` is out of range or missing.
    ShapeError : in `call`, the input holds no integers.
    DataError : in `call`, an id is out of range; the message names row and position.

    Notes
    -----
    Same as BigDL `LookupTable` (0.13, where ids count from 1), Keras `Embedding`, PyTorch
    `Embedding` (which writes shortened vectors back) and ONNX `Gather`-13 on axis 0, BigDL's
    `onnx.Gather`. For sums of vectors per row there is `nn.EmbeddingBag`.
    The gradient is the dense sum per id, the same bits whatever the number of threads: a radix sort
    of the ids, then MKL's sparse product, which adds up in an order of its own on each make of
    processor; reference: `engine.ops.sequence`.

    Examples
    --------
    >>> layer = Embedding(10, 3, padding_index=0, rng=0)
    >>> layer(np.array([[4, 2, 0]])).shape
    (1, 3, 3)
    >>> float(abs(layer(np.array([[0]]))).max())
    0.0
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Embedding(7, 3, rng=rng),
            inputs=((4, 5),),
            integers=((0, 7),),
            output=(4, 5, 3),
            sizes=("7 -> 3",),
        ),
        Case(
            lambda rng: Embedding(5, 4, padding_index=2, rng=rng),
            inputs=((6,),),
            integers=((0, 5),),
            output=(6, 4),
            sizes=("5 -> 4", "padding_index=2"),
        ),
        Case(
            lambda rng: Embedding(5, 4, max_norm=0.4, rng=rng),
            inputs=((3, 2),),
            integers=((0, 5),),
            output=(3, 2, 4),
            sizes=("max_norm=0.4",),
        ),
    )

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        padding_index: int | None = None,
        max_norm: float | None = None,
        with_lengths: bool = False,
        weight_init: str | None = None,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.num_embeddings = positive_int("num_embeddings", num_embeddings)
        self.embedding_dim = positive_int("embedding_dim", embedding_dim)
        self.with_lengths = boolean("with_lengths", with_lengths)
        limit = f"an int in [0, {self.num_embeddings})"
        if padding_index is not None:
            legal = isinstance(padding_index, (int, np.integer)) and not isinstance(
                padding_index, bool
            )
            if not legal or not 0 <= padding_index < self.num_embeddings:
                raise refuse("padding_index", limit + " or None", padding_index)
            padding_index = int(padding_index)
        elif self.with_lengths:
            raise refuse("padding_index", limit, None, "It tells where a row ends.")
        self.padding_index = padding_index
        self.max_norm = None if max_norm is None else positive("max_norm", max_norm)
        shape = (self.num_embeddings, self.embedding_dim)
        if weight_init is None:
            weight = init.draw_by(_first, shape, rng)
        else:
            weight = init.draw(weight_init, shape, rng)
        if padding_index is not None:
            weight[padding_index] = 0
        self.weight = Parameter(weight, "weight", copy=False)

    def call(self, ids: Any) -> Any:
        """Look the vectors up."""
        check_integers(ids)
        y = ops.embedding(ids, self.weight, padding_index=self.padding_index)
        if self.max_norm is not None:
            y = ops.multiply(y, shortening(y, self.max_norm))
        if not self.with_lengths or self.padding_index is None:
            return y
        return y, ops.sequence_lengths(ids, self.padding_index)

    def extra(self) -> str:
        """Give the sizes, then what differs from the defaults."""
        parts = [f"{self.num_embeddings} -> {self.embedding_dim}"]
        if self.padding_index is not None:
            parts.append(f"padding_index={self.padding_index}")
        if self.max_norm is not None:
            parts.append(f"max_norm={self.max_norm:g}")
        if self.with_lengths:
            parts.append("with_lengths=True")
        return ", ".join(parts)
