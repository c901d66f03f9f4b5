"""Scores of all words by the table that their vectors come from."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import Parameter, ops
from ...core.errors import ShapeError
from ...core.validate import boolean, instance
from .. import init
from ..case import Case
from ..checks import floating
from ..module import Module
from ..registry import register
from .embedding import Embedding


@register("nn.TiedLinear")
class TiedLinear(Module):
    """Score every word of an embedding by its own vector: input and output share their weights.

    y = table · x + b, with the embedding's table

    Parameters
    ----------
    embedding : Embedding
        Whose table it is; the same module as at the model's input.
    bias : bool
        Whether to add a number for each word, 0 at first.

    Shapes
    ------
    input : (..., embedding_dim) float32
    output : (..., num_embeddings)
    embedding.weight : (num_embeddings, embedding_dim), shared
    bias : (num_embeddings,)

    Raises
    ------
    ArgumentError : `embedding` is none.
    ShapeError : in `call`, the last axis has another number of features.

    Notes
    -----
    Same as PyTorch `Linear`, whose `weight` is that of an `Embedding`. Source: Press, Wolf 2017;
    Inan et al. 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sandbox.lib import nn
    >>> words = nn.Embedding(10, 4, rng=0)
    >>> model = nn.Sequential(words, nn.Tanh(), nn.TiedLinear(words))
    >>> model(np.array([[1, 2, 3]])).shape, sum(p.size for p in model.parameters())
    ((1, 3, 10), 50)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: TiedLinear(Embedding(7, 4, rng=rng)),
            inputs=((3, 2, 4),),
            output=(3, 2, 7),
            wrong=((3, 2, 5),),
            wrong_axis=2,
            sizes=("7 -> 4",),
        ),
    )

    def __init__(self, embedding: Embedding, *, bias: bool = True, name: str | None = None) -> None:
        super().__init__(name=name)
        self.embedding = instance("embedding", embedding, Embedding)
        self.bias = None
        if boolean("bias", bias):
            self.bias = Parameter(init.zeros((self.embedding.weight.shape[0],)), "bias")

    def call(self, x: Any) -> Any:
        """Score all words."""
        weight = self.embedding.weight
        x, features = floating(x, weight), weight.shape[1]
        if len(x.shape) < 2 or x.shape[-1] != features:
            raise ShapeError(
                f"input axis {max(len(x.shape) - 1, 1)} must be {features} (embedding_dim); got "
                f"shape {x.shape}."
            )
        return ops.linear(x, weight, self.bias)
