"""Files of JSON lines as a data set."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from ...core import validate
from ...core.errors import DataError
from ..named_columns import names_of
from .base import BLOCK_BYTES, Block, BlockFiles
from .lines import block_bytes, cuts
from .places import PathLike
from .texts import exact, refuse_text

__all__ = ["JsonLinesDataset"]


class JsonLinesDataset(BlockFiles):
    r"""Fields of files with one JSON object a line, read block by block.

    Parameters
    ----------
    path : path or URL, or list of them
        Files, folders (all `*.jsonl`, `*.ndjson`, `*.json`, also gzipped), patterns.
    features, label, classes, shape, window, memory, transform, dtype
        See `BlockFiles`. A field holds a number or a list of numbers, of one length in all rows.
    block_bytes : int > 0, default=8 MB
        Of a file that are read in one go.

    Raises
    ------
    DataError : a file is missing, a line is no object, a field is missing or null, lists differ in
        length, a text stands among numbers. Names file, field and row.

    Notes
    -----
    Like Spark's `spark.read.json`: files are read once to count rows and to find types, which all
    rows decide, and once an epoch by the ranks. Lines without anything do not count.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("t.jsonl").write_text('{"pair": [1, 2], "y": 0}\n{"pair": [3, 4.5], "y": 1}\n')
    >>> JsonLinesDataset("t.jsonl", features="pair", label="y").rows(0, [1])
    (array([[3. , 4.5]], dtype=float32), array([1]))
    """

    suffixes = (".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz")
    what = "files of JSON lines"

    def __init__(
        self,
        path: PathLike | Sequence[PathLike],
        *,
        features: Any = None,
        label: Any,
        block_bytes: int = BLOCK_BYTES,
        **options: Any,
    ) -> None:
        self.cut_bytes = validate.positive_int("block_bytes", block_bytes)
        super().__init__(path, features=features, label=label, **options)

    def blocks_of(self, path: str) -> Iterable[Block]:
        """Cut a file at ends of lines, count the rows and look at the types."""
        before = 0
        for start, stop, data in cuts(path, self.cut_bytes, self.what):
            table = self._parse(data, path, before)
            if table.num_rows:
                self.see(path, table.schema)
            yield Block(path, start, stop, table.num_rows, before)
            before += table.num_rows

    def table(self, block: Block) -> Any:
        """Parse the fields of a block."""
        data = block_bytes(block.path, block.start, block.stop, self.what)
        return self._parse(data, block.path, block.first)

    def _parse(self, data: bytes, path: str, before: int) -> Any:
        """Return the fields of some lines; errors name the row."""
        import pyarrow as pa
        from pyarrow import json as arrow_json

        names = None if self.features is None else self.names()
        if not data.strip():
            return pa.table({name: pa.array([], pa.null()) for name in names or ()})
        try:
            table = arrow_json.read_json(
                pa.BufferReader(data), arrow_json.ReadOptions(block_size=len(data) + 1)
            )
        except pa.ArrowException as error:
            raise _named(error, data, path, before) from None
        if names is None:
            return _whole(table, data, path, before)
        empty = pa.nulls(table.num_rows)
        present = [name if name in table.column_names else None for name in names]
        if before == 0:
            self.choose(path, table.schema)
        table = pa.table(
            {
                name: empty if there is None else table.column(name)
                for name, there in zip(names, present, strict=True)
            }
        )
        labels = [] if self.classes is None or self.label is None else names_of(self.label)
        for name in names:
            if name not in labels and not (self.decode and name in names_of(self.features)):
                refuse_text(table.column(name), name, path, before)
        return _whole(table, data, path, before)


def _whole(table: Any, data: bytes, path: str, before: int) -> Any:
    """Return a table whose whole numbers are what is written, even beyond int64."""
    import pyarrow as pa

    def texts(name: str) -> Any:
        rows = [json.loads(line, parse_float=str, parse_int=str) for line in _lines(data)]
        found = [row.get(name) for row in rows]
        return pa.array([None if value is None else str(value) for value in found], pa.string())

    return exact(table, texts, path, before)


def _lines(data: bytes) -> list[bytes]:
    return [line for line in data.splitlines() if line.strip()]


def _named(error: Exception, data: bytes, path: str, before: int) -> DataError:
    """Return an error that tells the first row which is no object, or whose field changes kind."""
    kinds: dict[str, type] = {}
    for row, line in enumerate(_lines(data)):
        try:
            found = json.loads(line)
        except ValueError as reason:
            return DataError(
                f"{path}: lines must be JSON objects; got {_short(line)} in row {before + row} "
                f"({reason})."
            )
        if not isinstance(found, dict):
            return DataError(
                f"{path}: lines must be JSON objects; got {_short(line)} in row {before + row}."
            )
        for name, value in found.items():
            kind = _kind(value)
            known = kinds.setdefault(name, kind) if kind is not type(None) else kind
            if kind is not known:
                return DataError(
                    f"{path}: field {name!r} must be of one kind, {known.__name__} as before; got "
                    f"{_short(json.dumps(value).encode())} in row {before + row}."
                )
    said = str(error).splitlines()[0]
    return DataError(
        f"{path}: must be a file of JSON lines; got {said} after row {before}. Numbers beyond "
        "64 bits are to be texts."
    )


def _kind(value: Any) -> type:
    return float if type(value) in (int, float) else type(value)


def _short(line: bytes) -> str:
    text = line.decode(errors="replace").strip()
    return repr(text if len(text) <= 60 else text[:57] + "...")
