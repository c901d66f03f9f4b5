"""Groups of parameters, by name: their own learning rate, decay, regulariser or optimiser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import validate
from ..core.errors import ArgumentError
from .config import Configured, checked_number
from .optimizer import Optimizer, UpdateArguments, Vector
from .regularisers import Regulariser, checked
from .spans import ParameterSpans
from .wrapper import Wrapper


class ParameterGroup(Configured):
    """What is different for some parameters.

    Parameters
    ----------
    names : str or list of str
        Patterns of parameter paths, `"conv1.weight"` or `"*.bias"`, or of modules, `"embedding"`.
    learning_rate : float >= 0
        Factor on the learning rate; 0 keeps them as they are.
    weight_decay : float >= 0
        Factor on the optimiser's weight decay; 0 for none.
    regulariser : Regulariser, optional
        L1(...), L2(...) or L1L2(...) of these parameters.
    optimizer : Optimizer, optional
        Another optimiser for them. Without a schedule of its own it follows that of the main
        optimiser, in proportion.

    Raises
    ------
    ArgumentError : a value is out of its range; the optimiser's schedule goes by a metric.

    Notes
    -----
    Like PyTorch `add_param_group`: told by name.

    Examples
    --------
    >>> ParameterGroup("*.bias", weight_decay=0)
    ParameterGroup(('*.bias',), weight_decay=0.0)
    """

    def __init__(
        self,
        names: str | Sequence[str],
        *,
        learning_rate: float = 1.0,
        weight_decay: float = 1.0,
        regulariser: Regulariser | None = None,
        optimizer: Optimizer | None = None,
    ) -> None:
        self.names = tuple(names) if isinstance(names, tuple | list) else (names,)
        if not self.names or not all(isinstance(name, str) and name for name in self.names):
            raise ArgumentError(
                f"ParameterGroup: `names` must be patterns of parameter names; got {names!r}. "
                "For example: '*.bias'."
            )
        self.learning_rate = checked_number(self, "learning_rate", learning_rate, 0)
        self.weight_decay = checked_number(self, "weight_decay", weight_decay, 0)
        self.regulariser = checked("ParameterGroup", regulariser)
        if optimizer is not None:
            if (
                not isinstance(optimizer, Optimizer)
                or optimizer.needs_whole_vector
                or optimizer.average_slot
            ):
                raise ArgumentError(
                    "ParameterGroup: `optimizer` must be an Optimizer that works on slices (put "
                    f"EMA around all groups); got {optimizer!r}."
                )
            if optimizer.monitored() is not None:
                raise ArgumentError(
                    "ParameterGroup: `optimizer` must have no schedule that goes by a metric; got "
                    f"{optimizer.schedule!r}. Give it to the main optimiser."
                )
        self.optimizer = optimizer

    def holds(self, name: str) -> bool:
        """Return whether a parameter belongs to it."""
        return any(_matches(name, pattern) for pattern in self.names)


def _matches(name: str, pattern: str) -> bool:
    """Tell whether a pattern is that of a parameter, or of a module that holds it."""
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")


class ParameterGroups(Wrapper):
    """Treat groups of parameters, told by name, each in its own way.

    A parameter belongs to the first group that holds it; all others are treated by `optimizer`
    alone.

    Parameters
    ----------
    optimizer : Optimizer
        For all parameters, unless a group has its own.
    groups : list of Group
        What is different.

    Raises
    ------
    ArgumentError : a value is out of its range; when training begins, a pattern that no parameter
        has.

    Notes
    -----
    Like BigDL `setOptimMethods` (0.13) and PyTorch `param_groups`: told by name; a Trainer takes a
    dict as well, `Trainer(optimizer={"embedding": Adam(), "*": SGD(0.1)})`.

    Examples
    --------
    >>> from sandbox.lib.optim import L1, SGD, Adam
    >>> optimizer = ParameterGroups(SGD(0.1, weight_decay=1e-4), [
    ...     ParameterGroup("*.bias", weight_decay=0),
    ...     ParameterGroup("embedding.*", optimizer=Adam(1e-3)),
    ...     ParameterGroup("fc1.*", learning_rate=0.1, regulariser=L1(1e-5))])
    >>> optimizer.slots
    ('mean', 'square')
    """

    def __init__(self, optimizer: Optimizer, groups: Sequence[ParameterGroup]) -> None:
        super().__init__(optimizer)
        self.refuse_averaged()
        self.groups = tuple(groups) if isinstance(groups, tuple | list) else (groups,)
        for group in self.groups:
            if not isinstance(group, ParameterGroup):
                raise ArgumentError(
                    f"ParameterGroups: each group must be a ParameterGroup; got {group!r}."
                )
            if group.optimizer is not None and not optimizer.learning_rate:
                raise ArgumentError(
                    "ParameterGroups: `optimizer` must have a learning rate > 0 where a group has "
                    f"its own optimiser; got {optimizer.learning_rate}."
                )
        self._optimizers = [
            optimizer,
            *(g.optimizer for g in self.groups if g.optimizer is not None),
        ]
        self._total: int | None = None
        slots = dict.fromkeys(slot for m in self._optimizers for slot in m.slots)
        self.slots = tuple(slots)  # type: ignore[misc]
        self.needs_spans = True
        self.needs_norms = any(m.needs_norms for m in self._optimizers)
        self.needs_wholes = any(m.needs_wholes for m in self._optimizers)
        self.whole_slots = tuple(dict.fromkeys(s for m in self._optimizers for s in m.whole_slots))

    def pace(self, steps_per_epoch: int, total_steps: int | None = None) -> None:
        """Tell all schedules, before training, how long a pass and the whole run are."""
        self._total = total_steps
        for optimizer in self._optimizers:
            optimizer.pace(steps_per_epoch, total_steps)

    def check_names(self, names: Sequence[str]) -> None:
        """Raise if a pattern holds none of these parameters."""
        for group in self.groups:
            for pattern in group.names:
                if not any(_matches(name, pattern) for name in names):
                    known = f"{', '.join(names[:12])}{', ...' * (len(names) > 12)}"
                    raise ArgumentError(
                        "ParameterGroup: names must hold parameters of the model; got "
                        f"{pattern!r}, which holds none of {known}."
                    )
        for optimizer in self._optimizers:
            optimizer.check_names(names)

    def init_slice(self, n: int, dtype: Any = np.float32) -> dict[str, Vector]:
        """Return the slots of all optimisers, which must agree on where a slot starts."""
        state: dict[str, Vector] = {}
        for optimizer in self._optimizers:
            for slot, vector in optimizer.init_slice(n, dtype).items():
                if slot in state and n and state[slot][0] != vector[0]:
                    raise ArgumentError(
                        f"ParameterGroups: optimisers must agree on where the slot {slot!r} "
                        f"starts; got {float(state[slot][0])} and {float(vector[0])}."
                    )
                state[slot] = vector
        return state

    def _measure(
        self, p: Vector, g: Vector, state: Mapping[str, Vector], now: UpdateArguments
    ) -> NDArray[np.float64]:
        spans = self._known(now.spans)
        sums = np.zeros((len(spans.names), 2))
        for group, here, inside in self._runs(spans):
            optimizer = self._optimizer(group)
            if optimizer.needs_norms:
                sums += optimizer._measure(*self._part(group, here, inside, p, g, state, now))
        return sums

    def _apply(
        self, p: Vector, g: Vector, state: Mapping[str, Vector], now: UpdateArguments
    ) -> None:
        for group, here, inside in self._runs(self._known(now.spans)):
            if group is None or group.learning_rate:
                part = self._part(group, here, inside, p, g, state, now)
                self._optimizer(group)._apply(*part)

    def _aim(self, p: Vector, g: Vector, state: Mapping[str, Vector], now: UpdateArguments) -> None:
        for group, here, inside in self._runs(self._known(now.spans)):
            optimizer = self._optimizer(group)
            if optimizer.needs_wholes:
                np.copyto(g[here], self._gradient(group, p[here], g[here], None))
                own = {slot: state[slot][here] for slot in optimizer.slots}
                optimizer._aim(p[here], g[here], own, now._replace(spans=inside))

    def shape_whole(
        self, name: str, parameter: Vector, gradient: Vector, slots: Mapping[str, Vector]
    ) -> None:
        """Let the optimiser of a parameter do what it does with it whole."""
        optimizer = self._optimizer(self._group(name))
        if optimizer.needs_wholes:
            optimizer.shape_whole(name, parameter, gradient, slots)

    def _group(self, name: str) -> ParameterGroup | None:
        """Return the first group that holds a parameter."""
        return next((group for group in self.groups if group.holds(name)), None)

    def _optimizer(self, group: ParameterGroup | None) -> Optimizer:
        return self.optimizer if group is None or group.optimizer is None else group.optimizer

    def _part(
        self,
        group: ParameterGroup | None,
        here: slice,
        inside: ParameterSpans,
        p: Vector,
        g: Vector,
        state: Mapping[str, Vector],
        now: UpdateArguments,
    ) -> tuple[Vector, Vector, dict[str, Vector], UpdateArguments]:
        """Return what the group's optimiser gets for one part of the slice."""
        rate, mask = self._rate(group, now), now.decay(here)
        gradient = g[here]
        if not self._optimizer(group).needs_wholes:  # else `_aim` has done it
            gradient = self._gradient(group, p[here], gradient, mask)
        return (
            p[here],
            gradient,
            {slot: state[slot][here] for slot in self._optimizer(group).slots},
            UpdateArguments(now.step, rate, self._decay(group, mask, p[here]), inside, now.norms),
        )

    def _rate(self, group: ParameterGroup | None, now: UpdateArguments) -> float:
        """Return a group's learning rate; a rate set by hand is one for all, in proportion."""
        if group is None:
            return now.learning_rate
        own, main = group.optimizer, self.optimizer
        rate = now.learning_rate * group.learning_rate
        if own is None:
            return rate
        if own.schedule is None:
            return rate * (own.learning_rate / main.learning_rate)
        planned = main.learning_rate_at(now.step, self._total)
        by_hand = now.learning_rate / planned if planned else 1.0
        return own.learning_rate_at(now.step, self._total) * group.learning_rate * by_hand

    def _known(self, spans: ParameterSpans | None) -> ParameterSpans:
        if spans is None:
            raise ArgumentError(
                "ParameterGroups: `spans` must tell which parameters the slice holds; got None. "
                "Make it with optim.ParameterSpans.of(flat.views, start, stop)."
            )
        return spans

    def _runs(
        self, spans: ParameterSpans
    ) -> Iterator[tuple[ParameterGroup | None, slice, ParameterSpans]]:
        """Cut the slice into runs of neighbours of one group, cut further where they are long."""
        owner = [self._group(name) for name in spans.names]
        k = 0
        while k < len(spans.parts):
            last = k
            group = owner[spans.parts[k].parameter]
            while last + 1 < len(spans.parts) and owner[spans.parts[last + 1].parameter] is group:
                last += 1
            start, stop = spans.parts[k].start, spans.parts[last].stop
            for at in range(start, stop, self.chunk):  # temporaries of a chunk only
                end = min(at + self.chunk, stop)
                yield group, slice(at, end), spans.within(at, end)
            k = last + 1

    def _gradient(
        self, group: ParameterGroup | None, p: Vector, g: Vector, mask: Vector | None
    ) -> Vector:
        if group is None or group.regulariser is None:
            return g
        return group.regulariser.add_to(p, g, np.empty_like(g), mask)

    def _decay(self, group: ParameterGroup | None, mask: Vector | None, p: Vector) -> Vector | None:
        if group is None or group.weight_decay == 1:
            return mask
        factor = np.broadcast_to(np.asarray(group.weight_decay, p.dtype), p.shape)
        return factor if mask is None else factor * mask


