from __future__ import annotations

import json
import re
import threading
from typing import Any

import numpy as np
import pytest

from sandbox.lib.core.errors import ArgumentError
from sandbox.widgets import ConvolutionExplorer, FilterViewer, TrainingCurves

FILTERS = "conv1.weight"


def numbers(widget: TrainingCurves) -> np.ndarray:
    return np.frombuffer(widget.points, np.float32).reshape(-1, len(widget.columns))


def sent(widget: Any, message: dict[str, Any]) -> dict[str, Any]:
    """Send a browser's message and return the answer."""
    replies: list[dict[str, Any]] = []
    widget.send = lambda content, buffers=None: replies.append(content)
    widget._handle_custom_msg(message, [])
    return replies[-1]


def test_curves_follow_a_trainer(trainer: Any, make_iteration: Any, make_ranks: Any) -> None:
    curves = TrainingCurves(trainer, interval=0.01)
    trainer.emit({"type": "state", "state": "running"})
    for step in range(1, 31):
        trainer.emit(make_ranks(step), make_iteration(step))

    assert curves.flush()
    assert numbers(curves).shape == (30, 15)
    assert curves.run == "running"
    assert "step 30" in curves.summary


def test_the_tile_and_the_sentence_tell_the_same_speed(trainer: Any, make_iteration: Any) -> None:
    curves = TrainingCurves(trainer, interval=0.01)
    # So many steps that the points are thinned out; a few of them were slow.
    slow = {"seconds": 1.0, "rate": 128.0}
    curves.show([make_iteration(k, **(slow if k % 997 == 0 else {})) for k in range(1, 3001)])
    assert "128 images/s" not in curves.summary
    assert curves.speed == 12800

    curves.show([{"type": "state", "state": "done"}])
    assert round(curves.speed) == round(3000 * 128 / (2997 * 0.01 + 3))
    assert f"{curves.speed:,.0f} images/s" in curves.summary


def test_curves_of_a_run_under_way_begin_with_its_history(
    trainer: Any, make_iteration: Any
) -> None:
    from sandbox.lib.train import History

    trainer.history = History()
    trainer.state = "done"
    trainer.history.append(make_iteration(1))
    curves = TrainingCurves(trainer)

    assert len(numbers(curves)) == 1
    assert curves.run == "done"


def test_curves_shown_while_a_run_starts_tell_its_stage(trainer: Any, make_iteration: Any) -> None:
    curves = TrainingCurves(trainer, interval=0.01)
    trainer.state = "running"
    trainer.stage = {"type": "stage", "text": "starting Spark", "share": 0.2}
    curves._ipython_display_()
    assert (curves.run, curves.stage, curves.share) == ("running", "starting Spark", 0.2)
    trainer.emit({"type": "stage", "text": "choosing kernels", "share": 0.8})
    assert curves.flush()
    assert curves.summary == "Training is starting (80 %): choosing kernels."
    trainer.emit(make_iteration(1))
    assert curves.flush()
    assert curves.stage == ""


def test_events_from_several_threads_leave_a_whole_state(trainer: Any, make_iteration: Any) -> None:
    curves = TrainingCurves(trainer, interval=0.001)
    viewer = FilterViewer(trainer, FILTERS, interval=0.001)

    def emit() -> None:
        for step in range(1, 200):
            trainer.emit(make_iteration(step))
            values = {FILTERS: trainer.model.weight * step}
            trainer.emit({"type": "snapshot", "step": step, "values": values})

    def ask() -> None:
        for _ in range(6):
            sent(curves, {"type": "pause"})
            curves.to_html()
            viewer.picture()

    threads = [threading.Thread(target=f) for f in (emit, ask)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    curves.flush()
    viewer.flush()

    assert numbers(curves)[-1, 0] == 199
    assert len(viewer.frames) == 2 * 150 * len(viewer.steps)


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ({"type": "pause"}, "pause"),
        ({"type": "resume"}, "resume"),
        ({"type": "stop"}, "stop"),
        ({"type": "learning_rate", "value": 0.05}, 0.05),
        ({"type": "learning_rate", "value": None}, None),
    ],
)
def test_buttons_reach_the_trainer(trainer: Any, message: dict[str, Any], call: Any) -> None:
    reply = sent(TrainingCurves(trainer), message)

    assert trainer.calls == [call]
    assert reply["ok"]
    assert reply["text"]


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ({"type": "learning_rate", "value": "fast"}, "could not convert"),
        ({"type": "learning_rate", "value": -1}, "at least 0; got -1"),
        ({"type": "learning_rate"}, "at least 0; got nan"),
        ({"type": "explode"}, "no command 'explode'"),
    ],
)
def test_bad_messages_are_answered_with_the_reason(
    trainer: Any, message: dict[str, Any], part: str
) -> None:
    reply = sent(TrainingCurves(trainer), message)

    assert not reply["ok"]
    assert part in reply["text"]
    assert trainer.calls == []


