from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from train_kit import assert_same, make_data, make_model, make_trainer, weights

from sandbox.lib import nn
from sandbox.lib.core import ops
from sandbox.lib.criterion import MSE, CrossEntropy
from sandbox.lib.data import ArrayDataset, transforms
from sandbox.lib.metrics import ConfusionMatrix, Loss, Top1
from sandbox.lib.optim import SGD, Adam, ClipNorm, ClipValue
from sandbox.lib.train import (
    Callback,
    EarlyStopping,
    EverySteps,
    History,
    LambdaCallback,
    MaxScore,
    MaxSteps,
    Summary,
    Trainer,
)


def test_lenet_learns_digits() -> None:
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    images = np.kron(digits.images, np.ones((1, 3, 3)))[:, None]  # 8 x 8 to 24 x 24
    images = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2))).astype("u1")
    scale = transforms.Normalize(1 / 16)
    train = ArrayDataset(images[:1500], digits.target[:1500], transform=scale)
    test = ArrayDataset(images[1500:], digits.target[1500:], transform=scale)
    trainer = Trainer(
        nn.zoo.lenet5(rng=0),
        CrossEntropy(),
        SGD(0.03, momentum=0.9),
        batch_size=64,
        threads=1,
        progress=None,
        metrics=(Top1(), ConfusionMatrix(10)),
    )
    history = trainer.fit(train, epochs=4, validation=test)
    assert history["loss"][-20:].mean() < 0.3
    assert history.last_validation["top1"] > 0.85
    matrix = np.array(trainer.evaluate(test)["confusion"])
    assert matrix.sum() == len(test)
    assert trainer.evaluate(test)["top1"] == history.last_validation["top1"]


def test_recent_metrics_pass_over_the_borders_of_epochs() -> None:
    x = np.random.default_rng(0).normal(size=(60, 3)).astype("f4")
    trainer = Trainer(
        nn.Sequential(nn.Linear(3, 2, rng=0)), CrossEntropy(), SGD(1.0), batch_size=20,
        threads=1, progress=None,
    )  # fmt: skip
    events: list[Any] = []
    trainer.subscribe(lambda event: event["type"] == "iteration" and events.append(event))
    trainer.fit((x, (x[:, 0] > 0).astype(int)), epochs=3)

    right = rows = faded = weight = 0.0
    for k, event in enumerate(events):
        if k % 3 == 0:
            right = rows = 0.0  # the mean of the epoch begins anew
        batch = event["metrics"]["top1"] * (rows + 20) - right
        right, rows = right + batch, rows + 20
        faded, weight = 0.9 * faded + batch, 0.9 * weight + 20
        assert event["recent"]["top1"] == pytest.approx(faded / weight)
    assert events[3]["metrics"]["top1"] != pytest.approx(events[3]["recent"]["top1"])
    assert trainer.history.recent()["top1"].tolist() == [e["recent"]["top1"] for e in events]


