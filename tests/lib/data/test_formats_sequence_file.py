"""SequenceFiles that Hadoop wrote (tests/golden), damaged ones, and the ancestor's pictures."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from sandbox.lib.core.errors import DataError
from sandbox.lib.data import SeqFileFolder, SequenceFileDataset, read_sequence_file
from sandbox.lib.data.formats.hadoop import _vint

GOLDEN = Path(__file__).parents[2] / "golden" / "sequence_files"
TEXT = "org.apache.hadoop.io.Text"


def everything(data):
    parts = [data.load(p) for p in range(len(data.partition_sizes))]
    return [np.concatenate(side) for side in zip(*parts, strict=True)]


@pytest.mark.parametrize("name", ["plain", "block_gzip", "block_bzip2"])
@pytest.mark.parametrize("block_bytes", [100, 1 << 20])
def test_numbers_and_bytes_are_what_hadoop_wrote(name, block_bytes):
    data = SequenceFileDataset(
        GOLDEN / f"{name}.seq", label="key", block_bytes=block_bytes, dtype=None
    )
    x, y = everything(data)
    assert y.tolist() == list(range(300))
    assert x.tolist() == [[i % 256, 1, 2, 3] for i in range(300)]
    assert (len(data.blocks) > 20) == (name == "plain" and block_bytes == 100)


def test_values_compressed_one_by_one_are_read():
    data = SequenceFileDataset(GOLDEN / "record_deflate.seq", label="key", dtype=None)
    x, y = everything(data)
    assert y.tolist() == [2**40 + i for i in range(300)]
    assert x.tolist() == [i / 4 for i in range(300)]


def test_texts_in_compressed_blocks_are_read():
    rows = list(read_sequence_file(GOLDEN / "block_deflate.seq"))
    assert len(rows) == 300
    assert rows[4] == (b"name 4", b"long text long text long text long text 4")


def vint(number):
    if -112 <= number <= 127:
        return struct.pack("b", number)
    size = (number.bit_length() + 7) // 8
    return struct.pack("b", -112 - size) + number.to_bytes(size, "big")


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return vint(len(value)) + value


def file_of(pairs):
    """Give an uncompressed SequenceFile of texts, with a sync mark before each fifth record."""
    sync = bytes(range(16))
    made = b"SEQ\x06" + text(TEXT) * 2 + b"\0\0" + struct.pack(">i", 1) + text("k") + text("v")
    made += sync
    for k, pair in enumerate(pairs):
        key, value = map(text, pair)
        if k % 5 == 4:
            made += struct.pack(">i", -1) + sync
        made += struct.pack(">ii", len(key) + len(value), len(key)) + key + value
    return made


def picture(k):
    """Give a value of the ancestor's: sizes, then blue, green, red."""
    height, width = 3 + k % 2, 5
    pixels = np.zeros((height, width, 3), "u1")
    pixels[...] = (0, 1, k)
    return struct.pack(">ii", width, height) + pixels.tobytes()


def test_pictures_of_the_ancestor_come_with_labels_from_0(tmp_path):
    pairs = [(f"n{k}.jpg\n{k % 4 + 1}" if k % 2 else str(k % 4 + 1), picture(k)) for k in range(30)]
    (tmp_path / "imagenet-seq-0.seq").write_bytes(file_of(pairs))
    data = SeqFileFolder(tmp_path, decode=lambda p: p.mean(axis=(0, 1)), block_bytes=200)
    x, y = everything(data)
    assert len(data.blocks) > 5
    assert y.tolist() == [k % 4 for k in range(30)]
    np.testing.assert_array_equal(x, [[k, 1, 0] for k in range(30)])
    assert everything(SeqFileFolder(tmp_path, decode=np.mean, labelled=False))[0].shape == (30,)
    np.testing.assert_array_equal(
        everything(SeqFileFolder(GOLDEN / "pictures.seq", decode=lambda p: p[:3, :5]))[0][3, 0, 0],
        [3, 1, 0],
    )


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("n.jpg\nnone", picture(1)), "must end with a label from 1 on; got 'none' in row 1"),
        (("0", picture(1)), "must end with a label from 1 on; got '0' in row 1"),
        (("1", picture(1)[:-1]), r"row 1: .*a picture of 5 x 4 must have 3 bytes a pixel"),
        (("1", b""), r"row 1: .*must begin with width and height"),
    ],
)
def test_pictures_that_are_none_are_named(tmp_path, pair, message):
    (tmp_path / "a.seq").write_bytes(file_of([("1", picture(0)), pair]))
    with pytest.raises(DataError, match=message):
        everything(SeqFileFolder(tmp_path / "a.seq", decode=lambda p: p.mean(axis=(0, 1))))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b"PK" + b[2:], "must be a SequenceFile of version 5 or 6; got b'PKQ"),
        (lambda b: b[:3] + b"\x07" + b[4:], "version 5 or 6"),
        (lambda b: b[:20], "a header that does not end"),
        (lambda b: b.replace(b"IntWritable", b"XntWritable"), "must be Text, .*XntWritable"),
        (lambda b: b[:-2], "a record of which .* bytes at byte"),
        (lambda b: b[:-9], "a record of which .* bytes at byte|the beginning of a record"),
    ],
)
def test_damaged_files_are_refused_with_their_byte(tmp_path, change, message):
    path = tmp_path / "t.seq"
    path.write_bytes(change((GOLDEN / "plain.seq").read_bytes()))
    with pytest.raises(DataError, match=message):
        everything(SequenceFileDataset(path, label="key"))


def test_codecs_that_are_not_known_are_named(tmp_path):
    path = tmp_path / "t.seq"
    whole = (GOLDEN / "block_gzip.seq").read_bytes()
    path.write_bytes(whole.replace(b"GzipCodec", b"SnapCodec"))
    with pytest.raises(DataError, match=r"codec must be one of DefaultCodec, .*SnapCodec"):
        SequenceFileDataset(path, label="key")


@pytest.mark.parametrize("name", ["plain", "record_deflate", "block_deflate", "block_bzip2"])
def test_mutated_files_are_read_or_refused(tmp_path, name):
    rng = np.random.default_rng(0)
    path = tmp_path / "t.seq"
    whole = (GOLDEN / f"{name}.seq").read_bytes()[:1400]
    for _ in range(100):
        data = bytearray(whole)
        for _ in range(rng.integers(1, 5)):
            data[rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(bytes(data))
        try:
            list(read_sequence_file(path))
        except DataError as error:
            assert str(path) in str(error)  # noqa: PT017


@pytest.mark.parametrize("number", [0, 127, 128, -112, -113, 300, -300, 2**31, -(2**31), 2**62])
def test_hadoops_integers_are_read_back(number):
    if -112 <= number <= 127:
        made = struct.pack("b", number)
    else:  # WritableUtils.writeVLong
        whole = ~number if number < 0 else number
        size = (whole.bit_length() + 7) // 8
        made = struct.pack("b", (-120 if number < 0 else -112) - size) + whole.to_bytes(size, "big")
    assert _vint(b"." + made, 1) == (number, 1 + len(made))
