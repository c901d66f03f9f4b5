"""The search: which trials are run, where, and what is kept of them."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from ...core import validate
from ...core.errors import TrainingError
from ...engine.spool import PrivateFolder
from ...train.backend import calling_at_interrupt
from ...train.run_state import fingerprint_of_rows
from .asked import TRIES, first_trainer, judge_of, rows_of, session_of, trial_configs, trial_rungs
from .found import Found
from .progress import Listener, choose
from .records import Records, Result
from .rungs import Rungs
from .space import Config, Dimension, Space
from .trial import ModelFunction, Order, Setting, run_trial

__all__ = ["SearchInterrupted", "search"]


class Runner(Protocol):
    """Where trials are run."""

    slots: int

    def start(self, order: Order) -> None:
        """Begin a trial."""

    def next(self) -> tuple[Result, bytes | None]:
        """Wait for one to end."""

    def close(self) -> None:
        """End those that go on."""


class SearchInterrupted(KeyboardInterrupt):
    """Ctrl-C during a search; `found` holds what was done until then."""

    def __init__(self, found: Found) -> None:
        super().__init__("the search was interrupted; call it again with its folder to go on")
        self.found = found


class Here:
    """Runs trials in this process, one after the other."""

    slots = 1

    def __init__(self, setting: Setting, data: Any, validation: Any) -> None:
        self._run = (setting, data, validation)
        self._order: Order | None = None

    def start(self, order: Order) -> None:
        """Remember it."""
        self._order = order

    def next(self) -> tuple[Result, bytes | None]:
        """Run it."""
        setting, data, validation = self._run
        if self._order is None:
            raise AssertionError("start comes first")
        return run_trial(setting, self._order, data, validation)

    def close(self) -> None:
        """Nothing goes on."""


def search(
    model_fn: ModelFunction,
    space: Mapping[str, Dimension],
    data: Any,
    *,
    validation: Any,
    method: str = "random",
    trials: int | None = None,
    epochs: int = 10,
    metric: str = "loss",
    mode: str | None = None,
    min_epochs: int = 1,
    reduction: int = 3,
    seed: int = 0,
    spark: Any = None,
    parallel: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    keep: int = 3,
    progress: Any = "auto",
) -> Found:
    """Train a model with many settings and find the best.

    Parameters
    ----------
    model_fn : function of (config, rng)
        Returns a Trainer for `config`, one value for each name of `space`. `rng` is the trial's own
        generator: give it to the model. With `spark` it must be able to travel.
    space : dict of name -> `uniform`, `log_uniform`, `integers`, `choice`
        What is tried.
    data, validation : (x, y), Dataset, DataFrame, ...
        As `Trainer.fit` takes them; the validation rows are what trials are judged by.
    method : "random", "grid" or "asha"
        Values at random; all combinations; or at random with successive halving: all trials are
        trained for a little, and the best of them go on.
    trials : int > 0, optional
        How many; 32 by default. A grid has as many as it has combinations.
    epochs : int > 0, default=10
        The most that a trial is trained.
    metric : str, default="loss"
        One of the trainer's metrics.
    mode : "min", "max" or None
        Whether less or more is better. None: as the metric says.
    min_epochs : int > 0, default=1
        asha: the epochs after which trials are compared first.
    reduction : int > 1, default=3
        asha: of so many trials one goes on, for so many times the epochs (eta in the paper).
    seed : int, default=0
        Same seed, same trials, same table.
    spark : SparkSession or master string, optional
        Run trials in Spark's tasks, each on one core, as many at once as there are slots but one.
        None: in this process, one after the other, each with the trainer's own backend (with
        `SparkBackend` a distributed training each).
    parallel : int > 0, optional
        Trials at once, in Spark's tasks.
    folder : path or URL, optional
        Where results and states are kept as they come. The same search with the same folder goes on
        where it ended, also after a kill; with more `trials` it goes on beyond. Another search is
        refused. By default they last as long as what is returned.
    keep : int > 0, default=3
        The best so many trials keep their models.
    progress : "auto", None, function of (Found, Result), or widgets.TrialTable()
        Told of every result. "auto": a line of text on stderr. The table is one of a notebook, with
        the trials that run.

    Returns
    -------
    Found

    Raises
    ------
    ArgumentError : the space is empty or of unknown kinds, the metric is not measured, `model_fn`
        returns no Trainer or cannot travel.
    TrainingError : the first three trials have all failed; names the trial, its values, the error.
        Or a training that waited for Spark's slots has asked for them.
    CheckpointError : the folder holds another search.
    KeyboardInterrupt : after Ctrl-C. What is done lies in `folder`, and the same call goes on; it
        is also the exception's `found` (`sys.last_value.found`).

    Notes
    -----
    Like Ray Tune `Tuner`, Optuna `study.optimize` and Keras Tuner `RandomSearch`: random, grid, and
    successive halving (Li et al. 2020) whose decisions depend on scores alone and never on the
    clock, see `Rungs`. A trial that fails or diverges has the worst score and ends nothing; one
    that failed is tried again when the search goes on. Trials pause as checkpoints between rungs:
    schedules know of all `epochs`. An `EarlyStopping` of the trainer ends its trial. Kernels are
    not timed, unless the trainer has a `plan`.

    Examples
    --------
    >>> import numpy as np
    >>> from sandbox.lib import criterion, nn, optim
    >>> from sandbox.lib.spark import tune
    >>> from sandbox.lib.train import Trainer
    >>> x = np.random.default_rng(0).normal(size=(96, 4)).astype("f4")
    >>> y = (x[:, 0] > 0).astype("i8")
    >>> def model_fn(config, rng):
    ...     model = nn.zoo.mlp([4, config["width"], 2], rng=rng)
    ...     loss, method = criterion.CrossEntropy(), optim.SGD(config["lr"])
    ...     return Trainer(model, loss, method, batch_size=32, threads=1)
    >>> found = tune.search(
    ...     model_fn, {"lr": tune.log_uniform(1e-3, 1), "width": tune.choice([4, 8])},
    ...     (x[:64], y[:64]), validation=(x[64:], y[64:]), method="asha", trials=9, epochs=9,
    ...     progress=None)
    >>> len(found.table), bool(found.best.score < 0.5), found.epochs < 9 * 9 / 2
    (9, True, True)
    """
    validate.function("model_fn", model_fn)
    seed = validate.non_negative_int("seed", seed)
    dimensions = Space(space, seed)
    epochs = validate.positive_int("epochs", epochs)
    keep = validate.positive_int("keep", keep)
    configs = trial_configs(dimensions, method, trials)
    rungs = trial_rungs(method, len(configs), epochs, min_epochs, reduction)
    if parallel is not None:
        validate.positive_int("parallel", parallel)
    listener = choose(progress)

    setting = Setting(model_fn, metric, rungs.epochs, seed)
    first = first_trainer(setting, configs)
    judge = judge_of(first, metric, mode, list(dimensions.dimensions))
    session, backend = session_of(spark, first)
    rows = rows_of(data, validation, backend)
    about = {
        "method": method,
        "space": dimensions.describe(),
        "seed": seed,
        "epochs": rungs.epochs,
        "reduction": rungs.reduction,
        "metric": judge.name,
        "mode": "max" if judge.maximise else "min",
        "data": fingerprint_of_rows(rows[0]),
        "validation": fingerprint_of_rows(rows[1]),
    }
    setting = Setting(model_fn, judge.name, rungs.epochs, seed)
    with _place(folder) as (place, hold):
        records = Records(place, about, maximise=judge.maximise)
        found = Found(records, dimensions, setting, configs, metrics=judge.measured, keep=keep)
        hold(found)
        try:
            with _runner(session, parallel, setting, rows, listener) as runner:
                _go(runner, rungs, records, configs, found, listener)
        except KeyboardInterrupt:
            listener.tell(f"stopped; {found!r}")
            raise SearchInterrupted(found) from None
        found.tidy(ended=True)
    return found


@contextmanager
def _place(
    folder: str | os.PathLike[str] | None,
) -> Iterator[tuple[Any, Callable[[Found], object]]]:
    """Give the folder; without one, a private one that lives as long as the results."""
    if folder is not None:
        yield validate.path_like("folder", folder), lambda found: None
        return
    private = PrivateFolder("sandbox-search-")
    try:
        yield private.path, lambda found: weakref.finalize(found, private.close)
    except BaseException:
        private.close()
        raise


@contextmanager
def _runner(
    session: Any, parallel: int | None, setting: Setting, rows: Any, listener: Listener
) -> Iterator[Runner]:
    if session is None:
        yield Here(setting, *rows)
        return
    from ..watch import Interrupts
    from .tasks import SparkTasks

    interrupts = Interrupts()
    with calling_at_interrupt(interrupts):
        tasks = SparkTasks(session, setting, rows, parallel, interrupts, listener.tell)
        try:
            yield tasks
        finally:
            tasks.close()


def _go(
    runner: Runner,
    rungs: Rungs,
    records: Records,
    configs: list[Config],
    found: Found,
    listener: Listener,
) -> None:
    """Run what is due until nothing is."""
    running: set[tuple[int, int]] = set()
    while True:
        due = [job for job in rungs.due(_scores(records, rungs)) if job not in running]
        for trial, rung in due[: runner.slots - len(running)]:
            before = records.results.get((trial, rung - 1))
            state = None if before is None else records.state(before)
            seconds = 0.0 if before is None or state is None else before.seconds
            running.add((trial, rung))
            order = Order(trial, rung, configs[trial], state, seconds)
            listener.begin(found, order, rungs.epochs[rung])
            runner.start(order)
        if not running:
            return
        result, state = runner.next()
        running.discard((result.trial, result.rung))
        records.add(result, state)
        found.tidy(ended=False)
        listener.hear(found, result)
        _refuse_failing(records, configs)


def _scores(records: Records, rungs: Rungs) -> dict[tuple[int, int], float]:
    """Return all scores; of a trial that has stopped early also those of the rungs above."""
    scores = records.scores()
    for (trial, rung), result in records.results.items():
        if result.through:
            rank = records.rank(result)
            scores |= {(trial, above): rank for above in range(rung, len(rungs.epochs))}
    return scores


def _refuse_failing(records: Records, configs: list[Config]) -> None:
    first = [records.results.get((trial, 0)) for trial in range(min(TRIES, len(configs)))]
    failed = [one for one in first if one is not None and one.status == "failed"]
    if len(failed) == len(first):
        one = failed[0]
        raise TrainingError(
            f"search: not all of the first {len(first)} trials may fail; trial {one.trial} with"
            f" {configs[one.trial]!r}: {one.error}"
        )
