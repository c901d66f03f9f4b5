"""Errors of the exchange between ranks; setup errors live in `core.errors`."""

from __future__ import annotations

from ..core.errors import SandboxError, SparkSetupError

__all__ = [
    "AuthenticationError",
    "ExchangeError",
    "ExchangeTimeout",
    "PeerLost",
    "RendezvousError",
    "SparkSetupError",
    "Stopped",
    "WorkerError",
]


class ExchangeError(SandboxError, RuntimeError):
    """Ranks could not exchange data; the message names the peer and the operation."""


class PeerLost(ExchangeError):  # noqa: N818 - reads as what happened
    """A peer closed its connection: its process ended or left the group."""


class ExchangeTimeout(ExchangeError):  # noqa: N818 - reads as what happened
    """A peer said nothing within the deadline."""


class AuthenticationError(ExchangeError):
    """The other side of a connection does not know the token of this job."""


class RendezvousError(ExchangeError):
    """Ranks disagree on a version, a kernel plan, the model or the data."""


class WorkerError(SandboxError, RuntimeError):
    """A rank failed for a reason of its own; the message carries its traceback."""


class Stopped(SandboxError, RuntimeError):  # noqa: N818 - reads as what happened
    """The driver asked the ranks to leave."""
