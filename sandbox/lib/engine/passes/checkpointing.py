"""Less memory for more time: what the backward pass reads is forgotten, and computed once more.

The forward pass is cut into segments. What later segments read is kept; the rest of a segment is
computed again from it just before the backward pass needs it. With n operations of equal size and
segments of sqrt(n), memory grows with sqrt(n) for one more forward pass. Where to cut is searched:
at narrow places, for several numbers of segments, and the list with the lowest peak is taken.

Source: Chen, Xu, Zhang, Guestrin 2016, Training Deep Nets with Sublinear Memory Cost, section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..links import Links, kept
from ..oplist import Op, OpList
from ..ops import OURS, find

CHECKPOINTING = ("off", "light", "full")
_SEGMENTS = (2, 3, 4, 6, 8, 12, 16, 24, 32)


def recompute(oplist: OpList, kind: str) -> tuple[OpList, list[int]]:
    """Return the list with the lowest peak of memory, and the place each operation came from.

    Parameters
    ----------
    oplist : OpList
        Of a training step, after the other passes: what is computed again is fused alike. It is
        returned as it is where nothing can be won.
    kind : "light" or "full"
        Compute again what costs no more than to read and write it (norms, activations, pooling), or
        everything.
    """
    forward = _Forward(oplist, kind)
    best, places = oplist, list(range(len(oplist.ops)))
    lowest = peak(oplist)
    for count in _SEGMENTS:
        found, origins = forward.repeated(forward.cuts(count))
        need = peak(found)
        if need < lowest:
            best, places, lowest = found, origins, need
    return best, places


def peak(oplist: OpList) -> int:
    """Return about how many bytes live within a run at its fullest moment.

    Counted are values in their plain layout without parameters and their gradients; kernels that
    write over what they read, further layouts and scratchpads are not.
    """
    links = Links(oplist)
    bound = {links.root(value) for _, value in oplist.gradients}
    last: dict[int, int] = {}
    for place, op in enumerate(oplist.ops):
        for value in (*op.inputs, *op.outputs):
            last[links.root(value)] = place
    ends: dict[int, int] = {}
    now = most = 0
    for place, op in enumerate(oplist.ops):
        for value in op.outputs:
            if links.root(value) == value and value not in bound:
                size = _bytes(oplist, op, value)
                now += size
                ends[last[value]] = ends.get(last[value], 0) + size
        most = max(most, now)
        now -= ends.get(place, 0)
    return most


def _bytes(oplist: OpList, op: Op, value: int) -> int:
    spec = oplist.values[value]
    # What a kernel keeps for its gradient is a mask or an index of a byte for an element at most.
    opaque = find(op.name).keeps and not spec.dtype.startswith("float")
    return spec.size if opaque else spec.nbytes


class _Forward:
    """The operations of a forward pass, and what of their results can be computed once more."""

    def __init__(self, oplist: OpList, kind: str) -> None:
        self._oplist = oplist
        self._links = Links(oplist)
        self._end = _border(oplist)
        self._made: dict[int, int] = {}
        self._fixed = {self._links.root(value) for value in kept(oplist)}
        for place, op in enumerate(oplist.ops[: self._end]):
            for value in op.outputs:
                root = self._links.root(value)
                self._made.setdefault(root, place)
                # A view of a parameter or an input is there anyway.
                if root not in self._links.maker or not _repeats(op, kind):
                    self._fixed.add(root)
        self._read: dict[int, int] = {}  # by root: the last operation of the forward pass
        for place, op in enumerate(oplist.ops[: self._end]):
            for value in op.inputs:
                self._read[self._links.root(value)] = place
        backward = {self._links.root(v) for op in oplist.ops[self._end :] for v in op.inputs}
        self._sizes = [
            sum(
                _bytes(oplist, op, value)
                for value in op.outputs
                if value in backward and value not in self._fixed
            )
            for op in oplist.ops[: self._end]
        ]

    def cuts(self, count: int) -> list[int]:
        """Return where to cut into about so many segments: the first operation of each but one."""
        share = sum(self._sizes) / count
        if not share:
            return []
        across = self._across()
        found: list[int] = []
        start, held = 0, 0.0
        for place, size in enumerate(self._sizes):
            held += size
            if held < share:
                continue
            # The narrowest place in the second half of the segment; the latest of equal ones.
            sums, behind = 0.0, start
            for behind in range(start, place + 1):
                sums += self._sizes[behind]
                if sums >= held / 2:
                    break
            cut = min(range(behind + 1, place + 2), key=lambda at: (across[at], -at))
            found.append(cut)
            held = float(sum(self._sizes[cut : place + 1]))
            start = cut
        return [cut for cut in found if cut < self._end]

    def _across(self) -> list[int]:
        """Return for each place how many bytes must be kept for what comes from there on."""
        change = [0] * (self._end + 2)
        for root, place in self._made.items():
            if root not in self._fixed and self._read.get(root, -1) > place:
                size = self._oplist.values[root].nbytes
                change[place + 1] += size
                change[self._read[root] + 1] -= size
        total, found = 0, []
        for step in change:
            total += step
            found.append(total)
        return found

    def repeated(self, cuts: Sequence[int]) -> tuple[OpList, list[int]]:
        """Return the list that computes again what these segments forget."""
        forgotten = self._forgotten(cuts)
        result = replace(self._oplist, values=list(self._oplist.values))
        ops, places = result.ops[: self._end], list(range(self._end))
        twins: dict[int, int] = {}

        def again(value: int) -> int:
            """Return what is to be read in a value's place in the backward pass."""
            waiting = [value]
            while waiting:
                if not is_missing(waiting[-1]):
                    waiting.pop()
                    continue
                op = self._links.maker[waiting[-1]]
                before = [source for source in op.inputs if is_missing(source)]
                if before:
                    waiting += before
                    continue
                inputs = tuple([twins.get(source, source) for source in op.inputs])
                outputs = tuple([result.new_value(result.values[out]) for out in op.outputs])
                twins.update(zip(op.outputs, outputs, strict=True))
                ops.append(Op(op.name, inputs, outputs, op.attrs, op.path))
                places.append(number[id(op)])
            return twins.get(value, value)

        def is_missing(value: int) -> bool:
            return value not in twins and self._links.root(value) in forgotten

        number = {id(op): place for place, op in enumerate(result.ops)}
        for place, op in enumerate(result.ops[self._end :], self._end):
            inputs = tuple([again(value) for value in op.inputs])
            ops.append(replace(op, inputs=inputs))
            places.append(place)
        result.ops = ops
        return result, places

    def _forgotten(self, cuts: Sequence[int]) -> set[int]:
        """Return the values of which nothing is kept between forward and backward pass."""
        if not cuts:
            return set()
        segment = [0] * (self._end + 1)
        for cut in cuts:
            segment[cut] += 1
        for place in range(1, len(segment)):
            segment[place] += segment[place - 1]
        last = segment[self._end - 1]  # its backward pass begins at once
        return {
            root
            for root, place in self._made.items()
            if root not in self._fixed
            and segment[place] < last
            and segment[self._read.get(root, place)] == segment[place]
        }


def _border(oplist: OpList) -> int:
    """Return the place of the first operation that only gradients need."""
    needed = {value for pairs in (oplist.outputs, oplist.updates) for _, value in pairs}
    border = len(oplist.ops)
    for place in range(len(oplist.ops) - 1, -1, -1):
        op = oplist.ops[place]
        if needed.intersection(op.outputs) or find(op.name).effects:
            needed.update(op.inputs)
        else:
            border = place
    return border


def _repeats(op: Op, kind: str) -> bool:
    """Return whether an operation may be done again: none of the users', which may have a state."""
    record = find(op.name)
    if op.name not in OURS or record.effects or any(_holds(item) for item in op.attrs.values()):
        return False
    return kind == "full" or record.is_cheap


def _holds(item: object) -> bool:
    """Return whether an attribute is a list of operations, which may hold users' ones."""
    if isinstance(item, tuple | list):
        return any(_holds(part) for part in item)
    return isinstance(item, OpList)
