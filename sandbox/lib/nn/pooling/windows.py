"""What poolings share: windows that slide over a map, and maps that are pooled whole."""

from __future__ import annotations

from typing import Any, ClassVar, TypeAlias

from ...core import ops
from ...core.errors import ArgumentError
from ...core.validate import boolean, one_of, sides, window
from ..checks import check_rank, check_window, floating, window_text
from ..convolution.base import LAYOUTS, Padding, same_padding
from ..module import Module

Sizes: TypeAlias = int | tuple[int, ...]
_WORDS = ("same", "valid")


class Pooling(Module):
    """What pooling with a sliding window shares: sizes, checks and repr.

    Subclasses tell their number of `axes` and write `pool(x, padding)`.
    """

    axes: ClassVar[int]

    def __init__(
        self,
        kernel_size: Sizes,
        *,
        stride: Sizes | None = None,
        padding: Padding = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.kernel_size = window("kernel_size", kernel_size, self.axes)
        self.stride = self.kernel_size if stride is None else window("stride", stride, self.axes)
        self.dilation = window("dilation", dilation, self.axes)
        if isinstance(padding, str) and one_of("padding", padding, _WORDS) == "same":
            self.padding: str | tuple[tuple[int, int], ...] = "same"
        else:
            self.padding = sides("padding", 0 if isinstance(padding, str) else padding, self.axes)
            for ends, reach in zip(self.padding, self.reach, strict=True):
                if max(ends) >= reach:
                    raise ArgumentError(
                        "`padding` must be smaller than the window, else some windows see nothing; "
                        f"got {padding!r} with kernel_size={kernel_size!r}."
                    )
        self.ceil_mode = boolean("ceil_mode", ceil_mode)

    @property
    def reach(self) -> tuple[int, ...]:
        """From the first element of a window to its last one, both counted."""
        both = zip(self.kernel_size, self.dilation, strict=True)
        return tuple((size - 1) * gap + 1 for size, gap in both)

    def call(self, x: Any) -> Any:
        """Check the input and pool it."""
        x = floating(x)
        check_rank(x, LAYOUTS[self.axes], 2 + self.axes)
        padding = self.padding
        if isinstance(padding, str):
            padding = same_padding(x.shape[2:], self.kernel_size, self.stride, self.dilation)
        if not self.ceil_mode:  # which gives what is left over a window, too
            check_window(x, self.kernel_size, padding, self.dilation)
        return self.pool(x, padding)

    def pool(self, x: Any, padding: Any) -> Any:
        """Pool a batch, with this padding."""
        raise NotImplementedError(f"{type(self).__name__} must define pool(self, x, padding).")

    def extra(self) -> str:
        """Give the window, then what differs from the defaults."""
        parts = [window_text(self.kernel_size)]
        if self.stride != self.kernel_size:
            parts.append(f"stride={window_text(self.stride)}")
        if isinstance(self.padding, str) or any(map(any, self.padding)):
            parts.append(f"padding={self.padding if self.axes > 1 else self.padding[0]}")
        if any(gap > 1 for gap in self.dilation):
            parts.append(f"dilation={window_text(self.dilation)}")
        if self.ceil_mode:
            parts.append("ceil_mode=True")
        return ", ".join(parts)


class GlobalPooling(Module):
    """What pooling over the whole map shares; subclasses tell their `axes` and write `pool(x)`.

    Parameters
    ----------
    keep_axes : bool
        Whether the pooled axes stay, of size 1.
    """

    axes: ClassVar[int]

    def __init__(self, *, keep_axes: bool = False, name: str | None = None) -> None:
        super().__init__(name=name)
        self.keep_axes = boolean("keep_axes", keep_axes)

    def call(self, x: Any) -> Any:
        """Check the input and pool it."""
        x = floating(x)
        check_rank(x, LAYOUTS[self.axes], 2 + self.axes)
        check_window(x, (1,) * self.axes, ((0, 0),) * self.axes, (1,) * self.axes)
        y = self.pool(x, x.shape[2:])
        return y if self.keep_axes else ops.reshape(y, x.shape[:2])

    def pool(self, x: Any, size: tuple[int, ...]) -> Any:
        """Pool a batch of maps of this size."""
        raise NotImplementedError(f"{type(self).__name__} must define pool(self, x, size).")

    def extra(self) -> str:
        """Give what differs from the defaults."""
        return "keep_axes=True" if self.keep_axes else ""
