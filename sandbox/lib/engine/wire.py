"""Just enough of protocol buffers: fields to bytes, and back without trust in what they say."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_SHORT = 24  # bytes of varints that are taken one by one


class WireError(ValueError):
    """Bytes are no protocol buffer; the text says where."""


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


def singles(field: int, numbers: Iterable[float]) -> bytes:
    """Return a packed repeated float field."""
    return text(field, np.asarray(list(numbers), "<f4").tobytes())


def integers(field: int, numbers: Iterable[int]) -> bytes:
    """Return a packed repeated int64 field."""
    return text(field, b"".join(map(varint, numbers)))


def fields(
    data: bytes, start: int = 0, stop: int | None = None
) -> Iterator[tuple[int, int, int, int]]:
    r"""Give the fields of a message: (number, wire type, begin, end) of each value in `data`.

    Nothing is copied, and nothing is believed: a value ends within its message.

    Raises
    ------
    WireError : a field reaches beyond the message, or its type is none of the four that are used.

    Examples
    --------
    >>> message = text(1, "ab") + integer(2, 300)
    >>> [(n, kind, message[a:b]) for n, kind, a, b in fields(message)]
    [(1, 2, b'ab'), (2, 0, b'\xac\x02')]
    """
    at, end = start, len(data) if stop is None else stop
    while at < end:
        key, at = read_varint(data, at, end)
        kind = key & 7
        if kind == BYTES:
            size, at = read_varint(data, at, end)
        elif kind == FIXED32:
            size = 4
        elif kind == FIXED64:
            size = 8
        elif kind == VARINT:
            size = read_varint(data, at, end)[1] - at
        else:
            raise WireError(f"wire type {kind} at byte {at}")
        if size > end - at:
            raise WireError(f"a field of {size} bytes at byte {at}, of which {end - at} are left")
        yield key >> 3, kind, at, at + size
        at += size


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return a number, and where it ends.

    Raises
    ------
    WireError : it does not end, or has more than 64 bits.
    """
    number = shift = 0
    while at < end:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & ((1 << 64) - 1), at
        shift += 7
        if shift > 63:
            break
    raise WireError(f"a number that does not end at byte {at}")


def read_integers(data: bytes, start: int, stop: int) -> NDArray[np.int64]:
    """Return packed int64 numbers.

    Raises
    ------
    WireError : the last one does not end, or one has more than ten bytes.

    Examples
    --------
    >>> body = b"".join(map(varint, [1, -1, 300]))
    >>> read_integers(body, 0, len(body)).tolist()
    [1, -1, 300]
    """
    if stop - start <= _SHORT:
        found = []
        while start < stop:
            number, start = read_varint(data, start, stop)
            found.append(number)
        return np.array(found, np.uint64).view(np.int64)
    digits = np.frombuffer(data, np.uint8, stop - start, start)
    ends = np.flatnonzero(digits < 0x80)
    if not ends.size or ends[-1] != len(digits) - 1:
        raise WireError(f"a number that does not end at byte {stop}")
    begins = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - begins + 1
    if lengths.max() > 10:
        raise WireError(
            f"a number that does not end at byte {start + int(begins[lengths.argmax()])}"
        )
    numbers = np.zeros(len(ends), np.uint64)
    for k in range(int(lengths.max())):
        there = lengths > k
        digit = (digits[begins[there] + k] & 0x7F).astype(np.uint64)
        numbers[there] |= digit << np.uint64(7 * k)
    return numbers.view(np.int64)
