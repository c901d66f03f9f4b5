"""The line between the driver and the ranks: events and packed states up, commands down.

A TCP server in the driver, authenticated by the job's token. It also keeps the newest checkpoint
and hands it to ranks that start again, whether Spark or the driver restarted them: each start is a
*generation*, and what a rank of an older generation still says is not heard.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..train.job import Command
from . import tcp, wire
from .errors import AuthenticationError, ExchangeError, Stopped

__all__ = ["Line", "LineServer", "Message"]

BEGIN, FETCH, EVENTS, FAILURE, FINISH, COMMAND, STOP, STATE, ACK = range(1, 10)
LIMIT = 1 << 36  # bytes of one frame; the sender has proved to belong to us
FLUSH_S = 0.05
CROWD = 20_000  # events waiting before a rank holds


@dataclass
class Message:
    """What the driver's loop hears: "begin", "event", "failure" or "finish" of a rank."""

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
        self._lock = threading.Lock()

    def send(self, kind: int, payload: bytes = b"", sequence: int = 0) -> None:
        """Send a frame; a rank that is gone is noticed by its reader."""
        with self._lock, contextlib.suppress(OSError):
            tcp.send_frame(self.connection, kind, sequence, payload)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()


class LineServer:
    """The driver's end of the line.

    Parameters
    ----------
    host : address to bind to.
    token : the job's secret.
    start : a packed state to begin from, or None.
    """

    def __init__(self, host: str, token: bytes, start: bytes | None = None) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, 0), family=family, backlog=128)
        self.address: tcp.Address = self._socket.getsockname()[:2]
        self.messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.generation = 0
        self.latest = start
        self.latest_step = -1
        self._token = token
        self._begun: bytes | None = start
        self._callers: set[_Caller] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._stopping = False
        self._strangers = threading.Semaphore(tcp.MAX_STRANGERS)
        threading.Thread(target=self._accept, name="sandbox-line", daemon=True).start()

    # -- what the driver's loop uses ----------------------------------------------------------

    def command(self, command: Command) -> None:
        """Send a command to rank 0, which tells the others."""
        payload = wire.encode({"kind": command.kind, "value": command.value})
        for caller in self._current():
            if caller.rank == 0:
                caller.send(COMMAND, payload)

    def stop(self) -> None:
        """Ask all ranks to leave at once, also those that come later."""
        self._stopping = True
        for caller in self._current():
            caller.send(STOP)

    def resume(self) -> None:
        """Let ranks that come from now on stay."""
        self._stopping = False

    def ranks(self) -> list[int]:
        """Return the process ids of the ranks that are connected."""
        return [caller.pid for caller in self._current()]

    def wait_gone(self, seconds: float) -> bool:
        """Wait until no rank is connected."""
        until = time.monotonic() + seconds
        while self._current():
            if time.monotonic() > until:
                return False
            time.sleep(0.01)
        return True

    def close(self) -> None:
        """Hang up."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for caller in self._current():
            caller.close()

    # -- inside -------------------------------------------------------------------------------

    def _current(self) -> list[_Caller]:
        with self._lock:
            return list(self._callers)

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            if not self._strangers.acquire(blocking=False):
                connection.close()
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            claim = tcp.welcome(connection, self._token)
        except AuthenticationError:
            connection.close()
            return
        finally:
            self._strangers.release()
        if claim.purpose != tcp.LINE:
            connection.close()
            return
        caller = _Caller(connection, claim)
        with self._lock:
            self._callers.add(caller)
        if self._stopping:
            caller.send(STOP)
        try:
            while True:
                self._hear(caller, *tcp.receive_frame(connection, LIMIT))
        except (OSError, EOFError, ExchangeError):
            pass
        finally:
            with self._lock:
                self._callers.discard(caller)
            caller.close()

    def _hear(self, caller: _Caller, kind: int, generation: int, payload: bytearray) -> None:
        rank = caller.rank
        if kind == BEGIN:
            with self._lock:
                self.generation += 1
                caller.generation = self.generation
                self._begun = self.latest
            self.messages.put(Message("begin", rank, self.generation, wire.decode(payload)))
            caller.send(ACK, sequence=caller.generation)
        elif kind == FETCH:
            caller.generation = generation
            state = self._begun if generation == self.generation else None
            caller.send(STATE, b"" if state is None else state, generation)
        elif kind == EVENTS:
            for event in wire.decode(payload):
                self._take(rank, caller.generation, event)
        elif kind in (FAILURE, FINISH):
            name = "failure" if kind == FAILURE else "finish"
            self.messages.put(Message(name, rank, caller.generation, wire.decode(payload)))
            caller.send(ACK)

    def _take(self, rank: int, generation: int, event: dict[str, Any]) -> None:
        with self._lock:
            if generation and generation != self.generation:
                return
            if event.get("type") == "checkpoint" and event.get("data") is not None:
                self.latest = event["data"]
                self.latest_step = event["step"]
        self.messages.put(Message("event", rank, generation, event))


class Line:
    """A rank's end of the line.

    Parameters
    ----------
    address, token, rank : where the driver listens, the job's secret, who calls.
    pid : this process, so that the driver can tell when it is gone.
    on_stop : called from the reading thread when the driver says stop or is gone.
    """

    def __init__(
        self,
        address: tcp.Address,
        token: bytes,
        rank: int,
        *,
        pid: int,
        on_stop: Callable[[], None],
    ) -> None:
        self.rank = rank
        self.stopped = threading.Event()
        self._connection = tcp.connect(
            address, token, rank=rank, extra=pid, purpose=tcp.LINE, whom="the driver"
        )
        self._on_stop = on_stop
        self._generation = 0
        self._replies: queue.SimpleQueue[tuple[int, int, bytearray]] = queue.SimpleQueue()
        self._commands: deque[Command] = deque()
        self._events: deque[dict[str, Any]] = deque()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        threading.Thread(target=self._read, name="sandbox-line", daemon=True).start()
        self._sender = threading.Thread(target=self._flush, name="sandbox-events", daemon=True)
        self._sender.start()

    @property
    def host(self) -> str:
        """The address by which this process reaches the driver."""
        return str(self._connection.getsockname()[0])

    def begin(self, facts: dict[str, Any]) -> int:
        """Rank 0: start a generation; returns its number."""
        self._send(BEGIN, wire.encode(facts))
        return self._reply(ACK)[1]

    def fetch(self, generation: int) -> bytes | None:
        """Return the state that all ranks of this generation start from."""
        self._generation = generation
        self._send(FETCH, b"", generation)
        data = self._reply(STATE)[2]
        return bytes(data) or None

    def emit(self, event: dict[str, Any]) -> None:
        """Put an event on its way; holds when the driver cannot follow."""
        self._events.append(event)
        if len(self._events) > CROWD or event.get("type") == "checkpoint":
            self._wake.set()
        while len(self._events) > CROWD and not self.stopped.is_set():
            time.sleep(FLUSH_S)

    def poll(self) -> Command | None:
        """Return the next command; raises `Stopped` when the driver wants this rank to leave."""
        if self.stopped.is_set():
            raise Stopped("the driver cancelled the job or is gone.")
        return self._commands.popleft() if self._commands else None

    def fail(self, facts: dict[str, Any]) -> None:
        """Report why this rank fails, and wait until the driver knows."""
        with contextlib.suppress(ExchangeError, OSError):
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
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    # -- inside -------------------------------------------------------------------------------

    def _send(self, kind: int, payload: bytes, sequence: int = 0) -> None:
        try:
            with self._lock:
                tcp.send_frame(self._connection, kind, sequence, payload)
        except OSError as error:
            raise Stopped(f"the driver is gone ({error}).") from error

    def _reply(self, kind: int, deadline_s: float = 60.0) -> tuple[int, int, bytearray]:
        try:
            reply = self._replies.get(timeout=deadline_s)
        except queue.Empty:
            raise ExchangeError(f"the driver did not answer within {deadline_s:g} s.") from None
        if reply[0] == STOP:
            raise Stopped("the driver cancelled the job or is gone.")
        if reply[0] != kind:
            raise ExchangeError(f"the driver answered {reply[0]} where {kind} was expected.")
        return reply

    def _read(self) -> None:
        try:
            while True:
                kind, sequence, payload = tcp.receive_frame(self._connection, LIMIT)
                if kind == COMMAND:
                    self._commands.append(Command(**wire.decode(payload)))
                elif kind == STOP:
                    break
                else:
                    self._replies.put((kind, sequence, payload))
        except (OSError, EOFError, ExchangeError):
            pass
        self.stopped.set()
        self._replies.put((STOP, 0, bytearray()))
        if not self._closed:
            self._on_stop()

    def _flush(self) -> None:
        while not self._closed:
            self._wake.wait(FLUSH_S)
            self._wake.clear()
            with contextlib.suppress(Stopped):
                self._drain()

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
