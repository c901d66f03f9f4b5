"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, TypeVar

from ...core.errors import ArgumentError
from ...core.validate import integer
from .. import calls
from ..activation.elementwise import ReLU
from ..case import Case
from ..convolution.plain import Conv2d
from ..linear.dense import Linear
from ..module import Module
from ..registry import register
from ..shape.views import Flatten

R = TypeVar("R", bound="Row")


class Container(Module):
    """What containers share: modules by name, in order; `model.conv1` is `model["conv1"]`.

    Same as BigDL `Container`. `list(container)` is BigDL's `Container.layers`; `named_modules()`,
    those without children, BigDL's `Container.flattened_layers`.
    """

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.names: tuple[str, ...] = ()

    def add(self, name: str, module: Module) -> None:
        """Append a module under a name of its own.

        Same as BigDL `Container.add` (which makes the name up: `Sequential.append`).

        Raises
        ------
        ArgumentError : it is not a module, or the name is taken or unusable.
        """
        kind = type(self).__name__
        if not isinstance(module, Module):
            cure = " Make one of the class: add brackets." if isinstance(module, type) else ""
            raise ArgumentError(f"{kind}: child {name!r} must be a module; got {module!r}.{cure}")
        if not isinstance(name, str):
            raise ArgumentError(f"{kind}: a child's name must be text; got {name!r}.")
        if name in self.names:
            raise ArgumentError(f"{kind}: names of children must differ; got {name!r} twice.")
        if not name or "." in name or "/" in name or hasattr(self, name):
            raise ArgumentError(
                f"{kind}: a child's name must be text without dots and slashes that {kind} has no "
                f"other use for; got {name!r}."
            )
        self.__dict__[name] = module
        self.names = (*self.names, name)

    def __getitem__(self, key: int | str) -> Module:
        """Give a child by name or number.

        Raises
        ------
        ArgumentError : there is no such child.
        """
        name = key
        if isinstance(key, int) and -len(self.names) <= key < len(self.names):
            name = self.names[key]
        if name not in self.names:
            raise ArgumentError(
                f"{calls.label(self)}: a child must be one of {', '.join(self.names) or 'none'} or "
                f"a number below {len(self.names)}; got {key!r}."
            )
        module: Module = self.__dict__[str(name)]
        return module

    def __len__(self) -> int:
        """Count the children."""
        return len(self.names)

    def __iter__(self) -> Iterator[Module]:
        """Go through the children in order."""
        return iter([self[name] for name in self.names])


def step(module: Module, name: str, x: Any) -> Any:
    """Call a child with what another module gave: a tuple by place, a dict by name."""
    if isinstance(x, dict):
        return calls.run(module, (), name, x)
    return calls.run(module, x if isinstance(x, tuple) else (x,), name)


class Row(Container):
    """What containers share whose modules are given one after the other, with names or without.

    Parameters
    ----------
    modules : Module
        In order. Unnamed ones are called "0", "1", ... in paths.
    named : Module
        Modules by name, after the others.
    """

    def __init__(self, *modules: Module, name: str | None = None, **named: Module) -> None:
        super().__init__(name=name)
        for place, module in enumerate(modules):
            own = module.name if isinstance(module, Module) else None
            self.add(own or str(place), module)
        for key, module in named.items():
            self.add(key, module)

    def append(self: R, module: Module, name: str | None = None) -> R:
        """Add a module at the end; gives the container back.

        Examples
        --------
        >>> len(Sequential().append(ReLU()).append(Flatten(), "flat"))
        2
        """
        own = getattr(module, "name", None) if name is None else name
        self.add(self._number() if own is None else own, module)
        return self

    def insert(self: R, place: int, module: Module, name: str | None = None) -> R:
        """Put a module in front of the one at a place; gives the container back.

        The others keep their names, and so do their parameters.

        Raises
        ------
        ArgumentError : there is no such place, it is not a module, or the name is taken.

        Examples
        --------
        >>> Sequential(ReLU(), last=Flatten()).insert(1, Linear(4, 2, rng=0)).names
        ('0', '2', 'last')
        """
        count = len(self.names)
        at = integer("place", place)
        if not -count <= at <= count:
            raise ArgumentError(f"`place` must be in [{-count}, {count}]; got {place!r}.")
        self.append(module, name)
        *before, new = self.names
        at = at % count if at < 0 else at
        self.names = (*before[:at], new, *before[at:])
        self._order()
        return self

    def _order(self) -> None:
        """Put attributes into the order of the modules: parameters are listed in it."""
        for name in self.names:
            self.__dict__[name] = self.__dict__.pop(name)

    def _number(self) -> str:
        """Give the first number behind all children that no child has."""
        number = len(self.names)
        while str(number) in self.names:
            number += 1
        return str(number)

    def config(self) -> dict[str, Any]:
        """Give the modules with their names."""
        return {"modules": [[name, self[name]] for name in self.names]}

    @classmethod
    def from_config(cls: type[R], config: dict[str, Any]) -> R:
        """Make one from what `config` gives."""
        others = {key: item for key, item in config.items() if key != "modules"}
        made = cls(**others)
        for name, module in config["modules"]:
            made.add(name, module)
        return made


