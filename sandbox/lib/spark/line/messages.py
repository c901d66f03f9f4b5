"""Events as bytes: JSON, with arrays and packed states as raw blobs behind it. No pickle."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from ..errors import ExchangeError

__all__ = ["decode", "encode"]

_HEAD = struct.Struct("<II")


def encode(value: Any) -> bytes:
    """Pack plain data (dicts, lists, numbers, texts, bytes, numeric arrays) into bytes.

    Examples
    --------
    >>> decode(encode({"step": 3, "values": {"w": np.ones(2)}}))
    {'step': 3, 'values': {'w': array([1., 1.])}}
    """
    blobs: list[bytes] = []

    def default(item: Any) -> Any:
        if isinstance(item, np.ndarray):
            if item.dtype.kind not in "fiub":
                raise ExchangeError(f"an event's array must be numeric; got dtype {item.dtype}.")
            blobs.append(np.ascontiguousarray(item).tobytes())
            return {"__array__": [len(blobs) - 1, item.dtype.str, list(item.shape)]}
        if isinstance(item, bytes | bytearray | memoryview):
            blobs.append(bytes(item))
            return {"__bytes__": len(blobs) - 1}
        if isinstance(item, np.generic):
            return item.item()
        raise ExchangeError(f"an event must hold plain data; got {type(item).__name__}.")

    text = json.dumps(value, default=default).encode()
    lengths = struct.pack(f"<{len(blobs)}Q", *map(len, blobs))
    return b"".join([_HEAD.pack(len(text), len(blobs)), lengths, text, *blobs])


def decode(data: bytes | bytearray) -> Any:
    """Unpack what `encode` made.

    Raises
    ------
    ExchangeError : the bytes are something else.
    """
    try:
        size, count = _HEAD.unpack_from(data)
        lengths = struct.unpack_from(f"<{count}Q", data, _HEAD.size)
        at = _HEAD.size + 8 * count
        text = bytes(data[at : at + size])
        at += size
        if at + sum(lengths) != len(data):
            raise ValueError("lengths do not add up")
        view = memoryview(data)
        blobs = []
        for length in lengths:
            blobs.append(view[at : at + length])
            at += length

        def restore(item: dict[str, Any]) -> Any:
            if len(item) == 1:
                if "__array__" in item:
                    number, dtype, shape = item["__array__"]
                    if np.dtype(dtype).kind not in "fiub":
                        raise ValueError("not a numeric dtype")
                    return np.frombuffer(blobs[number], dtype).reshape(shape).copy()
                if "__bytes__" in item:
                    return bytes(blobs[item["__bytes__"]])
            return item

        return json.loads(text, object_hook=restore)
    except (ValueError, TypeError, IndexError, struct.error) as error:
        raise ExchangeError(f"an event could not be read: {error}.") from None
