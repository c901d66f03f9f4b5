"""CSV and JSON lines: read by block, exact, with errors that name the row."""

from __future__ import annotations

import bz2
import gzip
import json
import pickle

import numpy as np
import pandas as pd
import pytest

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.data import CsvDataset, JsonLinesDataset, progress
from sandbox.lib.train import Trainer


def everything(data):
    """Give all rows in the order of the files."""
    parts = [data.load(p) for p in range(len(data.partition_sizes))]
    return [np.concatenate(side) for side in zip(*parts, strict=True)]


def written(path, text):
    path.write_text(text)
    return path


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "a": rng.integers(-(2**40), 2**40, 500),
            "b": rng.normal(size=500),
            "text": [f'he said "{i}",\nand {"x" * (i % 7)}' for i in range(500)],
            "y": rng.integers(0, 3, 500),
        }
    )


@pytest.mark.parametrize("block_bytes", [300, 5000, 1 << 23])
def test_blocks_of_csv_hold_all_rows_in_order(tmp_path, table, block_bytes):
    table.to_csv(tmp_path / "t.csv", index=False)
    data = CsvDataset(
        tmp_path / "t.csv", features=["a", "b"], label="y", block_bytes=block_bytes, dtype=None
    )
    assert (len(data.blocks) > 10) == (block_bytes == 300)
    x, y = everything(data)
    np.testing.assert_array_equal(table[["a", "b"]].to_numpy(), x)
    np.testing.assert_array_equal(table["y"], y)
    firsts = np.cumsum([0, *data.partition_sizes])[:-1]
    assert firsts.tolist() == [block.first for block in data.blocks]


@pytest.mark.parametrize("block_bytes", [300, 1 << 23])
def test_blocks_of_json_lines_hold_all_rows_in_order(tmp_path, table, block_bytes):
    lines = [
        json.dumps({"x": [row.a, row.b], "t": row.text, "y": row.y}) for row in table.itertuples()
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    data = JsonLinesDataset(
        tmp_path, features="x", label="y", block_bytes=block_bytes, dtype=np.float64
    )
    x, y = everything(data)
    np.testing.assert_array_equal(table[["a", "b"]].to_numpy(), x)
    np.testing.assert_array_equal(table["y"], y)


def test_compressed_files_folders_and_patterns_are_read(tmp_path):
    text = b"a,y\n1,0\n2,1\n"
    (tmp_path / "day-1.csv.gz").write_bytes(gzip.compress(text))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "day-2.csv").write_bytes(b"\xef\xbb\xbf" + text.replace(b"1,0", b"7,0"))
    (tmp_path / "in" / "_SUCCESS").write_bytes(b"")
    (tmp_path / "other.csv.bz2").write_bytes(bz2.compress(text.replace(b"1,0", b"9,0")))
    assert everything(CsvDataset(tmp_path, label="y"))[0].tolist() == [1, 2, 7, 2, 9, 2]
    assert len(CsvDataset(str(tmp_path / "day-*"), label="y")) == 2
    url = f"file://{tmp_path}/in/day-2.csv"
    assert everything(CsvDataset([url, tmp_path / "other.csv.bz2"], label="y"))[0].shape == (4,)


def test_types_of_all_blocks_decide(tmp_path):
    rows = "".join(f"{i},{i % 2}\n" for i in range(100)) + "0.5,1\n"
    data = CsvDataset(
        written(tmp_path / "t.csv", "a,y\n" + rows), label="y", block_bytes=64, dtype=None
    )
    x, _ = everything(data)
    assert x.dtype == np.float64
    assert x.tolist() == [*range(100), 0.5]


def test_labels_of_text_are_classes(tmp_path):
    path = written(tmp_path / "t.csv", "a,kind\n1, good\n2,bad\n3,good\n")
    data = CsvDataset(path, label="kind", classes=["bad", "good"])
    assert everything(data)[1].tolist() == [1, 0, 1]
    with pytest.raises(DataError, match=r"one of the classes 'bad'; got 'good' in row 0"):
        CsvDataset(path, label="kind", classes=["bad"])


