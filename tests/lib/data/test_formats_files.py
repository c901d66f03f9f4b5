"""Whole files and lines as rows, texts of tables, and one call that opens them all."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.lib import data as rooms
from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.data import BinaryFiles, CsvDataset, JsonLinesDataset, TextLinesDataset, open_rows


def everything(data):
    parts = [data.load(p) for p in range(len(data.partition_sizes))]
    return [np.concatenate(side) for side in zip(*parts, strict=True)]


def first_two(data):
    return np.array([data[0] if data else 0, len(data)])


@pytest.fixture
def folder(tmp_path):
    for kind, name in enumerate(("neg", "pos")):
        (tmp_path / name).mkdir()
        for k in range(10):
            (tmp_path / name / f"{k}.bin").write_bytes(bytes([10 * kind + k]) * (k + 1))
        (tmp_path / name / "more.txt").write_text("left out")
    return tmp_path


def test_files_are_rows_and_their_folders_classes(folder):
    data = BinaryFiles(
        folder, decode=first_two, suffixes=[".bin"], label="folder", block_files=8, dtype=None
    )
    assert data.classes == ["neg", "pos"]
    assert data.partition_sizes == (7, 7, 6)
    x, y = everything(data)
    assert [path.rpartition("/")[2] for path in data.files] == [f"{v % 10}.bin" for v in x[:, 0]]
    assert y.tolist() == [int(v >= 10) for v in x[:, 0]]
    assert sorted(x[:, 0].tolist()) == list(range(20))
    assert all(0 < data.load(p)[1].sum() < data.partition_sizes[p] for p in range(3))
    alone = BinaryFiles(folder / "pos", decode=first_two, suffixes=[".bin"])
    assert len(alone) == 10


def test_a_file_that_cannot_be_decoded_or_read_is_named(folder):
    def strict(data):
        return np.array([data[0]]) if data[0] != 13 else 1 / 0

    data = BinaryFiles(folder, decode=strict, suffixes=[".bin"])
    with pytest.raises(DataError, match=r"pos/3\.bin: .*ZeroDivisionError"):
        everything(data)
    (folder / "neg" / "5.bin").unlink()
    with pytest.raises(DataError, match=r"neg/5\.bin: must be files; got no file"):
        everything(data)
    with pytest.raises(ArgumentError, match="`label` must be one of 'folder'"):
        BinaryFiles(folder, decode=strict, label="name")


@pytest.mark.parametrize("block_bytes", [20, 1 << 20])
def test_lines_are_rows(tmp_path, block_bytes):
    lines = ["one", "", "three and more", "four"] * 5
    (tmp_path / "a.txt").write_text("\n".join(lines))
    (tmp_path / "b.txt").write_bytes(b"five\r\nsix\r\n")
    data = TextLinesDataset(tmp_path, decode=first_two, block_bytes=block_bytes)
    assert [int(n) for _, n in everything(data)[0]] == [*(len(t) for t in lines), 4, 3]
    assert data.label is None


def test_texts_of_tables_are_decoded(tmp_path):
    (tmp_path / "t.csv").write_text('text,y\n"to be, or\nnot",1\nis,0\n')
    data = CsvDataset(tmp_path / "t.csv", features="text", label="y", decode=first_two)
    assert everything(data)[0].tolist() == [[ord("t"), 13], [ord("i"), 2]]
    rows = [{"text": "größe", "y": 1}, {"text": "is", "y": 0}]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = JsonLinesDataset(tmp_path / "t.jsonl", features="text", label="y", decode=first_two)
    assert everything(data)[0][0].tolist() == [ord("g"), 7]


@pytest.mark.parametrize("named", [True, False])
def test_one_call_opens_each_format_by_name_or_content(tmp_path, named):
    rows = [{"a": 0.5, "b": 2.0, "y": 1}, {"a": 1.5, "b": 3.0, "y": 0}]
    lines = ["\t".join(map(str, row.values())) for row in rows]
    paths = {}
    for suffix in ("csv", "tsv", "jsonl", "tfrecord", "parquet"):
        paths[suffix] = tmp_path / (f"t.{suffix}" if named else f"rows_{suffix}")
    paths["csv"].write_text("a,b,y\n" + "\n".join(line.replace("\t", ",") for line in lines))
    paths["tsv"].write_text("a\tb\ty\n" + "\n".join(lines))
    paths["jsonl"].write_text("\n".join(map(json.dumps, rows)))
    rooms.write_tfrecord(paths["tfrecord"], map(rooms.encode_example, rows))
    pq.write_table(pa.Table.from_pylist(rows), paths["parquet"])
    for suffix, path in paths.items():
        options = {"delimiter": "\t"} if suffix == "tsv" and not named else {}
        x, y = everything(open_rows(path, features=["a", "b"], label="y", **options))
        assert x.tolist() == [[0.5, 2], [1.5, 3]], suffix
        assert y.tolist() == [1, 0]


def test_formats_are_not_mixed(tmp_path):
    (tmp_path / "a.csv").write_text("a,y\n1,0\n")
    (tmp_path / "b.jsonl").write_text('{"a":1,"y":0}\n')
    with pytest.raises(DataError, match=r"b\.jsonl: must be of one format with .*a\.csv, CSV"):
        open_rows(tmp_path, label="y")
    with pytest.raises(DataError, match="must hold files of rows"):
        open_rows(tmp_path / "none*", label="y")


@pytest.fixture
def bucket():
    """Let moto play S3 for pyarrow."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        server.start()
        patch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
        client = boto3.client("s3")
        client.create_bucket(Bucket="data")
        yield lambda path: client.upload_file(str(path), "data", f"rows/{path.name}")
        server.stop()


def test_files_of_an_object_store_are_read_by_their_urls(tmp_path, bucket):
    rows = [{"a": 0.5 + k, "y": k % 2} for k in range(50)]
    (tmp_path / "_SUCCESS").write_bytes(b"")
    (tmp_path / "part-0.csv").write_text("a,y\n" + "".join(f"{r['a']},{r['y']}\n" for r in rows))
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    rooms.write_tfrecord(tmp_path / "t.tfrecord", map(rooms.encode_example, rows))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet", row_group_size=20)
    for path in tmp_path.iterdir():
        bucket(path)
    for name in ("part-0.csv", "t.jsonl", "t.tfrecord", "t.parquet", "*.csv"):
        options = {} if "parquet" in name else {"block_bytes": 500}
        data = open_rows(f"s3a://data/rows/{name}", features="a", label="y", **options)
        x = everything(pickle.loads(pickle.dumps(data)))[0]
        assert x.tolist() == [row["a"] for row in rows], name
        assert len(data.blocks) > 1 or "csv" in name
    assert CsvDataset("s3a://data/rows", label="y").paths == ["s3a://data/rows/part-0.csv"]
    with pytest.raises(DataError, match=r"s3a://data/rows/no.csv: must be CSV files; got"):
        CsvDataset("s3a://data/rows/no.csv", label="y")
    with pytest.raises(DataError, match=r"gs://bucket/t.csv: .*Read it with Spark"):
        CsvDataset("gs://bucket/t.csv", label="y")
