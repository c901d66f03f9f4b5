"""Results as large as numbers say: steps of Python between programs."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import core, engine, nn
from sandbox.lib.core import RandomKey, ShapeError, Spec, ops
from sandbox.lib.core.eager_programs import EagerPredictProgram, EagerTrainProgram
from sandbox.lib.criterion import MSE

X = np.random.default_rng(3).normal(size=(6, 4)).astype("float32")


class KeepPositive(nn.Module):
    """Keeps the rows whose first number is positive."""

    def call(self, x):
        return x[x[:, 0] > 0.0]


class Detector(nn.Module):
    """A head that gives boxes and scores, the best boxes, and what is made of these."""

    def __init__(self):
        self.body = nn.Sequential(nn.Linear(4, 8, rng=0), nn.Tanh())
        self.boxes = nn.Sequential(nn.Linear(8, 4, rng=1), nn.Sigmoid())
        self.scores = nn.Linear(8, 1, rng=2)
        self.classes = nn.Sequential(nn.Linear(8, 8, rng=3), nn.ReLU(), nn.Linear(8, 3, rng=4))

    def call(self, x):
        h = self.body(x)
        corners = self.boxes(h)
        low, size = ops.split(corners, 2)
        boxes = ops.concat([low, low + size])
        kept = ops.nms(boxes, self.scores(h)[:, 0], 0.4)
        return self.classes(ops.take(h, kept)), boxes[kept]


def rows():
    return nn.Sequential(
        fc1=nn.Linear(4, 5, rng=0),
        tanh=nn.Tanh(),
        keep=KeepPositive(),
        fc2=nn.Linear(5, 3, rng=1),
        relu=nn.ReLU(),
    )


def lists_of(program):
    found = [segment for _, segment in program._segments._store.programs() if segment is not None]
    return [[op.name for op in segment._list.ops] for segment in found]


def test_the_parts_before_and_after_are_programs():
    program = core.predict_program(rows(), None, Spec.of(X))
    expected = EagerPredictProgram(rows(), "asked for").run(X)

    found = program.run(X)

    np.testing.assert_allclose(expected, found, rtol=1e-5, atol=1e-6)
    assert lists_of(program) == [["linear", "tanh"], ["linear", "relu"]]
    assert program.reason.startswith("runs in 2 segments, as the whole cannot be traced: ")
    assert "keep (KeepPositive): how many elements nonzero gives depends on numbers" in (
        program.reason
    )


def test_training_goes_through_a_host_step():
    def trained(how):
        model = nn.Sequential(rows(), Mean())
        flat = core.FlatParameters(model)
        target = np.zeros(3, np.float32)
        if how == "plain":
            program = EagerTrainProgram(model, MSE(), flat, "asked for")
        else:
            program = core.train_program(model, MSE(), flat, Spec.of(X), Spec.of(target))
        loss = program.run(X, target, RandomKey(1, 2, 3))[0]
        assert ("segments" in program.reason) == (how == "segments")
        return loss, flat.gradients.copy()

    with engine.use_reference():
        expected = trained("plain")
    assert np.abs(expected[1]).max() > 0
    for wanted, actual in zip(expected, trained("segments"), strict=True):
        np.testing.assert_allclose(wanted, actual, rtol=1e-4, atol=1e-6)


class Mean(nn.Module):
    def call(self, x):
        return ops.mean(x, 0)


def test_a_detector_runs_its_modules_as_programs():
    model = Detector()
    program = core.predict_program(model, None, Spec.of(X))
    expected = EagerPredictProgram(model, "asked for").run(X)

    found = program.run(X)

    for wanted, actual in zip(expected, found, strict=True):
        np.testing.assert_allclose(wanted, actual, rtol=1e-5, atol=1e-6)
    assert program.reason.startswith("runs in 4 segments")
    assert "how many elements take_first gives depends on numbers" in program.reason


def best_boxes(boxes, scores, threshold):
    """Keep boxes by the definition, one by one."""
    kept = []
    for place in sorted(range(len(boxes)), key=lambda k: -scores[k]):
        a = boxes[place]
        for other in kept:
            b = boxes[other]
            width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
            height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
            union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
            if width * height / union > threshold:
                break
        else:
            kept.append(place)
    return kept


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
def test_nms_keeps_the_best_of_those_that_overlap(threshold):
    rng = np.random.default_rng(7)
    low = rng.uniform(0, 4, size=(40, 2))
    boxes = np.concatenate([low, low + rng.uniform(0.5, 3, size=(40, 2))], 1).astype("f4")
    scores = rng.permutation(40).astype("f4")
    wanted = best_boxes(boxes, scores, threshold)

    assert ops.nms(boxes, scores, threshold).data.tolist() == wanted
    first = ops.nms(boxes, scores, threshold, max_outputs=3, score_threshold=scores[wanted[1]])
    assert first.data.tolist() == wanted[:1]
    places, count = ops.nms_padded(boxes, scores, threshold, max_outputs=50)
    assert places.data.tolist() == wanted + [-1] * (50 - len(wanted))
    assert int(count.data) == len(wanted)


def test_padded_nms_is_one_program():
    class Best(nn.Module):
        def call(self, x):
            return ops.nms_padded(x, x[:, 0], 0.5, max_outputs=4)

    program = core.predict_program(Best(), None, Spec.of(X))
    found = program.run(X)

    assert program.reason is None
    expected = ops.nms_padded(X, X[:, 0], 0.5, max_outputs=4)
    for wanted, actual in zip(expected, found, strict=True):
        np.testing.assert_array_equal(wanted.data, actual)


def test_what_is_selected_is_that_of_numpy():
    mask = X > 0.3
    np.testing.assert_array_equal(X[mask], ops.masked_select(X, mask).data)
    np.testing.assert_array_equal(X[mask[:, 0]], core.Value(X)[mask[:, 0]].data)
    np.testing.assert_array_equal(np.argwhere(mask), ops.nonzero(mask).data)
    put = ops.masked_scatter(np.zeros_like(X), mask, X[mask])
    np.testing.assert_array_equal(np.where(mask, X, 0), put.data)
    whole = np.array([[3, 1, 3], [2, 1, 1]])
    values, first, inverse, counts = ops.unique(whole)
    assert (values.data.tolist(), counts.data.tolist()) == ([1, 2, 3], [3, 1, 2])
    np.testing.assert_array_equal(whole, values.data[inverse.data])
    np.testing.assert_array_equal(values.data, whole.reshape(-1)[first.data])


def test_nothing_may_be_selected():
    assert ops.masked_select(X, np.zeros((6, 4), bool)).shape == (0,)
    assert core.Value(X)[np.zeros(6, bool)].shape == (0, 4)


@pytest.mark.parametrize("mask", [np.ones(5, bool), np.ones((6, 4), int), np.ones((), bool)])
def test_a_mask_that_does_not_fit_is_refused(mask):
    with pytest.raises(ShapeError, match="mask"):
        ops.masked_select(X, mask)
