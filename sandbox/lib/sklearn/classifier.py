"""A network as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

from .. import nn
from ..criterion import BCEWithLogits, Criterion, CrossEntropy, Signed
from ..engine.oplist import Spec
from ..metrics import Metric, Top1
from ..optim import Optimizer
from .estimator import Array, SandboxEstimator


def _tells(estimator: Any) -> bool:
    """Tell whether the network's outputs are probabilities, or become some."""
    return getattr(estimator, "_gives", "logits") in ("logits", "probabilities", "logarithms")


class SandboxClassifier(ClassifierMixin, SandboxEstimator):  # type: ignore[misc]
    """Predict classes by a network, in a scikit-learn pipeline or search.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Features of the hidden layers of a multi-layer perceptron; () for none.
    module : Module or function of (n_features, n_outputs, rng), optional
        A network of one's own in place of it, which gives (n_samples, n_outputs) numbers. A copy is
        trained.
    criterion : Criterion, optional
        What the loss is. Default: CrossEntropy, an output for each class; BCEWithLogits for several
        labels a row. Others over labels go as well, and those of 0 and 1 (or -1 and 1), which for
        two classes have one output.
    class_weight : dict, "balanced" or None
        How much rows of each class count, times `sample_weight`.
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
        Hold rows out, evenly of all classes, end when their accuracy stands still, and keep the
        best network.
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
    classes_ : array
        The classes, of whatever kind y was; for several labels a row 0, 1, 2 ...
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
    Like scikit-learn `MLPClassifier`: any network, criterion and optimiser, class weights,
    a `decision_function`, and no penalty (`optim.AdamW` has one).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SandboxClassifier((16,), learning_rate=0.02, tol=1e-3, random_state=0)
    >>> pipeline = make_pipeline(StandardScaler(), model).fit(X, y)
    >>> bool(pipeline.score(X, y) > 0.95)
    True
    """

    classes_: Array

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        *,
        module: nn.Module | Callable[..., nn.Module] | None = None,
        criterion: Criterion | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
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
        self.class_weight = class_weight
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

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> SandboxClassifier:
        """Go once over some rows; the optimiser goes on from call to call.

        `classes` holds all there will be; the first call needs it.
        """
        first = not hasattr(self, "module_")
        if first and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        known = None if classes is None else unique_labels(classes)
        if not first and known is not None and not np.array_equal(known, self.classes_):
            raise ValueError(f"classes must be {self.classes_} as before; got {known}.")
        self._known = known if first else self.classes_
        return self._pass(X, y, sample_weight, first=first)

    # Predictions -------------------------------------------------------------------------------

    def predict(self, X: Any) -> Array:
        """Return the class of each row (n_samples,), or 0 and 1 for each label."""
        scores = self._scores(self._run(X))
        if self._multilabel:
            return (scores > 0).astype(np.int64)
        place = scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0).astype(np.int64)
        found: Array = self.classes_[place]
        return found

    def decision_function(self, X: Any) -> Array:
        """Return scores (n_samples, n_classes); of two classes (n_samples,), for the second."""
        return self._scores(self._run(X))

    @available_if(_tells)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class (n_samples, n_classes)."""
        found = self._run(X)
        alone = self._multilabel or found.shape[1] == 1
        if self._gives == "logits":
            found = 1 / (1 + np.exp(-found)) if alone else _softmax(found)
        elif self._gives == "logarithms":
            found = np.exp(found)
        if found.shape[1] == 1 and not self._multilabel:
            found = np.hstack([1 - found, found])
        return found if alone else found / found.sum(axis=1, keepdims=True)

    @available_if(_tells)  # type: ignore[untyped-decorator]
    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            logs: Array = np.log(self.predict_proba(X))
        return logs

    def _scores(self, found: Array) -> Array:
        """Return scores that are above 0 where a class is the likelier one of two."""
        alone = self._multilabel or found.shape[1] == 1
        if alone and self._gives == "probabilities":
            found = found - 0.5
        if self._multilabel:
            return found
        if found.shape[1] == 1:
            return found[:, 0]
        return found[:, 1] - found[:, 0] if found.shape[1] == 2 else found

    # What the base asks for --------------------------------------------------------------------

    def _targets(self, y: Array, *, first: bool) -> Array:
        check_classification_targets(y)
        multilabel = type_of_target(y) == "multilabel-indicator"
        if y.ndim == 2 and not multilabel:
            raise ValueError(f"y must have one class for each row; got shape {y.shape}.")
        known = self.__dict__.pop("_known", None)
        if known is None and not first:
            known = self.classes_
        if first:
            self._multilabel = multilabel
            labels = np.arange(y.shape[1]) if multilabel else unique_labels(y)
            self.classes_ = labels if known is None else known
            if len(self.classes_) < 2 and not multilabel:
                raise ValueError(
                    "This solver needs samples of at least 2 classes; got 1 class: "
                    f"{self.classes_[0]}."
                )
        elif multilabel != self._multilabel:
            raise ValueError("y must be of the kind that it was; got another one.")
        if multilabel:
            if y.shape[1] != len(self.classes_):
                raise ValueError(f"y must have {len(self.classes_)} labels; got {y.shape[1]}.")
            return y.astype(np.float32)
        strange = np.setdiff1d(y, self.classes_)
        if strange.size:
            raise ValueError(f"y must hold known classes {self.classes_}; got {strange}.")
        codes = np.searchsorted(self.classes_, y)
        loss = self._loss()
        if loss.takes_classes is True:
            return codes
        ones = codes[:, None] if len(self.classes_) == 2 else np.eye(len(self.classes_))[codes]
        return (2 * ones - 1 if isinstance(loss, Signed) else ones).astype(np.float32)

    def _outputs(self) -> int:
        two = len(self.classes_) == 2 and not self._multilabel
        return 1 if two and self._loss().takes_classes is not True else len(self.classes_)

    def _loss(self) -> Criterion:
        if self.criterion is not None:
            return self.criterion
        return BCEWithLogits() if self._multilabel else CrossEntropy()

    def _judge(self) -> Metric | None:
        return Top1() if self._loss().takes_classes is True else None

    def _class_weights(self, y: Array, weight: Array | None) -> Array | None:
        if self.class_weight is None:
            return weight
        found: Array = compute_sample_weight(self.class_weight, y).astype(np.float32)
        return found if weight is None else found * weight

    def _strata(self, y: Array) -> Array | None:
        return None if self._multilabel else y

    def _ready(self) -> None:
        row = Spec((self.n_features_in_,), self._dtype.name)
        self._gives = self._loss().meanings(nn.output_meanings(self.module_, row))
        super()._ready()

    def __sklearn_tags__(self) -> Any:
        """Tell that several labels a row are taken."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    shares: Array = powers / powers.sum(axis=1, keepdims=True)
    return shares
