"""A search over the Params of a stage, as a stage of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pyspark.ml.base import Estimator

from ...core import validate
from ...core.errors import ArgumentError
from ...train import Trainer
from ..tune import search
from ..tune.space import Space
from .estimator import NNEstimator, Plan
from .model import NNModel
from .params import Setting, Stage
from .reading import prepared_like
from .runs import name_of_run
from .signature import Signature
from .training import EPOCHS, in_front

__all__ = ["NNSearch"]

_SEARCHED = (
    "batchSize",
    "clipNorm",
    "clipValue",
    "criterion",
    "earlyStopping",
    "learningRate",
    "model",
    "optimizer",
    "precision",
    "seed",
)
_OPTIONS = ("method", "trials", "metric", "mode", "seed", "parallel", "keep")


def _estimator(name: str, value: Any) -> NNEstimator:
    return validate.instance(name, value, NNEstimator)


def _space(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise validate.refuse(name, "a dict of Param -> tune.uniform, tune.choice, ...", value)
    for param in value:
        validate.one_of(f"a name of `{name}`", param, _SEARCHED)
    return dict(value)


def _text(name: str, value: Any) -> str:
    return validate.text(name, value)


def _switch(name: str, value: Any) -> Any:
    return value if callable(value) else validate.boolean(name, value)


class NNSearch(Stage, Estimator[Any]):
    """Searches for Params of a network's stage, and fits to the best model.

    Parameters
    ----------
    estimator : NNEstimator, NNClassifier or NNRegressor
        What is tried. It says on which rows trials are judged: `validationSplit`,
        `validationIndicatorCol` or `setValidation`; and by `maxEpoch` how long a trial is trained
        at most.
    space : dict of Param -> `tune.uniform`, `tune.log_uniform`, `tune.integers`, `tune.choice`
        What is tried of batchSize, clipNorm, clipValue, criterion, earlyStopping, learningRate,
        model, optimizer, precision, seed.
    **params
        Values of Params, see `explainParams()`: `method`, `trials`, `metric`, ... as of
        `tune.search`.

    Raises
    ------
    ArgumentError : a Param is outside of what it may be; in `fit`, there are no rows to validate
        on, or the stage has another end than `maxEpoch`.
    DataError, SparkSetupError : as the stage's own `fit`.
    TrainingError, CheckpointError : as `tune.search`.

    Notes
    -----
    Beside CrossValidator, which fits each point of a grid on all folds: here trials are stopped
    early (successive halving), run on one core each in Spark's tasks, and go on after a kill
    (`searchPath`). With `ranks` > 1 of the stage each trial is a distributed training, one after
    the other. Every trial begins from the stage's weights.

    `fit` returns the stage's own model with the weights of the best trial, and what was found as
    `model.search` (`table`, `best`, `coordinates()`). So a search lies in a Pipeline, and in a
    CrossValidator, which then says how good a searched model is on rows that the search never saw.
    Each fold has a folder of its own in `searchPath`.

    Rows come to the driver and to each worker as a whole: for a table of few gigabytes.

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> from sandbox.lib.spark import tune
    >>> from sandbox.lib.spark.ml import NNClassifier
    >>> stage = NNClassifier(nn.zoo.mlp([4, 8, 3], rng=0), validationSplit=0.2, maxEpoch=9)
    >>> space = {"learningRate": tune.log_uniform(1e-4, 1e-1), "batchSize": tune.choice([32, 64])}
    >>> NNSearch(stage, space, trials=20).getMethod()
    'asha'
    """

    estimator = Setting("estimator", "the stage that is tried", _estimator, plain=False)
    space = Setting("space", "what is tried: a dict of Param -> dimension", _space, plain=False)
    method = Setting(
        "method",
        "random, grid or asha",
        lambda name, value: validate.one_of(name, value, ("random", "grid", "asha")),
        "asha",
    )
    trials = Setting(
        "trials", "how many, > 0; 32, or all of a grid, where not set", validate.positive_int
    )
    metric = Setting("metric", "one of the stage's metrics", _text, "loss")
    mode = Setting(
        "mode",
        "min or max; as the metric says where it is not set",
        lambda name, value: validate.one_of(name, value, ("min", "max")),
    )
    minEpochs = Setting(  # noqa: N815 - Params are named as Spark's
        "minEpochs", "epochs after which asha compares first, > 0", validate.positive_int, 1
    )
    reduction = Setting(
        "reduction", "asha: of so many trials one goes on, > 1", validate.positive_int, 3
    )
    seed = Setting("seed", "same seed, same trials", validate.non_negative_int, 0)
    parallel = Setting(
        "parallel", "trials at once; all slots but one where not set", validate.positive_int
    )
    keep = Setting("keep", "the best so many keep their models, > 0", validate.positive_int, 3)
    searchPath = Setting(  # noqa: N815
        "searchPath",
        "folder or URL of results, for each search one inside; an equal search goes on there",
        lambda name, value: str(validate.path_like(name, value)),
    )
    progress = Setting(
        "progress",
        "whether lines tell of results, but for fits in threads; or who hears of them, such as "
        "widgets.TrialTable()",
        _switch,
        True,
    )

    def __init__(self, estimator: Any = None, space: Any = None, **params: Any) -> None:
        super().__init__(estimator=estimator, space=space, **params)

    def copy(self, extra: Any = None) -> NNSearch:
        """Return a copy with some Params set, those of the stage too."""
        made = super().copy(extra)
        stage = self._given("estimator")
        return made if stage is None else made._set(estimator=stage.copy(extra))

    def _fit(self, dataset: Any) -> NNModel:
        stage: NNEstimator = self._required("estimator")
        space = self._required("space")
        for name in ("maxIter", "endTrigger"):
            if stage._given(name) is not None:
                raise ArgumentError(
                    f"NNSearch: `estimator` must end by `maxEpoch`, for trials are compared after "
                    f"epochs; got {name}={stage._given(name)!r}."
                )
        with stage._prepared(dataset) as (plan, rows, others, signature):
            if others is None:
                raise ArgumentError(
                    "NNSearch: `estimator` must have rows to validate on, by which trials are "
                    "judged; got none. Set validationSplit, validationIndicatorCol or "
                    "setValidation(frame)."
                )
            spark = dataset.sparkSession
            apart = (stage._given("ranks") or 1) > 1
            trials = _Trials(stage, plan, signature, stage._backend(spark) if apart else None)
            found = search(
                trials,
                space,
                rows,
                validation=others,
                epochs=stage._given("maxEpoch") or EPOCHS,
                min_epochs=self._given("minEpochs"),
                reduction=self._given("reduction"),
                spark=None if apart else spark,
                folder=self._folder(stage, plan, (rows, others)),
                progress=self._told(),
                **{name: self._given(name) for name in _OPTIONS},
            )
            best = found.best
            chosen = trials.stage(best.config)
            made = chosen._made(best.model, trials.signature(chosen), plan.labels)
        made.search = found
        return made

    def _required(self, name: str) -> Any:
        value = self._given(name)
        if value is None:
            raise ArgumentError(
                f"NNSearch: `{name}` must be set before fit; got none. NNSearch(estimator, space)."
            )
        return value

    def _told(self) -> Any:
        given = self._given("progress")
        if given is True:
            return "auto" if in_front() else None
        return given or None

    def _folder(self, stage: NNEstimator, plan: Plan, rows: Any) -> str | None:
        """Return the folder of this search: one for each stage, space and rows."""
        path = self._given("searchPath")
        if path is None:
            return None
        about = [Space(self._given("space"), self._given("seed")).describe()]
        about += [self._given(name) for name in ("method", "metric", "mode", "minEpochs")]
        read = [*(one.packed().content() for one in rows), json.dumps(about)]
        name = name_of_run(stage, plan.criterion, stage._optimizer(), read)
        return f"{path.rstrip('/')}/{name.replace('fit', 'search')}"


class _Trials:
    """Makes the trainer of a trial; it travels to the workers.

    Parameters
    ----------
    stage : NNEstimator
    plan : Plan
    signature : Signature
        Of the stage's own network.
    backend : Backend or None
        Of each trial.
    """

    def __init__(self, stage: NNEstimator, plan: Plan, signature: Signature, backend: Any) -> None:
        self._stage = stage.copy()._set(
            checkpointPath=None, summaryPath=None, resume=False, progress=False
        )
        self._stage._validation = None
        self._plan = replace(plan, frame=None, validation=None)
        self._stored, self._backend = signature.stored, backend

    def __call__(self, config: Mapping[str, Any], rng: Any) -> Trainer:
        """Return the trainer for values of the space."""
        stage = self.stage(config)
        return stage._trainer(self._suited(stage)[0], self._backend, "")

    def stage(self, config: Mapping[str, Any]) -> NNEstimator:
        """Return the stage with values of the space."""
        values = {self._stage.getParam(name): one for name, one in config.items()}
        found: NNEstimator = self._stage.copy(values)
        return found

    def signature(self, stage: NNEstimator) -> Signature:
        """Return what the network of a trial takes and gives."""
        return self._suited(stage)[1]

    def _suited(self, stage: NNEstimator) -> tuple[Any, Signature]:
        given = stage._given("preprocessing")
        prepare = prepared_like(self._stored, tuple(given) if isinstance(given, list) else given)
        loss = stage._loss()
        signature = Signature.of(stage._given("model"), prepare, loss)
        return stage._suited(replace(self._plan, criterion=loss), signature).criterion, signature
