"""Everything that a Trainer takes, in a Trainer: optimisers, schedules, criterions, metrics."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from sandbox.lib import criterion, metrics, nn, optim
from sandbox.lib.core import ops, tree
from sandbox.lib.data import ArrayDataset
from sandbox.lib.train import EarlyStopping, EveryEpoch, Trainer

X = np.random.default_rng(0).normal(size=(64, 4)).astype("f4")
LABELS = (X[:, 0] + 0.3 * X[:, 1] > 0).astype("i8")

# A rate with which each of them gets somewhere in 30 steps on this problem.
OPTIMIZERS = {
    "SGD": optim.SGD(0.5, momentum=0.9, nesterov=True),
    "Adam": optim.Adam(0.05),
    "AdamW": optim.AdamW(0.05),
    "RMSprop": optim.RMSprop(0.02, centered=True, momentum=0.5),
    "Adagrad": optim.Adagrad(0.2),
    "Adadelta": optim.Adadelta(2.0, epsilon=1e-3),
    "Adamax": optim.Adamax(0.05),
    "NAdam": optim.NAdam(0.05),
    "RAdam": optim.RAdam(0.2),
    "Muon": optim.Muon(0.1, rest=optim.Adam(0.05)),
    "Adafactor": optim.Adafactor(0.2),
    "Lion": optim.Lion(0.02),
    "Rprop": optim.Rprop(0.02),
    "Ftrl": optim.Ftrl(0.2),
    "ASGD": optim.ASGD(0.5),
    "SWA": optim.SWA(optim.SGD(0.5), start=10),
    "Lookahead": optim.Lookahead(optim.SGD(0.5)),
    "LARS": optim.LARS(1.0, trust=0.1),
    "LAMB": optim.LAMB(0.05),
    "LBFGS": optim.LBFGS(0.5),
    "EMA": optim.EMA(optim.SGD(0.5), decay=0.5),
    "ParameterGroups": optim.ParameterGroups(
        optim.SGD(0.5, weight_decay=1e-3),
        [
            optim.ParameterGroup("*.bias", weight_decay=0.0),
            optim.ParameterGroup(
                "fc2.*", regulariser=optim.L1L2(1e-4, 1e-4), optimizer=optim.Adam(0.05)
            ),
        ],
    ),
}
SCHEDULES = {
    "Constant": optim.Constant(0.5),
    "StepDecay": optim.StepDecay(2, gamma=0.5),
    "MultiStep": optim.MultiStep([2, 3]),
    "Polynomial": optim.Polynomial(2.0),
    "OneCycle": optim.OneCycle(),
    "Cosine": optim.Cosine(cycles=2),
    "Exponential": optim.Exponential(0.9),
    "Plateau": optim.Plateau("loss", patience=1),
    "Warmup": optim.Warmup(optim.Cosine(), steps=2),
    "Piecewise": optim.Piecewise([2, 4], [1.0, 0.5, 0.1]),
    "InverseTime": optim.InverseTime(0.1),
    "InverseSquareRoot": optim.InverseSquareRoot(3),
    "CosineRestarts": optim.CosineRestarts(2, growth=2.0),
    "Cyclic": optim.Cyclic(2),
    "Epochs": optim.Epochs(optim.Exponential(0.9)),
    "SequentialSchedule": optim.SequentialSchedule([optim.Warmup(steps=2), optim.Cosine()], [2]),
    "Product": optim.Product([optim.Warmup(steps=2), optim.Epochs(optim.StepDecay(1))]),
}
METRICS = {
    "Top1": metrics.Top1(),
    "Top5": metrics.Top5(),
    "TopK": metrics.TopK(2),
    "Loss": metrics.Loss(criterion.CrossEntropy()),
    "ConfusionMatrix": metrics.ConfusionMatrix(2),
    "Precision": metrics.Precision(),
    "Recall": metrics.Recall(average="macro"),
    "F1": metrics.F1(average="micro"),
    "AUC": metrics.AUC(),
    "PRAUC": metrics.PRAUC(),
    "BalancedAccuracy": metrics.BalancedAccuracy(2),
    "CohenKappa": metrics.CohenKappa(2),
    "MatthewsCorrelation": metrics.MatthewsCorrelation(2),
    "MeanIoU": metrics.MeanIoU(2),
    "DiceScore": metrics.DiceScore(2),
    "ClassReport": metrics.ClassReport(2),
    "LogLoss": metrics.LogLoss(),
    "Perplexity": metrics.Perplexity(),
    "Brier": metrics.Brier(),
    "CalibrationError": metrics.CalibrationError(),
    "HitRatio": metrics.HitRatio(1),
    "NDCG": metrics.NDCG(),
    "MRR": metrics.MRR(),
    "MeanAveragePrecision": metrics.MeanAveragePrecision(2),
}
NUMBERS = {
    "MAE": metrics.MAE(),
    "MSE": metrics.MSE(),
    "RMSE": metrics.RMSE(),
    "MAPE": metrics.MAPE(),
    "R2": metrics.R2(2),
}
# Outputs of other shapes than rows of scores: (metric, shape of a row, target of so many rows).
SHAPED = {
    "TreeTop1": (metrics.TreeTop1(), (3, 2), lambda rng, n: rng.integers(0, 2, (n, 3))),
    "DetectionMAP": (
        metrics.DetectionMAP(2, iou=(0.01, 0.1)),
        (4, 6),
        lambda rng, n: np.concatenate(
            (rng.integers(-1, 2, (n, 3, 1)), rng.uniform(-1, 0, (n, 3, 2)),
             rng.uniform(0, 1, (n, 3, 2))), axis=2,
        ),
    ),
}  # fmt: skip
CRITERIONS = {n: cls for n, cls in nn.registered().items() if n.startswith("criterion.")}


class Heads(nn.Module):
    """Gives outputs of the shapes that a criterion's case wants, one or a tree of them."""

    def __init__(self, case):
        super().__init__()
        shapes, self.structure = tree.flatten(shapes_of(case.output))
        self.heads = {}
        for place, shape in enumerate(shapes):
            size = int(np.prod(shape.sizes))
            head = nn.Sequential(fc=nn.Linear(4, size, rng=place), shape=nn.Reshape(shape.sizes))
            if case.logarithms:
                head.append(nn.LogSoftmax())
            if case.probabilities:
                head.append(nn.Sigmoid())
            self.heads[f"head{place}"] = head

    def call(self, x):
        return self.structure.unflatten([head(x) for head in self.heads.values()])