def test_a_data_set_is_pickled_as_paths_and_rows_follow(tmp_path, table):
    table.to_csv(tmp_path / "t.csv", index=False)
    data = CsvDataset(
        tmp_path / "t.csv", features=["a", "b"], label="y", block_bytes=2000, dtype=None
    )
    data.load(0)
    packed = pickle.dumps(data)
    assert len(packed) < 4000
    np.testing.assert_array_equal(data.rows(1, [0])[0], pickle.loads(packed).rows(1, [0])[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,y\n1,2\n3\n", r"t\.csv: rows must have 2 fields; got 1 in row 1: '3'"),
        ("a,y\n1,2\n3,x\n", "column 'y' must hold numbers; got 'x' in row 1"),
        ("a,y\n1,2\n,4\n", "column 'a' must have a value in each row; got none in row 1"),
        ("a,y\n1,2\nNA,4\n", "column 'a' must have a value in each row; got none in row 1"),
        ("a,y\n1,0.5\n123456789012345678901,4\n", "got 123456789012345678901 in row 1"),
        ("", "must be a CSV file; got an empty file"),
        ("a,y\n", "must have at least one row; got 0"),
        ("a,a\n1,2\n", "columns must have different names; got 'a' twice"),
        ("b,y\n1,2\n", r"got no column 'a'. Columns present: b, y"),
        ('a,y\n"1,2\n3,4\n', "Is a quotation mark left open|must have 2 fields|must be a CSV"),
    ],
)
def test_bad_csv_is_refused_with_its_place(tmp_path, text, message):
    path = written(tmp_path / "t.csv", text)
    with pytest.raises(DataError, match=message):
        CsvDataset(path, features="a", label="y")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a":1,"y":2}\n{"a":"x","y":1}\n', "field 'a' must be of one kind.*in row 1"),
        ('{"a":1,"y":2}\n{"y":1}\n', "column 'a' must have a value in each row; got none in row 1"),
        ('{"a":1,"y":2}\n[1]\n', r"lines must be JSON objects; got '\[1\]' in row 1"),
        ('{"a":1,"y":2}\n{"a"\n', r"lines must be JSON objects; got '{\"a\"' in row 1"),
        ('{"a":[1,2],"y":2}\n{"a":[1],"y":2}\n', "one length, 2 as in row 0; got 1 in row 1"),
        ('{"a":[1,null],"y":2}\n', "column 'a' must have a value in each row; got none in row 0"),
        ('{"a":[[1,2],[3]],"y":2}\n', "one length, 2 as in row 0; got 1 in row 0"),
        ("", "at least one row; got 0"),
        ('{"b":1,"y":2}\n', r"got no column 'a'. Columns present: b, y"),
        ('{"a":{"b":1},"y":2}\n', "must hold numbers or lists of numbers; got struct"),
    ],
)
def test_bad_json_lines_are_refused_with_their_place(tmp_path, text, message):
    path = written(tmp_path / "t.jsonl", text)
    with pytest.raises(DataError, match=message):
        JsonLinesDataset(path, features="a", label="y")


def test_a_row_that_goes_bad_in_a_later_block_is_named_by_its_number_in_the_file(tmp_path):
    rows = [f"{i},{i % 2}" for i in range(200)]
    rows[150] = "150,2.5"
    path = written(tmp_path / "t.csv", "a,y\n" + "\n".join(rows))
    data = CsvDataset(path, label="y", block_bytes=64).of_classes(True)
    with pytest.raises(DataError, match=r"t.csv: .*got 2.5 .*in row 150"):
        everything_in_batches(data)
    (tmp_path / "t.csv").write_text("a,y\n")
    with pytest.raises(DataError, match="as when it was opened"):
        pickle.loads(pickle.dumps(data)).load(3)


def everything_in_batches(data):
    order = data.order(16, seed=0)
    return [data.batch(order.batch(0, k)) for k in range(order.steps_per_epoch)]


def test_nested_lists_are_arrays_of_their_shape(tmp_path):
    lines = [json.dumps({"image": [[i, 1], [2, 3], [4, 5]], "y": i}) for i in range(4)]
    data = JsonLinesDataset(
        written(tmp_path / "t.jsonl", "\n".join(lines)), features="image", label="y"
    )
    assert data.spec.x.shape == (3, 2)
    assert everything(data)[0][2].tolist() == [[2, 1], [2, 3], [4, 5]]


