"""Models of several outputs and targets in a Trainer, their inputs by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from train_kit import Ranks, Unseen, assert_same, weights

from sandbox.lib import nn
from sandbox.lib.core import Tape, ops
from sandbox.lib.core.errors import ArgumentError, DataError, ShapeError
from sandbox.lib.criterion import MSE, CrossEntropy, Parallel
from sandbox.lib.data import ArrayDataset, transforms
from sandbox.lib.metrics import MAE, R2, Loss, Top1
from sandbox.lib.optim import SGD
from sandbox.lib.train import MaxScore, MaxSteps, Trainer, TrainJob


class Both(nn.Module):
    """An image, and perhaps a table; which digit, and how large."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.fc = nn.Linear(12, 8, rng=seed)
        self.table = nn.Embedding(6, 8, rng=seed + 1)
        self.digit = nn.Linear(8, 3, rng=seed + 2)
        self.size = nn.Linear(8, 1, rng=seed + 3)

    def call(self, image: Any, table: Any = None) -> Any:
        hidden = self.fc(ops.reshape(image, (image.shape[0], 12)))
        if table is not None:
            hidden = ops.add(hidden, ops.sum(self.table(table), axes=(1,)))
        hidden = ops.relu(hidden)
        return {"digit": self.digit(hidden), "size": self.size(hidden)}


def loss() -> Parallel:
    return Parallel({"digit": CrossEntropy(), "size": MSE()}, weights={"size": 0.5})


def rows(count: int = 90, seed: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (count, 3, 4), dtype=np.uint8)
    table = rng.integers(0, 6, (count, 2))
    bright = image.mean(axis=(1, 2))
    digit = np.digitize(bright, [115, 140])
    return {"image": image, "table": table}, {"digit": digit, "size": bright[:, None] / 255}


def data(count: int = 90, seed: int = 0) -> ArrayDataset:
    return ArrayDataset(
        *rows(count, seed), transform={"image": transforms.Normalize(1 / 255, 0.5, 0.25)}
    )


def make(**options: Any) -> Trainer:
    settings = {"batch_size": 32, "threads": 1, "progress": None, "seed": 5} | options
    model = settings.pop("model", None) or Both()
    return Trainer(model, loss(), SGD(0.1, momentum=0.9), **settings)


@pytest.mark.parametrize("eager", [False, True])
def test_all_losses_move_the_weights_as_their_gradients_say(eager: bool, monkeypatch: Any) -> None:
    if eager:
        monkeypatch.setenv("SANDBOX_EAGER", "1")
    trainer = make()
    trainer.optimizer = SGD(0.1)
    trainer.fit(data(), steps=5)

    by_hand, source = Both(), data()
    order = source.order(32, seed=5)
    for step in range(5):
        x, target = source.batch(order.batch(*divmod(step, order.steps_per_epoch)))
        parameters = list(by_hand.parameters())
        with Tape() as tape:
            output = by_hand(**x)
            digit = CrossEntropy()(output["digit"], target["digit"])
            total = ops.add(digit, ops.multiply(MSE()(output["size"], target["size"]), 0.5))
        for parameter, gradient in zip(parameters, tape.gradients(total, parameters), strict=True):
            parameter.set(parameter.data - 0.1 * gradient)
    expected = weights(by_hand)
    for name, value in weights(trainer.model).items():
        # 1e-5: compiled programs add up float32 in another order.
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)
    assert trainer.history["loss"][-1] == pytest.approx(float(total.data), rel=1e-5)


def test_each_output_is_judged_by_what_fits_its_criterion() -> None:
    trainer = make()
    assert [m.name for m in trainer.metrics] == ["digit_top1", "digit_loss", "size_loss", "loss"]
    heard: list[dict[str, Any]] = []
    trainer.subscribe(lambda event: heard.append(event))
    trainer.fit(data(), epochs=8, validation=data(40, 1))
    found = trainer.evaluate(data(40, 1))
    x, target = data(40, 1).rows(0, np.arange(40))
    output = trainer.predict(x)
    assert list(output) == ["digit", "size"]
    right = (output["digit"].argmax(1) == target["digit"]).mean()
    squares = ((output["size"] - target["size"]) ** 2).mean()
    assert found["digit_top1"] == right
    # 1e-5: sums of float32 over batches.
    assert found["size_loss"] == pytest.approx(squares, rel=1e-5)
    assert found["loss"] == pytest.approx(found["digit_loss"] + 0.5 * squares, rel=1e-5)
    assert trainer.history.last_validation == found
    steps = [event["metrics"] for event in heard if event["type"] == "iteration"]
    assert set(steps[-1]) == {"digit_top1", "digit_loss", "size_loss"}
    assert steps[-1]["digit_loss"] < steps[0]["digit_loss"]


