"""Who is let in: connections that have not yet proved that they know the job's token."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..errors import AuthenticationError, ExchangeError, ExchangeTimeout, PeerLost
from . import tcp
from .ports import Ports, listen

__all__ = ["MAX_STRANGERS", "Door", "Listener"]

MAX_STRANGERS = 64
_LOOK_S = 0.2
_STEP_S = 0.02


@dataclass
class _Stranger:
    connection: socket.socket
    until: float
    challenge: tcp.Challenge = field(default_factory=tcp.Challenge)
    said: bytearray = field(default_factory=bytearray)


class Door:
    """Accepts connections and lets in those that prove themselves, in one thread for all of them.

    Strangers cost a socket each and no thread; there is room for those who are expected and
    `MAX_STRANGERS` more, each for `tcp.HANDSHAKE_S`. One more, and the oldest is sent away: whoever
    is of ours needs one round trip and is in, or tries again.

    Parameters
    ----------
    listening : socket
        Bound and listening; closed by `close`.
    token : bytes
        What must be known.
    let_in : callable(connection, claim)
        Takes a connection that proved itself; it must not block.
    expected : int
        How many of ours may come at once.
    """

    def __init__(
        self,
        listening: socket.socket,
        token: bytes,
        let_in: Callable[[socket.socket, tcp.Claim], object],
        expected: int,
    ) -> None:
        self.room = expected + MAX_STRANGERS
        self._listening, self._token, self._let_in = listening, token, let_in
        self._strangers: dict[socket.socket, _Stranger] = {}  # the oldest first
        self._selector = selectors.DefaultSelector()
        listening.setblocking(False)
        self._selector.register(listening, selectors.EVENT_READ)
        self._closed = False

    def serve(self) -> None:
        """Let in until `close`, then close the listening socket."""
        try:
            while not self._closed:
                self.step(_LOOK_S)
        finally:
            self.shut()
            self._listening.close()

    def step(self, seconds: float) -> None:
        """Let in who proves himself within some seconds."""
        for key, _ in self._selector.select(seconds):
            if key.fileobj is self._listening:
                self._accept()
            elif key.fileobj in self._strangers:
                self._hear(self._strangers[key.fileobj])
        now = time.monotonic()
        for stranger in list(self._strangers.values()):
            if now < stranger.until:
                break
            self._send_away(stranger)

    def shut(self) -> None:
        """Send all strangers away."""
        for stranger in list(self._strangers.values()):
            self._send_away(stranger)
        self._selector.close()

    def close(self) -> None:
        """Have `serve` end, within a moment."""
        self._closed = True

    def _accept(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except OSError:  # gone again, or no file descriptor left
            return
        stranger = _Stranger(connection, time.monotonic() + tcp.HANDSHAKE_S)
        try:
            connection.setblocking(False)
            connection.send(stranger.challenge.hello())
        except OSError:
            connection.close()
            return
        if len(self._strangers) >= self.room:
            self._send_away(next(iter(self._strangers.values())))
        self._strangers[connection] = stranger
        self._selector.register(connection, selectors.EVENT_READ)

    def _hear(self, stranger: _Stranger) -> None:
        connection, said = stranger.connection, stranger.said
        try:
            chunk = connection.recv(tcp.CLAIM_BYTES - len(said))
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        said += chunk
        if chunk and len(said) < tcp.CLAIM_BYTES:
            return
        self._forget(stranger)
        try:
            if not chunk:
                raise AuthenticationError("a stranger left.")
            claim, answer = stranger.challenge.check(bytes(said), self._token)
            connection.sendall(answer)
            tcp.ready(connection)
        except (OSError, ExchangeError):
            with contextlib.suppress(OSError):
                connection.send(tcp.REFUSAL)
            connection.close()
            return
        self._let_in(connection, claim)

    def _forget(self, stranger: _Stranger) -> None:
        del self._strangers[stranger.connection]
        self._selector.unregister(stranger.connection)

    def _send_away(self, stranger: _Stranger) -> None:
        self._forget(stranger)
        stranger.connection.close()


class Listener:
    """A rank's listening socket, bound to one address, for the ranks above it.

    Parameters
    ----------
    host : the address to bind to, never a wildcard: loopback or the executor's own address.
    port : 0 lets the system choose.
    ports : Ports, optional
        A range of which the first free one is taken, in place of `port`.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, ports: Ports | None = None) -> None:
        self._socket = listen(host, ports or Ports(port, port))
        self.address: tcp.Address = self._socket.getsockname()[:2]
        self.lost: Callable[[], bool] = lambda: False
        """Asked while it waits: whether one of the ranks is known to be lost."""

    def accept(
        self, expected: Iterable[int], token: bytes, deadline_s: float
    ) -> dict[int, socket.socket]:
        """Wait until each rank of `expected` has connected and proved itself.

        Raises
        ------
        ExchangeTimeout : somebody did not come within `deadline_s`; the message names the ranks.
        PeerLost : somebody will not come.
        """
        missing = set(expected)
        found: dict[int, socket.socket] = {}

        def let_in(connection: socket.socket, claim: tcp.Claim) -> None:
            if claim.purpose == tcp.MESH and claim.rank in missing:
                missing.discard(claim.rank)
                found[claim.rank] = connection
            else:
                connection.close()

        door = Door(self._socket, token, let_in, len(missing))
        until = time.monotonic() + deadline_s
        try:
            while missing:
                door.step(_STEP_S)
                if missing and (self.lost() or time.monotonic() > until):
                    raise self._late(missing, deadline_s)
        except BaseException:
            for connection in found.values():
                connection.close()
            raise
        finally:
            door.shut()
        return found

    def _late(self, missing: set[int], deadline_s: float) -> ExchangeError:
        ranks = ", ".join(map(str, sorted(missing)))
        if self.lost():
            return PeerLost(f"rank {ranks} did not connect: a rank was lost meanwhile.")
        return ExchangeTimeout(
            f"rank {ranks} did not connect to {self.address[0]}:{self.address[1]} within "
            f"{deadline_s:g} s. Its process ended, or a firewall closes the hosts' ports."
        )

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
