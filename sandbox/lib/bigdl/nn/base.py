"""`Layer`: what every layer of BigDL can do, over a module of `sandbox.lib.nn`."""

from __future__ import annotations

import os
import uuid
from typing import Any, TypeVar

import numpy as np
from pyspark import RDD

from ... import nn
from ...core import RandomKey
from ...core.errors import ArgumentError
from ..util.common import EvaluatedResult, to_list
from ..util.random import torch_random
from ..util.samples import arrays_of
from . import run
from .weights import Weight, check_count

L = TypeVar("L", bound="Layer")


class Layer:
    """A layer: a module, its weights as BigDL shows them, its mode.

    Parameters
    ----------
    module : nn.Module
        What computes; one of your own makes a layer of your own.
    bigdl_type : "float" or "double"

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> Layer(nn.ReLU()).forward(np.array([-1.0, 2.0]))
    array([0., 2.], dtype=float32)
    """

    def __init__(self, module: nn.Module, bigdl_type: str = "float") -> None:
        if bigdl_type not in ("float", "double"):
            raise ArgumentError(f"`bigdl_type` must be 'float' or 'double'; got {bigdl_type!r}.")
        self.core = module.train()
        self.bigdl_type = bigdl_type
        self.weights: list[Weight] = []
        self.inside: list[Layer] = []
        self._name = f"{type(self).__name__}{uuid.uuid4().hex[:8]}"
        self.is_named = False
        self._key = RandomKey(0, 0)
        if bigdl_type == "double":
            module.astype("float64")
        if type(self) is Layer:
            for path, parameter in module.named_parameters():
                self.weights.append(Weight(path, [parameter]))

    # ---- weights ---------------------------------------------------------------------------

    def hold(
        self,
        weights: list[Weight],
        init: tuple[Any, ...] = (),
        gradients: tuple[Any, ...] = (),
        regularizers: tuple[Any, ...] = (),
    ) -> None:
        """Say which weights there are, in BigDL's order; draw them, then take what is given."""
        self.weights = weights
        for weight in weights:
            weight.draw()
        for weight, array in zip(weights, init, strict=False):
            if array is not None:
                weight.set(array)
        for weight, array in zip(weights, gradients, strict=False):
            if array is not None:
                weight.init_gradient = np.asarray(array, self.get_dtype()).reshape(weight.shape)
        for weight, regularizer in zip(weights, regularizers, strict=False):
            weight.regularizer = regularizer

    def all_layers(self) -> list[Layer]:
        """List this layer and all inside, each once, in order."""
        found: dict[int, Layer] = {id(self): self}
        for layer in self.inside:
            for one in layer.all_layers():
                found.setdefault(id(one), one)
        return list(found.values())

    def all_weights(self) -> list[Weight]:
        """List the weights of this layer and all inside."""
        return [weight for layer in self.all_layers() for weight in layer.weights]

    def parameters(self) -> dict[str, dict[str, Any]]:
        """Give weights and gradients: name of the layer -> name of the array -> array."""
        found: dict[str, dict[str, Any]] = {}
        for layer in self.all_layers():
            if layer.weights:
                arrays = found.setdefault(layer.name(), {})
                for weight in layer.weights:
                    arrays[weight.name] = weight.get()
                    arrays[weight.gradient_name] = weight.gradient
        return found

    def get_weights(self) -> list[Any] | None:
        """List the weights; None, with a line that says so, where there are none."""
        weights = self.all_weights()
        if not weights:
            print("The layer does not have weight/bias")
            return None
        return [weight.get() for weight in weights]

    def set_weights(self, weights: Any) -> None:
        """Replace the weights, given as `get_weights` lists them.

        Raises
        ------
        ArgumentError : there are too many or too few.
        ShapeError : one has not the shape of its weight.
        """
        given, own = to_list(weights), self.all_weights()
        check_count(self.name(), given, own)
        for weight, array in zip(own, given, strict=True):
            weight.set(array)

    def is_with_weights(self) -> bool:
        """Tell whether there are any weights."""
        return bool(self.all_weights())

    def set_init_method(self: L, weight_init_method: Any = None, bias_init_method: Any = None) -> L:
        """Choose rules of first weights and draw anew."""
        for weight in self.weights:
            method = bias_init_method if weight.name == "bias" else weight_init_method
            weight.method = weight.method if method is None else method
        return self.reset()

    def reset(self: L) -> L:
        """Draw all weights anew, and set the gradients to 0."""
        for weight in self.all_weights():
            weight.draw()
            weight.clear()
        return self

    def zero_grad_parameters(self) -> None:
        """Set all gradients to 0."""
        for weight in self.all_weights():
            weight.clear()

    def update_parameters(self, learning_rate: float) -> None:
        """Take one step of plain descent by the gradients so far."""
        for weight in self.all_weights():
            weight.step(learning_rate)

    def setWRegularizer(self, wRegularizer: Any) -> None:  # noqa: N802 - BigDL's name
        """Set the weight's regularizer."""
        for weight in self.weights:
            if weight.name != "bias":
                weight.regularizer = wRegularizer

    def setBRegularizer(self, bRegularizer: Any) -> None:  # noqa: N802 - BigDL's name
        """Set the bias's regularizer."""
        for weight in self.weights:
            if weight.name == "bias":
                weight.regularizer = bRegularizer

    def freeze(self: L, names: Any = None) -> L:
        """Exclude weights from training: all, or those of the layers of these names."""
        return self._freeze(names, True)

    def unfreeze(self: L, names: Any = None) -> L:
        """Include them again."""
        return self._freeze(names, False)

    def _freeze(self: L, names: Any, frozen: bool) -> L:
        known = {layer.name(): layer for layer in self.all_layers()}
        for name in [self.name()] if names is None else to_list(names):
            if name not in known:
                raise ArgumentError(f"`names` must be among {', '.join(known)}; got {name!r}.")
            known[name].core.freeze(frozen)
        return self

    def __call__(self, x: Any = None) -> Any:
        """Make a node of a graph: of nodes before it, or an input without any."""
        from .graph import call

        return call(self, x)

    # ---- computing -------------------------------------------------------------------------

    def forward(self, input: Any) -> Any:
        """Compute the output of an array or a list of arrays (a table)."""
        given = run.tensors(input, self.get_dtype())
        if run.is_modal(self.core):
            self._key = RandomKey(int(torch_random().words(1)[0]), 0)
            return run.train_call(self.core, given, self._key)
        return run.infer(self.core, given)

    def backward(self, input: Any, grad_output: Any) -> Any:
        """Give the gradient for the input; those of the weights add up."""
        dtype = self.get_dtype()
        given, grad = run.tensors(input, dtype), run.tensors(grad_output, dtype)
        found, by_name = run.gradients(self.core, given, grad, self._key)
        own = {id(p): by_name[name] for name, p in self.core.named_parameters()}
        for weight in self.all_weights():
            weight.accumulate([own[id(parameter)] for parameter in weight.parameters])
        return found

    def evaluate(self, *args: Any) -> Any:
        """Without arguments go over to inference; with (data, batch size, methods) evaluate.

        Data are an RDD or a list of samples, which are collected, or a pair of arrays.
        """
        if not args:
            return self.training(False)
        if len(args) != 3:
            raise ArgumentError(
                f"evaluate: there must be no arguments or (data, batch_size, val_methods); got "
                f"{len(args)}."
            )
        data, batch_size, methods = args
        x, y = arrays_of(data)
        output = self.predict_local(x, batch_size)
        return [EvaluatedResult(float(m(output, y)), len(y), m.name) for m in methods]

    def training(self: L, is_training: bool = True) -> L:
        """Go over to training, or back."""
        self.core.train(bool(is_training))
        return self

    def is_training(self) -> bool:
        """Tell whether calls are training calls."""
        return self.core.training

    def predict_local(self, X: Any, batch_size: int = -1) -> Any:
        """Predict rows of an array, in inference mode."""
        given = run.tensors(X, self.get_dtype())
        inputs = run.arguments(given)
        rows = len(inputs[0])
        size = rows if batch_size < 1 else batch_size
        parts = []
        for start in range(0, rows, max(size, 1)):
            piece = tuple([x[start : start + size] for x in inputs])
            count = len(piece[0])
            if count == 1:  # View and Reshape would take one row for a sample without a batch axis
                piece = tuple([np.concatenate([x, x]) for x in piece])
            parts.append(run.infer(self.core, piece)[:count])
        return np.concatenate(parts)

    def predict_class_local(self, X: Any) -> Any:
        """Predict classes, counted from 1."""
        return self.predict_local(X).argmax(-1) + 1

    def predict(self, features: Any, batch_size: int = -1) -> Any:
        """Predict rows of an array, or of an RDD of samples (lazily, in order)."""
        if isinstance(features, RDD):
            return self.predict_distributed(features, batch_size)
        return self.predict_local(features, batch_size)

    def predict_class(self, features: Any) -> Any:
        """Predict classes, counted from 1."""
        if isinstance(features, RDD):
            return self.predict_class_distributed(features)
        return self.predict_class_local(features)

    def predict_distributed(self, data_rdd: Any, batch_size: int = -1) -> Any:
        """Predict an RDD of samples: an RDD of arrays, in the same order."""
        model, size = self, 128 if batch_size < 1 else batch_size

        def rows(samples: Any) -> Any:
            batch: list[Any] = []
            for sample in samples:
                batch.append([t.to_ndarray() for t in sample.features])
                if len(batch) == size:
                    yield from model._rows(batch)
                    batch = []
            if batch:
                yield from model._rows(batch)

        return data_rdd.mapPartitions(rows, preservesPartitioning=True)

    def _rows(self, batch: list[Any]) -> Any:
        columns = [np.stack(column) for column in zip(*batch, strict=True)]
        return self.predict_local(columns if len(columns) > 1 else columns[0])

    def predict_class_distributed(self, data_rdd: Any) -> Any:
        """Predict classes of an RDD of samples, counted from 1."""
        return self.predict_distributed(data_rdd).map(lambda y: int(np.argmax(y)) + 1)

    # ---- what it is ------------------------------------------------------------------------

    def set_name(self: L, name: str) -> L:
        """Give it a name, for `parameters()` and error messages."""
        self._name, self.is_named = str(name), True
        return self

    def name(self) -> str:
        """Give its name; without one the class and eight characters."""
        return self._name

    def set_seed(self: L, seed: int = 123) -> L:
        """Seed the random numbers that first weights are drawn from."""
        torch_random().set_seed(seed)
        return self

    def get_dtype(self) -> str:
        """Give the dtype of what it computes."""
        return "float32" if self.bigdl_type == "float" else "float64"

    def set_running_mean(self: L, running_mean: Any) -> L:
        """Set the running mean of a batch normalisation."""
        return self._statistic("running_mean", running_mean)

    def set_running_std(self: L, running_std: Any) -> L:
        """Set the running variance of a batch normalisation (BigDL's name says otherwise)."""
        return self._statistic("running_variance", running_std)

    def _statistic(self: L, name: str, array: Any) -> L:
        for path, buffer in self.core.named_buffers():
            if path.endswith(name):
                buffer.set(np.asarray(array, buffer.dtype))
                return self
        raise ArgumentError(f"{self.name()}: only a BatchNormalization has a {name}.")

    def save(self, path: str, over_write: bool = False) -> None:
        """Write the model into a file of ours."""
        from ...train import save_model

        if os.path.exists(path) and not over_write:
            raise ArgumentError(
                f"save: {path!r} must be new; there is such a file. Say over_write=True."
            )
        save_model(self.core, path)

    def saveModel(  # noqa: N802 - BigDL's name
        self, modelPath: str, weightPath: str | None = None, over_write: bool = False
    ) -> None:
        """Write the model into a file of ours; the weights lie in it."""
        self.save(modelPath, over_write)

    def __str__(self) -> str:
        """Tell the class, the name and the sizes."""
        return f"{type(self).__name__}[{self.name()}]({self.core.extra()})"
