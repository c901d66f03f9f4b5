"""Event files written by us, read back by TensorBoard's own reader."""

from __future__ import annotations

import io
import os
import pickle
import signal
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.engine.crc32c import crc32c, masked_crc32c
from sandbox.lib.engine.wire import varint
from sandbox.lib.summary import EventWriter
from sandbox.lib.summary.png import as_pixels, encode_png


def read(folder):
    """Return TensorBoard's accumulator of a folder, with everything kept."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what TensorBoard imports warns of its own affairs
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(
            str(folder), size_guidance={"scalars": 0, "histograms": 0, "images": 0, "tensors": 0}
        )
        events.Reload()
    return events


def test_scalars_come_back_with_step_value_and_time(tmp_path):
    with EventWriter(tmp_path / "run") as writer:
        for step in range(100):
            writer.scalar("train/loss", 1 / (step + 1), step)
            writer.scalar("train/rate", step, step)
    events = read(tmp_path / "run")
    assert {"train/loss", "train/rate"} == set(events.Tags()["scalars"])
    loss = events.Scalars("train/loss")
    assert list(range(100)) == [e.step for e in loss]
    np.testing.assert_allclose([e.value for e in loss], 1 / np.arange(1, 101), rtol=1e-6)
    assert 0 <= loss[-1].wall_time - loss[0].wall_time < 60


@pytest.mark.parametrize("value", [np.nan, np.inf, np.float32(3.5), np.array([2.0]), 7])
def test_any_number_is_a_scalar(tmp_path, value):
    with EventWriter(tmp_path) as writer:
        writer.scalar("a", value, np.int64(3))
    (event,) = read(tmp_path).Scalars("a")
    np.testing.assert_equal(event.value, float(np.asarray(value).reshape(())))


def test_histogram_comes_back_with_its_counts_and_moments(tmp_path):
    values = np.random.default_rng(0).standard_normal((20, 50))
    values[0, 0] = np.nan
    kept = values[np.isfinite(values)]
    with EventWriter(tmp_path) as writer:
        writer.histogram("weights", values, 5)
        writer.histogram("zeros", np.zeros(4, "f4"), 5)
    (event,) = read(tmp_path).Histograms("weights")
    counts, edges = np.histogram(kept, 30)
    found = event.histogram_value
    assert event.step == 5
    assert [0, *counts] == list(found.bucket)
    np.testing.assert_allclose(found.bucket_limit, edges)
    assert found.num == kept.size
    np.testing.assert_allclose(
        [found.min, found.max, found.sum, found.sum_squares],
        [kept.min(), kept.max(), kept.sum(), (kept**2).sum()],
    )


def test_image_and_text_come_back(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    with EventWriter(tmp_path) as writer:
        writer.image("filters", picture, 2)
        writer.text("model", "LeNet-5, größer", 2)
    events = read(tmp_path)
    (image,) = events.Images("filters")
    assert (image.width, image.height, image.step) == (7, 5, 2)
    np.testing.assert_array_equal(
        picture, np.asarray(Image.open(io.BytesIO(image.encoded_image_string)))
    )
    (text,) = events.Tensors("model")
    assert list(text.tensor_proto.string_val) == [b"LeNet-5, gr\xc3\xb6\xc3\x9fer"]
    assert events.summary_metadata["model"].plugin_data.plugin_name == "text"


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_is_what_pillow_reads(channels):
    pixels = np.random.default_rng(1).integers(0, 256, (9, 4, channels), dtype=np.uint8)
    found = np.asarray(Image.open(io.BytesIO(encode_png(pixels))))
    np.testing.assert_array_equal(pixels.squeeze(2) if channels == 1 else pixels, found)


def test_pixels_of_floats_and_of_channels_first():
    assert as_pixels(np.zeros((2, 3))).shape == (2, 3, 1)
    np.testing.assert_array_equal([[[0, 128, 255]]], as_pixels(np.array([[[-1, 0.5, 2]]])))
    assert as_pixels(np.zeros((3, 8, 9))).shape == (8, 9, 3)
    with pytest.raises(DataError, match=r"must have shape \(height, width\)"):
        as_pixels(np.zeros((2, 5, 5, 3)))
    with pytest.raises(DataError, match="got NaN"):
        as_pixels(np.full((2, 2), np.nan))


def test_killed_process_leaves_a_readable_file(tmp_path):
    code = f"""
