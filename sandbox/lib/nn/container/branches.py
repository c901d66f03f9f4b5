"""Modules side by side: on one input, on one input each, one on many inputs."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import ops, tree
from ...core.errors import ArgumentError, ShapeError
from ...core.validate import instance, positive_int
from .. import calls
from ..activation.elementwise import ReLU, Tanh
from ..case import Case
from ..convolution.plain import Conv2d
from ..linear.dense import Linear
from ..module import Module
from ..registry import register
from ..table.merge import Concat
from ..table.pairwise import Add
from .sequential import Row, Sequential, step


class SideBySide(Row):
    """What modules side by side share: their names, and what merges their outputs."""

    merge: Module | None = None

    def __init__(
        self,
        *modules: Module,
        merge: Module | None = None,
        name: str | None = None,
        **named: Module,
    ) -> None:
        super().__init__(*modules, name=name, **named)
        if merge is not None:
            self.merge = instance("merge", merge, Module)

    def add(self, name: str, module: Module) -> None:
        """Append a module under a name of its own."""
        super().add(name, module)
        self._order()

    def _order(self) -> None:
        super()._order()
        if self.merge is not None:  # behind the others, as it runs
            self.__dict__["merge"] = self.__dict__.pop("merge")

    def _some(self) -> tuple[str, ...]:
        """Give the modules' names; there must be some when they are called."""
        if not self.names:
            raise ArgumentError("the container must hold at least one module; got none.")
        return self.names

    def merged(self, outputs: Any) -> Any:
        """Give the outputs, merged if anything merges them."""
        if self.merge is None:
            return outputs
        given = outputs.values() if isinstance(outputs, dict) else outputs
        return calls.run(self.merge, tuple(given), "merge")

    def config(self) -> dict[str, Any]:
        """Give the modules with their names, and what merges."""
        return {**super().config(), "merge": self.merge}


