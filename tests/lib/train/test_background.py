from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from train_kit import assert_same, make_data, make_trainer, weights

from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.train import Trainer

FOREVER = 10**9


def wait_for(condition: Any, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def started(**changes: Any) -> Trainer:
    trainer = make_trainer(**changes)
    assert trainer.fit(make_data(), steps=FOREVER, background=True) is trainer
    wait_for(lambda: len(trainer.history) > 3)
    return trainer


def test_the_caller_stays_free_and_reads_the_curves() -> None:
    trainer = started()
    assert trainer.state == "running"
    assert trainer.running
    n = len(trainer.history["loss"])
    wait_for(lambda: len(trainer.history) > n)
    trainer.predict(make_data()[0])
    trainer.stop()
    history = trainer.wait(10)
    assert trainer.state == "stopped"
    assert not trainer.running
    assert len(history) > n


def test_a_stop_takes_less_than_a_second() -> None:
    trainer = started()
    begin = time.monotonic()
    trainer.stop()
    trainer.wait(10)
    assert time.monotonic() - begin < 1.0


def test_background_and_foreground_give_the_same_bits() -> None:
    data = make_data()
    one, other = make_trainer(), make_trainer()
    one.fit(data, epochs=3)
    other.fit(data, epochs=3, background=True).wait(30)
    assert_same(weights(one.model), weights(other.model))


def test_a_pause_holds_and_changes_no_bit() -> None:
    data = make_data()
    whole, paused = make_trainer(), make_trainer()
    whole.fit(data, steps=300)
    paused.subscribe(
        lambda event: (
            paused.pause() if event["type"] == "iteration" and event["step"] == 10 else None
        )
    )
    paused.fit(data, steps=300, background=True)
    wait_for(lambda: paused.state == "paused")
    n = len(paused.history)
    time.sleep(0.15)
    assert len(paused.history) == n < 300
    paused.resume_training()
    paused.wait(30)
    assert paused.state == "done"
    assert_same(weights(whole.model), weights(paused.model))


def test_a_stop_ends_a_pause() -> None:
    trainer = started()
    trainer.pause()
    wait_for(lambda: trainer.state == "paused")
    trainer.stop()
    trainer.wait(5)
    assert trainer.state == "stopped"


def test_the_learning_rate_can_be_set_while_it_runs() -> None:
    trainer = started()
    trainer.set_learning_rate(0.0)
    wait_for(lambda: trainer.history["learning_rate"][-1] == 0.0)
    trainer.set_learning_rate(np.float32(0.25))
    wait_for(lambda: trainer.history["learning_rate"][-1] == 0.25)
    trainer.set_learning_rate(None)
    wait_for(lambda: trainer.history["learning_rate"][-1] == pytest.approx(0.1))
    for bad in (-1.0, float("nan"), "fast", True):
        with pytest.raises(ArgumentError, match=rf"`learning_rate` must be .*; got {bad!r}"):
            trainer.set_learning_rate(bad)
    trainer.stop()
    trainer.wait(10)


def test_an_error_surfaces_in_the_state_and_in_wait() -> None:
    x, y = make_data()
    x[3] = np.nan
    trainer = make_trainer()
    trainer.fit((x, y), epochs=2, background=True)
    wait_for(lambda: trainer.state == "failed")
    wait_for(lambda: isinstance(trainer.error, DataError))
    with pytest.raises(DataError, match="row 3 of the data set"):
        trainer.wait(10)
    assert trainer.wait(1) is trainer.history, "raised once"
    trainer.fit(make_data(), steps=2)


def test_bad_arguments_are_told_at_once() -> None:
    with pytest.raises(ArgumentError):
        make_trainer().fit(make_data(), background=True)


def test_waiting_can_time_out() -> None:
    trainer = started()
    with pytest.raises(TimeoutError, match=r"after 0\.05 s"):
        trainer.wait(0.05)
    trainer.stop()
    trainer.wait(10)


def run_script(body: str, tmp_path: Path, *, interrupt: bool = False) -> tuple[int, str, float]:
    head = f"""
    import sys
    sys.path.insert(0, {str(Path(__file__).parent)!r})
    from train_kit import *
    data = make_data()
    """
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(head) + textwrap.dedent(body))
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    text = process.stdout.readline()
    begin = time.monotonic()
    if interrupt:
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
    try:
        text += process.communicate(timeout=30)[0]
    finally:
        process.kill()
    return process.returncode, text, time.monotonic() - begin


def test_the_interpreter_exits_cleanly_while_training_goes_on(tmp_path: Path) -> None:
    code, text, seconds = run_script(
        """
        trainer = make_trainer()
        trainer.fit(data, steps=10**9, background=True)
        while len(trainer.history) < 5:
            pass
        print("leaving", flush=True)
        """,
        tmp_path,
    )
    assert (code, text) == (0, "leaving\n")
    assert seconds < 5


def test_ctrl_c_stops_after_an_iteration_and_keeps_the_state(tmp_path: Path) -> None:
    code, text, _ = run_script(
        f"""
        trainer = make_trainer(checkpoint={str(tmp_path / "kept")!r})
        trainer.subscribe(lambda event: print("go", flush=True) if event.get("step") == 3 else None)
        try:
            trainer.fit(data, steps=10**9)
        except KeyboardInterrupt:
            steps = len(trainer.history)
            print(trainer.state, trainer.result.step == steps)
        other = make_trainer(make_model(5), checkpoint={str(tmp_path / "kept")!r})
        other.fit(data, steps=steps, resume="auto")
        assert_same(weights(trainer.model), weights(other.model))
        trainer.fit(data, steps=steps + 7, resume="auto")
        whole = make_trainer()
        whole.fit(data, steps=steps + 7)
        assert_same(weights(whole.model), weights(trainer.model))
        print("the same")
        """,
        tmp_path,
        interrupt=True,
    )
    assert code == 0, text
    assert text.splitlines()[-2:] == ["stopped True", "the same"]


def test_an_unhandled_ctrl_c_ends_the_script(tmp_path: Path) -> None:
    code, text, _ = run_script(
        """
        trainer = make_trainer()
        trainer.subscribe(lambda event: print("go", flush=True) if event.get("step") == 3 else None)
        trainer.fit(data, steps=10**9)
        """,
        tmp_path,
        interrupt=True,
    )
    assert code != 0
    assert "training was interrupted" in text


def test_the_interrupt_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    make_trainer().fit(make_data(), steps=2)
    assert signal.getsignal(signal.SIGINT) is before
    thread = threading.Thread(target=make_trainer().fit, args=(make_data(),), kwargs={"steps": 2})
    thread.start()
    thread.join(30)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_background_run_gives_way_to_another_of_its_trainer() -> None:
    trainer = make_trainer()
    trainer.fit(make_data(), epochs=100_000, background=True)
    wait_for(lambda: len(trainer.history) > 3)
    assert trainer.fit(make_data(), steps=5, background=True) is trainer
    assert trainer.running
    assert len(trainer.wait(30)) == 5
    assert (trainer.state, trainer.running, trainer.stage) == ("done", False, None)


def test_a_stop_reaches_a_run_that_waits_for_the_one_before() -> None:
    trainer = make_trainer()
    trainer.fit(make_data(), epochs=100_000, background=True)
    wait_for(lambda: len(trainer.history) > 3)
    trainer.pause()
    wait_for(lambda: trainer.state == "paused")
    trainer.fit(make_data(), epochs=100_000, background=True)
    trainer.stop()
    trainer.wait(30)
    assert (trainer.state, trainer.running) == ("stopped", False)
