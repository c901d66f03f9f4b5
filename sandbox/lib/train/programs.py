"""The programs of one run: compiled when a new shape of batch comes along, with one kernel plan."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import engine, nn
from ..core import FlatParameters, ProgramCache, tree
from ..criterion import Criterion
from ..data import DataSpec
from ..engine.oplist import Spec
from ..engine.random import RandomKey

__all__ = ["Programs"]


class Programs:
    """Training and prediction programs of a model, by the shape of the batch.

    Parameters
    ----------
    model, criterion : Module, Criterion
        What is computed.
    flat : FlatParameters or None
        Where gradients go; None for prediction only.
    threads : int > 0
        Of each program.
    plan : KernelPlan, optional
        A plan that is not frozen takes up the choices that are timed when programs are made.
    precision : "f32" or "bf16", default="f32"
        Of what the programs multiply and of activations.
    checkpointing : "off", "light" or "full", default="off"
        What training programs compute again instead of keeping it.
    """

    def __init__(
        self,
        model: nn.Module,
        criterion: Criterion,
        flat: FlatParameters | None,
        *,
        threads: int,
        plan: engine.KernelPlan | None = None,
        precision: str = "f32",
        checkpointing: str = "off",
    ) -> None:
        self.model = model
        self.criterion = criterion
        self.flat = flat
        self.threads = threads
        self.plan = plan
        self.precision = precision
        self.checkpointing = checkpointing
        self.eager: str | None = None
        """Why the model is no program, None where it is one."""
        self.in_parts = False
        """Whether its parts are programs then."""
        self._cache = ProgramCache()

    def prepare(self, spec: DataSpec, rows: int, *, training: bool) -> None:
        """Make the program for batches of this many rows."""
        x, y = tree.map(lambda s: Spec((rows, *s.shape), s.dtype), tuple(spec))
        if training:
            self._training(x, y)
        else:
            self._predicting(x)

    def train(
        self, inputs: Any, target: Any, key: RandomKey, *, look: bool = False
    ) -> tuple[float, float, Any]:
        """Return loss sum, weight sum and output, and fill the gradients of the loss sum.

        With `look` the criterion looks at the numbers of target and output, and may raise.
        """
        found: tuple[float, float, Any] = self._training(inputs, target).run(inputs, target, key)
        if look:
            self.criterion.check(tree.map(np.shape, found[2]), target)
            self.criterion.check_output(found[2])
        return found

    def predict(self, inputs: Any) -> Any:
        """Return the model's output, valid until the next call."""
        return self._predicting(inputs).run(inputs)

    def _training(self, inputs: Any, target: Any) -> Any:
        if self.flat is None:
            raise RuntimeError("these programs were made for prediction")
        program = self._cache.train(
            self.model,
            self.criterion,
            self.flat,
            inputs,
            target,
            threads=self.threads,
            plan=self.plan,
            precision=self.precision,
            checkpointing=self.checkpointing,
        )
        self._notice(program)
        return program

    def _predicting(self, inputs: Any) -> Any:
        program = self._cache.predict(
            self.model,
            inputs,
            flat=self.flat,
            threads=self.threads,
            plan=self.plan,
            precision=self.precision,
        )
        self._notice(program)
        return program

    def _notice(self, program: Any) -> None:
        self.eager = getattr(program, "reason", None)
        self.in_parts = bool(getattr(program, "in_parts", False))
