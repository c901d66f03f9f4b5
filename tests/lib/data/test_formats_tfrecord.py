"""TFRecord files: what TensorFlow writes, damaged ones, and types."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.data import TFRecordDataset, encode_example, read_tfrecord, write_tfrecord
from sandbox.lib.engine.crc32c import _TABLE, crc32c_of
from sandbox.lib.engine.wire import WireError, fields, read_integers, varint

ROWS = [
    {
        "image": bytes([i, 1, 2, 3]),
        "x": [i + 0.5, -i],
        "id": 2**40 + i,
        "y": i % 3,
        "t": f"k{i % 2}",
    }
    for i in range(100)
]


@pytest.fixture
def path(tmp_path):
    write_tfrecord(tmp_path / "t.tfrecord", map(encode_example, ROWS))
    return tmp_path / "t.tfrecord"


def everything(data):
    parts = [data.load(p) for p in range(len(data.partition_sizes))]
    return [np.concatenate(side) for side in zip(*parts, strict=True)]


def test_checksums_of_many_rows_are_those_of_one_by_one():
    def slow(data):
        crc = 0xFFFFFFFF
        for byte in data:
            crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
        return crc ^ 0xFFFFFFFF

    rng = np.random.default_rng(0)
    sizes = [*range(70), 255, 256, 257, 300, 511, 512, 513, 1000, 5000, 40001]
    rows = [rng.bytes(n) for n in sizes]
    assert crc32c_of(rows).tolist() == [slow(row) for row in rows]


@pytest.mark.parametrize("block_bytes", [200, 1 << 20])
def test_features_of_all_kinds_come_as_columns(path, block_bytes):
    options = {"block_bytes": block_bytes, "dtype": None}
    data = TFRecordDataset(path, features="x", label="y", **options)
    assert (len(data.blocks) > 20) == (block_bytes == 200)
    x, y = everything(data)
    np.testing.assert_array_equal([row["x"] for row in ROWS], x)
    assert x.dtype == np.float32
    assert y.tolist() == [row["y"] for row in ROWS]
    assert everything(TFRecordDataset(path, features="id", label="y", **options))[0].tolist() == [
        row["id"] for row in ROWS
    ]
    image = TFRecordDataset(path, features="image", label="t", classes=["k0", "k1"], **options)
    assert image.spec.x.shape == (4,)
    assert everything(image)[0][7].tolist() == [7, 1, 2, 3]
    assert everything(image)[1].tolist() == [i % 2 for i in range(100)]


def test_bytes_are_decoded_and_shaped(path):
    data = TFRecordDataset(
        path, features="image", label="y", decode=lambda b: np.frombuffer(b, "u1").reshape(2, 2)
    )
    assert data.rows(0, [3])[0].tolist() == [[[3, 1], [2, 3]]]
    shaped = TFRecordDataset(path, features="image", label="y", shape=(1, 2, 2))
    assert shaped.spec.x.shape == (1, 2, 2)


@pytest.mark.parametrize("kind", ["gzip", "zlib"])
def test_packed_files_are_one_block(tmp_path, path, kind):
    packed = tmp_path / "packed"
    if kind == "gzip":
        write_tfrecord(packed, map(encode_example, ROWS), packed=True)
    else:
        packed.write_bytes(zlib.compress(path.read_bytes()))
    data = TFRecordDataset(packed, features="x", label="y", block_bytes=100)
    assert data.partition_sizes == (100,)
    np.testing.assert_array_equal(
        everything(TFRecordDataset(path, features="x", label="y"))[0], everything(data)[0]
    )
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(DataError, match="must be a whole packed file"):
        TFRecordDataset(packed, features="x", label="y")


def test_what_tensorflow_writes_is_read(path):
    """TensorBoard brings TensorFlow's record reader: it reads ours, checksums and all."""
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New

    reader = PyRecordReader_New(str(path))
    theirs = []
    for _ in range(len(ROWS)):
        reader.GetNext()
        theirs.append(bytes(reader.record()))
    assert theirs == list(read_tfrecord(path)) == list(map(encode_example, ROWS))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b[:-3], r"record 1 at byte 31 .*got 12 of 15 bytes|record 1"),
        (lambda b: b[:50], "record 1 at byte .*before it"),
        (lambda b: b[:8] + b"\0" + b[9:], "record 0 at byte 0 .*a length with a wrong checksum"),
        (lambda b: b[:14] + b"\7" + b[15:], "record 0 at byte 0 .*bytes with a wrong checksum"),
        (lambda b: b"text, not records", "record 0 at byte 0"),
    ],
)
def test_damaged_files_are_refused_with_record_and_byte(tmp_path, change, message):
    path = tmp_path / "t.tfrecord"
    write_tfrecord(path, [encode_example({"x": 1.0, "y": k}) for k in range(2)])
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=message):
        everything(TFRecordDataset(path, features="x", label="y"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"y": 1}, r"column 'x' must have a value in each row; got none in row 1"),
        ({"x": [1.0, 2.0], "y": 1}, "one length, 1 as in row 0; got 2 in row 1"),
        ({"x": 3, "y": 1}, "column 'x' must hold floats in each record; got integers in row 1"),
        ({"x": "text", "y": 1}, "column 'x' must hold floats in each record; got bytes in row 1"),
    ],
)
def test_records_that_differ_are_named(tmp_path, row, message):
    write_tfrecord(tmp_path / "t", [encode_example({"x": 1.0, "y": 0}), encode_example(row)])
    with pytest.raises(DataError, match=message):
        everything(TFRecordDataset(tmp_path / "t", features="x", label="y"))


def test_a_missing_feature_lists_those_that_are_there(path):
    with pytest.raises(DataError, match=r"no column 'z'. Columns present: id, image, t, x, y"):
        TFRecordDataset(path, features="z", label="y")
    with pytest.raises(ArgumentError, match="`x` must be a number"):
        encode_example({"x": np.ones((2, 2))})


@pytest.mark.parametrize("seed", range(3))
def test_mutated_files_are_read_or_refused(tmp_path, seed):
    rng = np.random.default_rng(seed)
    path = tmp_path / "t.tfrecord"
    write_tfrecord(path, map(encode_example, ROWS[:5]))
    whole = path.read_bytes()
    for _ in range(120):
        data = bytearray(whole)
        for _ in range(rng.integers(1, 5)):
            data[rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(bytes(data[: rng.integers(len(data) // 2, len(data) + 1)]))
        for verify in (True, False):
            try:
                everything(TFRecordDataset(path, features="x", label="y", verify=verify))
            except DataError as error:
                assert str(path) in str(error)  # noqa: PT017


def test_messages_are_not_believed():
    rng = np.random.default_rng(1)
    for _ in range(3000):
        junk = rng.bytes(int(rng.integers(1, 40)))
        try:
            for _, _, start, stop in fields(junk):
                assert 0 <= start <= stop <= len(junk)
        except WireError:
            pass
    numbers = [0, 1, -1, 2**63 - 1, -(2**63), 300] * 9
    body = b"".join(map(varint, numbers))
    assert read_integers(body, 0, len(body)).tolist() == numbers
    with pytest.raises(WireError, match="does not end"):
        read_integers(b"\xff" * 40, 0, 40)
