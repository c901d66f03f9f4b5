"""Rows of other lengths for recurrent kernels, which run all rows to the full length.

Read forwards, what comes behind the length is thrown away and gets no gradient; to be read
backwards, each row is turned round within its own length, read forwards, and turned back.

An LSTM keeps c behind the length if steps there have a mark, one more feature: its weights shut the
input gate and open the forget gate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dnnl
from ..blueprint import Allocation, Tensor, private
from ..oplist import Op
from ..steps import Array

if TYPE_CHECKING:
    from ..builder import Builder


def flat(rows: int, time: int, lengths: Array) -> Array:
    """Return where each step of the rows, turned round within their lengths, comes from."""
    steps = np.arange(time)
    behind = lengths[:, None] - 1 - steps
    places = np.where(behind >= 0, behind, steps) + np.arange(rows)[:, None] * time
    return places.reshape(-1)


def turn(
    builder: Builder,
    op: Op,
    source: Tensor,
    lengths: int,
    shape: tuple[int, ...],
    target: Tensor | None = None,
) -> Tensor:
    """Turn (rows, time, features) round; with a target, zeros go behind the lengths."""
    rows, time, features = shape
    made = target or Tensor(Allocation(source.allocation.nbytes), shape, "float32", None)

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        result = writes[0].reshape(-1, features)
        places = flat(rows, time, reads[1])
        np.take(reads[0].reshape(-1, features), places, axis=0, out=result, mode="clip")
        if target is not None:
            clear(writes[0], reads[1])

    plain = Tensor(source.allocation, shape, "float32", None)
    builder.python(op, run, [plain, builder.plain(lengths)], [made])
    return made


def clear(y: Array, lengths: Array) -> None:
    """Write zeros behind each row's length."""
    for row, length in enumerate(lengths.tolist()):
        y[row, length:] = 0


def cut(builder: Builder, op: Op, y: Tensor, lengths: int) -> None:
    """Let a step write zeros behind each row's length."""

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        clear(writes[0], reads[0])

    builder.python(op, run, [builder.plain(lengths)], [y])


def copy_and_cut(builder: Builder, op: Op, result: Tensor, lengths: int, target: Tensor) -> None:
    """Copy (time, rows, features) that no run computes anew, with zeros behind the lengths.

    Such memory is shared by all runs: another run's lengths may not be written into it.
    """

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        np.copyto(writes[0], reads[0].transpose(1, 0, 2))
        clear(writes[0], reads[1])

    builder.python(op, run, [as_array(result), builder.plain(lengths)], [target])


def pick(builder: Builder, op: Op, result: Tensor, lengths: int, h: Tensor) -> None:
    """Take the state at the last step of each row."""
    rows = result.shape[1]

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        writes[0][...] = reads[0][reads[1] - 1, np.arange(rows)]

    builder.python(op, run, [as_array(result), builder.plain(lengths)], [h])


def as_array(tensor: Tensor) -> Tensor:
    """Return the same bytes for Python steps, which take no layout."""
    return Tensor(tensor.allocation, tensor.shape, "float32", None)


SHUT = 1e4  # before a gate: sigmoid(-SHUT) is 0, sigmoid(SHUT) is 1


def mark(
    builder: Builder, op: Op, source: Tensor, lengths: int, target: Tensor, turned: bool
) -> Tensor:
    """Write (time, rows, features + 1) of (rows, time, features): 0 and a 1 behind the lengths."""
    rows, time, features = source.shape

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        x, made = reads[0], writes[0]
        if turned:
            places = flat(rows, time, reads[1])
            x = x.reshape(-1, features)[places].reshape(x.shape)
        made[:, :, :features] = x.transpose(1, 0, 2)
        behind = np.arange(time)[:, None] >= reads[1]
        made[:, :, features] = behind
        made[behind, :features] = 0

    builder.python(op, run, [source, builder.plain(lengths)], [as_array(target)])
    return target


def mark_weights(builder: Builder, op: Op, source: Tensor, cells: int) -> Tensor:
    """Give w_input (gates · cells, features) a column for the mark."""
    rows, features = source.shape
    made = private(dnnl.plain((rows, features + 1)))

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        writes[0][:, :features] = reads[0]
        column = writes[0][:, features]
        column[:cells], column[cells : 2 * cells], column[2 * cells :] = -SHUT, SHUT, 0

    builder.python(op, run, [source], [made])
    return made


def unmark(builder: Builder, op: Op, source: Tensor, target: Tensor) -> Tensor:
    """Leave the last of the features out."""

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        np.copyto(writes[0], reads[0][..., :-1])

    builder.python(op, run, [as_array(source)], [target])
    return target
