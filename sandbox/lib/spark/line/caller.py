"""A rank's end of the line to the driver: it calls, meets the others, tells, and hears.

The frames, with the number of the generation in their header:

- HELLO (rank): which process this is, of which submission. STOP comes back if it is not wanted.
- JOIN (rank): the address at which others reach it and digests of what must be the same everywhere.
  MEET comes back once all ranks have joined; ASK wants one of the facts themselves, sent as FACT.
- EVENTS, LOST, FAILURE, FINISH (rank): what happens, and that it leaves this generation, or the job
  for good, or that all is done. FETCH: the state to begin from, which comes as STATE; so does a
  part of a file that it GETs. PUT: a piece of a shard, for the driver's folder.
- WANTED, HANDLED (driver, to rank 0): what is wanted of the run; how far the events are handled.
- BROKEN (driver): another rank of this generation is lost. PING (both): I am here.
- STOP (driver): leave at once.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ...train.control import Control, Wanted
from ...train.job import Command
from ..errors import AuthenticationError, ExchangeError, Stopped
from ..exchange import tcp
from . import messages as wire

__all__ = ["AHEAD", "Line"]

HELLO, JOIN, MEET, ASK, FACT, EVENTS, FAILURE, FINISH, ACK = range(1, 10)
LOST, FETCH, STATE, WANTED, HANDLED, BROKEN, PING, STOP, PUT, GET = range(10, 20)
LIMIT = 1 << 36  # bytes of one frame; the sender has proved to belong to us
FLUSH_S = 0.05
BATCH = 50  # events that do not wait for the next flush
CROWD = 2_000  # events waiting before a rank holds
AHEAD = 200  # iterations that the ranks are ahead of what the driver has handled, at most
_UNTOLD = 4  # of them: those not told yet, and those until all ranks have heard to hold
SILENCE_S = 10.0  # on the line, after which the other end counts as gone, at least
PINGS = 5  # at least so many in the time after which silence counts as gone
CALL_AGAIN_S = 0.2


class Line:
    """A rank's end of the line.

    Parameters
    ----------
    address, token, rank : where the driver listens, the job's secret, who calls.
    hello : dict
        What the driver is told at once: "pid", "submission", "attempt".
    on_stop : called from the reading thread when the driver says stop or is gone.
    deadline_s : float, default=60
        How long to try to reach the driver, and how long it may be silent.
    """

    def __init__(
        self,
        address: tcp.Address,
        token: bytes,
        rank: int,
        *,
        hello: dict[str, Any],
        on_stop: Callable[[], None],
        deadline_s: float = 60.0,
    ) -> None:
        self.rank = rank
        self.silence_s = max(deadline_s, SILENCE_S)
        self.stopped = threading.Event()
        self._connection = _call(address, token, rank, hello["pid"], deadline_s)
        tcp.limit_silence(self._connection, self.silence_s)
        self._on_stop = on_stop
        self._generation = 0
        self._broken = -1
        self._facts: dict[str, Any] = {}
        self._replies: queue.SimpleQueue[tuple[int, int, bytearray]] = queue.SimpleQueue()
        self._control = Control()
        self._events: deque[dict[str, Any]] = deque()
        self._newest = self._handled = -1  # steps: of the last iteration told, of those handled
        self._holding = False
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        self._send(HELLO, wire.encode(hello))
        threading.Thread(target=self._read, name="sandbox-line", daemon=True).start()
        self._sender = threading.Thread(target=self._flush, name="sandbox-events", daemon=True)
        self._sender.start()

    @property
    def host(self) -> str:
        """The address by which this process reaches the driver."""
        return str(self._connection.getsockname()[0])

    def meet(self, telling: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
        """Announce this rank, wait for the others, and return what the driver says to all.

        `facts` are what the digests of `telling` stand for, should the driver ask. The wait has no
        end of its own: it lasts as long as the driver answers.
        """
        with contextlib.suppress(Stopped):
            self._drain()  # what is told yet belongs to the generation before
        self._facts = facts
        self._send(JOIN, wire.encode(telling))
        _, self._generation, payload = self._reply(MEET, None)
        met: dict[str, Any] = wire.decode(payload)
        self._control = Control(Wanted(**met["wanted"]))
        self._newest = self._handled = -1
        self._holding = False
        return met

    def broken(self) -> bool:
        """Tell whether the driver knows that a rank of this generation is lost."""
        return self._broken == self._generation or self.stopped.is_set()

    def fetch(self) -> dict[str, Any]:
        """Return what all ranks of this generation start from, as `Desk.offer` tells it."""
        self._send(FETCH, b"", self._generation)
        offer: dict[str, Any] = wire.decode(self._reply(STATE)[2])
        return offer

    def get(self, part: dict[str, Any]) -> bytearray:
        """Return a part of a file of the driver."""
        self._send(GET, wire.encode(part), self._generation)
        return self._reply(STATE)[2]

    def put(self, piece: dict[str, Any]) -> None:
        """Send a piece of a shard; behind the last one wait until the driver has all."""
        self._send(PUT, wire.encode(piece), self._generation)
        if piece["end"]:
            self._reply(ACK)

    def emit(self, event: dict[str, Any]) -> None:
        """Put an event on its way; holds when the driver cannot follow at all."""
        if event.get("type") == "iteration":
            self._newest = event["step"]
            if self._handled < 0:
                self._handled = self._newest - 1
        self._events.append(event)
        if len(self._events) >= BATCH or event.get("type") == "checkpoint":
            self._wake.set()
        while len(self._events) > CROWD and not self.stopped.is_set():
            time.sleep(FLUSH_S)

    def poll(self) -> Command | None:
        """Return the next command; raises `Stopped` when the driver wants this rank to leave.

        "hold" and "go" keep the ranks within `AHEAD` iterations of what the driver has handled.
        """
        if self.stopped.is_set():
            raise Stopped("the driver cancelled the job or is gone.")
        command = self._control.poll()
        if command is not None:
            return command
        ahead = self._newest - self._handled
        if self._holding != (ahead > (AHEAD // 2 if self._holding else AHEAD - _UNTOLD - 1)):
            self._holding = not self._holding
            return Command("hold" if self._holding else "go")
        return None

    def lose(self, text: str) -> None:
        """Tell why this rank leaves a generation; it will join the next."""
        with contextlib.suppress(Stopped):
            self._drain()
            self._send(LOST, wire.encode({"text": text}))

    def fail(self, facts: dict[str, Any]) -> None:
        """Report why this rank fails, and wait until the driver knows."""
        with contextlib.suppress(ExchangeError, Stopped, OSError):
            self._drain()
            self._send(FAILURE, wire.encode(facts))
            self._reply(ACK, 5.0)

    def finish(self, result: dict[str, Any]) -> None:
        """Report the end after all events, and wait until the driver has everything."""
        self._drain()
        self._send(FINISH, wire.encode(result))
        self._reply(ACK)

    def close(self) -> None:
        """Hang up."""
        self._closed = True
        self._wake.set()
        tcp.hang_up(self._connection)

    # -- inside -------------------------------------------------------------------------------

    def _send(self, kind: int, payload: bytes, sequence: int = 0) -> None:
        try:
            with self._lock:
                tcp.send_frame(self._connection, kind, sequence, payload)
        except OSError as error:
            raise Stopped(f"the driver is gone ({error}).") from error

    def _reply(self, kind: int, deadline_s: float | None = 60.0) -> tuple[int, int, bytearray]:
        try:
            reply = self._replies.get(timeout=deadline_s)
        except queue.Empty:
            raise Stopped(f"the driver did not answer within {deadline_s:g} s.") from None
        if reply[0] == STOP:
            self._replies.put(reply)  # whoever asks next hears it too
            raise Stopped("the driver cancelled the job or is gone.")
        if reply[0] != kind:
            raise Stopped(f"the driver answered {reply[0]} where {kind} was expected.")
        return reply

    def _read(self) -> None:
        try:
            while True:
                kind, sequence, payload = tcp.receive_frame(self._connection, LIMIT)
                if kind == WANTED:
                    self._control.want(Wanted(**wire.decode(payload)))
                elif kind == HANDLED:
                    if sequence == self._generation:
                        self._handled = wire.decode(payload)["step"]
                elif kind == BROKEN:
                    self._broken = sequence
                elif kind == ASK:
                    field = wire.decode(payload)["field"]
                    self._send(FACT, wire.encode({"field": field, "value": self._facts[field]}))
                elif kind == STOP:
                    break
                elif kind != PING:
                    self._replies.put((kind, sequence, payload))
        except (OSError, EOFError, ExchangeError, Stopped):
            pass
        self.stopped.set()
        self._replies.put((STOP, 0, bytearray()))
        if not self._closed:
            self._on_stop()

    def _flush(self) -> None:
        ping_s = self.silence_s / PINGS
        pinged = time.monotonic()
        while not self._closed:
            self._wake.wait(FLUSH_S)
            self._wake.clear()
            with contextlib.suppress(Stopped):
                self._drain()
                if time.monotonic() - pinged > ping_s:
                    pinged = time.monotonic()
                    self._send(PING, b"")

    def _drain(self) -> None:
        with self._lock:
            batch = []
            while self._events:
                batch.append(self._events.popleft())
            if batch:
                try:
                    tcp.send_frame(self._connection, EVENTS, self._generation, wire.encode(batch))
                except OSError as error:
                    raise Stopped(f"the driver is gone ({error}).") from error


def _call(address: tcp.Address, token: bytes, rank: int, pid: int, deadline_s: float) -> Any:
    """Connect to the driver; again and again, for strangers may crowd its door."""
    until = time.monotonic() + deadline_s
    while True:
        try:
            return tcp.connect(
                address, token, rank=rank, extra=pid, purpose=tcp.LINE, whom="the driver"
            )
        except AuthenticationError:
            raise
        except ExchangeError as error:
            refused = isinstance(error.__cause__, ConnectionRefusedError)
            if refused or time.monotonic() + CALL_AGAIN_S > until:  # nobody listens any more
                raise
        time.sleep(CALL_AGAIN_S)