def test_several_inputs_are_trees_of_columns(tmp_path):
    path = written(tmp_path / "t.csv", "city,age,size,y\n3,1.5,2,0\n4,2.5,3,1\n")
    data = CsvDataset(path, features={"ids": "city", "row": ["age", "size"]}, label={"paid": "y"})
    x, y = data.rows(0, [1])
    assert x["ids"].tolist() == [4]
    assert x["ids"].dtype == np.int64
    assert x["row"].tolist() == [[2.5, 3]]
    assert y["paid"].tolist() == [1]


@pytest.mark.parametrize(
    "wrong", [{"delimiter": "ab"}, {"quote": 3}, {"block_bytes": 0}, {"header": 3}, {"window": 0}]
)
def test_wrong_arguments_are_named(tmp_path, wrong):
    path = written(tmp_path / "t.csv", "a,y\n1,0\n")
    with pytest.raises(ArgumentError, match=f"`{next(iter(wrong))}` must be"):
        CsvDataset(path, label="y", **wrong)


def test_training_from_blocks_gives_the_bits_of_training_from_arrays(tmp_path):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(300, 3)).astype("f4").astype("f8"), rng.integers(0, 2, 300)
    frame = pd.DataFrame(x, columns=list("abc")).assign(y=y)
    frame.to_csv(tmp_path / "t.csv", index=False)

    def fit(data):
        model = nn.Sequential(nn.Linear(3, 4, rng=0), nn.ReLU(), nn.Linear(4, 2, rng=1))
        trainer = Trainer(
            model, criterion.CrossEntropy(), optim.SGD(0.1), batch_size=32, progress=None
        )
        trainer.fit(data, epochs=2)
        return [p.data for p in model.parameters()]

    whole = CsvDataset(tmp_path / "t.csv", label="y")
    for ours, theirs in zip(fit(whole), fit((x.astype("f4"), y)), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    # Little memory: blocks are read again and again, to the same end.
    options = {"label": "y", "block_bytes": 700, "window": 3}
    little = CsvDataset(tmp_path / "t.csv", memory=1, **options)
    for ours, theirs in zip(
        fit(little), fit(CsvDataset(tmp_path / "t.csv", **options)), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert len(little.blocks) > 20
    assert little._cache.nbytes < 7 * 700
    assert little._cache.reads <= 3 * len(little.blocks)


def test_reading_tells_how_far_it_is_to_who_listens(tmp_path, monkeypatch):
    path = written(tmp_path / "t.csv", "a,y\n" + "1,0\n" * 1000)
    monkeypatch.setattr("sandbox.lib.data.progress.Meter.__init__.__kwdefaults__", {"every_s": 0.0})
    told = []
    with progress.hearing(told.append):
        CsvDataset(path, label="y", block_bytes=1000)
    assert told[0].startswith("reading CSV files: 249 rows, 0 MB, ")
    assert told[-1].startswith("reading CSV files: 100 %, 1,000 rows, 0 MB, ")
    CsvDataset(path, label="y")
    assert len(told) == 6  # five blocks and the end


def test_a_regression_has_targets_of_the_outputs_shape_and_predicts_in_the_files_order(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(120, 2)), columns=list("ab"))
    frame.assign(y=frame.a - 2 * frame.b).to_csv(tmp_path / "t.csv", index=False)
    data = CsvDataset(tmp_path, label="y", label_shape=(1,), block_bytes=500, window=2, memory=1)
    trainer = Trainer(
        nn.Linear(2, 1, rng=0), criterion.MSE(), optim.SGD(0.1), batch_size=16, progress=None
    )
    trainer.fit(data, epochs=5, validation=data)
    assert trainer.evaluate(data)["loss"] < 1e-3
    rows = frame[["a", "b"]].to_numpy("f4")
    np.testing.assert_allclose(trainer.predict(data), trainer.predict(rows), rtol=1e-6)
    with pytest.raises(DataError, match="must have the 1 numbers of the first row"):
        CsvDataset(tmp_path, label="y", label_shape=(2,))
