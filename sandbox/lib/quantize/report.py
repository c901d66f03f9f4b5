"""What quantizing did: per layer the kernel, its error, its time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Row:
    """One layer.

    Parameters
    ----------
    layer : str
        Path of its module.
    kernel : str
        "int8" or "f32", and why the latter.
    error : float
        Root mean square of what the layer's own rounding changes in its output, relative to that
        of the output; 0 in f32.
    seconds, seconds_f32 : float
        A batch takes so long, in the quantized and in the given model; NaN where not measured.
    """

    layer: str
    kernel: str
    error: float
    seconds: float
    seconds_f32: float


@dataclass(frozen=True)
class Report:
    """All layers, and the model as a whole.

    Parameters
    ----------
    rows : tuple of Row
    error : float
        Of the model's output on the data of calibration, relative as in `Row`.
    seconds, seconds_f32 : float
        A batch takes so long, as a whole.
    """

    rows: tuple[Row, ...]
    error: float
    seconds: float
    seconds_f32: float

    @property
    def speedup(self) -> float:
        """How many times faster than the given model."""
        return self.seconds_f32 / self.seconds

    def __str__(self) -> str:
        """Return the table."""
        head = ("layer", "kernel", "error", "ms", "ms f32")
        lines = [
            (r.layer, r.kernel, _share(r.error), _ms(r.seconds), _ms(r.seconds_f32))
            for r in self.rows
        ]
        kinds = sum(row.kernel == "int8" for row in self.rows)
        lines.append(
            (
                "model",
                f"int8 in {kinds} of {len(self.rows)}",
                _share(self.error),
                _ms(self.seconds),
                _ms(self.seconds_f32),
            )
        )
        return table([head, *lines])

    __repr__ = __str__


def _share(x: float) -> str:
    return f"{100 * x:.2f} %" if x else "-"


def _ms(seconds: float) -> str:
    return "-" if np.isnan(seconds) else f"{1e3 * seconds:.3f}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of text as columns."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]

    def line(row: Iterable[str]) -> str:
        first, second, *rest = [
            text.ljust(w) if k < 2 else text.rjust(w)
            for k, (text, w) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join([first, second, *rest]).rstrip()

    return "\n".join(line(row) for row in rows)


def relative(found: NDArray[np.floating], true: NDArray[np.floating]) -> float:
    """Return the root mean square of a difference, relative to that of the true values."""
    difference = found.astype(np.float64) - true
    size = float(np.sqrt(np.square(true.astype(np.float64)).mean()))
    return float(np.sqrt(np.square(difference).mean())) / size if size else 0.0
