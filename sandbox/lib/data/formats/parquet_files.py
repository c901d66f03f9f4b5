"""Parquet files as a data set that is read row group by row group, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...core.errors import DataError
from .base import Block, BlockFiles
from .places import located, opened

__all__ = ["ParquetBlocks"]


class ParquetBlocks(BlockFiles):
    """Columns of Parquet files, read row group by row group.

    `ParquetDataset` keeps all that it has read and makes tables of numbers; this one keeps what
    fits into `memory`, and takes bytes, pictures and lists of lists as well.

    Parameters
    ----------
    path : path or URL, or list of them
        Files, folders (all `*.parquet`), patterns: `day-*.parquet`.
    features, label, classes, shape, bytes_dtype, decode, window, memory, transform, dtype
        See `BlockFiles`. A column holds numbers, bytes, or lists (of lists) of numbers of one
        length; `column.field` is a field of a struct: `image.data`.

    Raises
    ------
    DataError : a file is missing or damaged; a column is missing (those present are listed), has
        empty places, or is neither numbers nor bytes nor lists of one length.

    Notes
    -----
    Like BigDL `ImageFrame.read_parquet` where `decode` makes pictures of bytes (`data.vision`).

    A row group is read in one go: write them in 8 to 64 MB (`row_group_size=` of pyarrow,
    `parquet.block.size` of Spark), so that a window of them fits into memory.

    Examples
    --------
    >>> import pyarrow as pa, pyarrow.parquet as pq
    >>> rows = {"pixels": [b"abcd", b"efgh"], "class": [0, 1]}
    >>> pq.write_table(pa.table(rows), "pixels.parquet")
    >>> data = ParquetBlocks("pixels.parquet", features="pixels", label="class", shape=(2, 2))
    >>> data.rows(0, [1])[0].tolist()
    [[[101.0, 102.0], [103.0, 104.0]]]
    """

    suffixes = (".parquet",)
    what = "Parquet files"

    def blocks_of(self, path: str) -> Iterable[Block]:
        """Count the rows of the groups by the file's footer."""
        with _reader(path) as file:
            meta = file.metadata
            groups = [meta.row_group(g) for g in range(meta.num_row_groups)]
            sizes = [group.num_rows for group in groups]
            if sum(sizes):
                self.see(path, _flat(file.schema_arrow))
        before = 0
        for number, rows in enumerate(sizes):
            yield Block(path, number, number + 1, rows, before)
            before += rows

    def table(self, block: Block) -> Any:
        """Read the columns of a row group."""
        names = self.names()
        with _reader(block.path) as file:
            if block.start >= file.num_row_groups:
                raise DataError(
                    f"{block.path}: must have row group {block.start}, as when it was opened; got "
                    f"{file.num_row_groups} of them. Open the data set anew."
                )
            table = file.read_row_group(block.start, columns=names)
        while any(_is_struct(field.type) for field in table.schema):
            table = table.flatten()
        return table

    def block_bytes(self, block: Block) -> int:
        """Return about how many bytes a block takes in memory; of varying bytes, in the file."""
        if self.decode is None:
            return super().block_bytes(block)
        with _reader(block.path) as file:
            return int(file.metadata.row_group(block.start).total_byte_size)


def _is_struct(kind: Any) -> bool:
    import pyarrow.types as kinds

    return bool(kinds.is_struct(kind))


def _flat(schema: Any) -> Any:
    """Return a schema in which fields of structs stand by themselves: `image.data`."""
    import pyarrow as pa

    def fields(field: Any, name: str) -> Iterator[Any]:
        if not _is_struct(field.type):
            yield field.with_name(name)
            return
        for inner in field.type:
            yield from fields(inner, f"{name}.{inner.name}")

    return pa.schema([flat for field in schema for flat in fields(field, field.name)])


@contextmanager
def _reader(path: str) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    place = located(path)
    try:
        if isinstance(place, Path):
            with pq.ParquetFile(place) as file:
                yield file
        else:
            with opened(path, ParquetBlocks.what) as stream, pq.ParquetFile(stream) as file:
                yield file
    except FileNotFoundError:
        raise DataError(f"{path}: must be a Parquet file; got no file. Check the path.") from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise DataError(
            f"{path}: must be a whole Parquet file; got bytes that cannot be read ({reason}). "
            "Fetch or write the file again."
        ) from None