class Shape:
    """The shape of one row; a tuple of its own would be a tree."""

    def __init__(self, sizes):
        self.sizes = tuple(sizes)


def shapes_of(output):
    if isinstance(output, dict):
        return {key: shapes_of(item) for key, item in output.items()}
    if all(isinstance(size, int) for size in output):
        return Shape(output[1:])
    return type(output)(shapes_of(item) for item in output)


def net():
    return nn.Sequential(fc1=nn.Linear(4, 8, rng=0), relu=nn.ReLU(), fc2=nn.Linear(8, 2, rng=1))


def trainer(optimizer, model=None, loss=None, **more):
    loss = loss or criterion.CrossEntropy()
    return Trainer(model or net(), loss, optimizer, batch_size=64, threads=1, progress=None, **more)


def concrete(room, base):
    """Names of the classes of a room that can be made."""
    classes = [c for c in (getattr(room, name) for name in room.__all__) if inspect.isclass(c)]
    return {c.__name__ for c in classes if issubclass(c, base) and not inspect.isabstract(c)}


def test_all_optimizers_schedules_and_metrics_are_here():
    assert concrete(optim, optim.Optimizer) - {"Wrapper"} == set(OPTIMIZERS)
    assert concrete(optim, optim.Schedule) == set(SCHEDULES)
    assert concrete(metrics, metrics.Metric) == set(METRICS) | set(NUMBERS) | set(SHAPED)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_learns(name):
    run = trainer(OPTIMIZERS[name])
    history = run.fit((X, LABELS), steps=30)
    losses = history["loss"]
    # Half: the classes can be told apart by a line, so each of them gets below that easily.
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_sets_the_rates_of_a_run(name):
    schedule = SCHEDULES[name]
    run = trainer(optim.SGD(0.5, schedule=schedule))
    rates = run.fit((X, LABELS), epochs=4, validation=(X, LABELS), validate=EveryEpoch())
    if name == "Plateau":  # goes by validations, and here each of them is better
        assert rates["learning_rate"].tolist() == [0.5] * 4
        return
    schedule.pace(1)
    wanted = [0.5 * schedule(step, 4) for step in range(4)]
    assert rates["learning_rate"].tolist() == pytest.approx(wanted)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_of_classes_is_what_evaluate_gives(name):
    run = trainer(optim.SGD(0.1), metrics=[METRICS[name]])
    found = run.evaluate((X, LABELS))[METRICS[name].name]
    # 1e-5: the loss adds up float32 in another order.
    np.testing.assert_allclose(found, METRICS[name](run.model(X), LABELS), rtol=1e-5)


@pytest.mark.parametrize("name", NUMBERS)
def test_every_metric_of_numbers_is_what_evaluate_gives(name):
    run = trainer(optim.SGD(0.1), loss=criterion.MSE(), metrics=[NUMBERS[name]])
    found = run.evaluate((X, X[:, :2]))[NUMBERS[name].name]
    np.testing.assert_allclose(found, NUMBERS[name](run.model(X), X[:, :2]), rtol=1e-5)


