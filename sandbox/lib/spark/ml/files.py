"""Stages as files: Spark's metadata, and the model, through Spark's file systems."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pyspark.ml.util import (
    DefaultParamsReader,
    DefaultParamsWriter,
    MLReadable,
    MLReader,
    MLWritable,
    MLWriter,
)

from ...core.errors import CheckpointError, SandboxError
from ...train.model_io import load_model, save_model
from ..session.cluster import check_session
from .objects import OBJECTS
from .params import Setting, Stage

__all__ = ["Reader", "Stored", "Writer"]

_MODEL = "model.safetensors"
_HOME = __package__  # files name classes by where users import them


class Writer(MLWriter):
    """Writes a stage into a folder of any file system that Spark reaches.

    `metadata` as all of Spark's stages have it, with the objects by their registry names, and
    `model.safetensors`.
    """

    def __init__(self, stage: Any) -> None:
        super().__init__()
        self.stage = stage

    def saveImpl(self, path: str) -> None:  # noqa: N802 - Spark's
        """Write the files, the metadata last: a folder without it is refused."""
        stage, spark = self.stage, self.sparkSession
        plain: dict[str, Any] = {}
        objects: dict[str, Any] = {}
        for param, value in stage._paramMap.items():
            if not isinstance(param, Setting) or param.plain:
                plain[param.name] = value
            elif param.name != "model":
                objects[param.name] = OBJECTS[param.name][0](value)
        text = DefaultParamsWriter._get_metadata_to_save(
            stage,
            spark,
            {
                "class": f"{_HOME}.{type(stage).__name__}",
                "objects": objects,
                "state": stage._state(),
                "format": 1,
            },
            plain,
        )
        try:
            if _exists(spark, f"{path}/metadata"):
                raise CheckpointError(
                    f"{path}: must be a new folder; got one with a stage in it. Use "
                    "write().overwrite().save(path)."
                )
            if stage.hasParam("model") and stage.isSet("model"):
                _put(spark, f"{path}/{_MODEL}", lambda local: save_model(stage.getModel(), local))
            _put(spark, f"{path}/metadata/part-00000", lambda local: local.write_text(text + "\n"))
            _put(spark, f"{path}/metadata/_SUCCESS", lambda local: local.touch())
        except SandboxError:
            raise
        except Exception as error:
            if "py4j" not in type(error).__module__:
                raise
            raise CheckpointError(
                f"{path}: the stage must be written there; got {_said(error)}"
            ) from error


class Reader(MLReader[Any]):
    """Reads what `Writer` wrote."""

    def __init__(self, kind: type[Any]) -> None:
        super().__init__()
        self.kind = kind

    def load(self, path: str) -> Any:
        """Return the stage.

        Raises
        ------
        CheckpointError : there is none, it is damaged, or of another class.
        """
        spark = self.sparkSession
        try:
            metadata = DefaultParamsReader.loadMetadata(path, spark)
        except Exception as error:
            raise CheckpointError(
                f"{path}: must be a folder that a stage was saved in; got {_said(error)}"
            ) from None
        expected = f"{_HOME}.{self.kind.__name__}"
        if metadata["class"] != expected:
            name = str(metadata["class"]).rpartition(".")[2]
            raise CheckpointError(
                f"{path}: must hold a {self.kind.__name__}; got {metadata['class']}. Use "
                f"{name}.load(path), or PipelineModel.load for a pipeline."
            )
        stage = self.kind()
        stage._resetUid(metadata["uid"])
        DefaultParamsReader.getAndSetParams(stage, metadata)
        for name, written in metadata["objects"].items():
            stage._set(**{name: OBJECTS[name][1](written)})
        if _exists(spark, f"{path}/{_MODEL}"):
            with _got(spark, f"{path}/{_MODEL}") as local:
                stage._set(model=load_model(local))
        stage._take_state(metadata["state"])
        return stage


class Stored(Stage, MLReadable[Any], MLWritable):
    """A stage that `save` writes and `load` reads."""

    def write(self) -> Writer:
        """Return the writer: `stage.write().overwrite().save(path)`."""
        return Writer(self)

    @classmethod
    def read(cls) -> Reader:
        """Return the reader: `Class.load(path)` is short for `Class.read().load(path)`."""
        return Reader(cls)

    def _state(self) -> dict[str, Any]:
        """Return what else a file keeps, as JSON-able data."""
        return {}

    def _take_state(self, state: dict[str, Any]) -> None:
        """Take in what `_state` returned."""


# Hadoop's files ------------------------------------------------------------------------------


def _place(spark: Any, path: str) -> tuple[Any, Any]:
    """Return a path's file system and the path, as Java objects."""
    check_session(spark, f"{path}: the session that writes or reads a stage")
    place = spark.sparkContext._jvm.org.apache.hadoop.fs.Path(path)
    return place.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf()), place


def _exists(spark: Any, path: str) -> bool:
    system, place = _place(spark, path)
    return bool(system.exists(place))


def _put(spark: Any, path: str, write: Callable[[Path], object]) -> None:
    """Write a file in one go: here, then under another name there, then its own."""
    system, place = _place(spark, path)
    half = _place(spark, f"{path}.{secrets.token_hex(4)}.tmp")[1]
    java = spark.sparkContext._jvm.org.apache.hadoop.fs
    with tempfile.TemporaryDirectory(prefix="sandbox-stage-") as folder:
        local = Path(folder) / place.getName()
        write(local)
        system.mkdirs(place.getParent())
        try:
            system.copyFromLocalFile(True, True, java.Path(local.as_uri()), half)
            if not system.rename(half, place):
                raise CheckpointError(f"{path}: must be a new file; got one that is there.")
        finally:
            with contextlib.suppress(Exception):
                system.delete(half, False)


@contextlib.contextmanager
def _got(spark: Any, path: str) -> Iterator[Path]:
    """Lend a local copy of a file."""
    system, place = _place(spark, path)
    java = spark.sparkContext._jvm.org.apache.hadoop.fs
    with tempfile.TemporaryDirectory(prefix="sandbox-stage-") as folder:
        local = Path(folder) / place.getName()
        system.copyToLocalFile(False, place, java.Path(local.as_uri()), True)
        yield local


def _said(error: Exception) -> str:
    """Return the first line of what Java says."""
    text = str(getattr(error, "java_exception", None) or error)
    return (text.splitlines() or [repr(error)])[0].removesuffix(".") + "."
