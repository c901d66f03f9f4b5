"""Errors in a notebook: the learner's lines and the message; `%tb` shows the libraries' frames too.

`import sandbox` calls `fold_in_notebook`. Errors that no line of this package has to do with are
left to IPython, except Spark's own, whose message is a Java traceback.
"""

from __future__ import annotations

import linecache
import os
import pkgutil
import re
import site
import sys
import sysconfig
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["brief", "fold_in_notebook"]

_PACKAGE = str(Path(__file__).parent) + os.sep
_PATHS = ("stdlib", "platstdlib", "purelib", "platlib")
_LIBRARIES = (
    _PACKAGE,
    *(sysconfig.get_path(name) + os.sep for name in _PATHS),
    *(folder + os.sep for folder in (*site.getsitepackages(), site.getusersitepackages())),
)
_FRAME = re.compile(r'\s*File "(?P<file>.+)", line (?P<line>\d+)(?:, in (?P<name>.+))?$')
_TRACEBACK = "Traceback (most recent call last):"
_JAVA = re.compile(r"\s+at [\w.$/<>]+\(.*\)$|\s+\.\.\. \d+ more$|Driver stacktrace:$")
_NO_NAME = re.compile(r"cannot import name '(?P<name>\w+)'")
_LINKS = ("direct cause of the following exception:", "another exception occurred:")
_MOST = 12  # lines of a message of Spark's


def fold_in_notebook() -> None:
    """Fold tracebacks, if this process is a notebook's kernel and has no handler of its own."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if getattr(shell, "kernel", None) is not None and not shell.custom_exceptions:
        shell.set_custom_exc((Exception, KeyboardInterrupt), _show)


def _show(shell: Any, kind: type, error: BaseException, trace: Any, tb_offset: Any = None) -> None:
    """Show an error in place of IPython, which calls this."""
    kept = [step for step in _steps(trace) if _is_learners(step.tb_frame.f_code.co_filename)]
    if not kept or not any(map(_is_ours, _chain(error))):
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset, running_compiled_code=True)
        return
    sys.last_type, sys.last_value, sys.last_traceback = kind, error, trace  # for %tb and %debug
    folded = None
    for step in reversed(kept):
        folded = types.TracebackType(folded, step.tb_frame, step.tb_lasti, step.tb_lineno)
    lines = _message(shell, error)
    hidden = sum(1 for _ in _steps(trace)) - len(kept) - 1  # IPython's own is the first
    if hidden > 0:
        frames = "frame of a library is" if hidden == 1 else "frames of libraries are"
        lines.append(f"({hidden} {frames} folded: %tb shows all)")
    # IPython draws the frames; the stand-in has the error's name, our words and no causes.
    stand_in = type(kind.__name__, (Exception,), {"__module__": kind.__module__})("\n".join(lines))
    drawn = shell.InteractiveTB.structured_traceback(type(stand_in), stand_in, folded, tb_offset=0)
    shell._showtraceback(kind, brief(str(error), shell), drawn)


def _message(shell: Any, error: BaseException) -> list[str]:
    """Give the lines of the message: what happened, the notes, and what was the cause of it."""
    lines = [brief(str(error), shell) + _hint(error)]
    for note in getattr(error, "__notes__", ()):
        told = [line for line in brief(note, shell).splitlines() if not _repeats(line, lines[0])]
        if told[1:] or _TRACEBACK not in note:  # else the head of a traceback alone
            lines += told
    seen = {id(step.tb_frame) for step in _steps(error.__traceback__)}
    for cause, relation in _causes(error):
        own = [
            step
            for step in _steps(cause.__traceback__)
            if _is_learners(step.tb_frame.f_code.co_filename) and id(step.tb_frame) not in seen
        ]
        told = str(cause) in lines[0] or relation == "while handling"
        if told and not own:
            continue  # said already, or how a library came to its own error
        lines.append(f"{relation} {type(cause).__name__}: {brief(str(cause), shell)}")
        for step in own:
            code = step.tb_frame.f_code
            lines += _place(shell, code.co_filename, step.tb_lineno, code.co_name)
    return lines


def _hint(error: BaseException) -> str:
    """Tell which name was meant, where a module or an object of this package lacks one."""
    from .lib.engine import names

    place, wanted = "", ""
    known: Iterable[str] = ()
    if "Did you mean" in str(error):
        return ""
    if isinstance(error, AttributeError) and error.obj is not None and error.name:
        wanted = error.name
        known = [name for name in dir(error.obj) if not name.startswith("_")]
    elif isinstance(error, ImportError) and _is_import(error):
        place, _, wanted = (error.name or "").rpartition(".")
        if found := _NO_NAME.match(str(error)):
            place, wanted = error.name or "", found["name"]
        if isinstance(module := sys.modules.get(place), types.ModuleType):
            beside = pkgutil.iter_modules(getattr(module, "__path__", ()))
            known = [*names.public(module), *(one.name for one in beside)]
    near = names.meant(wanted, known)
    return "" if near is None or near == wanted else f". Did you mean {near!r}?"


def _is_import(error: BaseException) -> bool:
    """Tell whether a name or module of this package was imported that is not there."""
    return isinstance(error, ImportError) and (error.name or "").startswith(f"{__package__}.")


def _repeats(line: str, message: str) -> bool:
    _, colon, words = line.partition(": ")
    return bool(colon) and words in message


def _place(shell: Any, file: str, line: int, name: str) -> list[str]:
    """Give a frame in two lines, as Python does, with the number of a cell in place of its file."""
    cell = None if shell is None else shell.compile.format_code_name(file)
    where = " ".join(cell) if cell else f'File "{file}"'
    source = linecache.getline(file, line).strip()
    return [f"  {where}, line {line}, in {name}", *([f"    {source}"] if source else [])]


def _causes(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    """Yield what led to an error, nearest first, with the word for how."""
    seen = {id(error)}
    while True:
        if error.__cause__ is not None:
            error, relation = error.__cause__, "caused by"
        elif error.__context__ is not None and not error.__suppress_context__:
            error, relation = error.__context__, "while handling"
        else:
            return
        if id(error) in seen:
            return
        seen.add(id(error))
        yield error, relation


def _chain(error: BaseException) -> Iterator[BaseException]:
    yield error
    for cause, _ in _causes(error):
        yield cause


def _is_ours(error: BaseException) -> bool:
    """Tell whether an error is of this package, came through it, or is Spark's."""
    if type(error).__module__.partition(".")[0] in ("sandbox", "py4j", "pyspark"):
        return True
    lacking = error.obj if isinstance(error, AttributeError) else None
    if _is_import(error) or type(lacking).__module__.startswith(f"{__package__}."):
        return True
    steps = _steps(error.__traceback__)
    return any(step.tb_frame.f_code.co_filename.startswith(_PACKAGE) for step in steps)