@register("nn.Branches")
class Branches(SideBySide):
    """Give one input to several modules: the branches of a block.

    y = (m_1(x), m_2(x), ...), or merge(m_1(x), m_2(x), ...)

    Parameters
    ----------
    modules : Module
        In order. Unnamed ones are called "0", "1", ... in paths.
    merge : Module, optional
        Makes one value of the outputs: `Concat()`, `Add()`.
    named : Module
        Modules by name, after the others.

    Shapes
    ------
    input : what all modules take; a tuple is given by place, a dict by name
    output : tuple of what the modules give, or what `merge` gives

    Raises
    ------
    ArgumentError : something is not a module, two have the same name, or in `call` there are none.
    ShapeError : in `call`, raised by a module inside; the message begins with its path.

    Notes
    -----
    Same as BigDL `ConcatTable` (0.13); with `merge=Concat()` as BigDL `Concat` and Keras `Merge`
    (1.2).

    Examples
    --------
    >>> import numpy as np
    >>> block = Branches(body=Linear(3, 3, rng=0), gate=Tanh(), merge=Add())
    >>> block(np.ones((2, 3), "f4")).shape
    (2, 3)
    >>> [name for name, _ in block.named_parameters()]
    ['body.weight', 'body.bias']
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Branches(
                Conv2d(2, 3, 1, rng=rng), Conv2d(2, 1, 3, padding=1, rng=rng), merge=Concat()
            ),
            inputs=((2, 2, 4, 4),),
            output=(2, 4, 4, 4),
            wrong=((2, 3, 4, 4),),
            wrong_axis=1,
            sizes=("2 -> 3", "Concat"),
        ),
        Case(
            lambda rng: Branches(Linear(3, 2, rng=rng), same=Tanh()),
            inputs=((4, 3),),
            output=((4, 2), (4, 3)),
        ),
    )

    def call(self, *inputs: Any, **named: Any) -> Any:
        """Call all modules with the inputs."""
        names = self._some()
        outputs = [calls.run(self[name], inputs, name, named) for name in names]
        return self.merged(tuple(outputs))


@register("nn.Parallel")
class Parallel(SideBySide):
    """Give each of several inputs to a module of its own.

    y = (m_1(x_1), m_2(x_2), ...), or merge(m_1(x_1), m_2(x_2), ...)

    Parameters
    ----------
    modules : Module
        In order. Unnamed ones are called "0", "1", ... in paths.
    merge : Module, optional
        Makes one value of the outputs: `Concat()`, `Add()`.
    named : Module
        Modules by name, after the others.

    Shapes
    ------
    inputs : one per module, by place or in one tuple or list, or by the modules' names; each may be
        a tuple or dict itself, which its module is given by place or by name
    output : tuple of what the modules give (a dict where inputs came by name), or merged

    Raises
    ------
    ArgumentError : something is not a module, two have the same name, or in `call` there are none.
    ShapeError : in `call`, there is another number of inputs, or a module refuses its own.

    Notes
    -----
    Same as BigDL `ParallelTable` (0.13). Modules run one after the other, each on all cores.

    Examples
    --------
    >>> import numpy as np
    >>> towers = Parallel(user=Linear(3, 2, rng=0), item=Linear(4, 2, rng=0))
    >>> y = towers(user=np.ones((5, 3), "f4"), item=np.ones((5, 4), "f4"))
    >>> y["item"].shape
    (5, 2)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Parallel(Linear(3, 2, rng=rng), Linear(4, 2, rng=rng), merge=Concat()),
            inputs=((5, 3), (5, 4)),
            output=(5, 4),
            wrong=((5, 3), (5, 5)),
            wrong_axis=1,
            sizes=("3 -> 2", "4 -> 2"),
        ),
        Case(
            lambda rng: Parallel(sum=Add(), layer=Sequential(fc=Linear(3, 2, rng=rng))),
            inputs={"sum": ((4, 3), (4, 3)), "layer": (4, 3)},
            output={"sum": (4, 3), "layer": (4, 2)},
        ),
    )

    def call(self, *inputs: Any, **named: Any) -> Any:
        """Call each module with its input."""
        names = self._some()
        one = inputs[0] if len(inputs) == 1 else None
        if isinstance(one, dict):
            inputs, named = (), one
        elif isinstance(one, (tuple, list)):
            inputs = tuple(one)
        fits = {*named} == {*names} if named else len(inputs) == len(names)
        if not fits or (inputs and named):
            got = tree.kind(named or inputs)
            raise ShapeError(f"inputs must be {len(self)} ({', '.join(names)}); got {got}.")
        if named:
            return self.merged({name: step(self[name], name, named[name]) for name in names})
        pairs = zip(names, inputs, strict=True)
        return self.merged(tuple([step(self[name], name, x) for name, x in pairs]))


