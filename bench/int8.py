"""int8 against our own f32: ResNet-20, ResNet-50, MobileNetV2, batch 1 and 8; MNIST accuracy.

"ours" is the quantized model, "theirs" the given one, in turns on one thread, both compiled here
and now. The same with AVX2 alone, in a process of its own. Then LeNet-5 and ResNet-20 are trained
on MNIST, and all 10,000 test images are read by both.
"""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np

from sandbox.lib import core, criterion, engine, optim
from sandbox.lib.core import Spec
from sandbox.lib.data import mnist
from sandbox.lib.engine import dnnl
from sandbox.lib.nn import zoo
from sandbox.lib.quantize import quantize
from sandbox.lib.train import Trainer

from . import harness

NETWORKS = {
    "resnet20": (lambda: zoo.resnet20(0), 32, 2.5, 1.4),
    "resnet50": (lambda: zoo.resnet50(0), 224, 2.5, 1.4),
    "mobilenet_v2": (lambda: zoo.mobilenet_v2(0), 224, 1.0, 1.0),
}
NEAR = 0.2  # relative: rounding adds up over 50 layers of random weights
LOST = 0.1


def speed(report, names, batches, rounds):
    """Compare times."""
    with engine.threads.limit(1):
        for name in names:
            _speed(report, name, batches, rounds)


def _speed(report, name, batches, rounds):
    vnni = dnnl.has_vnni()
    make, size, *bars = NETWORKS[name]
    for batch in batches:
        what = f"{name} batch {batch}, {'VNNI' if vnni else 'AVX2'}"
        model = make()
        images = np.random.default_rng(0).standard_normal((batch, 3, size, size), np.float32)
        small = quantize(model, images, batch_size=batch)
        kinds = [row.kernel for row in small.report.rows]
        spec = Spec.of(images)
        ours, theirs = (core.predict_program(m, m, spec) for m in (small, model))
        error = small.report.error
        if error > NEAR:
            raise harness.RefusedError(f"{what}: outputs differ by {error}, relative")
        report(
            f"{what}: int8 in {kinds.count('int8')} of {len(kinds)} layers, "
            f"output differs by {100 * error:.1f} %"
        )
        times = harness.alternate(
            lambda ours=ours, images=images: ours.run(images),
            lambda theirs=theirs, images=images: theirs.run(images),
            rounds=rounds,
        )
        report.versus(what, *times, bar=bars[0 if vnni else 1])


def trained(model, epochs, rate, rows):
    """Train a model on MNIST; return the images."""
    trainer = Trainer(
        model,
        criterion.CrossEntropy(),
        optim.SGD(rate, momentum=0.9, nesterov=True, schedule=optim.OneCycle()),
        seed=0,
        threads=1,
        progress=None,
    )
    images, labels = mnist.dataset("train").rows(0, range(rows))
    trainer.fit((images, labels), epochs=epochs)
    return images


def accuracy(report, calibration, rows):
    """Compare what both make of the 10,000 test images."""
    report(f"data: {mnist.load('test').provenance.describe()}")
    tests = mnist.dataset("test")
    x, labels = tests.rows(0, range(len(tests)))
    networks = {
        "lenet5": (zoo.lenet5(0), 2, 0.1),
        "resnet20": (zoo.resnet(20, 0, channels=1), 1, 0.1),
    }
    for name, (model, epochs, rate) in networks.items():
        images = trained(model, epochs, rate, rows)
        small = quantize(model, images[:1000], calibration=calibration, timed=False)
        guesses = [predicted(m, x) for m in (model, small)]
        scores = [100 * float((found == labels).mean()) for found in guesses]
        flipped = int((guesses[0] != guesses[1]).sum())
        kinds = [row.kernel for row in small.report.rows]
        report(
            f"{name}: f32 {scores[0]:.2f} %, int8 in {kinds.count('int8')} of {len(kinds)} layers "
            f"{scores[1]:.2f} %, {flipped} of {len(x)} images flipped"
        )
        report.value(f"{name}: accuracy lost", scores[0] - scores[1], "points", at_most=LOST)


def predicted(model, x):
    """Return the classes a model gives."""
    program = core.predict_program(model, model, Spec((500, *x.shape[1:])))
    parts = [np.array(program.run(x[k : k + 500])) for k in range(0, len(x), 500)]
    return np.concatenate(parts).argmax(1)


def main(arguments, report):
    """Run the comparison."""
    parser = harness.options("int8", __doc__, rounds=15)
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--batches", nargs="*", type=int, default=[1, 8])
    parser.add_argument("--calibration", default="min_max")
    parser.add_argument("--images", type=int, default=40_000, help="of MNIST, to train on")
    parser.add_argument("--no-accuracy", action="store_true", help="times alone")
    parser.add_argument("--no-speed", action="store_true", help="accuracy alone")
    parser.add_argument("--no-avx2", action="store_true", help="this processor as it is")
    chosen = parser.parse_args(arguments)
    report(f"kernels: {engine.fingerprint()}; 1 thread")
    if not chosen.no_speed:
        speed(report, chosen.networks, chosen.batches, chosen.rounds)
    if not (chosen.no_avx2 or chosen.no_speed) and dnnl.has_vnni():
        again = [*arguments, "--no-avx2", "--no-accuracy"]
        child = subprocess.run(
            [sys.executable, "-m", "bench", "int8", *again],
            env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"},
            capture_output=True,
            text=True,
            check=False,
        )
        for line in child.stdout.splitlines():
            report(f"AVX2: {line}")
        if child.returncode:
            report.missed.append(f"AVX2 {child.stderr[-500:]}".strip())
    if not chosen.no_accuracy:
        accuracy(report, chosen.calibration, chosen.images)
    return report.close()