def regularised(
    optimizer: Optimizer, regulariser: Regulariser, names: str = "*"
) -> ParameterGroups:
    """Return the optimiser with a regulariser on the parameters of these names, all by default.

    Same as BigDL `Layer.setWRegularizer` (names "*.weight"), `Layer.setBRegularizer` ("*.bias").

    Examples
    --------
    >>> from sandbox.lib.optim import L1, SGD
    >>> regularised(SGD(0.1), L1(1e-4), "*.weight")
    ParameterGroups(SGD(0.1), (ParameterGroup(('*.weight',), regulariser=L1(0.0001)),))
    """
    return ParameterGroups(optimizer, [ParameterGroup(names, regulariser=regulariser)])


def by_name(optimizers: Mapping[str, Optimizer]) -> ParameterGroups:
    """Return one optimiser for each pattern of names, and that of "*" for all other parameters.

    Parameters
    ----------
    optimizers : dict of pattern -> Optimizer
        Patterns as of `ParameterGroup`; the first that holds a parameter counts. Those without a
        schedule follow that of the one for "*", in proportion.

    Raises
    ------
    ArgumentError : there is no "*"; the schedule of another goes by a metric.

    Notes
    -----
    Same as BigDL `optim_method` (0.13) given as a dict.

    Examples
    --------
    >>> from sandbox.lib.optim import SGD, Adam
    >>> by_name({"embedding": Adam(), "*": SGD(0.1)})
    ParameterGroups(SGD(0.1), (ParameterGroup(('embedding',), optimizer=Adam()),))
    """
    if not isinstance(optimizers, Mapping) or "*" not in optimizers:
        got = list(optimizers) if isinstance(optimizers, Mapping) else optimizers
        raise ArgumentError(
            "by_name: `optimizers` must be a dict of names that holds '*', for all other "
            f"parameters; got {got!r}."
        )
    for name, optimizer in optimizers.items():
        if not isinstance(optimizer, Optimizer):
            raise ArgumentError(
                f"by_name: `optimizers` must hold optimisers; got {optimizer!r} for {name!r}."
            )
    groups = [ParameterGroup(n, optimizer=o) for n, o in optimizers.items() if n != "*"]
    return ParameterGroups(optimizers["*"], groups)


