"""What does not fit is told before anything starts: shapes, and the targets at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from train_kit import Unseen

from sandbox.lib import nn, optim
from sandbox.lib.core import ops
from sandbox.lib.core.errors import DataError, ShapeError
from sandbox.lib.criterion import (
    MSE,
    BCEWithLogits,
    Criterion,
    CrossEntropy,
    KLDivergence,
    Parallel,
)
from sandbox.lib.data import (
    ArrayDataset,
    IdxDataset,
    PartitionedDataset,
    SequenceDataset,
    write_idx,
)
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


@nn.register("test.Two")
class Two(nn.Module):
    """Gives two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.classes, self.sizes = nn.Linear(3, 4, rng=0), nn.Linear(3, 2, rng=1)

    def call(self, x: Any) -> Any:
        return self.classes(x), self.sizes(x)


@pytest.mark.parametrize("model", [Halves(), Looks()])
def test_what_only_the_run_can_know_is_left_to_it(model: nn.Module) -> None:
    made = Trainer(model, MSE(), optim.SGD(0.1), progress=None, backend=NoBackend(), batch_size=4)
    with pytest.raises(RuntimeError, match="started"):
        made.fit((X, X), epochs=1)


LABELS = np.arange(300) % 10
FAR = np.where(LABELS == 7, 12, LABELS)
ROWS = np.ones((300, 3), "f4")
PARTS = [(ROWS[:100], LABELS[:100]), (ROWS[100:], LABELS[100:] + 1)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((ROWS, LABELS + 1), "labels .* got 10 in row 9 .* Do the labels count from 1"),
        ((ROWS, (LABELS + 1).astype("f4")), "labels .* got 10 in row 9 "),
        ((ROWS, LABELS - 1), "labels .* got -1 in row 0 .* missing labels"),
        ((ROWS, FAR), "labels .* got 12 in row 7 .* need 13 outputs"),
        (PartitionedDataset(PARTS), "partition 1: labels .* got 10 in row 9 "),
        (SequenceDataset([[1, 2, 3]] * 300, LABELS + 1, buckets=[3]), "labels .* got 10 in row 9"),
    ],
)  # fmt: skip
def test_labels_that_are_no_classes_are_told_before_the_backend_starts(
    data: Any, message: str
) -> None:
    made = trainer(nn.Sequential(nn.Linear(3, 10, rng=0)), CrossEntropy())
    with pytest.raises(DataError, match=f"`data` does not fit: {message}") as told:
        made.fit(data, epochs=1)
    assert "\n" not in str(told.value)
    assert not made.backend.started
    with pytest.raises(DataError, match=f"`validation` does not fit: {message}"):
        made.fit((ROWS, LABELS), epochs=1, validation=data)
    assert not made.backend.started


def test_labels_of_a_file_are_read_for_it(tmp_path: Path) -> None:
    write_idx(tmp_path / "images", np.zeros((20, 3), "u1"))
    write_idx(tmp_path / "labels", np.arange(20, dtype="u1") % 10)
    made = trainer(nn.Linear(3, 9, rng=0), CrossEntropy())
    with pytest.raises(DataError, match=r"got 9 in row 9 .* need 10 outputs"):
        made.fit(IdxDataset(tmp_path / "images", tmp_path / "labels"), epochs=1)
    assert not made.backend.started


@pytest.mark.parametrize(
    ("model", "criterion", "y", "message"),
    [
        (nn.Linear(3, 1, rng=0), BCEWithLogits(), np.full((300, 1), 2), "must be in 0..1; got 2"),
        (nn.Sequential(nn.Linear(3, 2, rng=0), nn.LogSoftmax()), KLDivergence(),
         np.ones((300, 2), "f4"), "must add up to 1; got 2 in row 0"),
        (Two(), Parallel((CrossEntropy(), MSE())), (LABELS, np.ones((300, 2), "f4")),
         "got 4 in row 4"),
    ],
)  # fmt: skip
def test_targets_that_a_criterion_refuses_are_told_first_too(
    model: nn.Module, criterion: Criterion, y: Any, message: str
) -> None:
    made = trainer(model, criterion)
    with pytest.raises(DataError, match=message):
        made.fit((ROWS, y), epochs=1)
    assert not made.backend.started


def test_the_run_says_the_same_of_labels_that_are_not_at_hand() -> None:
    x, y = ROWS[:10], np.arange(10) % 5 + 6
    told = []
    for data in (ArrayDataset(x, y), Unseen(x, y)):
        made = Trainer(nn.Linear(3, 10, rng=0), CrossEntropy(), optim.SGD(0.1), progress=None)
        with pytest.raises(DataError, match="got 10 in row") as caught:
            made.fit(data, epochs=1)
        told.append(str(caught.value))
    first, later = told
    cure = "(2 of 10 rows are out of range). Do the labels count from 1? use labels - 1."
    assert cure in first
    assert "got 10 in row 4" in first
    assert cure in later
    assert "is row 4 of the data set" in later or "is row 9 of the data set" in later
