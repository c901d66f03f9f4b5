"""A small search that the tests of model selection share; also a process that one can kill."""

from __future__ import annotations

import sys

import numpy as np

from sandbox.lib import criterion, nn, optim
from sandbox.lib.spark import tune
from sandbox.lib.train import Trainer

SPACE = {"lr": tune.log_uniform(1e-3, 1.0), "width": tune.choice([4, 16])}


def rows():
    random = np.random.default_rng(0)
    x = random.standard_normal((600, 4)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
    return (x[:400], y[:400]), (x[400:], y[400:])


def model_fn(config, rng):
    model = nn.zoo.mlp([4, config["width"], 2], rng=rng)
    return Trainer(
        model, criterion.CrossEntropy(), optim.Adam(config["lr"]), batch_size=32, threads=1
    )


def searched(make=model_fn, space=None, **options):
    data, validation = rows()
    settings = {"method": "asha", "trials": 9, "epochs": 9, "progress": None, **options}
    return tune.search(
        make, SPACE if space is None else space, data, validation=validation, **settings
    )


def table(found):
    """The table without what depends on the clock."""
    return found.table.drop(columns="seconds").to_dict("records")


if __name__ == "__main__":  # tune_kit.py FOLDER [MASTER]
    folder, *master = sys.argv[1:]
    spark = master[0] if master else None
    searched(folder=folder, spark=spark, progress=lambda found, one: print(one.trial, flush=True))