@pytest.mark.parametrize("batch_size", [1, 7, 150, 1000])
def test_any_batch_size_is_legal(batch_size: int) -> None:
    trainer = make_trainer(batch_size=batch_size, model=nn.zoo.mlp([4, 8, 2], rng=0))
    history = trainer.fit(make_data(150), epochs=1)
    assert history["rows"].sum() == 150
    assert len(history) == -(-150 // batch_size)


def test_a_regression_learns() -> None:
    x, _ = make_data(300)
    y = x @ np.array([[1.0], [-2.0], [0.5], [0.0]], "f4")
    trainer = make_trainer(
        nn.Sequential(fc=nn.Linear(4, 1, rng=0)), criterion=MSE(), optimizer=Adam(0.05)
    )
    history = trainer.fit((x, y), epochs=30, validation=(x, y))
    assert history.last_validation["loss"] < 1e-3
    assert trainer.metrics[0].name == "loss"


@pytest.mark.parametrize("clip", [ClipNorm(0.1), ClipValue(0.01)])
def test_clipping_makes_smaller_steps(clip: Any) -> None:
    data = make_data(64)
    start = weights(make_model())["fc1.weight"]
    moved = []
    for chosen in (None, clip):
        trainer = make_trainer(clip=chosen)
        trainer.fit(data, steps=1)
        moved.append(np.abs(weights(trainer.model)["fc1.weight"] - start).sum())
    assert 0 < moved[1] < moved[0]


def test_a_module_that_cannot_be_traced_trains_and_the_log_says_why() -> None:
    class Moody(nn.Module):
        def __init__(self) -> None:
            self.fc = nn.Linear(4, 2, rng=0)

        def call(self, x: Any) -> Any:
            y = self.fc(x)
            return ops.multiply(y, 2.0) if float(y.data.sum()) > 0 else y

    logs: list[dict[str, Any]] = []
    trainer = make_trainer(Moody(), callbacks=[LambdaCallback(log=logs.append)])
    history = trainer.fit(make_data(), epochs=3)
    assert history["loss"][-1] < history["loss"][0]
    assert "the model runs in parts, Python between them" in logs[0]["text"]


def test_eager_and_program_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_data(100)
    traced, eager = make_trainer(), make_trainer()
    traced.fit(data, steps=8)
    monkeypatch.setenv("SANDBOX_EAGER", "1")
    eager.fit(data, steps=8)
    for name, value in weights(traced.model).items():
        # other kernels and fusions: float32 rounding over eight steps
        np.testing.assert_allclose(value, weights(eager.model)[name], rtol=1e-4, atol=1e-5)


def test_predict_cuts_into_batches_and_keeps_the_order() -> None:
    trainer = make_trainer()
    x, _ = make_data(101)
    expected = trainer.model(x)
    # batches of another size may take another kernel: float32 rounding of one product
    np.testing.assert_allclose(trainer.predict(x, batch_size=17), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(trainer.predict(x.astype("f8")), expected, rtol=1e-5, atol=1e-6)
    assert trainer.predict(x[:0]).shape == (0, 2)


def test_predict_follows_training() -> None:
    trainer = make_trainer()
    x, y = make_data(101)
    before = trainer.predict(x)
    trainer.fit((x, y), steps=3)
    middle = trainer.predict(x)
    trainer.fit((x, y), steps=3)
    assert (before != middle).any()
    assert (trainer.predict(x) != middle).any()


def test_the_end_can_be_a_condition() -> None:
    trainer = make_trainer(optimizer=Adam(0.05))
    history = trainer.fit(
        make_data(), end=MaxScore(0.9) | MaxSteps(500), validation=make_data(seed=1)
    )
    assert trainer.result is not None
    assert trainer.result.reason == "end"
    assert history.last_validation["top1"] > 0.9
    assert len(history) < 500


def test_an_early_stop_on_an_error_goes_on_while_the_error_falls() -> None:
    class Misses(Top1):
        higher_is_better = False

        def result(self, state: Any) -> Any:
            return 1.0 - super().result(state)

    trainer = make_trainer(metrics=(Misses(name="misses"),))
    history = trainer.fit(
        make_data(),
        epochs=4,
        validation=make_data(),
        early_stop=EarlyStopping("misses", patience=3),
    )
    found = [v["metrics"]["misses"] for v in history.validations]
    assert found[-1] < found[0]
    assert trainer.result is not None
    assert trainer.result.reason == "end"


def test_an_early_stop_ends_the_run() -> None:
    trainer = make_trainer(callbacks=[EarlyStopping("top1", patience=2, min_delta=1.0)])
    history = trainer.fit(make_data(), epochs=50, validation=make_data())
    assert trainer.result is not None
    assert trainer.result.reason == "early_stop"
    assert trainer.state == "done"
    assert len(history.validations) == 3  # the first is an improvement over nothing


def test_callbacks_see_everything_in_order() -> None:
    calls: list[str] = []

    class Watch(Callback):
        def on_start(self, trainer: Trainer) -> None:
            calls.append("start")

        def on_state(self, trainer: Trainer, event: dict[str, Any]) -> None:
            calls.append(event["state"])

        def on_iteration(self, trainer: Trainer, event: dict[str, Any]) -> None:
            calls.append("iteration")
            if event["step"] == 3:
                trainer.stop()

        def on_end(self, trainer: Trainer) -> None:
            calls.append("end")

    make_trainer(callbacks=[Watch()]).fit(make_data(), epochs=5)
    assert calls == ["start", "running", *["iteration"] * 4, "stopped", "end"]


def test_an_error_in_a_callback_ends_the_run_and_the_trainer_can_run_again() -> None:
    def fail(event: dict[str, Any]) -> None:
        raise RuntimeError("no")

    trainer = make_trainer(callbacks=[LambdaCallback(iteration=fail)])
    told: list[Any] = []
    trainer.subscribe(told.append)
    with pytest.raises(RuntimeError, match="no"):
        trainer.fit(make_data(), epochs=1)
    assert trainer.state == "failed"
    assert told[-1] == {"type": "state", "state": "failed", "text": "RuntimeError: no"}
    trainer.callbacks.clear()
    trainer.fit(make_data(), steps=1)
    assert trainer.state == "done"


def test_subscribers_come_and_go(caplog: pytest.LogCaptureFixture) -> None:
    trainer = make_trainer(watch=["fc1.weight"], watch_every=2)
    seen: list[dict[str, Any]] = []
    leave = trainer.subscribe(seen.append)

    def broken(event: dict[str, Any]) -> None:
        raise ValueError("broken display")

    trainer.subscribe(broken)
    with caplog.at_level(logging.WARNING, "sandbox.train"):
        trainer.fit(make_data(), steps=4)
    assert caplog.text.count("is left out") == 1
    kinds = [event["type"] for event in seen]
    assert kinds.count("iteration") == 4
    assert kinds.count("snapshot") == 3
    snapshots = [event["values"]["fc1.weight"] for event in seen if event["type"] == "snapshot"]
    assert snapshots[0].shape == (16, 4)
    assert (snapshots[0] != snapshots[1]).any()
    leave()
    n = len(seen)
    trainer.fit(make_data(), steps=1)
    assert len(seen) == n


def test_tensorboard_reads_the_curves(tmp_path: Path) -> None:
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", exc_type=ImportError
    )
    trainer = make_trainer(summary=Summary(tmp_path, every=2), watch=["fc1.weight"], watch_every=3)
    history = trainer.fit(make_data(), steps=8, validation=make_data(), validate=EverySteps(4))
    everything = {reader.HISTOGRAMS: 0}
    events = reader.EventAccumulator(str(tmp_path), size_guidance=everything).Reload()
    losses = events.Scalars("train/loss")
    assert [event.step for event in losses] == [2, 4, 6, 8]
    np.testing.assert_allclose([e.value for e in losses], history["loss"][1::2], rtol=1e-6)
    scores = events.Scalars("validation/top1")
    assert [event.step for event in scores] == [4, 8]
    assert scores[-1].value == pytest.approx(history.last_validation["top1"])
    assert [e.step for e in events.Histograms("parameter/fc1.weight")] == [0, 3, 6]


def test_each_run_has_a_curve_of_its_own_and_a_resumed_one_goes_on(tmp_path: Path) -> None:
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", exc_type=ImportError
    )

    def steps(folder: Path) -> list[int]:
        events = reader.EventAccumulator(str(folder)).Reload()
        return [event.step for event in events.Scalars("train/loss")]

    data, first = make_data(), make_trainer(summary=tmp_path)
    first.fit(data, steps=3)
    first.fit(data, steps=5, resume="auto")
    first.fit(data, steps=2)  # anew
    first.fit(data, steps=4, resume="auto")
    make_trainer(summary=Summary(tmp_path)).fit(data, steps=1)  # anew, by another trainer
    assert steps(tmp_path) == [1, 2, 3, 4, 5]
    assert steps(tmp_path / "run0001") == [1, 2, 3, 4]
    assert steps(tmp_path / "run0002") == [1]
    folders = sorted(path.name for path in tmp_path.iterdir() if path.is_dir())
    assert folders == ["run0001", "run0002"]


