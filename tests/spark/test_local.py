"""The backend on this machine's own threads: equal to one process, whatever the input."""

from __future__ import annotations

import itertools
import threading
import time

import numpy as np
import pytest

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import ArgumentError, DataError, SparkSetupError
from sandbox.lib.data import ArrayDataset, IdxDataset, ParquetDataset, PartitionedDataset
from sandbox.lib.data import idx as idx_files
from sandbox.lib.spark import SparkBackend, SparkDataset
from sandbox.lib.train import Trainer

pytestmark = pytest.mark.spark


def rows(count=260, seed=1):
    random = np.random.default_rng(seed)
    x = random.standard_normal((count, 6)).astype(np.float32)
    return x, (x[:, 0] + x[:, 1] > 0).astype(np.int64) + (x[:, 2] > 1)


def net():
    return nn.Sequential(
        nn.Linear(6, 24, rng=3), nn.ReLU(), nn.Dropout(0.4), nn.Linear(24, 3, rng=4)
    )


def fit(data, backend, *, steps=50, batch_size=48, watch=None, optimizer=None, **options):
    model = net()
    trainer = Trainer(
        model,
        criterion.CrossEntropy(class_weights=[1.0, 2.0, 0.5]),
        optimizer or optim.SGD(0.1, momentum=0.9, weight_decay=1e-4),
        batch_size=batch_size,
        seed=9,
        threads=1,
        progress=None,
        backend=backend,
        **options,
    )
    if watch is not None:
        trainer.subscribe(watch)
    trainer.fit(data, steps=steps)
    weights = np.concatenate([p.data.ravel() for _, p in model.named_parameters()])
    return trainer, weights


def far(ours, theirs):
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def parts(x, y):
    """Uneven partitions, an empty one among them."""
    cuts = [0, 70, 111, 114, 114, 200, len(x)]
    return [(x[a:b], y[a:b]) for a, b in itertools.pairwise(cuts)]


@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize("exchange", ["shm", "tcp"])
def test_ranks_equal_one_process_over_fifty_steps(local, ranks, exchange):
    data = PartitionedDataset(parts(*rows()))
    _, alone = fit(data, None)
    trainer, together = fit(data, SparkBackend(local, ranks=ranks, exchange=exchange))

    assert far(together, alone) <= 1e-5
    assert len(trainer.history) == 50
    assert len(trainer.history.rank(ranks - 1)["compute"]) == 50
    assert {48.0, 20.0} == set(trainer.history["rows"])


def test_the_start_is_told_stage_by_stage(local):
    said = []
    fit(
        PartitionedDataset(parts(*rows())), SparkBackend(local, ranks=2), watch=said.append, steps=1
    )
    first = next(k for k, event in enumerate(said) if event["type"] == "iteration")
    stages = [event for event in said if event["type"] == "stage"]
    texts = dict.fromkeys(event["text"] for event in stages)  # the last may be told twice
    assert list(texts) == [
        "waiting for Spark's slots",
        "sending the data",
        "starting 2 Python processes",
        "choosing kernels",
    ]
    shares = [event["share"] for event in stages]
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] < 1
    assert said.index(stages[-1]) < first


def test_processes_of_a_session_have_the_library_loaded_already(local):
    def loaded(rows):
        import os
        import sys
        from pathlib import Path

        names = ("sandbox.lib.train.trainer", "sandbox.lib.spark.worker", "pyarrow", "pandas")
        tasks = Path(f"/proc/{os.getppid()}/task").iterdir()
        archives = [p for p, finder in sys.path_importer_cache.items() if "zip" in repr(finder)]
        return [
            [name in sys.modules for name in names],
            sorted(task.joinpath("comm").read_text().strip() for task in tasks),
            len(archives) <= 2,  # of packages inside: each is read again for each task
        ]

    modules, threads, few = local.sparkContext.range(1, numSlices=1).mapPartitions(loaded).collect()
    assert modules == [True, True, True, False]
    assert not [name for name in threads if "jemalloc" in name]  # it would not be forked
    assert few


