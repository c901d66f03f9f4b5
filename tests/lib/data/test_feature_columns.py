"""Features of tables: kinds, what is measured, ids and numbers, errors, files."""

from __future__ import annotations

import doctest
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.data import FeatureColumns
from sandbox.lib.data.tables import column_statistics, columns, feature_columns
from sandbox.lib.data.tables.columns import (
    Buckets,
    Category,
    Cross,
    Number,
)
from sandbox.lib.train import Trainer

PEOPLE = {
    "age": [20, 30, 40, 50],
    "gain": [0.0, 0.0, 100.0, 5000.0],
    "job": ["cook", "smith", None, "cook"],
    "town": ["Rome", "Oslo", "Rome", "Bern"],
}
KINDS = [
    Number("age"),
    Number("gain", log=True),
    Buckets("age", boundaries=[25, 45]),
    Cross(["job", "age"]),
    Category("job"),
    Category("town", min_count=2),
    Category("town2", buckets=3),
]


def with_second_town(table: Any) -> Any:
    return {**table, "town2": table["town"]}


@pytest.fixture
def features() -> FeatureColumns:
    return FeatureColumns.fit(with_second_town(PEOPLE), KINDS)


@pytest.mark.parametrize("module", [columns, feature_columns])
def test_the_examples_are_right(module: Any) -> None:
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


def test_sizes_are_those_the_network_asks_for(features: FeatureColumns) -> None:
    assert features.names == ("age", "job", "town", "town2", "job x age")  # deep ones first
    assert features.fields == (4, 4, 3, 4, 16)
    assert (features.embedded, features.numbers, features.inputs) == (4, 2, ("ids", "row"))
    assert set(features.reads) == {"age", "gain", "job", "town", "town2"}


def test_ids_lie_one_field_behind_the_other(features: FeatureColumns) -> None:
    ids, row = features.table(with_second_town(PEOPLE))
    assert (ids.dtype, row.dtype) == (np.int32, np.float32)
    local = ids - np.cumsum([0, *features.fields[:-1]])
    assert local[:, 0].tolist() == [1, 2, 2, 3]  # buckets: < 25, < 45, the rest
    assert local[:, 1].tolist() == [2, 3, 0, 2]  # cook comes more often; nothing there is 0
    assert local[:, 2].tolist() == [2, 1, 2, 1]  # Rome twice; the rare ones are one
    assert (local[:, 3] > 0).all()
    assert local[0, 3] == local[2, 3]
    assert local[:, 4].tolist() == [2 * 4 + 1, 3 * 4 + 2, 0 * 4 + 2, 2 * 4 + 3]
    assert np.allclose(row.mean(axis=0), 0, atol=1e-6)
    assert np.allclose(row.std(axis=0), 1, atol=1e-6)


def test_new_words_are_others_and_gaps_are_missing(features: FeatureColumns) -> None:
    new = {"age": [99], "gain": [-5.0], "job": ["king"], "town": [None], "town2": ["Mars"]}
    ids, row = features.table(new)
    local = (ids - np.cumsum([0, *features.fields[:-1]]))[0]
    assert local.tolist()[:3] == [3, 1, 0]
    assert 1 <= local[3] <= 3
    assert row[0, 1] < features.table(with_second_town(PEOPLE))[1][0, 1]  # a loss is below none


@pytest.mark.parametrize(
    "make",
    [
        dict,
        pd.DataFrame,
        pa.table,
        lambda t: {name: np.array(values, object) for name, values in t.items()},
        lambda t: pd.DataFrame(t).astype({"job": "category", "age": "float64"}),
        lambda t: pa.table(t).cast(
            pa.schema(
                [
                    ("age", pa.decimal128(23, 2)),
                    ("gain", pa.float32()),
                    ("job", pa.large_string()),
                    ("town", pa.string()),
                    ("town2", pa.string()),
                ]
            )
        ),
    ],
)
def test_any_table_gives_the_same_rows(make: Any, features: FeatureColumns) -> None:
    table = with_second_town(PEOPLE)
    assert FeatureColumns.fit(make(table), KINDS) == features
    expected, got = features.table(table), features.table(make(table))
    assert np.array_equal(expected[0], got[0])
    assert np.allclose(expected[1], got[1], atol=1e-6)


