"""The front of this room: a model, a criterion and an optimiser, and what one does with them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from .. import engine, nn
from ..core import validate as check
from ..core.errors import TrainingError
from ..criterion import Criterion
from ..data import Preparation
from ..data.progress import hearing
from ..metrics import Metric
from ..optim import Optimizer
from ..optim.clipping import Clip
from . import arguments
from .backend import Backend, Interrupted, LocalBackend
from .background import BackgroundRun, forsaken, refuse_shared
from .best import restore_best
from .callbacks import Callback, Summary
from .checkpoint import PackedState, unpack
from .control import Control
from .events import Event, stage
from .job import Result, TrainJob
from .misfits import refuse_misfits
from .model_io import fill
from .predictor import Predictor
from .recorder import Recorder, State
from .steering import Steered
from .store import Checkpoints
from .triggers import EarlyStopping, Trigger, end_trigger
from .updates import lend_average

__all__ = ["Trainer"]


class Trainer(Steered):
    """Trains a model on data, here or wherever its backend takes it.

    Parameters
    ----------
    model : Module
        Trained in place.
    criterion : Criterion
        What the loss is.
    optimizer : Optimizer, or dict of them
        How the parameters follow the gradients. A dict names parameters or modules by patterns,
        `{"embedding": Adam(1e-3), "*": SGD(0.1)}`, see `optim.by_name`.
    batch_size : int > 0, default=128
        Rows of a global batch, over all ranks. Any number; the last batch may be smaller.
    metrics : sequence of Metric, or dict of them, optional
        Measured in validation and, those with a small state, while training. Default: the loss, and
        Top1 for criterions over classes; for `Parallel` this for each output, too. A dict names the
        outputs that are judged, `{"digit": Top1(), "size": [MAE(), R2()]}`, and the loss of all is
        measured as well.
    seed : int, default=0
        Order of rows and dropout masks: same seed, same bits.
    threads : int, optional
        Cores of one rank; all that are there by default.
    backend : Backend, optional
        LocalBackend() by default; `spark.SparkBackend(...)` distributes the same run.
    clip : Clip, optional
        `optim.ClipNorm(1.0)` or `optim.ClipValue(0.5)`.
    checkpoint : path or Checkpoints, optional
        Where the state is kept, after each epoch unless told otherwise.
    summary : path or Summary, optional
        Where TensorBoard event files go.
    callbacks : sequence of Callback
        Called with every event.
    progress : "auto", True, None or Callback, default="auto"
        What shows how far the run is: a line of text; by "auto" only where nobody has subscribed,
        as the curves of a notebook do.
    watch : names of parameters
        Copied out every `watch_every` iterations for whoever subscribes (the filter viewer).
    plan : KernelPlan or str, optional
        Choices of kernels to go by; the machine's own by default.
    precision : "f32" or "bf16", default="f32"
        bf16: faster where the processor has AVX512-BF16 or AMX; weights stay float32.
    checkpointing : "off", "light" or "full", default="off"
        For networks or batches that memory is too small for: forget activations and compute them
        again in the backward pass. light: norms, activations and pooling, for some percent of time;
        full: nearly all, for about a third more. The weights are the same bit for bit.
    accumulate : int > 0, default=1
        Pieces in which each batch is run, one after the other, for batches that memory is too
        small for: their gradients add up to those of the whole batch, but for rounding. Batch
        norms see one piece at a time.

    Raises
    ------
    ArgumentError : an argument is outside of what it may be.

    Notes
    -----
    Like BigDL `Optimizer`, `Optimizer.create`, `LocalOptimizer`, `DistriOptimizer` (0.13): the
    backend decides where a run goes on. What BigDL `Optimizer.set_model`,
    `Optimizer.set_criterion`, `Optimizer.set_checkpoint`, `Optimizer.set_train_summary`,
    `Optimizer.set_val_summary` and `Optimizer.disable_gradclip` say are arguments here.

    Examples
    --------
    >>> import numpy as np
    >>> from sandbox.lib import criterion, nn, optim
    >>> x = np.random.default_rng(0).normal(size=(256, 4)).astype("f4")
    >>> y = (x[:, 0] > 0).astype("i8")
    >>> trainer = Trainer(nn.zoo.mlp([4, 16, 2], rng=0), criterion.CrossEntropy(),
    ...                   optim.SGD(0.5), batch_size=32, progress=None, threads=1)
    >>> history = trainer.fit((x, y), epochs=10)
    >>> bool(history["loss"][-1] < 0.3)
    True
    """

    def __init__(
        self,
        model: nn.Module,
        criterion: Criterion,
        optimizer: Optimizer | Mapping[str, Optimizer],
        *,
        batch_size: int = 128,
        metrics: Iterable[Metric] | Mapping[str, Any] | None = None,
        seed: int = 0,
        threads: int | None = None,
        backend: Backend | None = None,
        clip: Clip | None = None,
        checkpoint: str | os.PathLike[str] | Checkpoints | None = None,
        summary: str | os.PathLike[str] | Summary | None = None,
        callbacks: Iterable[Callback | EarlyStopping] = (),
        progress: Any = "auto",
        watch: Iterable[str] = (),
        watch_every: int = 20,
        plan: Any = None,
        precision: str = "f32",
        checkpointing: str = "off",
        accumulate: int = 1,
    ) -> None:
        optimizer = arguments.check_parts(model, criterion, optimizer)
        self.model = model
        self.criterion = criterion
        self.optimizer = optimizer
        self.batch_size = check.positive_int("batch_size", batch_size)
        self.metrics = arguments.choose_metrics(metrics, criterion)
        self.seed = check.non_negative_int("seed", seed)
        self.backend = arguments.choose_backend(backend)
        self.threads = arguments.choose_threads(threads, self.backend)
        self.clip = arguments.check_clip(clip)
        self.plan = arguments.check_plan(plan)
        self.precision = check.one_of("precision", precision, engine.PRECISIONS)
        self.checkpointing = check.one_of("checkpointing", checkpointing, engine.CHECKPOINTING)
        self.accumulate = check.positive_int("accumulate", accumulate)
        self.checkpoint = arguments.choose_checkpoints(checkpoint)
        self.watch = arguments.check_watch(watch, model)
        self.watch_every = check.positive_int("watch_every", watch_every)
        self.callbacks, self._early_stop = arguments.sort_callbacks(callbacks, summary, progress)

        self.result: Result | None = None
        self._recorder = Recorder(self._call_back)
        self._control = Control()  # of the newest run, also of one that waits for another to end
        self._lock = threading.Lock()
        self._background: BackgroundRun | None = None
        self._runs = 0  # those that go on, and those that wait for them to end
        self._predictor: Predictor | None = None
        self._preparation: Preparation | None = None  # of the rows of the last fit

    # Training --------------------------------------------------------------------------------

    def fit(
        self,
        data: Any,
        *,
        epochs: int | None = None,
        steps: int | None = None,
        end: Trigger | None = None,
        validation: Any = None,
        validate: Trigger | str = "epoch",
        resume: str | os.PathLike[str] | None = None,
        background: bool = False,
        early_stop: EarlyStopping | None = None,
    ) -> Any:
        """Train until `epochs`, `steps` or `end` is reached.

        Parameters
        ----------
        data : (x, y), Dataset, or what the backend takes
            Training rows. x and y are arrays or trees of arrays: `((ids, row), y)` for a model of
            two inputs, `({"image": a, "table": b}, {"digit": d, "size": s})` by name.
        epochs, steps, end : int, int, Trigger
            One of them: passes or iterations in all (a resumed run counts those before), or a
            condition such as `MaxEpoch(20) | MaxScore(0.99)`.
        validation : like `data`, optional
            Rows the metrics are measured on, when `validate` fires and at the end. A pair (x, y)
            gets the transform of the training data, a data set has its own.
        validate : "epoch" or Trigger, default="epoch"
            When to validate.
        resume : None, "auto" or path
            None: start at step 0 with the model's present weights and fresh optimiser state.
            "auto": go on from the newest whole checkpoint, else from this trainer's last state,
            else start. A path: go on from that file.
        background : bool, default=False
            Return at once and train in a thread; see `wait`. A background run of this trainer that
            still goes on is stopped first, and so is one of a trainer that no name of the notebook
            leads to any more: a cell that trains can be run again at any time.
        early_stop : EarlyStopping, optional
            Ends the run when the validation stands still, and puts the best weights into the
            model; `resume="auto"` goes on from the last ones.

        Returns
        -------
        History, or with `background` this trainer

        Raises
        ------
        ArgumentError : the criterion takes something else than the model gives, such as
            CrossEntropy behind a softmax.
        DataError, ShapeError : the data are bad, or do not fit the model or the criterion; shapes
            are looked at before anything starts.
        DivergedError : the loss is no number. The model holds its last good state then, and
            `resume="auto"` goes on from there.
        TrainingError : a run is going on already, of this trainer or of another on this model.
        CheckpointError : the checkpoint belongs to another model, seed or data set.
        KeyboardInterrupt : after Ctrl-C, once the iteration under way is through. The model, the
            history and `fit(resume="auto")` hold its state.

        Notes
        -----
        Same as BigDL `Optimizer.optimize`, `Model.train` (0.13) with what BigDL
        `Optimizer.set_traindata`, `Optimizer.prepare_input`, `Optimizer.set_validation` and
        `Optimizer.set_end_when` say as arguments; Keras `Model.fit`.
        """
        check.boolean("background", background)
        earlier = self._background
        with self._lock:
            again = background and earlier is not None and earlier.alive and not earlier.inside
            if self._runs and not again:
                raise TrainingError(
                    "fit: only one run of a trainer can go on; got a second."
                    " Call stop() and wait() first."
                )
            self._runs += 1
        try:
            before = forsaken(self)
            if earlier is not None and again:
                before.append(earlier)
            refuse_shared(self, before)
            if arguments.ask_backend(data, validation):
                for run in before:  # they hold what would answer
                    run.stop_and_join()
                before = []
            with hearing(lambda text: self._recorder.receive(stage(text, 0.0))):
                job = self._job(data, epochs, steps, end, validation, validate, early_stop)
            control = self._control = Control()
            self._background = None
            if not before:
                self._prepare(job, resume)
            if background:
                self._background = BackgroundRun(
                    lambda: self._run_after(before, job, resume, control), control.stop, owner=self
                )
                return self
        except BaseException:
            self._runs -= 1
            raise
        self._run_after(before, job, resume, control)
        return self.history

    def _run_after(
        self,
        before: list[BackgroundRun],
        job: TrainJob,
        resume: str | os.PathLike[str] | None,
        control: Control,
    ) -> None:
        """Train once these runs have been stopped."""
        if before:
            try:
                self._recorder.stage = stage("stopping the earlier training", 0.0)
                for run in before:
                    run.stop_and_join()
                self._prepare(job, resume)
            except BaseException:
                self._runs -= 1
                raise
        self._run(job, control)

    def _prepare(self, job: TrainJob, resume: str | os.PathLike[str] | None) -> None:
        self._recorder.prepare(job, resume, self.checkpoint)
        self._recorder.state = "running"

    def _job(
        self,
        data: Any,
        epochs: int | None,
        steps: int | None,
        end: Trigger | None,
        validation: Any,
        when: Trigger | str,
        early_stop: EarlyStopping | None,
    ) -> TrainJob:
        if early_stop is not None:
            check.instance("early_stop", early_stop, EarlyStopping)
        rule = early_stop or self._early_stop
        ends, validates = end_trigger(epochs, steps, end), arguments.choose_validate(when)
        if rule is not None:
            arguments.check_early_stop(rule, validation, validates, self.metrics)
        saves = [] if self.checkpoint is None else [self.checkpoint.every]
        arguments.check_triggers([ends, *saves], validation, validates, self.metrics)
        dataset = arguments.choose_data(data, self.backend, self.criterion)
        preparation = Preparation(dataset)
        if validation is not None:
            validation = arguments.choose_data(
                validation, self.backend, self.criterion, preparation
            )
        for what, rows in (("data", dataset), ("validation", validation)):
            if rows is not None:
                refuse_misfits(self.model, self.criterion, rows, self.batch_size, f"fit: `{what}`")
        self._preparation = preparation
        return TrainJob(
            model=self.model,
            criterion=self.criterion,
            optimizer=self.optimizer,
            data=dataset,
            end=ends,
            batch_size=self.batch_size,
            seed=self.seed,
            validation=validation,
            validate=validates,
            metrics=arguments.read_metrics(self.metrics, self.model, self.criterion, dataset),
            clip=self.clip,
            threads=self.threads,
            plan=self.plan,
            precision=self.precision,
            checkpointing=self.checkpointing,
            accumulate=self.accumulate,
            checkpoint=None if self.checkpoint is None else self.checkpoint.policy(),
            early_stop=rule,
            watch=self.watch,
            watch_every=self.watch_every,
        )

    def _run(self, job: TrainJob, control: Control) -> None:
        started: list[Callback] = []
        try:
            for callback in self.callbacks:
                callback.on_start(self)
                started.append(callback)
            result = self.backend.run(job, self._recorder.receive, control.poll)
            self._take(result)
            restore_best(job, result, self._recorder)
            self._finish("stopped" if result.reason == "stopped" else "done")
        except KeyboardInterrupt as error:
            if isinstance(error, Interrupted):
                self._take(error.result)
            else:
                self._fill(self._recorder.last)
            self._finish("stopped")
            raise
        except BaseException as error:
            self._fill(self._recorder.good)
            self._finish("failed", error)
            raise
        finally:
            self._runs -= 1
            for callback in started:
                callback.on_end(self)

    def _take(self, result: Result) -> None:
        self.result = result
        self._recorder.keep(result)
        self._fill(result.state)

    def _fill(self, data: PackedState | None) -> None:
        """Put a packed state into the model; a local backend has trained this very model."""
        if data is not None and not isinstance(self.backend, LocalBackend):
            fill(self.model, unpack(data, "checkpoint").tensors, "the run's last state")

    def _finish(self, state: State, error: BaseException | None = None) -> None:
        event: Event = {"type": "state", "state": state}
        if error is not None:
            words = (str(error).splitlines() or [""])[0]
            event["text"] = ": ".join(filter(None, (type(error).__name__, words)))
        self._recorder.receive(event)

    def _call_back(self, event: Event) -> None:
        for callback in self.callbacks:
            callback.on_event(self, event)

    # Using the model -------------------------------------------------------------------------

    def evaluate(self, data: Any) -> dict[str, Any]:
        """Return the metrics over a data set by name, measured in this process.

        A pair (x, y) gets the transform of the training data, as in `predict`; a DataFrame is read
        by the columns of the training data.

        Same as BigDL `Layer.evaluate` with data.
        """
        dataset = arguments.choose_data(data, self.backend, self.criterion, self._preparation)
        metrics = arguments.read_metrics(self.metrics, self.model, self.criterion, dataset)
        return self._here().evaluate(dataset, metrics)

    def predict(self, x: Any, *, batch_size: int | None = None, prepared: bool = False) -> Any:
        """Return the model's outputs for an array or a tree of inputs, one row each.

        A model of several outputs gives them in its own structure.

        Parameters
        ----------
        x : array or tree of arrays, Dataset, or with Spark a DataFrame or RDD of (x, y)
            A data set's rows come in its order, as it prepares them; a DataFrame needs the
            training data's columns of features only. Arrays hold rows as the training data of the
            last `fit` store them: their transform and dtypes are applied here. Rows in the form
            that the transform makes, where it is another one, are taken as transformed; where only
            floats instead of integers tell, the log says so.
        batch_size : int > 0, optional
            Rows that are run at once; by default as many as are fast.
        prepared : bool, default=False
            x is what the transform makes: nothing is applied.

        Raises
        ------
        DataError : x is no array of numbers, has no rows, or rows of neither form.

        Notes
        -----
        Same as BigDL `Layer.predict_distributed`, `Layer.predict_image`; `argmax(-1)` of it is
        BigDL's `Layer.predict_class_distributed`.
        """
        rows = arguments.choose_rows(x, self.backend, self._preparation)
        if rows is not None:
            return self._here().predict_rows(rows, batch_size)
        prepare = None if check.boolean("prepared", prepared) else self._preparation
        return self._here().predict(x, batch_size, prepare)

    def averaged(self) -> AbstractContextManager[nn.Module]:
        """Lend the model the averaged weights of the last fit, for `optim.EMA` optimisers.

        After an early stop: those of the best validation.

        Examples
        --------
        >>> with trainer.averaged() as model:  # doctest: +SKIP
        ...     save_model(model, "average.safetensors")
        """
        held = self._recorder.held or self._recorder.last
        tensors = None if held is None else unpack(held, "checkpoint").tensors
        return lend_average(self.model, self.optimizer, tensors)

    @property
    def held(self) -> PackedState | None:
        """The packed state whose weights the model holds since the last run ended.

        The last one of the run, or the best one after an early stop.
        """
        return self._recorder.held

    def _here(self) -> Predictor:
        if self._predictor is None:
            local = isinstance(self.backend, LocalBackend)
            self._predictor = Predictor(
                self.model,
                self.criterion,
                batch_size=self.batch_size,
                threads=self.threads if local else engine.threads.cpu_count(),
                precision=self.precision,
            )
        return self._predictor

    def __repr__(self) -> str:
        return (
            f"Trainer({type(self.model).__name__}, {self.criterion!r}, {self.optimizer!r},"
            f" batch_size={self.batch_size}, backend={type(self.backend).__name__},"
            f" state={self.state!r}, steps={len(self.history)})"
        )
