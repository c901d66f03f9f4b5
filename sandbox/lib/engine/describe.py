"""Tell what runs here and why: processor, libraries, and the kernel that serves each operation."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from . import threads
from .errors import EngineError
from .oplist import Op, OpList, Spec
from .plan import KernelPlan, cache_file, processor

_CONV = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
_POOL = {"kernel": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0))}
_MAP, _SMALLER, _WEIGHTS, _ROWS = (8, 16, 16, 16), (8, 16, 8, 8), (16, 16, 3, 3), (32, 64)
_EPSILON = {"epsilon": 1e-5}
_SAMPLES: dict[str, tuple[tuple[tuple[int, ...], ...], dict[str, Any]]] = {
    "conv2d": ((_MAP, _WEIGHTS), _CONV),
    "conv2d_grad_input": ((_MAP, _WEIGHTS), {**_CONV, "input_shape": _MAP}),
    "conv2d_grad_weight": (
        (_MAP, _MAP),
        {**_CONV, "weight_shape": _WEIGHTS, "with_bias": False},
    ),
    "linear": ((_ROWS, (48, 64)), {}),
    "linear_grad_input": (((32, 48), (48, 64)), {}),
    "linear_grad_weight": ((_ROWS, (32, 48)), {"with_bias": True}),
    "matmul": ((_ROWS, (64, 48)), {}),
    "max_pool2d": ((_MAP,), _POOL),
    "avg_pool2d": ((_MAP,), {**_POOL, "include_padding": False}),
    "avg_pool2d_grad": (
        (_SMALLER,),
        {**_POOL, "include_padding": False, "input_shape": _MAP},
    ),
    "batch_norm": ((_MAP, (16,), (16,)), _EPSILON),
    "batch_norm_inference": ((_MAP, (16,), (16,), (16,), (16,)), _EPSILON),
    "batch_norm_grad": ((_MAP, _MAP, (16,), (16,), (16,)), _EPSILON),
    "relu": ((_MAP,), {}),
    "relu_grad": ((_MAP, _MAP), {}),
    "tanh": ((_MAP,), {}),
    "sigmoid": ((_MAP,), {}),
    "add": ((_MAP, _MAP), {}),
    "softmax": (((512, 64),), {"axis": 1}),
}


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


def describe(is_native: bool, fingerprint: str) -> Description:
    """Look at processor, libraries and kernels; opens MKL if it is installed."""
    libraries = {"numpy": np.__version__}
    sets, kernels = "not asked", []
    if is_native:
        from . import dnnl

        libraries["oneDNN"] = f"{dnnl.version()}, {dnnl.native().path}"
        sets = dnnl.isa()
        if os.environ.get("ONEDNN_MAX_CPU_ISA"):
            sets += f" (limited by ONEDNN_MAX_CPU_ISA={os.environ['ONEDNN_MAX_CPU_ISA']})"
        kernels = _kernels()
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
        kernels=kernels,
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
    from . import passes
    from .builder import Builder
    from .infer import infer
    from .native import LOWERINGS

    found = []
    plan = KernelPlan(frozen=True)
    known: dict[str, Callable[..., None]] = LOWERINGS
    for name, (shapes, attrs) in _SAMPLES.items():
        specs = [Spec(shape) for shape in shapes]
        outputs = [specs[0]] if name == "add" else infer(name, specs, attrs)
        ids = tuple(range(len(specs))), tuple(range(len(specs), len(specs) + len(outputs)))
        oplist = OpList(
            values=[*specs, *outputs],
            ops=[Op(name, *ids, attrs)],
            inputs=[("", value) for value in ids[0]],
            outputs=[("", value) for value in ids[1]],
        )
        builder = Builder(passes.optimise(oplist), threads.get_threads(), plan)
        step = next(item for item in builder.build(known).steps if item.name == name)
        info = step.info()
        if step.primitive is not None:
            found.append(Kernel(name, "oneDNN", info.implementation, "first choice of the library"))
        else:
            why = "no optimised oneDNN kernel on this processor"
            found.append(Kernel(name, "NumPy", info.implementation, why))
    rest = "NumPy's kernel is as quick, or exactness asks for it"
    others = ("dropout", "softmax_cross_entropy", "log_softmax", "concat", "sum", "exp", "log")
    found += [Kernel(name, "NumPy", "numpy", rest) for name in others]
    return found
