"""Whole files, and lines of text, as rows that a function makes arrays of."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePath
from typing import Any

from ...core import validate
from .base import BLOCK_BYTES, Block, BlockFiles
from .lines import block_bytes, cuts
from .places import PathLike, opened

__all__ = ["BinaryFiles", "TextLinesDataset"]


class BinaryFiles(BlockFiles):
    """Files of any kind, one a row: `decode` makes an array of the bytes.

    Parameters
    ----------
    path : path or URL, or list of them
        Files, folders, patterns.
    decode : function of bytes
        Makes arrays of one shape.
    suffixes : list of str, default=("",)
        Which files of a folder are taken: `[".txt"]`.
    label : "folder" or None
        "folder": y is the place of the name of the folder that a file is in among `classes`.
    classes : list of str, optional
        By default the names of all folders, sorted.
    block_files : int > 0, default=256
        Files that are read in one go.
    window, memory, transform, dtype
        See `BlockFiles`.

    Attributes
    ----------
    files : list of str
        Of each row. Blocks take every n-th file, so that each has files of all folders.

    Notes
    -----
    Like Spark's `binaryFile` source and `SparkContext.wholeTextFiles`. Pictures of several sizes
    that change at random: `vision.ImageFolder`.

    Examples
    --------
    >>> from pathlib import Path
    >>> for name in ("good", "bad"):
    ...     Path(f"texts/{name}").mkdir(parents=True, exist_ok=True)
    ...     _ = Path(f"texts/{name}/1.txt").write_text(name)
    >>> data = BinaryFiles("texts", decode=lambda text: [len(text)], label="folder")
    >>> data.classes, data.rows(0, [0, 1])
    (['bad', 'good'], (array([[3.],
           [4.]], dtype=float32), array([0, 1])))
    """

    what = "files"

    def __init__(
        self,
        path: PathLike | Sequence[PathLike],
        *,
        decode: Callable[[bytes], Any],
        suffixes: Sequence[str] = ("",),
        label: str | None = None,
        block_files: int = 256,
        **options: Any,
    ) -> None:
        given = validate.several("suffixes", suffixes, "a list of endings of names")
        for one in given:
            validate.instance("suffixes", one, str)
        self.suffixes = tuple(one.lower() for one in given)
        if label is not None:
            validate.one_of("label", label, ("folder",), "Labels of files are their folders.")
        self.block_files = validate.positive_int("block_files", block_files)
        self.files: list[str] = []
        validate.function("decode", decode)
        super().__init__(path, features="content", label=label, decode=decode, **options)

    def cut(self, paths: list[str]) -> list[Block]:
        """Deal the files to blocks."""
        import pyarrow as pa

        if self.label is not None and self.classes is None:
            self.classes = sorted({_folder(path) for path in paths})
        kinds = [("content", pa.binary()), ("folder", pa.string())]
        self.see(paths[0], pa.schema(kinds))
        count = -(-len(paths) // self.block_files)
        blocks = []
        for number in range(count):
            first = len(self.files)
            self.files += paths[number::count]
            rows = len(self.files) - first
            blocks.append(Block(os.path.dirname(paths[0]), first, first + rows, rows, first))
        return blocks

    def blocks_of(self, path: str) -> Iterable[Block]:
        """Return nothing: blocks hold several files."""
        return ()

    def table(self, block: Block) -> Any:
        """Read the files of a block."""
        import pyarrow as pa

        content = []
        for path in self.files[block.start : block.stop]:
            with opened(path, self.what) as file:
                content.append(bytes(file.read()))
        folders = [_folder(path) for path in self.files[block.start : block.stop]]
        columns = {"content": pa.array(content, pa.large_binary()), "folder": pa.array(folders)}
        return pa.table({name: columns[name] for name in self.names()})

    def where(self, block: Block, name: str, row: int) -> str:
        """Return how errors call a row that is decoded: by its file."""
        return self.files[block.start + row]

    def place(self, partition: int, row: int) -> str:
        """Return how errors call a row: by its file."""
        block = self.blocks[partition]
        return f"row {block.first + row} ({self.files[block.start + row]})"


class TextLinesDataset(BlockFiles):
    r"""Lines of text files, one a row: `decode` makes an array of the bytes of a line.

    Parameters
    ----------
    path : path or URL, or list of them
        Files, folders (all `*.txt`, also gzipped), patterns.
    decode : function of bytes
        Makes arrays of one shape, such as ids padded to one length.
    block_bytes : int > 0, default=8 MB
        Of a file that are read in one go.
    window, memory, transform, dtype
        See `BlockFiles`.

    Notes
    -----
    Like Spark's `text` source. There are no labels: a table of labels and texts is a CSV file,
    whose column of texts `CsvDataset(features="text", decode=...)` takes. Sequences of varying
    length that fit into memory: `SequenceDataset`. Lines without anything are rows, too.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("lines.txt").write_text("to be\nor not\n")
    >>> TextLinesDataset("lines.txt", decode=lambda line: [len(line)]).rows(0, [1])[0]
    array([[6.]], dtype=float32)
    """

    suffixes = (".txt", ".text", ".txt.gz", ".text.gz")
    what = "text files"

    def __init__(
        self,
        path: PathLike | Sequence[PathLike],
        *,
        decode: Callable[[bytes], Any],
        block_bytes: int = BLOCK_BYTES,
        **options: Any,
    ) -> None:
        self.cut_bytes = validate.positive_int("block_bytes", block_bytes)
        validate.function("decode", decode)
        super().__init__(path, features="line", label=None, decode=decode, **options)

    def blocks_of(self, path: str) -> Iterable[Block]:
        """Cut a file at ends of lines."""
        import pyarrow as pa

        self.see(path, pa.schema([("line", pa.binary())]))
        before = 0
        for start, stop, data in cuts(path, self.cut_bytes, self.what):
            rows = data.count(b"\n") + (not data.endswith(b"\n"))
            yield Block(path, start, stop, rows, before)
            before += rows

    def table(self, block: Block) -> Any:
        """Read the lines of a block."""
        import pyarrow as pa

        data = block_bytes(block.path, block.start, block.stop, self.what)
        lines = data.removesuffix(b"\n").split(b"\n")
        return pa.table({"line": pa.array([line.removesuffix(b"\r") for line in lines])})


def _folder(path: str) -> str:
    return PurePath(path).parent.name
