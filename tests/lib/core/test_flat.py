from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import Toy, convolutional

from sandbox.lib.core import ArgumentError, FlatParameters


def test_parameters_become_views_and_keep_their_numbers():
    module = convolutional()
    before = {name: p.data.copy() for name, p in module.named_parameters()}
    flat = FlatParameters(module)

    for name, p in module.named_parameters():
        np.testing.assert_array_equal(before[name], p.data)
        assert np.shares_memory(p.data, flat.values)
    flat.value("fc.bias")[:] = 3.0
    np.testing.assert_array_equal(np.full(5, 3.0), module.p["fc.bias"].data)


def test_buffers_become_views():
    module = convolutional()
    flat = FlatParameters(module)
    flat.buffer("bn.mean")[:] = 2.0

    np.testing.assert_array_equal(np.full(4, 2.0), module.b["bn.mean"].data)


def test_the_last_layers_stand_first():
    flat = FlatParameters(convolutional())
    starts = [flat.views[name].start for name in flat.names]

    assert sorted(starts, reverse=True) == starts


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 40), max_size=3), max_size=8),
    st.integers(1, 7),
    st.integers(1, 3000),
)
def test_buckets_cover_the_vector_and_slices_the_buckets(shapes, slices, bucket_bytes):
    module = Toy(None, {f"p{k}": np.ones(shape) for k, shape in enumerate(shapes)})
    flat = FlatParameters(module, slices=slices, bucket_bytes=bucket_bytes)
    size = len(flat.values)

    covered = np.zeros(size, int)
    for start, stop in flat.buckets:
        assert stop > start
        assert (stop - start) % slices == 0
        covered[start:stop] += 1
    assert (covered == 1).all()
    covered[:] = 0
    for rank in range(slices):
        for start, stop in flat.slice(rank):
            covered[start:stop] += 1
    assert (covered == 1).all()
    taken = np.zeros(size, int)
    for (start, stop, shape), wished in zip(flat.views.values(), shapes, strict=True):
        assert tuple(wished) == shape
        assert start % 16 == 0
        taken[start:stop] += 1
    assert taken.max(initial=0) <= 1
    np.testing.assert_array_equal(taken, flat.values)  # ones in parameters, zeros in the padding


def test_buckets_have_about_the_wished_size():
    module = Toy(None, {"small": np.ones(100), "large": np.ones(10_000), "other": np.ones(900)})
    flat = FlatParameters(module, bucket_bytes=4000, slices=2)

    sizes = [stop - start for start, stop in flat.buckets]
    assert all(500 <= size <= 2000 for size in sizes[:-1])


def test_vectors_start_on_cache_lines():
    flat = FlatParameters(convolutional())

    for vector in (flat.values, flat.gradients, flat.buffers):
        assert vector.ctypes.data % 64 == 0


def test_vectors_may_live_where_the_caller_says():
    made = []

    def allocate(count):
        made.append(np.full(count, 7.0, "float32"))
        return made[-1]

    module = convolutional()
    flat = FlatParameters(module, allocate=allocate)

    assert len(made) == 3
    assert np.shares_memory(made[0], module.p["fc.bias"].data)
    assert np.abs(flat.gradients).max() == 0.0


def test_wrong_memory_is_refused():
    with pytest.raises(ArgumentError, match=r"writeable 1-D float32 array of .* got float64"):
        FlatParameters(convolutional(), allocate=np.zeros)


def test_masks_go_by_name():
    flat = FlatParameters(convolutional())
    mask = flat.mask(lambda name: name.endswith("weight"))

    assert mask[flat.views["fc.weight"].start]
    assert not mask[flat.views["fc.bias"].start]
    assert mask.sum() == sum(v.stop - v.start for n, v in flat.views.items() if "weight" in n)


def test_named_views_do_not_depend_on_slices():
    one, three = (FlatParameters(convolutional(), slices=n, bucket_bytes=64) for n in (1, 3))

    for name, part in one.named(one.values).items():
        np.testing.assert_array_equal(part, three.named(three.values)[name])


def test_version_moves_with_every_write():
    module = convolutional()
    flat = FlatParameters(module)
    versions = [flat.version]
    flat.touch()
    versions.append(flat.version)
    module.p["fc.bias"].set(np.ones(5))
    versions.append(flat.version)

    assert sorted(set(versions)) == versions


def test_a_module_without_parameters_has_empty_vectors():
    flat = FlatParameters(Toy(None, {}), slices=2)

    assert (len(flat.values), flat.buckets, flat.slice(1)) == (0, [], [])


def test_a_rank_that_is_not_there_is_refused():
    with pytest.raises(ArgumentError, match=r"`rank` must be an int in \[0, 2\); got 2"):
        FlatParameters(convolutional(), slices=2).slice(2)
