"""Tell what runs here and why: processor, libraries, and the kernel that serves each operation."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from . import passes, threads
from .builder import Builder
from .errors import EngineError
from .operation import Operation, Sample
from .oplist import Op, OpList, Spec
from .ops import OPERATIONS
from .plan import KernelPlan, cache_file, processor

BY_SHAPE = "by shape"
_ORDER = ("oneDNN", "MKL", BY_SHAPE, "NumPy")


@dataclass(frozen=True)
class Kernel:
    """Which implementation serves an operation (for a sample shape), and why.

    `served_by` is oneDNN, MKL, NumPy, or "by shape": of those, what suits the shapes at hand. The
    implementation "reference" is NumPy's kernel as the records have it.
    """

    operation: str
    served_by: str
    implementation: str
    why: str


@dataclass(frozen=True)
class Description:
    """What `describe` found; `str()` is a table for people."""

    native: bool
    reason: str
    processor: str
    cores: int
    threads: int
    instruction_sets: str
    libraries: dict[str, str]
    plan_file: str
    kernels: list[Kernel] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return asdict(self)

    def __str__(self) -> str:
        rows = [
            ("engine", self.reason),
            ("processor", f"{self.processor}, {self.cores} cores, {self.threads} used here"),
            ("instructions", self.instruction_sets),
            *self.libraries.items(),
            ("kernel plan", self.plan_file),
        ]
        lines = [f"{name:<14} {value}" for name, value in rows]
        if self.kernels:
            lines += ["", f"{'operation':<28} {'by':<9} {'kernel':<20} why"]
            lines += [
                f"{item.operation:<28} {item.served_by:<9} {item.implementation:<20} {item.why}"
                for item in self.kernels
            ]
        return "\n".join(lines)


def describe(is_native: bool, fingerprint: str, *, kernels: bool = True) -> Description:
    """Look at processor, libraries and, if wanted, kernels; opens MKL if it is installed."""
    libraries = {"numpy": np.__version__}
    sets, served = "not asked", list[Kernel]()
    if is_native:
        from . import dnnl

        libraries["oneDNN"] = f"{dnnl.version()}, {dnnl.native().path}"
        sets = dnnl.isa()
        if os.environ.get("ONEDNN_MAX_CPU_ISA"):
            sets += f" (limited by ONEDNN_MAX_CPU_ISA={os.environ['ONEDNN_MAX_CPU_ISA']})"
        served = _kernels() if kernels else []
    libraries["MKL"] = _mkl()
    if is_native:
        reason = "oneDNN, NumPy for what it does not serve"
    elif os.environ.get("SANDBOX_ENGINE") == "reference":
        reason = "NumPy, because SANDBOX_ENGINE=reference"
    else:
        reason = f"NumPy; {_why_missing()}"
    return Description(
        native=is_native,
        reason=reason,
        processor=processor(),
        cores=threads.cpu_count(),
        threads=threads.get_threads(),
        instruction_sets=sets,
        libraries=libraries,
        plan_file=str(cache_file(fingerprint)),
        kernels=served,
    )


def _mkl() -> str:
    from . import mkl

    try:
        return f"{mkl.version()}; matrix products by {mkl.preferred_gemm()}"
    except EngineError as error:
        return str(error).splitlines()[0]


def _why_missing() -> str:
    from . import dnnl

    try:
        dnnl.native()
    except EngineError as error:
        return str(error).splitlines()[0]
    return "use_reference() is on"


def _kernels() -> list[Kernel]:
    """Tell of every operation of the engine's own who serves it."""
    plan = KernelPlan(frozen=True)
    own = {name: record for name, record in OPERATIONS.items() if "." not in name}
    found = [_kernel(name, record, plan) for name, record in own.items()]
    return sorted(found, key=lambda kernel: _ORDER.index(kernel.served_by))


def _kernel(name: str, record: Operation, plan: KernelPlan) -> Kernel:
    if record.sample is not None:
        return _shown(name, record, plan)
    if record.lower is not None:
        why = "its lowering looks at shapes, layouts and dtypes"
        return Kernel(name, BY_SHAPE, "", "no work: the same bytes" if record.view else why)
    return Kernel(name, "NumPy", "reference", _why(record))


def _shown(name: str, record: Operation, plan: KernelPlan) -> Kernel:
    """Lower the sample of an operation and look at the step that serves it."""
    sample = record.sample or Sample((), {})
    specs = [Spec(shape) for shape in sample.shapes]
    outputs = record.infer(*specs, **sample.attrs)
    ids = tuple(range(len(specs))), tuple(range(len(specs), len(specs) + len(outputs)))
    oplist = OpList(
        values=[*specs, *outputs],
        ops=[Op(name, *ids, sample.attrs)],
        inputs=[("", value) for value in ids[0]],
        outputs=[("", value) for value in ids[1][:1]],
    )
    better = passes.optimise(oplist)
    served = better.ops[0].name  # passes write some as others
    builder = Builder(better, threads.get_threads(), plan)
    step = next(item for item in builder.build().steps if item.name == served)
    why = "" if served == name else f"as {served}: "
    info = step.info()
    if step.primitive is not None:
        return Kernel(name, "oneDNN", info.implementation, why + "first choice of the library")
    if info.implementation == "mkl":
        return Kernel(name, "MKL", "sgemm", why + "measured, or SANDBOX_GEMM says so")
    why += "no optimised oneDNN kernel on this processor"
    return Kernel(name, "NumPy", info.implementation, why)


def _why(record: Operation) -> str:
    """Tell why NumPy's kernel serves an operation."""
    if record.why:
        return record.why
    if record.random:
        return "random numbers are the same on every machine"
    if record.moves:
        return "elements move, which NumPy does as quickly"
    return "NumPy's kernel is as quick, or exactness asks for it"
