"""How the ranks of a barrier stage find each other, and check that they agree."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import platform
from typing import Any

import numpy as np
import pyarrow

from .. import engine
from ..core.errors import ArgumentError
from ..train.job import TrainJob
from . import tcp
from .errors import ExchangeError, RendezvousError
from .exchange import Group

__all__ = ["agree", "facts_of", "meet"]

logger = logging.getLogger("sandbox.spark")

_CURES = {
    "plan": "Give the kernel plan to all ranks: Trainer(plan=engine.default_plan()).",
    "data": "All ranks must read the same files: check that the path leads to the same content "
    "on every host; cache a DataFrame whose rows change between reads.",
    "model": "The model must be built the same on every rank; shared code on the hosts differs?",
}


def facts_of(job: TrainJob) -> dict[str, Any]:
    """Return what must be the same on all ranks before they train, as plain data."""
    from .. import nn

    shapes = [(name, tuple(p.shape)) for name, p in job.model.named_parameters()]
    try:
        config: Any = nn.serialize(job.model)
    except ArgumentError:  # a class of the user's: shapes must do
        config = type(job.model).__name__
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "numpy": np.__version__,
        "pyarrow": pyarrow.__version__,
        "sandbox": _version(),
        "engine": "native" if engine.is_native() else "reference",
        "plan": _digest(job.plan or ""),
        "model": _digest([shapes, config]),
        "batch_size": job.batch_size,
        "seed": job.seed,
        "data": [list(job.data.partition_sizes), str(job.data.spec)],
        "validation": None
        if job.validation is None
        else [list(job.validation.partition_sizes), str(job.validation.spec)],
    }


def _version() -> str:
    import sandbox

    return str(sandbox.__version__)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest()[:16]


def agree(tellings: list[dict[str, Any]]) -> None:
    """Compare what the ranks told of themselves.

    Raises
    ------
    RendezvousError : names the rank, the field and both values.

    Examples
    --------
    >>> agree([{"facts": {"numpy": "2.0"}}, {"facts": {"numpy": "2.1"}}])
    Traceback (most recent call last):
    ...
    sandbox.lib.spark.errors.RendezvousError: rank 1: `numpy` must be '2.0' as on rank 0; got \
'2.1'. The hosts need the same environment.
    """
    first = tellings[0]["facts"]
    for rank, telling in enumerate(tellings):
        for field, value in telling["facts"].items():
            if value != first.get(field):
                key = "data" if field == "validation" else field
                cure = _CURES.get(key, "The hosts need the same environment.")
                raise RendezvousError(
                    f"rank {rank}: `{field}` must be {first.get(field)!r} as on rank 0; got "
                    f"{value!r}. {cure}"
                )


def meet(
    context: Any,
    token: bytes,
    facts: dict[str, Any],
    *,
    loopback: bool,
    fallback_host: str,
    exchange: str,
    deadline_s: float,
    threads: int,
) -> tuple[Group, list[dict[str, Any]]]:
    """Exchange addresses through Spark's barrier, compare facts, and build the group.

    Parameters
    ----------
    context : BarrierTaskContext
        Of this task.
    token : bytes
        The job's secret; each meeting derives its own from it.
    loopback : bool
        All ranks are on this machine.
    fallback_host : str
        The address by which this host reaches the driver.
    """
    rank = context.partitionId()
    listener = _listen(context, rank, loopback, fallback_host)
    try:
        salt = os.urandom(16).hex()
        telling = {
            "rank": rank,
            "address": listener.address,
            "salt": salt,
            "pid": os.getpid(),
            "facts": facts,
        }
        tellings = sorted(map(json.loads, context.allGather(json.dumps(telling))), key=_rank)
        agree(tellings)
        secret = hmac.digest(token, tellings[0]["salt"].encode(), "sha256")
        group = Group(
            rank,
            len(tellings),
            [(t["address"][0], t["address"][1]) for t in tellings],
            secret,
            listener=listener,
            exchange=exchange,
            deadline_s=deadline_s,
            threads=threads,
        )
    except BaseException:
        listener.close()
        raise
    return group, tellings


def _rank(telling: dict[str, Any]) -> int:
    return int(telling["rank"])


def _listen(context: Any, rank: int, loopback: bool, fallback_host: str) -> tcp.Listener:
    """Listen on the executor's own address, else on the one that leads to the driver."""
    if loopback:
        return tcp.Listener("127.0.0.1")
    own = context.getTaskInfos()[rank].address.rpartition(":")[0].strip("[]")
    reasons = []
    for host in dict.fromkeys(filter(None, (own, fallback_host))):
        try:
            return tcp.Listener(host)
        except OSError as error:
            reasons.append(f"{host}: {error}")
    raise ExchangeError(
        f"rank {rank}: no address of this executor can be bound ({'; '.join(reasons)}). Set "
        "SPARK_LOCAL_IP on the hosts to an address of theirs."
    )
