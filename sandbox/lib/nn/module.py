"""The base of all modules: a small named holder of parameters whose `call` uses operations."""

from __future__ import annotations

from typing import Any, ClassVar, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..core import Value
from ..core.errors import ArgumentError
from ..core.validate import boolean, number_dtype
from . import calls, handling, records
from .case import Case
from .holder import Holder
from .node import Node
from .registry import bound_arguments

Array: TypeAlias = NDArray[Any]
M = TypeVar("M", bound="Module")


class Module(Holder):
    """A named holder of parameters, buffers and other modules, and a rule to compute with them.

    To write one: assign parameters and modules to attributes in `__init__` and write `call` with
    `core.ops` and other modules. Gradients, tracing, threads, saving, error paths come from here.

    Parameters
    ----------
    name : str, optional
        Its name in paths where the parent gives none (`Sequential`, `Graph`, the root of errors).

    Raises
    ------
    ArgumentError : the name holds a dot or a slash, which separate the names of a path.

    Notes
    -----
    Nothing of a call stays on the module, so one module may be called in several places of a model
    and by several threads at once. `forward`/`backward` keep their tape per thread.
    Equivalents: BigDL `Layer`, `SharedStaticUtils` (`nn.serialize`, `train.load_model`), Keras
    `Layer`, PyTorch `Module`, Torch7 `nn.Module`. Of BigDL's `Layer.from_jvalue`,
    `Layer.check_input` and `Layer.convert_output`, which talk to a JVM, nothing is left: arrays go
    in and come out.

    Examples
    --------
    >>> import numpy as np
    >>> from sandbox.lib import nn
    >>> from sandbox.lib.core import Parameter, ops
    >>> @nn.register("doctest.Scale")
    ... class Scale(nn.Module):
    ...     def __init__(self, size):
    ...         self.factor = Parameter(np.full(size, 2.0, "f4"))
    ...     def call(self, x):
    ...         return ops.multiply(x, self.factor)
    >>> Scale(3)(np.ones((1, 3), "f4"))
    array([[2., 2., 2.]], dtype=float32)
    >>> nn.serialize(Scale(3))
    {'module': 'doctest.Scale', 'config': {'size': 3}}
    """

    cases: ClassVar[tuple[Case, ...]] = ()

    def __new__(cls: type[M], *args: Any, **kwargs: Any) -> M:
        """Remember the arguments: they are the module's config."""
        self = super().__new__(cls)
        self.__dict__["_name"] = _checked_name(kwargs.get("name"))
        self.__dict__["_training"] = None
        self.__dict__["_arguments"] = bound_arguments(cls, args, kwargs)
        return self

    def __init__(self, *, name: str | None = None) -> None:
        self.__dict__["_name"] = _checked_name(name) if name is not None else self._own_name

    @property
    def _own_name(self) -> str | None:
        name: str | None = self.__dict__["_name"]
        return name

    @property
    def name(self) -> str | None:
        """The module's own name, None where the place in the parent names it.

        Same as BigDL `Layer.name`, `Layer.set_name` (here an argument when it is made).
        """
        return self._own_name

    # ---- computing -------------------------------------------------------------------------

    def call(self, *inputs: Any, **named: Any) -> Any:
        """Compute the output from the inputs with `core.ops` and other modules."""
        raise NotImplementedError(
            f"{type(self).__name__} must define call(self, x): what it computes from its input."
        )

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Apply the module: to arrays, to values on a tape or in a trace, or to graph nodes.

        Parameters
        ----------
        inputs : trees of arrays, values or nodes
            Arrays give arrays, unless a tape is recording: then, and for values, values come back.
            Nodes give a node. A list of plain numbers is an array; any other list, tuple or dict
            goes to `call` as it is, with values at its leaves; None is an optional input that is
            absent. float64 arrays are turned to the parameters' dtype. Resulting arrays are
            read-only: `np.array(y)` makes one to write into.
        named : trees of arrays, values or nodes
            Inputs by name, as `call` names them.

        Returns
        -------
        what `call` gives, in the same tuples, lists and dicts

        Raises
        ------
        ShapeError, ArgumentError, DataError : with the path of the module which refused.

        Notes
        -----
        Same as BigDL `Layer.__call__` (nodes give a node) and `Layer.forward` (arrays give arrays).
        """
        if len(inputs) == 1 and not named and isinstance(inputs[0], Value):
            return calls.run(self, inputs)  # the usual call inside of another module
        given = calls.Given(self, inputs, named)
        if given.nodes:
            return Node(self, inputs, named=named)
        output = calls.run(self, given.inputs, named=given.named)
        if given.values or calls.recording():
            return output
        return calls.arrays(output, given.borrowed)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Compute the output and keep the tape for `backward` (one tape per thread).

        Same as BigDL `Layer.forward`, PyTorch `forward`.

        Examples
        --------
        >>> import numpy as np
        >>> from sandbox.lib import nn
        >>> layer = nn.ReLU()
        >>> layer.forward(np.array([[-1.0, 2.0]], "f4"))
        array([[0., 2.]], dtype=float32)
        >>> layer.backward(np.ones((1, 2), "f4"))
        array([[0., 1.]], dtype=float32)
        """
        return records.forward(self, inputs, named)

    def backward(self, *grads: Any) -> Any:
        """Give the gradient of the last `forward` of this thread for its inputs.

        Parameters
        ----------
        grads : tree of arrays like the output; one argument for each output of a tuple
            Gradient of what is minimised for the output. The gradients of the parameters are
            then found in `gradients()`.

        Returns
        -------
        tree of arrays like the input; a tuple where `forward` had several inputs, a dict where they
        were given by name, a tuple that ends with a dict where there were both

        Raises
        ------
        ArgumentError : there was no `forward` in this thread since the last `backward`.
        ShapeError : a gradient has not the structure or the shape of the output.

        Notes
        -----
        Same as BigDL `Layer.backward` (which takes the input again).
        """
        return records.backward(self, grads)

    def gradients(self) -> dict[str, Array]:
        """Give the parameters' gradients of the last `backward` of this thread, by name.

        Raises
        ------
        ArgumentError : there was no `backward` since the last `forward` in this thread.

        Notes
        -----
        They are those of the last pass alone. BigDL adds up over passes, until
        BigDL's `Layer.zero_grad_parameters`: here nothing is to be set to 0.

        Examples
        --------
        >>> import numpy as np
        >>> from sandbox.lib import nn
        >>> layer = nn.Linear(2, 1, rng=0)
        >>> _ = layer.forward(np.ones((3, 2), "f4")), layer.backward(np.ones((3, 1), "f4"))
        >>> layer.gradients()["bias"]
        array([3.], dtype=float32)
        """
        return records.gradients(self)

    def config(self) -> dict[str, Any]:
        """Give the arguments that make an equal module (`rng` and `name` aside).

        These are the arguments of construction; where one was a module that was replaced since,
        the present one. Modules whose structure changes later (containers) override this.
        """
        config = dict(self.__dict__["_arguments"])
        for key, item in config.items():
            present = self.__dict__.get(key)
            if isinstance(item, Module) and isinstance(present, Module):
                config[key] = present
        return config

    # ---- modes -----------------------------------------------------------------------------

    @property
    def training(self) -> bool:
        """Whether a call now would be a training call (dropout on, batch statistics used).

        Same as BigDL `Layer.is_training`.

        An open `using(training=...)` decides, as in the Trainer; else what `train()` or `eval()`
        said last; at first False.
        """
        return calls.training(self.__dict__["_training"])

    def train(self: M, mode: bool = True) -> M:
        """Make calls training calls, here and in all modules inside; gives the module back.

        Same as BigDL `Layer.training`, PyTorch `train`.

        Examples
        --------
        >>> from sandbox.lib import nn
        >>> model = nn.Sequential(nn.Dropout(0.5))
        >>> model.train().training, model.eval().training
        (True, False)
        """
        mode = boolean("mode", mode)
        for _, module in self.named_modules():
            module.__dict__["_training"] = mode
        return self

    def eval(self: M) -> M:
        """Make calls inference calls, here and in all modules inside; gives the module back.

        Same as BigDL `Layer.evaluate` without data, PyTorch `eval`; with data there is
        `train.Trainer.evaluate`.
        """
        return self.train(False)

    def freeze(self: M, frozen: bool = True) -> M:
        """Exclude all parameters inside from training (`frozen=False`: include them again).

        Same as BigDL `Layer.freeze`, `Layer.unfreeze` (by name: `model["conv1"].freeze()`).

        Examples
        --------
        >>> from sandbox.lib import nn
        >>> [p.trainable for p in nn.Linear(2, 1).freeze().parameters()]
        [False, False]
        """
        frozen = boolean("frozen", frozen)
        for parameter in self.parameters():
            parameter.trainable = not frozen
        return self

    def astype(self: M, dtype: Any) -> M:
        """Hold all floating parameters and buffers inside in another dtype; gives the module back.

        In float64 every operation runs by the NumPy kernels, slowly: for checks.

        Examples
        --------
        >>> import numpy as np
        >>> from sandbox.lib import nn
        >>> nn.Linear(2, 1, rng=0).astype("float64")(np.ones((1, 2))).dtype
        dtype('float64')
        """
        kind = number_dtype("dtype", dtype)
        if kind not in (np.float32, np.float64):
            raise ArgumentError(
                f"{calls.label(self)}: `dtype` must be float32 or float64; got {kind}."
            )
        for variable in (*self.parameters(), *self.buffers()):
            if variable.dtype.kind == "f" and variable.dtype != kind:
                variable.astype(kind)
        return self

    # ---- using -----------------------------------------------------------------------------

    get_weights = handling.get_weights
    set_weights = handling.set_weights
    reset = handling.reset
    update_parameters = handling.update_parameters
    predict = handling.predict
    predict_class = handling.predict_class

    # ---- showing ---------------------------------------------------------------------------

    def extra(self) -> str:
        """Give what stands between the brackets of the repr: sizes first."""
        plain = (int, float, str, bool, tuple, list, type(None))
        return ", ".join(
            f"{key}={item!r}" for key, item in self.config().items() if isinstance(item, plain)
        )

    def __repr__(self) -> str:
        """Tell the class and its sizes, and those of the modules inside."""
        children = list(self.named_children())
        if not children:
            return f"{type(self).__name__}({self.extra()})"
        lines = [f"  {name}: {child!r}".replace("\n", "\n  ") for name, child in children]
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])

    def summary(self, *input_shapes: Any, **named: Any) -> Any:
        """Give a table of all modules with output shapes and parameter counts.

        Like BigDL `Model.save_graph_topology`: a text rather than a graph for TensorBoard.

        Parameters
        ----------
        input_shapes, named : tuple of int, one per input, or a tree of them
            With the batch axis, as of an array that would be given: `(1, 1, 28, 28)`. A model that
            takes ids gets an array of them: `np.zeros((1, 20), int)`.

        Returns
        -------
        str, which shows itself as the table

        Examples
        --------
        >>> from sandbox.lib import nn
        >>> nn.Sequential(fc=nn.Linear(4, 3), relu=nn.ReLU()).summary((1, 4))
        module  type    output  parameters
        fc      Linear  (1, 3)          15
        relu    ReLU    (1, 3)           0
        15 parameters (60 B), 15 trainable
        """
        from .summary import table

        return table(self, input_shapes, named)


def _checked_name(name: Any) -> str | None:
    if name is None:
        return None
    if not isinstance(name, str) or not name or "." in name or "/" in name:
        raise ArgumentError(f"`name` must be text without dots and slashes; got {name!r}.")
    return name
