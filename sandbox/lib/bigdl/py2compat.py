"""Cells of Python 2 in a notebook of Python 3, on request: `%load_ext bigdl.py2compat`.

Statements that Python 3 no longer has are rewritten, token by token, before a cell runs:
`print "x"`, `except E, e:`, `raise E, "x"`, `exec "x"`, `<>`, `10L`, `0777`, `d.iteritems()`,
`d.has_key(k)`, `it.next()`. Names that are gone are there again (xrange, unicode, raw_input, long,
basestring, unichr, reduce), map, filter and zip give lists, whole numbers divide to whole numbers,
and modules have their old names (cPickle, StringIO, urllib2, Queue, ...).

What is left to the reader: dict.keys() as a list, text against bytes, sorting of unlike values.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import io
import itertools
import re
import sys
import tokenize
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

_METHODS = {
    "iteritems": "items",
    "iterkeys": "keys",
    "itervalues": "values",
    "viewitems": "items",
    "viewkeys": "keys",
    "viewvalues": "values",
    "has_key": "__contains__",
    "next": "__next__",
}
_MODULES = {
    "ConfigParser": "configparser",
    "HTMLParser": "html.parser",
    "Queue": "queue",
    "StringIO": "io",
    "__builtin__": "builtins",
    "cPickle": "pickle",
    "cStringIO": "io",
    "urllib2": "urllib.request",
    "urlparse": "urllib.parse",
}
_HEADS = {
    *("if", "elif", "else", "for", "while", "try", "except", "finally", "with", "def", "class"),
}
_BLANK = {tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT}
_OCTAL, _LONG = re.compile(r"\b0+([1-7][0-7]*)\b(?![.eE])"), re.compile(r"\b(\d+)[lL]\b")
_Token = tokenize.TokenInfo
_Edit = tuple[int, int, str]


def to_python3(source: str) -> str:
    r"""Return a cell of Python 2 as one of Python 3; what is neither comes back as it is.

    Examples
    --------
    >>> print(to_python3('for k, v in d.iteritems():\n    print k, "is", v,'), end="")
    for k, v in d.items():
        print(k, "is", v, end=" ")
    """
    old = not _is_python3(source)
    if old:
        source = source.expandtabs(8) if "\t" in source else source
    tokens = _tokens(source)
    if tokens is None and old:  # numbers that the tokenizer refuses
        source = _LONG.sub(r"\1", _OCTAL.sub(r"0o\1", source))
        tokens = _tokens(source)
    if tokens is None:
        return source
    starts = _line_starts(source)
    edits = list(_methods(tokens, starts))
    if old:
        edits += _operators(tokens, starts)
        for statement in _statements(tokens):
            edits += _statement(statement, source, starts)
    for start, stop, text in sorted(edits, reverse=True):
        source = source[:start] + text + source[stop:]
    return source


def _is_python3(source: str) -> bool:
    """Tell whether a cell is one of Python 3, with no statement that only looks like one."""
    try:
        found = ast.parse(source)
    except SyntaxError:
        return False
    return not any(_prints(one.value) for one in ast.walk(found) if isinstance(one, ast.Expr))


def _prints(value: ast.expr) -> bool:
    """Tell whether it is `print`, `print >>f`, or `print (a), b`, which Python 3 takes, too."""
    if isinstance(value, ast.Tuple) and value.elts:
        first = value.elts[0]
        called = isinstance(first, ast.Call) and _prints(first.func)
        return called or _prints(first)
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.RShift):
        return _prints(value.left)
    return isinstance(value, ast.Name) and value.id == "print"


def _tokens(source: str) -> list[_Token] | None:
    try:
        return list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError):
        return None


def _line_starts(source: str) -> list[int]:
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def _at(place: tuple[int, int], starts: Sequence[int]) -> int:
    return starts[place[0] - 1] + place[1]


def _methods(tokens: list[_Token], starts: list[int]) -> Iterator[_Edit]:
    """Rename methods that have another name now."""
    for before, name, behind, last in zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False):
        if before.string == "." and behind.string == "(" and name.string in _METHODS:
            if name.string == "next" and last.string != ")":
                continue
            yield _at(name.start, starts), _at(name.end, starts), _METHODS[name.string]


def _operators(tokens: list[_Token], starts: list[int]) -> list[_Edit]:
    """Rewrite `<>`, `10L`, `0777`, `ur""`, which older tokenizers split into two."""
    edits: list[_Edit] = []
    for one, two in itertools.pairwise(tokens):
        close = one.end == two.start
        span = (_at(one.start, starts), _at(two.end, starts))
        if one.string == "<>":
            edits.append((span[0], _at(one.end, starts), "!="))
        elif close and (one.string, two.string) == ("<", ">"):
            edits.append((*span, "!="))
        elif close and one.type == tokenize.NUMBER and two.string in ("l", "L"):
            edits.append((*span, one.string))
        elif close and one.string.strip("0") == "" and two.type == tokenize.NUMBER:
            edits.append((*span, f"0o{two.string}"))
        elif close and one.string.lower() == "ur" and two.type == tokenize.STRING:
            edits.append((*span, f"r{two.string}"))
    return edits


def _statements(tokens: list[_Token]) -> Iterator[list[_Token]]:
    """Give the tokens of each simple statement, and of each head of a compound one."""
    held: list[_Token] = []
    depth, lambdas = 0, 0
    for token in tokens:
        if token.type in _BLANK:
            continue
        depth += (
            (token.string in "([{") - (token.string in ")]}") if token.type == tokenize.OP else 0
        )
        ends = token.type in (tokenize.NEWLINE, tokenize.ENDMARKER)
        lambdas += token.string == "lambda" and depth == 0
        head = bool(held) and held[0].string in _HEADS and token.string == ":" and depth == 0
        if head and lambdas:
            head, lambdas = False, lambdas - 1
        if ends or (token.string == ";" and depth == 0) or head:
            if held:
                yield held
            held, depth, lambdas = [], 0, 0
        else:
            held.append(token)


def _statement(held: list[_Token], source: str, starts: list[int]) -> list[_Edit]:
    """Return what has to change in one statement."""
    word, rest = held[0].string, held[1:]
    begin, end = _at(held[0].start, starts), _at(held[-1].end, starts)
    if word not in ("print", "except", "raise", "exec"):
        return []
    if word in ("print", "exec") and rest and rest[0].string in ("=", ".", ","):
        return []  # a name of the reader's
    parts = _parts(rest)
    texts = [_text(part, source, starts) for part in parts]
    if word == "print":
        if len(parts) == 1 and _is_call(parts[0]):
            return []
        body = rest[0].start if rest else held[0].end
        return [
            (begin, _at(body, starts), "print("),
            *_print_tail(parts, texts, end, starts),
        ]
    if word == "except" and len(parts) == 2:
        comma = _at(parts[0][-1].end, starts)
        return [(comma, _at(parts[1][0].start, starts), " as ")]
    if word == "raise" and len(parts) >= 2:
        trace = f".with_traceback({texts[2]})" if len(parts) == 3 else ""
        return [(begin, end, f"raise {texts[0]}({texts[1]}){trace}")]
    if word == "exec" and not (parts and _is_call(parts[0])):
        code, space, where = texts[0].partition(" in ")
        return [(begin, end, f"exec({', '.join([code, *([where] if space else []), *texts[1:]])})")]
    return []


def _print_tail(
    parts: list[list[_Token]], texts: list[str], end: int, starts: list[int]
) -> list[_Edit]:
    """Return the edits of what comes behind `print`: a stream in front, a comma at the end."""
    edits: list[_Edit] = []
    tail = []
    if parts and parts[0] and parts[0][0].string == ">>":
        stop = _at(parts[1][0].start, starts) if len(parts) > 1 and parts[1] else end
        edits.append((_at(parts[0][0].start, starts), stop, ""))
        tail.append(f"file={texts[0].removeprefix('>>').strip()}")
        parts = parts[1:]
    if parts and not parts[-1]:
        end -= 1  # the comma
        tail.append('end=" "')
        edits.append((end, end + 1, ""))
    more = ", ".join(tail)
    return [*edits, (end, end, f"{', ' if more and any(parts) else ''}{more})")]


def _parts(tokens: list[_Token]) -> list[list[_Token]]:
    """Split at the commas that no bracket holds."""
    parts: list[list[_Token]] = [[]] if tokens else []
    depth = 0
    for token in tokens:
        if token.type == tokenize.OP:
            depth += (token.string in "([{") - (token.string in ")]}")
        if token.string == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _is_call(part: list[_Token]) -> bool:
    """Tell whether brackets hold all of it."""
    if not part or part[0].string != "(":
        return False
    depth = 0
    for token in part:
        depth += (token.string == "(") - (token.string == ")")
        if depth == 0:
            return token is part[-1]
    return False


def _text(part: list[_Token], source: str, starts: list[int]) -> str:
    return source[_at(part[0].start, starts) : _at(part[-1].end, starts)] if part else ""


def old_division(a: Any, b: Any) -> Any:
    """Return a / b as Python 2 has it: whole numbers give a whole number, rounded down.

    Examples
    --------
    >>> old_division(7, 2), old_division(7.0, 2)
    (3, 3.5)
    """
    return a // b if _is_whole(a) and _is_whole(b) else a / b


def _is_whole(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return bool(value.dtype.kind in "iu")
    return isinstance(value, int | np.integer)


class OldDivision(ast.NodeTransformer):
    """Makes `a / b` a call of `old_division`."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """Rewrite a division, and what is in it."""
        self.generic_visit(node)
        if not isinstance(node.op, ast.Div):
            return node
        name = ast.Name("__old_division__", ast.Load())
        return ast.fix_missing_locations(
            ast.copy_location(ast.Call(name, [node.left, node.right], []), node)
        )


def _listed(function: Any) -> Any:
    @functools.wraps(function, assigned=("__name__", "__doc__"), updated=())
    def made(*arguments: Any) -> list[Any]:
        return list(function(*arguments))

    return made


NAMES: dict[str, Any] = {
    "__old_division__": old_division,
    "basestring": str,
    "filter": _listed(builtins.filter),
    "long": int,
    "map": _listed(builtins.map),
    "raw_input": input,
    "reduce": functools.reduce,
    "reload": importlib.reload,
    "unichr": chr,
    "unicode": str,
    "xrange": range,
    "zip": _listed(builtins.zip),
}
"""What Python 2 has without an import, and Python 3 has not, or otherwise."""


def _rewritten(lines: list[str]) -> list[str]:
    return to_python3("".join(lines)).splitlines(keepends=True)


_rewritten.has_side_effects = False  # type: ignore[attr-defined]  # IPython may try it out


def load_ipython_extension(shell: Any) -> None:
    """Take cells of Python 2 from now on."""
    for old, new in _MODULES.items():
        sys.modules.setdefault(old, importlib.import_module(new))
    shell.push({name: value for name, value in NAMES.items()}, interactive=False)
    if _rewritten not in shell.input_transformers_post:
        shell.input_transformers_post.append(_rewritten)
        shell.ast_transformers.append(OldDivision())


def unload_ipython_extension(shell: Any) -> None:
    """Take cells of Python 3 only."""
    if _rewritten in shell.input_transformers_post:
        shell.input_transformers_post.remove(_rewritten)
    kept = [one for one in shell.ast_transformers if not isinstance(one, OldDivision)]
    shell.ast_transformers[:] = kept
    shell.drop_by_id(NAMES)
