"""Groups of parameters, by name: their own learning rate, decay, regulariser or method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ArgumentError
from .config import Configured, number
from .layers import Layers
from .method import Method, Now, Vector
from .regularisers import Regulariser, checked
from .wrapper import Wrapper


class Group(Configured):
    """What is different for some parameters.

    Parameters
    ----------
    names : str or list of str
        Patterns of parameter paths: `"conv1.weight"`, `"*.bias"`, `"embedding.*"`.
    learning_rate : float >= 0
        Factor on the learning rate; 0 keeps them as they are.
    weight_decay : float >= 0
        Factor on the method's weight decay; 0 for none.
    regulariser : Regulariser, optional
        L1(...), L2(...) or L1L2(...) of these parameters.
    method : Method, optional
        Another method for them. Its learning rate follows the schedule of the main method, in
        proportion; it has no schedule of its own.

    Raises
    ------
    ArgumentError : a value is out of its range; the method has a schedule.

    Examples
    --------
    >>> Group("*.bias", weight_decay=0)
    Group(('*.bias',), weight_decay=0.0)
    """

    def __init__(
        self,
        names: str | Sequence[str],
        *,
        learning_rate: float = 1.0,
        weight_decay: float = 1.0,
        regulariser: Regulariser | None = None,
        method: Method | None = None,
    ) -> None:
        self.names = tuple(names) if isinstance(names, tuple | list) else (names,)
        if not self.names or not all(isinstance(name, str) and name for name in self.names):
            raise ArgumentError(
                f"Group: `names` must be patterns of parameter names; got {names!r}. "
                "For example: '*.bias'."
            )
        self.learning_rate = number(self, "learning_rate", learning_rate, 0)
        self.weight_decay = number(self, "weight_decay", weight_decay, 0)
        self.regulariser = checked("Group", regulariser)
        if method is not None:
            if not isinstance(method, Method) or method.whole or method.average_slot:
                raise ArgumentError(
                    "Group: `method` must be a Method that works on slices (put Averaged around "
                    f"all groups); got {method!r}."
                )
            if method.schedule is not None:
                raise ArgumentError(
                    "Group: `method` must have no schedule, since it follows that of the main "
                    f"method; got {method.schedule!r}."
                )
        self.method = method

    def holds(self, name: str) -> bool:
        """Return whether a parameter belongs to it."""
        return any(fnmatchcase(name, pattern) for pattern in self.names)


class Groups(Wrapper):
    """Treat groups of parameters, told by name, each in its own way.

    A parameter belongs to the first group that holds it; all others are treated by `method` alone.

    Parameters
    ----------
    method : Method
        For all parameters, unless a group has its own.
    groups : list of Group
        What is different.

    Raises
    ------
    ArgumentError : a value is out of its range; when training begins, a pattern that no parameter
        has.

    Examples
    --------
    >>> from sandbox.lib.optim import L1, SGD, Adam
    >>> method = Groups(SGD(0.1, weight_decay=1e-4), [
    ...     Group("*.bias", weight_decay=0),
    ...     Group("embedding.*", method=Adam(1e-3)),
    ...     Group("fc1.*", learning_rate=0.1, regulariser=L1(1e-5))])
    >>> method.slots
    ('mean', 'square')
    """

    def __init__(self, method: Method, groups: Sequence[Group]) -> None:
        super().__init__(method)
        if method.average_slot:
            raise ArgumentError(
                "Groups: `method` must not be averaged; got "
                f"{method!r}. Put it around: Averaged(Groups(...))."
            )
        self.groups = tuple(groups) if isinstance(groups, tuple | list) else (groups,)
        for group in self.groups:
            if not isinstance(group, Group):
                raise ArgumentError(f"Groups: each group must be a Group; got {group!r}.")
            if group.method is not None and not method.learning_rate:
                raise ArgumentError(
                    "Groups: `method` must have a learning rate > 0 where a group has its own "
                    f"method; got {method.learning_rate}."
                )
        self._methods = [method, *(g.method for g in self.groups if g.method is not None)]
        slots = dict.fromkeys(slot for m in self._methods for slot in m.slots)
        self.slots = tuple(slots)  # type: ignore[misc]
        self.by_layer = True
        self.needs_norms = any(m.needs_norms for m in self._methods)

    def check_names(self, names: Sequence[str]) -> None:
        """Raise if a pattern holds none of these parameters."""
        for group in self.groups:
            for pattern in group.names:
                if not any(fnmatchcase(name, pattern) for name in names):
                    raise ArgumentError(
                        f"Group: names must hold parameters of the model; got {pattern!r}, which "
                        f"holds none of {', '.join(names[:12])}{', ...' * (len(names) > 12)}."
                    )
        for method in self._methods:
            method.check_names(names)

    def init_slice(self, n: int, dtype: Any = np.float32) -> dict[str, Vector]:
        """Return the slots of all methods; a slot that starts at different numbers is refused."""
        state: dict[str, Vector] = {}
        for method in self._methods:
            for slot, vector in method.init_slice(n, dtype).items():
                if slot in state and n and state[slot][0] != vector[0]:
                    raise ArgumentError(
                        f"Groups: methods must agree on where the slot {slot!r} starts; got "
                        f"{float(state[slot][0])} and {float(vector[0])}."
                    )
                state[slot] = vector
        return state

    def _measure(
        self, p: Vector, g: Vector, state: Mapping[str, Vector], now: Now
    ) -> NDArray[np.float64]:
        layers = self._known(now.layers)
        sums = np.zeros((len(layers.names), 2))
        for group, here, inside in self._runs(layers):
            method = self._method(group)
            if method.needs_norms:
                sums += method._measure(*self._part(group, here, inside, p, g, state, now))
        return sums

    def _apply(self, p: Vector, g: Vector, state: Mapping[str, Vector], now: Now) -> None:
        for group, here, inside in self._runs(self._known(now.layers)):
            if group is None or group.learning_rate:
                part = self._part(group, here, inside, p, g, state, now)
                self._method(group)._apply(*part)

    def _method(self, group: Group | None) -> Method:
        return self.method if group is None or group.method is None else group.method

    def _part(
        self,
        group: Group | None,
        here: slice,
        inside: Layers,
        p: Vector,
        g: Vector,
        state: Mapping[str, Vector],
        now: Now,
    ) -> tuple[Vector, Vector, dict[str, Vector], Now]:
        """Return what the group's method gets for one part of the slice."""
        rate, mask = now.learning_rate, now.decay(here)
        if group is not None:
            rate *= group.learning_rate
            if group.method is not None:
                rate *= group.method.learning_rate / self.method.learning_rate
        return (
            p[here],
            self._gradient(group, p[here], g[here], mask),
            {slot: state[slot][here] for slot in self._method(group).slots},
            Now(now.step, rate, self._decay(group, mask, p[here]), inside, now.norms),
        )

    def _known(self, layers: Layers | None) -> Layers:
        if layers is None:
            raise ArgumentError(
                "Groups: `layers` must tell which parameters the slice holds; got None. "
                "Make it with optim.Layers.of(flat.views, start, stop)."
            )
        return layers

    def _runs(self, layers: Layers) -> Iterator[tuple[Group | None, slice, Layers]]:
        """Cut the slice into runs of neighbours of one group, cut further where they are long."""
        owner = [next((g for g in self.groups if g.holds(n)), None) for n in layers.names]
        k = 0
        while k < len(layers.segments):
            last = k
            group = owner[layers.segments[k].layer]
            while (
                last + 1 < len(layers.segments) and owner[layers.segments[last + 1].layer] is group
            ):
                last += 1
            start, stop = layers.segments[k].start, layers.segments[last].stop
            for at in range(start, stop, self.chunk):  # temporaries of a chunk only
                end = min(at + self.chunk, stop)
                yield group, slice(at, end), layers.within(at, end)
            k = last + 1

    def _gradient(self, group: Group | None, p: Vector, g: Vector, mask: Vector | None) -> Vector:
        if group is None or group.regulariser is None:
            return g
        return group.regulariser.add_to(p, g, np.empty_like(g), mask)

    def _decay(self, group: Group | None, mask: Vector | None, p: Vector) -> Vector | None:
        if group is None or group.weight_decay == 1:
            return mask
        factor = np.broadcast_to(np.asarray(group.weight_decay, p.dtype), p.shape)
        return factor if mask is None else factor * mask


def regularised(method: Method, regulariser: Regulariser, names: str = "*") -> Groups:
    """Return the method with a regulariser on the parameters of these names, all by default.

    Examples
    --------
    >>> from sandbox.lib.optim import L1, SGD
    >>> regularised(SGD(0.1), L1(1e-4), "*.weight")
    Groups(SGD(0.1), (Group(('*.weight',), regulariser=L1(0.0001)),))
    """
    return Groups(method, [Group(names, regulariser=regulariser)])