def test_whole_numbers_and_truths_are_categories_of_their_own() -> None:
    table = {"code": [7, 7, 3], "member": [True, False, True]}
    features = FeatureColumns.fit(table, [Category("code"), Category("member")])
    assert features.columns[0].vocabulary == ("7", "3")  # type: ignore[attr-defined]
    assert features.columns[1].vocabulary == ("true", "false")  # type: ignore[attr-defined]
    assert features.inputs == ("ids",)
    assert features.table({"code": [3, 9], "member": [False, None]}).tolist() == [[3, 7], [1, 4]]


def test_buckets_hold_about_the_same_number_of_rows() -> None:
    x = np.random.default_rng(0).exponential(size=1000)
    (found,) = FeatureColumns.fit({"x": x}, [Buckets("x", 4)]).columns
    assert isinstance(found, Buckets)
    counts = np.bincount(found.ids(x))
    assert counts[0] == 0
    assert (abs(counts[1:] - 250) <= 1).all()


def test_a_hashed_cross_spreads_its_combinations() -> None:
    parts = [np.repeat(np.arange(50), 40), np.tile(np.arange(40), 50)]
    ids = Cross(["a", "b"], buckets=500).ids(parts, [50, 40])
    counts = np.bincount(ids, minlength=500)
    assert counts.max() <= 14  # 4 each, as if drawn at random
    assert 1 < (counts == 0).sum() < 20


def test_saved_and_loaded_they_are_the_same(features: FeatureColumns, tmp_path: Path) -> None:
    features.save(tmp_path)
    again = FeatureColumns.load(tmp_path)
    assert again == features
    assert hash(again) == hash(features)
    table = with_second_town(PEOPLE)
    assert all(
        a.tobytes() == b.tobytes()
        for a, b in zip(features.table(table), again.table(table), strict=True)
    )

    settings = json.loads((tmp_path / "features.json").read_text())
    for damaged in ({"format": "else"}, {"columns": [{"kind": "spam"}]}, {"columns": 3}):
        (tmp_path / "features.json").write_text(json.dumps(settings | damaged))
        with pytest.raises(DataError, match=r"features\.json"):
            FeatureColumns.load(tmp_path)


WRONG_COLUMNS = [
    ([], "at least one"),
    ([Number("age"), Number("age")], "'age' several times"),
    ([Buckets("age"), Category("age")], "'age' several times"),
    ([Category("job"), Cross(["job", "sex"])], "got 'sex'. There are: job"),
    (["age"], "must be Number, Buckets, Category or Cross"),
]


