"""CRC-32C (Castagnoli), the checksum of TensorBoard's and TensorFlow's record files."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78
_LANE = 256  # bytes that are gone through one pair after the other, in many lanes at once
_TOGETHER = 4 << 20  # bytes of lanes at once: they stay in a cache


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """Return the checksum of some bytes (RFC 3720, B.4).

    Examples
    --------
    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    if len(data) > 2 * _LANE:
        return int(crc32c_of([data])[0])
    crc, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def masked_crc32c(data: bytes) -> int:
    """Return the checksum turned and shifted, as record files store it."""
    return int(masked(np.array([crc32c(data)], np.uint32))[0])


def masked(crcs: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return checksums turned and shifted."""
    turned = (crcs >> np.uint32(15)) | (crcs << np.uint32(17))
    return turned + np.uint32(0xA282EAD8)


def crc32c_of(rows: Sequence[bytes | memoryview]) -> NDArray[np.uint32]:
    """Return the checksums of many rows of bytes: some hundred times as fast as one by one.

    A checksum is linear over GF(2): that of two pieces is the first one's, moved on by the length
    of the second, plus the second one's. So rows are cut into lanes of equal length, all lanes are
    gone through at once, and their checksums are joined in pairs (the idea of zlib's
    `crc32_combine`). Zeros in front change nothing, if the start value stands in the row itself.

    Examples
    --------
    >>> crc32c_of([b"123456789", b"", b"a" * 5000]).tolist() == [
    ...     crc32c(b"123456789"), crc32c(b""), crc32c(b"a" * 5000)]
    True
    """
    found = np.zeros(len(rows), np.uint32)
    sizes = np.array([len(row) for row in rows], np.int64)
    for row in np.flatnonzero(sizes < 4).tolist():  # the start value takes four bytes
        found[row] = crc32c(bytes(rows[row]))
    levels = np.array([max(0, int(n - 1)).bit_length() for n in -(-sizes // _LANE)], np.int64)
    short = (sizes >= 4) & (sizes <= _LANE)
    widths = np.where(short, -(-sizes // 32) * 32, _LANE)  # short rows need no whole lane
    for width, level in sorted({*zip(widths.tolist(), levels.tolist(), strict=True)}):
        chosen = np.flatnonzero((sizes >= 4) & (widths == width) & (levels == level))
        at_once = max(1, _TOGETHER // (width << level))
        for start in range(0, len(chosen), at_once):
            some = chosen[start : start + at_once]
            found[some] = _alike([rows[k] for k in some.tolist()], width, level)
    return found


def _alike(rows: list[bytes | memoryview], width: int, level: int) -> NDArray[np.uint32]:
    """Return the checksums of rows of up to `width` times 2 to the power of `level` bytes."""
    whole = width << level
    room = np.zeros((len(rows), whole), np.uint8)
    for k, row in enumerate(rows):
        begin = whole - len(row)
        room[k, begin:] = np.frombuffer(row, np.uint8)
        room[k, begin : begin + 4] ^= 0xFF
    crcs = _lanes(room.reshape(-1, width)).reshape(len(rows), -1)
    for step in range(level):
        crcs = _moved(crcs[:, 0::2], width << step) ^ crcs[:, 1::2]
    return crcs[:, 0] ^ np.uint32(0xFFFFFFFF)


def _lanes(room: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return the checksums of rows of equal length, from a start value of 0."""
    pairs = np.ascontiguousarray(room.view("<u2").T).astype(np.uint32)
    crcs = np.zeros(len(room), np.uint32)
    table = _pair_table()
    for column in pairs:
        np.bitwise_xor(crcs, column, out=column)
        np.bitwise_and(column, 0xFFFF, out=column)
        np.right_shift(crcs, 16, out=crcs)
        np.bitwise_xor(crcs, table[column], out=crcs)
    return crcs


@functools.cache
def _pair_table() -> NDArray[np.uint32]:
    """Return what two bytes make of a checksum."""
    table = np.array(_TABLE, np.uint32)
    pairs = np.arange(1 << 16, dtype=np.uint32)
    once = table[pairs & 0xFF] ^ (pairs >> 8)
    twice: NDArray[np.uint32] = table[once & 0xFF] ^ (once >> 8)
    return twice


def _moved(crcs: NDArray[np.uint32], zeros: int) -> NDArray[np.uint32]:
    """Return what so many zero bytes make of checksums."""
    tables = _zeros(zeros)
    moved: NDArray[np.uint32] = tables[0][crcs & 0xFFFF] ^ tables[1][crcs >> 16]
    return moved


@functools.lru_cache(maxsize=64)
def _zeros(count: int) -> NDArray[np.uint32]:
    """Return what `count` zero bytes, a power of two times 32, make of both halves of checksums."""
    pairs = np.arange(1 << 16, dtype=np.uint32)
    if count == 2:
        return np.stack([_pair_table()[pairs], pairs])
    half = _zeros(count // 2)

    def again(crcs: NDArray[np.uint32]) -> NDArray[np.uint32]:
        moved: NDArray[np.uint32] = half[0][crcs & 0xFFFF] ^ half[1][crcs >> 16]
        return moved

    return np.stack([again(half[0]), again(half[1])])
