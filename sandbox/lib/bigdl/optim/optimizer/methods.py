"""Optimisation methods, schedules and regularisers of BigDL: names and defaults over `optim`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from .... import optim
from ....core.errors import ArgumentError
from ....engine.files import locate, write_atomic

DOUBLEMAX = 1.7976931348623157e308


class Schedule:
    """A learning rate schedule; `core(rate)` gives the rate to start from and the core's schedule.

    The formula counts iterations from 0, as `optim.schedules` do.
    """

    def core(self, rate: float) -> tuple[float, optim.Schedule | None]:
        """Return the highest rate and the schedule of factors on it."""
        raise NotImplementedError


class _Plain(Schedule):
    def __init__(self, schedule: optim.Schedule | None) -> None:
        self.schedule = schedule

    def core(self, rate: float) -> tuple[float, optim.Schedule | None]:
        """Return the rate itself and the schedule."""
        return rate, self.schedule


class Poly(_Plain):
    """rate · (1 - iteration / max_iteration)^power."""

    def __init__(self, power: float, max_iteration: int, bigdl_type: str = "float") -> None:
        super().__init__(optim.Polynomial(power, steps=max_iteration))


class Exponential(_Plain):
    """rate · decay_rate^(iteration / decay_step), whole powers alone with `stair_case`."""

    def __init__(
        self,
        decay_step: int,
        decay_rate: float,
        stair_case: bool = False,
        bigdl_type: str = "float",
    ) -> None:
        smooth = optim.Exponential(decay_rate, every=decay_step)
        super().__init__(optim.StepDecay(decay_step, gamma=decay_rate) if stair_case else smooth)


class Step(_Plain):
    """rate · gamma^floor(iteration / step_size)."""

    def __init__(self, step_size: int, gamma: float, bigdl_type: str = "float") -> None:
        super().__init__(optim.StepDecay(step_size, gamma=gamma))


class MultiStep(_Plain):
    """rate · gamma^(number of step sizes reached)."""

    def __init__(self, step_sizes: Any, gamma: float, bigdl_type: str = "float") -> None:
        super().__init__(optim.MultiStep(list(step_sizes), gamma=gamma))


class Default(_Plain):
    """rate / (1 + iteration · learningrate_decay), the decay of the method."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(None)


class Plateau(Schedule):
    """rate · factor whenever `patience` validations brought nothing better.

    `monitor` is the name of a validation method, such as "Loss" or "Top1Accuracy".
    """

    def __init__(
        self,
        monitor: str,
        factor: float = 0.1,
        patience: int = 10,
        mode: str = "min",
        epsilon: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        bigdl_type: str = "float",
    ) -> None:
        self.monitor, self.min_lr = monitor, min_lr
        self.more: dict[str, Any] = {
            "factor": factor,
            "patience": patience,
            "mode": mode,
            "min_delta": epsilon,
            "cooldown": cooldown,
        }

    def core(self, rate: float) -> tuple[float, optim.Schedule | None]:
        """Return the rate and the core's `Plateau`."""
        return rate, optim.Plateau(self.monitor, lowest=self.min_lr / rate, **self.more)


class Warmup(Schedule):
    """rate + delta · iteration: the first part of a `SequentialSchedule`."""

    def __init__(self, delta: float, bigdl_type: str = "float") -> None:
        self.delta = delta

    def core(self, rate: float) -> tuple[float, optim.Schedule | None]:
        """Refuse to rise without an end."""
        raise ArgumentError(
            "Warmup must be the first part of a SequentialSchedule; got it alone. Write "
            "SequentialSchedule(n).add(Warmup(delta), iterations).add(...)."
        )


