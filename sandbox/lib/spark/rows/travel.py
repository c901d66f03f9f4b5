"""Objects on their way into Spark's closure: packed here, with large arrays left beside it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.errors import ArgumentError

__all__ = ["pack", "unpack"]

_SMALL = 1 << 16  # bytes of an array that stays where it is


def pack(
    value: Any,
    aside: Callable[[memoryview], object] | None = None,
    *,
    what: str = "the training job",
) -> bytes:
    """Return an object as Spark's closure carries it.

    Packed here, as Spark would: Spark prints a traceback of its own where something cannot travel.

    Parameters
    ----------
    value : object
        Functions and classes of a notebook too.
    aside : callable(memory), optional
        Gets the bytes of each large array, which are then not in the result.
    what : str
        How errors call it.

    Raises
    ------
    ArgumentError : something in it cannot travel.

    Examples
    --------
    >>> beside = []
    >>> packed = pack({"x": np.zeros(100_000)}, beside.append)
    >>> len(packed) < 1000, beside[0].nbytes, unpack(packed, beside)["x"].sum()
    (True, 800000, np.float64(0.0))
    """
    from pyspark import cloudpickle

    class Pickler(cloudpickle.CloudPickler):
        def reducer_override(self, given: Any) -> Any:
            # What is mapped or cut from a larger array would go in whole.
            if isinstance(given, np.memmap) or (type(given) is np.ndarray and not given.flags.forc):
                return np.ascontiguousarray(given.view(np.ndarray)).__reduce_ex__(5)
            return super().reducer_override(given)  # type: ignore[no-untyped-call]

    def put_aside(buffer: Any) -> bool:
        memory = buffer.raw()
        if aside is None or memory.nbytes < _SMALL:
            return True  # it stays
        aside(memory)
        return False

    file = io.BytesIO()
    try:
        pickler: Any = Pickler(file, protocol=5, buffer_callback=put_aside)  # type: ignore[no-untyped-call]
        pickler.dump(value)
    except Exception as error:
        raise ArgumentError(
            f"{what} cannot travel to the workers: {_first_line(error)}. Models, "
            "criterions, metrics and transforms must not hold open files, locks or Spark objects: "
            "take what you need of them out before, as plain numbers or arrays."
        ) from None
    return file.getvalue()


def unpack(packed: bytes, beside: list[Any] | None = None) -> Any:
    """Return the object; its large arrays read the memory that is given, in the order of `pack`."""
    from pyspark import cloudpickle

    return cloudpickle.loads(packed, buffers=beside)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
