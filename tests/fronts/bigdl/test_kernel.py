from __future__ import annotations

import json
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from sandbox.lib.bigdl import kernel

COMPAT = Path(__file__).parents[3] / "sandbox" / "compat"


@pytest.mark.parametrize(
    ("cell", "needed"),
    [
        ("rdd = sc.parallelize([1])", {"sc"}),
        ("spark.range(3); sc", {"sc", "spark"}),
        ("sc = SparkContext(conf=conf)\nsc.stop()", set()),
        ("sc = SparkContext.getOrCreate(sc.getConf())", {"sc"}),
        ("def f(): return spark", {"spark"}),
        ("x.sc = 1; 'spark'; spar = 2", set()),
        ("not python", set()),
    ],
)
def test_a_cell_needs_what_it_reads_first(cell, needed):
    assert kernel.read_first(cell) == needed


def test_the_kernel_loads_its_extension():
    spec = json.loads((COMPAT / "kernel" / "kernel.json").read_text())
    assert spec["argv"][0] == "python"
    assert "--ext=bigdl.kernel" in spec["argv"]


@pytest.fixture
def shell():
    made = InteractiveShell()
    made.extension_manager.load_extension("sandbox.lib.bigdl.kernel")
    yield made
    made.history_manager.end_session()


def test_cells_without_spark_start_none(shell, monkeypatch):
    def started(*_, **__):
        raise AssertionError("a session was started")

    monkeypatch.setattr("sandbox.lib.spark.session.context.spark_session", started)
    for cell in ("1 + 1", "sc = 3", "sc", "%time sc"):
        assert shell.run_cell(cell).success
    assert "spark" not in shell.user_ns


@pytest.mark.spark
@pytest.mark.campaign
def test_cells_find_the_session(shell, local):
    assert shell.run_cell("total = sc.parallelize([1, 2]).sum()").success
    assert shell.user_ns["total"] == 3
    assert shell.user_ns["spark"] is not None
    assert shell.user_ns["sc"] is local.sparkContext
