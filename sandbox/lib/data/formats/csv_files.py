"""Files of comma-separated values as a data set."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from ...core import validate
from ...core.errors import DataError
from ..named_columns import names_of
from .base import BLOCK_BYTES, Block, BlockFiles
from .lines import block_bytes, cuts
from .places import PathLike
from .texts import exact, refuse_text

__all__ = ["CsvDataset"]

_EMPTY = ["", "NA", "N/A", "#N/A", "NULL", "null", "None"]


class CsvDataset(BlockFiles):
    r"""Columns of CSV files, read block by block.

    Parameters
    ----------
    path : path or URL, or list of them
        Files, folders (all `*.csv`, `*.tsv`, also gzipped), patterns: `day-*.csv`.
    features, label, classes, window, memory, transform, dtype
        See `BlockFiles`. Without features: all columns of numbers but the label.
    delimiter : str, default=","
        One character.
    header : bool or list of str, default=True
        True: the first line of each file holds the names. False: `c0`, `c1`, ... A list: the names,
        and no line of them in the file.
    quote : str, default='"'
        What fields with delimiters or line ends in them are put in; "" for no such thing.
    block_bytes : int > 0, default=8 MB
        Of a file that are read in one go.

    Raises
    ------
    DataError : a file is missing, a row has more or fewer fields than the header, a place is empty,
        a text stands among numbers. Names file, column and row; rows count from 0 without header.

    Notes
    -----
    Like Spark's `spark.read.csv(header=True, inferSchema=True)`: files are read once to count rows
    and to find types, which all rows decide, and once an epoch by the ranks. Write Parquet where
    that is too slow. Numbers keep their value, also integers beyond 2^63. `NaN` and `inf` are
    floats, places that are empty (or NA, NULL, None) are refused. Compressed files are one block.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("t.csv").write_text("a,b,kind\n1,0.5,good\n2,1.5,bad\n")
    >>> data = CsvDataset("t.csv", label="kind", classes=["bad", "good"])
    >>> data.rows(0, [1, 0])
    (array([[2. , 1.5],
           [1. , 0.5]], dtype=float32), array([0, 1]))
    """

    suffixes = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.bz2", ".csv.zst")
    what = "CSV files"

    def __init__(
        self,
        path: PathLike | Sequence[PathLike],
        *,
        features: Any = None,
        label: Any,
        delimiter: str = ",",
        header: bool | Sequence[str] = True,
        quote: str = '"',
        block_bytes: int = BLOCK_BYTES,
        **options: Any,
    ) -> None:
        self.delimiter = _character("delimiter", delimiter)
        self.quote = "" if isinstance(quote, str) and not quote else _character("quote", quote)
        if isinstance(header, bool):
            self.header: bool | list[str] = header
        else:
            named = validate.several("header", header, "True, False or a list of names")
            self.header = [validate.text("header", name) for name in named]
        self.cut_bytes = validate.positive_int("block_bytes", block_bytes)
        self._titles: dict[str, list[str]] = {}
        super().__init__(path, features=features, label=label, **options)

    def blocks_of(self, path: str) -> Iterable[Block]:
        """Cut a file at ends of lines, count the rows and look at the types."""
        before = 0
        for start, stop, data in cuts(path, self.cut_bytes, self.what, self.quote.encode()):
            if path not in self._titles:
                skipped = self._name(path, data)
                start, data = (start + skipped if stop >= 0 else start), data[skipped:]
            table = self._parse(data, path, before)
            if table.num_rows:
                self.see(path, table.schema)
            yield Block(path, start, stop, table.num_rows, before)
            before += table.num_rows
        if path not in self._titles:
            raise DataError(f"{path}: must be a CSV file; got an empty file.")

    def table(self, block: Block) -> Any:
        """Parse the columns of a block."""
        data = block_bytes(block.path, block.start, block.stop, self.what)
        if block.stop < 0 and self.header is True:
            data = data[self._header_bytes(data) :]
        return self._parse(data, block.path, block.first)

    def _name(self, path: str, data: bytes) -> int:
        """Take note of the columns' names in a file; return the bytes of the line that has them."""
        skipped = self._header_bytes(data) if self.header is True else 0
        line = data[: skipped or self._header_bytes(data)]
        try:
            reader = csv.reader(io.StringIO(line.decode()), **self._dialect())
            fields = [text.strip() for text in next(iter(reader), [])]
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{path}: must be a CSV file of UTF-8 text; got {error}.") from None
        titles = (
            fields if self.header is True else self.header or [f"c{k}" for k in range(len(fields))]
        )
        double = sorted({title for title in titles if titles.count(title) > 1})
        if double:
            raise DataError(
                f"{path}: columns must have different names; got {', '.join(map(repr, double))} "
                "twice. Give the names: header=[...]."
            )
        self._titles[path] = titles
        if self.features is not None:
            self.choose(path, pa_schema(titles))
        return skipped

    def _header_bytes(self, data: bytes) -> int:
        """Return the bytes of the first line."""
        end, quote = data.find(b"\n"), self.quote.encode()
        while quote and end >= 0 and data.count(quote, 0, end) % 2:
            end = data.find(b"\n", end + 1)
        return end + 1 or len(data)

    def _dialect(self) -> dict[str, Any]:
        quoting = csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE
        return {"delimiter": self.delimiter, "quotechar": self.quote or None, "quoting": quoting}

    def _parse(self, data: bytes, path: str, before: int) -> Any:
        """Return the columns of some lines; errors name the row."""
        import pyarrow as pa

        names = None if self.features is None else self.names()
        labels = {} if self.classes is None or self.label is None else names_of(self.label)
        kinds = {name: pa.string() for name in labels}
        table = self._read(data, path, before, names, kinds)

        def texts(name: str) -> Any:
            return self._read(data, path, before, [name], {name: pa.string()}).column(0)

        for name in () if names is None else names:
            if name not in kinds and not self._is_raw(name):
                refuse_text(table.column(name), name, path, before)
        return exact(table, texts, path, before)

    def _is_raw(self, name: str) -> bool:
        """Tell whether a column's texts go to `decode`."""
        return self.decode is not None and name in names_of(self.features)

    def _read(
        self, data: bytes, path: str, before: int, names: list[str] | None, kinds: dict[str, Any]
    ) -> Any:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        titles = self._titles[path]
        quoted = bool(self.quote) and self.quote.encode() in data
        wrong: list[Any] = []

        def note(row: Any) -> str:
            wrong.append(row)
            return "error"

        def read(threads: bool) -> Any:
            return arrow_csv.read_csv(
                pa.BufferReader(data),
                arrow_csv.ReadOptions(column_names=titles, use_threads=threads),
                arrow_csv.ParseOptions(
                    delimiter=self.delimiter,
                    quote_char=self.quote or False,
                    newlines_in_values=quoted,
                    invalid_row_handler=note,
                ),
                arrow_csv.ConvertOptions(
                    column_types=kinds,
                    include_columns=names,
                    null_values=_EMPTY,
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )

        if not data.strip():
            return pa.table({name: pa.array([], pa.null()) for name in names or titles})
        try:
            return read(True)
        except pa.ArrowException:
            wrong.clear()
        try:
            return read(False)
        except pa.ArrowException as error:
            if wrong:
                row = wrong[0]
                number = before + (row.number or 1) - 1
                raise DataError(
                    f"{path}: rows must have {row.expected_columns} fields; got "
                    f"{row.actual_columns} in row {number}: {row.text[:80]!r}. Correct it, or give "
                    "another delimiter or quote."
                ) from None
            raise DataError(
                f"{path}: must be a CSV file of UTF-8 text; got {str(error).splitlines()[0]} after "
                f"row {before}."
            ) from None


def pa_schema(titles: list[str]) -> Any:
    """Return a schema with names only."""
    import pyarrow as pa

    return pa.schema([(title, pa.null()) for title in titles])


def _character(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) != 1 or value in "\r\n" or ord(value) > 127:
        raise validate.refuse(name, "one character", value)
    return value
