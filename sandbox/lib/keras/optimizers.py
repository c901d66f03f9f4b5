"""Optimisers by Keras's names and with its defaults: those of `sandbox.lib.optim`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from .. import optim
from ..core.errors import ArgumentError
from ..optim.clipping import Clip
from .spelling import Spelled

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Adamax", "Nadam", "Optimizer", "RMSprop", "get"]


class Optimizer(metaclass=Spelled):
    """Base: how weights follow their gradients.

    Parameters
    ----------
    learning_rate : float or Schedule of `sandbox.lib.optim`
    clipnorm, global_clipnorm, clipvalue : float, optional
        Of gradients. `clipnorm` bounds the norm over all weights, as `global_clipnorm` does.

    Notes
    -----
    Epsilon is added as in `sandbox.lib.optim`, behind the correction of the first steps; Keras adds
    it before. The difference is of the size of epsilon.
    """

    aliases: ClassVar[Mapping[str, str]] = {"lr": "learning_rate"}
    shared: ClassVar[tuple[str, ...]] = ("clipnorm", "clipvalue", "global_clipnorm", "name")

    def __init__(
        self,
        learning_rate: Any = 0.01,
        *,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        self.schedule = learning_rate if isinstance(learning_rate, optim.Schedule) else None
        self.learning_rate = 1.0 if self.schedule is not None else float(learning_rate)
        self.name = name or type(self).__name__.lower()
        given = [n for n in (clipnorm, global_clipnorm) if n is not None]
        self.clip: Clip | None = None
        if given:
            self.clip = optim.ClipNorm(given[0])
        elif clipvalue is not None:
            self.clip = optim.ClipValue(clipvalue)

    def core(self) -> optim.Optimizer:
        """Return the core's optimiser."""
        raise NotImplementedError(f"{type(self).__name__} must define core().")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return dict(self.__dict__["_arguments"])

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Make one from its arguments."""
        return cls(**config)


class SGD(Optimizer):
    """Gradient descent, with momentum if wished."""

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, **options)
        self.momentum, self.nesterov = momentum, nesterov

    def core(self) -> optim.Optimizer:
        """Return the core's."""
        return optim.SGD(
            self.learning_rate,
            momentum=self.momentum,
            nesterov=self.nesterov and self.momentum > 0,
            schedule=self.schedule,
        )


class _Moments(Optimizer):
    """Base of those that follow two moments of the gradient."""

    made: ClassVar[Callable[..., optim.Optimizer]]

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, **options)
        self.betas, self.epsilon = (beta_1, beta_2), epsilon

    def core(self) -> optim.Optimizer:
        """Return the core's."""
        make: Any = type(self).made
        return make(  # type: ignore[no-any-return]
            self.learning_rate, betas=self.betas, epsilon=self.epsilon, schedule=self.schedule
        )


class Adam(_Moments):
    """Adam (Kingma, Ba 2015)."""

    made = optim.Adam


class Adamax(_Moments):
    """Adamax (Kingma, Ba 2015)."""

    made = optim.Adamax


class Nadam(_Moments):
    """Adam with Nesterov's momentum (Dozat 2016)."""

    made = optim.NAdam


class AdamW(_Moments):
    """Adam with weight decay of its own (Loshchilov, Hutter 2019)."""

    made = optim.AdamW

    def __init__(
        self, learning_rate: Any = 0.001, weight_decay: float = 0.004, **options: Any
    ) -> None:
        super().__init__(learning_rate, **options)
        self.weight_decay = weight_decay

    def core(self) -> optim.Optimizer:
        """Return the core's."""
        return optim.AdamW(
            self.learning_rate,
            betas=self.betas,
            epsilon=self.epsilon,
            weight_decay=self.weight_decay,
            schedule=self.schedule,
        )


class RMSprop(Optimizer):
    """Divide by a running mean of the gradient's size (Hinton 2012)."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, **options)
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, epsilon, centered

    def core(self) -> optim.Optimizer:
        """Return the core's."""
        return optim.RMSprop(
            self.learning_rate,
            alpha=self.rho,
            epsilon=self.epsilon,
            momentum=self.momentum,
            centered=self.centered,
            schedule=self.schedule,
        )


class Adagrad(Optimizer):
    """Divide by the root of the sum of squares so far (Duchi et al. 2011)."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, **options)
        self.initial, self.epsilon = initial_accumulator_value, epsilon

    def core(self) -> optim.Optimizer:
        """Return the core's."""
        return optim.Adagrad(
            self.learning_rate, initial=self.initial, epsilon=self.epsilon, schedule=self.schedule
        )


_ALL = {made.__name__.lower(): made for made in (SGD, Adam, AdamW, Adamax, Nadam, RMSprop, Adagrad)}


def get(identifier: Any) -> Optimizer:
    """Return an optimiser for a name, or itself.

    Raises
    ------
    ArgumentError : there is none of this name.

    Examples
    --------
    >>> get("rmsprop").learning_rate
    0.001
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, str) and identifier.lower() in _ALL:
        made: Any = _ALL[identifier.lower()]
        return made()  # type: ignore[no-any-return]
    raise ArgumentError(
        f"`optimizer` must be one of {', '.join(_ALL)} or an object of keras.optimizers; got "
        f"{identifier!r}."
    )
