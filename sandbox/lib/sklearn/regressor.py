"""A network as a scikit-learn regressor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from .. import nn
from ..criterion import MSE, Criterion
from ..metrics import R2, Metric
from ..optim import Optimizer
from .estimator import Array, SandboxEstimator


class SandboxRegressor(RegressorMixin, SandboxEstimator):  # type: ignore[misc]
    """Predict numbers by a network, in a scikit-learn pipeline or search.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Features of the hidden layers of a multi-layer perceptron; () for none.
    module : Module or function of (n_features, n_outputs, rng), optional
        A network of one's own in place of it, which gives (n_samples, n_outputs) numbers. A copy is
        trained.
    criterion : Criterion, default=MSE()
        What the loss is.
    optimizer : Optimizer, optional
        Adam(learning_rate) by default.
    learning_rate : float, optional
        1e-3 by default.
    batch_size : int or "auto", default="auto"
        Rows of a step; "auto" are 200, or all if there are fewer.
    max_iter : int, default=200
        Epochs at most.
    tol : float, default=1e-4
        Smaller improvements of the loss (of the score, with `early_stopping`) do not count.
    n_iter_no_change : int, default=10
        Epochs without an improvement that are borne.
    early_stopping : bool, default=False
        Hold rows out, end when their score (R2) stands still, and keep the best network.
    validation_fraction : float in (0, 1), default=0.1
        Share of the rows that is held out then.
    warm_start : bool, default=False
        Go on from the network of the last `fit`.
    random_state : int, RandomState or None
        What first weights, order and rows held out are drawn from: same int, same bits.
    n_jobs : int, optional
        Cores; 1 by default, -1 for all. Another number may give other last bits.
    verbose : bool, default=False
        Show a line of progress.

    Attributes
    ----------
    module_ : Module
        The trained network.
    loss_curve_, loss_, best_loss_ : list of float, float, float or None
        Mean loss of each epoch, of the last, and the best one.
    n_iter_ : int
        Epochs done.
    validation_scores_, best_validation_score_ : list of float, float; None without early stop
    n_features_in_, feature_names_in_ : int, array of text
        What the table had.

    Notes
    -----
    Like scikit-learn `MLPRegressor`: any network, criterion and optimiser, several targets
    at once, and no penalty (`optim.AdamW` has one). The targets should be scaled.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = SandboxRegressor((32,), learning_rate=0.01, max_iter=40, tol=0, random_state=0)
    >>> pipeline = make_pipeline(StandardScaler(), model)
    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):  # 40 epochs are not enough
    ...     bool(pipeline.fit(X, y / 100).score(X, y / 100) > 0.5)
    True
    """

    _numeric_targets = True

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        *,
        module: nn.Module | Callable[..., nn.Module] | None = None,
        criterion: Criterion | None = None,
        optimizer: Optimizer | None = None,
        learning_rate: float | None = None,
        batch_size: int | str = "auto",
        max_iter: int = 200,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.module = module
        self.criterion = criterion
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> SandboxRegressor:
        """Go once over some rows; the optimiser goes on from call to call."""
        return self._pass(X, y, sample_weight, first=not hasattr(self, "module_"))

    def predict(self, X: Any) -> Array:
        """Return the numbers (n_samples,), or (n_samples, n_outputs) as they were in training."""
        found = self._run(X)
        return found[:, 0] if self._flat else found

    def _targets(self, y: Array, *, first: bool) -> Array:
        flat, outputs = y.ndim == 1, 1 if y.ndim == 1 else y.shape[1]
        if first:
            self._flat, self.n_outputs_ = flat, outputs
        elif (flat, outputs) != (self._flat, self.n_outputs_):
            raise ValueError(f"y must have {self.n_outputs_} columns as before; got {outputs}.")
        found: Array = y.reshape(len(y), outputs).astype(np.float32)
        return found

    def _outputs(self) -> int:
        return int(self.n_outputs_)

    def _loss(self) -> Criterion:
        return MSE() if self.criterion is None else self.criterion

    def _judge(self) -> Metric:
        return R2(self.n_outputs_)

    def __sklearn_tags__(self) -> Any:
        """Tell that several targets are taken at once."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
