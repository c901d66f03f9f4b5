"""The contract of Spark ML: what every stage keeps, Spark's own too; one function a clause."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeAlias

from .tools import require

__all__ = ["STAGE_CLAUSES", "StageCase", "check_stage"]


@dataclass
class StageCase:
    """A stage to be checked, and what it can be checked with.

    Parameters
    ----------
    make : function
        Gives a new stage each time, of equal Params.
    frame : DataFrame
        Rows that the stage takes, of a fixed order, in two partitions or more.
    changes : dict of name -> value
        Legal values of some Params, none of which the stage has.
    wrong : dict of name -> value
        Values that Params must refuse when they are set.
    reads : sequence of str
        Columns that `transform` reads.
    folder : Path
        An empty folder of this case.
    clash : str, default="prediction"
        A column that `transform` adds; a DataFrame that has it is refused.
    empties : str, optional
        A column of `reads` in which an empty place is refused, when rows are run.
    trains : bool, default=True
        Whether fitting draws or iterates, so that equal seeds must give equal bits.
    misses : bool, default=True
        Whether `transform` refuses a DataFrame without a column that it reads, which Spark's
        StringIndexerModel does not.
    apart : sequence of str
        Params that say something else of the model than of its estimator.
    """

    make: Callable[[], Any]
    frame: Any
    changes: Mapping[str, Any]
    wrong: Mapping[str, Any]
    reads: tuple[str, ...]
    folder: Path
    clash: str = "prediction"
    empties: str | None = None
    trains: bool = True
    misses: bool = True
    apart: tuple[str, ...] = ()

    def made(self, **given: Any) -> Any:
        """Return a stage of the same class, made with these keywords alone."""
        return type(self.make())(**given)

    @property
    def is_estimator(self) -> bool:
        """Whether the stage is fitted before it transforms."""
        return hasattr(self.make(), "fit")

    @cached_property
    def given(self) -> Any:
        """The stage that is fitted, and its values before that."""
        stage = self.make()
        return stage, _values(stage)

    @cached_property
    def model(self) -> Any:
        """The fitted stage, one for all clauses; the stage itself if it is not fitted."""
        stage = self.given[0]
        return stage.fit(self.frame) if self.is_estimator else stage

    @cached_property
    def answers(self) -> list[Any]:
        """What the fitted stage makes of the rows."""
        return _rows(self.model.transform(self.frame))


Clause: TypeAlias = Callable[[StageCase], None]


def check_stage(case: StageCase) -> None:
    """Check the whole contract of a stage.

    Raises
    ------
    AssertionError : tells of all clauses that do not hold.

    Examples
    --------
    >>> case = StageCase(make, frame, {"maxIter": 3}, {"maxIter": "many"}, ("features",), folder)
    ... # doctest: +SKIP
    >>> check_stage(case)  # doctest: +SKIP
    """
    broken = []
    for name, clause in STAGE_CLAUSES.items():
        try:
            clause(case)
        except AssertionError as error:
            broken.append(f"{name}: {error}")
        except Exception as error:
            broken.append(f"{name}: {error!r}")
    require(not broken, "\n".join([f"{type(case.given[0]).__name__}:", *broken]))


# Params --------------------------------------------------------------------------------------


def params_are_named_and_explained(case: StageCase) -> None:
    """Check that each Param is an attribute of its name, is the stage's own and has a text."""
    stage = case.make()
    lines = stage.explainParams().splitlines()
    for param in stage.params:
        require(getattr(stage, param.name) is param, f"{param}: must be attribute {param.name!r}")
        require(param.parent == stage.uid, f"{param}: must be of {stage.uid}; got {param.parent}")
        require(bool(param.doc), f"{param}: must have a text")
        require(
            sum(line.startswith(f"{param.name}: ") for line in lines) == 1,
            f"{param}: explainParams must have one line of it",
        )
        require(stage.hasParam(param.name), f"{param}: hasParam must tell of it")
    require(not stage.hasParam("noSuchParam"), "hasParam must be False of what is no Param")


def each_stage_has_its_own_uid(case: StageCase) -> None:
    """Check that uids differ and begin with the class's name."""
    one, other = case.make(), case.make()
    require(one.uid != other.uid, f"two stages must have two uids; got {one.uid}")
    name = type(one).__name__
    require(one.uid.startswith(f"{name}_"), f"uid must begin with {name}_; got {one.uid}")


