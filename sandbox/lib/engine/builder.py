"""Turn a list of operations into steps: layouts are negotiated, reorders put in, choices timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import dnnl, interpreter
from .blueprint import Blueprint, Buffer, PythonKernel, Step, Tensor, plan_memory
from .oplist import Op, OpList, Spec
from .passes import batch_values
from .plan import KernelPlan
from .steps import Array

Dims = tuple[int, ...]
ROUNDS = 4  # timing runs of a candidate; the best one counts
_PAIRWISE = ("relu_grad", "tanh_grad", "sigmoid_grad", "add", "multiply")
HOPELESS = 3.0  # times slower than the best so far: not run again


@dataclass
class Candidate:
    """One way to run an operation.

    Parameters
    ----------
    name : str
        Goes into the kernel plan.
    primitive : Primitive
        The kernel.
    reads, writes : dict of argument -> value id
        What the kernel takes and gives; the layouts are the primitive's own.
    wanted : dict of argument -> layout
        In which layouts the outputs will probably be read, to count the reorders.
    """

    name: str
    primitive: dnnl.Primitive
    reads: dict[int, int]
    writes: dict[int, int]
    wanted: dict[int, dnnl.Layout] = field(default_factory=dict)


class Builder:
    """State of one compilation; lowerings call its methods.

    Parameters
    ----------
    oplist : OpList
        After the passes.
    threads : int
        Baked into every primitive.
    plan : KernelPlan
        Known choices are taken from it, new ones are recorded in it.
    policy : str
        Name of the candidate forward convolutions take if they can; "" means the fastest each.
    """

    def __init__(self, oplist: OpList, threads: int, plan: KernelPlan, policy: str = "") -> None:
        self.oplist = oplist
        self.threads = threads
        self.plan = plan
        self.policy = policy
        self.training = bool(oplist.gradients or oplist.updates)
        self.steps: list[Step] = []
        self.prologue: list[Step] = []
        self.notes: dict[Any, Any] = {}  # what a forward lowering leaves for its gradient
        self._groups: dict[int, list[Tensor]] = {}
        self._gradients: dict[int, list[str]] = {}
        self._outputs: dict[int, int] = {}
        self._position = 0
        self._last_use: dict[int, int] = {}
        self._consumers: dict[int, list[Op]] = {}
        self._timings: dict[tuple[Any, ...], float] = {}
        self._with_batch, _ = batch_values(oplist)
        self._prepare()

    def _prepare(self) -> None:
        oplist = self.oplist
        for index, (_, value) in enumerate(oplist.inputs):
            self._source(value, Buffer(0, "input", index=index))
        fixed = not self.training
        for kind, pairs in (("parameter", oplist.parameters), ("buffer", oplist.buffers)):
            for name, value in pairs:
                self._source(value, Buffer(0, "bound", f"{kind}:{name}", constant=fixed))
        for index, (_, value) in enumerate(oplist.constants):
            self._source(value, Buffer(0, "constant", index=index, constant=True))
        for name, value in oplist.gradients:
            self._gradients.setdefault(value, []).append(f"gradient:{name}")
        for index, (_, value) in enumerate(oplist.outputs):
            self._outputs.setdefault(value, index)
        roots: dict[int, int] = {}
        for position, op in enumerate(oplist.ops):
            if op.name == "reshape":  # same bytes, same life
                roots[op.outputs[0]] = roots.get(op.inputs[0], op.inputs[0])
            for value in op.inputs:
                self._consumers.setdefault(value, []).append(op)
                self._last_use[roots.get(value, value)] = position
        for _, value in oplist.updates:
            self._last_use[roots.get(value, value)] = len(oplist.ops)
        for value, root in roots.items():
            self._last_use[value] = self._last_use.get(root, -1)

    def _source(self, value: int, buffer: Buffer) -> None:
        spec = self.oplist.values[value]
        buffer.nbytes = spec.nbytes
        self._groups[value] = [Tensor(buffer, spec.shape, spec.dtype, _plain_layout(spec))]

    # -- what lowerings ask ------------------------------------------------------------------

    def spec(self, value: int) -> Spec:
        """Return shape and dtype of a value."""
        return self.oplist.values[value]

    def shape(self, value: int) -> Dims:
        """Return the shape of a value."""
        return self.oplist.values[value].shape

    def consumers(self, value: int) -> list[Op]:
        """Return the operations that read a value."""
        return self._consumers.get(value, [])

    def is_used(self, value: int) -> bool:
        """Return whether anything reads the value."""
        return value in self._consumers or value in self._outputs or value in self._gradients

    def layouts(self, value: int, dims: Dims | None = None) -> list[dnnl.Layout]:
        """Return the layouts a value is at hand in, with these dims (default: its shape)."""
        wanted = self.shape(value) if dims is None else dims
        found = [
            tensor.layout
            for tensor in self._groups[value]
            if tensor.layout is not None and tensor.layout.dims == wanted
        ]
        if not found and any(tensor.plain for tensor in self._groups[value]):
            found.append(dnnl.plain(wanted))
        return found

    def layout_dims(self, value: int) -> list[Dims]:
        """Return the shapes in which a value is at hand in a layout that is not plain."""
        return [
            tensor.layout.dims
            for tensor in self._groups[value]
            if tensor.layout is not None and not tensor.layout.plain
        ]

    # -- tensors -----------------------------------------------------------------------------

    def alias(self, value: int, other: int) -> None:
        """Let a value share the tensors of another (a reshape)."""
        self._groups[value] = self._groups[other]

    def fetch(self, value: int, layout: dnnl.Layout) -> Tensor:
        """Return the value in this layout, reordering it if need be."""
        group = self._groups[value]
        for tensor in group:
            if tensor.layout == layout:
                return tensor
        chain = self._route(value, layout)
        tensor = chain[0]
        for target in chain[1:]:
            if isinstance(target, Tensor):
                tensor = target
                continue
            made = self._new(value, target, tensor.dtype)
            self._emit_reorder(tensor, made)
            group.append(made)
            tensor = made
        if tensor.layout != layout or tensor not in group:
            tensor = Tensor(tensor.buffer, layout.dims, tensor.dtype, layout)
            group.append(tensor)
        return tensor

    def _route(self, value: int, layout: dnnl.Layout) -> list[Any]:
        """Return the start tensor and the layouts to pass through on the way to `layout`."""
        group = self._groups[value]
        same = [tensor for tensor in group if tensor.layout and tensor.layout.dims == layout.dims]
        if same:
            return [same[0], layout]
        for tensor in group:
            if tensor.plain:
                start = Tensor(tensor.buffer, layout.dims, tensor.dtype, dnnl.plain(layout.dims))
                return [start] if layout.plain else [start, layout]
        tensor = group[0]
        middle = dnnl.plain(tensor.layout.dims if tensor.layout else tensor.shape)
        if layout.plain:
            return [tensor, middle]
        return [tensor, middle, layout]

    def fetch_raw(self, value: int, layout: dnnl.Layout) -> Tensor:
        """Return the opaque bytes a forward kernel wrote, seen as `layout`; never reordered."""
        group = self._groups[value]
        found = next((tensor for tensor in group if tensor.layout == layout), None)
        if found is not None:
            return found
        if group[0].layout is not None or group[0].buffer.nbytes != layout.nbytes:
            raise dnnl.RefusedError(f"workspace: must be of {layout}; got another kernel's.")
        return Tensor(group[0].buffer, layout.dims, layout.dtype, layout)

    def plain(self, value: int) -> Tensor:
        """Return the value in the plain layout, with its own shape."""
        spec = self.spec(value)
        for tensor in self._groups[value]:
            if tensor.plain:
                if tensor.shape == spec.shape:
                    return tensor
                return Tensor(tensor.buffer, spec.shape, spec.dtype, _plain_layout(spec))
        found = self.fetch(value, dnnl.plain(self._groups[value][0].shape))
        return Tensor(found.buffer, spec.shape, spec.dtype, _plain_layout(spec))

    def define(
        self, value: int, layout: dnnl.Layout | None = None, *, over: Tensor | None = None
    ) -> Tensor:
        """Return the tensor a value is to be written to.

        `over` names a tensor whose memory may be written over if nothing reads it any more.
        """
        spec = self.spec(value)
        dtype = spec.dtype if layout is None else layout.dtype
        tensor = self._new(value, layout or _plain_layout(spec), dtype, over)
        self._groups.setdefault(value, []).append(tensor)
        return tensor

    def temporary(self, like: Tensor) -> Tensor:
        """Return memory of a tensor's size that a step may use while it runs."""
        return Tensor(Buffer(like.buffer.nbytes), like.shape, like.dtype, like.layout)

    def _new(
        self, value: int, layout: dnnl.Layout | None, dtype: str, over: Tensor | None = None
    ) -> Tensor:
        spec = self.spec(value)
        is_plain = layout is None or layout.plain
        shape = spec.shape if layout is None or (is_plain and not spec.shape) else layout.dims
        nbytes = spec.nbytes if layout is None else layout.nbytes
        if is_plain and dtype == spec.dtype:
            for key in self._gradients.get(value, ()):
                if not any(tensor.buffer.key == key for tensor in self._groups.get(value, ())):
                    return Tensor(Buffer(nbytes, "bound", key), shape, dtype, layout)
            if value in self._outputs:
                index = self._outputs[value]
                taken = any(t.buffer.kind == "output" for t in self._groups.get(value, ()))
                if not taken:
                    return Tensor(Buffer(nbytes, "output", index=index), shape, dtype, layout)
        if over is not None and self._dies_now(over) and over.buffer.nbytes >= nbytes:
            return Tensor(over.buffer, shape, dtype, layout)
        return Tensor(Buffer(nbytes), shape, dtype, layout)

    def _dies_now(self, tensor: Tensor) -> bool:
        if tensor.buffer.kind != "arena":
            return False
        for value, group in self._groups.items():
            if not any(other.buffer is tensor.buffer for other in group):
                continue
            if value in self._outputs or value in self._gradients:
                return False
            if self._last_use.get(value, -1) > self._position:
                return False
        return True

    # -- steps -------------------------------------------------------------------------------

    def native(
        self, op: Op, primitive: dnnl.Primitive, reads: dict[int, Tensor], writes: dict[int, Tensor]
    ) -> None:
        """Add a call of a primitive."""
        arguments = [*reads.items(), *writes.items()]
        step = Step(op.name, op.path, list(reads.values()), list(writes.values()))
        step.primitive, step.arguments = primitive, arguments
        self._add(step)

    def python(
        self,
        op: Op,
        function: PythonKernel,
        reads: Sequence[Tensor],
        writes: Sequence[Tensor],
        label: str = "numpy",
    ) -> None:
        """Add a call of a Python function on plain arrays: function(context, reads, writes)."""
        step = Step(op.name, op.path, list(reads), list(writes), function=function, label=label)
        self._add(step)

    def _add(self, step: Step) -> None:
        fixed = (
            not self.training
            and step.name != "dropout"
            and bool(step.reads)
            and all(tensor.buffer.constant for tensor in step.reads)
        ) or (step.name == "reorder" and step.reads[0].buffer.constant)
        if fixed:
            for tensor in step.writes:
                if tensor.buffer.kind == "arena":
                    tensor.buffer.kind = "kept"
                tensor.buffer.constant = True
            self.prologue.append(step)
        else:
            self.steps.append(step)

    def _emit_reorder(self, source: Tensor, target: Tensor) -> None:
        if source.layout is None or target.layout is None:
            raise dnnl.RefusedError(f"reorder: must be of float32 values; got {source.dtype}.")
        primitive = dnnl.reorder(source.layout, target.layout)
        step = Step("reorder", "", [source], [target], primitive)
        step.arguments = [(dnnl.SRC, source), (dnnl.DST, target)]
        self._add(step)

    def emit(self, op: Op, choice: Candidate) -> None:
        """Add a candidate: fetch what it reads, define what it writes, call it."""
        primitive = choice.primitive
        reads = {
            argument: self.fetch(value, primitive.needs(argument))
            for argument, value in choice.reads.items()
        }
        writes = {
            argument: self.define(value, primitive.needs(argument))
            for argument, value in choice.writes.items()
        }
        self.native(op, primitive, reads, writes)

    def reference(self, op: Op) -> None:
        """Add the operation's reference kernel as a step."""
        name, attrs = op.name, op.attrs

        def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
            results = interpreter.call(name, reads, attrs, context.random)
            for target, result in zip(writes, results, strict=True):
                target[...] = result

        reads = [self.plain(value) for value in op.inputs]
        self.python(op, run, reads, [self.define(value) for value in op.outputs], "reference")

    # -- choices -----------------------------------------------------------------------------

    def candidates(self, options: Iterable[Callable[[], Candidate]]) -> list[Candidate]:
        """Return the options the library has optimised kernels for, without doubles."""
        found: dict[Any, Candidate] = {}
        refusal: dnnl.RefusedError | None = None
        for make in options:
            try:
                candidate = make()
            except dnnl.RefusedError as error:
                refusal = error
                continue
            primitive = candidate.primitive
            arguments = (*candidate.reads, *candidate.writes)
            layouts = tuple(primitive.needs(argument).key for argument in arguments)
            found.setdefault((primitive.implementation, layouts), candidate)
        if not found and refusal is not None:
            raise refusal
        return list(found.values())

    def wanted(
        self, argument: int, value: int, forward: dnnl.Layout | None = None
    ) -> dict[int, dnnl.Layout]:
        """Return in which layout an output will be read, as far as that is known.

        Plain if it is handed out, else what its reader has at hand, else `forward`.
        """
        if value in self._outputs:
            return {argument: dnnl.plain(self.shape(value))}
        layout = self._expected(value) or forward
        return {} if layout is None else {argument: layout}

    def _expected(self, value: int) -> dnnl.Layout | None:
        """Return the layout the first reader of a gradient works in, from its forward kernel."""
        for op in self.consumers(value):
            found: dnnl.Layout | None = None
            if op.name == "reshape":
                found = self._expected(op.outputs[0])
            elif op.name == "batch_norm_grad" and value == op.inputs[0]:
                found = self._forward_layout(("norm", op.inputs[3]), dnnl.SRC)
            elif op.name == "max_pool2d_grad" and value == op.inputs[0]:
                found = self._forward_layout(("pool", op.inputs[1]), dnnl.DST)
            elif op.name in _PAIRWISE and len(op.inputs) == 2:
                other = op.inputs[1] if value == op.inputs[0] else op.inputs[0]
                if other in self._groups and self.shape(other) == self.shape(value):
                    found = next(iter(self.layouts(other)), None)
            if found is not None:
                return found
        return None

    def _forward_layout(self, note: tuple[str, int], argument: int) -> dnnl.Layout | None:
        primitive: dnnl.Primitive | None = self.notes.get(note)
        return primitive.layout(argument) if primitive else None

    def choose(self, op: Op, candidates: Sequence[Candidate], batch: int) -> Candidate:
        """Return the candidate the plan names, else the fastest, which the plan then keeps."""
        if len(candidates) == 1:
            return candidates[0]
        by_name = {candidate.name: candidate for candidate in candidates}
        if self.policy and op.name == "conv2d" and self.policy in by_name:
            return by_name[self.policy]
        signature = self._signature(op, candidates[0].wanted)
        known = self.plan.lookup(signature, batch)
        if known in by_name:
            return by_name[known]
        if self.plan.frozen:
            return candidates[0]
        seconds = self._time_candidates(candidates)
        best = min(range(len(candidates)), key=lambda i: seconds[i])
        self.plan.record(signature, batch, candidates[best].name)
        return candidates[best]

    def _signature(self, op: Op, wanted: dict[int, dnnl.Layout]) -> str:
        def shape(value: int) -> str:
            sizes = [str(size) for size in self.shape(value)]
            if value in self._with_batch:
                sizes[0] = "N"
            return "x".join(sizes)

        def at_hand(value: int) -> str:
            return "/".join(
                tensor.layout.name for tensor in self._groups[value] if tensor.layout is not None
            )

        attrs = ",".join(
            f"{key}={value}" for key, value in sorted(op.attrs.items()) if "shape" not in key
        )
        reads = " ".join(f"{shape(value)}:{at_hand(value)}" for value in op.inputs)
        writes = " ".join(shape(value) for value in op.outputs)
        mode = "training" if self.training else "inference"
        for argument, layout in wanted.items():
            writes += f" {dnnl.ARGUMENT_NAMES[argument]}:{layout.name}"
        return f"{op.name}({reads})->({writes}) [{attrs}] {mode} threads={self.threads}"

    def _time_candidates(self, candidates: Sequence[Candidate]) -> list[float]:
        primitives: dict[tuple[Any, ...], dnnl.Primitive] = {}
        needs: list[list[tuple[Any, ...]]] = []
        for candidate in candidates:
            keys = []
            for primitive in (candidate.primitive, *self._reorders(candidate)):
                primitives[primitive.key] = primitive
                keys.append(primitive.key)
            needs.append(keys)
        unknown = [item for key, item in primitives.items() if key not in self._timings]
        for primitive, seconds in zip(unknown, time_primitives(unknown), strict=True):
            self._timings[primitive.key] = seconds
        return [sum(self._timings[key] for key in keys) for keys in needs]

    def _reorders(self, candidate: Candidate) -> list[dnnl.Primitive]:
        found = []
        for argument, value in candidate.reads.items():
            layout = candidate.primitive.needs(argument)
            group = self._groups[value]
            if any(tensor.layout == layout for tensor in group) or group[0].buffer.constant:
                continue
            chain = self._route(value, layout)
            start = chain[0].layout
            for target in chain[1:]:
                found.append(dnnl.reorder(start, target))
                start = target
        for argument, wanted in candidate.wanted.items():
            layout = candidate.primitive.needs(argument)
            if layout.plain:
                layout = dnnl.plain(wanted.dims)
            if layout.dims == wanted.dims and layout != wanted:
                found.append(dnnl.reorder(layout, wanted))
        return found

    # -- the whole ---------------------------------------------------------------------------

    def build(self, lowerings: dict[str, Callable[[Builder, Op], None]]) -> Blueprint:
        """Lower every operation and return the program."""
        for position, op in enumerate(self.oplist.ops):
            self._position = position
            before = len(self.steps), len(self.prologue)
            lowering = lowerings.get(op.name)
            if lowering is None or not self._is_float32(op):
                self.reference(op)
            else:
                try:
                    lowering(self, op)
                except dnnl.RefusedError:
                    if (len(self.steps), len(self.prologue)) != before:
                        raise
                    self.reference(op)
            for value in op.outputs:
                self._deliver_gradients(value)
        return self.finish()

    def finish(self) -> Blueprint:
        """Deliver updates and outputs, plan the memory and return the program."""
        self._position = len(self.oplist.ops)
        self._deliver_updates()
        outputs = [self._deliver_output(index) for index in range(len(self.oplist.outputs))]
        scratch = max(
            (s.primitive.scratch for s in (*self.steps, *self.prologue) if s.primitive), default=0
        )
        arena = plan_memory(self.steps, outputs)
        return Blueprint(
            self.oplist, self.threads, self.prologue, self.steps, outputs, arena, scratch
        )

    def _is_float32(self, op: Op) -> bool:
        return all(
            self.spec(value).dtype == "float32"
            or self.spec(value).dtype.startswith(("int", "uint"))
            for value in (*op.inputs, *op.outputs)
        )

    def _deliver_gradients(self, value: int) -> None:
        for key in self._gradients.get(value, ()):
            group = self._groups[value]
            if any(tensor.buffer.key == key for tensor in group):
                continue
            source = next((tensor for tensor in group if tensor.plain), group[0])
            layout = source.layout
            if layout is None:
                raise dnnl.RefusedError(f"{key}: must be float32; got {source.dtype}.")
            target = dnnl.plain(layout.dims)
            tensor = Tensor(Buffer(target.nbytes, "bound", key), source.shape, "float32", target)
            self._emit_reorder(source, tensor)
            group.append(tensor)

    def _deliver_updates(self) -> None:
        for name, value in self.oplist.updates:
            source = self.plain(value)
            target = Buffer(source.buffer.nbytes, "bound", f"buffer:{name}")
            tensor = Tensor(target, source.shape, source.dtype, source.layout)
            self.python(Op("update", (), (), path=name), _copy, [source], [tensor])

    def _deliver_output(self, index: int) -> Tensor:
        name, value = self.oplist.outputs[index]
        source = self.plain(value)
        if source.buffer.kind == "output" and source.buffer.index == index:
            return source
        target = Buffer(source.buffer.nbytes, "output", index=index)
        tensor = Tensor(target, source.shape, source.dtype, source.layout)
        self.python(Op("output", (), (), path=name), _copy, [source], [tensor])
        return tensor


