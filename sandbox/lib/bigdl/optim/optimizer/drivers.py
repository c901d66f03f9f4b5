"""What trains: `Optimizer` and its kin over `train.Trainer`."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from .... import optim, train
from ....core.errors import ArgumentError
from ...bridge import core_criterion, core_module, core_optimizer, core_trigger
from ...nn.base import Layer
from ...util.samples import arrays_of
from .methods import SGD
from .summaries import TrainSummary, ValidationSummary


class BaseOptimizer:
    """What all drivers share: setters, and `optimize`, which trains and gives the model back.

    Any batch size is right: the last batch of a pass may be smaller.
    """

    def __init__(
        self,
        model: Any,
        training_set: Any,
        criterion: Any,
        end_trigger: Any = None,
        batch_size: int = 32,
        optim_method: Any = None,
    ) -> None:
        self.model = model
        self.training = training_set
        self.criterion = criterion
        self.end = end_trigger if end_trigger is not None else train.MaxEpoch(1)
        self.batch_size = batch_size
        self.method = optim_method if optim_method is not None else SGD()
        self.clip: Any = None
        self.checkpoint: train.Checkpoints | None = None
        self.validation: tuple[Any, Any, list[Any]] | None = None
        self.summaries: dict[str, Any] = {}
        self.history: Any = None

    def set_model(self, model: Any) -> None:
        """Train another model."""
        self.model = model

    def set_criterion(self, criterion: Any) -> None:
        """Go by another criterion."""
        self.criterion = criterion

    def set_end_when(self, end_when: Any) -> None:
        """End by another trigger."""
        self.end = end_when

    def set_traindata(self, training_rdd: Any, batch_size: int) -> None:
        """Train on other data."""
        self.training, self.batch_size = training_rdd, batch_size

    def set_checkpoint(
        self,
        checkpoint_trigger: Any,
        checkpoint_path: str | os.PathLike[str],
        isOverWrite: bool = True,
    ) -> None:
        """Keep the state in a folder whenever the trigger fires; runs resume from there.

        Files have names of their own, and the newest three stay, whatever `isOverWrite` says.
        """
        self.checkpoint = train.Checkpoints(checkpoint_path, every=core_trigger(checkpoint_trigger))

    def set_gradclip_const(self, min_value: float, max_value: float) -> None:
        """Cut each number of the gradient to a range around 0."""
        if min_value != -max_value:
            raise ArgumentError(
                "set_gradclip_const: `min_value` must be -max_value; got "
                f"{min_value!r} and {max_value!r}."
            )
        self.clip = optim.ClipValue(max_value)

    def set_gradclip_l2norm(self, clip_norm: float) -> None:
        """Shrink the gradient to at most a norm."""
        self.clip = optim.ClipNorm(clip_norm)

    def disable_gradclip(self) -> None:
        """Leave the gradient as it is."""
        self.clip = None

    def set_train_summary(self, summary: TrainSummary) -> BaseOptimizer:
        """Write curves of the training."""
        self.summaries["train"] = summary
        return self

    def set_val_summary(self, summary: ValidationSummary) -> BaseOptimizer:
        """Write curves of the validation."""
        self.summaries["validation"] = summary
        return self

    def prepare_input(self) -> None:
        """Collect the training data now instead of in `optimize`."""
        self.training = arrays_of(self.training)

    def set_validation(self, *args: Any, **kwargs: Any) -> None:
        """Validate on (batch_size, val_rdd, trigger, val_method), or arrays in place of val_rdd.

        Raises
        ------
        ArgumentError : arguments of neither form.
        """
        local = ("batch_size", "X_val", "Y_val", "trigger", "val_method")
        spread = ("batch_size", "val_rdd", "trigger", "val_method")
        is_local = "X_val" in kwargs or (len(args) > 2 and isinstance(args[1], np.ndarray))
        names = local if is_local else spread
        given = dict(zip(names, args, strict=False)) | kwargs
        if set(given) - set(names) or "trigger" not in given:
            raise ArgumentError(
                f"set_validation: arguments must be {', '.join(names)}; got {', '.join(given)}."
            )
        data = (given["X_val"], given["Y_val"]) if is_local else given["val_rdd"]
        methods = given.get("val_method") or []
        found = list(methods) if isinstance(methods, list | tuple) else [methods]
        self.validation = (data, given["trigger"], found)

    def optimize(self) -> Any:
        """Train until the end trigger fires; gives the model."""
        module = core_module(self.model)
        optimizer = self._optimizer(module)
        criterion = core_criterion(self.criterion)
        judges: list[Any] = self.validation[2] if self.validation else []
        from .triggers import Loss

        trainer = train.Trainer(
            module,
            criterion,
            optimizer,
            batch_size=self.batch_size,
            metrics=judges or [Loss(criterion)],
            clip=self.clip,
            checkpoint=self.checkpoint,
            callbacks=tuple(self.summaries.values()),
        )
        more: dict[str, Any] = {}
        if self.validation:
            more["validation"] = arrays_of(self.validation[0])
            more["validate"] = core_trigger(self.validation[1])
        if self.checkpoint is not None:
            more["resume"] = "auto"
        x, y = arrays_of(self.training)
        self.history = trainer.fit((x, y), end=core_trigger(self.end), **more)
        return self.model

    def _optimizer(self, module: Any) -> optim.Optimizer:
        """Return the core's optimiser: one for all, or by layers, with their regularizers."""
        layers = self.model.all_layers() if isinstance(self.model, Layer) else []
        names = {id(parameter): name for name, parameter in module.named_parameters()}
        methods: dict[str, optim.Optimizer] = {}
        if isinstance(self.method, dict):
            known = {layer.name(): layer for layer in layers}
            for name, method in self.method.items():
                if name not in known:
                    raise ArgumentError(
                        f"optim_method: names must be those of layers, {', '.join(known)}; got "
                        f"{name!r}."
                    )
                inside = known[name].core.parameters()
                methods |= dict.fromkeys([names[id(p)] for p in inside], core_optimizer(method))
            if missing := [name for name in names.values() if name not in methods]:
                raise ArgumentError(
                    "optim_method: there must be a method for each layer with weights; got none "
                    f"for {missing[0]}."
                )
            main = next(iter(methods.values()))
        else:
            main = core_optimizer(self.method)
        kept = {
            names[id(parameter)]: weight.regularizer.core
            for layer in layers
            for weight in layer.weights
            if weight.regularizer is not None
            for parameter in weight.parameters
        }
        groups = [
            optim.ParameterGroup(name, optimizer=methods.get(name), regulariser=kept.get(name))
            for name in names.values()
            if name in methods or name in kept
        ]
        return optim.ParameterGroups(main, groups) if groups else main


