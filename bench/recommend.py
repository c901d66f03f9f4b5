"""Recommenders of films: neural collaborative filtering, popularity and Spark's implicit ALS.

MovieLens ml-latest-small, every rating a film watched. Of each person the last film is the test,
the one before it the validation part; each is hidden among 99 films that the person never watched,
drawn once, the same for all. Popularity counts who watched a film. ALS (rank, regParam, alpha) and
the networks (`NETWORKS`) are chosen by HitRatio@10 of the validation part, learn then from
everything before the test, and are asked about it once. A committee adds up the scores of some
seeds; there is one of ALS too, for a like comparison. Networks train in this process on one thread,
or with --ranks on Spark.
"""

from __future__ import annotations

import itertools
import time

import numpy as np

from sandbox.lib import criterion, data, nn, optim
from sandbox.lib.data import Interactions, NegativeSampling, RankingLists, leave_last_out
from sandbox.lib.metrics import NDCG, HitRatio
from sandbox.lib.train import Trainer

from . import harness

GRID = {"rank": (8, 16, 32), "regParam": (0.01, 0.1, 0.3), "alpha": (1.0, 10.0, 40.0)}
NETWORKS = {
    "factors 32, penalty 0.001": {"factors": 32, "l2": 0.001},
    "factors 32, penalty 0.002": {"factors": 32, "l2": 0.002},
}
JUDGES = HitRatio(10, negatives=99), NDCG(10, negatives=99)
BAR = 10.0  # points above popularity


class Films:
    """The ratings, numbered and split."""

    def __init__(self) -> None:
        columns, _, self.source = data.movielens.load()
        self.people, user = np.unique(columns["userId"], return_inverse=True)
        self.films, item = np.unique(columns["movieId"], return_inverse=True)
        rows = np.arange(len(user))
        before, test = leave_last_out(user, columns["timestamp"])
        kept = leave_last_out(user[before], columns["timestamp"][before])
        parts = {"learn": before[kept[0]], "validation": before[kept[1]]}
        parts |= {"before": before, "test": test, "all": rows}
        sizes = {"n_users": len(self.people), "n_items": len(self.films)}
        self.pairs = {n: Interactions(user[r], item[r], **sizes) for n, r in parts.items()}
        self.lists = {
            name: RankingLists(self.pairs[name].users, self.pairs[name].items, self.pairs["all"],
                               seed=seed)
            for seed, name in enumerate(("validation", "test"))
        }  # fmt: skip

    def judge(self, scores, part: str) -> tuple[float, float]:
        """Return HitRatio@10 in percent and NDCG@10 of scores of a part's lists."""
        lists = self.lists[part]
        hit, gain = (float(one(np.reshape(scores, (-1, 1)), lists.y)) for one in JUDGES)
        return 100 * hit, gain


def als(films: Films, spark, learnt: str, part: str, seed: int = 0, **settings):
    """Fit Spark's ALS on a part; return the scores of another part's lists."""
    from pyspark.ml.recommendation import ALS

    pairs, lists = films.pairs[learnt], films.lists[part]
    import pandas as pd

    frame = pd.DataFrame({"user": pairs.users, "item": pairs.items, "watched": 1.0})
    model = ALS(
        userCol="user",
        itemCol="item",
        ratingCol="watched",
        implicitPrefs=True,
        seed=seed,
        **settings,
    ).fit(spark.createDataFrame(frame))
    sides = []
    for factors, count in ((model.userFactors, pairs.n_users), (model.itemFactors, pairs.n_items)):
        table = np.zeros((count, settings["rank"]))  # films that nobody watched have no vector
        for row in factors.collect():
            table[row["id"]] = row["features"]
        sides.append(table)
    return np.einsum("nkf,nkf->nk", sides[0][lists.users], sides[1][lists.items])


