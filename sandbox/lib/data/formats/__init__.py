"""Data sets of the usual formats of files, read block by block. See README.md of `data`."""

from __future__ import annotations

from .base import Block, BlockFiles
from .csv_files import CsvDataset
from .json_lines import JsonLinesDataset
from .tfrecord import TFRecordDataset, encode_example, read_tfrecord, write_tfrecord

__all__ = [
    "Block",
    "BlockFiles",
    "CsvDataset",
    "JsonLinesDataset",
    "TFRecordDataset",
    "encode_example",
    "read_tfrecord",
    "write_tfrecord",
]
