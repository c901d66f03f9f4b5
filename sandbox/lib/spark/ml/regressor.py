"""Regressors: one number for each row, as Spark's own give it."""

from __future__ import annotations

from typing import Any

from pyspark.ml.regression import RegressionModel, Regressor

from ...core import tree
from ...core.errors import ShapeError
from ...criterion import MSE
from ...engine.oplist import Spec
from .estimator import NNEstimator, Plan
from .model import NNModel
from .signature import Signature

__all__ = ["NNRegressor", "NNRegressorModel"]


class NNRegressorModel(NNModel, RegressionModel[Any]):
    """A network that gives a number for each row of a DataFrame.

    Parameters
    ----------
    model : Module
        Gives one number for each row.
    **params
        Values of Params, see `explainParams()`.

    Raises
    ------
    ArgumentError, DataError, SparkSetupError : as `NNModel`.
    ShapeError : the network gives several numbers.

    Notes
    -----
    Like BigDL `DLModel` (0.13) with numbers in place of arrays.

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> NNRegressorModel(nn.Linear(3, 1, rng=0), predictionCol="price").getPredictionCol()
    'price'
    """

    def _finish(self, signature: Signature, labels: Any = None) -> None:
        refuse_several(signature, type(self).__name__)
        super()._finish(signature)

    def predict(self, value: Any) -> float:
        """Return the prediction for one row."""
        return float(super().predict(value))


class NNRegressor(NNEstimator, Regressor[Any]):
    """Trains a network to give a number for each row.

    Parameters
    ----------
    model, criterion, optimizer, **params
        See `NNEstimator`. The label is a number. The criterion is MSE where none is set.

    Raises
    ------
    ArgumentError, DataError, SparkSetupError : as `NNEstimator`.
    ShapeError : the network gives several numbers.

    Notes
    -----
    Like BigDL `DLEstimator` (0.13) with numbers in place of arrays.

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> NNRegressor(nn.Linear(3, 1, rng=0), weightCol="w").getWeightCol()
    'w'
    """

    fitted = NNRegressorModel
    standard = MSE()
    one_label = True

    def _suited(self, plan: Plan, signature: Signature) -> Plan:
        refuse_several(signature, type(self).__name__)
        return super()._suited(plan, signature)


def refuse_several(signature: Signature, owner: str) -> None:
    """Refuse networks that do not give one number for each row."""
    outputs = signature.outputs
    if not isinstance(outputs, Spec) or outputs.size != 1:
        got = ", ".join(str(spec.shape) for spec in tree.leaves(outputs))
        raise ShapeError(
            f"{owner}: `model` must give one number for each row; got rows of shape {got}. "
            "NNEstimator takes any outputs."
        )
