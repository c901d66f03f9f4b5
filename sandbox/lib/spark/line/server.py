"""The driver's end of the line: who is there, who waits for whom, what they tell.

A TCP server, authenticated by the job's token. Ranks that have joined wait here until all are
there; then they begin a *generation* together, with the newest state. A rank that is lost ends it:
the others join again, whether Spark or the driver brings the lost one back, and what belongs to an
older generation is not heard any more. It also keeps the newest checkpoint.
"""

from __future__ import annotations

import contextlib
import queue
import secrets
import socket
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

from ...train.control import Wanted
from ..errors import ExchangeError
from ..exchange import tcp
from ..exchange.door import Door
from ..exchange.ports import Ports, listen
from . import messages as wire
from .caller import (
    ACK,
    ASK,
    BROKEN,
    EVENTS,
    FACT,
    FAILURE,
    FETCH,
    FINISH,
    GET,
    HANDLED,
    HELLO,
    JOIN,
    LIMIT,
    LOST,
    MEET,
    PING,
    PUT,
    SILENCE_S,
    STATE,
    STOP,
    WANTED,
)
from .rendezvous import odd_one
from .states import Desk

__all__ = ["LineServer", "Message"]

QUEUE = 1000  # messages that the driver has not heard yet; then the ranks have to wait


@dataclass
class Message:
    """What the driver's loop hears of a rank.

    Kinds: "begin" (all have met), "event", "lost" (the rank leaves this generation), "failure",
    "finish", "gone" (its line ended), "disagree".
    """

    kind: str
    rank: int
    generation: int
    value: Any = None


class _Caller:
    """One rank's connection at the driver."""

    def __init__(self, connection: socket.socket, claim: tcp.Claim) -> None:
        self.connection = connection
        self.rank = claim.rank
        self.pid = claim.extra
        self.generation = 0
        self.submission = -1
        self.telling: dict[str, Any] | None = None  # while it waits for the others
        self.since = time.monotonic()  # it called, joined or began
        self.facts: dict[str, Any] = {}
        self.left = False  # it was told to leave
        self._lock = threading.Lock()

    def send(self, kind: int, payload: bytes = b"", sequence: int = 0) -> None:
        """Send a frame; a rank that is gone is noticed by its reader."""
        try:
            with self._lock:
                tcp.send_frame(self.connection, kind, sequence, payload)
        except OSError:
            tcp.hang_up(self.connection)

    def close(self) -> None:
        tcp.hang_up(self.connection)


