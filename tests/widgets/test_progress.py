"""How far a silent cell is: one line that is written over, plain text once it is saved."""

from __future__ import annotations

import re

import pytest

from sandbox.cli.run import COLOURS
from sandbox.widgets import track, working
from tests.notebooks.kernel_kit import kernel


def test_items_are_handed_on_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(["a", "b", "c"], "counting words")) == ["a", "b", "c"]
    assert re.fullmatch(r"counting words ━+ 3/3 0:00:0\d\n", capsys.readouterr().out)


def test_an_error_ends_the_line_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), working("dividing"):
        print(1 / 0)
    assert capsys.readouterr().out.startswith("dividing ")


def test_a_notebook_sees_it_move_and_keeps_plain_text() -> None:
    with kernel() as run:
        said = run(
            "import time\nfrom sandbox.widgets import track, working\n"
            "for _ in track(range(3), 'counting'):\n    time.sleep(0.3)\n"
            "with working('weighing'):\n    time.sleep(0.5)"
        )
    assert said.count("counting ") > 2  # written over
    last = COLOURS.sub("", said).replace("\r", "\n").splitlines()
    assert any(re.match(r"counting ━+ 3/3 0:00:0\d", line) for line in last)
    assert any(re.match(r"weighing 0:00:0\d", line) for line in last)
    assert "Output()" not in said  # no widget, which would need a kernel to be seen
