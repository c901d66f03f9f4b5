"""What classifiers and regressors share: parameters, training, tables in and out."""

from __future__ import annotations

import copy
import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .. import engine, nn
from ..core import validate
from ..core.errors import ArgumentError
from ..criterion import Criterion, RowWeighted
from ..data import Dataset
from ..metrics import Loss, Metric
from ..optim import Adam, Optimizer
from ..train import EarlyStopping, MaxEpoch, Trainer, Trigger
from .rows import Runner, cores, dataset
from .steps import Memory, Steps
from .stopping import StandsStill

Array: TypeAlias = NDArray[Any]
S = TypeVar("S", bound="SandboxEstimator")


class Rows(NamedTuple):
    """Some rows: features, what the criterion compares with, and what each row counts, or None."""

    x: Any
    goal: Array
    weight: Array | None

    def part(self, rows: Array) -> Rows:
        """Return some of them."""
        weight = None if self.weight is None else self.weight[rows]
        return Rows(self.x[rows], self.goal[rows], weight)

    def dataset(self, dtype: Any) -> Dataset:
        """Return them as a data set, with the target that `RowWeighted` takes if they weigh."""
        if self.weight is None:
            return dataset(self.x, self.goal, dtype)
        return dataset(self.x, {"target": self.goal, "weight": self.weight}, dtype)


