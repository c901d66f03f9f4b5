"""A run in two processes: order, what shares a process, crashes, what is left open, Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox.cli import parts
from sandbox.cli import test as verb

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = """[pytest]
filterwarnings = error
addopts = --import-mode=importlib
markers =
    spark: s
    docker: d
    vm: v
    browser: b
    notebook: n
"""
PLUGINS = [
    word
    for name in ("xdist.plugin", "sandbox.cli.report", "sandbox.cli.limit", "sandbox.cli.lanes")
    for word in ("-p", name)
]
SPARK = """
import os
from pathlib import Path
import pytest

@pytest.mark.spark
def test_session():
    with Path("processes").open("a") as file:
        print(os.getpid(), file=file)
"""
UNITS = """
import pytest

@pytest.mark.parametrize("number", range(250))
def test_unit(number):
    assert number != 7
"""
CARRIERS = """
import pytest

@pytest.mark.docker
def test_image():
    pytest.skip("no daemon here")

@pytest.mark.vm
def test_machine():
    pass
"""


def command(*words: str) -> list[str]:
    return [*PLUGINS, "-q", "-p", "no:cacheprovider", "--numprocesses=2", *words]


def environment(ci: str = "") -> dict[str, str]:
    return {**os.environ, "CI": ci, "PYTHONPATH": str(ROOT),
            "SANDBOX_OFFLINE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # fmt: skip


def run(folder: Path, tests: dict[str, str], ci: str = "") -> tuple[int, list[str]]:
    (folder / "pytest.ini").write_text(SETTINGS)
    for name, text in tests.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", *command()],
        capture_output=True, text=True, timeout=100, check=False, cwd=folder,
        env=environment(ci),
    )  # fmt: skip
    return answer.returncode, answer.stdout.strip().splitlines()


def test_parts_come_in_order_and_the_end_tells_all(tmp_path):
    tests = {f"tests/spark/test_{n}.py": SPARK for n in range(3)}
    tests |= {"tests/test_a.py": CARRIERS, "tests/test_b.py": UNITS, "tests/c/test_s.py": SPARK}
    tests |= {"tests/contract/test_c.py": "def test_contract(): pass"}
    status, said = run(tmp_path, tests, ci="true")

    assert status == 1
    begun = re.findall(r"^ +\d:\d\d  (.+): (\d+) tests?$", "\n".join(said), re.MULTILINE)
    # Two processes take what comes next: which of them is first does not matter.
    order = [name for name, _ in begun]
    assert set(begun) >= {("Spark", "4"), ("Docker", "1"), ("units", "250"), ("contracts", "1")}
    assert order.index("units") < order.index("contracts")
    assert order.index("Docker") < order.index("virtual machine")
    assert len(begun) == 5
    at_once = next(line for line in said if line.endswith("FAILED tests/test_b.py::test_unit[7]"))
    assert said.index(at_once) < next(n for n, line in enumerate(said) if "FAILURES" in line)
    table = said[next(n for n, line in enumerate(said) if " parts " in line) :]
    units = next(line for line in table if line.startswith("units"))
    assert re.match(r"units +250 +\d:\d\d +\d:\d\d +\d:\d\d  1 FAILED", units)
    assert "skipped: 1 test: no daemon here (REQUIRED in CI: the run fails)" in table
    assert said[-1].startswith("1 failed, 255 passed, 1 skipped in ")
    processes = (tmp_path / "processes").read_text().split()
    assert (len(processes), len(set(processes))) == (4, 1)


def test_a_required_skip_fails_a_distributed_run_in_ci(tmp_path):
    status, said = run(tmp_path, {"test_it.py": CARRIERS}, ci="true")
    assert (status, said[-1].split(" in ")[0]) == (1, "1 passed, 1 skipped")


def test_a_test_that_ends_its_process_has_failed_and_the_others_run(tmp_path):
    crash = """
import os, time
import pytest
from pathlib import Path

pytestmark = pytest.mark.spark

def test_before(): pass

def test_crash():
    Path("crashed").open("a").write("once ")
    os._exit(3)

def test_after(): pass
"""
    busy = "import time\ndef test_other(): time.sleep(1)\ndef test_more(): pass"
    status, said = run(tmp_path, {"test_crash.py": crash, "test_busy.py": busy})
    assert status == 1
    assert any(line.endswith("crashed while running 'test_crash.py::test_crash'") for line in said)
    assert said[-1].startswith("1 failed, 4 passed")
    assert (tmp_path / "crashed").read_text() == "once "


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="this system has no alarm")
def test_a_hang_ends_in_each_process(tmp_path):
    hang = """
import time
from sandbox.cli import limit

limit.LIMIT_S = 1

def test_hangs():
    time.sleep(50)
