"""DataFrames through a model: rows/s of transform against the bare program's; rows to ranks.

1. `transform` of `--rows` cached rows, every column written to nowhere, against the compiled
   program alone, which runs as many rows from memory in a thread for each core. The sides take
   turns. LeNet-5 and ResNet-20 (a tenth of the rows) read images as bytes; the MLP (100-64-2)
   reads vectors, and shows what Spark itself costs, which is more than so small a network.
2. From the call of `fit` with a DataFrame of `--rows` x 100 floats, cached, to the first step, and
   what of it are the rows: the same with 1,000 rows is taken off.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from . import harness

SHARE, START_S, MEGABYTES = 0.8, 20.0, 150.0
FEATURES = 100


def lenet(spark: Any, rows: int, cores: int) -> tuple[Any, Any, np.ndarray]:
    """Give a scorer of images, a cached DataFrame of them, and rows as the program takes them."""
    from sandbox.lib.data import transforms
    from sandbox.lib.nn import zoo

    chain = transforms.Compose(transforms.AddChannel(), transforms.Normalize(1 / 255))
    return images(spark, zoo.lenet5(0), (28, 28), chain, rows, cores)


def resnet(spark: Any, rows: int, cores: int) -> tuple[Any, Any, np.ndarray]:
    """Give the same of larger images."""
    from sandbox.lib.data import transforms
    from sandbox.lib.nn import zoo

    chain = transforms.Normalize(1 / 255)
    return images(spark, zoo.resnet20(rng=0), (3, 32, 32), chain, rows, cores)


def images(
    spark: Any, model: Any, shape: tuple[int, ...], chain: Any, rows: int, cores: int
) -> tuple[Any, Any, np.ndarray]:
    """Give the three for images of a shape."""
    from sandbox.lib.data import ArrayDataset, Preparation
    from sandbox.lib.spark.scoring import Outputs, Scorer

    some = np.random.default_rng(0).integers(0, 256, (256, *shape), np.uint8)
    prepare = Preparation(ArrayDataset(some[:1], [0], transform=chain))
    scorer = Scorer(model, "image", Outputs(kind="vector"), prepare=prepare)
    frame = spark.createDataFrame([(bytes(image),) for image in some], "image binary")
    return scorer, cached(spark, frame, rows, cores), chain(some)


def mlp(spark: Any, rows: int, cores: int) -> tuple[Any, Any, np.ndarray]:
    """Give the same of a table's rows."""
    from pyspark.ml.linalg import Vectors

    from sandbox.lib.nn import zoo
    from sandbox.lib.spark.scoring import Outputs, Scorer

    table = np.random.default_rng(0).standard_normal((256, FEATURES), np.float32)
    scorer = Scorer(
        zoo.mlp([FEATURES, 64, 2], rng=0), "row", Outputs(kind="vector"), shape=(FEATURES,)
    )
    frame = spark.createDataFrame([(Vectors.dense(row),) for row in table], ["row"])
    return scorer, cached(spark, frame, rows, cores), table


def cached(spark: Any, frame: Any, rows: int, cores: int) -> Any:
    """Give so many rows, the same ones again and again, in Spark's memory."""
    many = spark.range(0, -(-rows // 256), 1, 4 * cores).crossJoin(frame).limit(rows)
    many = many.repartition(4 * cores).persist()
    many.count()
    return many


def rates(name: str, made: Any, rows: int, cores: int, rounds: int, report: Any) -> None:
    """Time both sides."""
    from sandbox.lib import core, engine
    from sandbox.lib.spark.scoring.runner import fitting_rows

    scorer, frame, batch = made
    size = fitting_rows(batch)
    batch = batch[:size]
    program = core.predict_program(scorer.model, None, core.Spec(batch.shape, "float32"), threads=1)
    pool = ThreadPoolExecutor(cores)

    def share(count: int) -> None:
        with engine.threads.limit(1):
            for _ in range(count):
                program.run(batch)

    def bare() -> None:
        list(pool.map(share, [-(-rows // size // cores)] * cores))

    def transform() -> None:
        scorer.transform(frame).write.format("noop").mode("overwrite").save()

    ours, theirs = harness.alternate(transform, bare, rounds=rounds, warm=1, seconds=0)
    frame.unpersist()
    pool.shutdown()
    report(
        f"{name}: transform {rows / ours.fastest:,.0f} rows/s, program {rows / theirs.fastest:,.0f}"
    )
    report.versus(f"{name}: {rows:,} rows", ours, theirs, bar=None if name == "MLP" else SHARE)


def start(spark: Any, rows: int, cores: int) -> tuple[float, float]:
    """Give the seconds from `fit` to the first step, and the megabytes of the rows."""
    from pyspark.sql import functions as f

    from sandbox.lib import criterion, nn, optim
    from sandbox.lib.spark import SparkBackend, SparkDataset
    from sandbox.lib.train import Trainer

    columns = [f.rand(k).cast("float").alias(f"x{k}") for k in range(FEATURES)]
    frame = spark.range(0, rows, 1, 4 * cores).select(
        f.array(*columns).alias("features"), (f.col("id") % 2).alias("label")
    )
    frame = frame.persist()
    frame.count()
    trainer = Trainer(
        nn.zoo.mlp([FEATURES, 64, 2], rng=0),
        criterion.CrossEntropy(),
        optim.SGD(0.1),
        batch_size=256,
        progress=None,
        backend=SparkBackend(spark, ranks=cores),
    )
    first: list[float] = []
    trainer.subscribe(
        lambda event: first.append(time.perf_counter()) if event["type"] == "iteration" else None
    )
    begin = time.perf_counter()
    trainer.fit(SparkDataset(frame), steps=2)
    frame.unpersist()
    return first[0] - begin, rows * FEATURES * 4 / 1e6


def main(arguments, report):
    """Measure."""
    parser = harness.options("scoring", __doc__, rounds=5)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of each table")
    parser.add_argument("--cores", type=int, default=2, help="of the session")
    chosen = parser.parse_args(arguments)

    from sandbox.lib.spark import spark_session

    spark = spark_session(f"local[{chosen.cores}]", conf={"spark.driver.memory": "4g"})
    try:
        for name, make, part in (("ResNet-20", resnet, 10), ("LeNet-5", lenet, 1), ("MLP", mlp, 1)):
            rows = chosen.rows // part
            made = make(spark, rows, chosen.cores)
            rates(name, made, rows, chosen.cores, chosen.rounds, report)
        start(spark, 1000, chosen.cores)
        empty, _ = start(spark, 1000, chosen.cores)
        seconds, megabytes = start(spark, chosen.rows, chosen.cores)
    finally:
        spark.stop()
    what = f"fit of {chosen.rows:,} x {FEATURES}: first step"
    report.value(what, seconds, "s", at_most=START_S)
    report.value("the same of 1,000 rows", empty, "s")
    rate = megabytes / max(seconds - empty, 1e-3) / chosen.cores
    report.value("cached DataFrame to ranks, a core", rate, "MB/s", at_least=MEGABYTES)
    return report.close()
