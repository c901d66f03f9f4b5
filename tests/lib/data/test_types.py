"""Every source crossed with every type and use: the exact value, or an error that says where."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.lib.core.errors import DataError
from sandbox.lib.data import (
    ArrayDataset,
    CsvDataset,
    JsonLinesDataset,
    ParquetDataset,
    PartitionedDataset,
    SequenceDataset,
    TFRecordDataset,
    encode_example,
    features,
    labels_of,
    write_tfrecord,
)
from sandbox.lib.data.casting import cast

sys.path.insert(0, str(Path(__file__).parent))
import type_cases as cases

ROWS = [0, 1, 2]
# An Example holds 64-bit integers and 32-bit floats.
KINDS_OF_EXAMPLES = [
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"),
    *("float16", "float32", "nan"),
]


def _array(kind, order):
    dtype = cases.dtype_of(kind, order)
    return np.array(cases.VALUES[kind], object if dtype is None else dtype)


def _series(kind, nullable):
    if kind in ("null", "decimal"):
        return pd.Series(cases.VALUES[kind], dtype="Int64" if kind == "null" else object)
    dtype = cases.dtype_of(kind)
    name = {"b": "boolean", "i": "Int", "u": "UInt", "f": "Float"}[dtype.kind]
    if nullable and dtype != np.float16 and kind != "nan":
        name += str(8 * dtype.itemsize) * (dtype.kind != "b")
        return pd.Series(_array(kind, "<"), dtype=name)
    return pd.Series(_array(kind, "<"))


def _in_parts(x, y, **options):
    return PartitionedDataset([(x, y)], **options)


def _dataset(column, use, make):
    """Give what comes out of a data set with this column as x, y or ids."""
    good = np.arange(3)
    if use == "y":
        return make(np.zeros((3, 1), "f4"), column).rows(0, ROWS)[1]
    return make(column, good, dtype=np.float32 if use == "x" else None).rows(0, ROWS)[0]


@pytest.mark.parametrize(
    "make", [ArrayDataset, lambda x, y, **k: PartitionedDataset([(x, y)], **k)]
)
@pytest.mark.parametrize("use", cases.USES)
@pytest.mark.parametrize("order", cases.ORDERS)
@pytest.mark.parametrize("kind", cases.VALUES)
def test_arrays_keep_their_numbers_or_say_where_not(kind, order, use, make):
    where = "y" if use == "y" else "x"
    cases.judge(kind, use, lambda: _dataset(_array(kind, order), use, make), where)


@pytest.mark.parametrize("nullable", [False, True])
@pytest.mark.parametrize("use", cases.USES)
@pytest.mark.parametrize("kind", cases.VALUES)
def test_pandas_columns_keep_their_numbers_or_say_where_not(kind, use, nullable):
    series = _series(kind, nullable)
    column = series if use == "y" else series.to_frame("a")
    where = "y" if use == "y" else "x"
    cases.judge(kind, use, lambda: _dataset(column, use, ArrayDataset), where)


@pytest.mark.parametrize("beside", [None, "int64", "float64"])
@pytest.mark.parametrize("use", cases.USES)
@pytest.mark.parametrize("kind", cases.VALUES)
def test_parquet_columns_keep_their_numbers_or_say_where_not(tmp_path, kind, use, beside):
    dtype = cases.dtype_of(kind)
    column = pa.array(cases.VALUES[kind]) if dtype is None else pa.array(_array(kind, "<"))
    columns = {"a": column, "y": [0, 1, 2]}
    if beside:
        columns["b"] = np.zeros(3, beside)
    pq.write_table(pa.table(columns), tmp_path / "t.parquet", row_group_size=2)

    def take():
        names = {"features": "y", "label": "a"}
        if use != "y":
            names = {"features": ["a", "b"][: 2 if beside else 1], "label": "y"}
        how = None if use == "ids" else np.float32
        found = ParquetDataset(tmp_path / "t.parquet", dtype=how, **names).rows(0, ROWS)
        return found[1] if use == "y" else found[0][:, 0]

    outcome = cases.judge(kind, use, take, "'a'")
    if use == "ids" and beside != "float64" and kind in ("int32", "int64", "uint32"):
        assert outcome == "exact"  # what an embedding's error recommends


def _text(value):
    """Give a value as it stands in a CSV file."""
    return "" if value is None else repr(value)


@pytest.mark.parametrize("beside", [None, 1, 0.5])
@pytest.mark.parametrize("use", cases.USES)
@pytest.mark.parametrize(
    "kind", [kind for kind in cases.VALUES if kind not in ("decimal", "float32")]
)
@pytest.mark.parametrize("source", [CsvDataset, JsonLinesDataset])
def test_numbers_written_as_text_keep_their_values_or_say_where_not(
    tmp_path, source, kind, use, beside
):
    rows = [{"a": v, "y": k, "b": beside} for k, v in enumerate(cases.VALUES[kind])]
    lines = [",".join(map(_text, row.values())) for row in rows]
    if source is JsonLinesDataset:
        lines = [json.dumps(row) for row in rows]
    path = tmp_path / "t"
    path.write_text("\n".join(["a,y,b"] * (source is CsvDataset) + lines))

    def take():
        names = {"features": "y", "label": "a"}
        if use != "y":
            names = {"features": ["a", "b"][: 1 if beside is None else 2], "label": "y"}
        how = None if use == "ids" else np.float32
        found = source(path, dtype=how, block_bytes=4, **names)
        x, y = found.batch([(p, np.arange(n)) for p, n in enumerate(found.partition_sizes)])
        return y if use == "y" else x.reshape(3, -1)[:, 0]

    outcome = cases.judge(kind, use, take, "'a'")
    if use == "ids" and beside != 0.5 and kind in ("int32", "int64", "uint32"):
        assert outcome == "exact"


@pytest.mark.parametrize("beside", [None, 1, 0.5])
@pytest.mark.parametrize("use", cases.USES)
@pytest.mark.parametrize("kind", [*KINDS_OF_EXAMPLES, "null"])
def test_tfrecord_features_keep_their_numbers_or_say_where_not(tmp_path, kind, use, beside):
    values = [None] * 3 if kind == "null" else [_array(kind, "<")[k : k + 1] for k in ROWS]
    if kind == "null":
        values[:2] = [1, 2]
    rows = [{"a": v, "y": k, "b": beside or 0} for k, v in enumerate(values)]
    path = tmp_path / "t.tfrecord"
    write_tfrecord(
        path, [encode_example({n: v for n, v in r.items() if v is not None}) for r in rows]
    )

    def take():
        names = {"features": "y", "label": "a"}
        if use != "y":
            names = {"features": ["a", "b"][: 1 if beside is None else 2], "label": "y"}
        how = None if use == "ids" else np.float32
        found = TFRecordDataset(path, dtype=how, block_bytes=1, **names)
        x, y = found.batch([(p, np.arange(n)) for p, n in enumerate(found.partition_sizes)])
        return y if use == "y" else x.reshape(3, -1)[:, 0]

    outcome = cases.judge(kind, use, take, "'a'")
    if use == "ids" and beside != 0.5 and kind in ("int32", "int64", "uint32"):
        assert outcome == "exact"


@pytest.mark.parametrize(
    ("values", "dtype", "message"),
    [
        ([1, 2**33 + 1], np.int32, "int32 can hold; got 8589934593 .*in row 1"),
        ([3, -1], np.uint8, "uint8 can hold; got -1 .*in row 1"),
        ([0.0, 2.7], np.int64, "int64 can hold; got 2.7 .*in row 1"),
        ([0.0, np.nan], np.int64, "int64 can hold; got nan .*in row 1"),
        ([0, 2], np.bool_, "bool can hold; got 2 .*in row 1"),
        ([0.0, 1e300], np.float32, r"float32 can hold; got 1e\+300 .*in row 1"),
        ([0, 70000], np.float16, "float16 can hold; got 70000 .*in row 1"),
    ],
)
def test_a_dtype_that_cannot_hold_a_number_is_refused_with_its_row(values, dtype, message):
    with pytest.raises(DataError, match=message):
        ArrayDataset(np.array(values)[:, None], [0, 1], dtype=dtype)


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "uint32", "int64", "uint64"])
@pytest.mark.parametrize(
    "wanted", ["bool", "int8", "uint8", "int32", "uint64", "float16", "float32"]
)
def test_cast_is_exact_or_refused_at_every_edge_of_the_types(kind, wanted):
    limits = np.iinfo(kind)
    near = [0, 1, 2, 255, 256, 2047, 2049, 65504, 65520, 2**24, 2**24 + 1, 2**31, 2**32, 2**63]
    edges = {limits.min, limits.max, -1, -128, -129, *near, *(n - 1 for n in near)}
    for value in sorted(v for v in edges if limits.min <= v <= limits.max):
        try:
            got = cast(np.array([value], kind), wanted, "x")[0]
        except DataError as error:
            assert str(value) in str(error)  # noqa: PT017
            with np.errstate(all="ignore"):
                made = np.array([value], kind).astype(wanted)[0]
            assert not np.isfinite(made) or int(made) != value  # it could not be held
        else:
            assert int(got) == value


def test_tables_of_integers_and_floats_take_both_exactly():
    frame = pd.DataFrame({"id": [1, 2**24 + 1], "price": [0.5, 1.5]})
    with pytest.raises(DataError, match=r"column 'id'.* float32 can hold; got 16777217 .*in row 1"):
        ArrayDataset(frame, [0, 1])
    x, _ = ArrayDataset(frame, [0, 1], dtype=np.float64).rows(0, [1])
    assert x.tolist() == [[2**24 + 1, 1.5]]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pd.Series([1, None], dtype="Int64"), "column 'a' must be numbers; got none in row 1"),
        (pd.Series([True, None], dtype="boolean"), "column 'a' must be numbers; got none in row 1"),
        (pd.Series(["u", "v"], dtype="category"), "categories 'u', 'v'.*column.cat.codes"),
        (pd.Series([1, "v"], dtype=object), r"got 'v' \(str\) in row 1"),
    ],
)
def test_columns_of_pandas_own_types_are_named_where_they_hold_no_numbers(column, message):
    frame = pd.DataFrame({"a": column, "y": [0, 1]})
    for act in (
        lambda: ArrayDataset(frame[["a"]], frame["y"]),
        lambda: features(frame, ["a"]),
        lambda: labels_of(frame, "a"),
    ):
        with pytest.raises(DataError, match=message):
            act()


def test_masked_places_are_refused_with_their_row():
    values = np.ma.array(np.ones((3, 2)), mask=[[False, False], [False, True], [False, False]])
    for act in (lambda: ArrayDataset(values, [0, 1, 2]), lambda: ArrayDataset(np.ones(3), values)):
        with pytest.raises(DataError, match=r"must be numbers; got none in row 1 \(1 of 3 rows\)"):
            act()
    assert len(ArrayDataset(np.ma.array(np.ones(3)), [0, 1, 2])) == 3


def test_columns_of_pandas_own_types_are_taken():
    frame = pd.DataFrame({"a": pd.Series([3, 4], dtype="Int8"), "b": pd.Series([True, False])})
    assert ArrayDataset(frame, pd.Series([1, 0], dtype="Int64")).rows(0, [1])[0].tolist() == [
        [4, 0]
    ]
    assert labels_of(frame.astype({"b": "boolean"}), "b").tolist() == [1, 0]
    assert features(pa.Table.from_pandas(frame), ["b", "a"]).tolist() == [[1, 3], [0, 4]]


def test_two_columns_of_one_name_are_refused():
    frame = pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"])
    for act in (lambda: ArrayDataset(frame, [0, 1]), lambda: features(frame, ["a"])):
        with pytest.raises(DataError, match="columns must have different names; got 'a'"):
            act()


def test_row_labels_of_pandas_are_no_feature_and_what_is_left_out_is_said(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [True, False, True], "y": [0, 1, 0]})
    frame["name"] = ["u", "v", "w"]
    frame[frame.a > 1].to_parquet(tmp_path / "t.parquet")  # keeps the index of what is left
    said = r"features are a, b; left out: name \(\w*string\), __index_level_0__ \(int64\)"
    with pytest.warns(UserWarning, match=said):
        data = ParquetDataset(tmp_path / "t.parquet", label="y")
    assert data.rows(0, [0, 1])[0].tolist() == [[2, 0], [3, 1]]


def test_files_of_different_types_make_one_that_holds_both(tmp_path):
    for name, values in (("a", np.array([1, 2])), ("b", np.array([0.44, 0.1]))):
        table = pa.table({"v": values, "y": np.zeros(2, "i8" if name == "a" else "f8")})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    x, y = ParquetDataset(tmp_path, label="y", dtype=np.float64).rows(0, [0, 1, 2, 3])
    assert x[:, 0].tolist() == [1, 2, 0.44, 0.1]
    assert y.dtype == np.float32


def test_a_transform_that_makes_what_the_dtype_cannot_hold_is_named():
    data = ArrayDataset(np.ones((2, 1)), [0, 1], transform=lambda x: x * 0.5, dtype=np.int32)
    with pytest.raises(DataError, match=r"x after .* int32 can hold; got 0.5 .*in row 1"):
        data.rows(0, [1])


def test_ids_that_a_small_dtype_cannot_hold_are_refused():
    with pytest.raises(DataError, match=r"largest id must hold .* uint8 can hold; got 300"):
        SequenceDataset([[5], [300]], [0, 1], dtype=np.uint8)
