"""What a search has found so far, in a folder: a line for each rung of a trial, and states.

`search.json` says what is searched, `results.jsonl` has the results, `states/` what trials go on
from. A state is written before the line that tells of it, and every file as a whole, so a search
that is killed at any moment goes on from what its lines say.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from ...core.errors import CheckpointError
from ...engine.files import locate, write_atomic
from .rungs import Job

__all__ = ["Records", "Result"]

_FORMAT = 1
_RETRIED = "failed"


@dataclass(frozen=True)
class Result:
    """How a trial stood at a rung.

    Parameters
    ----------
    trial, rung : int
    status : "done", "diverged" or "failed"
        Failed: by another error than a loss that is no number.
    epochs : int
        Trained in all.
    score : float or None
        The metric that is searched for; None where there is none.
    metrics : dict
        All numbers of the last validation.
    curve : list of [epoch, score]
        Of all validations.
    config : dict
        What the trial tries.
    seconds : float
        Of training, in all rungs.
    through : bool
        The trial has ended: by its last epoch, by its early stop, or badly.
    error : str
        Why it failed.
    """

    trial: int
    rung: int
    status: str
    epochs: int
    score: float | None
    metrics: dict[str, float] = field(default_factory=dict)
    curve: list[list[float]] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    through: bool = False
    error: str = ""


class Records:
    """The results of a search by (trial, rung), and the states of its trials.

    Parameters
    ----------
    folder : path or URL
        Made if it is not there.
    about : dict
        What is searched, as JSON data; a folder of another search is refused.
    maximise : bool
        Whether more is better.

    Raises
    ------
    CheckpointError : the folder is of another search, or damaged.
    """

    def __init__(
        self, folder: str | os.PathLike[str], about: dict[str, Any], *, maximise: bool
    ) -> None:
        self.folder = locate(folder)
        self.maximise = maximise
        self.results: dict[Job, Result] = {}
        self._read(about)

    def _read(self, about: dict[str, Any]) -> None:
        about = json.loads(json.dumps({"format": _FORMAT, **about}))
        self._make(self.folder / "states")
        known = self._text("search.json")
        if known is None:
            self._write("search.json", json.dumps(about, indent=1) + "\n")
            return
        try:
            before: dict[str, Any] = json.loads(known)
            lines = (self._text("results.jsonl") or "").splitlines()
            found = [Result(**json.loads(line)) for line in lines]
        except (ValueError, TypeError) as error:
            raise CheckpointError(
                f"{self.folder}: must hold a search; got files that cannot be read ({error})."
                " Give another folder."
            ) from error
        for name in dict.fromkeys((*about, *before)):
            if about.get(name) != before.get(name):
                raise CheckpointError(
                    f"{self.folder}: it holds a search whose {name} must be the same; got"
                    f" {about.get(name)!r}, there it is {before.get(name)!r}. Give another folder,"
                    " or remove this one."
                )
        # What has failed is tried again: the cause may be gone.
        self.results = {(one.trial, one.rung): one for one in found if one.status != _RETRIED}

    @staticmethod
    def _make(folder: Any) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(
                f"{folder}: must be a folder for a search; got {error}."
            ) from error

    def _text(self, name: str) -> str | None:
        try:
            with (self.folder / name).open("rb") as file:
                return file.read().decode()
        except FileNotFoundError:
            return None

    def _write(self, name: str, text: str) -> None:
        write_atomic(self.folder / name, text.encode())

    def scores(self) -> dict[Job, float]:
        """Return the results as numbers of which less is better; infinite for what has failed."""
        return {job: self.rank(result) for job, result in self.results.items()}

    def rank(self, result: Result) -> float:
        """Return one as such a number."""
        if result.score is None or math.isnan(result.score):
            return math.inf
        return -result.score if self.maximise else result.score

    def add(self, result: Result, state: bytes | None) -> None:
        """Keep a result, and the state that belongs to it."""
        if state is not None:
            write_atomic(self._state(result), state)
        self.results[result.trial, result.rung] = result
        self._save()
        before = self.results.get((result.trial, result.rung - 1))
        if before is not None:
            self._forget(before)

    def _save(self) -> None:
        lines = [json.dumps(asdict(self.results[job])) for job in sorted(self.results)]
        self._write("results.jsonl", "".join(line + "\n" for line in lines))

    # States ----------------------------------------------------------------------------------

    def _state(self, result: Result) -> Any:
        return self.folder / "states" / f"{result.trial:05d}-{result.rung}.safetensors"

    def state(self, result: Result) -> bytes | None:
        """Return a trial's state at a rung; None if it was not kept."""
        try:
            with self._state(result).open("rb") as file:
                return bytes(file.read())
        except FileNotFoundError:
            return None

    def forget(self, results: Iterable[Result]) -> None:
        """Remove states that nobody needs any more."""
        for result in results:
            self._forget(result)

    def _forget(self, result: Result) -> None:
        with suppress(OSError):
            self._state(result).unlink(missing_ok=True)