def defaults_are_no_values(case: StageCase) -> None:
    """Check that a default is told as such until a value is set, and again once it is cleared."""
    stage = case.make()
    for name, value in case.changes.items():
        param = stage.getParam(name)
        if stage.isSet(param):
            continue
        before = stage.getOrDefault(param) if stage.hasDefault(param) else None
        require(stage.isDefined(param) == stage.hasDefault(param), f"{param}: isDefined")
        stage.set(param, value)
        require(stage.isSet(param), f"{param}: isSet must be True once it is set")
        stage.clear(param)
        require(not stage.isSet(param), f"{param}: isSet must be False once it is cleared")
        if stage.hasDefault(param):
            require(stage.getOrDefault(param) == before, f"{param}: its default has changed")


def setters_give_the_stage(case: StageCase) -> None:
    """Check that `setX` returns the stage and `getX` the value."""
    stage = case.make()
    for name, value in case.changes.items():
        word = name[0].upper() + name[1:]
        require(getattr(stage, f"set{word}")(value) is stage, f"set{word} must give the stage")
        require(getattr(stage, f"get{word}")() == value, f"get{word} must give {value!r}")


def keywords_are_as_setters(case: StageCase) -> None:
    """Check that the constructor takes Params by name."""
    stage = case.made(**case.changes)
    for name, value in case.changes.items():
        require(stage.getOrDefault(name) == value, f"{name}={value!r}: not taken by constructor")


def wrong_values_are_refused_when_set(case: StageCase) -> None:
    """Check that a value of a wrong kind ends in an error at once, and changes nothing."""
    for name, value in case.wrong.items():
        stage = case.make()
        before = _values(stage)
        param = stage.getParam(name)
        for how in (partial(stage.set, param, value), partial(case.made, **{name: value})):
            error = _error(how, f"{name}={value!r}")
            require(isinstance(error, TypeError | ValueError), f"{name}={value!r}: got {error!r}")
        require(_values(stage) == before, f"{name}={value!r}: the refused value has been set")


def unknown_params_are_refused(case: StageCase) -> None:
    """Check that a name that is no Param is refused by constructor and `getParam`."""
    stage = case.make()
    _error(lambda: case.made(noSuchParam=1), "a keyword that is no Param")
    _error(lambda: stage.getParam("noSuchParam"), "a Param that there is not")


def copies_are_equal_and_apart(case: StageCase) -> None:
    """Check that a copy has uid and values of the stage, and that neither changes the other."""
    stage = case.make()
    before = _values(stage)
    made = stage.copy()
    require(made is not stage, "copy must give another object")
    require(made.uid == stage.uid, f"a copy must have uid {stage.uid}; got {made.uid}")
    require(_values(made) == before, "a copy must have the same values")
    for name, value in case.changes.items():
        made.set(made.getParam(name), value)
    require(_values(stage) == before, "what is set on a copy must not change the stage")
    shallow = copy.copy(stage)
    require(shallow.uid == stage.uid, "copy.copy must give the same stage")


def maps_win_over_values_over_defaults(case: StageCase) -> None:
    """Check the order of `extractParamMap` and of `copy(extra)`: map, value, default."""
    stage = case.make()
    before = _values(stage)
    extra = {stage.getParam(name): value for name, value in case.changes.items()}
    for source in (stage.extractParamMap(extra), stage.copy(extra).extractParamMap()):
        for param, value in extra.items():
            require(source[param] == value, f"{param}: must be {value!r}; got {source[param]!r}")
    require(_values(stage) == before, "a map must not change the stage")
    for param, value in stage._defaultParamMap.items():
        if not stage.isSet(param):
            require(stage.extractParamMap()[param] == value, f"{param}: must have its default")


def maps_of_other_stages_do_not_count(case: StageCase) -> None:
    """Check that a Param of another stage is not taken for one of the same name."""
    stage, other = case.make(), case.make()
    made = stage.copy({other.getParam(name): value for name, value in case.changes.items()})
    require(_values(made) == _values(stage), "a map of another stage's Params must not count")


# Fitting -------------------------------------------------------------------------------------


