"""Just enough of protocol buffers to write TensorBoard's events: fields to bytes, nothing back."""

from __future__ import annotations

import struct
from collections.abc import Iterable


def varint(number: int) -> bytes:
    """Return a number in base 128, low digits first; negative ones as 64-bit two's complement.

    Examples
    --------
    >>> varint(300).hex()
    'ac02'
    """
    number &= (1 << 64) - 1
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)


def integer(field: int, number: int) -> bytes:
    """Return an int32, int64, bool or enum field."""
    return varint(field << 3) + varint(number)


def double(field: int, number: float) -> bytes:
    """Return a double field."""
    return varint(field << 3 | 1) + struct.pack("<d", number)


def single(field: int, number: float) -> bytes:
    """Return a float field."""
    return varint(field << 3 | 5) + struct.pack("<f", number)


def text(field: int, value: str | bytes) -> bytes:
    """Return a string, bytes or message field (all are a length and bytes)."""
    body = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(body)) + body


def doubles(field: int, numbers: Iterable[float]) -> bytes:
    """Return a packed repeated double field."""
    listed = list(numbers)
    return text(field, struct.pack(f"<{len(listed)}d", *listed))