@pytest.mark.parametrize(("given", "message"), WRONG_COLUMNS)
def test_lists_that_make_no_sense_are_refused(given: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        FeatureColumns.fit(PEOPLE, given)


WRONG_KINDS = [
    (lambda: Number("a", mean=1.0), "both or not at all"),
    (lambda: Number("a", missing="zero"), "`missing` must be one of"),
    (lambda: Buckets("a", 1), "`count`"),
    (lambda: Buckets("a", boundaries=[2, 1]), "rising order"),
    (lambda: Category("a", vocabulary=["x", "x"]), "different words"),
    (lambda: Category("a", vocabulary=["x"], buckets=3), "without `buckets`"),
    (lambda: Cross(["a"]), "two or more"),
    (lambda: FeatureColumns([Number("a")]), "must be fitted"),
    (
        lambda: FeatureColumns(
            [Category(n, buckets=1 << 11) for n in "abc"] + [Cross(["a", "b", "c"])]
        ),
        "'a x b x c'. Give it `buckets`",
    ),
]


@pytest.mark.parametrize(("make", "message"), WRONG_KINDS)
def test_kinds_say_what_they_take(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


WRONG_TABLES = [
    ({"age": None}, r"column 'age' must have a number in each row; got none in row 0 \(4 of 4"),
    ({"age": [1, 2, np.nan, 4]}, r"'age' must have a number .* row 2 .*missing='mean'"),
    ({"age": [1, 2, np.inf, 4]}, r"finite numbers; got inf in row 2"),
    ({"age": ["a", "b", "c", "d"]}, r"must hold numbers; got string.*Category\('age'\)"),
    ({"job": [1.5, 2.5, 1.5, 0.5]}, r"'job' must hold words; got double.*Buckets\('job'\)"),
    ({"job": [["a"], ["b"], ["c"], ["d"]]}, r"'job' must hold words; got list"),
    ({"job": ["a", 3, 4, 5]}, r"'job' must hold values of one type"),
]


@pytest.mark.parametrize(("change", "message"), WRONG_TABLES)
def test_bad_tables_are_refused_by_column_and_row(change: Any, message: str) -> None:
    given = [Number("age"), Category("job")]
    features = FeatureColumns.fit(PEOPLE, given)
    change = {name: [None] * 4 if values is None else values for name, values in change.items()}
    with pytest.raises(DataError, match=message):
        features.table({**PEOPLE, **change})
    with pytest.raises(DataError, match=message):
        FeatureColumns.fit({**PEOPLE, **change}, given)


def test_a_missing_column_is_named_with_the_nearest_one() -> None:
    features = FeatureColumns.fit(PEOPLE, [Number("age"), Category("job")])
    with pytest.raises(DataError, match=r"the column 'job'; got age, Job\. .*: 'Job'\?"):
        features.table({"age": [1], "Job": ["cook"]})


def test_a_column_of_nearly_one_value_wants_boundaries() -> None:
    with pytest.raises(DataError, match=r"got 0 in nearly all rows\. Give the limits: Buckets"):
        FeatureColumns.fit({"gain": [0] * 99 + [5]}, [Buckets("gain", 4)])
    with pytest.raises(DataError, match="at least one number"):
        FeatureColumns.fit({"gain": []}, [Buckets("gain", 4)])


def test_missing_numbers_may_take_the_mean() -> None:
    features = FeatureColumns.fit({"x": [1.0, 3.0, None]}, [Number("x", missing="mean")])
    assert features.table({"x": [None, 3.0]}).tolist() == [[0.0], [1.0]]


def test_no_rows_give_no_rows(features: FeatureColumns) -> None:
    ids, row = features.table(pa.table(with_second_town(PEOPLE)).slice(0, 0))
    assert (ids.shape, row.shape) == ((0, 5), (0, 2))


def test_wide_and_deep_learns_what_only_the_cross_tells() -> None:
    rng = np.random.default_rng(0)
    table = {"a": rng.integers(0, 8, 2000), "b": rng.integers(0, 8, 2000), "c": rng.random(2000)}
    y = rng.integers(0, 2, (8, 8))[table["a"], table["b"]]
    kinds = [Category("a"), Category("b"), Number("c")]
    scores = []
    for more in ([], [Cross(["a", "b"])]):
        features = FeatureColumns.fit(table, [*kinds, *more])
        model = nn.zoo.wide_and_deep(
            features.fields, features.numbers, 2, 0, hidden=(2,), dimension=1,
            embedded=features.embedded, dropout=0.1,
        )  # fmt: skip
        trainer = Trainer(
            model, criterion.CrossEntropy(), optim.Adam(0.05), progress=None, threads=1
        )
        trainer.fit((features.table(table), y), epochs=15)
        scores.append(trainer.evaluate((features.table(table), y))["top1"])
    assert scores[0] < 0.9
    assert scores[1] > 0.97


def test_a_network_of_categories_alone_has_one_input() -> None:
    features = FeatureColumns.fit(PEOPLE, [Category("job"), Category("town")])
    model = nn.zoo.wide_and_deep(features.fields, features.numbers, 2, 0)
    assert model(features.table(PEOPLE)).shape == (4, 2)
    with pytest.raises(ArgumentError, match="`embedded` must be at most 2"):
        nn.zoo.wide_and_deep(features.fields, 0, 2, 0, embedded=3)


def test_what_is_measured_is_named_in_errors_of_statistics() -> None:
    with pytest.raises(DataError, match="FeatureColumns: here: column 'x' must hold numbers"):
        column_statistics.numbers(Number("x"), ["a"], "here")
