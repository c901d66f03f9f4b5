"""Parquet files as data sets: columns, lists, partitions, and errors that list what is there."""

from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.data import EpochOrder, ParquetDataset


def table(rows, start=0):
    i = np.arange(start, start + rows)
    return pa.table(
        {
            "time": i.astype("f8"),
            "amount": (i * 0.5).astype("f4"),
            "name": [f"n{k}" for k in i],
            "class": (i % 2).astype("i4"),
        }
    )


@pytest.fixture
def folder(tmp_path):
    pq.write_table(table(10), tmp_path / "a.parquet", row_group_size=4)
    pq.write_table(table(6, start=10), tmp_path / "b.parquet")
    (tmp_path / "_SUCCESS").write_text("")
    return tmp_path


def test_number_columns_become_rows_and_text_is_left_out(folder):
    said = r"a\.parquet: features are time, amount; left out: name \(string\)\. Name the columns"
    with pytest.warns(UserWarning, match=said):
        data = ParquetDataset(folder / "a.parquet", label="class")
    assert data.features == ["time", "amount"]
    x, y = data.rows(0, [9, 0])
    np.testing.assert_array_equal(x, [[9, 4.5], [0, 0]])
    np.testing.assert_array_equal(y, [1, 0])
    assert (x.dtype, y.dtype) == (np.float32, np.int64)
    assert data.spec.x.shape == (2,)
    assert data.shared


@pytest.mark.parametrize("path", ["", "*.parquet"])
def test_folders_and_patterns_are_one_shared_partition(folder, path):
    data = ParquetDataset(folder / path, features=["amount", "time"], label="class")
    assert data.partition_sizes == (16,)
    np.testing.assert_array_equal(data.rows(0, [12])[0], [[6, 12]])


@pytest.mark.parametrize(("by", "sizes"), [("file", (10, 6)), ("row_group", (4, 4, 2, 6))])
def test_pieces_may_be_partitions_that_are_read_alone(folder, by, sizes):
    data = ParquetDataset(folder, features="time", label="class", partition_by=by)
    assert data.partition_sizes == sizes
    assert not data.shared
    data.rows(1, [0])
    assert list(data._arrays) == [1]
    order = EpochOrder(data.partition_sizes, 16, seed=0)
    x, y = data.batch(order.batch(0, 0))
    np.testing.assert_array_equal(np.sort(x[:, 0]), np.arange(16))
    np.testing.assert_array_equal(y, x[:, 0] % 2)


def test_list_column_gives_its_elements(tmp_path):
    pixels = np.arange(12, dtype="u1").reshape(4, 3)
    for name, kind in (("list", pa.list_(pa.uint8())), ("fixed", pa.list_(pa.uint8(), 3))):
        path = tmp_path / f"{name}.parquet"
        columns = {"pixels": pa.array(pixels.tolist(), kind), "y": [0.5, 1, 2, 3]}
        pq.write_table(pa.table(columns), path, row_group_size=3)
        data = ParquetDataset(path, features="pixels", label="y")
        x, y = data.rows(0, [3, 1])
        np.testing.assert_array_equal(x, pixels[[3, 1]])
        np.testing.assert_array_equal(y, np.array([3, 1], "f4"))
        assert y.dtype == np.float32


def test_pickle_carries_paths_only(folder):
    data = ParquetDataset(folder, features=["time", "amount"], label="class")
    data.rows(0, [0])
    shipped = pickle.dumps(data)
    assert len(shipped) < 3000
    np.testing.assert_array_equal(pickle.loads(shipped).rows(0, [3])[0], data.rows(0, [3])[0])


def test_boolean_labels_are_classes(tmp_path):
    pq.write_table(pa.table({"a": [1.0, 2.0], "y": [True, False]}), tmp_path / "a.parquet")
    np.testing.assert_array_equal(
        ParquetDataset(tmp_path / "a.parquet", label="y").rows(0, [0, 1])[1], [1, 0]
    )


def test_missing_columns_list_those_present(folder):
    message = r"a\.parquet: .*got no column 'clas'. Columns present: time, amount, name, class"
    with pytest.raises(DataError, match=message):
        ParquetDataset(folder, label="clas")
    with pytest.raises(DataError, match=r"got no column 'x', 'y'\. Columns present"):
        ParquetDataset(folder, features=["x", "time", "y"], label="class")


@pytest.mark.parametrize("keep", [0, 3, 100, -8, -1])
def test_damaged_files_are_named(folder, keep):
    path = folder / "a.parquet"
    body = path.read_bytes()
    path.write_bytes(body[:keep])
    with pytest.raises(DataError, match=r"a\.parquet: must be a whole Parquet file; got \d+ bytes"):
        ParquetDataset(path, label="class").rows(0, [0])


def test_damage_in_the_pages_is_named(folder):
    path = folder / "a.parquet"
    body = bytearray(path.read_bytes())
    body[4:60] = b"\xff" * 56
    path.write_bytes(bytes(body))
    with pytest.raises(DataError, match=r"a\.parquet: must be a whole Parquet file"):
        ParquetDataset(path, features="time", label="class").rows(0, [0])


@pytest.mark.parametrize(
    ("columns", "keywords", "message"),
    [
        ({"a": [1.0, None], "y": [0, 1]}, {}, "column 'a' must have a value.*got none in row 1"),
        ({"a": [1.0, 2.0], "y": [0, None]}, {}, r"column 'y' must have a value.*\(1 of 2 rows\)"),
        (
            {"a": [[1, 2], [3]], "y": [0, 1]},
            {"features": "a"},
            "must have one length, 2 as in row 0; got 1 in row 1",
        ),
        ({"a": ["u", "v"], "y": [0, 1]}, {"features": "a"}, "column 'a' must hold numbers or lis"),
        ({"a": [1, 2], "y": ["u", "v"]}, {}, "column 'y' must hold numbers .*got string"),
        ({"a": [1, 2], "y": [[1], [2]]}, {}, "label column 'y' must be numbers; got lists"),
        ({"a": [[1], [2]], "b": [1, 2], "y": [0, 1]}, {"features": ["a", "b"]}, "lists in 'a'"),
        ({"a": ["u", "v"], "y": [0, 1]}, {}, "got no number column"),
        ({"a": [], "y": []}, {"features": "a"}, "at least one row; got 0"),
    ],
)
def test_columns_that_do_not_fit_are_named(tmp_path, columns, keywords, message):
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=message):
        ParquetDataset(tmp_path / "t.parquet", label="y", **keywords).rows(0, [0])


def test_paths_without_files_and_remote_ones_are_named(tmp_path):
    with pytest.raises(DataError, match="must be a Parquet file; got no file"):
        ParquetDataset(tmp_path / "none.parquet", label="y")
    with pytest.raises(DataError, match="must hold Parquet files; got none"):
        ParquetDataset(tmp_path, label="y")
    with pytest.raises(DataError, match=r"got a s3a address.*Spark"):
        ParquetDataset("s3a://bucket/t.parquet", label="y")
    with pytest.raises(ArgumentError, match="`partition_by` must be one of None, 'file'"):
        ParquetDataset(tmp_path, label="y", partition_by="rows")


def test_check_names_nan_in_a_column(tmp_path):
    columns = {"a": [1.0, 2.0, 3.0], "b": [1.0, np.nan, 3.0], "y": [0, 1, 1]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"t\.parquet.*got nan in row 1, column 1 \('b'\)"):
        ParquetDataset(tmp_path / "t.parquet", label="y").check(classes=2)
