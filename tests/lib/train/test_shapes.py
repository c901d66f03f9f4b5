"""What does not fit is told before anything starts, by shapes alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sandbox.lib import nn, optim
from sandbox.lib.core import ops
from sandbox.lib.core.errors import ShapeError
from sandbox.lib.criterion import MSE, Criterion, CrossEntropy
from sandbox.lib.train import Trainer

X, Y = np.ones((8, 3), "f4"), np.arange(8) % 2


class NoBackend:
    """Stands where Spark would be started: a run must not come this far."""

    started = False

    def run(self, job: Any, emit: Any, poll: Any) -> Any:
        self.started = True
        raise RuntimeError("started")


def trainer(model: nn.Module, criterion: Criterion) -> Trainer:
    return Trainer(model, criterion, optim.SGD(0.1), progress=None, backend=NoBackend())


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize(
    ("model", "criterion", "rows", "more", "message"),
    [
        (nn.Linear(4, 2, rng=0), CrossEntropy(), (X, Y), {},
         r"`data` does not fit: Linear: input axis 1 must be 4 \(in_features\); got 3"),
        (nn.Linear(3, 2, rng=0), MSE(), (X, np.ones((8, 5), "f4")), {},
         r"`data` does not fit: MSE: target must have the output's shape \(8, 2\); got \(8, 5\)"),
        (nn.Linear(3, 2, rng=0), CrossEntropy(), (X, Y), {"validation": (X[:, :2], Y)},
         r"`validation` does not fit: Linear: input axis 1 must be 3"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_before_the_backend_starts(
    model: nn.Module, criterion: Criterion, rows: Any, more: Any, message: str, background: bool
) -> None:
    made = trainer(model, criterion)
    with pytest.raises(ShapeError, match=message) as told:
        made.fit(rows, epochs=1, background=background, **more)
    assert "\n" not in str(told.value)
    assert not made.backend.started
    assert not made.running
    assert made.state == "idle"


@nn.register("test.Halves")
class Halves(nn.Module):
    """Takes batches of four rows only."""

    def call(self, x: Any) -> Any:
        return ops.reshape(x, (4, 3))


@nn.register("test.Looks")
class Looks(nn.Module):
    """Cannot be traced, and has a matter with zeros."""

    def call(self, x: Any) -> Any:
        if float(x.data.max()) == 0:
            raise ShapeError("zeros")
        return x


@pytest.mark.parametrize("model", [Halves(), Looks()])
def test_what_only_the_run_can_know_is_left_to_it(model: nn.Module) -> None:
    made = Trainer(model, MSE(), optim.SGD(0.1), progress=None, backend=NoBackend(), batch_size=4)
    with pytest.raises(RuntimeError, match="started"):
        made.fit((X, X), epochs=1)
