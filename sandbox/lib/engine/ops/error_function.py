"""The error function in NumPy, exact to double precision.

Source: W. J. Cody, Rational Chebyshev approximations for the error function, Mathematics of
Computation 23 (1969): three ranges, a quotient of polynomials in each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_SMALL, _MIDDLE, _LARGEST = 0.46875, 4.0, 6.0  # beyond the last one erf is 1 in double precision

# Highest power first.
_SMALL_ABOVE = (
    *(1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2),
    *(3.77485237685302021e2, 3.20937758913846947e3),
)
_SMALL_BELOW = (
    *(1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3),
    2.84423683343917062e3,
)
_MIDDLE_ABOVE = (
    *(2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0),
    *(6.61191906371416295e1, 2.98635138197400131e2, 8.81952221241769090e2),
    *(1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3),
)
_MIDDLE_BELOW = (
    *(1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2),
    *(1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3),
    *(3.43936767414372164e3, 1.23033935480374942e3),
)
_LARGE_ABOVE = (
    *(1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1),
    *(1.25781726111229246e-1, 1.60837851487422766e-2, 6.58749161529837803e-4),
)
_LARGE_BELOW = (
    *(1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1),
    *(6.05183413124413191e-2, 2.33520497626869185e-3),
)


def erf(x: Array) -> Array:
    """Return 2/sqrt(pi) times the integral of e^(-t²) from 0 to x, in float64.

    Examples
    --------
    >>> float(erf(np.array(0.5))) == math.erf(0.5)
    True
    """
    wide = np.asarray(x, np.float64).reshape(-1)
    size = np.abs(wide)
    result = np.where(np.isnan(wide), wide, np.sign(wide))
    places = np.flatnonzero(size <= _SMALL)
    near = wide[places]
    result[places] = near * _quotient(_SMALL_ABOVE, _SMALL_BELOW, near * near)
    places = np.flatnonzero((size > _SMALL) & (size <= _MIDDLE))
    y = size[places]
    rest = np.exp(-y * y) * _quotient(_MIDDLE_ABOVE, _MIDDLE_BELOW, y)
    result[places] = np.copysign(1.0 - rest, wide[places])
    places = np.flatnonzero((size > _MIDDLE) & (size < _LARGEST))
    y = size[places]
    square = 1.0 / (y * y)
    inner = 1.0 / math.sqrt(math.pi) - square * _quotient(_LARGE_ABOVE, _LARGE_BELOW, square)
    result[places] = np.copysign(1.0 - np.exp(-y * y) / y * inner, wide[places])
    return result.reshape(np.shape(x))


def _quotient(above: Sequence[float], below: Sequence[float], x: Array) -> Array:
    return _polynomial(above, x) / _polynomial(below, x)


def _polynomial(coefficients: Sequence[float], x: Array) -> Array:
    """Return the value by Horner's rule, in place: `np.polyval` makes a new array a step."""
    y = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        y *= x
        y += coefficient
    return y
