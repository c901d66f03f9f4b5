"""The ports that driver and ranks listen on: any free one, or one of a range."""

from __future__ import annotations

import errno
import re
import socket
from typing import NamedTuple

from ...core.errors import ArgumentError
from ..errors import ExchangeError

__all__ = ["Ports", "listen", "read_ports"]

BACKLOG = 128


class Ports(NamedTuple):
    """From `first` to `last`, both among them; 0 to 0 lets the system choose."""

    first: int
    last: int


def read_ports(name: str, text: str | None) -> Ports:
    """Return the range that a text names.

    Raises
    ------
    ArgumentError : it is none.

    Examples
    --------
    >>> read_ports("ports", "42000-42100"), read_ports("ports", None)
    (Ports(first=42000, last=42100), Ports(first=0, last=0))
    >>> read_ports("ports", "42100-42000")
    Traceback (most recent call last):
    ...
    sandbox.lib.core.errors.ArgumentError: `ports` must be a range such as '42000-42100', within \
1024 to 65535; got '42100-42000'.
    """
    if text is None:
        return Ports(0, 0)
    found = re.fullmatch(r"(\d+)-(\d+)", text) if isinstance(text, str) else None
    first, last = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1024 <= first <= last <= 65535:
        raise ArgumentError(
            f"`{name}` must be a range such as '42000-42100', within 1024 to 65535; got {text!r}."
        )
    return Ports(first, last)


def listen(host: str, ports: Ports) -> socket.socket:
    """Return a socket that listens on the first free port of a range.

    Raises
    ------
    ExchangeError : all of them are taken.
    OSError : the address is none of this host's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(ports.first, ports.last + 1):
        try:
            return socket.create_server((host, port), family=family, backlog=BACKLOG)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES) or ports.first == 0:
                raise
    raise ExchangeError(
        f"{host}: none of the ports {ports.first} to {ports.last} is free. Each rank of a host "
        "takes one, and the driver one for each training: give a longer range."
    )
