"""Data sets of the BigDL front, from files of a folder."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib.bigdl.dataset import base, mnist, movielens, news20
from sandbox.lib.bigdl.dataset.transformer import normalizer
from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.data import write_idx


def test_mnist_is_read_from_idx_files_and_normalised(tmp_path):
    images = np.arange(2 * 28 * 28, dtype=np.uint8).reshape(2, 28, 28)
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", images)
    write_idx(tmp_path / "t10k-labels-idx1-ubyte", np.uint8([7, 2]))
    x, y = mnist.read_data_sets(str(tmp_path), "test")

    assert x.shape == (2, 28, 28, 1)
    assert y.tolist() == [7, 2]
    wanted = (images[1, 2, 3] - mnist.TEST_MEAN) / mnist.TEST_STD
    assert normalizer(x, mnist.TEST_MEAN, mnist.TEST_STD)[1, 2, 3, 0] == pytest.approx(wanted)


def test_a_file_that_is_not_there_is_named_with_the_cure(tmp_path):
    with pytest.raises(DataError, match="train-images-idx3-ubyte"):
        mnist.read_data_sets(str(tmp_path))
    with pytest.raises(ArgumentError, match="data_type"):
        mnist.read_data_sets(str(tmp_path), "valid")
    with pytest.raises(DataError, match=r"example\.org"):
        base.maybe_download("a.gz", str(tmp_path), "https://example.org/a.gz")
    with pytest.raises(DataError, match="folder for each group"):
        news20.get_news20(str(tmp_path))


def test_ratings_are_read_in_columns(tmp_path):
    (tmp_path / "ratings.dat").write_text("1::10::5::978\n2::20::3::979\n")

    assert movielens.get_id_pairs(str(tmp_path)).tolist() == [[1, 10], [2, 20]]
    assert movielens.get_id_ratings(str(tmp_path)).tolist() == [[1, 10, 5], [2, 20, 3]]


def test_groups_of_news_and_vectors_of_words_are_read(tmp_path):
    for group in ("b.two", "a.one"):
        (tmp_path / group).mkdir()
        (tmp_path / group / "1").write_text(f"text of {group}")
    vectors = tmp_path / "vectors"
    vectors.mkdir()
    (vectors / "glove.6B.50d.txt").write_text("word 0.5 1.0\n")

    assert news20.get_glove_w2v(str(vectors), 50) == {"word": [0.5, 1.0]}
    (vectors / "glove.6B.50d.txt").unlink()
    vectors.rmdir()
    assert news20.get_news20(str(tmp_path)) == [("text of a.one", 1), ("text of b.two", 2)]
