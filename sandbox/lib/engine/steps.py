"""What every executable tells about itself, whichever backend runs it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import EngineError
from .oplist import OpList, Spec
from .random import RandomKey

Array = NDArray[Any]
Storage = Mapping[str, Array]


@dataclass(frozen=True)
class StepInfo:
    """One step of an executable.

    Parameters
    ----------
    name : str
        Operation, or "reorder".
    path : str
        Module path.
    implementation : str
        Kernel's own name, e.g. "brgconv:avx512_core"; "numpy" for reference kernels.
    layouts : str
        Layouts of the arguments.
    seconds : float or None
        Time of one run (best of a few), from `profile`.
    """

    name: str
    path: str
    implementation: str
    layouts: str
    seconds: float | None = None


class Executable(Protocol):
    """A compiled `OpList`; see `engine.compile`."""

    steps: list[StepInfo]

    def run(self, inputs: Sequence[Array], *, random: RandomKey | None = None) -> list[Array]:
        """Run once; the arrays handed back are valid until the next run."""

    def run_checked(
        self, inputs: Sequence[Array], *, random: RandomKey | None = None
    ) -> list[Array]:
        """Run once on inputs whose shapes and dtypes are known to be the list's."""

    def clone(self, storage: Storage | None = None, owner: Hashable = None) -> Executable:
        """Return a copy with its own activations, for another thread; `owner` as in `compile`."""

    def refresh_parameters(self) -> None:
        """Take over changed weights."""

    def pieces(self) -> Iterable[tuple[object, int]]:
        """Give what it holds in memory, with its bytes; executables share some of it."""

    def profile(self, inputs: Sequence[Array], repeats: int = 3) -> list[StepInfo]:
        """Run a few times and return the steps with their best times."""


def bind(oplist: OpList, storage: Storage) -> dict[int, Array]:
    """Return the arrays of parameters, buffers and constants by value id, checked."""
    arrays: dict[int, Array] = {}
    for kind, pairs in (("parameter", oplist.parameters), ("buffer", oplist.buffers)):
        for name, value in pairs:
            arrays[value] = stored(storage, kind, name, oplist.values[value])
    for array, value in oplist.constants:
        arrays[value] = np.ascontiguousarray(array).reshape(oplist.values[value].shape)
    return arrays


def stored(storage: Storage, kind: str, name: str, spec: Spec) -> Array:
    """Return `storage["kind:name"]`, checked against its spec."""
    array = storage.get(f"{kind}:{name}")
    if array is None:
        raise EngineError(f"{name}: storage must hold '{kind}:{name}'; got nothing under that key.")
    if tuple(array.shape) != spec.shape or str(array.dtype) != spec.dtype:
        raise EngineError(
            f"{name}: the bound {kind} must have shape {spec.shape} and dtype {spec.dtype}; "
            f"got {tuple(array.shape)} {array.dtype}."
        )
    if not array.flags.c_contiguous:
        raise EngineError(
            f"{name}: the bound {kind} must be contiguous; got strides {array.strides}."
        )
    return array


class InputCheck:
    """Refuses inputs which differ from the specs the list was traced with."""

    def __init__(self, oplist: OpList) -> None:
        self._names = [name for name, _ in oplist.inputs]
        self._specs = [oplist.values[value] for _, value in oplist.inputs]
        self._expected = [(spec.shape, np.dtype(spec.dtype)) for spec in self._specs]

    def __call__(self, inputs: Sequence[Array]) -> None:
        """Check them before a run."""
        if [(array.shape, array.dtype) for array in inputs] != self._expected:
            self._refuse(inputs)

    def _refuse(self, inputs: Sequence[Array]) -> None:
        if len(inputs) != len(self._specs):
            raise EngineError(f"run: inputs must be {len(self._specs)} arrays; got {len(inputs)}.")
        for array, name, spec in zip(inputs, self._names, self._specs, strict=True):
            if array.shape != spec.shape or array.dtype != spec.dtype:
                raise EngineError(
                    f"run: input {name!r} must have shape {spec.shape} and dtype {spec.dtype}; "
                    f"got {array.shape} {array.dtype}. Compile a program for this shape."
                )
