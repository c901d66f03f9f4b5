"""Reviews and payments: the real sets where they are, stand-ins that say so where they are not."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.data import (
    Scaler,
    Tokenizer,
    cards,
    census,
    labels_of,
    reviews,
    sources,
    time_split,
)

SHARED = Path(os.environ.get("SANDBOX_DATA") or Path(__file__).parents[4] / "shared" / "data")


@pytest.fixture
def without_data(tmp_path, monkeypatch):
    monkeypatch.setenv("SANDBOX_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SANDBOX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "IMAGE_FOLDER", tmp_path / "image")
    monkeypatch.setattr(sources, "_announced", set())
    return tmp_path / "data"


@pytest.fixture
def real(request, monkeypatch):
    if not (SHARED / request.param).is_dir():
        pytest.skip(f"{request.param} is not here")
    monkeypatch.setenv("SANDBOX_DATA", str(SHARED))
    return SHARED


def baseline(train, test):
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        LogisticRegression(C=4, max_iter=300),
    )
    return model.fit(train.texts, train.labels).score(test.texts, test.labels)


def test_made_up_sentences_say_so_and_can_be_learnt(without_data, capsys):
    parts = {s: reviews.rt_polarity(s) for s in ("train", "validation", "test")}
    assert "NOT THE REAL DATA. rt_polarity/train: STAND-IN" in capsys.readouterr().err
    assert [len(p.texts) for p in parts.values()] == [7464, 1066, 2132]
    assert parts["train"].labels.mean() == 0.5
    assert parts["train"].provenance.kind == "stand-in"
    assert 0.7 < baseline(parts["train"], parts["test"]) < 0.97
    both = reviews.rt_polarity("train+validation")
    assert sorted(both.texts) == sorted(parts["train"].texts + parts["validation"].texts)
    assert parts["test"].texts == reviews.rt_polarity("test").texts


def test_made_up_reviews_have_breaks_and_lengths_like_real_ones(without_data):
    train, test = reviews.imdb("train"), reviews.imdb("test")
    assert len(train.texts) == len(test.texts) == 2000
    assert train.texts[0] != test.texts[0]
    assert any("<br /><br />" in text for text in train.texts)
    lengths = [len(Tokenizer()(text)) for text in train.texts]
    assert min(lengths) > 10
    assert np.quantile(lengths, 0.9) > 2 * np.quantile(lengths, 0.1)
    assert not any("br" in Tokenizer()(text) for text in train.texts)
    assert 0.75 < baseline(train, test) < 0.99


def test_simulated_payments_have_the_columns_of_the_real_ones(without_data, capsys):
    found = cards.load("sample")
    assert "NOT THE REAL DATA. creditcard/sample: STAND-IN" in capsys.readouterr().err
    columns = found.columns
    assert list(columns) == [*cards.FEATURES, "Class"]
    assert len(columns["Time"]) == 20_000
    assert (np.diff(columns["Time"]) >= 0).all()
    assert 0 < columns["Class"].mean() < 0.01
    assert (columns["Amount"] > 0).all()
    assert cards.path("sample") is None
    again = cards.load("sample").columns
    for name in columns:
        np.testing.assert_array_equal(columns[name], again[name])


def test_simulated_frauds_can_be_found_but_not_all(without_data):
    columns = cards.load("full").columns
    first, second = time_split(columns["Time"])
    train = {name: values[first] for name, values in columns.items()}
    scaler = Scaler.fit(train, cards.FEATURES, log=["Amount"])
    x, y = scaler.table(columns), labels_of(columns, "Class")
    model = LogisticRegression(max_iter=300).fit(x[first], y[first])
    area = average_precision_score(y[second], model.predict_proba(x[second])[:, 1])
    assert 0.4 < area < 0.95


@pytest.mark.parametrize("real", ["rt_polarity"], indirect=True)
def test_real_sentences_are_split_as_documented(real):
    files = [
        (real / "rt_polarity" / f"rt-polarity.{kind}").read_text("utf-8").split("\n")
        for kind in ("neg", "pos")
    ]
    test = reviews.rt_polarity("test")
    expected = [file[line].strip() for line in (8, 9) for file in files]
    assert expected == test.texts[:4]
    assert test.labels[:4].tolist() == [0, 1, 0, 1]
    assert len(test.texts) == 2132
    assert test.provenance.kind == "real"
    train = reviews.rt_polarity("train")
    assert len(train.texts) == 7464
    repeated = set(train.texts) & set(test.texts)
    assert len(repeated) < 20  # the set itself holds a few sentences twice
    assert 0.75 < baseline(train, test) < 0.80


@pytest.mark.parametrize("real", ["imdb"], indirect=True)
def test_real_reviews_are_all_there(real):
    for split in ("train", "test"):
        found = reviews.imdb(split)
        assert (len(found.texts), found.labels.mean()) == (25_000, 0.5)
        assert all(Tokenizer()(text) for text in found.texts[::50])


@pytest.mark.parametrize("real", ["creditcard"], indirect=True)
def test_real_payments_come_in_order_of_time(real):
    columns = cards.load().columns
    assert len(columns["Class"]) == 284_807
    assert columns["Class"].sum() == 492
    first, second = time_split(columns["Time"], 0.7)
    assert columns["Class"][second].sum() == 108
    assert columns["Time"][first].max() < columns["Time"][second].min()
    assert len(cards.load("sample").columns["Class"]) == 50_492
    assert cards.path().name == "creditcard-full-f32.parquet"


def test_damaged_files_are_named_and_no_stand_in_steps_in(without_data):
    for name in ("rt_polarity", "imdb", "creditcard"):
        (without_data / name).mkdir(parents=True)
    neg, pos = (without_data / "rt_polarity" / f"rt-polarity.{k}" for k in ("neg", "pos"))
    neg.write_text("only one\n")
    pos.write_bytes(b"caf\xe9\n")
    with pytest.raises(DataError, match=r"rt-polarity\.neg: must hold 5331 lines; got 1"):
        reviews.rt_polarity()
    neg.write_bytes(b"caf\xe9\n")
    with pytest.raises(DataError, match=r"must be text in UTF-8; got byte 0xe9 at place 3"):
        reviews.rt_polarity()
    (without_data / "imdb" / "imdb-test.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"imdb-test\.parquet: must be a Parquet file"):
        reviews.imdb("test")
    path = without_data / "creditcard" / "creditcard-full-f32.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(DataError, match="must be a whole Parquet file"):
        cards.load()
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"Time": [1], "V1": [0.5]}), path)
    with pytest.raises(DataError, match=r"got no V2, V3, .*Columns present: Time, V1"):
        cards.load()
    pq.write_table(
        pa.table({"text": ["a"], "label": ["good"]}), without_data / "imdb" / "imdb-test.parquet"
    )
    with pytest.raises(DataError, match="column 'label' must hold 0 and 1; got object"):
        reviews.imdb("test")


@pytest.mark.parametrize(
    "act",
    [lambda: reviews.imdb("dev"), lambda: reviews.rt_polarity("all"), lambda: cards.load("half")],
)
def test_other_parts_are_refused(act):
    with pytest.raises(ArgumentError, match="must be one of"):
        act()


def odds(table):
    """Return the features of a weighted sum: numbers and one column for each word."""
    names = [*census.NUMBERS, *census.CATEGORIES]
    return pd.get_dummies(table[names], columns=list(census.CATEGORIES)).astype(float)


def test_made_up_people_say_so_and_can_be_told_apart(without_data, capsys, monkeypatch):
    monkeypatch.setenv("SANDBOX_OFFLINE", "1")
    train, test = census.load("train"), census.load("test")
    assert "NOT THE REAL DATA. adult/train: STAND-IN" in capsys.readouterr().err
    assert tuple(train.table.columns) == census.COLUMNS
    assert (len(train.table), len(test.table)) == (16_280, 8_140)
    assert train.table.equals(census.load("train").table)
    assert not train.table.head(100).equals(test.table.head(100))
    assert 0.18 < (train.table.income == census.CLASSES[1]).mean() < 0.3
    assert train.table.occupation.isna().sum() == train.table.workclass.isna().sum() > 500
    assert set(train.table.education_num) == set(range(1, 17))
    x, new = odds(train.table).align(odds(test.table), join="left", axis=1, fill_value=0.0)
    y, truth = (part.table.income == census.CLASSES[1] for part in (train, test))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(x, y)
    assert 0.85 < roc_auc_score(truth, model.decision_function(new)) < 0.95


@pytest.mark.parametrize("real", ["adult"], indirect=True)
def test_the_real_people_are_read_without_spaces_dots_and_question_marks(real):
    parts = {part: census.load(part) for part in ("train", "test")}
    rows = {name: len(part.table) for name, part in parts.items()}
    assert rows == {"train": 32_561, "test": 16_281}
    counts = [part.table.income.value_counts().to_dict() for part in parts.values()]
    assert counts == [{"<=50K": 24_720, ">50K": 7_841}, {"<=50K": 12_435, ">50K": 3_846}]
    gaps = parts["train"].table.isna().sum()
    assert gaps[gaps > 0].to_dict() == {
        "workclass": 1836,
        "occupation": 1843,
        "native_country": 583,
    }
    first = parts["test"].table.iloc[0]
    assert (first.age, first.education, first.native_country) == (25, "11th", "United-States")
    assert parts["test"].provenance.kind == "real"
    words = parts["train"].table[list(census.CATEGORIES)].stack()
    assert not words.str.contains(r"[ ?]").any()


PERSON = "39, Private, 77516, Bachelors, 13, Divorced, Sales, Husband, White, Male, 0, 0, 40, ?, "


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PERSON + "<=50K\n" + PERSON + "rich\n", "line 2 must have 15 values"),
        ("39, Private\n", "line 1 must have 15 values"),
        ("", "must hold 32,561 people; got 0"),
        ((PERSON + ">50K.\n") * 3, "must hold 32,561 people; got 3"),
        (PERSON.replace("39", "old") * 1 + "<=50K\n", "'age' must hold whole numbers; got .*old"),
    ],
)
def test_damaged_files_of_people_are_refused(without_data, content, message, monkeypatch):
    monkeypatch.setattr(census, "_ROWS", {"train": 1 if "old" in content else 32_561})
    folder = without_data / "adult"
    folder.mkdir(parents=True)
    (folder / "adult.data").write_text(content)
    (folder / "adult.test").write_text(content)
    with pytest.raises(DataError, match=message):
        census.load("train")


def test_people_have_two_parts_and_frames_want_a_session():
    with pytest.raises(ArgumentError, match="`part` must be one of"):
        census.load("validation")
    with pytest.raises(ArgumentError, match="`spark` must be a SparkSession"):
        census.frame(None)
