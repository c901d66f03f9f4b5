"""A rank's connections to all others, driven from one thread: frames with many peers at once."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import ExchangeError, ExchangeTimeout, PeerLost
from .door import Listener
from .tcp import FRAME_MAGIC, HEADER, Address, connect, header, name

__all__ = ["Link", "Mesh", "build_mesh"]

ABORT = 0xFFFF
MAX_VIEWS = 512
_RDHUP = getattr(select, "POLLRDHUP", 0)
_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL | _RDHUP


@dataclass
class Link:
    """One connection of the mesh."""

    rank: int
    address: Address | None
    connection: socket.socket
    outgoing: list[memoryview] = field(default_factory=list)
    incoming: list[memoryview] = field(default_factory=list)
    head: bytearray = field(default_factory=lambda: bytearray(HEADER.size))
    head_left: int = 0
    body: list[memoryview] = field(default_factory=list)
    received: int = 0

    def __str__(self) -> str:
        return name(self.rank, self.address)


def _advance(views: list[memoryview], count: int) -> None:
    done = 0
    while count:
        size = len(views[done])
        if count < size:
            views[done] = views[done][count:]
            break
        count -= size
        done += 1
    del views[:done]


class Mesh:
    """The connections of one rank to all others, driven from one thread without blocking."""

    def __init__(self, links: Mapping[int, Link], *, deadline_s: float = 60.0) -> None:
        self.links = dict(links)
        self.deadline_s = deadline_s
        self._watch = select.poll()
        self._by_fd: dict[int, Link] = {}
        for link in self.links.values():
            link.connection.setblocking(False)
            self._by_fd[link.connection.fileno()] = link
            self._watch.register(link.connection, _RDHUP)

    def transfer(
        self,
        kind: int,
        sequence: int,
        sends: Mapping[int, list[memoryview]],
        receives: Mapping[int, list[memoryview]],
        what: str,
    ) -> tuple[float, int]:
        """Send frames and fill buffers, with all peers at once.

        Parameters
        ----------
        kind, sequence : must be the same on both ends of each link.
        sends, receives : per peer the byte views that make up the frame.
        what : the operation's name in error messages.

        Returns
        -------
        seconds blocked before the last peer began to talk; bytes sent.
        """
        poller = select.poll()
        sent = 0
        expected: dict[int, int] = {}
        for rank, views in sends.items():
            link = self.links[rank]
            length = sum(map(len, views))
            link.outgoing = [memoryview(header(kind, sequence, length)), *filter(len, views)]
            sent += length + HEADER.size
        for rank, views in receives.items():
            link = self.links[rank]
            expected[rank] = sum(map(len, views))
            link.head_left = HEADER.size
            link.body, link.received = views, 0
            link.incoming = [memoryview(link.head), *filter(len, views)]
        active = {rank: self.links[rank] for rank in {**sends, **receives}}
        pending: dict[int, Link] = {}
        silent = set(receives)
        for rank, link in active.items():
            if link.outgoing:
                self._send(link, what)
            if link.outgoing or link.incoming:
                pending[rank] = link
                poller.register(link.connection, self._interest(link))
        waited = 0.0
        until = time.monotonic() + self.deadline_s
        while pending:
            begin = time.perf_counter()
            events = poller.poll(min(1000.0, self.deadline_s * 250))
            waited += time.perf_counter() - begin if silent else 0.0
            if not events and time.monotonic() > until:
                raise ExchangeTimeout(
                    f"{what} {sequence}: {', '.join(map(str, pending.values()))} said nothing for "
                    f"{self.deadline_s:g} s. The process hangs or the network between the hosts "
                    "is cut; a slow callback or a very large model needs a larger deadline_s."
                )
            for fd, flags in events:
                until = time.monotonic() + self.deadline_s
                link = self._by_fd[fd]
                if flags & select.POLLOUT and link.outgoing:
                    self._send(link, what)
                if link.incoming and flags & ~select.POLLOUT:
                    self._receive(link, kind, sequence, expected[link.rank], what)
                    if not link.head_left:
                        silent.discard(link.rank)
                elif flags & (_GONE & ~_RDHUP):
                    raise PeerLost(self._lost(link, what))
                if link.outgoing or link.incoming:
                    poller.modify(fd, self._interest(link))
                else:
                    poller.unregister(fd)
                    del pending[link.rank]
        return waited, sent

    @staticmethod
    def _interest(link: Link) -> int:
        return (select.POLLOUT if link.outgoing else 0) | (select.POLLIN if link.incoming else 0)

    def _send(self, link: Link, what: str) -> None:
        try:
            count = link.connection.sendmsg(link.outgoing[:MAX_VIEWS])
        except BlockingIOError:
            return
        except OSError as error:
            raise PeerLost(self._lost(link, what)) from error
        _advance(link.outgoing, count)

    def _receive(self, link: Link, kind: int, sequence: int, length: int, what: str) -> None:
        while link.incoming:
            try:
                count = link.connection.recvmsg_into(link.incoming[:MAX_VIEWS])[0]
            except BlockingIOError:
                return
            except OSError as error:
                raise PeerLost(self._lost(link, what)) from error
            if not count:
                raise PeerLost(self._lost(link, what))
            _advance(link.incoming, count)
            link.received += count
            if link.head_left:
                link.head_left = max(0, link.head_left - count)
                if not link.head_left:
                    self._check(link, kind, sequence, length, what)

    def _check(self, link: Link, kind: int, sequence: int, length: int, what: str) -> None:
        magic, got_kind, _, got_sequence, got_length = HEADER.unpack(link.head)
        if magic == FRAME_MAGIC and got_kind == ABORT:
            raise PeerLost(f"{link} left in {what} {sequence}: {self._farewell(link)}")
        if magic != FRAME_MAGIC:
            raise ExchangeError(f"{what} {sequence}: {link} sent bytes that are no frame.")
        if (got_kind, got_sequence, got_length) != (kind, sequence, length):
            raise ExchangeError(
                f"{what} {sequence}: {link} is in operation {got_sequence} (kind {got_kind}, "
                f"{got_length} bytes), expected kind {kind} with {length} bytes. All ranks must "
                "call the same operations in the same order with the same sizes."
            )

    def _farewell(self, link: Link) -> str:
        length = min(HEADER.unpack(link.head)[4], 4000)
        text = b"".join(link.body)[: min(length, link.received - HEADER.size)]
        with contextlib.suppress(OSError):
            link.connection.settimeout(0.2)
            while len(text) < length:
                chunk = link.connection.recv(length - len(text))
                if not chunk:
                    break
                text += chunk
        return text.decode("utf-8", "replace") or "no reason given"

    def _lost(self, link: Link, what: str) -> str:
        return (
            f"{what}: {link} closed its connection. Its process ended; on a cluster the usual "
            "cause is memory (spark.executor.memoryOverhead, spark.executor.pyspark.memory)."
        )

    def gone(self) -> list[Link]:
        """Return the peers whose end of the connection is closed, at once."""
        return [self._by_fd[fd] for fd, flags in self._watch.poll(0) if flags & _GONE]

    def lost(self, link: Link, what: str) -> PeerLost:
        """Make the error for a peer found by `gone`, with its last words if it left any."""
        data = b""
        with contextlib.suppress(OSError):
            data = link.connection.recv(HEADER.size + 4000)
        if len(data) >= HEADER.size:
            magic, kind, _, _, length = HEADER.unpack(data[: HEADER.size])
            if magic == FRAME_MAGIC and kind == ABORT:
                text = data[HEADER.size : HEADER.size + length].decode("utf-8", "replace")
                return PeerLost(f"{link} left in {what}: {text}")
        return PeerLost(self._lost(link, what))

    def abort(self, reason: str) -> None:
        """Tell all peers why this rank leaves, as far as the sockets take it without waiting."""
        text = reason.encode("utf-8", "replace")[:4000]
        for link in self.links.values():
            with contextlib.suppress(OSError):
                link.connection.send(header(ABORT, 0, len(text)) + text)

    def interrupt(self) -> None:
        """Shut all connections, so that a transfer in another thread ends with an error."""
        for link in self.links.values():
            with contextlib.suppress(OSError):
                link.connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close all connections."""
        for link in self.links.values():
            link.connection.close()


def build_mesh(
    rank: int,
    addresses: list[Address],
    token: bytes,
    listener: Listener,
    *,
    deadline_s: float,
) -> Mesh:
    """Connect this rank with all others: to lower ranks actively, from higher ranks passively."""
    links: dict[int, Link] = {}
    try:
        for peer in range(rank):
            connection = connect(
                addresses[peer],
                token,
                rank=rank,
                whom=f"rank {peer}",
                deadline_s=min(deadline_s, 30.0),
            )
            links[peer] = Link(peer, addresses[peer], connection)
        for peer, connection in listener.accept(
            range(rank + 1, len(addresses)), token, deadline_s
        ).items():
            links[peer] = Link(peer, addresses[peer], connection)
    except BaseException:
        for link in links.values():
            link.connection.close()
        raise
    return Mesh(dict(sorted(links.items())), deadline_s=deadline_s)
