"""The learning-rate finder: a short run in which the rate grows, and the loss that follows."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import validate
from ..core.errors import DivergedError
from ..optim import Optimizer
from ..optim.schedules import Schedule
from ..optim.wrapper import Wrapper
from .callbacks import LambdaCallback
from .events import Event
from .model_io import fill, model_tensors
from .trainer import Trainer

__all__ = ["LearningRates", "learning_rate_finder"]

_MEMORY = 0.9  # of the running mean
_LOST = 4.0  # times the lowest loss: nothing is to be learned any more
_FEW = 10  # iterations before that is looked at


class Sweep(Schedule, prefix="train"):
    """Grow evenly by the logarithm: factor(step) = first · ratio^step.

    Parameters
    ----------
    first, ratio : float > 0
    """

    def __init__(self, first: float, ratio: float) -> None:
        self.first, self.ratio = first, ratio

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
        return self.first * self.ratio**step


class RunningMean:
    """A mean of the latest values, started so that the first are not pulled to 0."""

    def __init__(self) -> None:
        self._mean = self._weight = 0.0

    def __call__(self, value: float) -> float:
        """Take a value and return the mean."""
        self._mean = _MEMORY * self._mean + (1 - _MEMORY) * value
        self._weight = _MEMORY * self._weight + (1 - _MEMORY)
        return self._mean / self._weight


class LearningRates:
    """What a learning-rate finder has seen.

    Parameters
    ----------
    rates, losses : arrays of one length
        Of each iteration; the loss is that before its update.

    Examples
    --------
    >>> rates = np.geomspace(1e-4, 1.0, 50)
    >>> found = LearningRates(rates, 2.0 / (1.0 + (rates / 0.01) ** 2) + rates)
    >>> 0.001 < found.suggestion < 0.1
    True
    """

    def __init__(self, rates: NDArray[Any], losses: NDArray[Any]) -> None:
        self.rates = validate.numbers("rates", rates).astype(float)
        self.losses = validate.numbers("losses", losses).astype(float)
        if self.rates.ndim != 1 or self.rates.shape != self.losses.shape:
            raise validate.refuse(
                "losses", f"numbers of the shape {self.rates.shape} of `rates`", self.losses.shape
            )
        self.smoothed = np.array([*map(RunningMean(), self.losses)])
        """A running mean of the losses."""

    @property
    def lowest(self) -> float:
        """The rate at which the smoothed loss was lowest: too high to train with."""
        return float(self.rates[int(np.argmin(self.smoothed))])

    @property
    def suggestion(self) -> float | None:
        """The rate at which the smoothed loss fell most steeply; None where it never fell."""
        n = len(self.rates)
        end = int(np.argmin(self.smoothed)) + 1 if n else 0
        wide = max(2, n // 20)  # iterations to both sides, for single batches are noise
        slopes = {
            k: np.polyfit(np.log(self.rates[k - wide : k + wide + 1]), near, 1)[0]
            for k in range(wide, min(end, n - wide))
            for near in [self.smoothed[k - wide : k + wide + 1]]
        }
        steepest = min(slopes, key=slopes.__getitem__, default=0)
        return float(self.rates[steepest]) if slopes.get(steepest, 0.0) < 0 else None

    def text(self) -> str:
        """Return in words what a picture of it tells."""
        if not self.rates.size:
            return "no iteration had a loss"
        span = f"{self.rates[0]:.3g} to {self.rates[-1]:.3g}"
        told = f"{self.rates.size} iterations, learning rates {span}: "
        found = self.suggestion
        if found is None:
            return told + "the loss never fell; look at lower rates"
        lowest = float(self.smoothed.min())
        told += f"the loss falls most steeply at {found:.2g}"
        return told + f" and is lowest ({lowest:.3g}) at {self.lowest:.2g}"

    def __repr__(self) -> str:
        return f"LearningRates({self.text()})"


def learning_rate_finder(
    trainer: Trainer,
    data: Any,
    *,
    low: float = 1e-6,
    high: float = 1.0,
    steps: int = 100,
) -> LearningRates:
    """Train for some iterations with a rate that grows, and tell how the loss follows.

    rate(k) = low · (high / low)^(k / (steps - 1)). It ends before if the loss has run away. The
    model has its weights again afterwards, and the trainer knows of nothing.

    Parameters
    ----------
    trainer : Trainer
        Whose model, criterion, optimiser, batches and backend are used.
    data : what `Trainer.fit` takes
    low, high : float > 0
        The first rate and the last.
    steps : int > 9, default=100

    Returns
    -------
    LearningRates

    Raises
    ------
    ArgumentError : `high` is not above `low`, fewer than 10 steps, an optimiser that has no rate.

    Notes
    -----
    Smith 2017, "Cyclical Learning Rates for Training Neural Networks". Like fastai `lr_find` and
    PyTorch Lightning `lr_find`. Optimisers of groups keep their rates in proportion to the main
    one's, and schedules of their own.

    Examples
    --------
    >>> from sandbox.lib import criterion, nn, optim
    >>> x = np.random.default_rng(0).normal(size=(512, 4)).astype("f4")
    >>> y = (x[:, 0] > 0).astype("i8")
    >>> trainer = Trainer(nn.zoo.mlp([4, 16, 2], rng=0), criterion.CrossEntropy(), optim.SGD(0.1),
    ...                   batch_size=32, progress=None, threads=1)
    >>> found = learning_rate_finder(trainer, (x, y), high=10.0)
    >>> 0.001 < found.suggestion < 10.0, len(trainer.history)
    (True, 0)
    """
    validate.instance("trainer", trainer, Trainer)
    low = validate.positive("low", low)
    high = validate.positive("high", high)
    if high <= low:
        raise validate.refuse("high", f"more than `low` = {low:g}", high)
    if validate.positive_int("steps", steps) < _FEW:
        raise validate.refuse("steps", f"an int >= {_FEW}", steps)
    kept = model_tensors(trainer.model)
    probe = Trainer(
        trainer.model,
        trainer.criterion,
        _swept(trainer.optimizer, low, (high / low) ** (1 / (steps - 1))),
        batch_size=trainer.batch_size,
        seed=trainer.seed,
        threads=trainer.threads,
        backend=trainer.backend,
        clip=trainer.clip,
        plan=trainer.plan,
        precision=trainer.precision,
        checkpointing=trainer.checkpointing,
        accumulate=trainer.accumulate,
        progress=None,
    )
    watch = _Watch(probe)
    probe.callbacks.append(LambdaCallback(iteration=watch))
    try:
        probe.fit(data, steps=steps)
    except DivergedError:
        pass  # the losses until then are what was asked for
    finally:
        fill(trainer.model, kept, "the weights before")
    losses = np.asarray(watch.losses)
    return LearningRates(np.asarray(watch.rates)[: len(losses)], losses)


class _Watch:
    """Notes rates and losses, and stops a run whose loss has run away."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self.rates: list[float] = []
        self.losses: list[float] = []
        self._smoothed = RunningMean()
        self._lowest = math.inf
        self._lost = False

    def __call__(self, event: Event) -> None:
        loss = float(event["loss"])
        if self._lost or not math.isfinite(loss):
            return
        self.rates.append(float(event["learning_rate"]))
        self.losses.append(loss)
        smoothed = self._smoothed(loss)
        self._lowest = min(self._lowest, smoothed)
        if len(self.losses) >= _FEW and smoothed > _LOST * self._lowest:
            self._lost = True
            self._trainer.stop()


def _swept(optimizer: Optimizer, low: float, ratio: float) -> Optimizer:
    """Return a copy of an optimiser whose rate grows from `low`."""
    made = inner = copy.deepcopy(optimizer)
    while isinstance(inner, Wrapper):
        inner = inner.optimizer
    if not inner.learning_rate:
        raise validate.refuse("trainer.optimizer", "one with a learning rate > 0", optimizer)
    inner.schedule = Sweep(low / inner.learning_rate, ratio)
    return made