"""
    status, said = run(tmp_path, {"test_a.py": hang, "test_b.py": hang})
    assert status == 1
    assert any("the test of test_b.py::test_hangs has not ended within 1 s" in s for s in said)
    assert said[-1].startswith("2 failed")


def test_what_the_last_tests_left_open_fails_the_run(tmp_path):
    leak = """
import subprocess, sys

class Cycle: pass

def test_leaves_a_process():
    cycle = Cycle()
    cycle.itself = cycle
    cycle.process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"])
"""
    status, said = run(tmp_path, {"test_leak.py": leak})
    assert status == 1
    told = next(line for line in said if line.startswith("FAILED, left open at the end"))
    assert "still running" in told
    assert said[-1].startswith("1 passed")


WAITS = """
import subprocess, sys, time
from pathlib import Path
import pytest

HERE = Path(__file__).with_suffix("")

@pytest.fixture
def server():
    server = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
    yield
    server.kill()
    server.wait()
    HERE.with_suffix(".away").touch()

def test_waits(server):
    HERE.with_suffix(".waits").touch()  # not in the fixture: cut off there, it puts nothing away
    time.sleep(90)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_ends_all_processes_and_puts_away(tmp_path):
    settings = tmp_path / "pytest.ini"
    settings.write_text(SETTINGS)
    for name in "ab":
        (tmp_path / f"test_{name}.py").write_text(WAITS)
    words = command("-c", str(settings), f"--rootdir={tmp_path}", str(tmp_path))
    program = f"from sandbox.cli.test import run_pytest; raise SystemExit(run_pytest({words}))"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE, text=True, env=environment(), start_new_session=True,
    )  # fmt: skip
    try:
        until = time.monotonic() + 100
        while len(list(tmp_path.glob("*.waits"))) < 2:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < until
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):  # nobody of them is left
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            pytest.fail("something went on")
    assert process.returncode == 2, said
    assert len(list(tmp_path.glob("*.away"))) == 2
    assert "KeyboardInterrupt" in said


def test_long_files_are_cut_and_carriers_and_sessions_share_a_process():
    class Item:
        def __init__(self, nodeid, *markers):
            self.nodeid, self.markers = nodeid, markers

        def get_closest_marker(self, name):
            return name if name in self.markers else None

    items = [Item(f"tests/lib/a.py::t{n}") for n in range(parts.LANE_LENGTH + 1)]
    items += [Item("tests/contract/b.py::t")]
    items += [Item("tests/spark/c.py::t", "spark"), Item("tests/cli/d.py::t", "spark")]
    items += [Item("tests/image/e.py::t", "docker", "browser"), Item("tests/vm/f.py::t", "vm")]
    items += [Item("notebooks/g.ipynb::Cell 0", "notebook")]
    found = list(parts.places(items))[parts.LANE_LENGTH - 1 :]
    assert found == [
        ("units", "tests/lib/a.py 0"),
        ("units", "tests/lib/a.py 1"),
        ("contracts", "tests/contract/b.py 0"),
        ("Spark", "Spark"),
        ("Spark", "Spark"),
        ("Docker", "carriers"),
        ("virtual machine", "carriers"),
        ("notebooks", "notebooks/g.ipynb"),
    ]


class TestChoice:
    def test_all_leaves_nothing_out(self):
        words = verb.pytest_arguments([], whole=True)
        assert "-m" not in words
        assert {"tests", "notebooks", "sandbox", "--nbval-lax", "--numprocesses=2"} <= set(words)

    def test_without_an_option_a_sample_and_no_carriers(self):
        words = verb.pytest_arguments([])
        assert words[words.index("-m") + 1] == "not campaign and not docker and not vm"
        assert {"tests", "notebooks", "sandbox"} <= set(words)

    def test_quick_leaves_out_what_starts_something(self):
        words = verb.pytest_arguments([], quick=True)
        for name in ("campaign", "docker", "vm", "spark", "faults", "processes", "browser"):
            assert f"not {name}" in words[words.index("-m") + 1].split(" and ")
        assert "notebooks" not in words

    def test_paths_given_replace_the_choice_and_run_in_one_process(self):
        words = verb.pytest_arguments(["tests/cli", "-k", "reset"])
        assert words[-3:] == ["tests/cli", "-k", "reset"]
        assert not {"-m", "tests", "--numprocesses=2"} & set(words)

    def test_a_choice_of_ones_own_comes_last(self):
        assert verb.pytest_arguments(["-m", "docker"])[-2:] == ["-m", "docker"]

    def test_quick_and_all_exclude_each_other(self):
        with pytest.raises(verb.CommandError, match="exclude each other"):
            verb.check([], quick=True, whole=True)
