"""IDX files: round trips, damaged files, and the data set made of them."""

from __future__ import annotations

import gzip
import pickle
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.lib.core.errors import DataError
from sandbox.lib.data import IdxDataset, read_idx, write_idx
from sandbox.lib.data.idx import idx_header


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("name", ["a.idx", "a.gz"])
def test_arrays_survive_the_round_trip(tmp_path, dtype, name):
    array = np.random.default_rng(0).integers(0, 100, (4, 3, 2)).astype(dtype)
    write_idx(tmp_path / name, array)
    found = read_idx(tmp_path / name)
    np.testing.assert_array_equal(array, found)
    assert array.dtype == found.dtype
    assert idx_header(tmp_path / name)[0] == (4, 3, 2)
    assert (tmp_path / name).read_bytes()[:2] == (b"\x1f\x8b" if name == "a.gz" else b"\0\0")


def test_format_is_that_of_mnist(tmp_path):
    write_idx(tmp_path / "a", np.array([[1, 2, 3]], "u1"))
    assert (tmp_path / "a").read_bytes() == b"\0\0\x08\x02\0\0\0\x01\0\0\0\x03\1\2\3"
    write_idx(tmp_path / "b", np.array([258], "i4"))
    assert (tmp_path / "b").read_bytes() == b"\0\0\x0c\x01\0\0\0\x01\0\0\1\2"


def test_gzip_is_told_by_content_and_not_by_name(tmp_path):
    write_idx(tmp_path / "a.gz", np.arange(5, dtype="u1"))
    (tmp_path / "a.gz").rename(tmp_path / "plain")
    np.testing.assert_array_equal(read_idx(tmp_path / "plain"), np.arange(5))


def test_writing_is_repeatable_and_leaves_nothing_else(tmp_path):
    write_idx(tmp_path / "a.gz", np.arange(5, dtype="u1"))
    first = (tmp_path / "a.gz").read_bytes()
    write_idx(tmp_path / "a.gz", np.arange(5, dtype="u1"))
    assert first == (tmp_path / "a.gz").read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["a.gz"]
    with pytest.raises(DataError, match=r"must hold an array of uint8.*; got int64"):
        write_idx(tmp_path / "b", np.arange(5))


HEAD = b"\0\0\x08\x01\0\0\0\x05"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "got an empty file"),
        (b"\0\0", r"must start with the bytes 0, 0, dtype, axes; got \[0, 0\]"),
        (b"PK\3\4", r"got \[80, 75, 3, 4\].*another format"),
        (b"\0\0\x07\x01", "must start with the bytes"),
        (HEAD[:6], "header must take 8 bytes for 1 axes; got 6.*truncated"),
        (HEAD + b"123", "must take 5 bytes; got 3 bytes.*truncated.*Fetch the file again"),
        (HEAD + b"123456", "must take 5 bytes; got more than 5 bytes.*damaged"),
        (gzip.compress(HEAD + b"12345", mtime=0)[:-9], "must be a whole gzip file"),
        (gzip.compress(HEAD + b"123", mtime=0), "must take 5 bytes; got 3"),
        (b"\x1f\x8b\x08\x00nonsense", "must be a whole gzip file"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 9), "got 0 bytes"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 0, 2**32 - 1, 2**32 - 1), "shape must be possible"),
    ],
)
def test_damaged_files_are_named_with_what_was_expected(tmp_path, body, message):
    path = tmp_path / "digits.idx"
    path.write_bytes(body)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.gz: must be a readable IDX file; got FileNot"):
        read_idx(tmp_path / "nowhere.gz")
    with pytest.raises(DataError, match="must be a readable IDX file"):
        read_idx(tmp_path)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), zipped=st.booleans())
def test_mutated_files_give_an_array_or_a_data_error(tmp_path, data, zipped):
    whole = b"\0\0\x0c\x03" + struct.pack(">3I", 2, 3, 2) + bytes(range(48))
    body = bytearray(gzip.compress(whole, mtime=0) if zipped else whole)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, max(0, len(body) - 1)))
        action = data.draw(st.sampled_from(["set", "cut", "insert", "delete"]))
        byte = data.draw(st.integers(0, 255))
        if action == "set" and body:
            body[place] = byte
        elif action == "cut":
            del body[place:]
        elif action == "insert":
            body.insert(place, byte)
        elif body:
            del body[place]
    path = tmp_path / "mutated"
    path.write_bytes(bytes(body))
    message = ""
    try:
        array = read_idx(path)
    except DataError as error:
        message = str(error)
    assert str(path) in message or array.nbytes <= len(whole) + 4


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (20, 28, 28), np.uint8), rng.integers(0, 10, 20).astype("u1")
    write_idx(tmp_path / "x.gz", x)
    write_idx(tmp_path / "y.gz", y)
    return tmp_path / "x.gz", tmp_path / "y.gz", x, y


def test_data_set_reads_its_files_on_first_use_and_pickles_paths_only(files, monkeypatch):
    x_path, _, x, y = files
    monkeypatch.chdir(x_path.parent)
    data = IdxDataset("x.gz", "y.gz")
    assert (len(data), data.partition_sizes, data.spec.x.shape) == (20, (20,), (28, 28))
    monkeypatch.chdir("/")
    batch, labels = data.rows(0, [3, 1])
    np.testing.assert_array_equal(batch, x[[3, 1]])
    np.testing.assert_array_equal(labels, y[[3, 1]])
    shipped = pickle.dumps(data)
    assert len(shipped) < 2000
    np.testing.assert_array_equal(pickle.loads(shipped).rows(0, [5])[0], x[[5]])


def test_data_set_names_files_that_do_not_fit(files, tmp_path):
    x_path, y_path, x, y = files
    write_idx(y_path, y[:-1])
    with pytest.raises(DataError, match=r"got 20 in .*x\.gz and 19 in .*y\.gz"):
        IdxDataset(x_path, y_path)
    write_idx(x_path, x[:0])
    write_idx(y_path, y[:0])
    with pytest.raises(DataError, match="at least one row"):
        IdxDataset(x_path, y_path)
