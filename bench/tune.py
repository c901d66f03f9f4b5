"""Search for the fastest kernels of networks on this machine, and keep them in the user's cache.

`engine.compile` plans within a budget of some steps; here whole programs are timed at the full
batch, as long as that takes. `--ship FILE` writes what was found as a plan that comes with the
library (`sandbox/lib/engine/plans/`); then nothing is kept in the cache.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.lib import core, criterion, engine
from sandbox.lib.engine import Spec
from sandbox.lib.nn import zoo

from . import harness, subjects

FIELDS, NUMBERS, WORDS = (1000,) * 8, 11, 20_000


@dataclass(frozen=True)
class Work:
    """A network, the inputs of one sample of it, and the batches it is tuned for.

    Without a batch of training the network is tuned for inference only: the search would take
    minutes, and the plans that ship would grow.
    """

    model: Callable[[], Any]
    inputs: tuple[Spec, ...]
    train: int | None
    infer: tuple[int, ...]


def _texts(length: int) -> tuple[Spec, ...]:
    return (Spec((length,), "int64"),)


def _large(name: str, train: int | None = None) -> Work:
    """Return the work of a network of the speed tables, of 224 x 224 pixels."""
    return Work(subjects.SUBJECTS[name].make, (Spec((3, 224, 224)),), train, (1, 8))


NETWORKS = {
    "lenet": Work(lambda: zoo.lenet5(0), (Spec((1, 28, 28)),), 128, (1, 128)),
    "fast_mnist": Work(lambda: zoo.fast_mnist(0), (Spec((1, 28, 28)),), 128, (1, 128)),
    "fraud": Work(lambda: zoo.fraud_mlp(0), (Spec((29,)),), 256, (1, 8, 256)),
    "wide_deep": Work(
        lambda: zoo.wide_and_deep(FIELDS, NUMBERS, 2, 0, hidden=(100, 50)),
        (Spec((len(FIELDS),), "int64"), Spec((NUMBERS,))),
        1024,
        (1, 1024),
    ),
    "text_cnn": Work(lambda: zoo.text_cnn(WORDS, 2, 0), _texts(200), 64, (1, 8, 64)),
    "lstm": Work(lambda: zoo.lstm_sentiment(WORDS, 2, 0), _texts(200), 64, (1, 8, 64)),
    "gru": Work(lambda: zoo.gru_sentiment(WORDS, 2, 0), _texts(200), 64, (1, 64)),
    "resnet20": Work(lambda: zoo.resnet20(0), (Spec((3, 32, 32)),), 64, (1, 8, 64)),
    "vgg": Work(lambda: zoo.vgg(0), (Spec((3, 32, 32)),), 64, (1, 64)),
    "transformer": Work(
        lambda: zoo.transformer_classifier(WORDS, 2, 0), _texts(128), 32, (1, 8, 32)
    ),
    "resnet50": _large("resnet50", 8),
    "mobilenet_v2": _large("mobilenet_v2", 8),
    "squeezenet": _large("squeezenet"),
    "googlenet": _large("googlenet"),
    "vgg16": _large("vgg16"),
}


def of_subject(name: str) -> Work:
    """Return the work of a network of the speed tables."""
    subject = subjects.SUBJECTS[name]
    inputs = tuple(Spec(array.shape[1:], array.dtype.name) for array in subjects.rows(name, 1))
    return Work(subject.make, inputs, subject.training, subject.batches)


def tune(work: Work, batch: int, threads: int, plan: engine.KernelPlan, *, training: bool) -> float:
    """Tune one program; give the seconds that took."""
    model = work.model()
    flat = core.FlatParameters(model)
    inputs = tuple(Spec((batch, *spec.shape), spec.dtype) for spec in work.inputs)
    if training:
        target = Spec((batch,), "int64")
        oplist = core.trace_training(model, criterion.CrossEntropy(), inputs, target)
    else:
        oplist = core.trace_inference(model, inputs)
    started = time.perf_counter()
    engine.tune(oplist, flat.storage(), threads=threads, plan=plan)
    return time.perf_counter() - started


def main(arguments: list[str], report: harness.Report) -> int:
    """Tune what was asked for."""
    parser = harness.options("tune", __doc__)
    parser.add_argument("--only", choices=NETWORKS, nargs="+", default=[*NETWORKS], help="networks")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="of each program")
    parser.add_argument("--ship", type=Path, help="the file to write, added to what is there")
    chosen = parser.parse_args(arguments)
    plan = engine.default_plan()
    if chosen.ship:
        plan = engine.KernelPlan(fingerprint=engine.fingerprint())
        if chosen.ship.exists():
            plan.merge(engine.KernelPlan.from_json(chosen.ship.read_text(encoding="utf-8")))
    for name in chosen.only:
        work = NETWORKS[name]
        for threads in chosen.threads:
            jobs = [(True, work.train)] if work.train else []
            for training, batch in (*jobs, *((False, n) for n in work.infer)):
                seconds = tune(work, batch, threads, plan, training=training)
                mode = "train" if training else "inference"
                report.value(f"{name} {mode}, batch {batch}, {threads} thread(s)", seconds, "s")
                if chosen.ship:
                    lines = json.dumps(json.loads(plan.to_json()), indent=0, sort_keys=True)
                    chosen.ship.write_text(lines + "\n", encoding="utf-8")
    return report.close()
