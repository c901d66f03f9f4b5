"""ASHA against the full random search: how good the best trial is, for which share of the epochs.

Both search the same 32 settings of a network of two layers (learning rate, widths, batch, weight
decay, dropout), on 4,000 digits of MNIST or 4,000 people of the census; random trains each for 27
epochs, ASHA compares them after 1, 3, 9 and 27. Trials are judged by the accuracy on validation
rows; that of the best model on test rows is shown beside it. The searches run beside each other in
processes, one on each core; the numbers depend neither on that nor on the machine's load.
`--spark MASTER` runs the trials in tasks of Spark instead: the same numbers.
"""

from __future__ import annotations

import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np

from . import harness

TRIALS, EPOCHS, SEEDS = 32, 27, 2
POINTS, SHARE = 0.5, 0.40


def digits() -> tuple[Any, Any, Any]:
    """Return rows of MNIST to train with, to judge by and to test with."""
    from sandbox.lib.data import mnist

    def rows(part: str, first: int, stop: int) -> tuple[Any, Any]:
        data = mnist.dataset(part)
        x, y = data.rows(0, np.arange(first, stop))
        return x.reshape(len(x), -1), y

    return rows("train", 0, 4000), rows("train", 50_000, 54_000), rows("test", 0, 10_000)


def people() -> tuple[Any, Any, Any]:
    """Return people of the census alike: numbers scaled, categories as columns of 0 and 1."""
    import pandas

    from sandbox.lib.data import census

    train, test = (census.load(part).table for part in ("train", "test"))
    both = pandas.get_dummies(
        pandas.concat([train, test])[[*census.NUMBERS, *census.CATEGORIES]],
        columns=list(census.CATEGORIES), dtype=float,
    ).to_numpy(np.float32)  # fmt: skip
    both[:, :5] = np.log1p(both[:, :5])
    both[:, :5] = (both[:, :5] - both[:, :5].mean(0)) / both[:, :5].std(0)
    income = pandas.concat([train, test])[census.LABEL].to_numpy()
    y = (income == census.CLASSES[1]).astype(np.int64)
    cuts = ((0, 4000), (20_000, 24_000), (len(train), len(both)))
    first, second, third = ((both[a:b], y[a:b]) for a, b in cuts)
    return first, second, third


SETS = {"digits": (digits, 10), "census": (people, 2)}


def searched(
    rows: tuple[Any, Any, Any], classes: int, method: str, seed: int, trials: int, spark: Any
) -> Any:
    """Search with one method."""
    from sandbox.lib import criterion, nn, optim
    from sandbox.lib.spark import tune
    from sandbox.lib.train import Trainer

    features = rows[0][0].shape[1]

    def model_fn(config: Any, rng: Any) -> Any:
        first, second = config["width"], config["second"]
        model = nn.Sequential(
            fc1=nn.Linear(features, first, rng=rng), act1=nn.ReLU(),
            drop=nn.Dropout(config["dropout"]),
            fc2=nn.Linear(first, second, rng=rng), act2=nn.ReLU(),
            fc3=nn.Linear(second, classes, rng=rng),
        )  # fmt: skip
        method = optim.AdamW(config["lr"], weight_decay=config["decay"])
        return Trainer(
            model, criterion.CrossEntropy(), method, batch_size=config["batch"], threads=1
        )

    space = {
        "lr": tune.log_uniform(1e-5, 1.0),
        "width": tune.integers(8, 128, log=True),
        "second": tune.integers(8, 64, log=True),
        "batch": tune.choice([32, 64, 128, 256]),
        "decay": tune.log_uniform(1e-5, 1e-1),
        "dropout": tune.uniform(0.0, 0.6),
    }
    return tune.search(
        model_fn, space, rows[0], validation=rows[1], method=method, trials=trials,
        epochs=EPOCHS, metric="top1", seed=seed, spark=spark, progress=None,
    )  # fmt: skip


def compared(name: str, seed: int, trials: int, spark: Any) -> tuple[list[str], float, float]:
    """Search with both methods.

    Returns
    -------
    lines, points that ASHA is behind, its share of the epochs
    """
    read, classes = SETS[name]
    rows, lines, told = read(), [], {}
    for method in ("random", "asha"):
        began = time.perf_counter()
        found = told[method] = searched(rows, classes, method, seed, trials, spark)
        test = found.best.trainer.evaluate(rows[2])["top1"]
        lines.append(
            f"{name}, seed {seed}, {method:<6} validation {100 * found.best.score:.2f} %, "
            f"test {100 * test:.2f} %, {found.epochs} epochs, "
            f"{time.perf_counter() - began:.0f} s; {found.best!r}"
        )
    random, asha = told["random"], told["asha"]
    return lines, 100 * (random.best.score - asha.best.score), asha.epochs / random.epochs


def main(arguments: list[str], report: harness.Report) -> int:
    """Print accuracies and epochs of both."""
    parser = harness.options("search", __doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="searches of each kind")
    parser.add_argument("--trials", type=int, default=TRIALS, help="settings of each search")
    parser.add_argument("--spark", metavar="MASTER", help="run trials in Spark's tasks")
    given = parser.parse_args(arguments)
    # Those that take longest begin first.
    jobs = [(name, seed) for name in ("census", "digits") for seed in range(given.seeds)]
    several = ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"))
    with ThreadPoolExecutor(1) if given.spark else several as pool:
        asked = [pool.submit(compared, *job, given.trials, given.spark) for job in jobs]
        answers = dict(zip(jobs, (one.result() for one in asked), strict=True))
    for name in SETS:
        mine = [answers[name, seed] for seed in range(given.seeds)]
        for lines, _, _ in mine:
            for line in lines:
                report(line)
        behind, shares = [one[1] for one in mine], [one[2] for one in mine]
        report.value(f"{name}: points behind, mean", statistics.mean(behind), at_most=POINTS)
        report.value(f"{name}: points behind, worst", max(behind))
        report.value(f"{name}: share of the epochs, most", max(shares), at_most=SHARE)
    return report.close()