class Rows(nn.Module):
    """Gives rows of a shape, the class of a detection a whole number."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.fc = nn.Linear(4, int(np.prod(shape)), rng=0)

    def call(self, x):
        y = ops.reshape(self.fc(x), (x.shape[0], *self.shape))
        if self.shape[-1] != 6:
            return y
        kind = ops.cast(ops.greater(ops.slicing(y, (..., slice(0, 1))), 0.0), "float32")
        return ops.concat([kind, ops.slicing(y, (..., slice(1, 6)))], axis=-1)


@pytest.mark.parametrize("name", SHAPED)
def test_metrics_of_other_shapes_are_what_evaluate_gives(name):
    metric, shape, draw = SHAPED[name]
    target = draw(np.random.default_rng(3), len(X)).astype("f4")
    target = target.astype("i8") if name == "TreeTop1" else target
    run = trainer(optim.SGD(0.1), Rows(shape), criterion.L1Cost(), metrics=[metric])
    expected = metric(run.model(X), target)
    assert 0.0 < expected < 1.0
    np.testing.assert_allclose(run.evaluate((X, target))[metric.name], expected, rtol=1e-9)


@pytest.mark.parametrize("name", CRITERIONS)
def test_every_criterion_is_made_smaller(name):
    for case in CRITERIONS[name].__dict__["cases"]:
        model = Heads(case)
        target = case.target(64, np.random.default_rng(1))
        losses = trainer(optim.Adam(0.02), model, case.make()).fit((X, target), steps=8)["loss"]
        assert losses[-1] < losses[0], case


def test_frozen_parts_stay_and_averages_can_be_lent():
    model = net()
    model.fc1.freeze()
    before = model.fc1.weight.data.copy()
    run = trainer(optim.EMA(optim.Adam(0.05, weight_decay=0.1), decay=0.9), model)
    run.fit((X, LABELS), steps=5)
    assert np.array_equal(before, model.fc1.weight.data)
    trained = model.fc2.weight.data.copy()
    with run.averaged():
        assert not np.array_equal(trained, model.fc2.weight.data)
    assert np.array_equal(trained, model.fc2.weight.data)


def test_schedules_and_early_stops_take_the_metrics_own_direction():
    schedule = optim.Plateau("distance", factor=0.5, patience=1)
    distance = metrics.MAE(name="distance")  # a name that does not tell
    run = trainer(
        optim.SGD(0.05, schedule=schedule),
        loss=criterion.MSE(),
        metrics=[distance],
        callbacks=[EarlyStopping("distance", patience=1)],
    )
    data = ArrayDataset(X, X[:, :2])
    history = run.fit(data, epochs=4, validation=data, validate=EveryEpoch())
    # It falls with every epoch, so nothing lowers the rate or ends the run.
    assert history["learning_rate"].tolist() == [0.05] * 4


class AddsUp(nn.Module):
    """Takes inputs in any structure; gives the outputs in the structure it is told."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs = outputs
        self.fc = nn.Linear(4, 2, rng=0)

    def call(self, *inputs, **named):
        every = tree.leaves((inputs, named))
        total = every[0]
        for one in every[1:]:
            total = total + one
        logits = self.fc(total)
        return tree.map(lambda share: logits * share, self.outputs)


MORE = 0.1 * X[:, ::-1]
INPUTS = {
    "one": X,
    "tuple": (X, MORE),
    "tuple of one": (X,),
    "list": [X, MORE, X],
    "dict": {"b": X, "a": MORE},
    "absent": {"a": X, "b": None},
    "nested": ({"a": X, "b": [MORE, X]}, X),
}
OUTPUTS = {
    "one": 1.0,
    "tuple": (1.0, 0.5),
    "list": [1.0, 0.5],
    "dict": {"b": 1.0, "a": 0.5},
    "nested": {"a": (1.0, [0.5])},
}


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("outputs", OUTPUTS)
def test_inputs_and_outputs_of_every_structure_are_trained_and_predicted(inputs, outputs):
    x, shares = INPUTS[inputs], OUTPUTS[outputs]
    one = outputs == "one"
    cross = criterion.CrossEntropy()
    loss = (
        cross if one else criterion.Parallel(tree.map(lambda _: criterion.CrossEntropy(), shares))
    )
    target = tree.map(lambda _: LABELS, shares)
    run = trainer(optim.SGD(0.3), AddsUp(shares), loss)
    losses = run.fit((x, target), steps=20, validation=(x, target))["loss"]
    assert losses[-1] < 0.8 * losses[0]
    found = run.predict(x)
    total = np.sum(tree.leaves(x), axis=0)
    logits = total @ run.model.fc.weight.data.T + run.model.fc.bias.data
    expected = [logits * share for share in tree.leaves(shares)]
    assert tree.flatten(found)[1] == tree.flatten(shares)[1]
    for array, right in zip(tree.leaves(found), expected, strict=True):
        # 1e-5: products of float32.
        np.testing.assert_allclose(array, right, rtol=1e-5, atol=1e-5)
    figure = run.evaluate((x, target))["loss"]
    assert figure == pytest.approx(sum(cross(o, LABELS) for o in expected), rel=1e-4)