def _steps(trace: Any) -> Iterator[Any]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _is_learners(file: str) -> bool:
    """Tell whether code is a cell's or of a file that is no library's."""
    if file.startswith("<"):
        return file.startswith("<ipython-input")
    return not file.startswith(_LIBRARIES)


def brief(text: str, shell: Any = None) -> str:
    r"""Leave the frames of Java and of libraries out of a message that holds tracebacks.

    With a shell, frames of its cells are called by their numbers.

    Examples
    --------
    >>> print(brief("An error occurred while calling o1.f.\n: java.io.IOException: no disk\n"
    ...             "\tat java.base/java.io.File.open(File.java:1)\n\t... 12 more"))
    An error occurred while calling o1.f.
    : java.io.IOException: no disk
    """
    lines = text.split("\n\nJVM stacktrace:\n")[0].rstrip().splitlines()
    if not any(_TRACEBACK in line or _JAVA.match(line) for line in lines):
        return text
    found = list(dict.fromkeys(line for line in _without_frames(lines, shell) if line.strip()))
    if len(found) > _MOST:
        found = [*found[: _MOST - 2], "...", found[-1]]
    return "\n".join(found)


def _without_frames(lines: Iterable[str], shell: Any) -> Iterator[str]:
    inside = False  # a traceback of Python's
    for line in lines:
        if _JAVA.match(line) or line.endswith(_LINKS):
            continue
        if _TRACEBACK in line:
            inside = True
            if rest := line.replace(_TRACEBACK, "").strip():
                yield rest
        elif not inside:
            yield line
        elif frame := _FRAME.match(line):
            if _is_learners(frame["file"]):
                yield from _place(shell, frame["file"], int(frame["line"]), frame["name"])
        elif not line.startswith("  "):  # else the code of a frame
            inside = not line
            yield line
