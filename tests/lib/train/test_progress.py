from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from train_kit import make_data, make_trainer

from sandbox.lib import engine, nn
from sandbox.lib.core import ops
from sandbox.lib.core.errors import DataError
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.data import ArrayDataset
from sandbox.lib.data.progress import Meter
from sandbox.lib.optim import SGD
from sandbox.lib.train import TextProgress, Trainer
from sandbox.lib.train.events import stage
from sandbox.lib.train.progress import choose


def shown(*, live: bool, validation: bool = True, steps: int = 14) -> str:
    stream = io.StringIO()
    trainer = make_trainer(progress=TextProgress(stream, live=live, interval=0.0))
    trainer.fit(make_data(200), steps=steps, validation=make_data() if validation else None)
    return stream.getvalue()


def test_a_log_file_gets_one_line_for_each_epoch_and_validation() -> None:
    lines = shown(live=False).splitlines()
    assert [line.split("  ")[0] for line in lines if line.startswith("epoch")] == [
        "epoch 1/2",
        "epoch 2/2",
    ]
    assert "7/7" in lines[0]
    assert "top1" in lines[0]
    assert "rows/s" in lines[0]
    assert lines[1].startswith("  validation after step 7: top1 ")
    assert len(lines) == 4
    assert "\r" not in "".join(lines)


def test_a_terminal_gets_a_line_that_is_rewritten() -> None:
    text = shown(live=True, validation=False)
    assert text.count("\r") > 14
    assert "[##########" in text
    assert "left" in text
    assert [line.rsplit("\r")[-1].split("  ")[0] for line in text.split("\n")[:-1]] == [
        "epoch 1/2",
        "epoch 2/2",
    ]


def test_before_the_first_step_it_tells_what_goes_on_where_lines_can_be_rewritten() -> None:
    first = shown(live=True).split("\r")[1]
    assert first == "[....................]  choosing kernels"
    assert "choosing" not in shown(live=False)


def test_a_run_tells_its_stages_until_its_first_step() -> None:
    trainer = make_trainer()
    seen: list[tuple[str, str | None]] = []

    def hear(event: dict[str, Any]) -> None:
        seen.append((event["type"], trainer.stage and trainer.stage["text"]))

    trainer.subscribe(hear)
    trainer.fit(make_data(64), steps=1)
    kinds = [kind for kind, _ in seen]
    at = kinds.index("stage")
    assert at < kinds.index("iteration")
    assert seen[at] == ("stage", "choosing kernels")
    assert seen[kinds.index("iteration")] == ("iteration", None)


def test_a_run_that_fails_before_its_first_step_has_no_stage_left() -> None:
    class Refuse:
        def run(self, job: Any, emit: Any, poll: Any) -> Any:
            emit(stage("starting Java", 0.0))
            raise DataError("no")

    trainer = make_trainer(backend=Refuse())
    with pytest.raises(DataError):
        trainer.fit(make_data(64), steps=1)
    assert (trainer.state, trainer.stage) == ("failed", None)


def test_a_run_that_ends_within_an_epoch_leaves_its_line() -> None:
    lines = shown(live=False, validation=False, steps=9).splitlines()
    assert "2/7" in lines[-1]


def test_the_display_is_chosen() -> None:
    assert choose(None) is None
    assert choose(False) is None
    assert isinstance(choose("auto"), TextProgress)
    own = TextProgress()
    assert choose(own) is own


def test_it_says_when_a_model_runs_eagerly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_EAGER", "1")
    assert "runs eagerly, which takes longer: SANDBOX_EAGER=1" in shown(live=False)


def test_it_says_where_a_program_ends_and_why() -> None:
    class Front(nn.Module):
        def call(self, x: Any) -> Any:
            return ops.concat([x[ops.less(x[:, 0], 0.5)], x], 0)[: x.shape[0]]

    model = nn.Sequential(nn.Linear(4, 3, rng=0), Front())
    stream = io.StringIO()
    progress = TextProgress(stream, live=False)
    trainer = Trainer(model, CrossEntropy(), SGD(0.1), batch_size=4, threads=1, progress=progress)
    trainer.fit(ArrayDataset(np.ones((8, 4), "f4"), np.zeros(8, int)), epochs=1)

    text = " ".join(stream.getvalue().split())
    assert "the model runs in parts, Python between them, which takes longer: Sequential/1" in text
    assert "how many elements nonzero gives depends on numbers" in text


def test_a_run_that_somebody_watches_needs_no_line_of_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    trainer = make_trainer(progress="auto")
    stop = trainer.subscribe(lambda event: None)
    trainer.fit(make_data(), epochs=1)
    assert capsys.readouterr().err == ""
    stop()
    trainer.fit(make_data(), epochs=1)
    assert "epoch 1/1" in capsys.readouterr().err


@pytest.mark.usefixtures("native")
def test_choosing_kernels_tells_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(engine.progress, "EVERY", 0.0)
    monkeypatch.setattr(engine, "_default", None)
    monkeypatch.setenv("SANDBOX_CACHE", str(tmp_path))
    monkeypatch.setenv("SANDBOX_SHIPPED_PLANS", "0")
    seen: list[dict[str, Any]] = []
    trainer = make_trainer()
    trainer.subscribe(lambda event: seen.append(event) if event["type"] == "stage" else None)
    trainer.fit(make_data(64), steps=1)
    shares = [event["share"] for event in seen]
    assert {event["text"] for event in seen} == {"choosing kernels"}
    assert len(shares) > 2
    assert shares == sorted(shares)
    assert shares[-1] < 1.0


def test_rows_that_are_read_before_the_run_begins_are_told() -> None:
    class Slow(ArrayDataset):
        @property
        def partition_sizes(self) -> tuple[int, ...]:
            Meter("packing rows", every_s=0.0).count(10, 1000, 0.5)
            return super().partition_sizes

    screen = io.StringIO()
    x, y = make_data(64)
    trainer = make_trainer(progress=TextProgress(screen, live=True, interval=0.0))
    trainer.fit(Slow(x, y), epochs=1, background=True)
    trainer.wait(60)
    assert trainer.state == "done"
    assert "packing rows: 50 %, 10 rows" in screen.getvalue()
    assert "epoch 1/1" in screen.getvalue()
