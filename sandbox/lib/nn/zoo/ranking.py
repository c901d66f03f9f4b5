"""K-NRM: how well a document answers a query, by the words of both."""

from __future__ import annotations

from typing import Any

from ...core.validate import positive_int
from .. import init
from ..container.graph import Graph
from ..linear.dense import Linear
from ..linear.embedding import Embedding
from ..node import Input
from ..normalization.length import Normalize
from ..pooling.kernel import KernelPooling
from ..table.products import MatMul


def knrm(
    vocabulary: int,
    rng: init.Rng = None,
    *,
    features: int = 300,
    kernels: int = 21,
    sigma: float = 0.1,
    exact_sigma: float = 1e-3,
    outputs: int = 1,
) -> Graph:
    """Build K-NRM: kernels over the similarities of all pairs of words, and a linear layer.

    Parameters
    ----------
    vocabulary : int > 0
        Number of words; 0 is padding, which is like no word.
    rng : Generator, int or None
        Where the first weights are drawn from.
    features : int > 0
        Features of a word.
    kernels, sigma, exact_sigma
        Of `nn.KernelPooling`.
    outputs : int > 0
        1 to rank (`criterion.MarginRanking`) or with `criterion.BCEWithLogits`; else classes.

    Shapes
    ------
    inputs : (batch, query length) integers, (batch, document length) integers
    output : (batch, outputs) scores

    Raises
    ------
    ArgumentError : a size is not positive.

    Notes
    -----
    Same as Analytics Zoo's `KNRM`. Source: Xiong et al. 2017, "End-to-End Neural Ad-hoc Ranking
    with Kernel Pooling".

    Examples
    --------
    >>> import numpy as np
    >>> query, document = np.array([[1, 2], [3, 0]]), np.array([[4, 2, 1], [5, 6, 0]])
    >>> knrm(10, 0, features=8)(query, document).shape
    (2, 1)
    """
    features, rng = positive_int("features", features), init.generator(rng)
    words = Embedding(vocabulary, features, padding_index=0, rng=rng, name="words")
    query, document = Input("query"), Input("document")

    def unit(ids: Any, name: str) -> Any:
        return Normalize(axis=2, name=name)(words(ids))

    near = MatMul(transpose_b=True, name="near")(unit(query, "asked"), unit(document, "read"))
    counts = KernelPooling(kernels, sigma=sigma, exact_sigma=exact_sigma, name="counts")(near)
    return Graph((query, document), Linear(kernels, outputs, rng=rng, name="score")(counts))
