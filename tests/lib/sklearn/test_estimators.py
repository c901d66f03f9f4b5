"""What the estimators take, and what they answer."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_info

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import ArgumentError, DivergedError
from sandbox.lib.sklearn import SandboxClassifier, SandboxRegressor, rows

pytestmark = pytest.mark.filterwarnings("ignore:.*before the training stands still")
X, Y = load_iris(return_X_y=True)
Z = (X - X.mean(axis=0)) / X.std(axis=0)
TWO = Y[:100]


def classifier(**options):
    return SandboxClassifier(**{"learning_rate": 0.02, "max_iter": 30, "random_state": 0} | options)


def test_classes_of_any_kind_come_back_and_probabilities_add_up():
    names = np.array(["setosa", "versicolor", "virginica"])
    model = classifier().fit(Z, names[Y])
    assert list(model.classes_) == list(names)
    assert model.score(Z, names[Y]) > 0.95
    assert model.predict(Z[:2]).tolist() == ["setosa", "setosa"]
    found = model.predict_proba(Z)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    np.testing.assert_allclose(np.log(found), model.predict_log_proba(Z))
    assert (model.decision_function(Z).argmax(axis=1) == found.argmax(axis=1)).all()


def test_columns_of_a_frame_are_known_by_name():
    frame = pd.DataFrame(Z, columns=list("abcd"))
    model = classifier(max_iter=2).fit(frame, Y)
    assert model.feature_names_in_.tolist() == list("abcd")
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[["b", "a", "c", "d"]])


def test_what_a_row_gets_does_not_depend_on_the_rows_beside_it():
    model = classifier(max_iter=3).fit(Z.astype("f4"), Y)
    assert model.module_.fc1.weight.dtype == np.float32
    whole = model.predict_proba(np.tile(Z, (3, 1)).astype("f4"))
    for part in (slice(0, 1), slice(7, 30), slice(200, 301)):
        np.testing.assert_array_equal(whole[part], model.predict_proba(np.tile(Z, (3, 1))[part]))


def test_sparse_tables_give_the_bits_of_dense_ones():
    table = np.where(np.abs(Z) > 0.7, Z, 0.0)
    for kind in (sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix):
        models = [classifier(max_iter=3).fit(x, Y) for x in (table, kind(table))]
        expected = models[0].predict_proba(table)
        np.testing.assert_array_equal(models[1].predict_proba(kind(table)), expected)
    found = classifier(max_iter=3, early_stopping=True).fit(sparse.csr_matrix(table), Y)
    assert found.predict(table).shape == (150,)


def test_rows_and_classes_that_count_more():
    weight = np.where(Y == 2, 0.0, 1.0)
    model = classifier(max_iter=60, tol=0.0).fit(Z, Y, weight)
    assert set(model.predict(Z)) == {0, 1}
    plain = classifier(tol=0.0).fit(Z[Y < 2], TWO)
    assert model.classes_.size == 3
    assert plain.classes_.size == 2

    by_class = classifier(class_weight={0: 1.0, 1: 2.0, 2: 0.5}).fit(Z, Y)
    by_row = classifier().fit(Z, Y, np.array([1.0, 2.0, 0.5])[Y])
    np.testing.assert_array_equal(by_class.predict_proba(Z), by_row.predict_proba(Z))
    rare = np.r_[0:50, 50:55]
    scores = [
        (classifier(class_weight=kind, max_iter=8).fit(Z[rare], Y[rare]).predict_proba(Z[50:100]))
        for kind in (None, "balanced")
    ]
    assert scores[1][:, 1].mean() > scores[0][:, 1].mean()


def test_rows_that_do_not_count_are_left_out_of_batches():
    weight = np.zeros(150)
    weight[[0, 1, 60, 61]] = 1.0
    model = classifier(batch_size=2).fit(Z, Y, weight)
    assert np.isfinite(model.loss_curve_).all()
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    few = Z[[0, 1, 60, 61]]
    np.testing.assert_array_equal(model.predict(few), [0, 0, 1, 1])
    with pytest.raises(ValueError, match="zero"):
        classifier(class_weight={0: 0.0}).fit(Z[:60], Y[:60], np.repeat([1.0, 0.0], [50, 10]))


def test_cores_of_numpy_are_limited_and_those_of_our_kernels_left_alone():
    assert {library["user_api"] for library in rows._blas().info()} == {"blas"}
    before = threadpool_info()
    with rows.cores(1):
        inside = [part for part in threadpool_info() if part["user_api"] == "blas"]
        assert {part["num_threads"] for part in inside} == {1}
    assert threadpool_info() == before


def test_several_labels_a_row():
    table, labels = make_multilabel_classification(200, 8, n_classes=4, random_state=0)
    table = (table - table.mean(axis=0)) / table.std(axis=0)
    model = classifier(max_iter=100).fit(table, labels)
    assert model.predict(table).shape == model.predict_proba(table).shape == (200, 4)
    assert (model.predict(table) == (model.predict_proba(table) > 0.5)).all()
    assert (model.predict(table) == labels).mean() > 0.9


def test_several_targets_a_row_and_one_column_alone():
    targets = np.column_stack([Z[:, 0] + Z[:, 1], Z[:, 2] ** 2])
    model = SandboxRegressor(learning_rate=0.02, random_state=0).fit(Z, targets)
    assert model.predict(Z).shape == (150, 2)
    assert model.score(Z, targets) > 0.95
    alone = SandboxRegressor(max_iter=2, random_state=0)
    assert alone.fit(Z, targets[:, 0]).predict(Z).shape == (150,)


def test_an_early_stop_keeps_the_best_network_of_rows_held_out():
    for weight in (None, np.linspace(0.5, 1.5, 150)):
        model = classifier(max_iter=200, early_stopping=True)
        model.fit(Z, Y, weight)
        assert model.n_iter_ < 200
        assert len(model.validation_scores_) == model.n_iter_
        assert max(model.validation_scores_) == model.best_validation_score_ > 0.7
        assert model.best_loss_ is None
    numbers = SandboxRegressor(early_stopping=True, learning_rate=0.02, random_state=0)
    numbers.fit(Z, Z[:, 0])
    assert numbers.best_validation_score_ == max(numbers.validation_scores_) > 0.8
    loss = classifier(criterion=criterion.BCEWithLogits(), early_stopping=True).fit(Z[:100], TWO)
    assert loss.best_validation_score_ <= 0  # less loss is more


def test_a_training_that_stands_still_ends_and_one_that_does_not_says_so():
    model = classifier(max_iter=500, tol=0.01).fit(Z, Y)
    assert model.n_iter_ == len(model.loss_curve_) < 500
    assert model.best_loss_ == min(model.loss_curve_)
    with pytest.warns(ConvergenceWarning, match=r"3 epochs \(max_iter\) are over"):
        classifier(max_iter=3).fit(Z, Y)


def test_the_last_network_is_where_a_warm_start_begins():
    model = classifier(max_iter=5, warm_start=True).fit(Z, Y)
    first = model.loss_curve_
    model.fit(Z, Y)
    assert model.loss_curve_[0] < first[0] / 2
    cold = classifier(max_iter=5).fit(Z, Y)
    assert cold.fit(Z, Y).loss_curve_ == first
    with pytest.raises(ValueError, match="known classes"):
        model.fit(Z, Y + 1)


def test_rows_that_come_bit_by_bit():
    model = classifier()
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        model.partial_fit(Z[:10], Y[:10])
    rng = np.random.default_rng(0)
    for _ in range(60):
        some = rng.choice(150, 50)
        model.partial_fit(Z[some], Y[some], classes=[0, 1, 2])
    assert model.score(Z, Y) > 0.95
    assert model.n_iter_ == 60
    assert model.loss_curve_[-1] < model.loss_curve_[0] / 4
    numbers = SandboxRegressor(learning_rate=0.02, random_state=0)
    for _ in range(100):
        numbers.partial_fit(Z, Z[:, 0], sample_weight=np.ones(150))
    assert numbers.score(Z, Z[:, 0]) > 0.95


class Own(nn.Module):
    def __init__(self, features, outputs, rng):
        self.first = nn.Linear(features, 8, rng=rng)
        self.second = nn.Linear(8, outputs, rng=rng)

    def call(self, x):
        return self.second(nn.ReLU()(self.first(x)))


def test_networks_of_ones_own_by_function_and_as_a_module():
    made = classifier(module=Own, optimizer=optim.SGD(0.3), learning_rate=None).fit(Z, Y)
    assert isinstance(made.module_, Own)
    assert made.score(Z, Y) > 0.9
    given = nn.Sequential(fc=nn.Linear(4, 3, rng=0))
    before = given.fc.weight.data.copy()
    model = classifier(module=given).fit(Z, Y)
    np.testing.assert_array_equal(given.fc.weight.data, before)  # a copy was trained
    assert model.module_ is not given
    assert model.score(Z, Y) > 0.8
    image = Z.astype("f4").reshape(150, 1, 2, 2)
    flat = nn.Sequential(nn.Conv2d(1, 4, 2, rng=0), nn.Flatten(), nn.Linear(4, 3, rng=1))
    assert classifier(module=flat).fit(image, Y).score(image, Y) > 0.8


@pytest.mark.parametrize(
    ("loss", "layers"),
    [
        (criterion.Focal(), ()),
        (criterion.NLL(), (nn.LogSoftmax(),)),
        (criterion.SparseCategoricalCrossEntropy(), (nn.Softmax(),)),
        (criterion.CategoricalCrossEntropyWithLogits(), ()),
    ],
    ids=repr,
)
def test_other_criterions_over_classes(loss, layers):
    def network(features, outputs, rng):
        return nn.Sequential(nn.Linear(features, outputs, rng=rng), *layers)

    model = classifier(module=network, criterion=loss, max_iter=100).fit(Z, Y)
    assert model.score(Z, Y) > 0.8
    np.testing.assert_allclose(model.predict_proba(Z).sum(axis=1), 1.0)


def test_two_classes_by_one_output():
    both = [
        classifier(criterion=criterion.BCEWithLogits()),
        classifier(criterion=criterion.BCE(), module=sigmoid),
    ]
    for model in both:
        model.fit(Z[:100], np.array(["no", "yes"])[TWO], np.ones(100))
        assert model.predict_proba(Z[:100]).shape == (100, 2)
        found = np.where(model.decision_function(Z[:100]) > 0, "yes", "no")
        assert (model.predict(Z[:100]) == found).all()
        assert model.score(Z[:100], np.array(["no", "yes"])[TWO]) == 1.0
    margin = classifier(criterion=criterion.Hinge()).fit(Z[:100], TWO)
    assert margin.score(Z[:100], TWO) == 1.0
    assert not hasattr(margin, "predict_proba")  # scores, no probabilities


def sigmoid(features, outputs, rng):
    return nn.Sequential(nn.Linear(features, outputs, rng=rng), nn.Sigmoid())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"max_iter": 0}, "`max_iter` must be an int > 0; got 0"),
        ({"batch_size": "all"}, "`batch_size` must be an int > 0; got 'all'"),
        ({"criterion": "mse"}, "`criterion` must be a Criterion"),
        ({"optimizer": optim.Adam()}, "`learning_rate` must be None where `optimizer` is given"),
        ({"module": 3}, "`module` must be a Module, a function of"),
        ({"hidden_layer_sizes": (8, 0)}, "must be an int > 0; got 0"),
        ({"n_jobs": 0}, "`n_jobs` must be a number of cores"),
        ({"early_stopping": True, "validation_fraction": 1.5}, "`validation_fraction` must be"),
    ],
)
def test_wrong_parameters_are_refused_in_fit(options, text):
    with pytest.raises(ArgumentError) as caught:
        classifier(**options).fit(Z, Y)
    assert text in str(caught.value)


def test_bad_tables_are_refused():
    model = classifier(max_iter=2)
    with pytest.raises(ValueError, match="at least 2 classes; got 1 class: 0"):
        model.fit(Z[:10], Y[:10])
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        model.fit(Z, Y, np.full(150, -1.0))
    with pytest.raises(ValueError, match=r"`early_stopping` must be False in partial_fit"):
        classifier(early_stopping=True).partial_fit(Z, Y, classes=[0, 1, 2])
    with warnings.catch_warnings(action="ignore"), pytest.raises(DivergedError):
        SandboxRegressor(optimizer=optim.SGD(1e3), max_iter=50).fit(1e3 * Z, 1e3 * Z[:, 0])
