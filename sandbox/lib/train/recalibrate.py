"""Running statistics of batch norms for weights that no training has passed, such as averages."""

from __future__ import annotations

from typing import Any

from .. import nn
from ..core import RandomKey, tree, using, validate
from ..data import as_dataset
from .batches import Batches
from .group import SingleGroup

__all__ = ["recalibrate"]


def recalibrate(model: nn.Module, data: Any, *, batch_size: int = 128, seed: int = 0) -> None:
    """Measure the running statistics of a model's batch norms anew.

    running = mean over the batches of what a batch norm sees in training mode, in one pass

    Parameters
    ----------
    model : Module
        Its parameters stay as they are; frozen batch norms do, too.
    data : (x, y) or Dataset
        Training rows; targets are not looked at.
    batch_size : int > 0
        Rows of a batch; that of the training.
    seed : int >= 0
        Of the order of rows, and of dropout masks.

    Raises
    ------
    DataError : there is no row, or one holds NaN.

    Notes
    -----
    Same as PyTorch `update_bn`. Source: Izmailov et al. 2018, section 3.2. Averaged weights have
    other activations than the weights that were trained: use it within `trainer.averaged()`.

    Examples
    --------
    >>> import numpy as np
    >>> model = nn.Sequential(norm=nn.BatchNorm(2))
    >>> recalibrate(model, (np.array([[1, 0], [3, 4]], "f4"), np.zeros(2, "i8")))
    >>> model.norm.running_mean.data
    array([2., 2.], dtype=float32)
    """
    validate.instance("model", model, nn.Module)
    rows = as_dataset(data)
    order = rows.order(validate.positive_int("batch_size", batch_size), seed=seed)
    batches = Batches(rows, order, SingleGroup())
    norms = [norm for _, norm in model.named_modules() if isinstance(norm, nn.BatchNorm)]
    kept = [norm.momentum for norm in norms]
    try:
        for k in range(order.steps_per_epoch if norms else 0):
            batch = batches.read(0, k)
            batch.check()
            for norm in norms:
                norm.momentum = 1 / (k + 1)  # the mean of all batches so far
            with using(training=True, random=RandomKey(seed, k, batch.sample_index)):
                tree.call(model, batch.inputs)
    finally:
        for norm, momentum in zip(norms, kept, strict=True):
            norm.momentum = momentum
