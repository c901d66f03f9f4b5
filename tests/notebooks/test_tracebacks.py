"""Errors as a learner sees them: in a real kernel, what a cell shows."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from sandbox.tracebacks import brief
from tests.notebooks.kernel_kit import Run, kernel

pytestmark = [pytest.mark.notebook, pytest.mark.filterwarnings("default")]  # jupyter's own

SETUP = """
import numpy as np
from sandbox.lib import nn, optim
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.train import Callback, Trainer
model = nn.Sequential(fc=nn.Linear(4, 2, rng=0))
data = np.ones((8, 4), "f4"), np.zeros(8, int)
def trainer(**more):
    return Trainer(model, CrossEntropy(), optim.SGD(0.1), progress=None, threads=1, **more)
"""


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with kernel() as run:
        assert run(SETUP) == ""
        yield run


def test_an_error_of_ours_shows_the_learners_line_and_the_message(run: Run) -> None:
    said = run('model(np.ones((3, 5), "f4"))')
    assert '----> 1 model(np.ones((3, 5), "f4"))' in said
    assert "ShapeError: Sequential/fc (Linear): input axis 1 must be 4" in said
    assert re.search(r"\(\d+ frames of libraries are folded: %tb shows all\)$", said)
    assert "module.py" not in said
    assert len(said.splitlines()) < 10


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("nn.Conv2D(1, 6, 5)", "has no attribute 'Conv2D'. Did you mean 'Conv2d'?"),
        ("from sandbox.lib.nn import Conv2D", "Did you mean 'Conv2d'?"),
        ("import sandbox.lib.metric", "lib.metric'. Did you mean 'metrics'?"),
        ("model.paramters()", "object has no attribute 'paramters'. Did you mean 'parameters'?"),
    ],
)  # fmt: skip
def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(
    run: Run, code: str, said: str
) -> None:
    lines = run(code).splitlines()
    assert f"----> 1 {code}" in lines
    told = [line for line in lines if "Error:" in line]
    assert len(told) == 1
    assert told[0].endswith(said)
    assert told[0].count("Did you mean") == 1
    assert len(lines) < 9


def test_a_wrong_shape_is_told_in_three_lines_before_spark_starts(run: Run) -> None:
    said = run(
        "from sandbox.lib.spark import SparkBackend\n"
        "from pyspark import SparkContext\n"
        "wrong = np.ones((8, 5), 'f4'), data[1]\n"
        "trainer(backend=SparkBackend('local[3]')).fit(wrong, epochs=1)"
    )
    lines = [line for line in said.splitlines() if line.strip() and set(line) != {"-"}]
    assert "----> 4 trainer(backend=SparkBackend('local[3]')).fit(wrong, epochs=1)" in lines
    assert lines[-2] == (
        "ShapeError: fit: `data` does not fit: Sequential/fc (Linear): input axis 1 must be 4 "
        "(in_features); got 5 in shape (8, 5)."
    )
    assert lines[-1].endswith("%tb shows all)")
    assert run("assert SparkContext._gateway is None") == ""


def test_tb_unfolds_the_last_error(run: Run) -> None:
    run('model(np.ones((3, 5), "f4"))')
    said = run("%tb")
    assert "module.py" in said
    assert "ShapeError: Sequential/fc (Linear): input axis 1 must be 4" in said


def test_all_lines_of_the_learner_are_shown(run: Run) -> None:
    said = run('def look(x):\n    return model(x)\nlook(np.ones((3, 5), "f4"))')
    assert '----> 3 look(np.ones((3, 5), "f4"))' in said
    assert "----> 2     return model(x)" in said


def test_a_learners_own_error_inside_of_ours_keeps_its_frame(run: Run) -> None:
    said = run(
        "class Mine(Callback):\n"
        "    def on_iteration(self, trainer, event):\n"
        "        raise KeyError('my own')\n"
        "trainer(callbacks=[Mine()]).fit(data, epochs=1)"
    )
    assert "----> 4 trainer(callbacks=[Mine()]).fit(data, epochs=1)" in said
    assert "----> 3         raise KeyError('my own')" in said
    assert "KeyError: 'my own'" in said
    assert "loop.py" not in said


def test_an_error_of_a_background_run_shows_the_line_that_waits(run: Run) -> None:
    said = run(
        'bad = np.full((8, 4), np.nan, "f4"), data[1]\n'
        "training = trainer()\n"
        "training.fit(bad, epochs=1, background=True)\n"
        "training.wait()"
    )
    assert "----> 4 training.wait()" in said
    assert "DataError: step 1 (epoch 1, batch 1): input must hold finite numbers" in said
    assert said.count("input must hold finite numbers") == 1  # its cause says nothing new


def test_a_cause_is_told_in_a_line(run: Run) -> None:
    said = run(
        'try:\n    model(np.ones((3, 5), "f4"))\n'
        'except ValueError as error:\n    raise RuntimeError("in my handler") from error'
    )
    assert "RuntimeError: in my handler\ncaused by ShapeError: Sequential/fc (Linear)" in said
    assert "module.py" not in said


def test_an_error_that_is_not_ours_is_left_to_ipython(run: Run) -> None:
    said = run('import json\njson.loads("{")')
    assert "decoder.py" in said
    assert "folded" not in said


def test_an_interrupt_in_our_frames_is_folded(run: Run) -> None:
    said = run(
        "class Stop(Callback):\n"
        "    def on_iteration(self, trainer, event):\n"
        "        raise KeyboardInterrupt\n"
        "trainer(callbacks=[Stop()]).fit(data, epochs=1)"
    )
    assert "KeyboardInterrupt" in said
    assert "loop.py" not in said


def test_a_handler_of_the_learners_own_stays(run: Run) -> None:
    said = run(
        "import sandbox\n"
        "shell = get_ipython()\n"
        "ours = shell.custom_exceptions, shell.CustomTB\n"
        "shell.custom_exceptions = (ZeroDivisionError,)\n"
        "sandbox.tracebacks.fold_in_notebook()\n"
        "print(shell.custom_exceptions)\n"
        "shell.custom_exceptions, shell.CustomTB = ours"
    )
    assert "(<class 'ZeroDivisionError'>,)" in said


@pytest.mark.spark
def test_an_error_of_spark_is_told_without_java(run: Run) -> None:
    said = run(
        "from sandbox.lib.spark import SparkBackend, spark_session\n"
        'spark = spark_session("local[3]")\n'
        'spark.range(5).selectExpr("nope")'
    )
    assert '----> 3 spark.range(5).selectExpr("nope")' in said
    assert "A column, variable, or function parameter with name `nope` cannot be resolved" in said
    assert "org.apache" not in said

    said = run(
        "def bad(row):\n    return 1 / 0\nspark.sparkContext.parallelize([1]).map(bad).collect()"
    )
    assert re.search(
        r"Cell In\[\d+\], line 2, in bad\n    return 1 / 0\nZeroDivisionError: division by", said
    )
    assert "java" not in said

    said = run(
        "from sandbox.lib.data import ArrayDataset\n"
        "def mine(x):\n    if len(x) > 1: raise ValueError('no digits today')\n    return x\n"
        "trainer(backend=SparkBackend(spark)).fit(ArrayDataset(*data, transform=mine), epochs=1)"
    )
    assert re.search(r"on rank \d:\n  Cell In\[\d+\], line 3, in mine\n", said)
    assert said.count("ValueError: no digits today") == 1
    run("spark.stop()")


JAVA = """An error occurred while calling o52.collect.
: org.apache.spark.SparkException: Job aborted.
\tat org.apache.spark.scheduler.DAGScheduler.abort(DAGScheduler.scala:2900)
\tat scala.collection.immutable.List.$anonfun$foreach$1(List.scala:334)
Caused by: java.io.IOException: No space left on device
\tat java.base/java.io.FileOutputStream.writeBytes(Native Method)
\t... 12 more
"""


def test_a_java_traceback_leaves_what_it_says() -> None:
    assert brief(JAVA).splitlines() == [
        "An error occurred while calling o52.collect.",
        ": org.apache.spark.SparkException: Job aborted.",
        "Caused by: java.io.IOException: No space left on device",
    ]


def test_a_message_without_a_traceback_stays_as_it_is() -> None:
    text = "data must be a table;\n  got a list.\n\n    at least one row."
    assert brief(text) == text


def test_a_long_chain_of_causes_keeps_its_ends() -> None:
    text = "".join(f"Caused by: java.lang.Error: {k}\n\tat a.b(C.java:1)\n" for k in range(30))
    lines = brief(text).splitlines()
    assert len(lines) <= 12
    assert lines[0].endswith("Error: 0")
    assert lines[-1].endswith("Error: 29")
