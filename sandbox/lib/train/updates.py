"""The optimiser's half of an iteration: this rank's slices follow their gradients."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core import FlatParameters
from ..core.errors import ArgumentError, DivergedError
from ..optim import Optimizer, ParameterSpans
from .model_io import fill, model_tensors
from .slots import Slots

if TYPE_CHECKING:
    from .. import nn
    from .group import Group
    from .job import TrainJob

__all__ = ["Updates", "check_optimizer", "check_parameters", "lend_average"]


class _Piece(NamedTuple):
    """One slice of this rank, or a part of it."""

    values: NDArray[np.float32]
    gradients: NDArray[np.float32]
    slots: dict[str, NDArray[np.float32]]
    spans: ParameterSpans

    def part(self, start: int, stop: int) -> _Piece:
        """Return a part, as views."""
        return _Piece(
            self.values[start:stop],
            self.gradients[start:stop],
            {name: vector[start:stop] for name, vector in self.slots.items()},
            self.spans.within(start, stop),
        )


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
        self.pieces = [
            _Piece(
                flat.values[start:stop],
                flat.gradients[start:stop],
                view,
                ParameterSpans.of(flat.views, start, stop),
            )
            for (start, stop), view in zip(slots.ranges, slots.views, strict=True)
        ]
        self.trained, self.frozen = self.pieces, list[_Piece]()
        trainable = [flat.is_trainable(name) for name in flat.views]
        if not all(trainable):
            # Frozen parameters are left out: their state would move them without any gradient.
            parts = [part for piece in self.pieces for part in _runs(piece, trainable)]
            self.trained = [part for part, is_trained in parts if is_trained]
            self.frozen = [part for part, is_trained in parts if not is_trained]

    def step(self, scale: float, *, step: int, learning_rate: float) -> None:
        """Scale the gradients, clip them and apply the optimiser. Collective."""
        clip, optimizer = self.job.clip, self.optimizer
        self.exchanging = 0.0
        if clip is not None and clip.needs_norm:
            local = math.fsum(clip.local(piece.gradients) for piece in self.pieces)
            scale *= clip.scale(float(self._sum(np.array([local * scale * scale]))[0]))
        # One piece after the other, where that can be: what was scaled is still in the cache then.
        together = bool(
            optimizer.needs_norms
            or optimizer.needs_wholes
            or optimizer.needs_whole_vector
            or self.frozen
        )
        if together:
            for piece in self.pieces:
                self._prepare(piece, scale)
        wanted: dict[str, Any] = {}
        if optimizer.needs_norms:
            wanted["norms"] = self._norms(step)
        if optimizer.needs_wholes:
            self._shape(step)
        with self._for_optimizer() as pieces:
            for piece in pieces:
                if not together:
                    self._prepare(piece, scale)
                if optimizer.needs_spans:
                    wanted["spans"] = piece.spans
                optimizer.apply_slice(
                    piece.values,
                    piece.gradients,
                    piece.slots,
                    step=step,
                    learning_rate=learning_rate,
                    **wanted,
                )
        for piece in self.frozen:
            optimizer.pass_frozen(piece.values, piece.slots, step=step)

    def _prepare(self, piece: _Piece, scale: float) -> None:
        """Scale and clip the gradients of a piece."""
        np.multiply(piece.gradients, np.float32(scale), out=piece.gradients)
        if self.job.clip is not None:
            self.job.clip.apply(piece.gradients)

    def _shape(self, step: int) -> None:
        """Let the optimiser see whole parameters, those this rank has a part of. Collective."""
        optimizer, flat = self.optimizer, self.flat
        for piece in self.trained:
            optimizer.aim_slice(
                piece.values, piece.gradients, piece.slots, step=step, spans=piece.spans
            )
        held = {piece.spans.names[p]: None for piece in self.trained for p, *_ in piece.spans.parts}
        before = time.perf_counter()
        self.group.all_gather(flat.gradients, flat.buckets)
        self.group.barrier()  # others read this vector until they have begun another verb
        slots = {slot: self.slots.whole(slot, held) for slot in optimizer.whole_slots}
        self.exchanging += time.perf_counter() - before
        for name in held:
            own = {slot: whole[name] for slot, whole in slots.items()}
            optimizer.shape_whole(name, flat.value(name), flat.gradient(name), own)

    @contextmanager
    def _for_optimizer(self) -> Iterator[list[_Piece]]:
        """Give the trained parts, joined to one for an optimiser that needs them so."""
        parts = self.trained
        if len(parts) < 2 or not self.optimizer.needs_whole_vector:
            yield parts
            return
        values, gradients = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
        slots = {name: np.concatenate([p.slots[name] for p in parts]) for name in parts[0].slots}
        yield [_Piece(values, gradients, slots, ParameterSpans.one(values.size))]
        stops = np.cumsum([part.values.size for part in parts])[:-1]
        for part, found in zip(parts, np.split(values, stops), strict=True):
            part.values[:] = found
        for name, vector in slots.items():
            for part, found in zip(parts, np.split(vector, stops), strict=True):
                part.slots[name][:] = found

    def _norms(self, step: int) -> NDArray[np.float64]:
        """Return two sums of squares of each parameter, over all ranks."""
        sums = np.zeros((len(self.flat.views), 2))
        for piece in self.trained:
            sums += self.optimizer.measure_slice(
                piece.values, piece.gradients, piece.slots, step=step, spans=piece.spans
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


def _runs(piece: _Piece, trainable: list[bool]) -> Iterator[tuple[_Piece, bool]]:
    """Cut a piece where trained parameters meet frozen ones; what lies between is padding."""
    for is_trained, run in groupby(piece.spans.parts, lambda span: trainable[span.parameter]):
        spans = list(run)
        yield piece.part(spans[0].start, spans[-1].stop), is_trained


def check_parameters(flat: FlatParameters, step: int) -> None:
    """Raise if a parameter is no number; all ranks hold the same ones and raise alike."""
    # One pass without a temporary; a sum that overflows is looked at more closely.
    if math.isfinite(float(flat.values.sum(dtype=np.float64))):
        return
    for name in flat.names:
        if not np.isfinite(flat.value(name)).all():
            raise DivergedError(
                f"step {step}: parameters must be finite; {name} holds NaN or infinity. Lower the"
                " learning rate or clip the gradients (clip=ClipNorm(1.0))."
            )


def check_optimizer(job: TrainJob, ranks: int) -> None:
    """Refuse an optimiser that cannot work here, before anything is trained.

    Raises
    ------
    ArgumentError : there is no parameter to train; it needs the whole vector, or the model is
        float64, but there are several ranks; a group's pattern fits no parameter; the schedule goes
        by a validation metric that is not measured.
    """
    optimizer = job.optimizer
    parameters = dict(job.model.named_parameters())
    if not any(p.trainable for p in parameters.values()):
        got = f"{len(parameters)}, all of them frozen" if parameters else "none"
        cure = "Free some: model.freeze(False)." if parameters else "Add layers such as nn.Linear."
        raise ArgumentError(
            f"{type(job.model).__name__}: must have parameters to train; got {got}. {cure}"
        )
    optimizer.check_names(list(parameters))
    if optimizer.needs_whole_vector and ranks > 1:
        raise ArgumentError(
            f"{type(optimizer).__name__}: must train in one process, since it needs products over "
            f"the whole parameter vector; got {ranks} ranks. Use the LocalBackend, or an optimiser "
            "that works on slices: SGD, Adam, LAMB."
        )
    wide = [name for name, p in parameters.items() if p.dtype == np.float64]
    if wide and ranks > 1:
        raise ArgumentError(
            f"{wide[0]}: must be float32 to be trained by {ranks} ranks, which exchange float32;"
            ' got float64. Use the LocalBackend, or turn the model with module.astype("float32").'
        )
    optimizer.orient({metric.name: metric.higher_is_better for metric in job.metrics})
    wanted = optimizer.monitored()
    if wanted is None:
        return
    known = [metric.name for metric in job.metrics]
    got = ""
    if job.validation is None:
        got = "no validation data"
    elif job.validate is None or not job.validate.can_fire(validated=False):
        got = f"validate={job.validate!r}"
    elif wanted.lower() not in [name.lower() for name in known]:
        got = f"metrics {', '.join(known)}"
    if got:
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
