"""20 Newsgroups from a folder for each group, and GloVe vectors from their text files."""

from __future__ import annotations

import os
from pathlib import Path

from ...core.errors import DataError
from .base import find

CLASS_NUM = 20


def get_news20(source_dir: str = "./data/news20/") -> list[tuple[str, int]]:
    """Read (text, label) of each message; labels count from 1, groups in order of their names.

    Raises
    ------
    DataError : the folder holds no groups.
    """
    root = Path(source_dir)
    inner = root / "20news-18828"
    root = inner if inner.is_dir() else root
    groups = sorted(p for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
    if not groups:
        raise DataError(
            f"{source_dir}: must hold a folder for each group; got none. Unpack 20news-18828 there."
        )
    found = []
    for label, group in enumerate(groups, start=1):
        for file in sorted(group.iterdir(), key=lambda path: os.fspath(path)):
            found.append((file.read_text(encoding="latin-1"), label))
    return found


def get_glove_w2v(source_dir: str = "./data/news20/", dim: int = 100) -> dict[str, list[float]]:
    """Read the vector of each word."""
    folder = Path(source_dir)
    inner = folder / "glove.6B"
    path = find(str(inner if inner.is_dir() else folder), f"glove.6B.{dim}d.txt")
    vectors = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        word, *numbers = line.split(" ")
        vectors[word] = [float(number) for number in numbers]
    return vectors