@register("nn.Map")
class Map(Module):
    """Give each of several inputs to one module, with the same weights.

    y = (m(x_1), m(x_2), ...)

    Parameters
    ----------
    module : Module
        What takes one input.
    merge : Module, optional
        Makes one value of the outputs: `Concat()`, `Add()`.

    Shapes
    ------
    inputs : any number, by place or in one tuple, list or dict, or by name
    output : tuple of what the module gives (list or dict as the inputs), or what `merge` gives

    Raises
    ------
    ArgumentError : `module` or `merge` is no module.
    ShapeError : in `call`, there are no inputs, or the module refuses one.

    Notes
    -----
    Same as BigDL `MapTable` (0.13). Siamese networks are this. For the steps of a sequence, in one
    array, there is `nn.TimeDistributed`.

    Examples
    --------
    >>> import numpy as np
    >>> left, right = np.ones((2, 3), "f4"), np.zeros((2, 3), "f4")
    >>> twins = Map(Linear(3, 2, rng=0))
    >>> [y.shape for y in twins(left, right)]
    [(2, 2), (2, 2)]
    >>> [name for name, _ in twins.named_parameters()]
    ['module.weight', 'module.bias']
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Map(Linear(3, 2, rng=rng)),
            inputs=((4, 3), (4, 3)),
            output=((4, 2), (4, 2)),
            wrong=((4, 3), (4, 2)),
            wrong_axis=1,
            sizes=("3 -> 2",),
        ),
        Case(
            lambda rng: Map(Linear(3, 2, rng=rng), merge=Concat()),
            inputs={"a": (4, 3), "b": (4, 3)},
            output=(4, 4),
        ),
    )

    def __init__(
        self, module: Module, *, merge: Module | None = None, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.module = instance("module", module, Module)
        self.merge = None if merge is None else instance("merge", merge, Module)

    def call(self, *inputs: Any, **named: Any) -> Any:
        """Call the module with each input."""
        if named and inputs:
            raise ShapeError("inputs must be given by place or by name; got both.")
        one = len(inputs) == 1 and isinstance(inputs[0], (tuple, list, dict))
        given: Any = named or (inputs[0] if one else inputs)
        if not given:
            raise ShapeError("inputs must be at least one; got none.")
        if isinstance(given, dict):
            y: Any = {key: step(self.module, "module", x) for key, x in given.items()}
        else:
            y = [step(self.module, "module", x) for x in given]
            y = y if isinstance(given, list) else tuple(y)
        if self.merge is None:
            return y
        return calls.run(self.merge, tuple(y.values() if isinstance(y, dict) else y), "merge")


@register("nn.Bottle")
class Bottle(Module):
    """Give a module all leading axes as one batch axis, and take them apart again behind it.

    y[n, t, ...] = module(x[n, t, ...]), with `inner` axes at the dots

    Parameters
    ----------
    module : Module
        What takes (batch, ...) with `inner` axes behind the batch axis.
    inner : int > 0
        How many axes the module takes behind the batch axis.

    Shapes
    ------
    input : (batch, ..., and `inner` axes)
    output : (batch, ..., and what the module gives)

    Raises
    ------
    ArgumentError : `module` is no module, or `inner` is not positive.
    ShapeError : in `call`, there are too few axes, or the module refuses its input.

    Notes
    -----
    Same as BigDL `Bottle` and Torch7 `Bottle` (whose `n_input_dim` counts the batch axis too). With
    three axes and `inner=1` it is `nn.TimeDistributed`; `nn.Linear` takes leading axes by itself.

    Examples
    --------
    >>> import numpy as np
    >>> Bottle(Linear(3, 2, rng=0))(np.ones((4, 5, 6, 3), "f4")).shape
    (4, 5, 6, 2)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Bottle(Linear(3, 2, rng=rng)),
            inputs=((4, 2, 2, 3),),
            output=(4, 2, 2, 2),
            wrong=((3,),),
            sizes=("3 -> 2",),
        ),
        Case(
            lambda rng: Bottle(Sequential(Conv2d(1, 2, 2, rng=rng), ReLU()), inner=3),
            inputs=((2, 3, 1, 3, 3),),
            output=(2, 3, 2, 2, 2),
            kinks=True,
        ),
    )

    def __init__(self, module: Module, *, inner: int = 1, name: str | None = None) -> None:
        super().__init__(name=name)
        self.module = instance("module", module, Module)
        self.inner = positive_int("inner", inner)

    def call(self, x: Any) -> Any:
        """Fold the leading axes, call the module, unfold."""
        count = len(x.shape) - self.inner
        if count < 1:
            raise ShapeError(
                f"input must have {self.inner + 1} axes or more: {self.inner} (inner) behind the "
                f"batch axis; got shape {x.shape}."
            )
        leading, rest = x.shape[:count], x.shape[count:]
        rows = 1
        for size in leading:
            rows *= size
        y = calls.run(self.module, (ops.reshape(x, (rows, *rest)),), "module")
        return tree.map(lambda part: ops.reshape(part, (*leading, *part.shape[1:])), y)