def network(films: Films, learnt: str, part: str, seed: int, chosen, backend=None, **settings):
    """Train a network on a part; return the scores of another part's lists."""
    pairs = films.pairs[learnt]
    model = nn.zoo.neural_cf(
        pairs.n_users, pairs.n_items, 1, seed, features=8, hidden=(8,), weighted=False,
        item_bias=True, **settings,
    )  # fmt: skip
    trainer = Trainer(
        model,
        criterion.BCEWithLogits(),
        optim.Adam(0.01, schedule=optim.OneCycle()),
        batch_size=4096,
        seed=seed,
        threads=1 if backend is None else None,
        metrics=(),
        progress=None,
        backend=backend,
    )
    trainer.fit(NegativeSampling(pairs, negatives=chosen.negatives), epochs=chosen.epochs)
    return trainer.predict(films.lists[part]).reshape(-1, 100)


def main(arguments, report):
    """Choose by the validation part, and print the table of the test part."""
    parser = harness.options("recommend", __doc__)
    parser.add_argument("--seeds", type=int, default=4, help="of a committee")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--negatives", type=int, default=8)
    parser.add_argument("--ranks", type=int, default=0, help="train on Spark with so many")
    parser.add_argument("--short", action="store_true", help="one recipe of each, no choosing")
    chosen = parser.parse_args(arguments)
    films = Films()
    report(films.source.describe())
    from sandbox.lib.spark import SparkBackend, spark_session

    spark = spark_session("local[3]", conf={"spark.sql.execution.arrow.pyspark.enabled": True})
    try:
        backend = SparkBackend(spark, ranks=chosen.ranks) if chosen.ranks else None
        table = _table(films, spark, backend, chosen, report)
    finally:
        spark.stop()
    for name, (hit, gain) in table.items():
        report(f"{name:24} HitRatio@10 {hit:5.2f} %, NDCG@10 {gain:.4f}")
    ours = table["NCF, committee"][0]
    judged = films.source.kind == "real" and not chosen.short
    above = ours - table["popularity"][0]
    report.value("NCF minus popularity", above, "points", at_least=BAR if judged else None)
    above = ours - table["ALS"][0]
    report.value("NCF minus ALS", above, "points", at_least=0.0 if judged else None)
    return report.close()


def _table(films: Films, spark, backend, chosen, report):
    counts = films.pairs["before"].counts()
    table = {"popularity": films.judge(counts[films.lists["test"].items], "test")}

    grid = [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]
    if chosen.short:
        grid = [{"rank": 16, "regParam": 0.1, "alpha": 10.0}]
    found = {}
    for settings in grid:
        name = ", ".join(f"{key} {value}" for key, value in settings.items())
        found[name] = films.judge(
            als(films, spark, "learn", "validation", **settings), "validation"
        )
        report(f"ALS, {name}: validation {found[name][0]:.2f} %, {found[name][1]:.4f}")
    best = grid[int(np.argmax([hit for hit, _ in found.values()]))]
    scores = [als(films, spark, "before", "test", seed, **best) for seed in range(chosen.seeds)]
    table["ALS"] = films.judge(scores[0], "test")
    table["ALS, committee"] = films.judge(sum(scores), "test")

    recipes = dict(list(NETWORKS.items())[: 1 if chosen.short else None])
    found, seconds = {}, []
    for name, settings in recipes.items():
        if len(recipes) > 1:
            votes = []
            for seed in range(chosen.seeds):
                started = time.perf_counter()
                votes.append(
                    network(films, "learn", "validation", seed, chosen, backend, **settings)
                )
                seconds.append(time.perf_counter() - started)
            singles = ", ".join(f"{films.judge(vote, 'validation')[0]:.2f}" for vote in votes)
            found[name] = films.judge(sum(votes), "validation")
            report(
                f"NCF, {name}: validation {found[name][0]:.2f} %, {found[name][1]:.4f}; "
                f"seeds {singles}; {np.mean(seconds):.0f} s each"
            )
    best = recipes[max(found, key=lambda name: found[name][0]) if found else next(iter(recipes))]
    votes = [
        network(films, "before", "test", seed, chosen, backend, **best)
        for seed in range(chosen.seeds)
    ]
    for seed, vote in enumerate(votes):
        table[f"NCF, seed {seed}"] = films.judge(vote, "test")
    table["NCF, committee"] = films.judge(sum(votes), "test")
    return table
