"""Models: layers lowered to one `nn.Graph`, trained by `train.Trainer`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import metrics, nn, optim
from ..core.errors import ArgumentError
from ..core.validate import one_of, positive_int
from ..nn.summary import Table
from ..optim.clipping import Clip
from ..train import Trainer
from . import losses, optimizers
from . import metrics as keras_metrics
from .layers.base import Layer, Shape
from .random import current_seed
from .tensor import Input, KerasTensor

__all__ = ["History", "Model", "Sequential"]


@dataclass(frozen=True)
class _Compiled:
    """What `compile` chose."""

    optimizer: optim.Optimizer
    loss: losses.Loss
    clip: Clip | None
    metrics: tuple[metrics.Metric, ...]


class History:
    """What `fit` gives: `history` by Keras's names, one number an epoch, and the `epoch`s."""

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []


class Model(Layer):
    """A model of tensors, or a layer in another model.

    Parameters
    ----------
    inputs, outputs : KerasTensor or list of them
        Where data go in, and what comes out.

    Raises
    ------
    ArgumentError : an input is missing, or something is no tensor.

    Examples
    --------
    >>> from sandbox.lib.keras import Input, layers
    >>> x = Input((4,))
    >>> h = layers.Dense(4, activation="relu")(x)
    >>> model = Model(x, layers.Dense(2)(layers.Add()([x, h])))
    >>> model.predict(np.ones((3, 4), "f4")).shape
    (3, 2)
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None) -> None:
        super().__init__(name=name)
        self._connect(inputs, outputs)

    def _connect(self, inputs: Any, outputs: Any) -> None:
        self.layers: list[Layer] = []
        sources, sinks = _list(inputs), _list(outputs)
        self.module = _lower(sources, sinks, isinstance(outputs, (list, tuple)), self.layers)
        shapes = [tensor.shape for tensor in sources]
        self.input_shape = shapes[0] if len(shapes) == 1 else shapes
        ends = [tensor.shape for tensor in sinks]
        self.output_shape = ends[0] if len(ends) == 1 else ends
        self._trainer: Trainer | None = None

    def make(self, *shapes: Shape) -> nn.Module:
        """Give the model's own module."""
        if self.module is None:
            raise ArgumentError(f"{self.label}: must be built first; its input shape is unknown.")
        return self.module

    def variables(self) -> list[Any]:
        """List the weights of all layers, each once."""
        return [pair for layer in self.layers for pair in layer.variables()]

    def get_layer(self, name: str) -> Layer:
        """Give a layer by its name."""
        one_of("name", name, [layer.name for layer in self.layers])
        return next(layer for layer in self.layers if layer.name == name)

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = "mse",
        metrics: Iterable[Any] = (),
    ) -> None:
        """Choose optimiser, loss and metrics: by Keras's names, or objects of either library.

        Parameters
        ----------
        optimizer : str, `keras.optimizers` or `sandbox.lib.optim` object
        loss : str, `keras.losses` or `sandbox.lib.criterion` object
        metrics : list of str, or `sandbox.lib.metrics` objects
            "accuracy" is the one that goes with the loss.
        """
        chosen = losses.get(loss)
        method, clip = optimizer, None
        if not isinstance(optimizer, optim.Optimizer):
            found = optimizers.get(optimizer)
            method, clip = found.core(), found.clip
        self._compiled = _Compiled(
            method, chosen, clip, tuple(keras_metrics.get(item, chosen) for item in metrics)
        )
        self._trainer = None

    def trainer(self, batch_size: int = 32, backend: Any = None) -> Trainer:
        """Give the Trainer of the compiled model."""
        if not hasattr(self, "_compiled"):
            raise ArgumentError(f"{self.label}: must be compiled before; call compile().")
        made = self._compiled
        if self._trainer is None or batch_size != self._trainer.batch_size or backend is not None:
            several = isinstance(self.output_shape, list)
            loss = made.loss.criterion if several else made.loss.fitted(self.output_shape)
            self._trainer = Trainer(
                self.make(),
                loss,
                made.optimizer,
                batch_size=batch_size,
                metrics=(*made.metrics, metrics.Loss(loss)),
                clip=made.clip,
                seed=current_seed(),
                progress=None,
                backend=backend,
            )
        return self._trainer

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        epochs: int = 1,
        validation_split: float = 0.0,
        validation_data: Any = None,
        backend: Any = None,
        nb_epoch: int | None = None,
    ) -> History:
        """Train, and give the history by Keras's names.

        x and y are arrays (or lists of them); without y, x is what the Trainer takes: a Dataset,
        and with `backend=SparkBackend(...)` a DataFrame or RDD.
        """
        epochs = positive_int("epochs", epochs if nb_epoch is None else nb_epoch)
        if not 0 <= validation_split < 1:
            raise ArgumentError(
                f"fit: `validation_split` must be in [0, 1); got {validation_split}."
            )
        y = self._target(y)
        data = x if y is None else (_tree(x), _tree(y))
        if validation_split and validation_data is None:
            if not isinstance(x, np.ndarray) or not isinstance(y, np.ndarray):
                raise ArgumentError("fit: `validation_split` must come with arrays x and y.")
            cut = int(len(x) * (1 - validation_split))  # the last rows, as in Keras
            data, validation_data = (x[:cut], y[:cut]), (x[cut:], y[cut:])
        elif isinstance(validation_data, (list, tuple)):
            validation_data = (_tree(validation_data[0]), self._target(validation_data[1]))
        found = self.trainer(batch_size, backend).fit(
            data, epochs=epochs, validation=validation_data
        )
        history = History()
        names = ["loss", *[metric.name for metric in self._compiled.metrics]]
        for row in found.epochs():
            history.epoch.append(row["epoch"] - 1)
            values = {name: row[name] for name in names if name in row}
            values |= {f"val_{k}": v for k, v in row["validation"].items() if k in names}
            for name, value in values.items():
                history.history.setdefault(name, []).append(value)
        return history

    def _target(self, y: Any) -> Any:
        """Return a target in the form that the loss takes; of several outputs as they are."""
        made = getattr(self, "_compiled", None)
        if made is None or not isinstance(y, np.ndarray) or isinstance(self.output_shape, list):
            return y
        return made.loss.prepared(y, self.output_shape)

    def evaluate(self, x: Any, y: Any = None, return_dict: bool = False) -> Any:
        """Give loss and metrics over data: a list, loss first, or a dict."""
        goal = self._target(y)
        found = self.trainer().evaluate(x if y is None else (_tree(x), goal))
        names = ["loss", *[metric.name for metric in self._compiled.metrics]]
        values = {name: found[name] for name in names}
        return values if return_dict else list(values.values())

    def predict(self, x: Any, batch_size: int = 1024) -> Any:
        """Compute the outputs of many rows."""
        return self.make().predict(*_list(x), batch_size=batch_size)

    def summary(self, print_fn: Callable[[str], Any] = print) -> None:
        """Print layers, output shapes and parameters."""
        shapes = self.input_shape if isinstance(self.input_shape, list) else [self.input_shape]
        print_fn(str(Table(self.make().summary(*[(1, *shape[1:]) for shape in shapes]))))


