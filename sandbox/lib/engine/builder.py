"""Turn a list of operations into steps: layouts are negotiated, reorders put in, choices timed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from . import dnnl, interpreter
from .blueprint import Allocation, Blueprint, PythonKernel, Step, Tensor, plan_memory
from .choices import Candidate, Option, first_legal, legal
from .errors import DataError, EngineError, named
from .joins import write_in_place
from .links import batch_values, origin
from .nan import by_numbers, finite
from .operation import Range
from .oplist import Op, OpList
from .ops import find
from .plan import KernelPlan
from .precision import F32, Precision
from .steps import Array
from .tensors import Tensors
from .timing import Timer

Dims = tuple[int, ...]


class UntimedError(Exception):
    """The plan does not tell which kernel to take, and nobody is there to time them."""


class Builder(Tensors):
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
    precision : Precision
        Assigns the values their dtypes, and tells what products multiply.
    keep_nan : bool
        Use no kernel that may lose NaN.
    timer : Timer, optional
        Times what a plan that is not frozen does not tell; without it that raises `UntimedError`.
    follow : dict of int -> Primitive, optional
        Kernels that are not chosen, by the operation's place: those of another program.
    """

    def __init__(
        self,
        oplist: OpList,
        threads: int,
        plan: KernelPlan,
        policy: str = "",
        precision: Precision = F32,
        keep_nan: bool = False,
        timer: Timer | None = None,
        follow: dict[int, dnnl.Primitive] | None = None,
    ) -> None:
        super().__init__(oplist, precision)
        self.timer = timer
        self._follow = follow or {}
        self._kernels: dict[int, dnnl.Primitive] = {}  # by the operation's place
        self.keep_nan = keep_nan
        self._by_numbers = by_numbers(threads, {op.name for op in oplist.ops})
        self._looks = self._by_numbers and not keep_nan and any(map(_loses_nan, oplist.ops))
        self.threads = threads
        self.plan = plan
        self.policy = policy
        self.notes: dict[Any, Any] = {}  # what a forward lowering leaves for its gradient
        self._with_batch, _ = batch_values(oplist)

    # -- steps -------------------------------------------------------------------------------

    def native(
        self,
        op: Op,
        primitive: dnnl.Primitive,
        reads: dict[int, Tensor],
        writes: dict[int, Tensor],
        over: Tensor | None = None,
    ) -> None:
        """Add a call of a primitive; `over` is what it adds to, where it writes."""
        arguments = [*reads.items(), *writes.items()]
        read = [*reads.values(), *(() if over is None else (over,))]
        step = Step(op.name, op.path, read, list(writes.values()))
        step.primitive, step.arguments = primitive, arguments
        step.loses_nan = _loses_nan(op)
        self._kernels[self._position] = primitive
        self.add(step)

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
        self.add(step)

    def emit(self, op: Op, choice: Candidate) -> None:
        """Add a candidate: fetch what it reads, define what it writes, call it."""
        primitive = choice.primitive
        reads = {
            argument: self.fetch(value, primitive.needs(argument))
            for argument, value in choice.reads.items()
        }
        over = None
        if choice.over is not None:
            over = self.fetch(choice.over, primitive.needs(dnnl.DST))
        writes = {
            argument: self.define(value, primitive.needs(argument), over=over)
            for argument, value in choice.writes.items()
        }
        if over is not None and writes[dnnl.DST].allocation is not over.allocation:
            raise EngineError(f"{op.path} ({op.name}): the sum must lie where its operand does.")
        self.native(op, primitive, reads, writes, over)

    def reference(self, op: Op) -> None:
        """Add the operation's reference kernel as a step."""
        name, attrs = op.name, op.attrs
        specs = [self.spec(value) for value in op.outputs]

        def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
            results = interpreter.call(name, reads, attrs, context.random)
            interpreter.check_results(name, results, specs, op.path)
            for target, result in zip(writes, results, strict=True):
                target[...] = result

        reads = [self.plain(value) for value in op.inputs]
        self.python(op, run, reads, [self.define(value) for value in op.outputs], "reference")

    # -- choices -----------------------------------------------------------------------------

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
            record = find(op.name)
            found: dnnl.Layout | None = None
            if record.view:
                found = self._expected(op.outputs[0])
            elif record.expects is not None:
                found = record.expects(self, op, value)
            if found is not None:
                return found
        return None

    def forward_layout(self, note: tuple[str, int], argument: int) -> dnnl.Layout | None:
        """Return the layout in which a forward kernel, noted by its lowering, has an argument."""
        primitive: dnnl.Primitive | None = self.notes.get(note)
        return primitive.layout(argument) if primitive else None

    def choose(
        self,
        op: Op,
        options: Sequence[Option],
        batch: int,
        wanted: dict[int, dnnl.Layout] | None = None,
    ) -> Candidate:
        """Return the candidate the plan names, else the fastest, which the plan then keeps.

        `wanted` is that of the candidates. Raises `RefusedError` where no option is legal.
        """
        if self._position in self._follow:
            return _followed(self._follow[self._position], legal(options))
        makers = dict(options)
        if self.policy and find(op.name).policies and self.policy in makers:
            with contextlib.suppress(dnnl.RefusedError):
                return makers[self.policy]()
        signature = self._signature(op, wanted or {})
        known = self.plan.lookup(signature, batch)
        if known in makers:
            with contextlib.suppress(dnnl.RefusedError):
                return makers[known]()
        if self.plan.frozen:
            return first_legal(options)
        candidates = legal(options)
        if len(candidates) == 1:
            return candidates[0]
        if self.timer is None:
            raise UntimedError(signature)
        chains = [[item.primitive, *self._reorders(item)] for item in candidates]
        # The likeliest first: that which copies least.
        order = sorted(range(len(chains)), key=lambda i: sum(map(_copied, chains[i][1:])))
        best = order[self.timer.fastest([chains[i] for i in order])]
        self.plan.record(signature, batch, candidates[best].name)
        return candidates[best]

    def choose_dtype(
        self,
        op: Op,
        options: Callable[[str], Sequence[Option]],
        batch: int,
        wanted: dict[int, dnnl.Layout] | None = None,
    ) -> Candidate:
        """Choose among the options in bf16 where that is asked for and one is legal, else f32."""
        for dtype in self.products[:-1]:
            with contextlib.suppress(dnnl.RefusedError):
                return self.choose(op, options(dtype), batch, wanted)
        return self.choose(op, options(self.products[-1]), batch, wanted)

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
        mode += self.precision.mark
        for argument, layout in wanted.items():
            writes += f" {dnnl.ARGUMENT_NAMES[argument]}:{layout.name}"
        return f"{op.name}({reads})->({writes}) [{attrs}] {mode} threads={self.threads}"

    def _reorders(self, candidate: Candidate) -> list[dnnl.Primitive]:
        found = []
        fetched = list(candidate.reads.items())
        if candidate.over is not None:
            fetched.append((dnnl.DST, candidate.over))
        for argument, value in fetched:
            layout = candidate.primitive.needs(argument)
            group = self._groups[value]
            if any(tensor.layout == layout for tensor in group) or group[0].allocation.constant:
                continue
            tensor, targets = self._route(value, layout)
            start = tensor.layout
            for target in targets:
                if start is None or start.dims != target.dims:
                    start = dnnl.plain(target.dims, tensor.dtype)
                if start != target:
                    found.append(dnnl.reorder(start, target))
                start = target
        for argument, wanted in candidate.wanted.items():
            layout = candidate.primitive.needs(argument)
            if layout.plain:
                layout = dnnl.plain(wanted.dims, layout.dtype)
            if layout.dims == wanted.dims and layout != wanted:
                found.append(dnnl.reorder(layout, wanted))
        return found

    # -- the whole ---------------------------------------------------------------------------

    def build(self) -> Blueprint:
        """Lower every operation and return the program."""
        self.lower_all()
        return self.finish()

    def lower_all(self) -> None:
        """Lower every operation: what the program does is known then, not where its values lie."""
        for position, op in enumerate(self.oplist.ops):
            self._position = position
            if self.timer is not None:
                self.timer.report(position / len(self.oplist.ops))
            self._pure = find(op.name).pure
            if not self.lower(op):
                self.reference(op)
            if self._looks and find(op.name).makes_nan:
                self.look(op, op.outputs[0])
            for value in op.outputs:
                self._deliver_gradients(value)
        self._pure = True

    def lower(self, op: Op) -> bool:
        """Add an operation's native steps; False, and nothing added, if it has none."""
        record = find(op.name)
        if record.lower is None or not self._is_float32(op) or self._is_empty(op):
            return False
        if _loses_nan(op) and (self.keep_nan or self._is_fixed(op)):
            return False
        if record.ranges:
            self._check(op)
        before = len(self.steps), len(self.prologue)
        try:
            record.lower(self, op)
        except dnnl.RefusedError:
            if (len(self.steps), len(self.prologue)) != before:
                raise
            return False
        return True

    def _is_fixed(self, op: Op) -> bool:
        """Return whether an operation is done once, before the first run."""
        return not self.training and all(
            tensor.allocation.constant for value in op.inputs for tensor in self._groups[value]
        )

    def look(self, op: Op, value: int) -> None:
        """Add the step that notices NaN and infinity in a value of an operation."""

        def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> Any:
            return not finite(reads)

        self.python(op, run, [self.plain(value)], [], "look")

    def _check(self, op: Op) -> None:
        """Add the step that looks whether integers are in their range, before they are used."""
        for rule in find(op.name).ranges:
            if rule.position < len(op.inputs):
                limit = rule.limit(*[self.spec(value) for value in op.inputs], **op.attrs)
                if limit is None:
                    continue
                step = _range_step(rule, limit, origin(self.oplist, op.inputs[rule.position]))
                self.python(op, step, [self.plain(op.inputs[rule.position])], [], "check")

    def finish(self) -> Blueprint:
        """Deliver updates and outputs, plan the memory and return the program."""
        self._position = len(self.oplist.ops)
        # Outputs first: one may be a buffer as it was before its update.
        outputs = [self._deliver_output(index) for index in range(len(self.oplist.outputs))]
        self._deliver_updates()
        scratch = max(
            (s.primitive.scratch for s in (*self.steps, *self.prologue) if s.primitive), default=0
        )
        self.steps = write_in_place(self.steps)
        arena = plan_memory(self.steps, outputs)
        return Blueprint(
            self.oplist,
            self.threads,
            self.prologue,
            self.steps,
            outputs,
            arena,
            scratch,
            by_numbers=self._by_numbers,
            kernels=self._kernels,
        )

    def _is_empty(self, op: Op) -> bool:
        """Return whether a value of the operation has no elements, which no kernel takes."""
        return any(self.spec(value).size == 0 for value in (*op.inputs, *op.outputs))

    def _is_float32(self, op: Op) -> bool:
        return all(
            self.spec(value).dtype == "float32"
            or self.spec(value).dtype.startswith(("int", "uint", "bool"))
            for value in (*op.inputs, *op.outputs)
        )

    def _deliver_gradients(self, value: int) -> None:
        for key in self._gradients.get(value, ()):
            group = self._groups[value]
            if any(tensor.allocation.key == key for tensor in group):
                continue
            source = next((tensor for tensor in group if tensor.plain), group[0])
            layout = source.layout
            if layout is None and source.dtype == "float32":  # more axes than the library names
                bound = Allocation(source.allocation.nbytes, "bound", key)
                tensor = Tensor(bound, source.shape, source.dtype, None)
                self.python(Op("gradient", (), (), path=key), _copy, [source], [tensor])
                group.append(tensor)
                continue
            if layout is None:
                raise dnnl.RefusedError(f"{key}: must be float32; got {source.dtype}.")
            target = dnnl.plain(layout.dims)
            tensor = Tensor(
                Allocation(target.nbytes, "bound", key), source.shape, "float32", target
            )
            self.reorder(source, tensor)
            group.append(tensor)

    def _deliver_updates(self) -> None:
        sources = []
        for name, value in self.oplist.updates:
            source = self.plain(value)
            if source.allocation.kind == "bound":  # another buffer, which may be updated as well
                kept = self.temporary(source)
                self.python(Op("update", (), (), path=name), _copy, [source], [kept])
                source = kept
            sources.append((name, source))
        for name, source in sources:
            target = Allocation(source.allocation.nbytes, "bound", f"buffer:{name}")
            tensor = Tensor(target, source.shape, source.dtype, source.layout)
            self.python(Op("update", (), (), path=name), _copy, [source], [tensor])

    def _deliver_output(self, index: int) -> Tensor:
        name, value = self.oplist.outputs[index]
        source = self.plain(value)
        if source.allocation.kind == "output" and source.allocation.index == index:
            return source
        target = Allocation(source.allocation.nbytes, "output", index=index)
        tensor = Tensor(target, source.shape, source.dtype, source.layout)
        self.python(Op("output", (), (), path=name), _copy, [source], [tensor])
        return tensor


def _copied(reorder: dnnl.Primitive) -> int:
    return reorder.needs(dnnl.SRC).nbytes


def _followed(kernel: dnnl.Primitive, candidates: Sequence[Candidate]) -> Candidate:
    """Return the candidate of this kernel, or of its layout where nobody reads the workspace."""
    first = next((c for c in candidates if c.primitive.kind == kernel.kind), candidates[0])
    keeps = dnnl.WORKSPACE in (*first.reads, *first.writes)
    if keeps == (kernel.layout(dnnl.WORKSPACE) is not None):
        return replace(first, primitive=kernel)
    wanted = kernel.layout(dnnl.SRC)
    return next((c for c in candidates if c.primitive.layout(dnnl.SRC) == wanted), first)


def _loses_nan(op: Op) -> bool:
    return find(op.name).loses_nan or bool(op.attrs.get("post_ops"))


def _range_step(rule: Range, limit: int, origin: str) -> PythonKernel:
    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        try:
            rule.check(reads[0], limit)
        except DataError as error:
            raise named(error, origin) from None

    return run


def _copy(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
    np.copyto(writes[0], reads[0])