class LineServer:
    """The driver's end of the line.

    Parameters
    ----------
    host : address to bind to.
    token : the job's secret.
    size : how many ranks begin together.
    desk : what gives and takes states; by default there is none to begin from.
    ports : where to listen.
    silence_s : how long a rank may say nothing at all before it counts as gone.
    """

    def __init__(
        self,
        host: str,
        token: bytes,
        size: int,
        desk: Desk | None = None,
        *,
        ports: Ports = Ports(0, 0),  # noqa: B008 - a constant
        silence_s: float = SILENCE_S,
    ) -> None:
        listening = listen(host, ports)
        self.address: tcp.Address = listening.getsockname()[:2]
        self.size = size
        self.messages: queue.Queue[Message] = queue.Queue(QUEUE)
        self.generation = 0
        self.submission = 0
        self.desk = Desk(None) if desk is None else desk
        self.latest_step = -1
        self._silence_s = max(silence_s, SILENCE_S)
        self._wanted = Wanted()
        self._callers: dict[_Caller, None] = {}  # in the order in which they called
        self._lock = threading.Lock()
        self._finished = -1  # the generation whose rank 0 has told the end
        self._closed = False
        self._stopping = False
        self._door = Door(listening, token, self._let_in, size)
        self._thread = threading.Thread(target=self._door.serve, name="sandbox-line", daemon=True)
        self._thread.start()

    # -- what the driver's loop uses ----------------------------------------------------------

    def want(self, wanted: Wanted) -> None:
        """Tell rank 0, and each rank 0 that comes later, what is wanted of the run."""
        with self._lock:
            self._wanted = wanted
        payload = wire.encode(asdict(wanted))
        for caller in self._members(0):
            caller.send(WANTED, payload)

    def handled(self, step: int) -> None:
        """Tell rank 0 that the events up to this iteration have been handled."""
        for caller in self._members(0):
            caller.send(HANDLED, wire.encode({"step": step}), caller.generation)

    def open(self, submission: int) -> None:
        """Let the ranks of this submission in, and no others."""
        self.submission, self._stopping = submission, False

    def stop(self) -> None:
        """Ask all ranks to leave at once, also those that come later."""
        self._stopping = True
        for caller in self._current():
            caller.send(STOP)

    def drop_silent(self, seconds: float) -> list[int]:
        """Hang up on ranks that have not come back though another waits for so long already.

        Those that have just started and load their rows are not meant: they tell that they live.
        Returns the ranks.
        """
        callers = self._current()
        waiting = [c.since for c in callers if c.telling is not None]
        if not waiting or time.monotonic() - min(waiting) < seconds:
            return []
        silent = [c for c in callers if c.telling is None and c.generation and not c.left]
        for caller in silent:
            caller.left = True
            caller.send(STOP)
            caller.close()
        return [caller.rank for caller in silent]

    def ranks(self) -> list[int]:
        """Return the process ids of the ranks that are connected."""
        return [caller.pid for caller in self._current()]

    def missing(self) -> list[int]:
        """Return the ranks that have not called."""
        there = {caller.rank for caller in self._current()}
        return [rank for rank in range(self.size) if rank not in there]

    def close(self) -> None:
        """Hang up."""
        self._closed = True
        self._door.close()
        for caller in self._current():
            caller.close()
        self._thread.join(5.0)

    # -- inside -------------------------------------------------------------------------------

    def _current(self) -> list[_Caller]:
        with self._lock:
            return list(self._callers)

    def _members(self, rank: int) -> list[_Caller]:
        """Return the connections of a rank that takes part in the present generation."""
        now = self.generation
        return [c for c in self._current() if c.rank == rank and c.generation == now and now]

    def _let_in(self, connection: socket.socket, claim: tcp.Claim) -> None:
        if claim.purpose != tcp.LINE or self._closed or not 0 <= claim.rank < self.size:
            connection.close()
            return
        tcp.limit_silence(connection, self._silence_s)
        caller = _Caller(connection, claim)
        threading.Thread(
            target=self._serve, args=(caller,), name=f"sandbox-rank-{caller.rank}", daemon=True
        ).start()

    def _serve(self, caller: _Caller) -> None:
        try:
            while True:
                self._hear(caller, *tcp.receive_frame(caller.connection, LIMIT))
        except (OSError, EOFError, ExchangeError):
            pass
        finally:
            with self._lock:
                known = caller in self._callers
                self._callers.pop(caller, None)
            caller.close()
            self.desk.drop(caller)
            if known:
                self._break(caller)
                self._put("gone", caller)
                self._begin()  # a copy of it may be waiting

    def _put(self, kind: str, caller: _Caller, value: Any = None) -> None:
        """Have the driver's loop hear something, as soon as it has room for it."""
        message = Message(kind, caller.rank, caller.generation, value)
        while not self._closed:
            with contextlib.suppress(queue.Full):
                self.messages.put(message, timeout=0.2)
                return

    def _hear(self, caller: _Caller, kind: int, generation: int, payload: bytearray) -> None:
        if kind == HELLO:
            self._greet(caller, wire.decode(payload))
        elif kind == PING:
            caller.send(PING)
        elif kind == JOIN:
            with self._lock:
                caller.telling, caller.since = wire.decode(payload), time.monotonic()
            self._begin()
        elif kind == FACT:
            fact = wire.decode(payload)
            with self._lock:
                caller.facts[fact["field"]] = fact["value"]
            self._compare(fact["field"])
        elif kind == FETCH:
            caller.send(STATE, self.desk.offer(), generation)
        elif kind == GET:
            caller.send(STATE, self.desk.get(payload), generation)
        elif kind == PUT:
            if self.desk.put(caller, payload):
                caller.send(ACK)
        elif kind == EVENTS:
            for event in wire.decode(payload):
                self._take(caller, generation, event)
        elif kind == LOST:
            self._put("lost", caller, wire.decode(payload))
        elif kind in (FAILURE, FINISH):
            value = wire.decode(payload)
            if kind == FINISH:
                self._finished = caller.generation
                value["state"] = self.desk.take(value["state"])
            self._put("failure" if kind == FAILURE else "finish", caller, value)
            caller.send(ACK)

    def _greet(self, caller: _Caller, hello: dict[str, Any]) -> None:
        """Take in a rank, or tell it to leave.

        There may be two processes of one rank: Spark runs a copy of a task that it thinks slow,
        which waits here for the case that the first one is lost. Or it runs the stage anew, for
        the rows of a lost executor are lost too: then the old process has to leave, since its
        slot is needed.
        """
        caller.submission = hello["submission"]
        with self._lock:
            leave = self._stopping or caller.submission != self.submission
            old = [c for c in self._callers if c.rank == caller.rank]
            self._callers[caller] = None
        if leave:
            caller.send(STOP)
        elif hello["attempt"] == 0:
            for other in old:
                other.left = True
                other.send(STOP)

    def _begin(self) -> None:
        """Begin a generation if all ranks are there and agree."""
        with self._lock:
            first: dict[int, _Caller] = {}  # a copy counts once the one before it is gone
            for caller in self._callers:
                if caller.submission == self.submission and not caller.left:
                    first.setdefault(caller.rank, caller)
            members = [first[rank] for rank in range(self.size) if rank in first]
            joined = sum(caller.telling is not None for caller in members)
            if joined < self.size or self._stopping:
                return
            tellings = [caller.telling or {} for caller in members]
            odd = odd_one([telling["facts"] for telling in tellings])
            if odd is None:
                self.generation += 1
                self.desk.begin()
                for caller in members:
                    caller.telling, caller.generation = None, self.generation
                    caller.since = time.monotonic()
            wanted = self._wanted
        if odd is not None:
            for caller in (members[0], members[odd[0]]):
                caller.send(ASK, wire.encode({"field": odd[1]}))
            return
        met = {
            "addresses": [telling["address"] for telling in tellings],
            "salt": secrets.token_hex(16),
            "wanted": asdict(wanted),
        }
        self._put("begin", members[0], {"pids": [caller.pid for caller in members]})
        payload = wire.encode(met)
        for caller in members:
            caller.send(MEET, payload, caller.generation)

    def _break(self, caller: _Caller) -> None:
        """Let the others know that a rank is lost: they may still wait for it to connect."""
        if caller.generation != self.generation or self._finished == self.generation:
            return
        for other in self._current():
            if other.generation == caller.generation:
                other.send(BROKEN, sequence=other.generation)

    def _compare(self, field: str) -> None:
        """Let the driver know how two ranks differ, once both have told."""
        told = {c.rank: (c, c.facts[field]) for c in self._current() if field in c.facts}
        if len(told) == 2 and 0 in told:
            rank = max(told)
            value = {"field": field, "first": told[0][1], "other": told[rank][1]}
            self._put("disagree", told[rank][0], value)

    def _take(self, caller: _Caller, generation: int, event: dict[str, Any]) -> None:
        with self._lock:
            if generation and generation != self.generation:
                return
            if event.get("type") == "checkpoint" and event.get("data") is not None:
                event["data"] = self.desk.latest = self.desk.take(event["data"])
                self.latest_step = event["step"]
        self._put("event", caller, event)