class SequentialSchedule(Schedule):
    """Schedules one after the other, each for its number of iterations.

    After a `Warmup` the next one starts from the rate that was reached.

    Examples
    --------
    >>> warm = SequentialSchedule(1).add(Warmup(0.3), 3).add(Poly(3.0, 100), 100)
    >>> method = SGD(learningrate=0.1, leaningrate_schedule=warm)
    >>> [round(method.core.learning_rate_at(step), 4) for step in range(5)]
    [0.1, 0.4, 0.7, 1.0, 0.9703]
    """

    def __init__(self, iteration_per_epoch: int, bigdl_type: str = "float") -> None:
        self.iteration_per_epoch = iteration_per_epoch
        self.parts: list[tuple[Schedule, int]] = []

    def add(
        self, scheduler: Schedule, max_iteration: int, bigdl_type: str = "float"
    ) -> SequentialSchedule:
        """Add a schedule for so many iterations; returns this one."""
        if isinstance(scheduler, Warmup) and self.parts:
            raise ArgumentError("Warmup must be the first part; got it behind others.")
        self.parts.append((scheduler, max_iteration))
        return self

    def core(self, rate: float) -> tuple[float, optim.Schedule | None]:
        """Return the highest rate and the core's schedule."""
        if not self.parts:
            raise ArgumentError("SequentialSchedule must hold schedules; got none. Use add().")
        first, count = self.parts[0]
        peak = rate + first.delta * count if isinstance(first, Warmup) else rate
        schedules: list[Any] = []
        ends: list[int] = []
        for part, length in self.parts:
            if isinstance(part, Warmup):
                found: Any = optim.Warmup(None, steps=length, start=rate / peak)
            else:
                found = part.core(peak)[1] or optim.Constant()
            schedules.append(found)
            ends.append((ends[-1] if ends else 0) + length)
        if len(schedules) == 1:
            return peak, schedules[0]
        return peak, optim.SequentialSchedule(schedules, ends[:-1])


class OptimMethod:
    """An optimisation method: `core` is the optimiser of `sandbox.lib.optim` behind it."""

    core: optim.Optimizer

    def optimize(
        self, feval: Callable[[Any], tuple[float, Any]], x: Any
    ) -> tuple[Any, list[float]]:
        """Do one step on a vector: feval(x) gives the loss and its gradient.

        Returns
        -------
        (x, [loss]) : the new vector and the loss before the step
        """
        p = np.array(x)
        if not hasattr(self, "_state"):
            self._state, self._step = self.core.init_slice(p.size, p.dtype), 0
        loss, gradient = feval(p)
        flat = p.reshape(-1)
        self.core.apply_slice(
            flat,
            np.asarray(gradient, p.dtype).reshape(-1),
            self._state,
            step=self._step,
            learning_rate=self.core.learning_rate_at(self._step),
        )
        self._step += 1
        return flat.reshape(p.shape), [float(loss)]

    def save(self, path: str | os.PathLike[str], overWrite: bool = False) -> None:
        """Write the method's settings as JSON.

        Raises
        ------
        ArgumentError : the file is there and `overWrite` is False.
        """
        place = locate(path)
        if place.exists() and not overWrite:
            raise ArgumentError(f"{path}: must not be there; got a file. Use overWrite=True.")
        write_atomic(place, json.dumps(self.core.config()).encode())

    @staticmethod
    def load(path: str | os.PathLike[str], bigdl_type: str = "float") -> OptimMethod:
        """Read what `save` wrote."""
        method = OptimMethod()
        found: Any = optim.from_config(json.loads(locate(path).read_bytes()))
        method.core = found
        return method


def _inverse(decay: float) -> optim.Schedule | None:
    return optim.InverseTime(decay) if decay else None


class SGD(OptimMethod):
    """Torch's stochastic gradient descent; `dampening` is the momentum unless given.

    Examples
    --------
    >>> method = SGD(learningrate=0.5, learningrate_decay=1.0)
    >>> x, _ = method.optimize(lambda x: (float(x @ x), 2 * x), np.array([1.0]))
    >>> method.optimize(lambda x: (float(x @ x), 2 * x), x + 1.0)[0]  # rate 0.25
    array([0.5])
    """

    def __init__(
        self,
        learningrate: float = 1e-3,
        learningrate_decay: float = 0.0,
        weightdecay: float = 0.0,
        momentum: float = 0.0,
        dampening: float = DOUBLEMAX,
        nesterov: bool = False,
        leaningrate_schedule: Schedule | None = None,
        learningrates: Any = None,
        weightdecays: Any = None,
        bigdl_type: str = "float",
    ) -> None:
        if learningrates is not None or weightdecays is not None:
            raise ArgumentError(
                "SGD: `learningrates` and `weightdecays` of single numbers are not there; got one. "
                "Give the Optimizer a dict of module name -> method instead."
            )
        rate, schedule = (leaningrate_schedule or Default()).core(learningrate)
        self.core = optim.SGD(
            rate,
            momentum=momentum,
            dampening=(0.0 if nesterov else momentum) if dampening == DOUBLEMAX else dampening,
            nesterov=nesterov,
            weight_decay=weightdecay,
            schedule=schedule or _inverse(learningrate_decay),
        )


