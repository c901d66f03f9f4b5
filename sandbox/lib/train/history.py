"""The curves of a run: columns that grow while training and can be read at any time."""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import validate
from ..core.errors import ArgumentError
from .timings import RankTables

__all__ = ["ColumnError", "History"]

_INTEGERS = ("step", "epoch", "rows")
_FLOATS = ("loss", "learning_rate", "seconds", "rate")


class ColumnError(ArgumentError, KeyError):
    """A history has no column of this name."""

    __str__ = Exception.__str__  # a KeyError's would show the message in quotes


_SHOWN = 20  # epochs in a printed history


class History:
    """Every iteration and every validation of a run.

    `history["loss"]` is a column as an array (a copy), `history.columns` names them,
    `history.timings()` holds the mean times of all ranks and those of the slowest,
    `history.rank(0)` one rank's, `history.validations` the validations,
    `history.epochs()` a summary of each pass. Steps and epochs count from 1. One thread appends,
    any thread may read.

    Notes
    -----
    An iteration whose step is already there (a run that went back to a checkpoint) replaces it and
    what came after. `history["loss"]` is what BigDL `TrainSummary.read_scalar` (0.13) gives.

    Examples
    --------
    >>> history = History()
    >>> history.append({"step": 1, "epoch": 1, "loss": 2.3, "learning_rate": 0.1, "rows": 128,
    ...                 "seconds": 0.01, "rate": 12800.0, "metrics": {"top1": 0.1}})
    >>> history["loss"], len(history)
    (array([2.3]), 1)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._columns: dict[str, array[Any]] = {
            **{name: array("q") for name in _INTEGERS},
            **{name: array("d") for name in _FLOATS},
        }
        self._metrics: dict[str, array[float]] = {}
        self._recent: dict[str, array[float]] = {}
        self._timings: dict[str, array[float]] = {}
        self._ranks = RankTables()
        self._told = 0  # the step of a ranks event whose iteration has yet to come
        self._validations: list[dict[str, Any]] = []

    # Writing ---------------------------------------------------------------------------------

    def append(self, event: Mapping[str, Any]) -> None:
        """Take in an iteration event."""
        with self._lock:
            steps = self._columns["step"]
            if steps and event["step"] <= steps[-1]:
                self._cut(event["step"])
            self._told = 0
            for name, column in self._columns.items():
                column.append(event[name])
            n = len(steps)
            _extend(self._metrics, event.get("metrics", {}), n)
            _extend(self._recent, event.get("recent", {}), n)
            if "slowest" in event:
                _extend(self._timings, _timings(event), n)
                if event["ranks"] == 1:  # the slowest is the only one
                    self._ranks.add(event["step"], event["step"], [event["slowest"]])

    def add_ranks(self, event: Mapping[str, Any]) -> None:
        """Take in a ranks event, which comes before that of its last iteration."""
        with self._lock:
            first = event["step"] - event["steps"] + 1
            self._ranks.cut(first)
            self._told = event["step"]
            self._ranks.add(first, event["step"], event["timings"])

    def add_validation(self, event: Mapping[str, Any]) -> None:
        """Take in a validation event."""
        with self._lock:
            step = event["step"]
            while self._validations and self._validations[-1]["step"] >= step:
                self._validations.pop()
            self._validations.append({key: event[key] for key in ("step", "epoch", "metrics")})

    def cut(self, step: int) -> None:
        """Forget what came after `step` iterations."""
        with self._lock:
            self._cut(step + 1)
            while self._validations and self._validations[-1]["step"] > step:
                self._validations.pop()

    def _cut(self, step: int) -> None:
        n = bisect_left(self._columns["step"], step)
        for columns in (self._columns, self._metrics, self._recent, self._timings):
            for column in columns.values():
                del column[n:]
        if self._told != step:
            self._ranks.cut(step)

    # Reading ---------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._columns["step"])

    @property
    def columns(self) -> list[str]:
        """Names that `history[name]` knows."""
        with self._lock:
            return [*self._columns, *self._metrics]

    def __getitem__(self, name: str) -> NDArray[Any]:
        with self._lock:
            column = None
            if isinstance(name, str):
                column = self._columns.get(name, self._metrics.get(name))
            if column is None:
                known = ", ".join([*self._columns, *self._metrics])
                raise ColumnError(f"history has no column {name!r}; it has {known}")
            return self._read(column)

    def _read(self, column: array[Any]) -> NDArray[Any]:
        n = len(self._columns["step"])
        values = np.array(column, np.int64 if column.typecode == "q" else np.float64)
        return values if len(values) == n else np.append(values, np.full(n - len(values), np.nan))

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __contains__(self, name: object) -> bool:
        return name in self._columns or name in self._metrics

    def recent(self) -> dict[str, NDArray[np.float64]]:
        """Return the metrics as curves across epochs; NaN for steps before a run was resumed."""
        with self._lock:
            return {name: self._read(column) for name, column in self._recent.items()}

    @property
    def ranks(self) -> int:
        """Number of ranks seen."""
        return self._ranks.ranks

    def rank(self, rank: int) -> dict[str, NDArray[np.float64]]:
        """Return compute, wait and exchange seconds, bytes and rows of one rank, by iteration.

        With more than eight ranks they are means over about a second, or more in a long run.
        """
        validate.one_of("rank", rank, range(self.ranks))
        with self._lock:
            return self._ranks.columns(rank, self._read(self._columns["step"]))

    def timings(self) -> dict[str, NDArray[np.float64]]:
        """Return where each iteration's time went: the mean over all ranks, and the slowest rank.

        Returns
        -------
        dict of arrays
            "compute", "wait" and "exchange" (seconds), "bytes": means over the ranks; "slowest":
            the rank that computed longest; "slowest_compute", "slowest_wait", "slowest_exchange":
            its seconds.
        """
        with self._lock:
            return {name: self._read(column) for name, column in self._timings.items()}

    @property
    def validations(self) -> list[dict[str, Any]]:
        """The validations so far: step, epoch, metrics."""
        with self._lock:
            return list(self._validations)

    @property
    def last_validation(self) -> dict[str, Any]:
        """The metrics of the latest validation, empty before the first."""
        with self._lock:
            return dict(self._validations[-1]["metrics"]) if self._validations else {}

    def epochs(self) -> list[dict[str, Any]]:
        """Return one row for each epoch: mean loss, metrics at its end, seconds, images/s."""
        with self._lock:
            columns = {k: self._read(v) for k, v in (self._columns | self._metrics).items()}
            metrics = list(self._metrics)
            validations = list(self._validations)
        rows = []
        for epoch in np.unique(columns["epoch"]):
            at = np.flatnonzero(columns["epoch"] == epoch)
            losses = columns["loss"][at]
            counted = ~np.isnan(losses)  # in some batches no row may count
            weights = np.maximum(columns["rows"][at], 1)[counted]
            loss = np.average(losses[counted], weights=weights) if counted.any() else np.nan
            seconds = float(columns["seconds"][at].sum())
            row: dict[str, Any] = {
                "epoch": int(epoch),
                "steps": len(at),
                "loss": float(loss),
                **{name: float(columns[name][at[-1]]) for name in metrics},
                "seconds": seconds,
                "rate": float(columns["rows"][at].sum() / seconds) if seconds else 0.0,
            }
            first, last = columns["step"][at[0]], columns["step"][at[-1]]
            inside = [v for v in validations if first <= v["step"] <= last]
            row["validation"] = inside[-1]["metrics"] if inside else {}
            rows.append(row)
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return everything as lists and dicts that JSON takes."""
        with self._lock:
            return {
                "columns": {k: self._read(v).tolist() for k, v in self._columns.items()},
                "metrics": {k: self._read(v).tolist() for k, v in self._metrics.items()},
                "timings": {k: self._read(v).tolist() for k, v in self._timings.items()},
                "ranks": self._ranks.to_lists(),
                "rank_steps": self._ranks.steps,
                "validations": list(self._validations),
            }

    # Checkpoints -----------------------------------------------------------------------------

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the iteration columns (without the ranks' times) as arrays."""
        with self._lock:
            columns = {k: self._read(v) for k, v in self._columns.items()}
            return columns | {f"metric/{k}": self._read(v) for k, v in self._metrics.items()}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], validations: list[dict[str, Any]]
    ) -> History:
        """Build a history from `to_arrays` and the list of validations."""
        history = cls()
        for name, column in history._columns.items():
            if name in arrays:
                column.frombytes(np.ascontiguousarray(arrays[name]).tobytes())
        for name, values in arrays.items():
            if name.startswith("metric/"):
                history._metrics[name.removeprefix("metric/")] = array("d", values.tolist())
        history._validations = [dict(v) for v in validations]
        return history

    # Display ---------------------------------------------------------------------------------

    def __repr__(self) -> str:
        rows = self.epochs()
        if not rows:
            return "History(no iterations yet)"
        left_out = max(len(rows) - _SHOWN, 0)
        if left_out:  # the beginning, where most happens, and the end
            rows = [*rows[: _SHOWN // 2], *rows[-(_SHOWN // 2) :]]
        names = [k for k in rows[0] if k != "validation"]
        scores = [
            k for k, v in self.last_validation.items() if isinstance(v, int | float)
        ]  # a confusion matrix does not fit in a table
        header = [*names, *(f"validation {k}" for k in scores)]
        body = [
            [_cell(row[k]) for k in names] + [_cell(row["validation"].get(k)) for k in scores]
            for row in rows
        ]
        widths = [max(len(line[i]) for line in [header, *body]) for i in range(len(header))]
        lines = [
            "  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True))
            for line in [header, *body]
        ]
        if left_out:
            lines.insert(1 + _SHOWN // 2, f"... {left_out} more epochs: history.epochs()")
        return "\n".join(lines)


def _extend(columns: dict[str, array[float]], values: Mapping[str, float], n: int) -> None:
    """Append one value to each column so that all have n; a column without a value gets NaN."""
    for name, value in values.items():
        column = columns.get(name)
        if column is None:
            column = columns[name] = array("d")
        missing = n - 1 - len(column)
        if missing:
            column.extend([float("nan")] * missing)
        column.append(value)


def _timings(event: Mapping[str, Any]) -> dict[str, float]:
    """Return the columns of an iteration's mean and slowest times."""
    mean, slowest = event["mean"], event["slowest"]
    columns = {name: float(mean[name]) for name in ("compute", "wait", "exchange", "bytes")}
    columns["slowest"] = float(slowest["rank"])
    for name in ("compute", "wait", "exchange"):
        columns[f"slowest_{name}"] = float(slowest[name])
    return columns


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4f}"
