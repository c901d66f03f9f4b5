"""The Spark backend: the same training job, run by long tasks on a Spark cluster."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from .. import engine
from ..core import validate
from ..core.errors import DataError
from ..data import Dataset, as_dataset
from ..train.backend import calling_at_interrupt
from ..train.events import Event, stage
from ..train.job import Command, Result, TrainJob
from .driver import SESSION, DriverRun
from .exchange.membership import MODES
from .exchange.ports import read_ports
from .rows.dataset import SparkDataset
from .rows.room import bytes_of
from .session import cluster, hosts
from .session.calls import mind_interrupts
from .session.context import running_session, spark_session
from .turns import Turn, Unwanted, stop_holders
from .watch import Interrupts

__all__ = ["SparkBackend"]


class SparkBackend:
    """Trains on Spark: `Trainer(..., backend=SparkBackend("local[3]"))`.

    Parameters
    ----------
    spark : SparkSession, master string or None
        None: the running session, else a new one on this machine, with a slot for each core and
        one more.
    ranks : int, optional
        Tasks that train together; default: all slots of the cluster but one, which stays free for
        what else is asked of Spark meanwhile. `local[3]` trains with two.
    threads_per_rank : int, default=1
        Cores of one rank; set `spark.task.cpus` alike on a cluster.
    exchange : "auto", "shm" or "tcp"
        How ranks exchange gradients; auto takes shared memory within a host, TCP between hosts.
    deadline_s : float, default=60
        How long a rank waits for another before it gives up and the job starts again.
    state_every : int, optional
        Iterations between two states kept to survive a lost worker; chosen by the size of the
        model by default, growing with the length of the run.
    memory_per_rank : int (bytes) or text such as "2g", optional
        Memory for the rows of a DataFrame or RDD in each rank; what is beyond it lies in files of
        Spark's local folders, mapped. Default: half of what the host or container may use, divided
        by the ranks on it.
    start_timeout_s : float, default=60
        How long to wait for the cluster's executors.
    ports : str, optional
        The range that driver and ranks listen on, such as "42000-42100"; any free ports by default.

    Raises
    ------
    SparkSetupError : no Java, dynamic allocation, too few slots, hosts without this package, ...

    Notes
    -----
    Lost workers: Spark starts the lost task again, or this backend submits the job again; the ranks
    go on from the newest state, which the driver holds, to the same weights bit for bit. After
    Ctrl-C the ranks finish the iteration under way and are gone within five seconds. The ranks are
    at most 200 iterations ahead of what callbacks and subscribers have handled: a slow one slows
    the training, and a stop that it asks for comes within 200 iterations.

    The hosts of a cluster need Python and the packages of `requirements.lock`. A host without this
    package gets its Python files from the driver; without the native libraries it computes with
    NumPy, right but slow. On this machine a session's processes run this Python and this package,
    also those of a session that you made yourself.
    """

    def __init__(
        self,
        spark: Any = None,
        *,
        ranks: int | None = None,
        threads_per_rank: int = 1,
        exchange: str = "auto",
        deadline_s: float = 60.0,
        state_every: int | None = None,
        memory_per_rank: int | str | None = None,
        start_timeout_s: float = 60.0,
        ports: str | None = None,
    ) -> None:
        far = type(spark).__module__.startswith("pyspark.sql.connect")  # `session` says what lacks
        known = far or (hasattr(spark, "sparkContext") and not isinstance(spark, type))
        if spark is not None and not known:
            validate.text("spark", spark, "Give a master such as 'local[3]', or a SparkSession.")
        self.spark = spark
        self.ranks = None if ranks is None else validate.positive_int("ranks", ranks)
        self.threads_per_rank = validate.positive_int("threads_per_rank", threads_per_rank)
        self.exchange = validate.one_of("exchange", exchange, MODES)
        self.deadline_s = validate.positive("deadline_s", deadline_s)
        self.state_every = (
            None if state_every is None else validate.positive_int("state_every", state_every)
        )
        self.memory_per_rank = (
            None if memory_per_rank is None else bytes_of("memory_per_rank", memory_per_rank)
        )
        self.start_timeout_s = validate.non_negative("start_timeout_s", start_timeout_s)
        self.ports = read_ports("ports", ports)

    def threads(self) -> int:
        """Return the threads of one rank where the user named none."""
        return self.threads_per_rank

    def session(self, tell: Callable[[str, float], object] | None = None) -> Any:
        """Return the Spark session, starting one if needed; `tell` hears how far that is."""
        if self.spark is None or isinstance(self.spark, str):
            master = self.spark or f"local[{engine.threads.cpu_count() + 1}]"
            active = running_session() if self.spark is None else None
            self.spark = active or spark_session(master, tell=tell)
        cluster.check_session(self.spark)
        hosts.equip(self.spark.sparkContext)
        mind_interrupts(self.spark.sparkContext._gateway)
        return self.spark

    def adapt(self, data: Any, like: Any = None, *, labelled: bool = True) -> Dataset:
        """Turn a DataFrame or an RDD of (x, y) into a data set.

        Its columns are those of `like`, a data set of the same kind, else `features` and `label`; a
        pandas DataFrame with the columns of `like` is read here.
        Without labels only the features are read.
        """
        if hasattr(data, "iloc") and isinstance(like, SparkDataset) and not like.is_rdd:
            return like.here(data)
        if not hasattr(data, "mapInArrow") and not hasattr(data, "mapPartitionsWithIndex"):
            return as_dataset(data)
        if isinstance(like, SparkDataset):
            return like.again(data, labelled=labelled)
        return SparkDataset(data) if labelled else SparkDataset(data, label=None)

    def run(
        self, job: TrainJob, emit: Callable[[Event], None], poll: Callable[[], Command | None]
    ) -> Result:
        """Train until the job's end and return the result of rank 0.

        Raises
        ------
        What the loop raised on a rank; SparkSetupError; WorkerError after `GIVE_UP` failures
        without progress; Interrupted (a KeyboardInterrupt) after Ctrl-C.
        """
        interrupts = Interrupts()
        with ExitStack() as stack:
            stack.enter_context(calling_at_interrupt(interrupts))
            spark = self.session(lambda text, share: emit(stage(text, SESSION * share)))
            emit(stage("waiting for Spark's slots", SESSION))
            turn = Turn(spark.sparkContext, emit, poll, interrupts.check)
            stack.callback(turn.give_back)
            try:
                ranks = self._ranks(spark, job, turn)
                turn.take(ranks, SESSION)
            except Unwanted:
                return Result("stopped", 0, 0, None, 0.0)
            run = DriverRun(
                spark,
                ranks,
                job,
                turn.hear,
                turn.command,
                interrupts,
                exchange=self.exchange,
                deadline_s=self.deadline_s,
                state_every=self.state_every,
                ports=self.ports,
                start_timeout_s=self.start_timeout_s,
                memory_per_rank=self.memory_per_rank,
            )
            stack.enter_context(run)
            return run.go()

    def stop_others(self) -> bool:
        """Stop the trainings of this process that hold the session; False if there are none."""
        return self.spark is not None and stop_holders(self.spark.sparkContext)

    def _ranks(self, spark: Any, job: TrainJob, turn: Turn) -> int:
        rows: int = sum(job.data.partition_sizes)
        if self.ranks is not None and self.ranks > rows:
            raise DataError(
                f"SparkBackend: `ranks` must be at most the number of rows; got {self.ranks} ranks "
                f"for {rows} rows. Use ranks={rows} or fewer."
            )
        ranks = cluster.wait_for_slots(spark, self.ranks, self.start_timeout_s, turn.rest)
        return min(ranks, rows)