def test_shared_arrays_equal_one_process(local):
    data = ArrayDataset(*rows())
    _, alone = fit(data, None, optimizer=optim.Adam(1e-2))
    _, together = fit(data, SparkBackend(local, ranks=2), optimizer=optim.Adam(1e-2))

    assert far(together, alone) <= 1e-5


def test_two_runs_are_equal_bit_for_bit_by_shared_memory_and_by_tcp(local):
    data = ArrayDataset(*rows())
    _, first = fit(data, SparkBackend(local, ranks=3, exchange="shm"))
    _, second = fit(data, SparkBackend(local, ranks=3, exchange="tcp"))

    assert first.tobytes() == second.tobytes()


def test_times_of_each_rank_add_up_to_the_wall_time(local):
    # A net whose iteration takes milliseconds, as LeNet's does: sending an event takes 0.1 ms,
    # which belongs to no iteration.
    x = np.random.default_rng(0).standard_normal((1024, 400)).astype(np.float32)
    trainer = Trainer(
        nn.zoo.mlp([400, 600, 400, 2], rng=0),
        criterion.CrossEntropy(),
        optim.SGD(0.01),
        batch_size=512,
        threads=1,
        progress=None,
        backend=SparkBackend(local, ranks=2),
    )
    events = []
    trainer.subscribe(events.append)
    trainer.fit(ArrayDataset(x, (x[:, 0] > 0).astype(np.int64)), steps=60)
    gaps = []
    tables = {event["step"]: event for event in events if event["type"] == "ranks"}
    for event in events:
        if event["type"] == "iteration":
            assert event["ranks"] == 2
            own = tables[event["step"]]["timings"][0]
            parts = own["compute"] + own["wait"] + own["exchange"]
            gaps.append(abs(parts - event["seconds"]) / event["seconds"])

    # The median: another process may take the core between any two iterations.
    assert np.median(gaps) <= 0.02


def test_idx_and_parquet_paths_are_read_by_the_ranks(local, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    x, y = rows()
    digits = np.round(np.clip(x * 40 + 128, 0, 255)).astype(np.uint8)
    idx_files.write_idx(tmp_path / "x.idx", digits)
    idx_files.write_idx(tmp_path / "y.idx", y.astype(np.uint8))
    table = pa.table({**{f"f{i}": x[:, i] for i in range(6)}, "label": y})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=70)
    for data in (
        IdxDataset(tmp_path / "x.idx", tmp_path / "y.idx", transform=lambda a: a / 255.0),
        ParquetDataset(tmp_path / "rows.parquet", label="label", partition_by="row_group"),
    ):
        _, alone = fit(data, None, steps=12)
        _, together = fit(data, SparkBackend(local, ranks=2), steps=12)

        assert far(together, alone) <= 1e-5


def frame_of(spark, x, y, partitions):
    names = [f"f{i}" for i in range(x.shape[1])]
    values = [(*map(float, a), int(b)) for a, b in zip(x, y, strict=True)]
    return spark.createDataFrame(
        spark.sparkContext.parallelize(values, partitions), [*names, "label"]
    )


def collected(frame, columns):
    """The frame's partitions as arrays, through Spark's own slow path."""
    found = frame.rdd.glom().collect()
    return [
        (
            np.array([[row[c] for c in columns] for row in part], np.float32).reshape(-1, 6),
            np.array([row["label"] for row in part], np.int64),
        )
        for part in found
    ]


def test_a_data_frame_equals_its_partitions_in_one_process(local):
    columns = [f"f{i}" for i in range(6)]
    frame = frame_of(local, *rows(), 4)
    _, alone = fit(PartitionedDataset(collected(frame, columns)), None)
    data = SparkDataset(frame, features=columns)
    trainer, together = fit(data, SparkBackend(local, ranks=2))
    _, again = fit(SparkDataset(frame, features=columns), SparkBackend(local, ranks=2))

    assert far(together, alone) <= 1e-5
    assert together.tobytes() == again.tobytes()
    assert sum(data.partition_sizes) == 260
    assert trainer.evaluate(data)["loss"] > 0
    assert local.conf.get("spark.sql.adaptive.enabled") == "true"


