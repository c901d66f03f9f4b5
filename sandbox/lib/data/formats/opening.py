"""One call for files of rows, whatever their format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.errors import DataError
from .base import BlockFiles
from .csv_files import CsvDataset
from .json_lines import JsonLinesDataset
from .parquet_files import ParquetBlocks
from .places import PathLike, find, opened
from .sequence_file import SequenceFileDataset
from .tfrecord import TFRecordDataset, is_frame

__all__ = ["open_rows"]

_KINDS: tuple[type[BlockFiles], ...] = (
    ParquetBlocks,
    CsvDataset,
    JsonLinesDataset,
    TFRecordDataset,
    SequenceFileDataset,
)


def open_rows(path: PathLike | Sequence[PathLike], **options: Any) -> BlockFiles:
    r"""Open files of rows, by their names or, where these tell nothing, by their first bytes.

    Parameters
    ----------
    path : path or URL, or list of them
        Files, folders, patterns: Parquet, CSV (`.tsv`: by tabs), JSON lines, TFRecord,
        SequenceFiles; all of one format.
    options
        `features`, `label` and what else the format's data set takes.

    Raises
    ------
    DataError : no such files, or of several formats; then what the data set raises.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("rows.csv").write_text("a,b,y\n1,2,0\n3,4,1\n")
    >>> open_rows("rows.csv", label="y").rows(0, [1])
    (array([[3., 4.]], dtype=float32), array([1]))
    """
    suffixes = tuple(dict.fromkeys(one for kind in _KINDS for one in kind.suffixes))
    names = find(path, suffixes, "files of rows")
    kinds = {name: _kind(name) for name in names}
    first = kinds[names[0]]
    for name, kind in kinds.items():
        if kind is not first:
            raise DataError(
                f"{name}: must be of one format with {names[0]}, {first.what}; got {kind.what}. "
                "Open them by themselves."
            )
    if first is CsvDataset and ".tsv" in names[0].lower():
        options.setdefault("delimiter", "\t")
    return first(names, **options)


def _kind(name: str) -> type[BlockFiles]:
    lower = name.lower()
    for kind in _KINDS:
        if lower.endswith(tuple(one for one in kind.suffixes if one[0] == ".")):
            return kind
    with opened(name, "files of rows") as file:
        head = bytes(file.read(12))
    if head[:4] == b"PAR1":
        return ParquetBlocks
    if head[:3] == b"SEQ":
        return SequenceFileDataset
    if len(head) == 12 and is_frame(head):
        return TFRecordDataset
    return JsonLinesDataset if head.lstrip()[:1] == b"{" else CsvDataset
