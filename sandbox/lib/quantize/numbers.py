"""Numbers: real ones as bytes, and the factors between them, such that all arithmetic is exact.

A byte q stands for `scale · (q - zero)`. What a layer adds up is whole, and is multiplied by
`m = M / 2^t` with a short whole number M. If no sum times M, with offset and residual in the same
units, reaches 2^24, then float32 holds every step exactly and no kernel can round differently.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WEIGHT = 127  # weights are -127..127
FACTOR_BITS = 8  # of M, fewer where sums are large
SHARE_BITS = 11  # of the residual's factor
EXACT = 2.0**24  # whole numbers up to here are float32 numbers


@dataclass(frozen=True)
class Bytes:
    """What bytes stand for: `scale · (q - zero)`, q in 0..top."""

    scale: float
    zero: int
    top: int

    @classmethod
    def over(cls, low: float, high: float, top: int) -> Bytes:
        """Return bytes that stand for a range; without negative numbers 0 stands for zero.

        Examples
        --------
        >>> Bytes.over(0.0, 63.5, 127).scale, Bytes.over(-1.0, 1.0, 127).zero
        (0.5, 64)
        """
        if low >= 0:
            zero, scale = 0, high / top
        else:
            zero = (top + 1) // 2
            scale = max(-low / zero, high / (top - zero))
        return cls(scale or 1.0, zero, top)

    def of(self, x: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Return the bytes nearest to numbers."""
        q: NDArray[np.uint8] = np.clip(np.rint(x / self.scale) + self.zero, 0, self.top).astype(
            np.uint8
        )
        return q

    def real(self, q: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return what bytes stand for."""
        return (q.astype(np.float64) - self.zero) * self.scale

    def limits(self) -> tuple[float, float]:
        """Return the range, as float32 numbers."""
        ends = -self.zero * self.scale, (self.top - self.zero) * self.scale
        return float(np.float32(ends[0])), float(np.float32(ends[1]))


REAL = Bytes(1.0, 0, 0)
"""Stands for numbers that are left as they are."""


@dataclass(frozen=True)
class Product:
    """A layer in whole numbers: `clip(factors · sum + offsets + share · residual)`."""

    weight: NDArray[np.int8]
    factors: NDArray[np.float32]
    offsets: NDArray[np.float32]
    share: float


def shortened(x: float, bits: int) -> float:
    """Return a positive number rounded to so many significant bits.

    Examples
    --------
    >>> shortened(0.3, 3), shortened(0.3, 11)
    (0.3125, 0.300048828125)
    """
    mantissa, exponent = math.frexp(x)
    return math.ldexp(round(mantissa * 2**bits), exponent - bits)


def product(
    weight: Array, bias: Array, x: Bytes, y: Bytes, residual: Bytes | None = None
) -> Product:
    """Return a layer in whole numbers.

    Parameters
    ----------
    weight : array (out, ...)
        Each row gets a scale of its own.
    bias : array (out,)
    x, y : Bytes
        What it reads and writes; `REAL` where it writes real numbers.
    residual : Bytes, optional
        Of what is added.

    Examples
    --------
    >>> made = product(np.array([[1.0, -0.5]]), np.zeros(1), Bytes(0.1, 0, 127), REAL)
    >>> made.weight.tolist(), (made.weight * made.factors[:, None] / 0.1).round(2).tolist()
    ([[127, -63]], [[1.0, -0.5]])
    """
    rows = weight.reshape(len(weight), -1)
    share = shortened(residual.scale / y.scale, SHARE_BITS) if residual else 0.0
    added = share * (255 if residual else 0)
    least = SHARE_BITS - math.frexp(share)[1] if residual else 0
    whole = np.zeros(rows.shape, np.int8)
    factors, offsets = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32)
    for o, row in enumerate(rows):
        constant = bias[o] / y.scale + y.zero - share * (residual.zero if residual else 0)
        whole[o], factors[o], offsets[o] = _row(row, x, y.scale, constant, added, least)
    return Product(whole.reshape(weight.shape), factors, offsets, share)


def _row(
    row: Array, x: Bytes, scale: float, constant: float, added: float, least: int
) -> tuple[Array, float, float]:
    """Return one row's whole weights, factor and offset.

    The factor is at least what makes the largest weight 127, so nothing is clipped; it is as many
    bits long as its sums leave room for.
    """
    largest = float(np.abs(row).max(initial=0.0))
    ideal = x.scale * largest / WEIGHT / scale
    if ideal < 2.0**-100:  # nothing to multiply
        return np.zeros_like(row), 1.0, _on_grid(constant, max(least, FACTOR_BITS))
    mantissa, exponent = math.frexp(ideal)
    bits = FACTOR_BITS
    while True:
        # Below one bit: a larger power of two, with smaller weights.
        short = math.ceil(mantissa * 2**bits - 1e-9) if bits > 0 else 1
        places = max(bits, 0) - exponent + min(bits, 0)
        while short % 2 == 0:
            short, places = short // 2, places - 1
        factor = math.ldexp(short, -places)
        whole = np.clip(np.rint(row * x.scale / (scale * factor)), -WEIGHT, WEIGHT)
        grid = max(places, least)
        offset = _on_grid(constant - factor * x.zero * whole.sum(), grid)
        # Whatever the order, a sum lies between those of all positive and all negative weights.
        most = max(whole[whole > 0].sum(), -whole[whole < 0].sum())
        largest = factor * x.top * most + abs(offset) + added
        if largest * 2.0**grid < EXACT or bits < -FACTOR_BITS:
            return whole, factor, offset
        bits -= 1


def _on_grid(x: float, places: int) -> float:
    """Return a number rounded to so many binary places."""
    return math.ldexp(round(math.ldexp(x, places)), -places)
