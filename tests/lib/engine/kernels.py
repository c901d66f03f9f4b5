"""What tests of the reference kernels share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sandbox.lib.engine.ops import OPERATIONS

PLAIN = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}


def numpy_kernel(name: str) -> Callable[..., Any]:
    return OPERATIONS[name].reference


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)
