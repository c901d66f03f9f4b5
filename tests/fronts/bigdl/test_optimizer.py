"""Methods, schedules and drivers of the BigDL front."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_iris

from sandbox.lib import nn
from sandbox.lib.bigdl.nn.criterion import ClassNLLCriterion
from sandbox.lib.bigdl.optim import optimizer as front
from sandbox.lib.core.errors import ArgumentError, DataError


def rates(schedule, count, rate=0.1):
    core = front.SGD(rate, leaningrate_schedule=schedule).core
    return [core.learning_rate_at(step) for step in range(count)]


STEPS = np.arange(5)
SCHEDULES = {
    "Poly": (front.Poly(0.5, 10), 0.1 * (1 - STEPS / 10) ** 0.5),
    "Exponential": (front.Exponential(2, 0.5), 0.1 * 0.5 ** (STEPS / 2)),
    "staircase": (front.Exponential(2, 0.5, True), 0.1 * 0.5 ** (STEPS // 2)),
    "Step": (front.Step(2, 0.3), 0.1 * 0.3 ** (STEPS // 2)),
    "MultiStep": (front.MultiStep([2, 3], 0.3), 0.1 * 0.3 ** np.float64([0, 0, 1, 2, 2])),
    "Default": (front.Default(), np.full(5, 0.1)),
    "Warmup": (
        front.SequentialSchedule(1).add(front.Warmup(0.3), 3).add(front.Step(1, 0.5), 9),
        [0.1, 0.4, 0.7, 1.0, 0.5],
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_gives_the_rates_of_its_formula(name):
    schedule, wanted = SCHEDULES[name]

    assert rates(schedule, 5) == pytest.approx(list(wanted))


def slope(x):
    return float((x**2).sum()), 2 * x


def sgd(x, steps):
    v = None
    for step in range(steps):
        d = 2 * x + 0.01 * x
        v = d if v is None else 0.9 * v + 0.1 * d  # dampening is the momentum
        x = x - 0.1 / (1 + 0.5 * step) * v
    return x


def adam(x, steps):
    m = v = 0.0
    for t in range(1, steps + 1):
        g = 2 * x
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        x = x - 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-8)
    return x


def adagrad(x, steps):
    s = 0.0
    for step in range(steps):
        g = 2 * x
        s = s + g * g
        x = x - 0.1 / (1 + 0.5 * step) * g / (np.sqrt(s) + 1e-10)
    return x


def adadelta(x, steps):
    v = s = 0.0
    for _ in range(steps):
        g = 2 * x
        v = 0.9 * v + 0.1 * g * g
        u = np.sqrt(s + 1e-6) / np.sqrt(v + 1e-6) * g
        s = 0.9 * s + 0.1 * u * u
        x = x - u
    return x


def adamax(x, steps):
    m = u = 0.0
    for t in range(1, steps + 1):
        g = 2 * x
        m, u = 0.9 * m + 0.1 * g, np.maximum(0.999 * u, np.abs(g))
        x = x - 0.1 / (1 - 0.9**t) * m / u
    return x


def rmsprop(x, steps):
    v = 0.0
    for step in range(steps):
        g = 2 * x
        v = 0.99 * v + 0.01 * g * g
        x = x - 0.1 / (1 + 0.5 * step) * g / (np.sqrt(v) + 1e-8)
    return x


METHODS = {
    "SGD": (lambda: front.SGD(0.1, 0.5, 0.01, 0.9), sgd),
    "Adam": (lambda: front.Adam(0.1), adam),
    "ParallelAdam": (lambda: front.ParallelAdam(0.1), adam),
    "Adagrad": (lambda: front.Adagrad(0.1, 0.5), adagrad),
    "Adadelta": (lambda: front.Adadelta(0.9, 1e-6), adadelta),
    "Adamax": (lambda: front.Adamax(0.1), adamax),
    "RMSprop": (lambda: front.RMSprop(0.1, 0.5), rmsprop),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_steps_by_its_formula(name):
    make, formula = METHODS[name]
    method, x = make(), np.float64([1.0, -2.0, 0.5])
    for _ in range(4):
        x, _ = method.optimize(slope, x)

    # epsilon stands at another place in Adam: 1e-8 of a gradient of 1
    assert x == pytest.approx(formula(np.float64([1.0, -2.0, 0.5]), 4), rel=1e-6)


@pytest.mark.parametrize("make", [front.Ftrl, front.LBFGS])
def test_the_other_methods_go_downhill(make):
    method, x = make(), np.float64([1.0, -2.0, 0.5])
    for _ in range(3):
        x, _ = method.optimize(slope, x)

    assert (x**2).sum() < 5.25


def test_a_method_is_read_back_as_it_was_written(tmp_path):
    front.Adam(0.02, beta1=0.8).save(tmp_path / "method")
    with pytest.raises(ArgumentError, match="overWrite"):
        front.Adam().save(tmp_path / "method")

    assert (
        front.OptimMethod.load(tmp_path / "method").core.config()
        == front.Adam(0.02, beta1=0.8).core.config()
    )


class Row:
    """A sample with one feature and one label."""

    def __init__(self, feature, label):
        self.features, self.labels = [feature], [label]


def iris():
    data = load_iris()
    x = ((data.data - data.data.mean(0)) / data.data.std(0)).astype(np.float32)
    return x, (data.target + 1).astype(np.float32)


def network():
    return nn.Sequential(
        nn.Linear(4, 16, rng=0), nn.ReLU(), nn.Linear(16, 3, rng=1), nn.LogSoftmax()
    )


def test_iris_is_learnt_from_labels_that_count_from_1(tmp_path):
    x, y = iris()
    driver = front.Optimizer(
        model=network(),
        training_rdd=[Row(a, b) for a, b in zip(x, y[:, None], strict=True)],
        criterion=ClassNLLCriterion(),
        end_trigger=front.MaxEpoch(40),
        batch_size=47,  # divides nothing: any batch size is right
        optim_method=front.Adam(0.02),
    )
    driver.set_validation(
        47,
        [Row(a, b) for a, b in zip(x, y[:, None], strict=True)],
        front.EveryEpoch(),
        [front.Top1Accuracy(), front.Loss()],
    )
    curves, judged = front.TrainSummary(tmp_path, "iris"), front.ValidationSummary(tmp_path, "iris")
    curves.set_summary_trigger("LearningRate", front.SeveralIteration(10))
    driver.set_train_summary(curves)
    driver.set_val_summary(judged)
    driver.optimize()

    scores = judged.read_scalar("Top1Accuracy")
    assert scores[-1][1] >= 0.93
    assert len(scores) == 40
    assert len(curves.read_scalar("Loss")) == 160
    assert [step for step, *_ in curves.read_scalar("LearningRate")] == list(range(10, 161, 10))
    assert all(value == pytest.approx(0.02) for _, value, _ in curves.read_scalar("LearningRate"))
    assert list((tmp_path / "iris" / "train").iterdir())


def test_arrays_train_by_the_local_driver_with_clipping_and_checkpoints(tmp_path):
    x, y = iris()
    driver = front.LocalOptimizer(
        x, y, network(), ClassNLLCriterion(), front.MaxIteration(7), 32, front.SGD(0.1)
    )
    driver.set_validation(32, x, y, front.SeveralIteration(7), [front.Top1Accuracy()])
    driver.set_gradclip_l2norm(1.0)
    driver.set_checkpoint(front.EveryEpoch(), tmp_path)
    driver.optimize()

    assert len(driver.history) == 7
    assert list(tmp_path.iterdir())


def test_labels_from_0_are_refused_before_the_training():
    x, y = iris()
    driver = front.Optimizer.create(network(), (x, y - 1), ClassNLLCriterion())

    with pytest.raises(DataError, match="count from 1"):
        driver.optimize()


def test_samples_of_unlike_length_are_named():
    x, y = iris()
    rows = [Row(x[0], y[:1]), Row(x[0, :2], y[:1])]

    with pytest.raises(DataError, match="sample 1"):
        front.Optimizer(network(), rows, ClassNLLCriterion(), front.MaxEpoch(1), 2).optimize()