@pytest.mark.campaign
def test_lists_vectors_and_bytes_are_features_too(local):
    from pyspark.ml.linalg import Vectors

    x, y = rows(60)
    values = [
        (a.tolist(), Vectors.dense(a.tolist()), bytearray(a.tobytes()), int(b))
        for a, b in zip(x, y, strict=True)
    ]
    frame = local.createDataFrame(values, ["features", "vector", "raw", "label"]).coalesce(2)
    results = [
        fit(data, SparkBackend(local, ranks=2), steps=6)[1]
        for data in (
            frame,
            SparkDataset(frame, features="vector"),
            SparkDataset(frame, features="raw", bytes_dtype=np.float32),
        )
    ]

    assert results[0].tobytes() == results[1].tobytes() == results[2].tobytes()


def test_an_rdd_of_pairs_trains_with_validation_from_a_frame(local):
    x, y = rows(100)
    rdd = local.sparkContext.parallelize(list(zip(x, y.tolist(), strict=True)), 4)
    sizes = [len(part) for part in rdd.glom().collect()]
    cuts = np.cumsum([0, *sizes])
    split = [(x[a:b], y[a:b]) for a, b in itertools.pairwise(cuts)]
    columns = [f"f{i}" for i in range(6)]
    held_out = SparkDataset(frame_of(local, *rows(50, 2), 2).cache(), features=columns)
    _, alone = fit(PartitionedDataset(split), None, steps=12)
    model = net()
    trainer = Trainer(
        model,
        criterion.CrossEntropy(class_weights=[1.0, 2.0, 0.5]),
        optim.SGD(0.1, momentum=0.9, weight_decay=1e-4),
        batch_size=48,
        seed=9,
        progress=None,
        backend=SparkBackend(local, ranks=2),
    )
    trainer.fit(rdd, steps=12, validation=held_out)
    together = np.concatenate([p.data.ravel() for _, p in model.named_parameters()])

    assert far(together, alone) <= 1e-5
    assert 0 <= trainer.history.last_validation["top1"] <= 1


def test_hosts_that_cannot_read_the_drivers_folder_get_the_files(local, monkeypatch):
    from sandbox.lib.spark.rows import inputs

    class Elsewhere(inputs.Storage):
        def handle(self, dataset):
            handle = super().handle(dataset)
            handle.nonce = "another folder"
            return handle

    monkeypatch.setattr("sandbox.lib.spark.rows.travel._SMALL", 0)
    monkeypatch.setattr("sandbox.lib.spark.rows.inputs._PIECE", 1000)
    monkeypatch.setattr("sandbox.lib.spark.driver.Storage", Elsewhere)
    _, together = fit(ArrayDataset(*rows()), SparkBackend(local, ranks=2), steps=5)
    _, alone = fit(ArrayDataset(*rows()), None, steps=5)

    assert far(together, alone) <= 1e-5


def test_commands_reach_all_ranks_while_the_job_runs(local):
    model = net()
    trainer = Trainer(
        model,
        criterion.CrossEntropy(),
        optim.SGD(0.1),
        batch_size=48,
        progress=None,
        backend=SparkBackend(local, ranks=2),
    )
    trainer.fit(rows(), steps=1_000_000, background=True)
    until = time.monotonic() + 60
    while len(trainer.history) < 20 and time.monotonic() < until:
        time.sleep(0.02)
    trainer.set_learning_rate(0.025)
    trainer.pause()
    while trainer.state != "paused" and time.monotonic() < until:
        time.sleep(0.02)
    held = len(trainer.history)
    time.sleep(0.3)
    assert held == len(trainer.history)
    trainer.resume_training()
    while len(trainer.history) < held + 20 and time.monotonic() < until:
        time.sleep(0.02)
    trainer.stop()
    trainer.wait(30)

    assert trainer.state == "stopped"
    assert trainer.history["learning_rate"][-1] == 0.025