class Optimizer(BaseOptimizer):
    """Trains a model on an RDD of samples, a list of them, or a pair of arrays.

    Samples of an RDD are collected, and train in this process.
    """

    def __init__(
        self,
        model: Any,
        training_rdd: Any,
        criterion: Any,
        end_trigger: Any,
        batch_size: int,
        optim_method: Any = None,
        bigdl_type: str = "float",
    ) -> None:
        super().__init__(model, training_rdd, criterion, end_trigger, batch_size, optim_method)

    @staticmethod
    def create(
        model: Any,
        training_set: Any,
        criterion: Any,
        end_trigger: Any = None,
        batch_size: int = 32,
        optim_method: Any = None,
        cores: int | None = None,
        bigdl_type: str = "float",
    ) -> BaseOptimizer:
        """Make the driver that fits the data: arrays train here."""
        return BaseOptimizer(model, training_set, criterion, end_trigger, batch_size, optim_method)


class DistriOptimizer(Optimizer):
    """`Optimizer` under its other name."""


class LocalOptimizer(BaseOptimizer):
    """Trains on arrays."""

    def __init__(
        self,
        X: Any,
        Y: Any,
        model: Any,
        criterion: Any,
        end_trigger: Any,
        batch_size: int,
        optim_method: Any = None,
        cores: int | None = None,
        bigdl_type: str = "float",
    ) -> None:
        super().__init__(model, (X, Y), criterion, end_trigger, batch_size, optim_method)
