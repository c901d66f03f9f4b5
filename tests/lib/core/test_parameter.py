from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from sandbox.lib import core
from sandbox.lib.core import ArgumentError, Buffer, Parameter, ShapeError, Value, ops


def test_numbers_are_read_only_and_float32():
    p = Parameter([[1, 2], [3, 4]])

    assert np.float32 == p.dtype
    with pytest.raises(ValueError, match="read-only"):
        p.data[0, 0] = 5


def test_data_are_copied_on_the_way_in():
    source = np.ones(3, "float32")
    p = Parameter(source)
    source[0] = 7

    np.testing.assert_array_equal([1, 1, 1], p.data)


def test_set_keeps_the_view_and_the_shape():
    p = Parameter([1.0, 2.0], "scale")
    view = p.data
    p.set([3.0, 4.0])

    np.testing.assert_array_equal([3.0, 4.0], view)
    with pytest.raises(ShapeError, match=r"parameter 'scale' must get shape \(2,\); got \(3,\)"):
        p.set(np.zeros(3))


def test_text_is_refused():
    with pytest.raises(ArgumentError, match="`data` must be an array of numbers"):
        Parameter("many")


def test_pickle_and_deepcopy_give_a_parameter_of_its_own():
    p = Parameter([1.0, 2.0], "scale")
    p.trainable = False
    for twin in (copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        twin.set([5.0, 5.0])

        assert (twin.trainable, twin.name) == (False, "scale")
        np.testing.assert_array_equal([1.0, 2.0], p.data)


def test_a_buffer_is_updated_at_once_in_a_plain_call():
    b = Buffer([1.0])
    b.update(Value(np.float32([2.0])))

    assert b.data[0] == 2.0


def test_a_buffer_is_updated_after_the_step_while_updates_are_collected():
    b = Buffer([1.0])
    with core.using(training=True, collect=True) as context:
        b.update(b + 1.0)
        b.update(b * 10.0)  # sees the first update

        assert b.data[0] == 1.0
        assert context.updates[b].data[0] == 20.0
        with core.using(training=True):  # a mode set inside does not lose them
            assert float(ops.add(b, 1.0).data[0]) == 21.0
