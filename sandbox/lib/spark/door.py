"""Who is let in: connections that have not yet proved that they know the job's token."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from . import tcp
from .errors import AuthenticationError, ExchangeError

__all__ = ["MAX_STRANGERS", "Door"]

MAX_STRANGERS = 64
_LOOK_S = 0.2


@dataclass
class _Stranger:
    connection: socket.socket
    until: float
    challenge: tcp.Challenge = field(default_factory=tcp.Challenge)
    said: bytearray = field(default_factory=bytearray)


class Door:
    """Accepts connections and lets in those that prove themselves, in one thread for all of them.

    Strangers cost a socket each and no thread; at most `MAX_STRANGERS` of them are heard at a time,
    each for `tcp.HANDSHAKE_S`. One more, and the oldest is sent away: whoever is of ours needs one
    round trip and is in, or tries again.

    Parameters
    ----------
    listening : socket
        Bound and listening; closed by `close`.
    token : bytes
        What must be known.
    let_in : callable(connection, claim)
        Takes a connection that proved itself; it must not block.
    """

    def __init__(
        self,
        listening: socket.socket,
        token: bytes,
        let_in: Callable[[socket.socket, tcp.Claim], object],
    ) -> None:
        self._listening, self._token, self._let_in = listening, token, let_in
        self._strangers: dict[socket.socket, _Stranger] = {}  # the oldest first
        self._selector = selectors.DefaultSelector()
        listening.setblocking(False)
        self._selector.register(listening, selectors.EVENT_READ)
        self._closed = False

    def serve(self) -> None:
        """Let in until `close`."""
        try:
            while not self._closed:
                for key, _ in self._selector.select(_LOOK_S):
                    if key.fileobj is self._listening:
                        self._accept()
                    elif isinstance(key.fileobj, socket.socket):
                        self._hear(self._strangers[key.fileobj])
                now = time.monotonic()
                for stranger in list(self._strangers.values()):
                    if now < stranger.until:
                        break
                    self._send_away(stranger)
        finally:
            for stranger in list(self._strangers.values()):
                self._send_away(stranger)
            self._selector.close()
            self._listening.close()

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
        if len(self._strangers) >= MAX_STRANGERS:
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
