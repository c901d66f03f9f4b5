"""Data sets, the order of their rows, transforms and sources. See README.md."""

from __future__ import annotations

from ..engine import names as _names
from . import augment, order, transforms
from .arrays import ArrayDataset, PartitionedDataset, as_dataset
from .blocks import BlockOrder
from .buckets import BucketOrder, bucket_lengths
from .dataset import Dataset, DataSpec
from .file_dataset import FileDataset
from .formats import (
    BinaryFiles,
    CsvDataset,
    JsonLinesDataset,
    ParquetBlocks,
    SeqFileFolder,
    SequenceFileDataset,
    TextLinesDataset,
    TFRecordDataset,
    encode_example,
    open_rows,
    read_sequence_file,
    read_tfrecord,
    write_tfrecord,
)
from .idx import IdxDataset, read_idx, write_idx
from .order import EpochOrder, Share, owners
from .pairs.interactions import Interactions, NegativeSampling, RankingLists, leave_last_out
from .pairs.pair_inputs import PairInputs
from .parquet import ParquetDataset
from .preparation import Preparation
from .sequences import SequenceDataset, sequence_lengths
from .sets import cards, census, mnist, movielens, reviews, sources
from .sets.shapes import SHAPES, random_shapes
from .sets.sources import Provenance, report
from .tables import columns
from .tables.costs import Cost, class_weights, threshold_costs
from .tables.feature_columns import FeatureColumns
from .tables.sparse import sparse_rows
from .tables.tabular import (
    Scaler,
    features,
    labels_of,
    time_split,
)
from .text.encoder import TextEncoder, pad
from .text.tokens import Tokenizer
from .text.vocabulary import Vocabulary

__all__ = [
    "SHAPES",
    "ArrayDataset",
    "BinaryFiles",
    "BlockOrder",
    "BucketOrder",
    "Cost",
    "CsvDataset",
    "DataSpec",
    "Dataset",
    "EpochOrder",
    "FeatureColumns",
    "FileDataset",
    "IdxDataset",
    "Interactions",
    "JsonLinesDataset",
    "NegativeSampling",
    "PairInputs",
    "ParquetBlocks",
    "ParquetDataset",
    "PartitionedDataset",
    "Preparation",
    "Provenance",
    "RankingLists",
    "Scaler",
    "SeqFileFolder",
    "SequenceDataset",
    "SequenceFileDataset",
    "Share",
    "TFRecordDataset",
    "TextEncoder",
    "TextLinesDataset",
    "Tokenizer",
    "Vocabulary",
    "as_dataset",
    "augment",
    "bucket_lengths",
    "cards",
    "census",
    "class_weights",
    "columns",
    "encode_example",
    "features",
    "labels_of",
    "leave_last_out",
    "mnist",
    "movielens",
    "open_rows",
    "order",
    "owners",
    "pad",
    "random_shapes",
    "read_idx",
    "read_sequence_file",
    "read_tfrecord",
    "report",
    "reviews",
    "sequence_lengths",
    "sources",
    "sparse_rows",
    "threshold_costs",
    "time_split",
    "transforms",
    "write_idx",
    "write_tfrecord",
]

_names.suggest(__name__)