@register("nn.Sequential")
class Sequential(Row):
    """Call modules one after the other.

    y = m_k(... m_2(m_1(x)))

    Parameters
    ----------
    modules : Module
        In order. Unnamed ones are called "0", "1", ... in paths.
    named : Module
        Modules by name, after the others: `Sequential(conv1=Conv2d(1, 6, 5), relu1=ReLU())`.

    Shapes
    ------
    input : what the first module takes
    output : what the last module gives

    A tuple between two modules is given by place, a dict by name, anything else as one argument.

    Raises
    ------
    ArgumentError : something is not a module, or two have the same name.
    ShapeError : in `call`, raised by a module inside; the message begins with its path.

    Notes
    -----
    Same as BigDL `Sequential`, Keras `Sequential`, PyTorch `Sequential` and Torch7 `Sequential`.
    For anything with branches use `Graph`, or `Branches` and `Parallel` inside.

    Examples
    --------
    >>> import numpy as np
    >>> model = Sequential(flat=Flatten(), fc=Linear(4, 2, rng=0))
    >>> model
    Sequential(
      flat: Flatten()
      fc: Linear(4 -> 2)
    )
    >>> model(np.ones((3, 1, 2, 2), "f4")).shape
    (3, 2)
    >>> model(np.ones((3, 5), "f4"))
    Traceback (most recent call last):
    sandbox.lib.core.errors.ShapeError: Sequential/fc (Linear): input axis 1 must be 4 \
(in_features); got 5 in shape (3, 5).
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Sequential(
                conv=Conv2d(2, 3, 3, rng=rng),
                relu=ReLU(),
                flat=Flatten(),
                fc=Linear(12, 4, rng=rng),
            ),
            inputs=((2, 2, 4, 4),),
            output=(2, 4),
            wrong=((2, 3, 4, 4),),
            wrong_axis=1,
            kinks=True,
            sizes=("conv", "Conv2d(2 -> 3", "12 -> 4"),
        ),
        Case(
            lambda rng: Sequential(Linear(3, 5, rng=rng), Sequential(Linear(5, 2, rng=rng))),
            inputs=((4, 3),),
            output=(4, 2),
            wrong=((4, 4),),
            wrong_axis=1,
            sizes=("3 -> 5",),
        ),
    )

    def call(self, *inputs: Any, **named: Any) -> Any:
        """Call the modules one after the other; tuples are given by place, dicts by name."""
        if named and inputs:
            if not self.names:
                raise ArgumentError(f"inputs of no module cannot have names; got {list(named)}.")
            first, *others = self.names
            x = calls.run(self.__dict__[first], inputs, first, named)
        else:
            others = list(self.names)
            x = named or (inputs[0] if len(inputs) == 1 else inputs)
        now = calls.segmented()
        if now is None:
            for name in others:
                x = step(self.__dict__[name], name, x)
            return x
        values = [x]
        chain = [(place,) for place in range(len(others))]

        def run(k: int, known: Any) -> Any:
            return step(self.__dict__[others[k]], others[k], known[k])

        now.steps(self, values, chain, (len(others),), run)
        return values[-1]
