"""Eager stand-ins for programs: the module's Python code runs, with the same `run`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.random import RandomKey
from . import tree
from .checks import Inputs, bad_loss, floats, model_dtype, moved, names_of
from .context import using
from .errors import ArgumentError
from .flat import FlatParameters
from .parameter import Parameter
from .state import STATE
from .tape import Tape, origin
from .trace import ModuleLike, stranger
from .tracing import CriterionLike, scalar
from .value import Array, Operand, borrow, wrap

if TYPE_CHECKING:
    from .segments import Segments


class EagerTrainProgram:
    """Stands in for a `TrainProgram`: the module's Python code runs, with a tape.

    Parameters
    ----------
    module, criterion, flat
        As for `train_program`.
    reason : str
        Why it is not compiled.
    input_specs, target_spec : tree of Spec, optional
        What inputs and target must be like; without them it takes any.
    segments : Segments, optional
        Compiles what can be inside.
    """

    def __init__(
        self,
        module: ModuleLike,
        criterion: CriterionLike,
        flat: FlatParameters,
        reason: str,
        input_specs: tree.Tree = None,
        target_spec: tree.Tree = None,
        segments: Segments | None = None,
    ) -> None:
        self._reason = reason
        self._segments = segments
        self.flat = flat
        self._module = module
        self._criterion = criterion
        self._specs = input_specs, target_spec
        self._inputs = None if input_specs is None else Inputs(input_specs, "input")
        self._target = None if target_spec is None else Inputs(target_spec, "target")
        self._known = False

    def run(
        self, inputs: tree.Tree, target: tree.Tree, random: RandomKey | None = None
    ) -> tuple[float, float, tree.Tree]:
        """Do what `TrainProgram.run` does."""
        flat = self.flat
        if flat.retired:
            raise moved()
        dtype = flat.values.dtype
        arrays = _given(self._inputs, inputs, "input", dtype)
        goal = _given(self._target, target, "target", dtype)
        buffers, trained = flat.named_buffers(), flat.trainable()
        with using(training=True, random=random, collect=True) as context, Tape() as tape:
            if flat.is_replica and context.updates is not None:
                for name, buffer in buffers.items():
                    context.updates[buffer] = wrap(flat.buffer(name).copy())
            with _running(self._segments, tape):
                output = tree.call(self._module, tree.map(borrow, arrays))
            loss_value = scalar(self._criterion.call(output, tree.map(borrow, goal)))
        self._refuse_strangers(tape)
        loss = float(loss_value)
        if not math.isfinite(loss):
            look = partial(self._criterion.check_output, _arrays(output))
            named = (*_named(arrays, "input"), *_named(goal, "target"))
            raise bad_loss(loss, named, flat, look)
        found = tape.gradients(loss_value, list(trained.values()))
        flat.gradients.fill(0)
        for name, gradient in zip(trained, found, strict=True):
            np.copyto(flat.gradient(name), gradient)
        if context.updates:
            for name, buffer in buffers.items():
                if buffer in context.updates:
                    np.copyto(flat.buffer(name), context.updates[buffer].data)
        return loss, self._criterion.weight(goal), _arrays(output)

    def _refuse_strangers(self, tape: Tape) -> None:
        """Raise, in the first run, if a parameter is used that is not among the module's."""
        if self._known:
            return
        known = {id(parameter) for _, parameter in self._module.named_parameters()}
        for node in tape.entries:
            for x in map(origin, node.inputs):
                if isinstance(x, Parameter) and id(x) not in known:
                    raise ArgumentError(stranger(x))
        self._known = True

    @property
    def reason(self) -> str:
        """Why it is not one program, and how many segments the last run had."""
        return _told(self._reason, self._segments)

    @property
    def in_parts(self) -> bool:
        """Whether what can be compiled of it is."""
        return self._segments is not None

    def pieces(self) -> Iterable[tuple[object, int]]:
        """Give what the segments hold in memory, with its bytes."""
        return () if self._segments is None else self._segments.pieces()

    def clone(self, flat: FlatParameters) -> EagerTrainProgram:
        """Return a program for another thread, bound to `flat`."""
        segments = None if self._segments is None else self._segments.twin(flat)
        return EagerTrainProgram(
            self._module, self._criterion, flat, self._reason, *self._specs, segments
        )


class EagerPredictProgram:
    """Stands in for a `PredictProgram`; parameters as for `EagerTrainProgram`."""

    def __init__(
        self,
        module: ModuleLike,
        reason: str,
        input_specs: tree.Tree = None,
        segments: Segments | None = None,
    ) -> None:
        self._reason = reason
        self._segments = segments
        self._module = module
        self._inputs = None if input_specs is None else Inputs(input_specs, "input")

    def run(self, inputs: tree.Tree) -> tree.Tree:
        """Return the module's output."""
        dtype = model_dtype(self._module) if self._inputs is None else None
        given = _given(self._inputs, inputs, "input", dtype)
        with using(training=False), _running(self._segments, STATE.tape):
            return _arrays(tree.call(self._module, tree.map(borrow, given)))

    @property
    def reason(self) -> str:
        """Why it is not one program, and how many segments the last run had."""
        return _told(self._reason, self._segments)

    @property
    def in_parts(self) -> bool:
        """Whether what can be compiled of it is."""
        return self._segments is not None

    def pieces(self) -> Iterable[tuple[object, int]]:
        """Give what the segments hold in memory, with its bytes."""
        return () if self._segments is None else self._segments.pieces()


def _running(segments: Segments | None, tape: Tape | None) -> AbstractContextManager[None]:
    return nullcontext() if segments is None else segments.running(tape)


def _told(reason: str, segments: Segments | None) -> str:
    count = 0 if segments is None else segments.count
    if not count:
        return reason
    name = "segment" if count == 1 else "segments"
    return f"runs in {count} {name}, as the whole cannot be traced: {reason}"


def _given(checks: Inputs | None, items: tree.Tree, what: str, dtype: Any) -> tree.Tree:
    """Return inputs or target as a tree of arrays, checked where it is known what they must be."""
    if checks is not None:
        return checks.tree_of(checks.check(items))

    def made(array: Any) -> Array:
        return floats(array, dtype)

    if what == "input":
        items = tree.lone(items)
        if isinstance(items, tuple):
            return tuple([tree.map(made, tree.with_arrays(item)) for item in items])
    return tree.map(made, tree.with_arrays(items))


def _named(arrays: tree.Tree, what: str) -> list[tuple[str, Array]]:
    leaves, structure = tree.flatten(arrays)
    return list(zip(names_of(structure, what), leaves, strict=True))


def _arrays(output: tree.Tree) -> tree.Tree:
    """Return copies: a constant or a parameter may be among the outputs."""
    return tree.map(lambda x: np.array(x._data) if isinstance(x, Operand) else x, output)