class Sequential(Model):
    """Layers in a row; shapes come from the first one's `input_shape`, an Input or the first data.

    Examples
    --------
    >>> from sandbox.lib.keras import layers
    >>> model = Sequential([layers.Dense(3, input_shape=(4,)), layers.Dense(2)])
    >>> model.output_shape
    (None, 2)
    """

    def __init__(self, layers: Sequence[Any] = (), name: str | None = None) -> None:
        Layer.__init__(self, name=name)
        self.layers = []
        self._trainer = None
        self._start: KerasTensor | None = None
        self._end: KerasTensor | None = None
        for layer in layers:
            self._append(layer)
        self._connect_row()

    def add(self, layer: Any) -> None:
        """Append a layer, or an Input in front of all."""
        self._append(layer)
        self._connect_row()

    def _append(self, layer: Any) -> None:
        if isinstance(layer, KerasTensor) and not self.layers and self._start is None:
            self._start = self._end = layer
            return
        if not isinstance(layer, Layer):
            raise ArgumentError(f"{self.label}: a layer must be a Layer; got {layer!r}.")
        if self._end is None and layer.row_shape is not None:
            self._start = self._end = Input(layer.row_shape)
        if self._end is not None:
            self._end = layer(self._end)
        self.layers.append(layer)

    def _connect_row(self) -> None:
        if self._end is not None and self._end is not self._start:
            self._connect(self._start, self._end)

    def _build_for(self, x: Any) -> None:
        if self._start is None and isinstance(x, np.ndarray):
            self._start = self._end = Input(x.shape[1:])
            for layer in self.layers:
                self._end = layer(self._end)
            self._connect_row()

    def fit(self, x: Any, *args: Any, **options: Any) -> History:
        """Train; see `Model.fit`."""
        self._build_for(x)
        return super().fit(x, *args, **options)

    def predict(self, x: Any, batch_size: int = 1024) -> Any:
        """Compute the outputs of many rows."""
        self._build_for(x)
        return super().predict(x, batch_size)