import os, sys
from sandbox.lib.summary import EventWriter
writer = EventWriter({str(tmp_path)!r}, flush_seconds=0)
for step in range(50):
    writer.scalar("loss", step, step)
writer.flush()
print("ready", flush=True)
while True:
    step += 1
    writer.scalar("loss", step, step)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"ready\n"
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    steps = [e.step for e in read(tmp_path).Scalars("loss")]
    assert list(range(len(steps))) == steps
    assert len(steps) >= 50


def test_torn_last_record_does_not_hide_the_others(tmp_path):
    with EventWriter(tmp_path) as writer:
        for step in range(10):
            writer.scalar("loss", step, step)
    writer.path.write_bytes(writer.path.read_bytes()[:-5])
    assert list(range(9)) == [e.step for e in read(tmp_path).Scalars("loss")]


def test_resumed_writer_replaces_the_steps_it_does_again(tmp_path):
    with EventWriter(tmp_path) as writer:
        for step in range(10):
            writer.scalar("loss", 1, step)
    with EventWriter(tmp_path, purge_step=6) as writer:
        for step in range(6, 12):
            writer.scalar("loss", 2, step)
    loss = read(tmp_path).Scalars("loss")
    assert list(range(12)) == [e.step for e in loss]
    assert [e.value for e in loss] == [1] * 6 + [2] * 6


def test_files_of_one_second_stand_in_the_order_of_their_making(tmp_path):
    paths = []
    for _ in range(12):  # past 9, whatever the count was
        with EventWriter(tmp_path) as writer:
            paths.append(writer.path)
    assert paths == sorted(paths)


def test_threads_may_share_a_writer(tmp_path):
    with EventWriter(tmp_path, flush_seconds=0.001) as writer:
        threads = [
            threading.Thread(target=lambda t=t: [writer.scalar(f"t{t}", i, i) for i in range(200)])
            for t in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    events = read(tmp_path)
    for t in range(4):
        assert list(range(200)) == [e.step for e in events.Scalars(f"t{t}")]


def test_two_writers_in_one_folder_have_two_files(tmp_path):
    with EventWriter(tmp_path) as one, EventWriter(tmp_path) as two:
        assert one.path != two.path


def test_bad_arguments_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArgumentError, match="log_dir must be a folder one can write to"):
        EventWriter(tmp_path / "file")
    writer = EventWriter(tmp_path / "run")
    with pytest.raises(ArgumentError, match="tag must be a text"):
        writer.scalar("", 1, 1)
    with pytest.raises(ArgumentError, match=r"step must be an int; got 1\.5"):
        writer.scalar("a", 1, 1.5)
    with pytest.raises(DataError, match="must have finite values"):
        writer.histogram("a", [np.nan], 1)
    with pytest.raises(ArgumentError, match="must stay in the process"):
        pickle.dumps(writer)
    writer.close()
    writer.close()
    with pytest.raises(ArgumentError, match="must be open"):
        writer.scalar("a", 1, 1)


def test_crc_has_the_values_of_rfc_3720():
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300), st.integers(-(1 << 63), (1 << 63) - 1))
def test_checksum_and_numbers_agree_with_tensorboard_and_protobuf(data, number):
    from google.protobuf.internal import encoder
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c as theirs

    assert int(theirs(data)) & 0xFFFFFFFF == masked_crc32c(data)
    pieces = []
    encoder._EncodeSignedVarint(pieces.append, number, True)
    assert b"".join(pieces) == varint(number)
