"""IDX files, the format of MNIST: reader, writer and data set.

Two zero bytes, a byte for the dtype, a byte for the number of axes, each axis as a big-endian
32-bit number, then the values in row-major order, big-endian. Often gzipped.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import struct
import zlib
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import validate
from ..core.errors import DataError
from ..engine.files import locate, write_atomic
from ..engine.oplist import Spec
from .arrays import checked_pair
from .dataset import DataSpec, Pair, TransformLike
from .file_dataset import FileDataset

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_PIECE = 1 << 20
_CURE = "Fetch the file again."
PathLike = str | os.PathLike[str]


def read_idx(path: PathLike) -> NDArray[Any]:
    """Read an IDX file, gzipped or not (told by its first bytes, not by its name).

    Raises
    ------
    DataError : the file is missing, truncated, too long or not IDX.

    Examples
    --------
    >>> write_idx("three.idx.gz", np.arange(3, dtype="u1"))
    >>> read_idx("three.idx.gz")
    array([0, 1, 2], dtype=uint8)
    """
    with _open(validate.path_like("path", path)) as file:
        shape, dtype = _header(file, path)
        expected = math.prod(shape) * dtype.itemsize
        body = _read(file, expected + 1, path)
    if len(body) != expected:
        got = f"{len(body)} bytes" if len(body) < expected else f"more than {expected} bytes"
        raise DataError(
            f"{path}: values of shape {shape} {dtype.name} must take {expected} bytes; got {got}. "
            f"The file is {'truncated' if len(body) < expected else 'damaged'}. {_CURE}"
        )
    try:
        values = np.frombuffer(body, dtype).reshape(shape)
    except ValueError as error:
        raise DataError(f"{path}: the shape must be possible; got {shape} ({error}).") from None
    return values.astype(dtype.newbyteorder("="), copy=False)


def idx_header(path: PathLike) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and dtype of an IDX file without reading its values."""
    with _open(path) as file:
        return _header(file, path)


def write_idx(path: PathLike, array: ArrayLike) -> None:
    """Write an IDX file in one step (temporary file, then rename), gzipped if named `.gz`.

    Raises
    ------
    DataError : the dtype has no place in the format.
    """
    validate.path_like("path", path)
    values = validate.numbers("array", array)
    code = {np.dtype(d).newbyteorder("="): c for c, d in DTYPES.items()}.get(values.dtype)
    if code is None or not 1 <= values.ndim <= 255:
        names = ", ".join(np.dtype(d).name for d in DTYPES.values())
        raise DataError(
            f"{path}: an IDX file must hold an array of {names}; got {values.dtype} with "
            f"{values.ndim} axes."
        )
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, code, values.ndim, *values.shape)
    body = header + values.astype(DTYPES[code]).tobytes()
    if str(path).endswith(".gz"):
        body = gzip.compress(body, 6, mtime=0)
    write_atomic(locate(path), body)


class IdxDataset(FileDataset):
    """Images and labels in two IDX files that every rank can read.

    Parameters
    ----------
    images_path, labels_path : path
        On a local disk, or a folder that all hosts share.
    transform, dtype
        See `Dataset`.

    Raises
    ------
    DataError : a file is missing or damaged, or the files have different lengths.

    Examples
    --------
    >>> write_idx("images.idx", np.zeros((5, 28, 28), "u1"))
    >>> write_idx("labels.idx", np.arange(5, dtype="u1"))
    >>> IdxDataset("images.idx", "labels.idx")
    IdxDataset(5 rows, x (28, 28) uint8, y () uint8)
    """

    def __init__(
        self,
        images_path: PathLike,
        labels_path: PathLike,
        *,
        transform: TransformLike = None,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(transform=transform, dtype=dtype)
        self.images_path, self.labels_path = (
            str(Path(validate.path_like(name, path)).absolute())
            for name, path in (("images_path", images_path), ("labels_path", labels_path))
        )
        (x_shape, x_dtype), (y_shape, y_dtype) = map(
            idx_header, (self.images_path, self.labels_path)
        )
        if x_shape[0] != y_shape[0]:
            raise DataError(
                f"IdxDataset: images and labels must have the same number of rows; got "
                f"{x_shape[0]} in {self.images_path} and {y_shape[0]} in {self.labels_path}."
            )
        if not x_shape[0]:
            raise DataError(f"{self.images_path}: the data set must have at least one row; got 0.")
        self._size = x_shape[0]
        self._stored = DataSpec(Spec(x_shape[1:], x_dtype.name), Spec(y_shape[1:], y_dtype.name))

    @property
    def partition_sizes(self) -> tuple[int, ...]:
        """One partition with all rows."""
        return (self._size,)

    def stored(self) -> DataSpec:
        """Return shape and dtype of one stored row."""
        return self._stored

    def read(self, partition: int) -> Pair:
        """Read both files."""
        x, y = read_idx(self.images_path), read_idx(self.labels_path)
        return checked_pair(x, y, f"{self.images_path} with {Path(self.labels_path).name}")

    def held(self, partition: int) -> Any:
        """Return the labels: their file is small, and read at once."""
        held = super().held(partition)
        return read_idx(self.labels_path) if held is None else held


def _open(path: PathLike) -> IO[bytes]:
    try:
        file = Path(path).open("rb")  # noqa: SIM115 (closed by the caller)
    except OSError as error:
        raise DataError(
            f"{path}: must be a readable IDX file; got {type(error).__name__} "
            f"({error.strerror}). Check the path."
        ) from None
    try:
        start = file.peek(2)[:2]
    except OSError as error:
        file.close()
        raise DataError(f"{path}: must be a readable IDX file; got {error.strerror}.") from None
    if start == b"\x1f\x8b":
        return cast(IO[bytes], _Closing(file))
    return file


class _Closing(gzip.GzipFile):
    """A gzip reader that closes the file under it."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(fileobj=file, mode="rb")
        self._under = file

    def close(self) -> None:
        super().close()
        self._under.close()


def _header(file: IO[bytes], path: PathLike) -> tuple[tuple[int, ...], np.dtype[Any]]:
    head = _read(file, 4, path)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in DTYPES or not head[3]:
        raise DataError(
            f"{path}: an IDX file must start with the bytes 0, 0, dtype, axes; got "
            f"{list(head) or 'an empty file'}. Is it another format? {_CURE}"
        )
    sizes = _read(file, 4 * head[3], path)
    if len(sizes) < 4 * head[3]:
        raise DataError(
            f"{path}: the header must take {4 + 4 * head[3]} bytes for {head[3]} axes; got "
            f"{4 + len(sizes)}. The file is truncated. {_CURE}"
        )
    if head[3] > 32:
        raise DataError(f"{path}: must have at most 32 axes; got {head[3]}. {_CURE}")
    return struct.unpack(f">{head[3]}I", sizes), np.dtype(DTYPES[head[2]])


def _read(file: IO[bytes], size: int, path: PathLike) -> bytes:
    """Read up to `size` bytes, in pieces, so that a damaged header cannot ask for all memory."""
    pieces = io.BytesIO()
    try:
        while (left := size - pieces.tell()) > 0:
            piece = file.read(min(left, _PIECE))
            if not piece:
                break
            pieces.write(piece)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path}: must be a whole gzip file; got {error} after {pieces.tell()} of {size} "
            f"unpacked bytes. {_CURE}"
        ) from None
    return pieces.getvalue()