def by_depth(
    optimizer: Optimizer, names: Sequence[str], decay: float = 0.8, *, levels: int = 1
) -> ParameterGroups:
    """Return the optimiser with a learning rate that falls from the last layer to the first.

    rate of layer k = learning rate · decay^(layers - 1 - k)

    Parameters
    ----------
    optimizer : Optimizer
        For all parameters.
    names : list of str
        The model's parameters in its order: `[name for name, _ in model.named_parameters()]`.
    decay : float in (0, 1]
        Factor from a layer to the one before.
    levels : int > 0
        How many parts of a name tell a layer from others: 1 for the children of the model.

    Notes
    -----
    For fine tuning: first layers know what is general. BigDL, Keras and PyTorch have none. Source:
    Howard and Ruder 2018.

    Examples
    --------
    >>> from sandbox.lib.optim import SGD
    >>> made = by_depth(SGD(0.1), ["fc1.weight", "fc1.bias", "fc2.weight", "out.weight"], 0.5)
    >>> [(group.names[0], group.learning_rate) for group in made.groups]
    [('fc1', 0.25), ('fc2', 0.5), ('out', 1.0)]
    """
    share = validate.in_range("decay", decay, 0.0, 1.0, closed="right")
    depth = validate.positive_int("levels", levels)
    found = validate.several("names", names, "a list of parameter names")
    layers = list(dict.fromkeys(".".join(str(name).split(".")[:depth]) for name in found))
    groups = [
        ParameterGroup(layer, learning_rate=share**before)
        for before, layer in enumerate(reversed(layers))
    ]
    return ParameterGroups(optimizer, groups[::-1])