def test_a_checkpoint_resumes_to_the_same_bits(local, tmp_path):
    backend = SparkBackend(local, ranks=2)
    _, whole = fit(ArrayDataset(*rows()), backend, steps=20)
    fit(ArrayDataset(*rows()), backend, steps=11, checkpoint=tmp_path)
    trainer = Trainer(
        net(),
        criterion.CrossEntropy(class_weights=[1.0, 2.0, 0.5]),
        optim.SGD(0.1, momentum=0.9, weight_decay=1e-4),
        batch_size=48,
        seed=9,
        threads=1,
        progress=None,
        backend=backend,
        checkpoint=tmp_path,
    )
    trainer.fit(ArrayDataset(*rows()), steps=20, resume="auto")
    resumed = np.concatenate([p.data.ravel() for _, p in trainer.model.named_parameters()])

    assert whole.tobytes() == resumed.tobytes()


# Errors --------------------------------------------------------------------------------------


def test_more_ranks_than_rows_is_refused_before_a_job(local):
    with pytest.raises(DataError, match="3 ranks for 2 rows"):
        fit(rows(2), SparkBackend(local, ranks=3))


def test_more_ranks_than_slots_is_refused_at_once(local):
    begin = time.monotonic()
    with pytest.raises(SparkSetupError, match=r"ranks=9.*local\[3\] has 3.*local\[10\]"):
        fit(rows(), SparkBackend(local, ranks=9))
    assert time.monotonic() - begin < 5


def test_an_error_of_the_loop_comes_back_as_itself(local):
    x, y = rows()
    x[17, 2] = np.nan
    with pytest.raises(DataError, match=r"rank \d.*got nan in row .*is row 17 of the data set"):
        fit((x, y), SparkBackend(local, ranks=2))


def test_an_error_of_the_users_code_comes_back_with_its_traceback(local):
    data = ArrayDataset(*rows(), transform=Broken())
    with pytest.raises(ZeroDivisionError, match="by the user") as caught:
        fit(data, SparkBackend(local, ranks=2))
    assert "in __call__" in "".join(caught.value.__notes__)


class Broken:
    def __call__(self, x):
        if len(x) > 1:  # the driver tries one row of zeros
            raise ZeroDivisionError("by the user")
        return x


def test_what_cannot_travel_is_named(local):
    class Locked(nn.ReLU):
        def __init__(self):
            super().__init__()
            self.lock = threading.Lock()

    model = nn.Sequential(nn.Linear(6, 3, rng=1), Locked())
    trainer = Trainer(
        model,
        criterion.CrossEntropy(),
        optim.SGD(0.1),
        progress=None,
        backend=SparkBackend(local, ranks=2),
    )
    with pytest.raises(ArgumentError, match="cannot travel"):
        trainer.fit(rows(), steps=2)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda f: SparkDataset(f, features="f9"), DataError, r"no f9.*Columns present: f0"),
        (
            lambda f: SparkDataset(f.selectExpr("cast(f0 as string) features", "label")),
            DataError,
            "string",
        ),
        (lambda f: SparkDataset(f.limit(0), features=["f0"]).stored(), DataError, "at least one"),
        (
            lambda f: SparkDataset(f.selectExpr("if(f0 > 0, f0, null) features", "label")).load(0),
            DataError,
            "column 'features' must have a value",
        ),
        (lambda f: SparkDataset([1, 2]), ArgumentError, "DataFrame or an RDD"),
    ],
)
def test_frames_that_cannot_be_trained_on_are_refused_by_name(local, make, error, message):
    frame = frame_of(local, *rows(40), 2)
    with pytest.raises(error, match=message):
        make(frame)


def test_a_session_of_spark_connect_is_refused_with_what_it_lacks():
    class Session:
        @property
        def sparkContext(self):
            raise AttributeError("not supported")

    Session.__module__ = "pyspark.sql.connect.session"
    with pytest.raises(SparkSetupError, match="Connect gives its clients no SparkContext"):
        SparkBackend(Session()).session()


def test_a_stopped_or_foreign_session_is_refused():
    with pytest.raises(ArgumentError, match=r"`spark` must be text.* or a SparkSession"):
        SparkBackend(object()).session()