def _list(item: Any) -> list[Any]:
    return list(item) if isinstance(item, (list, tuple)) else [item]


def _tree(item: Any) -> Any:
    several = isinstance(item, (list, tuple)) and item and isinstance(item[0], np.ndarray)
    return tuple(item) if several else item


def _lower(sources: list[Any], sinks: list[Any], several: bool, layers: list[Layer]) -> nn.Graph:
    """Make a graph; each value stays channels first as long as nobody needs it as written."""
    for tensor in (*sources, *sinks):
        if not isinstance(tensor, KerasTensor):
            raise ArgumentError(f"Model: inputs and outputs must be tensors; got {tensor!r}.")
    known: dict[KerasTensor, tuple[nn.Node, bool]] = {}
    for tensor in sources:
        known[tensor] = (nn.Input(tensor.name), False)

    def written(tensor: KerasTensor) -> nn.Node:
        node, first = known[tensor]
        rank = len(tensor.shape)
        return nn.Transpose((0, *range(2, rank), 1))(node) if first else node

    layers.clear()
    for tensor in _sorted(sinks, known):
        layer = tensor.layer
        if layer is None or layer.module is None:
            raise ArgumentError(
                f"Model: `inputs` must hold all tensors needed; got {tensor!r} too."
            )
        if layer not in layers:
            layers.append(layer)
        if layer.turned:
            (x,) = tensor.inputs
            node, first = known[x]
            rank = len(x.shape)
            if not first:
                node = nn.Transpose((0, rank - 1, *range(1, rank - 1)))(node)
            known[tensor] = (layer.module(node), len(tensor.shape) > 2)
        elif layer.handles == "any":
            node, first = known[tensor.inputs[0]]
            known[tensor] = (layer.module(node), first)
        else:
            known[tensor] = (layer.module(*[written(x) for x in tensor.inputs]), False)
    ends = [written(tensor) for tensor in sinks]
    starts = [known[tensor][0] for tensor in sources]
    return nn.Graph(starts[0] if len(starts) == 1 else starts, ends if several else ends[0])


def _sorted(sinks: list[KerasTensor], known: Any) -> list[KerasTensor]:
    """Put tensors behind what they need."""
    done: dict[KerasTensor, None] = {}
    pending = [(tensor, False) for tensor in reversed(sinks)]
    while pending:
        tensor, ready = pending.pop()
        if tensor in done or tensor in known:
            continue
        if ready:
            done[tensor] = None
            continue
        pending.append((tensor, True))
        pending.extend((before, False) for before in reversed(tensor.inputs))
    return list(done)
