"""The base of all optimisers: an update of any 1-D slice of the flat parameter vector."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core import validate
from ..core.errors import ArgumentError
from ..engine.subnormal import FlushToZero
from .config import Configured, checked_number
from .schedules import Schedule
from .spans import ParameterSpans

Vector = NDArray[Any]


class UpdateArguments(NamedTuple):
    """What one step goes by: the arguments of `apply_slice` beside the vectors."""

    step: int
    learning_rate: float
    decay_mask: Vector | None
    spans: ParameterSpans | None
    norms: NDArray[np.float64] | None

    def decay(self, here: slice) -> Vector | None:
        """Return the part of the decay mask that belongs to a part of the slice."""
        return None if self.decay_mask is None else self.decay_mask[here]


class Optimizer(Configured, ABC):
    """Turn gradients into steps, on any 1-D slice of the flat vectors, in place.

    Because a rank of a distributed run owns slices only, an optimiser must be elementwise: the
    result on a whole vector and on any partition of it into slices is the same bit for bit. The
    base cuts slices into chunks whose temporaries stay in the CPU's second-level cache; a subclass
    writes `update` for one chunk.

    Parameters
    ----------
    learning_rate : float > 0
        Step size before the schedule's factor.
    weight_decay : float >= 0
        What it means is up to the subclass.
    schedule : Schedule, optional
        Factor on the learning rate as a function of the step.

    Notes
    -----
    `slots` names the state vectors (momentum ...); they start as zeros. Checkpoints and exchanges
    treat every slot like the parameters. `step` counts the finished updates, from 0.
    Equivalents: BigDL `OptimMethod` (0.13), Keras `Optimizer` and PyTorch `Optimizer`.

    Examples
    --------
    An optimiser of one's own in ten lines:

    >>> class SignSGD(Optimizer, prefix="mine"):
    ...     '''Step by the sign of a running mean of the gradients.'''
    ...     slots = ("mean",)
    ...     def __init__(self, learning_rate, *, beta=0.9):
    ...         super().__init__(learning_rate)
    ...         self.beta = beta
    ...     def update(self, p, g, state, work, *, step, learning_rate, decay):
    ...         state["mean"] *= self.beta
    ...         state["mean"] += (1 - self.beta) * g
    ...         p -= learning_rate * np.sign(state["mean"])
    >>> weights, optimizer = np.ones(3, "f4"), SignSGD(0.5)
    >>> state = optimizer.init_slice(3)
    >>> optimizer.apply_slice(weights, np.array([1, -1, 0], "f4"), state, step=0, learning_rate=0.5)
    >>> weights
    array([0.5, 1.5, 1. ], dtype=float32)
    """

    slots: ClassVar[tuple[str, ...]] = ()
    chunk: ClassVar[int] = 1 << 16
    """Elements handled at once: temporaries of 256 KB."""
    scratch: ClassVar[int] = 1
    """Temporaries of one chunk that `update` gets as rows of `work`."""
    needs_spans: bool = False
    """Whether `apply_slice` wants to know, as `spans`, which parameters a slice holds."""
    needs_norms: bool = False
    """Whether `measure_slice` must come first, and its sums over all slices go in as `norms`."""
    needs_wholes: bool = False
    """Whether `aim_slice` and then, on whole parameters, `shape_whole` must come first."""
    whole_slots: tuple[str, ...] = ()
    """The slots that `shape_whole` wants to see."""
    needs_whole_vector: bool = False
    """Whether the slice must be the whole vector: such an optimiser works in one process only."""
    average_slot: str | None = None
    """The slot that holds averaged weights, for who evaluates and saves."""

    def __init__(
        self, learning_rate: float, *, weight_decay: float = 0.0, schedule: Schedule | None = None
    ) -> None:
        self.learning_rate = checked_number(self, "learning_rate", learning_rate, 0)
        self.weight_decay = checked_number(self, "weight_decay", weight_decay, 0)
        if schedule is not None and (isinstance(schedule, type) or not callable(schedule)):
            raise ArgumentError(
                f"{type(self).__name__}: schedule must be a Schedule or None; got {schedule!r}."
            )
        self.schedule = schedule

    def learning_rate_at(self, step: int, total_steps: int | None = None) -> float:
        """Return the learning rate of the update number `step` (from 0) of `total_steps`."""
        if self.schedule is None:
            return float(self.learning_rate)
        return float(self.learning_rate * self.schedule(step, total_steps))

    def init_slice(self, n: int, dtype: Any = np.float32) -> dict[str, Vector]:
        """Return the state of a slice of `n` parameters: one zero vector for each slot."""
        size = validate.non_negative_int("n", n)
        kind = validate.number_dtype("dtype", dtype)
        return {slot: np.zeros(size, kind) for slot in self.slots}

    def check_names(self, names: Sequence[str]) -> None:
        """Raise if the optimiser was told about parameters that are not among these."""

    def observe(self, metrics: Mapping[str, Any]) -> None:
        """Take in a validation that was due; only schedules such as `Plateau` remember it."""
        if self.schedule is not None:
            self.schedule.observe(metrics)

    def memory(self) -> dict[str, Any]:
        """Return what validations left behind, as JSON-able data for a checkpoint."""
        return {} if self.schedule is None else self.schedule.memory()

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Go on from what `memory` returned; an empty one forgets all."""
        if self.schedule is not None:
            self.schedule.remember(memory)

    def monitored(self) -> str | None:
        """Return the validation metric that the schedule goes by, if there is one."""
        return None if self.schedule is None else self.schedule.monitored()

    def orient(self, higher_is_better: Mapping[str, bool]) -> None:
        """Tell the schedule, before training, of which metrics more is better."""
        if self.schedule is not None:
            self.schedule.orient(higher_is_better)

    def pace(self, steps_per_epoch: int, total_steps: int | None = None) -> None:
        """Tell the schedule, before training, how many steps a pass has, and the whole run."""
        if self.schedule is not None:
            self.schedule.pace(steps_per_epoch)

    def measure_slice(
        self,
        parameters: Vector,
        gradients: Vector,
        state: Mapping[str, Vector],
        *,
        step: int,
        spans: ParameterSpans | None = None,
        decay_mask: Vector | None = None,
    ) -> NDArray[np.float64]:
        """Return this slice's part of two sums of squares for each parameter.

        See `LayerwiseAdaptive`.
        """
        self._check_slice(parameters, gradients, state, decay_mask)
        now = UpdateArguments(step, 0.0, decay_mask, spans, None)
        return self._measure(parameters, gradients, state, now)

    def aim_slice(
        self,
        parameters: Vector,
        gradients: Vector,
        state: Mapping[str, Vector],
        *,
        step: int,
        spans: ParameterSpans | None = None,
    ) -> None:
        """Put what `shape_whole` is to see whole into the place of this slice's gradients."""
        self._check_slice(parameters, gradients, state, None)
        with FlushToZero():
            self._aim(parameters, gradients, state, UpdateArguments(step, 0.0, None, spans, None))

    def shape_whole(
        self, name: str, parameter: Vector, gradient: Vector, slots: Mapping[str, Vector]
    ) -> None:
        """Change a whole parameter's gradient in place, before slices of it are applied.

        Parameters
        ----------
        name : str
            The parameter's.
        parameter, gradient : arrays of its shape
            What it is, and what `aim_slice` has made of its gradient.
        slots : dict of slot name -> array of its shape
            The slots of `whole_slots`.
        """

    def apply_slice(
        self,
        parameters: Vector,
        gradients: Vector,
        state: Mapping[str, Vector],
        *,
        step: int,
        learning_rate: float,
        decay_mask: Vector | None = None,
        spans: ParameterSpans | None = None,
        norms: NDArray[np.float64] | None = None,
    ) -> None:
        """Update `parameters` and `state` in place from `gradients`, which are left as they are.

        Parameters
        ----------
        parameters, gradients : 1-D float arrays of one length
            Any slice of the flat vectors.
        state : dict of slot name -> 1-D array of that length
            From `init_slice`.
        step : int >= 0
            Updates done before this one.
        learning_rate : float
            From `learning_rate_at`, or set by hand.
        decay_mask : 1-D array, optional
            Factor on the weight decay of each parameter; booleans switch it on or off.
        spans : ParameterSpans, optional
            Which parameters the slice holds, for optimisers with `needs_spans`.
        norms : array of shape (parameters of the model, 2), optional
            The sums of `measure_slice` over all slices, for optimisers with `needs_norms`.
        """
        self._check_slice(parameters, gradients, state, decay_mask)
        now = UpdateArguments(step, float(learning_rate), decay_mask, spans, norms)
        with FlushToZero():  # momentum that decayed for long would slow the step down for ever
            self._apply(parameters, gradients, state, now)

    def pass_frozen(self, parameters: Vector, state: Mapping[str, Vector], *, step: int) -> None:
        """Do a step's work for parameters that are frozen: none, but for averages of them."""

    def _measure(
        self, p: Vector, g: Vector, state: Mapping[str, Vector], now: UpdateArguments
    ) -> NDArray[np.float64]:
        """Do what `measure_slice` does, with vectors that are checked."""
        return np.zeros((0 if now.spans is None else len(now.spans.names), 2))

    def _aim(self, p: Vector, g: Vector, state: Mapping[str, Vector], now: UpdateArguments) -> None:
        """Do what `aim_slice` does, with vectors that are checked."""

    def _apply(
        self, p: Vector, g: Vector, state: Mapping[str, Vector], now: UpdateArguments
    ) -> None:
        """Do what `apply_slice` does, with vectors that are checked."""
        work = np.empty((self.scratch, min(self.chunk, p.size)), p.dtype)
        for start in range(0, p.size, self.chunk):
            here = slice(start, min(start + self.chunk, p.size))
            self._update_part(p, g, state, work, here, now, now.learning_rate)

    def _update_part(
        self,
        p: Vector,
        g: Vector,
        state: Mapping[str, Vector],
        work: Vector,
        here: slice,
        now: UpdateArguments,
        learning_rate: float,
    ) -> None:
        """Let `update` do a part of the slice that is no longer than a chunk."""
        self.update(
            p[here],
            g[here],
            {slot: state[slot][here] for slot in self.slots},
            work[:, : here.stop - here.start],
            step=now.step,
            learning_rate=learning_rate,
            decay=now.decay(here),
        )

    @abstractmethod
    def update(
        self,
        p: Vector,
        g: Vector,
        state: dict[str, Vector],
        work: Vector,
        *,
        step: int,
        learning_rate: float,
        decay: Vector | None,
    ) -> None:
        """Update one chunk: write `p` and `state` in place, never `g`; `work` rows are scratch.

        Only elementwise arithmetic whose result does not depend on the position in the array is
        allowed (no `dot`, no `sum`), with Python floats as scalars: they take `p`'s dtype.
        """

    def decayed(self, p: Vector, g: Vector, out: Vector, decay: Vector | None) -> Vector:
        """Return g + weight_decay · decay · p, written to `out`, or `g` itself without decay."""
        if not self.weight_decay:
            return g
        np.multiply(p, self.weight_decay, out=out)
        if decay is not None:
            np.multiply(out, decay, out=out, casting="same_kind")
        np.add(out, g, out=out)
        return out

    def _check_slice(
        self,
        parameters: Vector,
        gradients: Vector,
        state: Mapping[str, Vector],
        decay_mask: Vector | None,
    ) -> None:
        vectors = {"gradients": gradients, **{slot: state.get(slot) for slot in self.slots}}
        if decay_mask is not None:
            vectors["decay_mask"] = decay_mask
        if parameters.ndim != 1 or parameters.dtype.kind != "f":
            raise ArgumentError(
                f"{type(self).__name__}: parameters must be a 1-D float vector; "
                f"got {parameters.dtype} of shape {parameters.shape}."
            )
        for name, vector in vectors.items():
            if vector is None:
                raise ArgumentError(
                    f"{type(self).__name__}: state must hold the slots {', '.join(self.slots)}; "
                    f"got {', '.join(state) or 'none'}. Make it with init_slice, or resume with "
                    "the optimiser of the checkpoint."
                )
            if vector.shape != parameters.shape:
                raise ArgumentError(
                    f"{type(self).__name__}: {name} must have the parameters' shape "
                    f"{parameters.shape}; got {vector.shape}."
                )
        if not math.isfinite(float(self.learning_rate)):
            raise ArgumentError(
                f"{type(self).__name__}: learning_rate must be finite; got {self.learning_rate}."
            )
