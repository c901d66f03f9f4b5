"""LSTMs that read trees from the leaves to the root; trees are given as whole numbers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core import Parameter, ops
from ...core.errors import ShapeError
from ...core.validate import boolean, positive_int
from .. import init
from ..case import Case
from ..checks import check_axis, check_rank, floating
from ..module import Module
from ..registry import register
from .cell import last_read


class TreeLSTM(Module):
    """What LSTMs over trees share: a memory of all nodes, written from the first to the last.

    Subclasses tell the factor of `hidden` of what they read of it for a node.
    """

    gates: ClassVar[int]
    arity: ClassVar[int]  # how many states the product with the hidden weights takes

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        root_only: bool = False,
        weight_init: str = "xavier_uniform",
        rng: init.Rng = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.in_features = positive_int("in_features", in_features)
        self.hidden_features = positive_int("hidden_features", hidden_features)
        self.root_only = boolean("root_only", root_only)
        rng = init.generator(rng)
        rows, size = self.gates * self.hidden_features, self.hidden_features
        drawn = init.draw(weight_init, (rows, self.in_features), rng)
        self.weight_input = Parameter(drawn, "weight_input", copy=False)
        drawn = init.draw(weight_init, (rows, self.arity * size), rng)
        self.weight_hidden = Parameter(drawn, "weight_hidden", copy=False)
        bias = init.zeros((rows,))
        bias[size : (1 + self.arity) * size] = 1  # forget gates, as in `LSTM`
        self.bias = Parameter(bias, "bias")

    def node(self, z: Any, chosen: Any, memory: Any) -> tuple[Any, ...]:
        """Compute what is kept of a node, h first, from its input's part and the memory."""
        raise NotImplementedError(f"{type(self).__name__} must define node.")

    def climb(self, z: Any, chosen: Any, lengths: Any, kept: int) -> Any:
        """Compute all nodes (batch, nodes, ...) in order; gives h of all, or of the last one."""
        batch, nodes = z.shape[:2]
        width = kept * self.hidden_features

        def body(memory: Any, given: Any) -> tuple[Any, Any]:
            z, chosen, place = given
            parts = self.node(z, chosen, memory)
            row = ops.reshape(ops.concat(parts, 1), (batch, 1, width))
            return memory + row * ops.reshape(place, (1, nodes, 1)), parts[0]

        memory = ops.broadcast_to(np.zeros((1, 1, 1), z.dtype), (batch, nodes, width))
        places = np.eye(nodes, dtype=z.dtype)
        ys = ops.scan(body, memory, (z, chosen, places), axis=1)[1]
        if lengths is not None:
            ys = ops.mask_sequence(ys, lengths)
        return last_read(ys, lengths) if self.root_only else ys

    def checked(self, x: Any) -> Any:
        """Give the input as floats of the right form."""
        x = floating(x, self.bias)
        check_rank(x, "(batch, places, in_features)", 3)
        check_axis(x, 2, self.in_features, "in_features")
        return x

    def extra(self) -> str:
        """Give the sizes, and whether the root alone is given."""
        root = ", root_only=True" if self.root_only else ""
        return f"{self.in_features} -> {self.hidden_features}{root}"


def _parts(x: Any, count: int) -> list[Any]:
    """Cut the last axis into equal parts."""
    size = x.shape[-1] // count
    return [x[..., k * size : (k + 1) * size] for k in range(count)]


def _chosen(places: Any, count: int, like: Any) -> Any:
    """Give rows that are 1 at a place (..., 1) and 0 elsewhere; -1 gives zeros."""
    return ops.cast(ops.equal(places, np.arange(count)[None, None]), like.dtype)