def test_curves_of_a_model_ask_for_its_trainer(trainer: Any) -> None:
    with pytest.raises(ArgumentError, match=r"`trainer` must be a Trainer or None.*Trainer\(model"):
        TrainingCurves(trainer.model)


def test_a_run_that_fails_tells_what_failed_in_place_of_panels(trainer: Any) -> None:
    curves = TrainingCurves(trainer, interval=0.01)
    curves.show([{"type": "state", "state": "running"}])
    curves.show([{"type": "state", "state": "failed", "text": "DataError: row 7: no number"}])
    assert curves.summary == "Training failed. DataError: row 7: no number"
    assert curves.failure == "DataError: row 7: no number"
    curves.show([{"type": "state", "state": "running"}])  # again, and well
    assert curves.failure == ""


def test_epochs_and_the_time_left_are_told_while_it_runs(trainer: Any, make_iteration: Any) -> None:
    curves = TrainingCurves(trainer)
    begin = {"type": "state", "state": "running", "total_steps": 60, "steps_per_epoch": 10}
    curves.show([begin, *(make_iteration(k, seconds=2.0) for k in range(1, 16))])
    assert curves.epochs == 6
    assert curves.left == "1:30"
    assert "Running at epoch 2 of 6, step 15 of 60: " in curves.summary
    assert curves.summary.endswith(", 1:30 left.")
    curves.show([{"type": "state", "state": "paused"}])
    assert curves.left == ""


def test_a_closed_widget_no_longer_listens(trainer: Any) -> None:
    curves = TrainingCurves(trainer)
    curves.close()

    assert trainer.listeners == []


def test_filters_follow_snapshots_and_keep_the_first(trainer: Any) -> None:
    viewer = FilterViewer(trainer, FILTERS, interval=0.01)
    for step in (20, 40):
        values = {FILTERS: trainer.model.weight * step, "other": np.ones(3)}
        trainer.emit({"type": "snapshot", "step": step, "values": values})
        viewer.flush()
    frames = np.frombuffer(viewer.frames, np.float16).reshape(-1, 150)

    assert viewer.steps == [0, 20, 40]
    assert viewer.shape == [6, 1, 5, 5]
    np.testing.assert_allclose(frames[2], 40 * frames[0], rtol=2e-3)  # half precision
    assert viewer.summary.endswith("from step 0 to 40 they changed by 3900 %.")


def test_a_second_fit_starts_new_filters_and_the_end_shows_the_final_weights(
    trainer: Any, make_iteration: Any
) -> None:
    from sandbox.lib.train import History

    viewer = FilterViewer(trainer, FILTERS, interval=0.01)
    trainer.emit({"type": "snapshot", "step": 20, "values": {FILTERS: trainer.model.weight}})
    trainer.model.weight = trainer.model.weight * 2
    trainer.emit({"type": "state", "state": "running", "step": 0})
    trainer.history = History()
    trainer.history.append(make_iteration(7))
    trainer.model.weight = trainer.model.weight * 2
    trainer.emit({"type": "state", "state": "done"})
    viewer.flush()
    frames = np.frombuffer(viewer.frames, np.float16).reshape(-1, 150)

    assert viewer.steps == [0, 7]
    assert frames[:, 0].tolist() == [-2, -4]


def test_a_large_layer_is_sent_less_often(trainer: Any) -> None:
    trainer.model.weight = np.zeros((512, 1024), "f4")
    viewer = FilterViewer(trainer, FILTERS)

    assert viewer.snapshots.limit == 3
    assert viewer._feed._interval > 1


