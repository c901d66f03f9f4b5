"""Clauses about files: what is written comes back, in a pipeline, too."""

from __future__ import annotations

import json

from ..tools import require
from .case import StageCase, error_of, rows_of, values_of


def stages_are_written_and_read(case: StageCase) -> None:
    """Check that stage and model come back with uid and values, and answer with the same bits."""
    stages = {"model": case.model, "stage": case.make()} if case.is_estimator else {}
    for name, stage in (stages or {"model": case.model}).items():
        path = str(case.folder / name)
        stage.save(path)
        again = type(stage).load(path)
        require(again.uid == stage.uid, f"uid must be {stage.uid}; got {again.uid}")
        require(values_of(again) == values_of(stage), "values must come back")
        for param in filter(again.hasParam, case.changes):
            require(again.hasDefault(param) == stage.hasDefault(param), f"{param}: its default")
        if name == "model":
            require(rows_of(again.transform(case.frame)) == case.answers, "other answers")


def files_are_overwritten_only_when_asked(case: StageCase) -> None:
    """Check that `save` refuses a path that is there, and `write().overwrite()` takes it."""
    path = str(case.folder / "twice")
    case.model.save(path)
    error = error_of(lambda: case.model.save(path), "a path that is there")
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


def paths_of_nothing_are_refused(case: StageCase) -> None:
    """Check that a path where no stage is is refused by name."""
    path = str(case.folder / "nothing")
    error = error_of(lambda: type(case.model).load(path), "a path where nothing is")
    require("nothing" in str(error), f"the error must name the path; got {error}")


def pipelines_take_the_stage(case: StageCase) -> None:
    """Check that a pipeline of the stage fits, answers the same, and is written and read."""
    from pyspark.ml import Pipeline, PipelineModel

    pipeline = Pipeline(stages=[case.given[0]])
    pipeline.save(str(case.folder / "pipeline"))
    again = Pipeline.load(str(case.folder / "pipeline"))
    require(again.getStages()[0].uid == case.given[0].uid, "the stage of a pipeline must come back")
    fitted = again.fit(case.frame)
    if case.trains or not case.is_estimator:
        require(
            rows_of(fitted.transform(case.frame)) == case.answers, "other answers in a pipeline"
        )
    path = str(case.folder / "fitted")
    fitted.save(path)
    loaded = PipelineModel.load(path)
    require(rows_of(loaded.transform(case.frame)) == case.answers, "other answers from the file")