def fitting_changes_nothing(case: StageCase) -> None:
    """Check that neither the stage nor the DataFrame is another after fitting."""
    level = case.frame.storageLevel
    _ = case.model
    stage, before = case.given
    if case.is_estimator:
        require(_values(stage) == before, "fit must not change the stage's values")
    require(case.frame.storageLevel == level, "fit must not cache or forget the DataFrame")


def models_are_called_as_their_estimators(case: StageCase) -> None:
    """Check that the model has the estimator's uid and the values of the Params that both have."""
    stage = case.given[0]
    require(case.model.uid == stage.uid, f"uid must be {stage.uid}; got {case.model.uid}")
    for param, value in stage._paramMap.items():
        if case.model.hasParam(param.name) and param.name not in ("model", *case.apart):
            got = case.model.getOrDefault(param.name)
            require(_plain(got) == _plain(value), f"{param.name} must be {value!r}; got {got!r}")


def several_maps_fit_several_models(case: StageCase) -> None:
    """Check `fit(frame, maps)`: a model for each map, of its values; no values, the same bits."""
    if not case.is_estimator:
        return
    stage = case.make()
    before = _values(stage)
    extra = {stage.getParam(name): value for name, value in case.changes.items()}
    models = stage.fit(case.frame, [{}, extra])
    require(isinstance(models, list) and len(models) == 2, f"must be two models; got {models!r}")
    require(_values(stage) == before, "fit with maps must not change the stage")
    for name, value in case.changes.items():
        if models[1].hasParam(name) and name not in case.apart:
            got = models[1].getOrDefault(name)
            require(got == value, f"{name} must be {value!r} in the model; got {got!r}")
    if case.trains:
        again = _rows(models[0].transform(case.frame))
        require(again == case.answers, "the same Params and rows must give the same bits")


# Transforming --------------------------------------------------------------------------------


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
        before = _values(case.model)
        made = case.model.transform(case.frame, {case.model.getParam(name): "another"})
        require("another" in made.columns, f"{name} of the map must name the column")
        require(_values(case.model) == before, "a map must not change the model")


def taken_columns_are_refused(case: StageCase) -> None:
    """Check that a DataFrame with a column of an output's name is refused by this name."""
    from pyspark.sql import functions as f

    taken = case.frame.withColumn(case.clash, f.lit(1.0))
    error = _error(lambda: case.model.transform(taken), f"a DataFrame with {case.clash!r}")
    require(case.clash in str(error), f"the error must name {case.clash!r}; got {error}")


def missing_columns_are_refused(case: StageCase) -> None:
    """Check that a DataFrame without a column that is read is refused by its name."""
    for name in case.reads if case.misses else ():
        without = case.frame.drop(name)
        calls = [lambda frame=without: case.model.transform(frame)]
        if case.is_estimator:
            calls.append(lambda frame=without: case.make().fit(frame))
        for call in calls:
            error = _error(call, f"a DataFrame without {name!r}")
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
    error = _error(lambda: case.model.transform(frame).collect(), "rows with an empty place")
    require(case.empties in str(error), f"the error must name {case.empties!r}; got {error}")


def threads_transform_alike(case: StageCase) -> None:
    """Check that one stage may be used by several threads."""
    few = case.frame.limit(8)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: _rows(case.model.transform(few)), range(3)))
    require(found[0] == found[1] == found[2], "threads must get the same rows")


# Files ---------------------------------------------------------------------------------------


def stages_are_written_and_read(case: StageCase) -> None:
    """Check that stage and model come back with uid and values, and answer with the same bits."""
    stages = {"model": case.model, "stage": case.make()} if case.is_estimator else {}
    for name, stage in (stages or {"model": case.model}).items():
        path = str(case.folder / name)
        stage.save(path)
        again = type(stage).load(path)
        require(again.uid == stage.uid, f"uid must be {stage.uid}; got {again.uid}")
        require(_values(again) == _values(stage), "values must come back")
        for param in filter(again.hasParam, case.changes):
            require(again.hasDefault(param) == stage.hasDefault(param), f"{param}: its default")
        if name == "model":
            require(_rows(again.transform(case.frame)) == case.answers, "other answers")