def _copy(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
    np.copyto(writes[0], reads[0])


def _plain_layout(spec: Spec) -> dnnl.Layout | None:
    if spec.dtype != "float32" or spec.size == 0 or len(spec.shape) > 6:
        return None
    return dnnl.plain(spec.shape)


def time_primitives(primitives: Sequence[dnnl.Primitive]) -> list[float]:
    """Return the best time of each primitive, run in turns on made-up data."""
    execute = dnnl.native().lib.dnnl_primitive_execute
    stream = dnnl.new_stream()
    calls = []
    keep: list[Any] = []
    for primitive in primitives:
        pairs = []
        for argument in (*dnnl.ARGUMENT_NAMES, dnnl.SCRATCHPAD):
            layout = primitive.layout(argument)
            if layout is not None:
                memory = np.zeros(layout.nbytes + 64, np.uint8)
                memory[::4096] = 0  # the pages must exist
                keep.append(memory)
                address = -(-memory.ctypes.data // 64) * 64
                pairs.append((argument, dnnl.new_memory(layout, address)))
        keep.append(pairs)
        calls.append((primitive.handle, stream, len(pairs), dnnl.new_arguments(pairs)))
    best = [float("inf")] * len(calls)
    for turn in range(1 + ROUNDS):
        limit = min(best, default=0.0) * HOPELESS
        for position, arguments in enumerate(calls):
            if turn > 1 and best[position] > limit and len(calls) > 1:
                continue
            start = time.perf_counter()
            status = execute(*arguments)
            seconds = time.perf_counter() - start
            dnnl.check(status, primitives[position].kind, "a timing run")
            if turn:
                best[position] = min(best[position], seconds)
    return best
