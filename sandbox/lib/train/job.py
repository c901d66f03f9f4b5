"""What a backend needs to train: plain data that travels to a worker process and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from .checkpoint import PackedState
    from .triggers import EarlyStopping, Trigger

__all__ = ["CheckpointPolicy", "Command", "Result", "StatePlaces", "TrainJob"]


@dataclass(frozen=True)
class Command:
    """A wish of the person who watches; rank 0 hears it, all ranks obey at the same iteration.

    Parameters
    ----------
    kind : "pause", "resume", "stop", "learning_rate", "hold" or "go"
        What to do after the running iteration (the learning rate: in it). A backend whose listener
        is behind sends "hold", and "go" when it has caught up.
    value : float, default=0
        The learning rate. NaN gives the rate back to the optimiser's schedule.
    """

    kind: Literal["pause", "resume", "stop", "learning_rate", "hold", "go"]
    value: float = 0.0


@dataclass(frozen=True)
class CheckpointPolicy:
    """When the loop packs its state and hands it out as a "checkpoint" event.

    Parameters
    ----------
    every : Trigger
        When.
    history : bool, default=True
        Also pack the curves (False for states kept only to survive a lost worker).
    at_start : bool, default=False
        Also before the first iteration: the state then holds the kernel plan that the run goes by,
        so that a run which lost its ranks early begins again with the same kernels.
    """

    every: Trigger
    history: bool = True
    at_start: bool = False


@dataclass(frozen=True)
class StatePlaces:
    """Where ranks write states that are too large to be handed over in memory.

    Parameters
    ----------
    spool : path
        A private folder of the driver, for states that end with its process.
    kept, run : path or URL, str
        The user's folder of checkpoints, and what names of this run begin with there; "" for none.
    large : int, default=32 MiB
        Bytes from which a state is written here.
    """

    spool: str
    kept: str = ""
    run: str = ""
    large: int = 32 << 20


@dataclass
class TrainJob:
    """One training run as data. Everything in it can be pickled by Spark's closure serializer.

    Parameters
    ----------
    model, criterion, optimizer : Module, Criterion, Optimizer
        What is trained, by what measure, how.
    data, validation : dataset
        With `partition_sizes`, `spec`, `shared` and `rows(partition, indices)`.
    batch_size : int > 0
        Rows of the global batch, over all ranks.
    end, validate : Trigger
        When to end; when to validate.
    threads : int > 0
        Threads of one rank's program.
    plan : str or None
        A kernel plan as JSON; None takes the machine's own.
    precision : "f32" or "bf16"
        Of what the programs multiply and of activations.
    checkpointing : "off", "light" or "full"
        What the programs compute again instead of keeping it.
    accumulate : int > 0
        Pieces in which a rank runs its rows of a batch; their gradients add up.
    start : bytes, StateFile or None
        A packed checkpoint to go on from.
    weights : StateFile or None
        The numbers of a model that travels without them; rank 0 reads them.
    places : StatePlaces or None
        Where large states are written; None packs any in memory.
    watch : names of parameters
        Sent out as "snapshot" events every `watch_every` iterations.
    """

    model: Any
    criterion: Any
    optimizer: Any
    data: Any
    end: Trigger
    batch_size: int = 128
    seed: int = 0
    validation: Any = None
    validate: Trigger | None = None
    metrics: tuple[Any, ...] = ()
    clip: Any = None
    threads: int = 1
    plan: str | None = None
    precision: str = "f32"
    checkpointing: str = "off"
    accumulate: int = 1
    checkpoint: CheckpointPolicy | None = None
    start: PackedState | None = None
    weights: PackedState | None = None
    places: StatePlaces | None = None
    early_stop: EarlyStopping | None = None
    watch: tuple[str, ...] = ()
    watch_every: int = 20


@dataclass
class Result:
    """How a run ended on one rank.

    Parameters
    ----------
    reason : "end", "early_stop" or "stopped"
        The end trigger fired, the validation stood still, or a command came.
    step, epoch : int
        Iterations done in all, and the epoch they reached.
    state : bytes, StateFile or None
        The final checkpoint (rank 0), else None.
    seconds : float
        Wall time of the loop.
    """

    reason: Literal["end", "early_stop", "stopped"]
    step: int
    epoch: int
    state: PackedState | None
    seconds: float
