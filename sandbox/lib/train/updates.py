"""The optimiser's half of an iteration: this rank's slices follow their gradients."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core import FlatParameters
from ..core.errors import ArgumentError, TrainingError
from ..optim import Optimizer, ParameterSpans
from .model_io import fill, model_tensors
from .state import Slots

if TYPE_CHECKING:
    from .. import nn
    from .group import Group
    from .job import TrainJob

__all__ = ["Updates", "check_optimizer", "check_parameters", "lend_average"]


class _Piece(NamedTuple):
    """One slice of this rank."""

    values: NDArray[np.float32]
    gradients: NDArray[np.float32]
    slots: dict[str, NDArray[np.float32]]
    trained: NDArray[np.bool_] | None
    spans: ParameterSpans


class Updates:
    """Applies clip and optimiser to this rank's slices.

    Parameters
    ----------
    job, flat, slots, group
        What is trained, the flat vectors, the optimiser's vectors, the ranks.
    """

    def __init__(self, job: TrainJob, flat: FlatParameters, slots: Slots, group: Group) -> None:
        self.job, self.flat, self.slots, self.group = job, flat, slots, group
        self.optimizer: Optimizer = job.optimizer
        self.exchanging = 0.0
        """Seconds that the last step spent on sums over the ranks."""
        trained: Any = None
        if not all(flat.is_trainable(name) for name in flat.views):
            trained = flat.mask(flat.is_trainable)
        self.pieces = [
            _Piece(
                flat.values[start:stop],
                flat.gradients[start:stop],
                view,
                None if trained is None else trained[start:stop],
                ParameterSpans.of(flat.views, start, stop),
            )
            for (start, stop), view in zip(slots.ranges, slots.views, strict=True)
        ]

    def step(self, scale: float, *, step: int, learning_rate: float) -> None:
        """Scale the gradients, clip them and apply the optimiser. Collective."""
        clip, optimizer = self.job.clip, self.optimizer
        self.exchanging = 0.0
        if clip is not None and clip.needs_norm:
            local = math.fsum(clip.local(piece.gradients) for piece in self.pieces)
            scale *= clip.scale(float(self._sum(np.array([local * scale * scale]))[0]))
        factor = np.float32(scale)
        for piece in self.pieces:
            np.multiply(piece.gradients, factor, out=piece.gradients)
            if clip is not None:
                clip.apply(piece.gradients)
        wanted: dict[str, Any] = {}
        if optimizer.needs_norms:
            wanted["norms"] = self._norms(step)
        for piece in self.pieces:
            if optimizer.needs_spans:
                wanted["spans"] = piece.spans
            optimizer.apply_slice(
                piece.values,
                piece.gradients,
                piece.slots,
                step=step,
                learning_rate=learning_rate,
                decay_mask=piece.trained,
                **wanted,
            )

    def _norms(self, step: int) -> NDArray[np.float64]:
        """Return two sums of squares of each parameter, over all ranks."""
        sums = np.zeros((len(self.flat.views), 2))
        for piece in self.pieces:
            sums += self.optimizer.measure_slice(
                piece.values,
                piece.gradients,
                piece.slots,
                step=step,
                spans=piece.spans,
                decay_mask=piece.trained,
            )
        return self._sum(sums.ravel()).reshape(sums.shape)

    def _sum(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        before = time.perf_counter()
        total = self.group.all_reduce(numbers)
        self.exchanging += time.perf_counter() - before
        return total

    @contextmanager
    def averaged(self, *, started: bool) -> Iterator[None]:
        """Put the averaged weights in the place of the trained ones for a while. Collective.

        Does nothing for an optimiser without averages, or before its first step.
        """
        slot = self.optimizer.average_slot
        if slot is None or not started:
            yield
            return
        values = self.flat.values
        kept = values.copy()
        for piece in self.pieces:
            np.copyto(piece.values, piece.slots[slot])
        self.group.all_gather(values, self.flat.buckets)
        self.flat.touch()
        try:
            yield
        finally:
            np.copyto(values, kept)
            self.flat.touch()


def check_parameters(flat: FlatParameters, step: int) -> None:
    """Raise if a parameter is no number; all ranks hold the same ones and raise alike."""
    # One pass without a temporary; a sum that overflows is looked at more closely.
    if math.isfinite(float(flat.values.sum(dtype=np.float64))):
        return
    for name in flat.names:
        if not np.isfinite(flat.value(name)).all():
            raise TrainingError(
                f"step {step}: parameters must be finite; {name} holds NaN or infinity. Lower the"
                " learning rate or clip the gradients (clip=ClipNorm(1.0))."
            )


def check_optimizer(job: TrainJob, ranks: int) -> None:
    """Refuse an optimiser that cannot work here, before anything is trained.

    Raises
    ------
    ArgumentError : it needs the whole vector but there are several ranks; a group's pattern fits no
        parameter; the schedule goes by a validation metric that is not measured.
    """
    optimizer = job.optimizer
    optimizer.check_names([name for name, _ in job.model.named_parameters()])
    if optimizer.needs_whole_vector and ranks > 1:
        raise ArgumentError(
            f"{type(optimizer).__name__}: must train in one process, since it needs products over "
            f"the whole parameter vector; got {ranks} ranks. Use the LocalBackend, or an optimiser "
            "that works on slices: SGD, Adam, LAMB."
        )
    optimizer.orient({metric.name: metric.higher_is_better for metric in job.metrics})
    wanted = optimizer.monitored()
    if wanted is None:
        return
    known = [metric.name for metric in job.metrics]
    if job.validation is None or wanted.lower() not in [name.lower() for name in known]:
        got = "no validation data" if job.validation is None else f"metrics {', '.join(known)}"
        raise ArgumentError(
            f"{type(optimizer.schedule).__name__}: {wanted!r} must be measured in validations; got "
            f"{got}. Give fit(validation=...) and name the metric in Trainer(metrics=...)."
        )


@contextmanager
def lend_average(
    model: nn.Module, optimizer: Optimizer, tensors: Mapping[str, NDArray[Any]] | None
) -> Iterator[nn.Module]:
    """Give a model the averaged weights of a checkpoint's tensors for a while."""
    slot = optimizer.average_slot
    if slot is None:
        raise ArgumentError(
            f"averaged: the optimiser must keep averaged weights; got {optimizer!r}. "
            "Train with optim.EMA(optimizer)."
        )
    if tensors is None:
        raise ArgumentError("averaged: there must have been a fit before; got none.")
    kept = model_tensors(model)
    names = [name for name, _ in model.named_parameters()]
    fill(
        model,
        kept | {f"parameter/{name}": tensors[f"slot/{slot}/{name}"] for name in names},
        "the averaged weights",
    )
    try:
        yield model
    finally:
        fill(model, kept, "the trained weights")