def test_filters_of_a_model_need_no_trainer(trainer: Any) -> None:
    viewer = FilterViewer(trainer.model, FILTERS)

    assert not viewer.live
    assert viewer.summary == "6 filters of conv1.weight, shape (6, 1, 5, 5), at step 0."


def test_an_unknown_parameter_is_refused_with_the_known_ones(trainer: Any) -> None:
    with pytest.raises(ValueError, match=r"one of conv1\.weight; got 'conv9\.weight'"):
        FilterViewer(trainer.model, "conv9.weight")


def test_a_trainer_that_does_not_watch_is_refused_with_the_cure(trainer: Any) -> None:
    trainer.watch = ()
    with pytest.raises(ValueError, match=r"watch=\('conv1\.weight',\)"):
        FilterViewer(trainer, FILTERS)


def test_the_explorer_computes_what_the_formula_says() -> None:
    image = np.arange(20).reshape(4, 5) / 20
    explorer = ConvolutionExplorer(image, [[0, 1], [2, 0]])
    expected = image[:-1, 1:] + 2 * image[1:, :-1]

    np.testing.assert_allclose(explorer.result(), expected, rtol=1e-6)  # float32 pixels


def test_the_explorer_rounds_to_what_it_shows() -> None:
    explorer = ConvolutionExplorer(np.array([[37, 255], [0, 1]], np.uint8), [[1.23456]])

    assert explorer.arrays()[0].tolist() == np.float32([[0.15, 1], [0, 0]]).tolist()
    assert explorer.kernel == [1.235]


@pytest.mark.parametrize(
    ("shape", "kernel", "part"),
    [
        ((1, 28, 28), (3, 3), "two axes"),
        ((28, 28), (3, 2), "square"),
        ((4, 4), (5, 5), "not larger"),
    ],
)
def test_the_explorer_refuses_what_is_no_image_or_no_filter(
    shape: tuple[int, ...], kernel: tuple[int, ...], part: str
) -> None:
    with pytest.raises(ValueError, match=part):
        ConvolutionExplorer(np.zeros(shape), np.zeros(kernel))


def every_widget(trainer: Any, make_iteration: Any) -> list[Any]:
    curves = TrainingCurves(trainer)
    curves.show([make_iteration(step, ranks=64) for step in range(1, 30)])
    return [curves, FilterViewer(trainer, FILTERS), ConvolutionExplorer(np.eye(28))]


def test_a_saved_notebook_gets_a_picture_and_a_sentence(trainer: Any, make_iteration: Any) -> None:
    for widget in every_widget(trainer, make_iteration):
        data, metadata = widget._repr_mimebundle_()

        assert "application/vnd.jupyter.widget-view+json" in data
        assert data["image/png"].startswith("iVBOR")
        assert len(data["text/plain"]) > 20
        assert metadata["image/png"]["width"] > 100


def test_a_page_stands_alone(trainer: Any, make_iteration: Any, tmp_path: Any) -> None:
    for widget in every_widget(trainer, make_iteration):
        path = tmp_path / f"{type(widget).__name__}.html"
        text = widget.to_html(path)

        assert path.read_text(encoding="utf-8") == text
        assert not re.search(r"(src|href)=|https?://(?!www\.w3\.org/2000/svg)", text)
        assert text.count("</script") == 1


def test_no_module_asks_for_anything_from_a_network(trainer: Any, make_iteration: Any) -> None:
    for widget in every_widget(trainer, make_iteration):
        code = str(widget._esm)
        assert not re.search(r"^\s*import\b", code, re.MULTILINE)
        assert not re.search(r"\bimport\s*\(|fetch\(|XMLHttpRequest|WebSocket|eval\(", code)
        assert set(re.findall(r"https?://[^\"'`\s]*", code)) <= {"http://www.w3.org/2000/svg"}
        assert code.count("export default") == 1
        assert "url(" not in str(widget._css)
        assert "@import" not in str(widget._css)


def test_what_is_synced_is_plain_data(trainer: Any, make_iteration: Any) -> None:
    for widget in every_widget(trainer, make_iteration):
        state = widget.get_state()
        own = {k: v for k, v in state.items() if not k.startswith("_")}
        json.dumps({k: v for k, v in own.items() if not isinstance(v, bytes | memoryview)})
