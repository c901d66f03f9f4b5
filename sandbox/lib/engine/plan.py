"""The kernel plan: which layouts and algorithms were chosen, as data.

Choices are timed once and kept: in the plan object, in a cache file per processor and library
version, in checkpoints. A frozen plan is never timed again, so results stay equal bit for bit.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import threading
from functools import cache
from pathlib import Path
from typing import Any

from .errors import ArgumentError, DataError
from .files import write_atomic
from .folders import cache_folder

FORMAT = 1


class KernelPlan:
    """Choices by operation signature and batch size.

    Parameters
    ----------
    choices : dict of signature -> dict of batch -> name, optional
        What to start from.
    frozen : bool
        Refuse to time anything: what is not in the plan takes the nearest batch's choice, or the
        first legal candidate.
    fingerprint : str
        Processor and library the choices were timed on.
    behind : KernelPlan, optional
        Asked for what this plan does not know; what it tells becomes part of this plan.

    Examples
    --------
    >>> plan = KernelPlan(fingerprint="here")
    >>> plan.record("conv2d 3x3", 128, "nhwc")
    >>> plan.lookup("conv2d 3x3", 100)
    'nhwc'
    >>> KernelPlan.from_json(plan.to_json()).lookup("conv2d 3x3", 128)
    'nhwc'
    """

    def __init__(
        self,
        choices: dict[str, dict[int, str]] | None = None,
        *,
        frozen: bool = False,
        fingerprint: str = "",
        behind: KernelPlan | None = None,
    ) -> None:
        if choices is not None and not isinstance(choices, dict):
            raise ArgumentError(f"`choices` must be a dict or None; got {choices!r}.")
        self._choices: dict[str, dict[int, str]] = choices or {}
        self._lock = threading.Lock()
        self.frozen = frozen
        self.fingerprint = fingerprint
        self.behind = behind
        self.changes = 0
        self._text: tuple[tuple[int, str], str] | None = None  # of which state, and the text

    def __len__(self) -> int:
        return sum(len(batches) for batches in self._choices.values())

    def lookup(self, signature: str, batch: int, *, exact: bool = False) -> str | None:
        """Return the choice for this batch, else (unless `exact`) that of the nearest batch."""
        with self._lock:
            batches = self._choices.get(signature, {})
            if batch in batches:
                return batches[batch]
            if batches and not exact:
                return batches[min(batches, key=lambda known: (abs(known - batch), known))]
        if self.behind is None:
            return None
        found = self.behind.lookup(signature, batch, exact=exact)
        if found is not None:
            self.record(signature, batch, found)
        return found

    def record(self, signature: str, batch: int, name: str) -> None:
        """Keep a choice."""
        with self._lock:
            self._choices.setdefault(signature, {})[batch] = name
            self.changes += 1

    def freeze(self) -> KernelPlan:
        """Return a frozen copy."""
        plan = KernelPlan(frozen=True, fingerprint=self.fingerprint)
        plan.merge(self)
        return plan

    def merge(self, other: KernelPlan) -> None:
        """Take over the choices of another plan; where both chose, the other's win."""
        if not isinstance(other, KernelPlan):
            raise ArgumentError(f"`other` must be a KernelPlan; got {other!r}.")
        with other._lock:
            theirs = {key: dict(batches) for key, batches in other._choices.items()}
        with self._lock:
            for key, batches in theirs.items():
                self._choices.setdefault(key, {}).update(batches)
            self.changes += bool(theirs)
            self.fingerprint = self.fingerprint or other.fingerprint

    def to_json(self) -> str:
        """Return the plan as text, the same text for the same choices."""
        with self._lock:  # each run begins with it: a machine's plan has thousands of choices
            state = (self.changes, self.fingerprint)
            if self._text is None or self._text[0] != state:
                data = {"format": FORMAT, "fingerprint": self.fingerprint, "choices": self._choices}
                self._text = state, json.dumps(data, sort_keys=True)
            return self._text[1]

    @classmethod
    def from_json(cls, text: str, *, frozen: bool = True) -> KernelPlan:
        """Rebuild a plan; one that was sent or stored is frozen unless told otherwise."""
        try:
            data: Any = json.loads(text)
            found = data.get("format") if isinstance(data, dict) else type(data).__name__
            if found != FORMAT:
                raise DataError(f"kernel plan: format must be {FORMAT}; got {found!r}.")
            choices = {
                str(key): {int(batch): str(name) for batch, name in batches.items()}
                for key, batches in data["choices"].items()
            }
            return cls(choices, frozen=frozen, fingerprint=str(data["fingerprint"]))
        except DataError:
            raise
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise DataError(
                f"kernel plan: must be the text that to_json() gives; got {text!r:.60} ({error!r})."
            ) from None


@cache
def _cpuinfo() -> dict[str, str]:
    found: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            found.setdefault(key.strip(), value.strip())
    return found


def processor() -> str:
    """Return the processor's name as the system tells it."""
    info = _cpuinfo()
    name = info.get("model name") or platform.processor() or platform.machine()
    numbers = [info.get(key, "") for key in ("cpu family", "model")]
    return f"{name} (family {numbers[0]}, model {numbers[1]})" if all(numbers) else name


def vendor() -> str:
    """Return the processor's maker, e.g. "AuthenticAMD"."""
    return _cpuinfo().get("vendor_id", "")


def plan_folder() -> Path:
    """Return the folder that keeps the choices made so far, a file for each processor."""
    return cache_folder() / "plans"


def cache_file(fingerprint: str) -> Path:
    """Return the file that keeps the choices made on this processor with this library."""
    digest = hashlib.sha256(fingerprint.encode()).hexdigest()[:16]
    return plan_folder() / f"{digest}.json"


def load_cached(fingerprint: str) -> KernelPlan:
    """Return the cached plan, or an empty one when there is none or it cannot be read."""
    with contextlib.suppress(OSError, ValueError, KeyError, AttributeError, TypeError):
        text = cache_file(fingerprint).read_text(encoding="utf-8")
        plan = KernelPlan.from_json(text, frozen=False)
        if plan.fingerprint == fingerprint:
            return plan
    return KernelPlan(fingerprint=fingerprint)


@cache
def shipped(instructions: str, version: str) -> KernelPlan | None:
    """Return the plan that comes with the library for these instruction sets, if there is one.

    `SANDBOX_SHIPPED_PLANS=0` turns it off (see `engine.default_plan`). What the user's own plan
    knows goes before it.
    """
    family = next((name for name in ("avx512", "avx2") if instructions.startswith(name)), None)
    if family is None:
        return None
    path = Path(__file__).parent / "plans" / f"{family}.json"
    with contextlib.suppress(OSError):
        plan = KernelPlan.from_json(path.read_text(encoding="utf-8"))
        if plan.fingerprint.endswith(f"oneDNN {version}"):
            return plan
    return None


def save_cached(plan: KernelPlan) -> None:
    """Write the plan into the cache, merged with what others wrote; failing is no error."""
    path = cache_file(plan.fingerprint)
    merged = load_cached(plan.fingerprint)
    merged.merge(plan)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, merged.to_json().encode(), sync=False)
