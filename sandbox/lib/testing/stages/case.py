"""A stage to be checked, what it gives, and what clauses ask of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..tools import require

__all__ = ["StageCase", "error_of", "plain", "rows_of", "values_of"]


@dataclass
class StageCase:
    """A stage to be checked, and what it can be checked with.

    Parameters
    ----------
    make : function
        Gives a new stage each time, of equal Params.
    frame : DataFrame
        Rows that the stage takes, of a fixed order, in two partitions or more.
    changes : dict of name -> value
        Legal values of some Params, none of which the stage has.
    wrong : dict of name -> value
        Values that Params must refuse when they are set.
    reads : sequence of str
        Columns that `transform` reads.
    folder : Path
        An empty folder of this case.
    clash : str, default="prediction"
        A column that `transform` adds; a DataFrame that has it is refused.
    empties : str, optional
        A column of `reads` in which an empty place is refused, when rows are run.
    trains : bool, default=True
        Whether fitting draws or iterates, so that equal seeds must give equal bits.
    misses : bool, default=True
        Whether `transform` refuses a DataFrame without a column that it reads, which Spark's
        StringIndexerModel does not.
    apart : sequence of str
        Params that say something else of the model than of its estimator.
    """

    make: Callable[[], Any]
    frame: Any
    changes: Mapping[str, Any]
    wrong: Mapping[str, Any]
    reads: tuple[str, ...]
    folder: Path
    clash: str = "prediction"
    empties: str | None = None
    trains: bool = True
    misses: bool = True
    apart: tuple[str, ...] = ()

    def made(self, **given: Any) -> Any:
        """Return a stage of the same class, made with these keywords alone."""
        return type(self.make())(**given)

    @property
    def is_estimator(self) -> bool:
        """Whether the stage is fitted before it transforms."""
        return hasattr(self.make(), "fit")

    @cached_property
    def given(self) -> Any:
        """The stage that is fitted, and its values before that."""
        stage = self.make()
        return stage, values_of(stage)

    @cached_property
    def model(self) -> Any:
        """The fitted stage, one for all clauses; the stage itself if it is not fitted."""
        stage = self.given[0]
        return stage.fit(self.frame) if self.is_estimator else stage

    @cached_property
    def answers(self) -> list[Any]:
        """What the fitted stage makes of the rows."""
        return rows_of(self.model.transform(self.frame))


def rows_of(frame: Any) -> list[Any]:
    """Return the rows of a DataFrame as tuples."""
    return [tuple(row) for row in frame.collect()]


def values_of(stage: Any) -> dict[str, Any]:
    """Return the values that are set, in a form that compares."""
    return {param.name: plain(value) for param, value in stage._paramMap.items()}


def plain(value: Any) -> Any:
    """Return numbers and texts as they are, objects by what they tell of themselves."""
    return value if isinstance(value, str | bool | int | float | list | dict) else repr(value)


def error_of(call: Callable[[], Any], what: str) -> Exception:
    """Return the error that a call raises.

    Raises
    ------
    AssertionError : it raises none.
    """
    try:
        call()
    except Exception as error:
        return error
    require(False, f"{what} must be refused; got no error")
    raise AssertionError