def files_are_overwritten_only_when_asked(case: StageCase) -> None:
    """Check that `save` refuses a path that is there, and `write().overwrite()` takes it."""
    path = str(case.folder / "twice")
    case.model.save(path)
    error = _error(lambda: case.model.save(path), "a path that is there")
    require("overwrite" in str(error), f"the error must tell of overwrite(); got {error}")
    case.model.write().overwrite().save(path)
    type(case.model).load(path)


def metadata_is_sparks(case: StageCase) -> None:
    """Check that the folder has the metadata of all stages, which Spark's readers read."""
    path = case.folder / "metadata-of"
    case.make().save(str(path))
    parts = sorted((path / "metadata").glob("part-*"))
    found = json.loads(parts[0].read_text().splitlines()[0])
    for key in ("class", "timestamp", "sparkVersion", "uid", "paramMap", "defaultParamMap"):
        require(key in found, f"metadata must have {key!r}; got {', '.join(found)}")
    require((path / "metadata" / "_SUCCESS").exists(), "metadata must be marked as whole")


def folders_of_others_are_refused(case: StageCase) -> None:
    """Check that a path without a stage, and one with another's, are refused by name."""
    from pyspark.ml.feature import SQLTransformer

    path = str(case.folder / "nothing")
    error = _error(lambda: type(case.model).load(path), "a path where nothing is")
    require("nothing" in str(error), f"the error must name the path; got {error}")
    other = str(case.folder / "other")
    SQLTransformer(statement="SELECT * FROM __THIS__").save(other)
    _error(lambda: type(case.model).load(other), "a folder of another stage")


def pipelines_take_the_stage(case: StageCase) -> None:
    """Check that a pipeline of the stage fits, answers the same, and is written and read."""
    from pyspark.ml import Pipeline, PipelineModel

    pipeline = Pipeline(stages=[case.given[0]])
    pipeline.save(str(case.folder / "pipeline"))
    again = Pipeline.load(str(case.folder / "pipeline"))
    require(again.getStages()[0].uid == case.given[0].uid, "the stage of a pipeline must come back")
    fitted = again.fit(case.frame)
    if case.trains or not case.is_estimator:
        require(_rows(fitted.transform(case.frame)) == case.answers, "other answers in a pipeline")
    path = str(case.folder / "fitted")
    fitted.save(path)
    loaded = PipelineModel.load(path)
    require(_rows(loaded.transform(case.frame)) == case.answers, "other answers from the file")


def _rows(frame: Any) -> list[Any]:
    return [tuple(row) for row in frame.collect()]


def _values(stage: Any) -> dict[str, Any]:
    """Return the values that are set, in a form that compares."""
    return {param.name: _plain(value) for param, value in stage._paramMap.items()}


def _plain(value: Any) -> Any:
    """Return numbers and texts as they are, objects by what they tell of themselves."""
    return value if isinstance(value, str | bool | int | float | list | dict) else repr(value)


def _error(call: Callable[[], Any], what: str) -> Exception:
    """Return the error that a call raises.

    Raises
    ------
    AssertionError : it raises none.
    """
    try:
        call()
    except Exception as error:
        return error
    require(False, f"{what} must be refused; got no error")
    raise AssertionError


STAGE_CLAUSES: dict[str, Clause] = {
    clause.__name__: clause
    for clause in (
        params_are_named_and_explained,
        each_stage_has_its_own_uid,
        defaults_are_no_values,
        setters_give_the_stage,
        keywords_are_as_setters,
        wrong_values_are_refused_when_set,
        unknown_params_are_refused,
        copies_are_equal_and_apart,
        maps_win_over_values_over_defaults,
        maps_of_other_stages_do_not_count,
        fitting_changes_nothing,
        models_are_called_as_their_estimators,
        several_maps_fit_several_models,
        columns_are_added,
        rows_are_kept,
        transforming_is_lazy,
        transforming_takes_a_map,
        taken_columns_are_refused,
        missing_columns_are_refused,
        no_rows_are_transformed_into_none,
        empty_places_are_refused,
        threads_transform_alike,
        stages_are_written_and_read,
        files_are_overwritten_only_when_asked,
        metadata_is_sparks,
        folders_of_others_are_refused,
        pipelines_take_the_stage,
    )
}
