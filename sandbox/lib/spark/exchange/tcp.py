"""Authenticated TCP: the handshake of a connection, and single frames.

Nothing on these sockets is ever unpickled: a connection starts with three fixed-size messages
(an HMAC challenge in both directions), after which every frame is a 24-byte header and raw bytes
whose kind, number and length the receiver already expects.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import socket
import struct
import time
from dataclasses import dataclass

from ..errors import AuthenticationError, ExchangeError

Address = tuple[str, int]

MAGIC = b"SBXRANK1"
MESH = b"mesh    "
LINE = b"line    "
HANDSHAKE_S = 10.0

_HELLO = struct.Struct("<8s32s")
_CLAIM = struct.Struct("<8s8sqq32s32s")
_ANSWER = struct.Struct("<8s32s")
CLAIM_BYTES = _CLAIM.size
REFUSAL = _ANSWER.pack(MAGIC, bytes(32))
HEADER = struct.Struct("<4sHHQQ")
FRAME_MAGIC = b"SBXf"


def name(rank: int, address: Address | None) -> str:
    """Return how messages call a peer."""
    return f"rank {rank}" if address is None else f"rank {rank} at {address[0]}:{address[1]}"


# -- handshake --------------------------------------------------------------------------------


def _proof(token: bytes, side: bytes, *parts: bytes) -> bytes:
    return hmac.digest(token, side + b"".join(parts), hashlib.sha256)


def _receive_exactly(connection: socket.socket, count: int, until: float) -> bytes:
    chunks = bytearray()
    while len(chunks) < count:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError("handshake")
        connection.settimeout(left)
        chunk = connection.recv(count - len(chunks))
        if not chunk:
            raise EOFError("connection closed")
        chunks += chunk
    return bytes(chunks)


def ready(connection: socket.socket) -> None:
    """Make a connection that proved itself a blocking one that tells of a lost host."""
    connection.settimeout(None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def connect(
    address: Address,
    token: bytes,
    *,
    rank: int,
    extra: int = 0,
    purpose: bytes = MESH,
    whom: str = "the driver",
    deadline_s: float = HANDSHAKE_S,
) -> socket.socket:
    """Open a connection to `address` and prove on both sides that the token is known.

    Raises
    ------
    AuthenticationError : the other side refused our token, or could not prove that it knows it.
    ExchangeError : nobody listens there, or the network does not lead there.
    """
    until = time.monotonic() + deadline_s
    try:
        connection = socket.create_connection(address, timeout=deadline_s)
    except OSError as error:
        raise ExchangeError(
            f"{whom} ({address[0]}:{address[1]}) could not be reached: {error}. Ranks and driver "
            "talk over TCP: open these ports between the hosts, or set spark.driver.host and "
            "SPARK_LOCAL_IP to addresses that the hosts can reach."
        ) from error
    try:
        magic, server_nonce = _HELLO.unpack(_receive_exactly(connection, _HELLO.size, until))
        if magic != MAGIC:
            raise AuthenticationError(f"{whom} ({address[0]}:{address[1]}) is not a rank of ours.")
        nonce = os.urandom(32)
        identity = struct.pack("<8sqq", purpose, rank, extra)
        proof = _proof(token, b"client", identity, server_nonce, nonce)
        connection.sendall(_CLAIM.pack(MAGIC, purpose, rank, extra, nonce, proof))
        answer = _receive_exactly(connection, _ANSWER.size, until)
        if answer == REFUSAL:
            raise AuthenticationError(
                f"{whom} ({address[0]}:{address[1]}) refused the token of rank {rank}."
            )
        magic, proof = _ANSWER.unpack(answer)
        expected = _proof(token, b"server", identity, nonce, server_nonce)
        if magic != MAGIC or not hmac.compare_digest(proof, expected):
            raise AuthenticationError(f"{whom} ({address[0]}:{address[1]}) knows another token.")
    except ExchangeError:
        connection.close()
        raise
    except (OSError, EOFError) as error:
        connection.close()
        raise ExchangeError(
            f"{whom} ({address[0]}:{address[1]}) did not finish the handshake: {error!r}."
        ) from error
    ready(connection)
    return connection


@dataclass(frozen=True)
class Claim:
    """Who connected: rank, a number of its own choice, and what the connection is for."""

    rank: int
    extra: int
    purpose: bytes


class Challenge:
    """The listening side of a handshake: what it says first, what it makes of the claim.

    Examples
    --------
    >>> Challenge().check(bytes(CLAIM_BYTES), b"token")
    Traceback (most recent call last):
    ...
    sandbox.lib.spark.errors.AuthenticationError: a stranger connected: wrong token or not a rank.
    """

    def __init__(self) -> None:
        self._nonce = os.urandom(32)

    def hello(self) -> bytes:
        """Return what is sent as soon as somebody connects."""
        return _HELLO.pack(MAGIC, self._nonce)

    def check(self, raw: bytes, token: bytes) -> tuple[Claim, bytes]:
        """Return who that is and what to answer, or raise `AuthenticationError`."""
        magic, purpose, rank, extra, nonce, proof = _CLAIM.unpack(raw)
        identity = struct.pack("<8sqq", purpose, rank, extra)
        expected = _proof(token, b"client", identity, self._nonce, nonce)
        if magic != MAGIC or not hmac.compare_digest(proof, expected):
            raise AuthenticationError("a stranger connected: wrong token or not a rank.")
        answer = _ANSWER.pack(MAGIC, _proof(token, b"server", identity, nonce, self._nonce))
        return Claim(rank, extra, purpose), answer


def limit_silence(connection: socket.socket, seconds: float) -> None:
    """Have a blocking connection fail once nothing has come, or gone, for so long."""
    whole = int(seconds)
    limit = struct.pack("ll", whole, int((seconds - whole) * 1e6))
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        connection.setsockopt(socket.SOL_SOCKET, option, limit)


def hang_up(connection: socket.socket) -> None:
    """Close a connection, so that a thread that reads from it ends too."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


# -- single frames, blocking ----------------------------------------------------------------------


def header(kind: int, sequence: int, length: int) -> bytes:
    """Pack the 24 bytes that precede every frame."""
    return HEADER.pack(FRAME_MAGIC, kind, 0, sequence, length)


def send_frame(connection: socket.socket, kind: int, sequence: int, payload: bytes) -> None:
    """Send one frame."""
    connection.sendall(header(kind, sequence, len(payload)))
    connection.sendall(payload)


def receive_frame(connection: socket.socket, limit: int) -> tuple[int, int, bytearray]:
    """Wait for one frame; returns kind, sequence and payload.

    Raises
    ------
    EOFError : the other side closed the connection.
    ExchangeError : the bytes are no frame, or announce more than `limit` bytes.
    """
    head = bytearray(HEADER.size)
    _fill(connection, memoryview(head))
    magic, kind, _, sequence, length = HEADER.unpack(head)
    if magic != FRAME_MAGIC or length > limit:
        raise ExchangeError(f"a frame must have at most {limit} bytes; got {bytes(head[:8])!r}...")
    payload = bytearray(length)
    _fill(connection, memoryview(payload))
    return kind, sequence, payload


def _fill(connection: socket.socket, view: memoryview) -> None:
    while view:
        count = connection.recv_into(view)
        if not count:
            raise EOFError("connection closed")
        view = view[count:]
