"""A run whose loss runs away goes back to its last good state, and says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from train_kit import assert_same, make_data, make_model, make_trainer, unmarked, weights

from sandbox.lib import nn
from sandbox.lib.core.errors import DivergedError, TrainingError
from sandbox.lib.criterion import MSE
from sandbox.lib.data import ArrayDataset
from sandbox.lib.optim import SGD, Adam, ClipNorm, MultiStep
from sandbox.lib.train import Checkpoints, EarlyStopping, EverySteps, MaxSteps, Trainer

X, LABELS = make_data(200)  # seven batches of 32, the last one odd
DATA = (X, 30 * X[:, :1])


def net() -> nn.Module:
    return nn.Sequential(fc1=nn.Linear(4, 16, rng=0), relu=nn.ReLU(), fc2=nn.Linear(16, 1, rng=1))


def calm() -> SGD:
    return SGD(1e-4, momentum=0.9)


def wild(at: int) -> SGD:
    """Fine for a while; then no loss can stand it."""
    return SGD(1e-4, momentum=0.9, schedule=MultiStep([at], gamma=1e5))


def make(optimizer: Any, **changes: Any) -> tuple[Trainer, list[str]]:
    trainer, said = make_trainer(net(), criterion=MSE(), optimizer=optimizer, **changes), []
    trainer.subscribe(lambda event: event["type"] == "log" and said.append(event["text"]))
    return trainer, said


def after(steps: int) -> dict[str, np.ndarray]:
    trainer, _ = make(calm())
    trainer.fit(DATA, steps=steps)
    return weights(trainer.model)


def largest(model: nn.Module) -> float:
    return max(float(np.abs(array).max()) for array in weights(model).values())


@pytest.mark.parametrize("clip", [None, ClipNorm(1e30)])
def test_the_model_and_resume_hold_the_last_good_state(clip: Any) -> None:
    trainer, said = make(wild(16), clip=clip)
    offered = r"must be.* finite.*holds its last good state, of step 14, and resume='auto' goes on"
    with pytest.raises(DivergedError, match=offered) as caught:
        trainer.fit(DATA, epochs=5)
    assert isinstance(caught.value, TrainingError)
    assert trainer.state == "failed"
    assert_same(after(14), weights(trainer.model))
    assert len(trainer.history) > 16, "the curve shows how it ran away"
    trainer.optimizer = calm()
    history = trainer.fit(DATA, epochs=5, resume="auto")
    assert "step 14 goes on with other settings: schedule MultiStep(" in said[-1]
    assert history["step"].tolist() == list(range(1, 36))
    assert_same(after(35), weights(trainer.model))


@pytest.mark.parametrize("every", [1, 7])
def test_no_checkpoint_holds_what_has_run_away(every: int, tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, every=EverySteps(every))
    trainer, _ = make(wild(16), checkpoint=kept)
    with pytest.raises(DivergedError):
        trainer.fit(DATA, epochs=5)
    assert unmarked(kept.store().files()[-1]) == "run0000-step00000014.safetensors"
    other, _ = make(calm(), checkpoint=kept)
    other.fit(DATA, epochs=5, resume="auto")
    assert_same(after(35), weights(other.model))


def test_a_run_killed_meanwhile_left_no_such_checkpoint(tmp_path: Path) -> None:
    trainer, said = make(Adam(100.0), checkpoint=Checkpoints(tmp_path, every=EverySteps(3)))
    names: list[list[str]] = []
    trainer.subscribe(lambda event: names.append([path.name for path in tmp_path.iterdir()]))
    trainer.fit(DATA, epochs=3)
    assert not any("step00000003" in name for seen in names for name in seen)
    assert said[0].startswith("the loss has run away: ")
    assert "at step 3, 699.4 at first. Lower the learning rate or clip" in said[0]


def test_a_run_that_ends_before_infinity_goes_back_too() -> None:
    trainer, said = make(SGD(0.9))
    before = weights(trainer.model)
    history = trainer.fit(DATA, steps=3)
    assert history["loss"][-1] > 1e12
    assert trainer.result.step == 0
    assert_same(before, weights(trainer.model))
    assert said[0].startswith("the loss has run away: ")
    assert said[1].startswith("The model holds its last good state, of step 0, and resume=")
    trainer.optimizer = SGD(1e-4)
    assert len(trainer.fit(DATA, steps=3, resume="auto")) == 3


def test_the_first_step_has_no_state_to_go_back_to() -> None:
    trainer, _ = make(calm())
    with pytest.raises(DivergedError, match=r"step 1 .*the loss must be a finite number"):
        trainer.fit((X, np.full((200, 1), 3e38, "f4")), epochs=1)
    assert largest(trainer.model) < 2


def test_a_high_loss_alone_is_no_divergence() -> None:
    """Weights of the size of the first ones: a fine model may meet a batch it cannot explain."""
    x, y = DATA[0], np.zeros((200, 1), "f4")
    y[150:] = 300.0

    class InOrder(ArrayDataset):
        def order(self, batch_size: int, *, seed: int, shuffle: bool = True) -> Any:
            return super().order(batch_size, seed=seed, shuffle=False)

    trainer, said = make(SGD(1e-6))
    history = trainer.fit(InOrder(x, y), epochs=1)
    assert history["loss"][-1] > 100 * history["loss"][0]
    assert trainer.result.step == 7
    assert said == []


def test_weights_that_grow_while_the_loss_falls_are_fine() -> None:
    model = nn.Sequential(fc=nn.Linear(4, 1, rng=0))
    model.fc.weight.set(np.zeros((1, 4), "f4"))
    trainer = make_trainer(model, criterion=MSE(), optimizer=SGD(0.1))
    trainer.fit(DATA, epochs=5)
    assert trainer.result.step == 35
    assert largest(model) > 10


def test_an_early_stop_does_not_bring_back_what_ran_away() -> None:
    trainer, _ = make(SGD(0.9))
    rule = EarlyStopping("loss", patience=9)
    trainer.fit(DATA, steps=3, validation=DATA, validate=EverySteps(1), early_stop=rule)
    assert trainer.result.step == 0
    assert largest(trainer.model) < 2


def test_running_statistics_and_momentum_go_back_as_well() -> None:
    expected = make_trainer(make_model())
    expected.fit((X, LABELS), steps=7)
    trainer = make_trainer(
        make_model(), optimizer=SGD(0.1, momentum=0.9, schedule=MultiStep([8], gamma=1e37))
    )
    with pytest.raises(DivergedError, match="last good state, of step 7"):
        trainer.fit((X, LABELS), epochs=9)
    assert_same(weights(expected.model), weights(trainer.model))
    trainer.optimizer = SGD(0.1, momentum=0.9)
    trainer.fit((X, LABELS), steps=20, resume="auto")
    expected.fit((X, LABELS), steps=20, resume="auto")
    assert_same(weights(expected.model), weights(trainer.model))


@pytest.mark.parametrize("end", [3, 50])
def test_all_ranks_go_back_together(end: int, run_ranks: Callable[..., Any]) -> None:
    trainer, _ = make(SGD(0.9))
    job = trainer._job(DATA, None, None, MaxSteps(end), None, "epoch", None)
    before = weights(trainer.model)
    run = run_ranks(job, 3)
    for rank in range(3):
        assert_same(before, weights(run.models[rank]))
        if end == 50:
            assert "holds its last good state, of step 0" in str(run.errors[rank])
        else:
            assert run.results[rank].step == 0
    (event,) = (event for event in run.of("checkpoint") if event["good"])
    assert event["step"] == 0
