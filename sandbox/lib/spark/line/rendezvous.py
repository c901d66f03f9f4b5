"""How the ranks find each other through the driver, and what must be the same on all of them."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow

from ... import engine
from ...core.errors import ArgumentError
from ...train.job import TrainJob
from ..errors import ExchangeError, RendezvousError
from ..exchange.door import Listener
from ..exchange.group import Group
from ..exchange.ports import Ports
from .caller import Line

__all__ = ["digests", "disagreement", "facts_of", "meet", "odd_one"]

_SHOWN = 300  # characters of a fact in a message
_CURES = {
    "plan": "Give the kernel plan to all ranks: Trainer(plan=engine.default_plan()).",
    "data": "All ranks must read the same files: check that the path leads to the same content "
    "on every host; cache a DataFrame whose rows change between reads.",
    "model": "The model must be built the same on every rank; shared code on the hosts differs?",
}


def facts_of(job: TrainJob) -> dict[str, Any]:
    """Return what must be the same on all ranks before they train, as plain data."""
    from ... import nn

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


def digests(facts: dict[str, Any]) -> dict[str, str]:
    """Return a digest of each fact: what travels is as long for a thousand partitions as for one.

    Examples
    --------
    >>> digests({"data": [[70, 41], "f4"], "seed": 3})
    {'data': 'a72d99951a19a9f2', 'seed': '4e07408562bedb8b'}
    """
    return {name: _digest(value) for name, value in facts.items()}


def odd_one(told: Sequence[dict[str, str]]) -> tuple[int, str] | None:
    """Return the first rank whose facts are not those of rank 0, and which fact it is.

    Examples
    --------
    >>> odd_one([{"seed": "a", "numpy": "b"}, {"seed": "a", "numpy": "c"}])
    (1, 'numpy')
    """
    first = told[0]
    for rank, facts in enumerate(told):
        for field, value in facts.items():
            if value != first.get(field):
                return rank, field
    return None


def disagreement(rank: int, field: str, first: Any, other: Any) -> RendezvousError:
    """Make the error for ranks that differ: names the rank, the field and both values.

    Examples
    --------
    >>> disagreement(1, "numpy", "2.0", "2.1")
    RendezvousError("rank 1: `numpy` must be '2.0' as on rank 0; got '2.1'. The hosts need the \
same environment.")
    """
    key = "data" if field == "validation" else field
    cure = _CURES.get(key, "The hosts need the same environment.")
    return RendezvousError(
        f"rank {rank}: `{field}` must be {_short(first)} as on rank 0; got {_short(other)}. {cure}"
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def meet(
    line: Line,
    token: bytes,
    facts: dict[str, Any],
    *,
    loopback: bool,
    ports: Ports,
    exchange: str,
    deadline_s: float,
    threads: int,
) -> Group:
    """Wait at the driver until all ranks are there, and build their group.

    Parameters
    ----------
    line : Line
        To the driver, who compares the facts and says where the others are.
    token : bytes
        The job's secret; each meeting derives its own from it.
    loopback : bool
        All ranks are on this machine.
    ports : Ports
        Where this rank may listen.
    """
    listener = _listen(line, loopback, ports)
    listener.lost = line.broken
    try:
        telling = {
            "address": listener.address,
            "facts": digests(facts),
        }
        met = line.meet(telling, facts)
        addresses = [(host, int(port)) for host, port in met["addresses"]]
        return Group(
            line.rank,
            len(addresses),
            addresses,
            hmac.digest(token, met["salt"].encode(), "sha256"),
            listener=listener,
            exchange=exchange,
            deadline_s=deadline_s,
            threads=threads,
        )
    except BaseException:
        listener.close()
        raise


def _listen(line: Line, loopback: bool, ports: Ports) -> Listener:
    """Listen on this host's own address: the one it was given, else the one to the driver."""
    if loopback:
        return Listener("127.0.0.1", ports=ports)
    reasons = []
    for host in dict.fromkeys(filter(None, (os.environ.get("SPARK_LOCAL_IP"), line.host))):
        try:
            return Listener(host, ports=ports)
        except OSError as error:
            reasons.append(f"{host}: {error}")
    raise ExchangeError(
        f"rank {line.rank}: no address of this executor can be bound ({'; '.join(reasons)}). Set "
        "SPARK_LOCAL_IP on the hosts to an address of theirs."
    )
