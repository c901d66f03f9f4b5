"""Where every value of a program lies: the tensors it is at hand in, one per layout."""

from __future__ import annotations

from collections.abc import Iterable

from . import dnnl
from .blueprint import Allocation, Step, Tensor, private
from .oplist import Op, OpList, Spec
from .ops import find
from .precision import F32, Precision

Dims = tuple[int, ...]


class Copies(list[Tensor]):
    """The tensors a value is at hand in; values that are reshapes of each other share them.

    `holders` learns of every piece of memory in it: who asks whether memory may be written over
    would else have to look through all values.
    """

    def __init__(self, tensors: Iterable[Tensor], holders: dict[Allocation, list[Copies]]) -> None:
        super().__init__()
        self.values: list[int] = []
        self._holders = holders
        for tensor in tensors:
            self.append(tensor)

    def append(self, tensor: Tensor) -> None:
        """Add a tensor."""
        super().append(tensor)
        held = self._holders.setdefault(tensor.allocation, [])
        if not any(copies is self for copies in held):
            held.append(self)


class Tensors:
    """The values of one compilation and the steps made so far.

    Parameters
    ----------
    oplist : OpList
        After the passes.
    precision : Precision
        Assigns the values their dtypes.
    """

    def __init__(self, oplist: OpList, precision: Precision = F32) -> None:
        self.oplist = oplist
        self.precision = precision
        self.products = precision.products
        self._dtypes = precision.storage(oplist)
        self.training = bool(oplist.gradients or oplist.updates)
        self.steps: list[Step] = []
        self.prologue: list[Step] = []
        self._groups: dict[int, Copies] = {}
        self._holders: dict[Allocation, list[Copies]] = {}
        self._gradients: dict[int, list[str]] = {}
        self._outputs: dict[int, int] = {}
        self._position = 0
        self._pure = True  # the operation that is lowered now gives the same whenever it runs
        self._last_use: dict[int, int] = {}
        self._consumers: dict[int, list[Op]] = {}
        self._prepare()

    def _prepare(self) -> None:
        oplist = self.oplist
        for index, (_, value) in enumerate(oplist.inputs):
            self._source(value, Allocation(0, "input", index=index))
        fixed = not self.training
        for kind, pairs in (("parameter", oplist.parameters), ("buffer", oplist.buffers)):
            for name, value in pairs:
                self._source(value, Allocation(0, "bound", f"{kind}:{name}", constant=fixed))
        for index, (_, value) in enumerate(oplist.constants):
            self._source(value, Allocation(0, "constant", index=index, constant=True))
        for name, value in oplist.gradients:
            self._gradients.setdefault(value, []).append(f"gradient:{name}")
        for index, (_, value) in enumerate(oplist.outputs):
            self._outputs.setdefault(value, index)
        for op in reversed(oplist.ops):
            if find(op.name).view and op.outputs[0] in self._outputs:  # written where it goes
                self._outputs.setdefault(op.inputs[0], self._outputs[op.outputs[0]])
        roots: dict[int, int] = {}
        for position, op in enumerate(oplist.ops):
            if find(op.name).view:  # same bytes, same life
                roots[op.outputs[0]] = roots.get(op.inputs[0], op.inputs[0])
            for value in op.inputs:
                self._consumers.setdefault(value, []).append(op)
                self._last_use[roots.get(value, value)] = position
        for _, value in oplist.updates:
            self._last_use[roots.get(value, value)] = len(oplist.ops)
        for value, root in roots.items():
            self._last_use[value] = self._last_use.get(root, -1)

    def _source(self, value: int, allocation: Allocation) -> None:
        spec = self.oplist.values[value]
        allocation.nbytes = spec.nbytes
        self.hold(value, [Tensor(allocation, spec.shape, spec.dtype, plain_layout(spec))])

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

    def dtype_of(self, value: int) -> str:
        """Return the dtype a value is stored in."""
        return self._dtypes[value]

    def dtype_from(self, dtype: str, value: int) -> str:
        """Return the dtype a kernel that multiplies `dtype` writes a value in."""
        return "float32" if dtype == "float32" else self.dtype_of(value)

    def layouts(
        self, value: int, dims: Dims | None = None, dtype: str | None = None
    ) -> list[dnnl.Layout]:
        """Return the layouts a value is at hand in, with these dims (default: its shape).

        Layouts of another type than `dtype` (default: the value's) are turned into such of it.
        Values that no kernel of the library reads, such as int64, are in none.
        """
        wanted, dtype = self.shape(value) if dims is None else dims, dtype or self.dtype_of(value)
        if dtype not in self.products:
            return []
        found = [
            tensor.layout
            for tensor in self._groups[value]
            if tensor.layout is not None and tensor.layout.dims == wanted
        ]
        if not found and any(tensor.plain for tensor in self._groups[value]):
            found.append(dnnl.plain(wanted, dtype))
        same = [layout for layout in found if layout.dtype == dtype]
        return same or [dnnl.retyped(layout, dtype) for layout in found]

    def layout_dims(self, value: int) -> list[Dims]:
        """Return the shapes in which a value is at hand in a layout that is not plain."""
        return [
            tensor.layout.dims
            for tensor in self._groups[value]
            if tensor.layout is not None and not tensor.layout.plain
        ]

    # -- tensors -----------------------------------------------------------------------------

    def tensors(self, value: int) -> list[Tensor]:
        """Return the tensors a value is at hand in; empty if it is not written yet."""
        return self._groups.get(value, [])

    def hold(self, value: int, tensors: list[Tensor]) -> None:
        """Let a value be at hand in these tensors."""
        self._share(value, Copies(tensors, self._holders))

    def alias(self, value: int, other: int) -> None:
        """Let a value share the tensors of another (a reshape)."""
        self._share(value, self._groups[other])

    def _share(self, value: int, copies: Copies) -> None:
        self._groups[value] = copies
        copies.values.append(value)

    def fetch(self, value: int, layout: dnnl.Layout) -> Tensor:
        """Return the value in this layout, reordering it if need be."""
        group = self._groups[value]
        for tensor in group:
            if tensor.layout == layout:
                return tensor
        tensor, targets = self._route(value, layout)
        for target in targets:
            if tensor.layout is None or tensor.layout.dims != target.dims:
                tensor = _renamed(tensor, target.dims)
            if tensor.layout != target:
                made = self._new(value, target, target.dtype)
                self.reorder(tensor, made)
                tensor = made
            group.append(tensor)
        return tensor

    def _route(self, value: int, layout: dnnl.Layout) -> tuple[Tensor, list[dnnl.Layout]]:
        """Return where to start and the layouts to pass through on the way to `layout`.

        Between two of them axes are renamed, which costs nothing, if the first one is plain.
        """
        group = self._groups[value]
        for tensor in group:
            if tensor.layout and tensor.layout.dims == layout.dims:
                return tensor, [layout]
        for tensor in group:
            if tensor.plain:
                return tensor, [layout]
        tensor = group[0]
        dims = tensor.layout.dims if tensor.layout else tensor.shape
        return tensor, [dnnl.plain(dims, tensor.dtype), layout]

    def fetch_raw(self, value: int, layout: dnnl.Layout) -> Tensor:
        """Return the opaque bytes a forward kernel wrote, seen as `layout`; never reordered."""
        group = self._groups[value]
        found = next((tensor for tensor in group if tensor.layout == layout), None)
        if found is not None:
            return found
        if group[0].layout is not None or group[0].allocation.nbytes != layout.nbytes:
            raise dnnl.RefusedError(f"workspace: must be of {layout}; got another kernel's.")
        return Tensor(group[0].allocation, layout.dims, layout.dtype, layout)

    def plain(self, value: int) -> Tensor:
        """Return the value in the plain layout, with its own shape."""
        spec = self.spec(value)
        for tensor in self._groups[value]:
            if tensor.plain and tensor.dtype not in self.products[:-1]:
                if tensor.shape == spec.shape:
                    return tensor
                return Tensor(tensor.allocation, spec.shape, spec.dtype, plain_layout(spec))
        found = self.fetch(value, dnnl.plain(self._groups[value][0].shape, spec.dtype))
        return Tensor(found.allocation, spec.shape, spec.dtype, plain_layout(spec))

    def define(
        self, value: int, layout: dnnl.Layout | None = None, *, over: Tensor | None = None
    ) -> Tensor:
        """Return the tensor a value is to be written to.

        `over` names a tensor whose memory may be written over if nothing reads it any more.
        """
        spec = self.spec(value)
        dtype = spec.dtype if layout is None else layout.dtype
        tensor = self._new(value, layout or plain_layout(spec), dtype, over)
        if value in self._groups:
            self._groups[value].append(tensor)
        else:
            self.hold(value, [tensor])
        return tensor

    def temporary(self, like: Tensor) -> Tensor:
        """Return memory of a tensor's size that a step may use while it runs."""
        return Tensor(Allocation(like.allocation.nbytes), like.shape, like.dtype, like.layout)

    def _new(
        self, value: int, layout: dnnl.Layout | None, dtype: str, over: Tensor | None = None
    ) -> Tensor:
        spec = self.spec(value)
        is_plain = layout is None or layout.plain
        shape = spec.shape if layout is None or (is_plain and not spec.shape) else layout.dims
        nbytes = spec.nbytes if layout is None else layout.nbytes
        if is_plain and dtype == spec.dtype:
            for key in self._gradients.get(value, ()):
                if not any(tensor.allocation.key == key for tensor in self._groups.get(value, ())):
                    return Tensor(Allocation(nbytes, "bound", key), shape, dtype, layout)
            if value in self._outputs:
                index = self._outputs[value]
                taken = any(t.allocation.kind == "output" for t in self._groups.get(value, ()))
                if not taken:
                    return Tensor(Allocation(nbytes, "output", index=index), shape, dtype, layout)
        if over is not None and self._dies_now(over) and over.allocation.nbytes >= nbytes:
            self._holders.pop(over.allocation, None)  # they are dead, and a sum may grow for long
            return Tensor(over.allocation, shape, dtype, layout)
        return Tensor(Allocation(nbytes), shape, dtype, layout)

    def may_be_overwritten(self, value: int, by: int) -> bool:
        """Return whether the operation that is lowered now is the last to read a value.

        Its memory may then be taken by what the operation writes, unless that is handed out.
        """
        if by in self._outputs or by in self._gradients:
            return False
        return all(self._dies_now(tensor) for tensor in self._groups[value])

    def _dies_now(self, tensor: Tensor) -> bool:
        if tensor.allocation.kind != "arena":
            return False
        return not any(
            value in self._outputs
            or value in self._gradients
            or self._last_use.get(value, -1) > self._position
            for copies in self._holders.get(tensor.allocation, ())
            for value in copies.values
        )

    # -- steps -------------------------------------------------------------------------------

    def moved(self, source: Tensor, layout: dnnl.Layout) -> Tensor:
        """Return a tensor in this layout, reordered into memory of its own if need be."""
        if source.layout == layout:
            return source
        target = private(layout)
        self.reorder(source, target)
        return target

    def reorder(self, source: Tensor, target: Tensor) -> None:
        """Add the step that copies a tensor into another layout."""
        if source.layout is None or target.layout is None:
            raise dnnl.RefusedError(f"reorder: must be of float32 values; got {source.dtype}.")
        primitive = dnnl.reorder(source.layout, target.layout)
        step = Step("reorder", "", [source], [target], primitive)
        step.arguments = [(dnnl.SRC, source), (dnnl.DST, target)]
        self.add(step)

    def add(self, step: Step) -> None:
        """Add a step, to those that run once if nothing it reads ever changes.

        What is handed out is written anew in each run: the caller may have changed it.
        """
        fixed = all(tensor.allocation.kind == "arena" for tensor in step.writes) and (
            (
                not self.training
                and self._pure
                and bool(step.reads)
                and all(tensor.allocation.constant for tensor in step.reads)
            )
            or (step.name == "reorder" and step.reads[0].allocation.constant)
        )
        if fixed:
            for tensor in step.writes:
                tensor.allocation.kind = "kept"
                tensor.allocation.constant = True
            self.prologue.append(step)
        else:
            for tensor in step.writes:
                if tensor.allocation.kind == "kept":
                    self._take_back(tensor.allocation)
            self.steps.append(step)

    def _take_back(self, allocation: Allocation) -> None:
        """Let what runs once run each time: a second step of the same operation writes over it."""
        makers = [s for s in self.prologue if any(t.allocation is allocation for t in s.writes)]
        self.prologue = [step for step in self.prologue if step not in makers]
        self.steps += makers
        for made in (tensor for step in makers for tensor in step.writes):
            made.allocation.kind, made.allocation.constant = "arena", False


def _renamed(tensor: Tensor, dims: Dims) -> Tensor:
    """Return a plain tensor with other axes of the same sizes."""
    return Tensor(tensor.allocation, dims, tensor.dtype, dnnl.plain(dims, tensor.dtype))


def plain_layout(spec: Spec) -> dnnl.Layout | None:
    """Return the layout of a value as it comes; None where no kernel reads it."""
    if spec.dtype != "float32" or spec.size == 0 or len(spec.shape) > 6:
        return None
    return dnnl.plain(spec.shape)
