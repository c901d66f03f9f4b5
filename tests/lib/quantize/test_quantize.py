"""Whole models in bytes: what they give, as programs, from files, on other processors."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from sandbox import widgets
from sandbox.lib import core, criterion, engine, nn, optim, train
from sandbox.lib.core import Spec
from sandbox.lib.core.errors import ArgumentError, DataError, GradientError, ShapeError
from sandbox.lib.quantize import QuantizedModel, quantize
from sandbox.lib.quantize.report import relative


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((24, 1, 28, 28), dtype="f4")


@pytest.fixture(scope="module")
def lenet(images):
    """All five layers in bytes: the same numbers on every processor."""
    return quantize(nn.zoo.lenet5(0), images, keep_first=False, keep_last=False, timed=False)


def branched(rng=0):
    """Residual sums, a concat, pooling, depthwise, ReLU6 and a signed map that is padded."""
    make = np.random.default_rng(rng)

    def conv(a, b, k=3, **also):
        return nn.Conv2d(a, b, k, padding=k // 2, rng=make, **also)

    x = nn.Input()
    y = nn.ReLU(name="relu1")(nn.BatchNorm(8, name="bn1")(conv(3, 8, name="stem")(x)))
    a = nn.ReLU6(name="relu2")(conv(8, 8, groups=8, name="depthwise")(y))
    b = conv(8, 8, 1, name="signed")(a)
    c = nn.ReLU(name="relu3")(nn.Add(name="add1")(conv(8, 8, name="second")(b), y))
    d = nn.Concat(1, name="concat")(c, a, nn.AvgPool2d(3, stride=1, padding=1, name="mean")(c))
    e = nn.MaxPool2d(2, name="max")(d)
    f = nn.Add(name="add2")(conv(24, 6, name="left")(e), conv(24, 6, 1, name="right")(e))
    g = nn.ReLU(name="relu4")(conv(6, 10, name="last_map")(f))
    flat = nn.Flatten(name="flatten")(nn.GlobalAvgPool2d(name="pool")(g))
    return nn.Graph(x, nn.Linear(10, 4, rng=make, name="fc")(flat))


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(1).standard_normal((10, 3, 12, 12)).astype("f4")


def names(model):
    return [step.op for _, step in model.named_modules() if hasattr(step, "op")]


@pytest.mark.parametrize("calibration", ["min_max", "percentile", "mse", "entropy"])
def test_every_calibration_keeps_near_the_model(images, calibration):
    model = nn.zoo.lenet5(0)

    made = quantize(model, images, calibration=calibration, timed=False)

    assert relative(made(images), model(images)) < 0.05
    assert made.report.error == pytest.approx(relative(made(images), model(images)), abs=1e-6)


def test_all_that_passes_bytes_on_stays_in_bytes(pictures):
    model = branched()

    made = quantize(model, pictures, keep_first=False, keep_last=False, timed=False)

    assert relative(made(pictures), model(pictures)) < 0.06
    found = names(made)
    assert found.count("quantize_int8") == 1
    assert {"concat_int8", "max_pool2d_int8", "avg_pool2d_int8", "pad_int8"} <= set(found)
    assert "batch_norm_inference" not in found
    assert "add" not in found


@pytest.mark.parametrize("name", ["second", "right"])
def test_a_sum_stays_in_float32_with_its_layer(pictures, name):
    model = branched()

    made = quantize(model, pictures, keep=[name], keep_first=False, timed=False)

    assert "add" in names(made)
    assert relative(made(pictures), model(pictures)) < 0.06


def test_native_and_numpy_give_equal_bits(pictures):
    made = quantize(branched(), pictures, keep_first=False, keep_last=False, timed=False)
    first_steps = made(pictures)

    with engine.use_reference():
        reference = made(pictures)
    program = core.predict_program(made, made, Spec(pictures.shape))

    # Between the last layers a mean is taken in float32; all before it is whole.
    np.testing.assert_allclose(first_steps, reference, rtol=1e-6)
    np.testing.assert_array_equal(program.run(pictures), first_steps)


def test_a_whole_network_in_bytes_has_equal_bits_in_numpy(lenet, images):
    eager = lenet(images)

    with engine.use_reference():
        reference = lenet(images)

    np.testing.assert_array_equal(reference, eager)


@pytest.mark.parametrize("rows", [1, 5, 24])
def test_any_number_of_rows_gives_the_same_numbers(lenet, images, rows):
    whole = lenet(images)

    np.testing.assert_array_equal(lenet(images[:rows]), whole[:rows])
    program = core.predict_program(lenet, lenet, Spec((rows, 1, 28, 28)), threads=2)
    np.testing.assert_array_equal(program.run(images[:rows]), whole[:rows])


def test_a_file_gives_equal_bits(lenet, images, tmp_path):
    path = train.save_model(lenet, tmp_path / "small.safetensors")
    full = train.save_model(nn.zoo.lenet5(0), tmp_path / "full.safetensors")

    loaded = train.load_model(path)

    assert isinstance(loaded, QuantizedModel)
    np.testing.assert_array_equal(loaded(images), lenet(images))
    assert path.stat().st_size < 0.45 * full.stat().st_size


@pytest.mark.skipif(not engine.is_native(), reason="needs the native library")
@pytest.mark.parametrize("instructions", ["AVX2", "AVX512_CORE"])
def test_a_file_gives_equal_bits_on_other_processors(lenet, images, tmp_path, instructions):
    path = train.save_model(lenet, tmp_path / "model.safetensors")
    np.save(tmp_path / "images.npy", images)
    code = (
        "import sys, numpy as np; from sandbox.lib import core, train\n"
        "path, images, target = sys.argv[1:]; model, x = train.load_model(path), np.load(images)\n"
        "program = core.predict_program(model, model, core.Spec(x.shape))\n"
        "np.save(target, program.run(x))"
    )
    subprocess.run(
        [sys.executable, "-c", code, path, tmp_path / "images.npy", tmp_path / "out.npy"],
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": instructions},
        check=True,
    )

    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), lenet(images))


def test_full_range_is_finer(images):
    model = nn.zoo.lenet5(0)
    keep = {"keep_first": False, "keep_last": False, "timed": False}

    errors = [quantize(model, images, portable=p, **keep).report.error for p in (True, False)]

    assert errors[1] < 0.8 * errors[0]


def test_first_last_and_named_layers_stay_in_float32(images):
    made = quantize(nn.zoo.lenet5(0), images, keep=["fc1"], timed=False)

    kernels = {row.layer: row.kernel for row in made.report.rows}
    assert kernels == {
        "conv1": "f32 (first)",
        "conv2": "int8",
        "fc1": "f32 (named)",
        "fc2": "int8",
        "fc3": "f32 (last)",
    }


def test_the_worst_layers_go_back_until_the_budget_is_kept(images):
    model = nn.zoo.lenet5(0)
    free = quantize(model, images, timed=False)

    made = quantize(model, images, timed=False, max_error=0.7 * free.report.error)

    assert 0 < made.report.error <= 0.7 * free.report.error
    assert "f32 (error)" in {row.kernel for row in made.report.rows}


def test_timed_layers_are_in_the_report(images):
    report = quantize(nn.zoo.lenet5(0), images).report

    assert report.seconds > 0
    assert report.speedup == report.seconds_f32 / report.seconds
    assert str(report).splitlines()[0].split() == ["layer", "kernel", "error", "ms", "ms", "f32"]


def test_a_budget_no_byte_can_keep_leaves_the_model_as_it_is(images):
    model = nn.zoo.lenet5(0)

    made = quantize(model, images, max_error=1e-6, timed=False)

    assert not [name for name in names(made) if "int8" in name]
    np.testing.assert_allclose(made(images), model(images), rtol=1e-5, atol=1e-6)


def test_it_travels_to_workers(lenet, images):
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(lenet))(images), lenet(images))


def test_it_runs_in_trainers_and_widgets(lenet, images):
    trainer = train.Trainer(
        lenet, criterion.CrossEntropy(), optim.SGD(0.1), progress=None, threads=1
    )

    np.testing.assert_array_equal(trainer.predict(images), lenet(images))
    layers = dict(widgets.layer_outputs(lenet, images[:1]))
    assert layers["conv1"].shape == (1, 6, 24, 24)
    assert layers["conv1"].dtype == np.uint8
    assert widgets.feature_maps(lenet, images[0], layers=("conv1", "conv2"))


def test_it_has_no_gradient(lenet, images):
    lenet.forward(images[:2])

    with pytest.raises(GradientError, match="not defined"):
        lenet.backward(np.ones((2, 10), "f4"))


def test_recurrent_layers_stay_in_float32():
    model = nn.Sequential(
        embedding=nn.Embedding(20, 8, rng=0),
        lstm=nn.LSTM(8, 16, return_sequences=False, rng=0),
        fc1=nn.Linear(16, 16, rng=0),
        relu=nn.ReLU(),
        fc2=nn.Linear(16, 2, rng=0),
    )
    ids = np.random.default_rng(0).integers(0, 20, (12, 7))

    made = quantize(model, ids, keep_first=False, timed=False)

    assert {"embedding", "lstm"} <= set(names(made))
    assert relative(made(ids), model(ids)) < 0.1


def test_several_inputs_and_named_outputs():
    a, b = nn.Input("a"), nn.Input("b")
    both = nn.ReLU()(nn.Linear(6, 5, rng=0, name="first")(nn.Concat(1)(a, b)))
    model = nn.Graph([a, b], {"mean": nn.Linear(5, 2, rng=1, name="head")(both), "deep": both})
    rng = np.random.default_rng(0)
    data = rng.standard_normal((9, 4)).astype("f4"), rng.standard_normal((9, 2)).astype("f4")

    made = quantize(model, data, keep_first=False, timed=False)

    found, true = made(*data), model(*data)
    assert sorted(found) == ["deep", "mean"]
    assert relative(found["mean"], true["mean"]) < 0.05


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (np.zeros((4, 3, 28, 28), "f4"), ShapeError, "`data` must hold rows as the model takes"),
        (np.zeros((0, 1, 28, 28), "f4"), DataError, "at least one row; got none"),
        (np.full((4, 1, 28, 28), np.nan, "f4"), DataError, "NaN or infinity in row 0 and 3 more"),
        ("digits", DataError, "must be an array of rows of numbers"),
        ((np.zeros((4, 2)), np.zeros((5, 2))), DataError, r"as many rows; got \[4, 5\]"),
        ((), DataError, "at least one array"),
    ],
)
def test_bad_data_is_refused(data, kind, message):
    with pytest.raises(kind, match=message):
        quantize(nn.zoo.lenet5(0), data, timed=False)


def test_a_model_without_layers_to_quantize_is_refused(images):
    with pytest.raises(ArgumentError, match="must have a convolution or linear layer"):
        quantize(nn.Sequential(nn.ReLU()), images)
    model = nn.Sequential(flat=nn.Flatten(), fc=nn.Linear(784, 2))
    with pytest.raises(ArgumentError, match=r"all 1 are kept in float32 \(fc: last\)"):
        quantize(model, images, keep_first=False)
    with pytest.raises(ArgumentError, match=r"got 'conv9'\. There are conv2, conv1"):
        quantize(nn.zoo.lenet5(0), images, keep=["conv9"])


def test_a_model_in_bytes_is_not_quantized_again(lenet, images):
    with pytest.raises(ArgumentError, match="got one that is quantized"):
        quantize(lenet, images)


def test_a_wrong_shape_is_named_with_the_step(lenet):
    with pytest.raises(ShapeError, match="conv1"):
        lenet(np.zeros((2, 3, 28, 28), "f4"))


def test_nan_is_refused_by_the_model(lenet, images):
    spoilt = images.copy()
    spoilt[3] = np.nan
    program = core.predict_program(lenet, lenet, Spec(images.shape))

    for run in (lenet, program.run):
        with pytest.raises(DataError, match="got NaN"):
            run(spoilt)
