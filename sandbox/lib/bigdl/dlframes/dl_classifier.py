"""Networks as stages of Spark ML, as `bigdl.dlframes.dl_classifier` names them."""

from __future__ import annotations

from typing import Any

from ..bridge import core_module
from .stages import ClassifierModels, Classifiers, Estimators, Models


class _Sized:
    """The size of a row of features, under the ancestor's name."""

    def setFeatureSize(self, value: Any) -> Any:  # noqa: N802 - the ancestor's name
        """Set the shape of one row of the features."""
        return self._set(featureShape=value)  # type: ignore[attr-defined]

    def getFeatureSize(self) -> Any:  # noqa: N802
        """Return the shape of one row of the features."""
        return self._given("featureShape")  # type: ignore[attr-defined]


class DLModel(_Sized, Models):
    """Adds a column of predictions, arrays, to a DataFrame.

    Parameters
    ----------
    model : layer of `nn.layer`
    featureSize : list of int
        Shape of one row of the features.
    """

    def __init__(
        self,
        model: Any = None,
        featureSize: Any = None,
        jvalue: Any = None,
        bigdl_type: str = "float",
    ) -> None:
        super().__init__()
        self._set(model=None if model is None else core_module(model), featureShape=featureSize)


class DLClassifierModel(_Sized, ClassifierModels):
    """Adds a column of classes, from 1 on, to a DataFrame; arguments as `DLModel`."""

    def __init__(
        self,
        model: Any = None,
        featureSize: Any = None,
        jvalue: Any = None,
        bigdl_type: str = "float",
    ) -> None:
        super().__init__()
        self._start()
        self._set(model=None if model is None else core_module(model), featureShape=featureSize)


class DLEstimator(_Sized, Estimators):
    """Trains a network on the rows of a DataFrame.

    Parameters
    ----------
    model : layer of `nn.layer`
    criterion : of `nn.criterion`; classes count from 1.
    feature_size, label_size : list of int
        Shapes of one row of features and labels.

    Notes
    -----
    Same as BigDL `DLEstimator` (0.13): batchSize 1, maxEpoch 50, learningRate 0.001 of SGD unless
    `setOptimMethod` gives another method.
    """

    fitted = DLModel

    def __init__(
        self,
        model: Any = None,
        criterion: Any = None,
        feature_size: Any = None,
        label_size: Any = None,
        jvalue: Any = None,
        bigdl_type: str = "float",
    ) -> None:
        super().__init__()
        self._start(model, criterion)
        self._set(featureShape=feature_size, labelShape=label_size)


class DLClassifier(_Sized, Classifiers):
    """Trains a network to tell classes, from 1 on; arguments as `DLEstimator`."""

    fitted = DLClassifierModel

    def __init__(
        self,
        model: Any = None,
        criterion: Any = None,
        feature_size: Any = None,
        bigdl_type: str = "float",
    ) -> None:
        super().__init__()
        self._start(model, criterion)
        self._set(featureShape=feature_size)
