"""Ready recommenders: neural collaborative filtering, and what comes next in a session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.errors import ArgumentError
from ...core.validate import boolean, integers, non_negative, non_negative_int, positive_int
from .. import init
from ..activation.elementwise import ReLU
from ..container.graph import Graph
from ..linear.dense import Linear
from ..linear.embedding import Embedding
from ..node import Input
from ..penalty.penalty import ActivityRegularization
from ..recurrent.layers import GRU
from ..shape.reduce import Sum
from ..table.merge import Concat
from ..table.pairwise import Add, Multiply


def neural_cf(
    users: int,
    items: int,
    classes: int,
    rng: init.Rng = None,
    *,
    features: int = 20,
    hidden: Sequence[int] = (40, 20, 10),
    factors: int = 20,
    weighted: bool = True,
    item_bias: bool = False,
    l2: float = 0.0,
) -> Graph:
    """Build neural collaborative filtering: who likes what, by factors and by a perceptron.

    y = W [u ⊙ v, perceptron([u', v'])] + b, with embeddings u, u' of the user and v, v' of the item

    Parameters
    ----------
    users, items : int > 0
        How many there are; ids begin with 0.
    classes : int > 0
        Classes to tell apart: 5 for stars, 2 (or 1, with `criterion.BCEWithLogits`) for clicks.
    rng : Generator, int or None
        Where the first weights are drawn from.
    features : int > 0
        Features of a user, and of an item, for the perceptron.
    hidden : sequence of int > 0
        Widths of its layers.
    factors : int >= 0
        Features of both for the product of factors; 0 leaves that part out.
    weighted : bool
        Whether the last layer weighs each product; False adds them up as matrix factorisation does,
        y = sum(u ⊙ v) + W perceptron([u', v']) + b, for one class: better where users are few.
    item_bias : bool
        Whether b is each item's own: how well liked it is by all.
    l2 : float
        Penalty on the squares of a row's embeddings while training, which learn by heart where
        users have met few items; 0.001 suits a hundred each.

    Shapes
    ------
    inputs : (batch,) integers in [0, users), (batch,) integers in [0, items)
    output : (batch, classes) logits

    Raises
    ------
    ArgumentError : there is no hidden layer, a size is not positive, or products of several classes
        are not weighted.

    Notes
    -----
    Same as Analytics Zoo's `NeuralCF`, sizes by default included; `weighted`, `item_bias`
    and `l2` are not there. Source: He et al. 2017 (NeuMF); Rendle et al. 2020 on what a plain
    product and the penalty are worth.

    Examples
    --------
    >>> import numpy as np
    >>> neural_cf(100, 50, 5, 0)(np.array([0, 99]), np.array([7, 49])).shape
    (2, 5)
    """
    users, items = positive_int("users", users), positive_int("items", items)
    hidden = integers("hidden", hidden, "a list of ints > 0", 1)
    if not hidden:
        raise ArgumentError("`hidden` must name at least one width; got none.")
    features, factors = positive_int("features", features), non_negative_int("factors", factors)
    item_bias, l2 = boolean("item_bias", item_bias), non_negative("l2", l2)
    if not boolean("weighted", weighted) and (classes != 1 or not factors):
        raise ArgumentError(
            f"`weighted` must be True for {classes} classes and {factors} factors: a sum of "
            "products is one number. Use classes=1 and factors > 0, or weighted=True."
        )
    rng = init.generator(rng)
    user, item = Input("user"), Input("item")

    def embedded(name: str, count: int, size: int, of: Any) -> Any:
        x = Embedding(count, size, rng=rng, name=name)(of)
        return ActivityRegularization(l2=l2, name=f"{name}_l2")(x) if l2 else x

    terms: list[Any] = []
    x = Concat(name="join")(
        embedded("user", users, features, user), embedded("item", items, features, item)
    )
    x, before = _perceptron(x, 2 * features, hidden, rng)
    if factors:
        product = Multiply(name="product")(
            embedded("user_factors", users, factors, user),
            embedded("item_factors", items, factors, item),
        )
        if weighted:
            x, before = Concat(name="both")(product, x), before + factors
        else:
            terms.append(Sum(1, keepdims=True, name="product_sum")(product))
    terms.append(Linear(before, classes, rng=rng, name="classes")(x))
    if item_bias:
        own = Embedding(items, classes, weight_init="zeros", rng=rng, name="item_bias")
        terms.append(own(item))
    return Graph((user, item), Add(name="total")(*terms) if len(terms) > 1 else terms[0])


def session_recommender(
    items: int,
    rng: init.Rng = None,
    *,
    features: int = 100,
    hidden: Sequence[int] = (40, 20),
    history: Sequence[int] | None = None,
) -> Graph:
    """Build a network that scores which item comes next in a session.

    Parameters
    ----------
    items : int > 0
        How many there are; 0 is padding, before the items of a short session.
    rng : Generator, int or None
        Where the first weights are drawn from.
    features : int > 0
        Features of an item.
    hidden : sequence of int > 0
        Widths of the GRU layers above each other.
    history : sequence of int > 0, optional
        Widths of the layers of a perceptron over the mean of earlier purchases; its scores are
        added. None: there is no such input.

    Shapes
    ------
    inputs : (batch, length) integers, the session; with `history` also (batch, length) integers,
        the earlier purchases, their own length
    output : (batch, items) logits

    Raises
    ------
    ArgumentError : there is no width, or a size is not positive.

    Notes
    -----
    Same as Analytics Zoo's `SessionRecommender`, whose embedding of the history is a sum, too.
    Source: Hidasi et al. 2016 (GRU4Rec).

    Examples
    --------
    >>> import numpy as np
    >>> model = session_recommender(30, 0, features=8, history=(6,))
    >>> model(np.array([[0, 0, 3], [4, 5, 6]]), np.array([[1, 2], [0, 9]])).shape
    (2, 30)
    """
    items, features = positive_int("items", items), positive_int("features", features)
    hidden = integers("hidden", hidden, "a list of ints > 0", 1)
    if not hidden:
        raise ArgumentError("`hidden` must name at least one width; got none.")
    rng = init.generator(rng)
    session = Input("session")
    x = Embedding(items, features, padding_index=0, rng=rng, name="items")(session)
    before = features
    for number, width in enumerate(hidden, start=1):
        last = number == len(hidden)
        x = GRU(before, width, return_sequences=not last, rng=rng, name=f"gru{number}")(x)
        before = width
    x = Linear(before, items, rng=rng, name="scores")(x)
    if history is None:
        return Graph(session, x)
    widths = integers("history", history, "a list of ints > 0", 1)
    bought = Input("history")
    y = Embedding(items, features, padding_index=0, rng=rng, name="bought")(bought)
    y, before = _perceptron(Sum(1, name="all")(y), features, widths, rng)
    y = Linear(before, items, rng=rng, name="history_scores")(y)
    return Graph((session, bought), Add(name="both")(x, y))


def _perceptron(x: Any, before: int, hidden: Sequence[int], rng: Any) -> tuple[Any, int]:
    """Add linear layers with ReLUs to a graph."""
    for number, width in enumerate(hidden, start=1):
        x = ReLU(name=f"relu{number}")(Linear(before, width, rng=rng, name=f"fc{number}")(x))
        before = width
    return x, before
