"""Data sets of the usual formats of files, read block by block. See README.md of `data`."""

from __future__ import annotations

from .base import Block, BlockFiles
from .csv_files import CsvDataset
from .json_lines import JsonLinesDataset

__all__ = ["Block", "BlockFiles", "CsvDataset", "JsonLinesDataset"]
