"""What a failure becomes in the driver: the rank's own error, or Spark's words with the cure."""

from __future__ import annotations

import pytest

from sandbox.lib.core.errors import DataError, SparkSetupError
from sandbox.lib.spark import diagnosis
from sandbox.lib.spark.errors import RendezvousError, WorkerError


@pytest.mark.parametrize(
    ("name", "library", "kind", "text"),
    [
        ("DataError", True, DataError, "row 3"),
        ("RendezvousError", True, RendezvousError, "row 3"),
        ("ZeroDivisionError", False, ZeroDivisionError, "row 3"),
        ("DataError", False, WorkerError, "DataError: row 3"),  # a class of the user's own
        ("SystemExit", False, WorkerError, "SystemExit: row 3"),
    ],
)
def test_an_error_of_a_rank_comes_back_as_itself_with_its_traceback(name, library, kind, text):
    failure = {"type": name, "library": library, "text": "row 3", "rank": 1, "trace": "line 7"}
    error = diagnosis.rebuild(failure)
    assert type(error) is kind
    assert str(error) == text
    assert error.__notes__ == ["on rank 1:\nline 7"]


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("[SPARK-24942]: barrier ...\n  at x", r"dynamicAllocation.enabled=true.*SPARK-24942\]:"),
        ("[SPARK-24819]: barrier ...", "fewer slots than ranks"),
        ("[PYTHON_VERSION_MISMATCH] 3.11, 3.12", "PYSPARK_PYTHON to the same version"),
    ],
)
def test_what_trying_again_cannot_help_is_told_with_the_cure(said, advice):
    with pytest.raises(SparkSetupError, match=advice) as caught:
        diagnosis.explain(said)
    assert "at x" not in str(caught.value)


def test_a_lost_executor_needs_no_explanation():
    diagnosis.explain("ExecutorLostFailure (executor 1 exited)")
