"""Learning rate schedules of BigDL over `optim.schedules`."""

from __future__ import annotations

from typing import Any

from .... import optim
from ....core.errors import ArgumentError


class Schedule:
    """A learning rate schedule; `core(rate)` gives the rate to start from and the core's schedule.

    The formula counts iterations from 0, as `optim.schedules` do.
    """

    def core(self, rate: float) -> tuple[float, optim.Schedule | None]:
        """Return the highest rate and the schedule of factors on it."""
        raise NotImplementedError(f"{type(self).__name__} must define core(rate).")


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
    >>> from sandbox.lib.bigdl.optim.optimizer import SGD
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
