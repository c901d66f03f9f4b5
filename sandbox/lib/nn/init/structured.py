"""Rules of weights that have a structure: orthogonal, identity, pyramids, few connections."""

from __future__ import annotations

import math

import numpy as np

from ...core import validate
from ...core.errors import ArgumentError
from .base import Array, Rule, ruled


@ruled
def orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw a matrix whose rows (or columns, whichever are fewer) are orthogonal unit vectors.

    A weight of more axes counts as (out, all others). For recurrent weights.

    Notes
    -----
    Same as Keras `Orthogonal` and PyTorch `orthogonal_`. Source: Saxe et al. 2014.

    Examples
    --------
    >>> w = orthogonal((3, 5), np.random.default_rng(0))
    >>> bool(np.abs(w @ w.T - np.eye(3)).max() < 1e-6)
    True
    """
    rows, columns = shape[0] if shape else 1, math.prod(shape[1:])
    draws = rng.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(draws)
    q *= np.where(np.diag(r) < 0, -1.0, 1.0)  # else some matrices would be drawn more often
    return np.ascontiguousarray((q if rows >= columns else q.T).reshape(shape), np.float32)


def scaled_orthogonal(gain: float) -> Rule:
    """Make a rule that draws as `orthogonal` and multiplies by a number.

    In layers it is written "scaled_orthogonal(1.41)".

    Notes
    -----
    Same as Keras `Orthogonal` and PyTorch `orthogonal_` with a gain.

    Examples
    --------
    >>> w = scaled_orthogonal(2.0)((3, 3), np.random.default_rng(0))
    >>> bool(np.abs(w @ w.T - 4 * np.eye(3)).max() < 1e-5)
    True
    """
    factor = np.float32(validate.finite("gain", gain))

    def drawn(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return orthogonal(shape, rng) * factor

    return drawn


@ruled
def identity(shape: tuple[int, ...], rng: np.random.Generator | None = None) -> Array:
    """Give each output one input: ones on the diagonal of a matrix.

    Raises
    ------
    ArgumentError : the weight is no matrix.

    Notes
    -----
    Same as Keras `Identity` and PyTorch `eye_`. For recurrent weights before a ReLU (Le et al.
    2015).

    Examples
    --------
    >>> identity((2, 3))
    array([[1., 0., 0.],
           [0., 1., 0.]], dtype=float32)
    """
    if len(shape) != 2:
        raise ArgumentError(f"`identity` must be of matrices; got shape {shape}. See `dirac`.")
    return np.eye(*shape, dtype=np.float32)


@ruled
def dirac(shape: tuple[int, ...], rng: np.random.Generator | None = None) -> Array:
    """Give each output channel one input channel: a one in the middle of its window.

    With windows of odd size and padding "same" a convolution hands images on as they are.

    Raises
    ------
    ArgumentError : the weight has no windows.

    Notes
    -----
    Same as PyTorch `dirac_`, without groups.

    Examples
    --------
    >>> dirac((1, 2, 3))
    array([[[0., 1., 0.],
            [0., 0., 0.]]], dtype=float32)
    """
    if len(shape) < 3:
        raise ArgumentError(f"`dirac` must be of weights with windows; got shape {shape}.")
    made = np.zeros(shape, np.float32)
    for channel in range(min(shape[:2])):
        made[(channel, channel, *(size // 2 for size in shape[2:]))] = 1.0
    return made


@ruled
def bilinear(shape: tuple[int, ...], rng: np.random.Generator | None = None) -> Array:
    """Fill the windows with a pyramid: a transposed convolution then enlarges images smoothly.

    With stride s take windows of 2s - s%2, padding s//2 (rounded) and `groups` = channels.

    Raises
    ------
    ArgumentError : the weight has no windows.

    Notes
    -----
    Same as BigDL `BilinearFiller` (0.13).

    Examples
    --------
    >>> bilinear((1, 1, 4, 4))[0, 0, 0]
    array([0.0625, 0.1875, 0.1875, 0.0625], dtype=float32)
    """
    if len(shape) < 3:
        raise ArgumentError(f"`bilinear` must be of weights with windows; got shape {shape}.")
    window = np.ones(())
    for size in shape[2:]:
        factor = (size + 1) // 2
        center = factor - 1 if size % 2 else factor - 0.5
        slope = 1 - np.abs(np.arange(size) - center) / factor
        window = window[..., None] * slope
    return np.broadcast_to(window, shape).astype(np.float32)


def sparse(share: float, deviation: float = 0.01) -> Rule:
    """Make a rule that draws normally and leaves a share of each unit's inputs out.

    round(share · inputs) weights of each output are 0. In layers it is written "sparse(0.9)".

    Parameters
    ----------
    share : float in [0, 1)
        How many weights are 0.
    deviation : float >= 0
        Of those that are not.

    Notes
    -----
    Like PyTorch `sparse_`, which leaves out a share of each input's outputs. Source: Martens 2010.

    Examples
    --------
    >>> [int(n) for n in (sparse(0.75)((3, 8), np.random.default_rng(0)) != 0).sum(1)]
    [2, 2, 2]
    """
    validate.in_range("share", share, 0.0, 1.0, closed="left")
    validate.non_negative("deviation", deviation)

    @ruled
    def drawn(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        units, inputs = shape[0] if shape else 1, math.prod(shape[1:])
        made = rng.normal(0.0, deviation, (units, inputs)).astype(np.float32)
        count = round(share * inputs)
        for unit in made:
            unit[rng.permutation(inputs)[:count]] = 0.0
        return made.reshape(shape)

    return drawn
