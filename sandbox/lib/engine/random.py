"""The random-number contract of dropout and noise.

The numbers follow seed, module path, step and sample position: a row of a mask or of noise belongs
to the *global* position of its sample in the global batch, so that masks do not depend on how many
ranks or threads share the batch. Source of the bits: NumPy's Philox.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DRAWS_PER_COUNTER = 8  # one Philox counter yields four 64-bit words = eight 32-bit draws


@dataclass(frozen=True)
class RandomKey:
    """What a mask depends on besides the module's path.

    Parameters
    ----------
    seed : int
        Seed of the run.
    step : int
        Training step (0-based).
    sample_index : int
        Position of this batch's first row in the global batch.
    """

    seed: int
    step: int = 0
    sample_index: int = 0


def philox_key(seed: int, path: str, step: int) -> int:
    """Return the 128-bit Philox key of (seed, module path, step)."""
    text = f"{int(seed)}\0{path}\0{int(step)}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "little")


def raw_draws(shape: tuple[int, ...], path: str, key: RandomKey) -> NDArray[np.uint32]:
    """Return uniform 32-bit draws, one per element; row i is that of sample `sample_index + i`."""
    rows = shape[0] if shape else 1
    elements = 1
    for size in shape[1:]:
        elements *= size
    counters = -(-elements // _DRAWS_PER_COUNTER)
    if rows * counters == 0:
        return np.zeros(shape, np.uint32)
    generator = np.random.Philox(
        key=philox_key(key.seed, path, key.step), counter=int(key.sample_index) * counters
    )
    words = generator.random_raw(rows * counters * 4).astype("<u8", copy=False)
    draws = words.view(np.uint32).reshape(rows, counters * _DRAWS_PER_COUNTER)
    result: NDArray[np.uint32] = draws[:, :elements].reshape(shape)
    return result


def dropout_mask(
    shape: tuple[int, ...], p: float, path: str, key: RandomKey, dtype: Any = np.float32
) -> NDArray[Any]:
    """Return a mask of 0 and 1/(1-p): an element is dropped with probability p.

    Parameters
    ----------
    shape : tuple of int
        Axis 0 counts samples.
    p : float in [0, 1]
        Probability to drop an element.
    path : str
        Path of the dropout module, so that two modules draw different masks.
    key : RandomKey
        Seed, step and the first row's global sample position.

    Examples
    --------
    >>> whole = dropout_mask((4, 5), 0.5, "drop", RandomKey(seed=1))
    >>> half = dropout_mask((2, 5), 0.5, "drop", RandomKey(seed=1, sample_index=2))
    >>> bool((whole[2:] == half).all())
    True
    """
    if p <= 0.0:
        return np.ones(shape, dtype)
    if p >= 1.0:
        return np.zeros(shape, dtype)
    keep = raw_draws(shape, path, key) >= np.uint32(min(round(p * 2.0**32), 2**32 - 1))
    mask: NDArray[Any] = np.multiply(keep, np.asarray(1.0 / (1.0 - p), dtype), dtype=dtype)
    return mask


def uniform(
    shape: tuple[int, ...], path: str, key: RandomKey, dtype: Any = np.float32
) -> NDArray[Any]:
    """Return numbers from [0, 1), multiples of 2^-24; arguments as for `dropout_mask`.

    Examples
    --------
    >>> whole = uniform((4, 5), "noise", RandomKey(seed=1))
    >>> bool((whole[2:] == uniform((2, 5), "noise", RandomKey(1, sample_index=2))).all())
    True
    """
    numbers = (raw_draws(shape, path, key) >> np.uint32(8)).astype(dtype)
    numbers *= np.asarray(2.0**-24, dtype)
    return numbers


def normal(
    shape: tuple[int, ...], path: str, key: RandomKey, dtype: Any = np.float32
) -> NDArray[Any]:
    """Return numbers of mean 0 and variance 1, within 5.8; arguments as for `dropout_mask`.

    Two of them are made of two draws (Box, Muller 1958), so that a row's numbers depend on its
    position alone.

    Examples
    --------
    >>> whole = normal((4, 5), "noise", RandomKey(seed=1))
    >>> bool((whole[2:] == normal((2, 5), "noise", RandomKey(1, sample_index=2))).all())
    True
    """
    rows = shape[0] if shape else 1
    elements = math.prod(shape[1:])
    half = -(-elements // 2)
    made = np.empty((rows, 2, half), dtype)
    draws = uniform((rows, 2, half), path, key, dtype)
    one = np.asarray(1.0, dtype)
    radius = np.sqrt(np.log(one - draws[:, 0]) * np.asarray(-2.0, dtype))  # of (0, 1]: finite
    angle = draws[:, 1] * np.asarray(2.0 * math.pi, dtype)
    np.multiply(radius, np.cos(angle), out=made[:, 0])
    np.multiply(radius, np.sin(angle), out=made[:, 1])
    return made.reshape(rows, 2 * half)[:, :elements].reshape(shape)
