from __future__ import annotations

import numpy as np
import pytest
from toys import CrossEntropy, batch, convolutional

from sandbox.lib import core
from sandbox.lib.core import ArgumentError, FlatParameters, Spec


def test_time_is_given_by_module_and_adds_up():
    x, target = batch()
    module = convolutional()
    flat = FlatParameters(module)
    program = core.train_program(module, CrossEntropy(), flat, Spec.of(x), Spec.of(target))
    before = flat.buffers.copy()
    rows = core.profile(program, x, target)

    conv = next(row for row in rows if row.path == "conv")
    assert conv.forward > 0
    assert conv.backward > 0
    assert rows.seconds == pytest.approx(sum(row.forward + row.backward for row in rows))
    assert "forward ms" in str(rows)
    np.testing.assert_array_equal(before, flat.buffers)


def test_prediction_has_no_backward_time():
    x, _ = batch()
    program = core.predict_program(convolutional(), None, Spec.of(x))

    assert sum(row.backward for row in core.profile(program, x)) == 0.0


def test_eager_programs_are_refused_with_their_reason(monkeypatch):
    monkeypatch.setenv("SANDBOX_EAGER", "1")
    x, _ = batch()
    program = core.predict_program(convolutional(), None, Spec.of(x))

    with pytest.raises(ArgumentError, match="runs eagerly: SANDBOX_EAGER=1"):
        core.profile(program, x)
