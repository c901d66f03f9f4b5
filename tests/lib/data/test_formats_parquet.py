"""Parquet row group by row group: bytes, pictures, lists of lists, fields of structs."""

from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.lib.core.errors import DataError
from sandbox.lib.data import ParquetBlocks, ParquetDataset


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for part in range(2):
        rows = 60 + part
        columns = {
            "a": np.arange(rows) + 100 * part,
            "b": rng.normal(size=rows),
            "pixels": [bytes([k, part, 0, 9]) for k in range(rows)],
            "file": [bytes([k]) * (k % 5 + 1) for k in range(rows)],
            "nested": [[[k, 1], [2, 3], [4, 5]] for k in range(rows)],
            "image": [{"data": bytes([k, 7]), "height": 1} for k in range(rows)],
            "kind": [f"k{k % 3}" for k in range(rows)],
            "y": np.arange(rows) % 2,
        }
        pq.write_table(pa.table(columns), tmp_path / f"{part}.parquet", row_group_size=16)
    return tmp_path


def everything(data):
    parts = [data.load(p) for p in range(len(data.partition_sizes))]
    return [np.concatenate(side) for side in zip(*parts, strict=True)]


def test_row_groups_of_all_files_are_blocks(folder):
    data = ParquetBlocks(folder, features=["a", "b"], label="y")
    assert data.partition_sizes == (16, 16, 16, 12, 16, 16, 16, 13)
    whole = ParquetDataset(folder, features=["a", "b"], label="y")
    for ours, theirs in zip(everything(data), whole.load(0), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(data)).rows(5, [2])[0], data.rows(5, [2])[0]
    )


def test_bytes_lists_of_lists_and_fields_of_structs_are_arrays(folder):
    pixels = ParquetBlocks(folder, features="pixels", label="y", shape=(2, 2), dtype=None)
    assert everything(pixels)[0][3].tolist() == [[3, 0], [0, 9]]
    nested = ParquetBlocks(folder, features="nested", label="y", dtype=None)
    assert everything(nested)[0][5].tolist() == [[5, 1], [2, 3], [4, 5]]
    image = ParquetBlocks(folder, features="image.data", label="y", dtype=None)
    assert everything(image)[0][5].tolist() == [5, 7]
    both = ParquetBlocks(folder, features={"x": ["a", "b"], "p": "pixels"}, label="y")
    assert both.rows(0, [4])[0]["p"].tolist() == [[4, 0, 0, 9]]
    kinds = ParquetBlocks(folder, features="a", label="kind", classes=["k0", "k1", "k2"])
    assert everything(kinds)[1][:5].tolist() == [0, 1, 2, 0, 1]


def test_bytes_of_varying_number_are_decoded(folder):
    data = ParquetBlocks(
        folder, features="file", label="y", decode=lambda b: np.array([len(b), b[0]])
    )
    assert everything(data)[0][7].tolist() == [3, 7]
    with pytest.raises(DataError, match="one length, 1 as in row 0; got 2 in row 1"):
        ParquetBlocks(folder, features="file", label="y")


def test_a_file_that_changed_or_is_damaged_is_named(folder):
    data = ParquetBlocks(folder / "0.parquet", features="a", label="y")
    pq.write_table(pa.table({"a": [1], "y": [0]}), folder / "0.parquet")
    with pytest.raises(DataError, match=r"0\.parquet: must have row group 3, as when"):
        data.load(3)
    (folder / "1.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"1\.parquet: must be a whole Parquet file"):
        ParquetBlocks(folder / "1.parquet", features="a", label="y")
    with pytest.raises(DataError, match=r"2\.parquet: must be a Parquet file; got no file"):
        ParquetBlocks(folder / "2.parquet", features="a", label="y")
    with pytest.raises(DataError, match=r"no column 'z'. Columns present: a, y"):
        ParquetBlocks(folder / "0.parquet", features="z", label="y")
