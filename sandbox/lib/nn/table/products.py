"""Modules that multiply several values, measure distances between them, or mix them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ...core import ops
from ...core.errors import ShapeError
from ...core.validate import boolean, finite, in_range
from ..case import Case
from ..checks import floating
from ..module import Module
from ..registry import register
from .merge import Merge, mismatch


@register("nn.MatMul")
class MatMul(Merge):
    """Multiply matrices, row of the batch by row; a third input is added.

    y[n] = alpha · a[n] · b[n] + beta · c[n]

    Parameters
    ----------
    transpose_a, transpose_b : bool
        Whether to turn the matrices of the first and the second input.
    alpha, beta : float
        Factors of the product and of the third input.

    Shapes
    ------
    a : (batch, ..., m, k) float32
    b : (batch, ..., k, n), or (batch, ..., k): then vectors come out
    c : to which the product's axes stretch, optional
    output : (batch, ..., m, n), or (batch, ..., m)

    Raises
    ------
    ShapeError : in `call`, there are not two or three inputs, or their shapes do not go together.

    Notes
    -----
    Same as BigDL `MM`, `MV` (for vectors), `Gemm` and `onnx.Gemm` (0.13), Keras
    `Dot(axes)`, PyTorch `bmm`, `mv` and `baddbmm`, and ONNX `MatMul`-13 and `Gemm`-13.
    Native kernel: oneDNN matmul; reference: `engine.ops.linear`.

    Examples
    --------
    >>> a, b = np.ones((2, 3, 4), "f4"), np.ones((2, 5, 4), "f4")
    >>> MatMul(transpose_b=True)(a, b).shape
    (2, 3, 5)
    >>> MatMul()(a, np.ones((2, 4), "f4")).shape
    (2, 3)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: MatMul(),
            inputs=((2, 3, 4), (2, 4, 5)),
            output=(2, 3, 5),
            wrong=((2, 3, 4), (2, 3, 5)),
            wrong_axis=1,
        ),
        Case(
            lambda rng: MatMul(transpose_a=True, transpose_b=True, alpha=0.5, beta=2.0),
            inputs=((2, 4, 3), (2, 5, 4), (2, 1, 5)),
            output=(2, 3, 5),
            wrong=((2, 4, 3), (2, 5, 4), (2, 2, 5)),
            sizes=("transpose_a=True", "beta=2"),
        ),
        Case(lambda rng: MatMul(), inputs=((2, 3, 4), (2, 4)), output=(2, 3)),
    )

    def __init__(
        self,
        *,
        transpose_a: bool = False,
        transpose_b: bool = False,
        alpha: float = 1.0,
        beta: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.transpose_a = boolean("transpose_a", transpose_a)
        self.transpose_b = boolean("transpose_b", transpose_b)
        self.alpha = finite("alpha", alpha)
        self.beta = finite("beta", beta)

    def merge(self, inputs: tuple[Any, ...]) -> Any:
        """Multiply, and add the third input."""
        if len(inputs) not in (2, 3):
            raise ShapeError(f"inputs must be two or three; got {len(inputs)}.")
        a, b, *rest = (floating(x) for x in inputs)
        if len(a.shape) < 2:
            raise ShapeError(f"input 0 must hold matrices; got shape {a.shape}.")
        vectors = len(b.shape) == len(a.shape) - 1
        if not vectors and len(b.shape) < 2:
            raise ShapeError(f"input 1 must hold matrices or vectors; got shape {b.shape}.")
        if self.transpose_a:
            a = _turned(a)
        if vectors:
            b = ops.reshape(b, (*b.shape, 1))
        elif self.transpose_b:
            b = _turned(b)
        if len(b.shape) != len(a.shape) or a.shape[:-2] != b.shape[:-2]:
            raise ShapeError(
                "inputs must have the same axes in front of the matrices; got shapes "
                f"{inputs[0].shape} and {inputs[1].shape}."
            )
        if a.shape[-1] != b.shape[-2]:
            axis = len(b.shape) - (1 if self.transpose_b and not vectors else 2)
            raise ShapeError(
                f"input 1 axis {axis} must be {a.shape[-1]}, the columns of input 0; got shapes "
                f"{inputs[0].shape} and {inputs[1].shape}."
            )
        y = ops.matmul(a, b)
        if vectors:
            y = ops.reshape(y, y.shape[:-1])
        if self.alpha != 1.0:
            y = ops.multiply(y, self.alpha)
        return self._added(y, rest[0]) if rest else y

    def _added(self, y: Any, c: Any) -> Any:
        try:
            fits = np.broadcast_shapes(y.shape, c.shape) == tuple(y.shape)
        except ValueError:
            fits = False
        if not fits:
            raise ShapeError(
                f"input 2 must stretch to the product's shape {y.shape}; got shape {c.shape}."
            )
        return ops.add(y, c if self.beta == 1.0 else ops.multiply(c, self.beta))

    def extra(self) -> str:
        """Give what differs from the defaults."""
        parts = [f"{key}=True" for key in ("transpose_a", "transpose_b") if getattr(self, key)]
        parts += [f"{k}={v:g}" for k, v in (("alpha", self.alpha), ("beta", self.beta)) if v != 1]
        return ", ".join(parts)


def _turned(x: Any) -> Any:
    order = list(range(len(x.shape)))
    return ops.transpose(x, [*order[:-2], order[-1], order[-2]])


@register("nn.DotInteraction")
class DotInteraction(Merge):
    """Multiply every pair of several vectors, row of the batch by row, as recommenders do.

    y[n] = (x_0 · x_1, x_0 · x_2, ..., x_1 · x_2, ...) of the vectors x_k[n]

    Shapes
    ------
    inputs : (batch, features) float32, two or more
    output : (batch, k · (k - 1) / 2) for k inputs

    Raises
    ------
    ShapeError : in `call`, there are less than two inputs, or their shapes differ.

    Notes
    -----
    Same as BigDL `CrossProduct` (0.13), Keras `DotInteraction` (of keras-rs, in another order).
    Source: Rendle 2010, Naumov et al. 2019.
    Native kernel: oneDNN matmul; reference: `engine.ops.linear`.

    Examples
    --------
    >>> x = np.float32([[1, 2]])
    >>> DotInteraction()(x, 2 * x, 3 * x)
    array([[10., 15., 30.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: DotInteraction(),
            inputs=((3, 4), (3, 4), (3, 4)),
            output=(3, 3),
            wrong=((3, 4), (3, 4), (3, 5)),
            wrong_axis=1,
        ),
    )

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)

    def merge(self, inputs: tuple[Any, ...]) -> Any:
        """Multiply all with all, and take the upper triangle."""
        _same_vectors(inputs, least=2)
        x = ops.stack(inputs, 1)
        products = ops.matmul(x, ops.transpose(x, (0, 2, 1)))
        count = len(inputs)
        above = np.flatnonzero(np.triu(np.ones((count, count)), 1))
        return ops.take(ops.reshape(products, (x.shape[0], count * count)), above, 1)


@register("nn.PairwiseDistance")
class PairwiseDistance(Merge):
    """Give the distance between two vectors, row of the batch by row.

    y[n] = (sum_i |x1[n, i] - x2[n, i]|^p)^(1/p); the largest difference for p = infinity

    Parameters
    ----------
    p : float >= 1
        Which norm: 1 adds up, 2 is Euclid's, `math.inf` the largest.

    Shapes
    ------
    inputs : (batch, features) float32, two
    output : (batch, 1)

    Raises
    ------
    ArgumentError : `p` is no number >= 1.
    ShapeError : in `call`, there are not two inputs, or their shapes differ.

    Notes
    -----
    Same as BigDL `PairwiseDistance` (0.13) and PyTorch `PairwiseDistance` (which adds 1e-6 to the
    differences and leaves the last axis out). At a distance of 0 the gradient is 0.
    Reference: `engine.ops.reduce`.

    Examples
    --------
    >>> PairwiseDistance()(np.float32([[3.0, 0.0]]), np.float32([[0.0, 4.0]]))
    array([[5.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: PairwiseDistance(),
            inputs=((3, 4), (3, 4)),
            output=(3, 1),
            wrong=((3, 4), (3, 5)),
            wrong_axis=1,
            sizes=("2",),
        ),
        Case(
            lambda rng: PairwiseDistance(1),
            inputs=((3, 4), (3, 4)),
            output=(3, 1),
            kinks=True,
        ),
        Case(
            lambda rng: PairwiseDistance(3.5),
            inputs=((3, 4), (3, 4)),
            output=(3, 1),
            kinks=True,
            sizes=("3.5",),
        ),
    )

    def __init__(self, p: float = 2.0, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.p = in_range("p", p, 1.0, np.inf)

    def merge(self, inputs: tuple[Any, ...]) -> Any:
        """Measure the differences."""
        _same_vectors(inputs, least=2, most=2)
        difference = ops.subtract(*inputs)
        return ops.norm(difference, self.p, 1, keepdims=True)

    def extra(self) -> str:
        """Give the norm."""
        return f"{self.p:g}"


@register("nn.Mixture")
class Mixture(Module):
    """Add up what several experts say, weighted row by row by a gate.

    y[n] = sum_k gates[n, k] · experts[k][n]

    Shapes
    ------
    gates : (batch, k) float32
    experts : k values (batch, ...) of one shape, or one of shape (batch, k, ...)
    output : (batch, ...)

    Raises
    ------
    ShapeError : in `call`, there are not as many experts as gates, or their shapes differ.

    Notes
    -----
    Same as BigDL `MixtureTable` (0.13). The gates are as they come: put a Softmax before them.
    Source: Jacobs, Jordan, Nowlan, Hinton 1991.
    Native kernel: oneDNN matmul; reference: `engine.ops.linear`.

    Examples
    --------
    >>> gates = np.float32([[0.25, 0.75]])
    >>> Mixture()(gates, (np.float32([[4, 0]]), np.float32([[0, 4]])))
    array([[1., 3.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Mixture(),
            inputs=((3, 2), (3, 2, 4)),
            output=(3, 4),
            wrong=((3, 2), (3, 3, 4)),
            wrong_axis=1,
        ),
        Case(
            lambda rng: Mixture(),
            inputs=((3, 2), ((3, 4, 2), (3, 4, 2))),
            output=(3, 4, 2),
            wrong=((3, 2), ((3, 4, 2), (3, 5, 2))),
            wrong_axis=1,
        ),
    )

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)

    def call(self, gates: Any, experts: Any) -> Any:
        """Weight the experts and add them up."""
        gates = floating(gates)
        if isinstance(experts, (list, tuple)):
            for x in experts[1:]:
                if x.shape != experts[0].shape:
                    raise ShapeError(mismatch(experts[0].shape, x.shape))
            if not experts:
                raise ShapeError("experts must be at least one; got none.")
            experts = ops.stack(experts, 1)
        experts = floating(experts)
        if len(gates.shape) != 2 or experts.shape[:2] != gates.shape:
            raise ShapeError(
                f"experts axis 1 must be as many as gates (batch, k); got gates of shape "
                f"{gates.shape} and experts of shape {experts.shape}."
            )
        batch, count, *inner = experts.shape
        rows = ops.reshape(experts, (batch, count, int(np.prod(inner))))
        y = ops.matmul(ops.reshape(gates, (batch, 1, count)), rows)
        return ops.reshape(y, (batch, *inner))


def _same_vectors(inputs: Sequence[Any], least: int, most: int | None = None) -> None:
    """Refuse another number of inputs, and what is not (batch, features) of one shape."""
    few = len(inputs) < least or (most is not None and len(inputs) > most)
    if few or any(len(x.shape) != 2 for x in inputs):
        wanted = f"{least}" if most == least else f"{least} or more"
        shapes = " and ".join(str(x.shape) for x in inputs)
        raise ShapeError(f"inputs must be {wanted} of 2 axes (batch, features); got {shapes}.")
    for x in inputs[1:]:
        if x.shape != inputs[0].shape:
            raise ShapeError(mismatch(inputs[0].shape, x.shape))
