"""What a search has found: a table, the best trials, their models."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...core.errors import CheckpointError, TrainingError
from ...train import Trainer
from .records import Records, Result
from .space import Config, Space
from .trial import Setting, build, plain, restored

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from ... import nn

__all__ = ["Coordinates", "Found", "Trial"]


class Trial:
    """One trial of a search, as far as it has come.

    Parameters
    ----------
    result : Result
        At its highest rung.
    config : dict
        What it tries.
    remake : callable(result, config) -> Trainer
        Makes it again, trained.
    """

    def __init__(
        self, result: Result, config: Config, remake: Callable[[Result, Config], Trainer]
    ) -> None:
        self.result, self.config, self._remake = result, config, remake

    @property
    def number(self) -> int:
        """Which trial."""
        return self.result.trial

    @property
    def score(self) -> float:
        """The metric that was searched for; NaN where the trial has failed."""
        return math.nan if self.result.score is None else self.result.score

    @property
    def metrics(self) -> dict[str, float]:
        """All metrics of the model, on the validation rows."""
        return dict(self.result.metrics)

    @property
    def epochs(self) -> int:
        """For how long it was trained."""
        return self.result.epochs

    @functools.cached_property
    def trainer(self) -> Trainer:
        """A trainer as `model_fn` makes it, whose model has the trial's weights.

        Raises
        ------
        CheckpointError : the trial's state was not kept: see `keep` of `search`.
        """
        return self._remake(self.result, self.config)

    @property
    def model(self) -> nn.Module:
        """The trained model."""
        return self.trainer.model

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={_short(value)}" for name, value in self.config.items())
        state = f"score {self.score:.6g}" if self.result.status == "done" else self.result.status
        return f"Trial {self.number}: {told}; {state} after {self.epochs} epochs"


class Found:
    """The results of a search; they grow while it goes on.

    Parameters
    ----------
    records, space, setting, configs
        The search's.
    keep : int
        Trials whose states stay.
    """

    def __init__(
        self,
        records: Records,
        space: Space,
        setting: Setting,
        configs: list[Config],
        *,
        metrics: list[str],
        keep: int,
    ) -> None:
        self._records, self._space, self._setting = records, space, setting
        self._configs, self._metrics, self._keep = configs, metrics, keep

    @property
    def metric(self) -> str:
        """The metric that is searched for."""
        return self._setting.metric

    @property
    def maximise(self) -> bool:
        """Whether more of it is better."""
        return self._records.maximise

    @property
    def folder(self) -> str:
        """Where the results lie."""
        return str(self._records.folder)

    @property
    def trials(self) -> list[Trial]:
        """The trials so far, the best first."""
        newest: dict[int, Result] = {}
        for (trial, _), result in sorted(self._records.results.items()):
            if trial < len(self._configs):
                newest[trial] = result
        ranked = sorted(newest.values(), key=lambda one: (self._records.rank(one), one.trial))
        return [Trial(one, self._configs[one.trial], self._again) for one in ranked]

    @property
    def best(self) -> Trial:
        """The best trial so far.

        Raises
        ------
        TrainingError : no trial has a score.
        """
        found = self.trials
        if not found or not math.isfinite(self._records.rank(found[0].result)):
            told = f" The first: {found[0].result.error}" if found else ""
            raise TrainingError(
                f"search: at least one trial must have a score; got none of {len(found)}.{told}"
            )
        return found[0]

    @property
    def epochs(self) -> int:
        """All epochs that were trained, over all trials."""
        return sum(trial.epochs for trial in self.trials)

    @property
    def table(self) -> Any:  # a pandas.DataFrame
        """A row for each trial, the best first: what it tried, how far it came, all metrics."""
        import pandas

        columns = ["trial", "status", "epochs", *self._space.dimensions, *self._metrics]
        rows = [
            {
                **{"trial": one.number, "status": one.result.status, "epochs": one.epochs},
                **one.config,
                **{name: one.metrics.get(name, math.nan) for name in self._metrics},
                **{"seconds": round(one.result.seconds, 3), "error": one.result.error},
            }
            for one in self.trials
        ]
        return pandas.DataFrame(rows, columns=[*columns, "seconds", "error"])

    def frame(self, spark: SparkSession) -> DataFrame:
        """Return the table as a DataFrame of Spark; values of mixed kinds as text."""
        table = self.table
        for name in self._space.dimensions:
            table[name] = [plain(value) for value in table[name]]
            if len({type(value) for value in table[name]}) > 1:
                table[name] = table[name].astype(str)
        return spark.createDataFrame(table)

    def coordinates(self) -> Coordinates:
        """Return the data of a picture: see `widgets.parallel_coordinates`."""
        return Coordinates(self, self._space)

    def tidy(self, *, ended: bool) -> None:
        """Remove the states of trials that are neither among the best nor to be gone on with."""
        spare = [t.result for t in self.trials if ended or t.result.through][self._keep :]
        self._records.forget(spare)

    def _again(self, result: Result, config: Config) -> Trainer:
        state = self._records.state(result)
        if state is None:
            raise CheckpointError(
                f"search: trial {result.trial} must have a state to be made again; it was not kept"
                f" in {self.folder}. Search with keep={len(self._configs)} to keep all."
            )
        return restored(build(self._setting, result.trial, config), state, f"trial {result.trial}")

    def __repr__(self) -> str:
        trials = self.trials
        if not trials:
            return "Found(no trial yet)"
        rank = self._records.rank(trials[0].result)
        best = f"; best: {trials[0]!r}" if math.isfinite(rank) else ""
        return f"Found({len(trials)} trials, {self.epochs} epochs{best})"

    def _repr_html_(self) -> str:
        html: str = self.table._repr_html_()
        return html


class Coordinates:
    """Trials as lines across axes, one for each name and one for the score.

    Parameters
    ----------
    found : Found
    space : Space
    """

    def __init__(self, found: Found, space: Space) -> None:
        scored = [trial for trial in found.trials if math.isfinite(trial.score)]
        self.trials, self.maximise, self.metric = scored, found.maximise, found.metric
        self.axes = [*space.dimensions, found.metric]
        self.ticks = [dimension.ticks() for dimension in space.dimensions.values()]
        self.scores = _Scores([trial.score for trial in scored])
        self.ticks.append(self.scores.ticks())
        self.lines = [
            [
                *(d.position(trial.config[name]) for name, d in space.dimensions.items()),
                self.scores.position(trial.score),
            ]
            for trial in scored
        ]
        """Positions from 0 to 1 on every axis, the best trial first."""

    def text(self) -> str:
        """Return in words what the picture tells."""
        if not self.trials:
            return "no trial has a score yet"
        best = self.trials[0]
        quarter = self.trials[: max(1, len(self.trials) // 4)]
        told = ", ".join(f"{name} {_short(value)}" for name, value in best.config.items())
        spans = [_span(name, [t.config[name] for t in quarter]) for name in best.config]
        worst = self.trials[-1].score
        return (
            f"{len(self.trials)} trials, {self.metric} {best.score:.4g} to {worst:.4g}; best"
            f" {best.score:.4g}: {told}; the best quarter has {', '.join(spans)}"
        )


class _Scores:
    """The axis of scores, from the best; what is worse by far is drawn at its end.

    Parameters
    ----------
    scores : list of float
        The best first.
    """

    def __init__(self, scores: list[float]) -> None:
        best, middle, worst = (
            (scores[k] for k in (0, len(scores) // 2, -1)) if scores else (0, 0, 1)
        )
        cut = best + 2.5 * (middle - best)
        self.cut = abs(worst - best) > abs(cut - best) > 0
        ends = best, cut if self.cut else worst
        self.low, self.high = min(ends), max(ends)
        self.upwards = ends[1] >= ends[0]

    def position(self, score: float) -> float:
        """Return where a score lies between 0 and 1."""
        if self.high == self.low:
            return 0.5
        return min(max((score - self.low) / (self.high - self.low), 0.0), 1.0)

    def ticks(self) -> list[tuple[float, str]]:
        """Return five positions with their labels; a mark shows where worse ones lie."""
        found = [(k / 4, f"{self.low + (self.high - self.low) * k / 4:.4g}") for k in range(5)]
        if self.cut:
            end = 4 if self.upwards else 0
            found[end] = (end / 4, f"{found[end][1]} or {'more' if self.upwards else 'less'}")
        return found


def _span(name: str, values: list[Any]) -> str:
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        low, high = min(values), max(values)
        return f"{name} {low:.3g}" + (f" to {high:.3g}" if high > low else "")
    return f"{name} {' or '.join(dict.fromkeys(map(str, values)))}"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