@register("nn.BinaryTreeLSTM")
class BinaryTreeLSTM(TreeLSTM):
    """Read binary trees from the leaves to the root with a long short-term memory.

    i, l, r, o = sigmoid(w · x + u · [h_left, h_right] + b), g = tanh(...) alike
    c = l · c_left + r · c_right + i · g, h = o · tanh(c), y[n, node] = h

    Parameters
    ----------
    in_features : int > 0
        Features of a word.
    hidden_features : int > 0
        Features of the state of a node.
    root_only : bool
        Whether to give h of the last node, or of all.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0, those of the two forget gates
        at 1.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, words, in_features) float32
    tree : (batch, nodes, 3) integers: the places of the left and the right child among the nodes
        before this one, and of its word; -1 where there is none
    lengths : (batch,) integers in [1, nodes], optional: nodes behind them are padding and give 0
    output : (batch, nodes, hidden), or (batch, hidden) with `root_only`
    weight_input : (5 · hidden, in_features), gates i, l, r, o, g
    weight_hidden : (5 · hidden, 2 · hidden)
    bias : (5 · hidden,)

    Raises
    ------
    ArgumentError : a size is not positive, or there is no such `weight_init`.
    ShapeError : in `call`, an input has not three axes, or another number of features.
    DataError : in `call`, a length is out of range.

    Notes
    -----
    Like BigDL `BinaryTreeLSTM`, `TreeLSTM` (0.13): it gives leaves gates of their own, and finds
    the order of the nodes by itself, where here children come before their parents. A child that
    does not come before counts as none. Memory and time grow with the square of the nodes.
    Source: Tai, Socher, Manning 2015, section 3.2, for two children.

    Examples
    --------
    >>> words, tree = np.ones((1, 2, 3), "f4"), np.array([[[-1, -1, 0], [-1, -1, 1], [0, 1, -1]]])
    >>> BinaryTreeLSTM(3, 4, rng=0)(words, tree).shape
    (1, 3, 4)
    """

    gates: ClassVar[int] = 5
    arity: ClassVar[int] = 2
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: BinaryTreeLSTM(3, 4, rng=rng),
            inputs=((3, 2, 3), (3, 3, 3)),
            integers=(None, (-1, 2)),
            output=(3, 3, 4),
            wrong=((3, 2, 3), (3, 3, 2)),
            sizes=("3 -> 4",),
        ),
        Case(
            lambda rng: BinaryTreeLSTM(2, 3, root_only=True, rng=rng),
            inputs=((2, 2, 2), (2, 3, 3), (2,)),
            integers=(None, (-1, 2), (1, 4)),
            output=(2, 3),
            wrong=((2, 2, 2), (2, 3, 3), (3,)),
            sizes=("root_only=True",),
        ),
    )

    def call(self, x: Any, tree: Any, lengths: Any = None) -> Any:
        """Read the trees."""
        x = self.checked(x)
        check_rank(tree, "tree (batch, nodes, 3)", 3)
        check_axis(tree, 2, 3, "left child, right child, word")
        z = ops.linear(x, self.weight_input)
        z = ops.matmul(_chosen(tree[:, :, 2:], x.shape[1], x), z) + self.bias
        return self.climb(z, tree[:, :, :2], lengths, 2)

    def node(self, z: Any, chosen: Any, memory: Any) -> tuple[Any, ...]:
        """Compute h and c of a node from its two children."""
        batch, nodes = memory.shape[:2]
        which = _chosen(ops.reshape(chosen, (batch, 2, 1)), nodes, z)
        children = ops.matmul(which, memory)
        size = self.hidden_features
        both = ops.reshape(children[:, :, :size], (batch, 2 * size))
        i, left, right, o, g = _parts(z + ops.linear(both, self.weight_hidden), 5)
        kept = (
            ops.sigmoid(left) * children[:, 0, size:] + ops.sigmoid(right) * children[:, 1, size:]
        )
        c = kept + ops.sigmoid(i) * ops.tanh(g)
        return ops.sigmoid(o) * ops.tanh(c), c