def test_two_trainers_run_in_two_threads() -> None:
    data = make_data(100)
    alone = [make_trainer(seed=seed) for seed in (1, 2)]
    for trainer in alone:
        trainer.fit(data, steps=30)
    together = [make_trainer(seed=seed) for seed in (1, 2)]
    threads = [threading.Thread(target=t.fit, args=(data,), kwargs={"steps": 30}) for t in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for one, other in zip(alone, together, strict=True):
        assert_same(weights(one.model), weights(other.model))


def test_running_accuracy_is_that_of_the_epoch_so_far() -> None:
    history = make_trainer().fit(make_data(100), epochs=2)
    assert ((history["top1"] >= 0) & (history["top1"] <= 1)).all()
    np.testing.assert_allclose((history["top1"] * 100)[3::4] % 1, 0, atol=1e-9)


def test_a_trainer_tells_what_it_is() -> None:
    trainer = make_trainer()
    assert "Sequential" in repr(trainer)
    assert "state='idle'" in repr(trainer)
    assert isinstance(trainer.history, History)


# Bad input ---------------------------------------------------------------------------------------


def test_the_loss_metric_does_not_slow_training() -> None:
    calls = []

    class Counted(Loss):
        def update(self, output: Any, target: Any) -> Any:
            calls.append(1)
            return super().update(output, target)

    trainer = make_trainer(metrics=(Counted(CrossEntropy()),))
    trainer.fit(make_data(), steps=5)
    assert not calls
