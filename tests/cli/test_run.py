"""`sandbox run`: output as it comes, key figures last, the exit status."""

from __future__ import annotations

import io

import nbformat
import pytest

from sandbox.cli import java, run
from sandbox.cli.errors import CommandError


@pytest.fixture(autouse=True)
def _no_java(monkeypatch):
    monkeypatch.setattr(java, "settle", lambda: None)


def notebook(path, *cells):
    content = nbformat.v4.new_notebook()
    for cell in cells:
        make = nbformat.v4.new_markdown_cell if cell.startswith("#") else nbformat.v4.new_code_cell
        content.cells.append(make(cell))
    nbformat.write(content, path)
    return path


@pytest.mark.filterwarnings("default")  # jupyter's own deprecations are not ours
class TestExecution:
    def test_the_last_lines_are_the_key_figures(self, tmp_path):
        path = notebook(
            tmp_path / "n.ipynb",
            "# First part",
            "print('epoch 1')\nprint('test accuracy: 98.50 %')",
            "print('test accuracy: 99.12 %')\nprint('training: 31.5 s')",
        )
        said: list[str] = []
        assert run.execute(path, write=said.append) == 0
        text = "".join(said)
        assert "== First part" in text
        assert "epoch 1" in text
        assert text.endswith("test accuracy: 99.12 %\ntraining: 31.5 s\n")
        assert "finished" in text.splitlines()[-3]

    def test_a_pipe_gets_the_lines_that_stay(self, tmp_path, capsys):
        code = (
            "import sys\nfor k in range(100):\n    print(f'{k} %', end='\\r')\n"
            "print('through')\nsys.stderr.write('\\rbar 1\\rbar 2\\n')"
        )
        path = notebook(tmp_path / "n.ipynb", code, "print('no end', end='')")
        assert run.execute(path) == 0
        said = capsys.readouterr().out
        assert "\r" not in said
        lines = said.splitlines()
        assert "through" in lines
        assert "bar 2" in lines
        assert "no end" in lines
        assert not any("%" in line or "bar 1" in line for line in lines)

    def test_a_failing_cell_is_shown_and_the_status_is_one(self, tmp_path):
        path = notebook(tmp_path / "n.ipynb", "a = 1", "raise ValueError('no digits today')")
        said: list[str] = []
        assert run.execute(path, write=said.append) == 1
        text = "".join(said)
        assert "raise ValueError('no digits today')" in text
        assert "FAILED in cell 2 of 2" in text

    def test_a_cell_that_takes_too_long_is_told_with_the_cure(self, tmp_path):
        path = notebook(tmp_path / "n.ipynb", "import time; time.sleep(60)")
        said: list[str] = []
        assert run.execute(path, write=said.append, timeout=2) == 1
        assert "--timeout" in "".join(said)

    def test_what_passes_to_and_from_the_kernel_is_encrypted(self, tmp_path):
        code = (
            "import json\nfrom ipykernel.connect import get_connection_file\n"
            "print('curve_secretkey' in json.load(open(get_connection_file())))"
        )
        said: list[str] = []
        assert run.execute(notebook(tmp_path / "n.ipynb", code), write=said.append) == 0
        assert "True\n" in said

    def test_the_executed_notebook_can_be_kept(self, tmp_path):
        path = notebook(tmp_path / "n.ipynb", "print(6 * 7)")
        assert run.execute(path, write=lambda text: None, output=tmp_path / "out.ipynb") == 0
        kept = nbformat.read(tmp_path / "out.ipynb", as_version=4)
        assert kept.cells[0].outputs[0].text == "42\n"


def test_a_notebook_that_is_not_there_is_answered_with_those_that_are(tmp_path):
    with pytest.raises(CommandError, match="there is no notebook"):
        run.execute(tmp_path / "missing.ipynb")


def test_a_file_that_is_no_notebook_is_named(tmp_path):
    path = tmp_path / "broken.ipynb"
    path.write_text("{ not json")
    with pytest.raises(CommandError, match="is not a notebook"):
        run.execute(path)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("test accuracy: 99.12 %\n", {"test accuracy": "99.12 %"}),
        ("a: 1\na: 2\n", {}),  # names of one letter are not figures
        ("loss: 0.25\nloss: 0.125\n", {"loss": "0.125"}),
        ("10%|##| loss: 3\rloss: 0.5\n", {"loss": "0.5"}),
        ("\x1b[1mimages/s: 31,000\x1b[0m\n", {"images/s": "31,000"}),
        ("see http://localhost: 8888 for more words\n", {}),
        ("note: nothing here\n", {}),
        ("no newline at the end: 5", {"no newline at the end": "5"}),
    ],
)
def test_lines_with_a_name_and_a_number_are_figures(text, found):
    figures = run.Figures()
    for letter in text:
        figures.read(letter)
    figures.close()
    assert figures.found == found


def test_what_moves_a_terminals_cursor_does_not_go_into_a_pipe() -> None:
    out = io.StringIO()
    output = run.Output(out)
    for text in ("\x1b[?25l\r\x1b[2Kcounting 1/2", "\r\x1b[2Kcounting 2/2\n\x1b[?25h", "done\n"):
        output(text)
    output.close()
    assert out.getvalue() == "counting 2/2\ndone\n"
