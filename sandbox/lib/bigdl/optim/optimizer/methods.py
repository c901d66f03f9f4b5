"""Optimisation methods of BigDL: names and defaults over `optim`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from .... import optim
from ....core.errors import ArgumentError
from ....engine.files import locate, write_atomic
from .schedules import Default, Schedule

DOUBLEMAX = 1.7976931348623157e308


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
