"""Clauses about fitting and transforming: what is changed, and what is not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ..tools import require
from .case import StageCase, error_of, plain, rows_of, values_of


def fitting_changes_nothing(case: StageCase) -> None:
    """Check that neither the stage nor the DataFrame is another after fitting."""
    level = case.frame.storageLevel
    _ = case.model
    stage, before = case.given
    if case.is_estimator:
        require(values_of(stage) == before, "fit must not change the stage's values")
    require(case.frame.storageLevel == level, "fit must not cache or forget the DataFrame")


def models_are_called_as_their_estimators(case: StageCase) -> None:
    """Check that the model has the estimator's uid and the values of the Params that both have."""
    stage = case.given[0]
    require(case.model.uid == stage.uid, f"uid must be {stage.uid}; got {case.model.uid}")
    for param, value in stage._paramMap.items():
        if case.model.hasParam(param.name) and param.name not in ("model", *case.apart):
            got = case.model.getOrDefault(param.name)
            require(plain(got) == plain(value), f"{param.name} must be {value!r}; got {got!r}")


def several_maps_fit_several_models(case: StageCase) -> None:
    """Check `fit(frame, maps)`: a model for each map, of its values; no values, the same bits."""
    if not case.is_estimator:
        return
    stage = case.make()
    before = values_of(stage)
    extra = {stage.getParam(name): value for name, value in case.changes.items()}
    models = stage.fit(case.frame, [{}, extra])
    require(isinstance(models, list) and len(models) == 2, f"must be two models; got {models!r}")
    require(values_of(stage) == before, "fit with maps must not change the stage")
    for name, value in case.changes.items():
        if models[1].hasParam(name) and name not in case.apart:
            got = models[1].getOrDefault(name)
            require(got == value, f"{name} must be {value!r} in the model; got {got!r}")
    if case.trains:
        again = rows_of(models[0].transform(case.frame))
        require(again == case.answers, "the same Params and rows must give the same bits")


def columns_are_added(case: StageCase) -> None:
    """Check that all columns stay, in their order and with their types, before those added."""
    made = case.model.transform(case.frame)
    count = len(case.frame.columns)
    require(made.schema.fields[:count] == case.frame.schema.fields, "columns must stay as they are")
    require(len(made.columns) > count, "transform must add a column")
    require(case.clash in made.columns[count:], f"transform must add {case.clash!r}")
    require(len(set(made.columns)) == len(made.columns), "names of columns must be different")


def rows_are_kept(case: StageCase) -> None:
    """Check that all rows stay, in their order, with what they held."""
    count = len(case.frame.columns)
    kept = [row[:count] for row in case.answers]
    require(repr(kept) == repr([tuple(row) for row in case.frame.collect()]), "rows have changed")


def transforming_is_lazy(case: StageCase) -> None:
    """Check that `transform` starts no job."""
    context, group = case.frame.sparkSession.sparkContext, f"lazy-{case.model.uid}"
    context.setJobGroup(group, "transform alone")
    try:
        case.model.transform(case.frame)
        jobs = context.statusTracker().getJobIdsForGroup(group)
    finally:
        context.setLocalProperty("spark.jobGroup.id", None)
        context.setLocalProperty("spark.job.description", None)
    require(not jobs, f"transform must start no job; got {len(jobs)}")


def transforming_takes_a_map(case: StageCase) -> None:
    """Check that `transform(frame, map)` goes by the map this once."""
    for name in ("predictionCol", "outputCol"):
        if not case.model.hasParam(name):
            continue
        before = values_of(case.model)
        made = case.model.transform(case.frame, {case.model.getParam(name): "another"})
        require("another" in made.columns, f"{name} of the map must name the column")
        require(values_of(case.model) == before, "a map must not change the model")


def taken_columns_are_refused(case: StageCase) -> None:
    """Check that a DataFrame with a column of an output's name is refused by this name."""
    from pyspark.sql import functions as f

    taken = case.frame.withColumn(case.clash, f.lit(1.0))
    error = error_of(lambda: case.model.transform(taken), f"a DataFrame with {case.clash!r}")
    require(case.clash in str(error), f"the error must name {case.clash!r}; got {error}")


def missing_columns_are_refused(case: StageCase) -> None:
    """Check that a DataFrame without a column that is read is refused by its name."""
    for name in case.reads if case.misses else ():
        without = case.frame.drop(name)
        calls = [lambda frame=without: case.model.transform(frame)]
        if case.is_estimator:
            calls.append(lambda frame=without: case.make().fit(frame))
        for call in calls:
            error = error_of(call, f"a DataFrame without {name!r}")
            require(name in str(error), f"the error must name {name!r}; got {error}")


def no_rows_are_transformed_into_none(case: StageCase) -> None:
    """Check that a DataFrame without rows gives one of the same columns."""
    made = case.model.transform(case.frame.limit(0))
    require(made.schema == case.model.transform(case.frame).schema, "columns must be the same")
    require(made.collect() == [], "no rows must give no rows")


def empty_places_are_refused(case: StageCase) -> None:
    """Check that an empty place in the features is refused when its row is run."""
    from pyspark.sql import functions as f

    if case.empties is None:
        return
    kind = case.frame.schema[case.empties].dataType
    frame = case.frame.withColumn(case.empties, f.lit(None).cast(kind))
    error = error_of(lambda: case.model.transform(frame).collect(), "rows with an empty place")
    require(case.empties in str(error), f"the error must name {case.empties!r}; got {error}")


def threads_transform_alike(case: StageCase) -> None:
    """Check that one stage may be used by several threads."""
    few = case.frame.limit(8)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: rows_of(case.model.transform(few)), range(3)))
    require(found[0] == found[1] == found[2], "threads must get the same rows")
