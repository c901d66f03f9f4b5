"""The README keeps its word: its links lead somewhere, its verbs exist, its program runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.cli import main, places

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text()


def test_every_link_leads_to_a_file():
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in target]
    assert len(targets) > 10
    assert not [target for target in targets if not (ROOT / target).exists()]


def test_every_command_names_a_verb_and_every_measurement_exists():
    verbs = {command.name or command.callback.__name__ for command in main.app.registered_commands}
    verbs |= {group.name for group in main.app.registered_groups}
    named = re.findall(r"run-bigdl-native\.sh +([a-z]+)", TEXT)
    assert len(named) >= 5
    assert set(named) <= verbs | {"setup"}
    measured = set(re.findall(r"\| `(\w+)` \|", TEXT))
    measured.discard("bench")  # the head of the table
    assert measured
    assert all((ROOT / "bench" / f"{name}.py").is_file() for name in measured)


def test_the_lesson_named_is_there():
    assert places.find_notebook(Path("02_lenet_mnist")).name == "02_lenet_mnist.ipynb"


@pytest.mark.spark
def test_the_program_runs_as_printed(tmp_path):
    program = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)[1]
    script = tmp_path / "program.py"
    script.write_text(program.replace("epochs=3", "epochs=1"))
    answer = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
