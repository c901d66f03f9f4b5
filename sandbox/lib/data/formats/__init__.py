"""Data sets of the usual formats of files, read block by block. See README.md of `data`."""

from __future__ import annotations

from .base import Block, BlockFiles
from .csv_files import CsvDataset
from .json_lines import JsonLinesDataset
from .opening import open_rows
from .parquet_files import ParquetBlocks
from .sequence_file import SeqFileFolder, SequenceFileDataset, read_sequence_file
from .tfrecord import TFRecordDataset, encode_example, read_tfrecord, write_tfrecord
from .whole_files import BinaryFiles, TextLinesDataset

__all__ = [
    "BinaryFiles",
    "Block",
    "BlockFiles",
    "CsvDataset",
    "JsonLinesDataset",
    "ParquetBlocks",
    "SeqFileFolder",
    "SequenceFileDataset",
    "TFRecordDataset",
    "TextLinesDataset",
    "encode_example",
    "open_rows",
    "read_sequence_file",
    "read_tfrecord",
    "write_tfrecord",
]