class Adam(OptimMethod):
    """Adam; epsilon stands behind the corrected root, as in the paper."""

    def __init__(
        self,
        learningrate: float = 1e-3,
        learningrate_decay: float = 0.0,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        bigdl_type: str = "float",
    ) -> None:
        self.core = optim.Adam(
            learningrate,
            betas=(beta1, beta2),
            epsilon=epsilon,
            schedule=_inverse(learningrate_decay),
        )


class ParallelAdam(Adam):
    """`Adam`: what the original does in threads, ranks do here."""

    def __init__(
        self,
        learningrate: float = 1e-3,
        learningrate_decay: float = 0.0,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        parallel_num: int = -1,
        bigdl_type: str = "float",
    ) -> None:
        super().__init__(learningrate, learningrate_decay, beta1, beta2, epsilon)


class Adagrad(OptimMethod):
    """Divides by the root of the sum of squared gradients."""

    def __init__(
        self,
        learningrate: float = 1e-3,
        learningrate_decay: float = 0.0,
        weightdecay: float = 0.0,
        bigdl_type: str = "float",
    ) -> None:
        self.core = optim.Adagrad(
            learningrate, learning_rate_decay=learningrate_decay, weight_decay=weightdecay
        )


class Adadelta(OptimMethod):
    """Scales gradients by the running size of the steps."""

    def __init__(
        self, decayrate: float = 0.9, epsilon: float = 1e-10, bigdl_type: str = "float"
    ) -> None:
        self.core = optim.Adadelta(1.0, rho=decayrate, epsilon=epsilon)


class Adamax(OptimMethod):
    """Adam that divides by the largest recent gradient."""

    def __init__(
        self,
        learningrate: float = 0.002,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-38,
        bigdl_type: str = "float",
    ) -> None:
        least = float(np.finfo(np.float32).tiny)  # 1e-38 is no normal float32: 0 / 0 at gradient 0
        self.core = optim.Adamax(learningrate, betas=(beta1, beta2), epsilon=max(epsilon, least))


class RMSprop(OptimMethod):
    """Divides gradients by a running root of their squares."""

    def __init__(
        self,
        learningrate: float = 1e-2,
        learningrate_decay: float = 0.0,
        decayrate: float = 0.99,
        epsilon: float = 1e-8,
        bigdl_type: str = "float",
    ) -> None:
        self.core = optim.RMSprop(
            learningrate, alpha=decayrate, epsilon=epsilon, schedule=_inverse(learningrate_decay)
        )


class Ftrl(OptimMethod):
    """Follows the regularised leader."""

    def __init__(
        self,
        learningrate: float = 1e-3,
        learningrate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        bigdl_type: str = "float",
    ) -> None:
        if l2_shrinkage_regularization_strength:
            raise ArgumentError("Ftrl: `l2_shrinkage...` must be 0. Use wRegularizer for L2.")
        self.core = optim.Ftrl(
            learningrate,
            power=-learningrate_power,
            initial=initial_accumulator_value,
            l1=l1_regularization_strength,
            l2=2 * l2_regularization_strength,
        )


class LBFGS(OptimMethod):
    """Limited-memory BFGS with steps of fixed size; one step per iteration of a training."""

    def __init__(
        self,
        max_iter: int = 20,
        max_eval: float = DOUBLEMAX,
        tolfun: float = 1e-5,
        tolx: float = 1e-9,
        ncorrection: int = 100,
        learningrate: float = 1.0,
        verbose: bool = False,
        linesearch: Any = None,
        linesearch_options: Any = None,
        bigdl_type: str = "float",
    ) -> None:
        if linesearch or linesearch_options:
            raise ArgumentError("LBFGS: `linesearch` must be None; got one.")
        self.core = optim.LBFGS(learningrate, history=ncorrection)


class L1Regularizer:
    """l1 · sum |w|."""

    def __init__(self, l1: float, bigdl_type: str = "float") -> None:
        self.core: Any = optim.L1(l1)


class L2Regularizer:
    """l2 / 2 · sum w²."""

    def __init__(self, l2: float, bigdl_type: str = "float") -> None:
        self.core: Any = optim.L2(l2)


class L1L2Regularizer:
    """Both."""

    def __init__(self, l1: float, l2: float, bigdl_type: str = "float") -> None:
        self.core: Any = optim.L1L2(l1, l2)
