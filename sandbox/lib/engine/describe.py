"""Tell what runs here and why: processor, libraries, and the kernel that serves each operation."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from . import passes, threads
from .builder import Builder
from .errors import EngineError
from .oplist import Op, OpList, Spec
from .ops import OPERATIONS
from .plan import KernelPlan, cache_file, processor


@dataclass(frozen=True)
class Kernel:
    """Which implementation serves an operation (for a sample shape), and why."""

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
            lines += ["", f"{'operation':<22} {'by':<9} {'kernel':<34} why"]
            lines += [
                f"{item.operation:<22} {item.served_by:<9} {item.implementation:<34} {item.why}"
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
    """Lower the sample of every operation that has one and look at the step that serves it."""
    found = []
    plan = KernelPlan(frozen=True)
    for name, record in OPERATIONS.items():
        if record.sample is None:
            continue
        specs = [Spec(shape) for shape in record.sample.shapes]
        outputs = record.infer(*specs, **record.sample.attrs)
        ids = tuple(range(len(specs))), tuple(range(len(specs), len(specs) + len(outputs)))
        oplist = OpList(
            values=[*specs, *outputs],
            ops=[Op(name, *ids, record.sample.attrs)],
            inputs=[("", value) for value in ids[0]],
            outputs=[("", value) for value in ids[1][:1]],
        )
        builder = Builder(passes.optimise(oplist), threads.get_threads(), plan)
        step = next(item for item in builder.build().steps if item.name == name)
        info = step.info()
        if step.primitive is not None:
            found.append(Kernel(name, "oneDNN", info.implementation, "first choice of the library"))
        else:
            why = "no optimised oneDNN kernel on this processor"
            found.append(Kernel(name, "NumPy", info.implementation, why))
    rest = "NumPy's kernel is as quick, or exactness asks for it"
    found += [
        Kernel(name, "NumPy", "numpy", rest)
        for name, record in OPERATIONS.items()
        if record.lower is None and not record.gradient and "." not in name
    ]
    return found
