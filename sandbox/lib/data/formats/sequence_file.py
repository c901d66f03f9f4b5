"""SequenceFiles as data sets: any keys and values, and the ancestor's pictures."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import validate
from ...core.errors import DataError
from .base import BLOCK_BYTES, Block, BlockFiles
from .hadoop import WHAT, Header, Walk, arrow_type, column_of, pairs_of, read_header
from .places import PathLike, opened

__all__ = ["SeqFileFolder", "SequenceFileDataset", "read_sequence_file"]


class SequenceFileDataset(BlockFiles):
    """Keys and values of Hadoop SequenceFiles as columns `key` and `value`, read block by block.

    Parameters
    ----------
    path : path or URL, or list of them
        Files, folders (all `*.seq`, and what Hadoop calls `part-...`), patterns.
    features : str or list of str, default="value"
    label : str or None
        See `BlockFiles`; numbers (IntWritable and its like) are columns of numbers, BytesWritable
        and Text are bytes: for these give `shape`, `decode` or, as label, `classes`.
    classes, shape, bytes_dtype, decode, window, memory, transform, dtype
        See `BlockFiles`.
    block_bytes : int > 0, default=8 MB
        Of a file that are read in one go.

    Raises
    ------
    DataError : a file is missing or damaged (names the byte), its codec or a class is not known.

    Notes
    -----
    Like `SparkContext.sequenceFile`, without Java. Codecs: Default, Deflate, Gzip, BZip2.

    Examples
    --------
    >>> SequenceFileDataset("nowhere.seq", label="key")
    Traceback (most recent call last):
    sandbox.lib.core.errors.DataError: ...nowhere.seq: must be SequenceFiles; got no file. Check \
the path.
    """

    suffixes: tuple[str, ...] = (".seq", ".sequencefile", "part-")
    what = WHAT

    def __init__(
        self,
        path: PathLike | Sequence[PathLike],
        *,
        features: Any = "value",
        label: Any,
        block_bytes: int = BLOCK_BYTES,
        **options: Any,
    ) -> None:
        self.cut_bytes = validate.positive_int("block_bytes", block_bytes)
        super().__init__(path, features=features, label=label, **options)

    def blocks_of(self, path: str) -> Iterable[Block]:
        """Follow the lengths of the records or of the compressed blocks."""
        with opened(path, self.what) as file:
            header, walk = read_header(file, path), Walk(file, path)
            found, begin, rows, before = [], header.stop, 0, 0
            for stop, count in walk.ends(header):
                rows += count
                if stop - begin >= self.cut_bytes or stop >= walk.size:
                    found.append(Block(path, begin, stop, rows, before))
                    begin, before, rows = stop, before + rows, 0
        if any(block.rows for block in found):
            self.see(path, self._schema(header, path))
        return found

    def _schema(self, header: Header, path: str) -> Any:
        import pyarrow as pa

        sides = {"key": header.key, "value": header.value}
        return pa.schema([(side, arrow_type(kind, path)) for side, kind in sides.items()])

    def table(self, block: Block) -> Any:
        """Read the keys and values of a block."""
        import pyarrow as pa

        header, pairs = pairs_of(block)
        keys, values = [key for key, _ in pairs], [value for _, value in pairs]
        columns = {
            "key": column_of(keys, header.key, block),
            "value": column_of(values, header.value, block),
        }
        return pa.table({name: columns[name] for name in self.names()})


class SeqFileFolder(SequenceFileDataset):
    """The ancestor's ImageNet in SequenceFiles: pixels, and a label in the key.

    A key is `label`, or `name`, a line end and `label`; labels count from 1 there, from 0 here. A
    value is width and height, 32 bits each, and the pixels: blue, green, red, row by row.

    Parameters
    ----------
    path : path or URL, or list of them
        Files, folders (all `*.seq`), patterns.
    decode : function of an array (height, width, 3) uint8
        Makes arrays of one size, `vision.Resize((224, 224))`; red comes first.
    labelled : bool, default=True
        False for pictures that are only to be predicted.
    window, memory, transform, dtype
        See `BlockFiles`.

    Raises
    ------
    DataError : a key holds no label > 0, a value is no picture; names the row.

    Notes
    -----
    Same as BigDL `SeqFileFolder`, `SeqFileFolder.files_to_image_frame`; labels there begin at 1.
    """

    def __init__(
        self,
        path: PathLike | Sequence[PathLike],
        *,
        decode: Callable[[NDArray[Any]], Any],
        labelled: bool = True,
        **options: Any,
    ) -> None:
        self.make = validate.function("decode", decode)
        label = "label" if validate.boolean("labelled", labelled) else None
        super().__init__(path, label=label, decode=self._picture, **options)

    def _schema(self, header: Header, path: str) -> Any:
        import pyarrow as pa

        for side in (header.key, header.value):
            if str(arrow_type(side, path)) != "binary":
                raise DataError(f"{path}: keys and values must be Text; got {side}.")
        return pa.schema([("label", pa.int64()), ("value", pa.binary())])

    def table(self, block: Block) -> Any:
        """Read labels and values of a block."""
        import pyarrow as pa

        header, pairs = pairs_of(block)
        values = column_of([value for _, value in pairs], header.value, block)
        keys = column_of([key for key, _ in pairs], header.key, block).to_pylist()
        labels = [_label(key, block, k) for k, key in enumerate(keys)]
        return pa.table({"label": labels, "value": values}).select(self.names())

    def _picture(self, value: bytes) -> Any:
        """Return what `decode` makes of a value's pixels."""
        if len(value) < 8:
            raise DataError(f"a picture must begin with width and height; got {len(value)} bytes.")
        width, height = struct.unpack(">ii", value[:8])
        if min(width, height) < 1 or width * height * 3 != len(value) - 8:
            raise DataError(
                f"a picture of {width} x {height} must have 3 bytes a pixel; got {len(value) - 8}."
            )
        pixels = np.frombuffer(value, np.uint8, offset=8).reshape(height, width, 3)
        return self.make(np.ascontiguousarray(pixels[..., ::-1]))


def read_sequence_file(path: PathLike) -> Iterator[tuple[Any, Any]]:
    """Give the keys and values of a SequenceFile: numbers, or bytes.

    Raises
    ------
    DataError : the file is missing or damaged; names the byte.
    """
    name = os.fspath(validate.path_like("path", path))
    with opened(name, WHAT) as file:
        header, walk = read_header(file, name), Walk(file, name)
        blocks = [(stop, count) for stop, count in walk.ends(header)]
    start = header.stop
    for stop, count in blocks:
        block = Block(name, start, stop, count)
        _, pairs = pairs_of(block)
        columns = [
            column_of([pair[side] for pair in pairs], kind, block).to_pylist()
            for side, kind in enumerate((header.key, header.value))
        ]
        yield from zip(*columns, strict=True)
        start = stop


def _label(key: bytes, block: Block, row: int) -> int:
    text = key.decode(errors="replace").split("\n")[-1].strip()
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if number < 1 or number != int(number):
        raise DataError(
            f"{block.path}: keys must end with a label from 1 on; got {text[:40]!r} in row "
            f"{block.first + row}."
        )
    return int(number) - 1
