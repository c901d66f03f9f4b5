"""Spark's public callables with each wrong kind of argument: errors of ours, none of Py4J's."""

from __future__ import annotations

import pytest

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import SandboxError
from sandbox.lib.spark import SparkBackend, SparkDataset, spark_session
from sandbox.lib.train import Trainer
from tests.contract.examples import f4, rows
from tests.contract.test_wrong_arguments import KINDS, all_faults, faults

pytestmark = pytest.mark.spark

REFUSED_BEFORE_A_JOB = {
    "data": ("None", "str", "array of str", "array", "NaN", "empty list", "empty dict", "object"),
    "epochs": ("str", "array", "0.5"),
    "end": ("str", "array", "object"),
    "validation": ("str", "array", "NaN", "empty list", "object"),
    "validate": ("None", "str", "array", "NaN", "empty list", "object"),
    "resume": ("str", "empty list", "array"),
}


@pytest.fixture
def frame(local):
    import pandas as pd

    return local.createDataFrame(
        pd.DataFrame({"a": f4(6), "b": f4(6), "label": [0, 1, 0, 1, 1, 0]})
    )


def trainer(spark):
    return Trainer(
        nn.Linear(2, 2, rng=0), criterion.CrossEntropy(), optim.SGD(0.1), batch_size=3,
        progress=None, backend=SparkBackend(spark, ranks=1),
    )  # fmt: skip


def test_the_backend_and_the_data_set_refuse_wrong_kinds(local, frame):
    arguments = {"source": frame, "features": ["a", "b"], "label": "label"}
    assert all_faults(SparkBackend, lambda: {"spark": local}) == []
    assert all_faults(SparkDataset, lambda: dict(arguments)) == []
    assert all_faults(spark_session, lambda: {"master": "local[3]"}) == []
    backend = SparkBackend(local)
    assert all_faults(backend.adapt, lambda: {"data": rows()}) == []


def test_fit_evaluate_and_predict_refuse_wrong_kinds(local, frame):
    made = trainer(local)
    given = {"data": SparkDataset(frame, features=["a", "b"]), "steps": 1}
    made.fit(**given)
    for argument, kinds in REFUSED_BEFORE_A_JOB.items():
        for kind in kinds:
            wrong = KINDS[kind]()
            call = {**given, argument: wrong}
            with pytest.raises(SandboxError):
                made.fit(**call)
    assert faults(made.evaluate, "evaluate") + faults(made.predict, "predict") == []


def test_data_sets_of_wrong_columns_are_refused_before_a_job_runs(frame):
    found = faults(lambda value: SparkDataset(frame, features=value).spec, "features")
    found += faults(lambda value: SparkDataset(frame, features=["a"], label=value).spec, "label")
    assert found == []