def test_metrics_are_chosen_by_output() -> None:
    trainer = make(metrics={"digit": Top1(), "size": [MAE(), R2()]})
    trainer.fit(
        data(),
        end=MaxScore(0.5, "digit_top1") | MaxSteps(90),
        validation=data(40, 1),
    )
    found = trainer.history.last_validation
    assert list(found) == ["digit_top1", "size_mae", "size_r2", "loss"]
    x, target = data(40, 1).rows(0, np.arange(40))
    sizes = trainer.predict(x)["size"]
    assert found["size_mae"] == pytest.approx(np.abs(sizes - target["size"]).mean(), rel=1e-5)
    listed = make(metrics=[Top1().on("digit"), Loss(loss())]).evaluate(data(40, 1))
    assert list(listed) == ["digit_top1", "loss"]
    with pytest.raises(ArgumentError, match=r"`metrics` must be Metric objects; got 'top1'"):
        make(metrics={"digit": "top1"})
    with pytest.raises(ShapeError, match=r"size_top1: output must have 'large'"):
        make(metrics=[Top1(name="size_top1").on("large", name="size_top1")]).evaluate(data())
    with pytest.raises(ShapeError, match=r"top1: output must be one array; got several: digit, si"):
        make(metrics=[Top1()]).fit(data(), steps=1)


def test_an_optional_input_may_be_absent() -> None:
    x, target = rows()
    image = x["image"].astype("f4") / 255
    trainer = make()
    trainer.fit(({"image": image}, target), steps=3)
    table = Both().table.weight.data
    np.testing.assert_array_equal(trainer.model.table.weight.data, table)  # has no part in it
    found = trainer.predict({"image": image})
    for other in (image, (image,), {"image": image, "table": None}, (image, None)):
        for a, b in zip(found.values(), trainer.predict(other).values(), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_equal_one_process(ranks: int) -> None:
    trainer = make()
    trainer.fit(data(), steps=9, validation=data(40, 1))
    job = TrainJob(
        model=Both(),
        criterion=loss(),
        optimizer=SGD(0.1, momentum=0.9),
        data=data(),
        end=MaxSteps(9),
        batch_size=32,
        seed=5,
        validation=data(40, 1),
        metrics=trainer.metrics,
    )
    run = Ranks(job, ranks, lambda: None)
    assert run.errors == [None] * ranks
    expected = weights(trainer.model)
    for name, value in weights(run.models[ranks - 1]).items():
        # 1e-5: the ranks' sums are added in another order than those of one process.
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)
    ours, theirs = run.of("validation")[-1]["metrics"], trainer.history.last_validation
    assert ours == pytest.approx(theirs, rel=1e-4)


def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Any) -> None:
    whole, cut = make(), make(checkpoint=tmp_path)
    whole.fit(data(), epochs=4)
    cut.fit(data(), epochs=2)
    again = make(checkpoint=tmp_path, model=Both(9))
    again.fit(data(), epochs=4, resume="auto")
    assert_same(weights(whole.model), weights(again.model))


def test_bad_targets_are_named_with_output_and_row() -> None:
    x, target = rows()
    target["digit"][41] = 3
    x |= {"image": x["image"] / 255}
    with pytest.raises(DataError, match=r"`data` .*digit.*got 3 in row 41 "):
        make().fit((x, target), epochs=1)
    with pytest.raises(DataError, match=r"(?s)digit.*got 3 in row \d+.*is row 41 of the data set"):
        make().fit(Unseen(x, target), epochs=1)
    target["digit"][41] = 0
    target["size"][17] = np.inf
    message = r"target 'size' must hold finite numbers; got inf in row \d+.*is row 17 of the data"
    with pytest.raises(DataError, match=message):
        make().fit((x, target), epochs=1)


def test_a_target_that_is_missing_is_named() -> None:
    x, target = rows()
    with pytest.raises(ShapeError, match="size"):
        make().fit((x | {"image": x["image"] / 255}, {"digit": target["digit"]}), steps=1)
    with pytest.raises(ShapeError, match="target"):
        make().fit((x | {"image": x["image"] / 255}, target["digit"]), steps=1)