@register("nn.ChildSumTreeLSTM")
class ChildSumTreeLSTM(TreeLSTM):
    """Read trees of any number of children, in no order, from the leaves to the root.

    i, o = sigmoid(w · x + u · sum_k h_k + b), g = tanh(...) alike,
    f_k = sigmoid(w · x + u · h_k + b), c = sum_k f_k · c_k + i · g, h = o · tanh(c),
    over the children k of a node; y[n, node] = h

    Parameters
    ----------
    in_features : int > 0
        Features of a node's word.
    hidden_features : int > 0
        Features of the state of a node.
    root_only : bool
        Whether to give h of the last node, or of all.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0, those of the forget gate at 1.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, nodes, in_features) float32, children before their parents
    parents : (batch, nodes) integers: the place of each node's parent, -1 for a root
    lengths : (batch,) integers in [1, nodes], optional: nodes behind them are padding and give 0
    output : (batch, nodes, hidden), or (batch, hidden) with `root_only`
    weight_input : (4 · hidden, in_features), gates i, f, o, g
    weight_hidden : (4 · hidden, hidden)
    bias : (4 · hidden,)

    Raises
    ------
    ArgumentError : a size is not positive, or there is no such `weight_init`.
    ShapeError : in `call`, the input has not three axes or another number of features, or there is
        not one parent for each node.
    DataError : in `call`, a length is out of range.

    Notes
    -----
    For dependency trees; BigDL has `BinaryTreeLSTM` alone. A node whose parent does not come behind
    it is nobody's child. Memory and time grow with the square of the nodes.
    Source: Tai, Socher, Manning 2015, section 3.1.

    Examples
    --------
    >>> words, parents = np.ones((1, 4, 3), "f4"), np.array([[3, 3, 3, -1]])
    >>> ChildSumTreeLSTM(3, 2, root_only=True, rng=0)(words, parents).shape
    (1, 2)
    """

    gates: ClassVar[int] = 4
    arity: ClassVar[int] = 1
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: ChildSumTreeLSTM(3, 4, rng=rng),
            inputs=((3, 3, 3), (3, 3)),
            integers=(None, (1, 3)),
            output=(3, 3, 4),
            wrong=((3, 3, 3), (3, 4)),
            sizes=("3 -> 4",),
        ),
        Case(
            lambda rng: ChildSumTreeLSTM(2, 3, root_only=True, rng=rng),
            inputs=((2, 3, 2), (2, 3), (2,)),
            integers=(None, (1, 3), (1, 4)),
            output=(2, 3),
            wrong=((2, 3, 2), (2, 3), (3,)),
            sizes=("root_only=True",),
        ),
    )

    def call(self, x: Any, parents: Any, lengths: Any = None) -> Any:
        """Read the trees."""
        x = self.checked(x)
        if parents.shape != x.shape[:2]:
            raise ShapeError(f"parents must have shape {x.shape[:2]}; got {parents.shape}.")
        z = ops.linear(x, self.weight_input, self.bias)
        batch, nodes = parents.shape
        children = ops.equal(
            ops.reshape(parents, (batch, 1, nodes)), np.arange(nodes)[None, :, None]
        )
        return self.climb(z, ops.cast(children, x.dtype), lengths, 3)

    def node(self, z: Any, chosen: Any, memory: Any) -> tuple[Any, ...]:
        """Compute h and c of a node, and the part of h in the forget gate of its parent."""
        batch, nodes = memory.shape[:2]
        size = self.hidden_features
        h, c, seen = _parts(memory, 3)
        total = ops.matmul(ops.reshape(chosen, (batch, 1, nodes)), h)
        hidden = ops.linear(ops.reshape(total, (batch, size)), self.weight_hidden)
        i, _, o, g = _parts(z + hidden, 4)
        forget = ops.sigmoid(seen + ops.reshape(z[:, size : 2 * size], (batch, 1, size)))
        kept = ops.sum(ops.reshape(chosen, (batch, nodes, 1)) * forget * c, 1)
        c = kept + ops.sigmoid(i) * ops.tanh(g)
        h = ops.sigmoid(o) * ops.tanh(c)
        return h, c, ops.linear(h, self.weight_hidden[size : 2 * size])
