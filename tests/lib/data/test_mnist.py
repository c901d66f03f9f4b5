"""Where MNIST comes from: folders, download, stand-in; and what is said about it."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import http.server
import os
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest

from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.data import mnist, read_idx, sources, write_idx

GIVEN = os.environ.get("SANDBOX_DATA")


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """No data folder, an empty cache, no network, nothing used or announced yet."""
    monkeypatch.delenv("SANDBOX_DATA", raising=False)
    monkeypatch.setenv("SANDBOX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SANDBOX_OFFLINE", "1")
    monkeypatch.setattr(sources, "IMAGE_FOLDER", tmp_path / "image")
    for name in ("_used", "_announced", "_unreachable"):
        monkeypatch.setattr(sources, name, type(getattr(sources, name))())


def fill(folder, rows=3, suffix=".gz", shade=7):
    folder.mkdir(parents=True)
    for images, labels in mnist._FILES.values():
        write_idx(folder / images.replace(".gz", suffix), np.full((rows, 28, 28), shade, "u1"))
        write_idx(folder / labels.replace(".gz", suffix), np.arange(rows, dtype="u1"))


def test_real_files_are_the_mnist_everybody_knows(real_mnist, monkeypatch):
    monkeypatch.setenv("SANDBOX_DATA", str(real_mnist))
    train, test = mnist.load("train"), mnist.load("test")
    assert train.images.shape == (60_000, 28, 28)
    assert test.images.shape == (10_000, 28, 28)
    assert list(np.bincount(test.labels)) == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert abs(train.images.mean() / 255 - mnist.MEAN) < 1e-4
    assert abs(train.images.std() / 255 - mnist.STD) < 1e-4
    assert set(sources.verify("mnist", real_mnist / "mnist").values()) == {"ok"}
    assert train.provenance.kind == "real"
    assert str(real_mnist) in sources.report()


@pytest.fixture
def real_mnist():
    """Return the folder of real data, wherever this checkout finds it."""
    root = Path(__file__).resolve().parents[3]
    for folder in (GIVEN, root.parent / "shared" / "data"):
        if folder and sources.in_folder(Path(folder) / "mnist", "train-images-idx3-ubyte.gz"):
            return Path(folder)
    pytest.skip("real MNIST is not on this machine")


def test_folders_are_tried_in_order(tmp_path, monkeypatch, capsys):
    fill(tmp_path / "image" / "mnist", shade=3)
    assert mnist.load("train").images[0, 0, 0] == 3
    fill(tmp_path / "cache" / "data" / "mnist", shade=2)
    assert mnist.load("train").images[0, 0, 0] == 2
    fill(tmp_path / "own" / "mnist", shade=1, suffix="")  # unpacked files will do
    monkeypatch.setenv("SANDBOX_DATA", str(tmp_path / "own"))
    found = mnist.load("test")
    assert found.images[0, 0, 0] == 1
    assert found.provenance.describe().startswith("mnist/test: 3 rows from")
    assert capsys.readouterr().err == ""


def test_stand_in_says_loudly_and_once_what_it_is(capsys):
    train, test = mnist.load("train"), mnist.load("test")
    assert train.images.shape == (1500, 28, 28)
    assert test.labels.shape == (297,)
    assert train.images.dtype == np.uint8
    assert train.images.max() == 255
    assert set(train.labels) == set(range(10))
    said = capsys.readouterr().err
    assert said.count("NOT THE REAL DATA") == 1
    assert "scikit-learn" in said
    assert "SANDBOX_DATA/mnist" in said
    assert "STAND-IN" in sources.report()
    assert sources.report().count("\n") == 2
    assert train.provenance.kind == "stand-in"
    assert train.provenance.to_dict()["rows"] == 1500


def test_stand_in_digits_look_like_mnist():
    images, labels = mnist.stand_in("train")
    assert not images[:, :4].any()
    assert not images[:, :, -4:].any()
    means = np.array([images[labels == k].mean(axis=0) for k in range(10)])
    test_images, test_labels = mnist.stand_in("test")
    distance = ((test_images[:, None].astype("f4") - means) ** 2).sum(axis=(2, 3))
    assert (distance.argmin(axis=1) == test_labels).mean() > 0.8  # a linear rule, other writers


def test_data_sets_of_arrays_and_of_files_agree(capsys):
    arrays, files = mnist.dataset("test"), mnist.idx_dataset("test")
    assert arrays.spec == files.spec
    assert arrays.spec.x.shape == (1, 28, 28)
    for a, b in zip(arrays.rows(0, [5, 2]), files.rows(0, [5, 2]), strict=True):
        np.testing.assert_array_equal(a, b)
    assert pickle.loads(pickle.dumps(files)).provenance.kind == "stand-in"
    assert arrays.provenance.part == "test"
    plain, _ = mnist.dataset("test", standardize=False).rows(0, range(297))
    assert (plain.min(), plain.max()) == (0, 1)
    assert read_idx(mnist.paths("test")[1]).shape == (297,)


def test_damaged_files_are_an_error_and_not_a_stand_in(tmp_path, monkeypatch):
    fill(tmp_path / "own" / "mnist")
    monkeypatch.setenv("SANDBOX_DATA", str(tmp_path / "own"))
    images = tmp_path / "own" / "mnist" / "train-images-idx3-ubyte.gz"
    whole = images.read_bytes()
    images.write_bytes(whole[:20])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: must be a whole gzip file"):
        mnist.load("train")
    write_idx(images, np.zeros((3, 8, 8), "u1"))
    with pytest.raises(DataError, match=r"must hold N images of 28x28 bytes"):
        mnist.load("train")


def test_splits_have_names():
    with pytest.raises(ArgumentError, match="`split` must be one of 'train', 'test'; got 'valid'"):
        mnist.load("valid")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A web server on this machine with small files, and a source that points to it."""
    fill(tmp_path / "web", rows=4)
    handler = functools.partial(Quiet, directory=str(tmp_path / "web"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    known = {
        file: hashlib.sha256((tmp_path / "web" / file).read_bytes()).hexdigest()
        for files in mnist._FILES.values()
        for file in files
    }
    address = f"http://127.0.0.1:{server.server_port}/"
    source = dataclasses.replace(
        sources.SOURCES["mnist"], files=known, mirrors=(address + "gone/", address)
    )
    monkeypatch.setitem(sources.SOURCES, "mnist", source)
    monkeypatch.delenv("SANDBOX_OFFLINE")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield tmp_path / "web"
    server.shutdown()
    server.server_close()
    thread.join()


def test_download_goes_to_the_cache_from_the_first_mirror_that_works(mirror, tmp_path, capsys):
    assert mnist.load("test").labels.shape == (4,)
    cached = tmp_path / "cache" / "data" / "mnist"
    assert sorted(p.name for p in cached.iterdir()) == sorted(mnist._FILES["test"])
    for path in mirror.iterdir():
        path.unlink()
    assert mnist.load("test").provenance.place == str(cached)
    assert "NOT THE REAL DATA" not in capsys.readouterr().err


def test_download_with_a_wrong_checksum_is_not_used(mirror, capsys):
    write_idx(mirror / "t10k-labels-idx1-ubyte.gz", np.arange(9, dtype="u1"))
    assert mnist.load("test").provenance.kind == "stand-in"
    assert "NOT THE REAL DATA" in capsys.readouterr().err


def test_offline_means_no_request(mirror, monkeypatch):
    monkeypatch.setenv("SANDBOX_OFFLINE", "1")
    assert mnist.load("test").provenance.kind == "stand-in"


def test_sets_without_an_address_name_the_folders(tmp_path):
    with pytest.raises(
        DataError, match=r"imdb: the data set must be in one of .*Fetch it: sandbox"
    ):
        sources.download(sources.SOURCES["imdb"], ["imdb-train.parquet"])


def test_every_known_set_says_whether_it_may_be_passed_on():
    assert not sources.SOURCES["movielens"].redistributable
    assert sources.SOURCES["mnist"].redistributable
    assert all(s.terms and s.about for s in sources.SOURCES.values())
    assert sources.report() == "data used:\n  none"


@pytest.mark.parametrize(
    ("given", "state"),
    [("{}/none", "is not there"), ("{}/file", "is no folder"), ("~/none", "is not there")],
)
def test_a_data_folder_that_is_none_is_named_beside_the_stand_in(
    tmp_path, monkeypatch, capsys, given, state
):
    (tmp_path / "file").touch()
    given = given.format(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SANDBOX_DATA", given)
    mnist.load("test")
    said = capsys.readouterr().err
    place = given.replace("~", str(tmp_path))
    assert (
        f"SANDBOX_DATA={given} must be a folder with data sets; got {place}, which {state}.\n"
        "Correct it, or allow the download"
    ) in said


def test_a_data_folder_that_is_none_is_named_once_where_the_cache_steps_in(
    tmp_path, monkeypatch, capsys
):
    fill(tmp_path / "cache" / "data" / "mnist")
    monkeypatch.setenv("SANDBOX_DATA", str(tmp_path / "none"))
    for split in ("train", "test"):
        assert mnist.load(split).provenance.kind == "real"
    said = capsys.readouterr().err
    assert said.count("none, which is not there. Using") == 1


def test_a_data_folder_below_the_home_may_be_named_with_a_tilde(tmp_path, monkeypatch):
    fill(tmp_path / "my data" / "mnist")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SANDBOX_DATA", "~/my data")
    assert mnist.load("test").provenance.place == str(tmp_path / "my data" / "mnist")
    assert sources.own_folder_fault() == ""
