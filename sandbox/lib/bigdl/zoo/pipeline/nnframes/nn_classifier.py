"""Networks as stages of Spark ML, as `zoo.pipeline.nnframes.nn_classifier`."""

from __future__ import annotations

from typing import Any

from .....core import validate
from .....data import vision
from ....bridge import core_module, core_trigger
from ....dlframes.stages import ClassifierModels, Classifiers, Estimators, Models
from ...feature.common import FeatureLabelPreprocessing, Preprocessing, as_preprocessing


class _Prepared:
    """What stages share: steps in front of the network."""

    def setSamplePreprocessing(self, value: Any) -> Any:  # noqa: N802 - the ancestor's name
        """Set the steps from a column to the network."""
        features = value.features if isinstance(value, FeatureLabelPreprocessing) else value
        return self._prepare(as_preprocessing("value", features))

    def _prepare(self: Any, steps: Preprocessing) -> Any:
        transforms = steps.transforms()
        return self._set(
            featureShape=steps.shape,
            decode=vision.Pipeline(*transforms) if transforms else None,
        )


class NNModel(_Prepared, Models):
    """Adds a column of predictions, arrays, to a DataFrame.

    Parameters
    ----------
    model : layer
    feature_preprocessing : list of int or Preprocessing, optional
        The shape of a row of features, or steps.
    """

    def __init__(
        self,
        model: Any = None,
        feature_preprocessing: Any = None,
        jvalue: Any = None,
        bigdl_type: str = "float",
    ) -> None:
        super().__init__()
        self._set(model=None if model is None else core_module(model))
        self._prepare(as_preprocessing("feature_preprocessing", feature_preprocessing))


class NNClassifierModel(_Prepared, ClassifierModels):
    """Adds a column of classes, from 1 on, to a DataFrame; arguments as `NNModel`."""

    def __init__(
        self,
        model: Any = None,
        feature_preprocessing: Any = None,
        jvalue: Any = None,
        bigdl_type: str = "float",
    ) -> None:
        super().__init__()
        self._start()
        self._set(model=None if model is None else core_module(model))
        self._prepare(as_preprocessing("feature_preprocessing", feature_preprocessing))


class _Trained(_Prepared):
    """The ancestor's setters of training."""

    def setEndWhen(self: Any, trigger: Any) -> Any:  # noqa: N802 - the ancestor's names
        """Set when training ends."""
        return self._set(endTrigger=core_trigger(trigger), maxEpoch=None)

    def setValidation(  # noqa: N802
        self: Any, trigger: Any, val_df: Any = None, val_method: Any = None, batch_size: Any = None
    ) -> Any:
        """Set the DataFrame to validate on, and when; batches may have any size."""
        if val_df is None:  # the core's own way: the DataFrame alone
            self._validation = trigger
            return self
        self._validation = val_df
        return self._set(validationTrigger=core_trigger(trigger))

    def setGradientClippingByL2Norm(self: Any, clip_norm: float) -> Any:  # noqa: N802
        """Set the largest norm of all gradients together."""
        return self._set(clipNorm=clip_norm, clipValue=None)

    def setConstantGradientClipping(self: Any, min: float, max: float) -> Any:  # noqa: N802
        """Set the largest size of each gradient; min = -max."""
        if -min != max:
            raise validate.refuse("min", f"-max = {-max}", min)
        return self._set(clipValue=max, clipNorm=None)

    def clearGradientClipping(self: Any) -> Any:  # noqa: N802
        """Take clipping back."""
        return self._set(clipNorm=None, clipValue=None)

    def setCheckpoint(  # noqa: N802
        self: Any,
        path: str,
        trigger: Any,
        isOverWrite: bool = True,
    ) -> Any:
        """Set the folder of checkpoints, and when to write one."""
        return self._set(checkpointPath=path, checkpointTrigger=core_trigger(trigger))

    def setTrainSummary(self: Any, value: Any) -> Any:  # noqa: N802
        """Set where TensorBoard's files are written: a folder, or a TrainSummary with one."""
        folder = value if isinstance(value, str) else str(value.folder.parent)
        return self._set(summaryPath=folder)

    setValidationSummary = setTrainSummary  # noqa: N815 - both kinds lie in one folder here

    def setCachingSample(self: Any, value: bool) -> Any:  # noqa: N802
        """Rows are kept as they are read, whatever is said."""
        return self

    def isCachingSample(self) -> bool:  # noqa: N802
        """Rows are kept as they are read."""
        return True


class NNEstimator(_Trained, Estimators):
    """Trains a network on the rows of a DataFrame.

    Parameters
    ----------
    model, criterion
        Of `nn.layer` and `nn.criterion`, or Keras style; classes count from 1.
    feature_preprocessing, label_preprocessing : list of int or Preprocessing, optional
        Shapes of rows, or steps.

    Notes
    -----
    Same as Analytics Zoo `NNEstimator`: batchSize 1, maxEpoch 50, SGD with learningRate 0.001.
    """

    fitted = NNModel

    def __init__(
        self,
        model: Any = None,
        criterion: Any = None,
        feature_preprocessing: Any = None,
        label_preprocessing: Any = None,
        jvalue: Any = None,
        bigdl_type: str = "float",
    ) -> None:
        super().__init__()
        self._start(model, criterion)
        self._prepare(as_preprocessing("feature_preprocessing", feature_preprocessing))
        labels = as_preprocessing("label_preprocessing", label_preprocessing)
        self._set(labelShape=labels.shape)


class NNClassifier(_Trained, Classifiers):
    """Trains a network to tell classes, from 1 on; arguments as `NNEstimator`."""

    fitted = NNClassifierModel

    def __init__(
        self,
        model: Any = None,
        criterion: Any = None,
        feature_preprocessing: Any = None,
        jvalue: Any = None,
        bigdl_type: str = "float",
    ) -> None:
        super().__init__()
        self._start(model, criterion)
        self._prepare(as_preprocessing("feature_preprocessing", feature_preprocessing))