class SandboxEstimator(BaseEstimator, metaclass=ABCMeta):  # type: ignore[misc]
    """What `SandboxClassifier` and `SandboxRegressor` share; these hold the parameters."""

    hidden_layer_sizes: Any
    module: nn.Module | Callable[..., nn.Module] | None
    criterion: Criterion | None
    optimizer: Optimizer | None
    learning_rate: float | None
    batch_size: int | str
    max_iter: int
    tol: float
    n_iter_no_change: int
    early_stopping: bool
    validation_fraction: float
    warm_start: bool
    random_state: Any
    n_jobs: int | None
    verbose: bool

    module_: nn.Module
    _dtype: np.dtype[Any]
    _steps: Steps | None = None
    _memory: Memory | None = None

    # What a kind of estimator tells ------------------------------------------------------------

    _numeric_targets = False

    @abstractmethod
    def _targets(self, y: Array, *, first: bool) -> Array:
        """Return what the criterion compares with; the first time learn of which form y is."""

    @abstractmethod
    def _outputs(self) -> int:
        """Return how many numbers the network gives for a row."""

    @abstractmethod
    def _loss(self) -> Criterion:
        """Return the criterion."""

    @abstractmethod
    def _judge(self) -> Metric | None:
        """Return the metric of the early stop, None for the loss."""

    def _class_weights(self, y: Array, weight: Array | None) -> Array | None:
        """Return the weights of rows times those of their classes."""
        return weight

    def _strata(self, y: Array) -> Array | None:
        """Return what the rows held out are drawn evenly from."""
        return None

    # Training ----------------------------------------------------------------------------------

    def fit(self: S, X: Any, y: Any, sample_weight: Any = None) -> S:
        """Train the network on a table.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Numbers. With a network of one's own there may be more axes.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), optional
            How much each row counts, at least 0.

        Raises
        ------
        ValueError : a parameter or the table cannot be; what the library raises derives from it.
        DivergedError : the loss is no number.
        """
        self._check_parameters()
        first = not (self.warm_start and hasattr(self, "module_"))
        rows, y = self._rows(X, y, sample_weight, first=first)
        seed = self._begin(rows.x) if first else self._draw()
        held = None
        if self.early_stopping:
            rows, held = self._hold_out(rows, y, seed)
        self._steps = self._memory = None  # another flat vector holds the network's numbers
        self._train(rows, held, seed)
        self._ready()
        return self

    def _train(self, rows: Rows, held: Rows | None, seed: int) -> None:
        count = rows.x.shape[0]
        batch_size = self._batch(count)
        loss, judge = self._loss(), self._judge()
        if rows.weight is not None:
            loss, judge = RowWeighted(loss), judge and judge.on("", "target")
        metric = judge if held and judge else Loss(loss)
        stop: EarlyStopping | StandsStill
        end: Trigger = MaxEpoch(self.max_iter)
        if held:
            stop = EarlyStopping(metric.name, patience=self.n_iter_no_change, min_delta=self.tol)
        else:
            stop = StandsStill(self.tol, self.n_iter_no_change, rows=count, batch_size=batch_size)
            end = stop | end
        trainer = Trainer(
            self.module_,
            loss,
            self._method(),
            batch_size=batch_size,
            metrics=[metric],
            seed=seed,
            threads=self._threads(),
            progress="auto" if self.verbose else None,
            plan=self._plan(),
        )
        with cores(trainer.threads):
            history = trainer.fit(
                rows.dataset(self._dtype),
                end=end,
                validation=held and held.dataset(self._dtype),
                early_stop=stop if isinstance(stop, EarlyStopping) else None,
            )
        sums = np.bincount(history["epoch"] - 1, history["loss"] * history["rows"])
        self.loss_curve_: list[float] = (sums / count).tolist()
        self.loss_ = self.loss_curve_[-1]
        self.best_loss_ = None if held else min(self.loss_curve_)
        self.n_iter_ = len(self.loss_curve_)
        self.validation_scores_ = self.best_validation_score_ = None
        if held:
            sign = 1 if metric.higher_is_better else -1
            scores = [sign * kept["metrics"][metric.name] for kept in history.validations]
            self.validation_scores_, self.best_validation_score_ = scores, max(scores)
        if not stop.stale:
            warnings.warn(
                f"{type(self).__name__}: {self.max_iter} epochs (max_iter) are over before the "
                "training stands still. Give more, or a larger learning_rate or tol.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _pass(self: S, X: Any, y: Any, sample_weight: Any, *, first: bool) -> S:
        """Go once over some rows: `partial_fit`."""
        self._check_parameters()
        if self.early_stopping:
            raise ArgumentError(
                "`early_stopping` must be False in partial_fit, which holds no rows out; got True."
            )
        rows, _ = self._rows(X, y, sample_weight, first=first)
        if first:
            self.loss_curve_, self.n_iter_ = [], 0
        seed = self._begin(rows.x) if first else self._draw()
        if self._steps is None:
            self._steps = Steps(
                self.module_,
                RowWeighted(self._loss()),
                self._method(),
                threads=self._threads(),
                plan=self._plan(),
                memory=self._memory,
            )
            self._ready()  # it follows the network's numbers
        count = rows.x.shape[0]
        if rows.weight is None:
            rows = rows._replace(weight=np.ones(count, np.float32))
        self.loss_ = self._steps.run(
            rows.dataset(self._dtype), batch_size=self._batch(count), seed=seed
        )
        self.loss_curve_ = [*self.loss_curve_, self.loss_]
        self.n_iter_ += 1
        return self

    def _rows(self, X: Any, y: Any, sample_weight: Any, *, first: bool) -> tuple[Rows, Array]:
        """Return the rows that count, with what the criterion compares with, and their y."""
        x, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype=(np.float64, np.float32),
            allow_nd=self.module is not None,
            multi_output=True,
            y_numeric=self._numeric_targets,
            reset=first,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, x, dtype=np.float32, ensure_non_negative=True
            )
        rows = Rows(x, self._targets(y, first=first), self._class_weights(y, sample_weight))
        if rows.weight is None or rows.weight.all():
            return rows, y
        kept = np.flatnonzero(rows.weight)  # a batch of others alone would have no loss
        if not kept.size:
            raise ValueError("Sample weights (times class_weight) must not all be zero.")
        return rows.part(kept), y[kept]

    def _hold_out(self, rows: Rows, y: Array, seed: int) -> tuple[Rows, Rows]:
        """Return the rows that are trained on, and those of the validation."""
        share = validate.in_range(
            "validation_fraction", self.validation_fraction, 0, 1, closed="none"
        )
        train, held = train_test_split(
            np.arange(rows.x.shape[0]),
            test_size=share,
            random_state=seed,
            stratify=self._strata(y),
        )
        return rows.part(train), rows.part(held)

    def _begin(self, x: Any) -> int:
        """Make the network; return the seed of the training."""
        self._random = check_random_state(self.random_state)
        seed, outputs = self._draw(), self._outputs()
        rng = np.random.default_rng(self._draw())
        if self.module is None:
            sizes = self.hidden_layer_sizes
            hidden = tuple(sizes) if np.iterable(sizes) else (sizes,)
            made: Any = perceptron((x.shape[1], *hidden, outputs), rng).astype(x.dtype)
        elif isinstance(self.module, nn.Module):
            made = copy.deepcopy(self.module)
        else:
            made = self.module(x.shape[1], outputs, rng)
        self.module_ = validate.instance("module", made, nn.Module)
        floats = (p.dtype for p in made.parameters() if p.dtype.kind == "f")
        self._dtype = next(floats, np.dtype(np.float32))
        self._steps = self._memory = None
        return seed

    def _draw(self) -> int:
        return int(self._random.randint(np.iinfo(np.int32).max))

    # Parameters --------------------------------------------------------------------------------

    def _check_parameters(self) -> None:
        """Refuse what cannot be, before anything starts."""
        for name in ("max_iter", "n_iter_no_change"):
            validate.positive_int(name, getattr(self, name))
        validate.non_negative("tol", self.tol)
        if self.batch_size != "auto":
            validate.positive_int("batch_size", self.batch_size)
        for name in ("early_stopping", "warm_start", "verbose"):
            validate.boolean(name, getattr(self, name))
        for name, kind in (("criterion", Criterion), ("optimizer", Optimizer)):
            if getattr(self, name) is not None:
                validate.instance(name, getattr(self, name), kind)
        if self.optimizer is not None and self.learning_rate is not None:
            raise ArgumentError(
                "`learning_rate` must be None where `optimizer` is given, which has its own; got "
                f"{self.learning_rate!r}."
            )
        if self.module is not None and not callable(self.module):
            raise ArgumentError(
                "`module` must be a Module, a function of (n_features, n_outputs, rng), or None; "
                f"got {self.module!r}."
            )
        self._threads()

    def _method(self) -> Optimizer:
        if self.optimizer is not None:
            return self.optimizer
        return Adam(1e-3 if self.learning_rate is None else self.learning_rate)

    def _batch(self, rows: int) -> int:
        return min(200 if self.batch_size == "auto" else int(self.batch_size), rows)

    def _threads(self) -> int:
        jobs = 1 if self.n_jobs is None else validate.integer("n_jobs", self.n_jobs)
        if jobs == 0:
            raise ArgumentError("`n_jobs` must be a number of cores, or -1 for all; got 0.")
        cores = engine.threads.cpu_count()
        return jobs if jobs > 0 else max(cores + 1 + jobs, 1)

    def _plan(self) -> engine.KernelPlan | None:
        """Return the choices of kernels: none for our own small network, else the machine's.

        Nothing is timed then, so that the same seed gives the same bits in any process, and a fit
        of few rows costs no search.
        """
        if self.module is not None:
            return None
        return engine.KernelPlan(frozen=True, fingerprint=engine.fingerprint())

    # Predictions -------------------------------------------------------------------------------

    def _ready(self) -> None:
        """Make what predicts."""
        self._runner = Runner(
            self.module_,
            self._loss(),
            threads=self._threads(),
            plan=self._plan(),
            dtype=self._dtype,
        )

    def _run(self, X: Any) -> Array:
        """Return the network's outputs for a table."""
        check_is_fitted(self, "module_")
        x = validate_data(
            self,
            X,
            accept_sparse="csr",
            dtype=(np.float64, np.float32),
            allow_nd=self.module is not None,
            reset=False,
        )
        return self._runner(x).astype(np.float64)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is made of the rest: programs."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "_runner" in state:
            del state["_runner"]
            state["_memory"] = self._memory if self._steps is None else self._steps.memory()
            state["_steps"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make programs anew."""
        super().__setstate__(state)
        if hasattr(self, "module_"):
            self._ready()

    def __sklearn_tags__(self) -> Any:
        """Tell what tables and targets it takes."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def perceptron(sizes: Sequence[int], rng: np.random.Generator) -> nn.Sequential:
    """Return linear layers of these sizes with ReLU between them, from small first weights.

    Examples
    --------
    >>> perceptron((4, 8, 3), np.random.default_rng(0))
    Sequential(
      fc1: Linear(4 -> 8)
      relu1: ReLU()
      fc2: Linear(8 -> 3)
    )
    """
    parts: dict[str, Any] = {}
    for k in range(1, len(sizes)):
        if k > 1:
            parts[f"relu{k - 1}"] = nn.ReLU()
        parts[f"fc{k}"] = nn.Linear(sizes[k - 1], sizes[k], weight_init="xavier_uniform", rng=rng)
    return nn.Sequential(**parts)
