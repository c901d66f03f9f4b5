"""The error of a command the user can correct."""

from __future__ import annotations


class CommandError(Exception):
    """What is wrong and what to do about it; the command ends with status 2.

    Parameters
    ----------
    problem : str
        What was asked for, what was found.
    cure : str
        The next thing to type or to change.
    """

    def __init__(self, problem: str, cure: str = "") -> None:
        super().__init__(f"{problem}\n  {cure}" if cure else problem)
        self.problem = problem
        self.cure = cure
