"""Who makes and who reads each value of a list of operations: the one map that all passes use."""

from __future__ import annotations

from .oplist import Op, OpList
from .ops import find


class Links:
    """A list's values, each with its maker and its readers, in order.

    Attributes
    ----------
    maker : dict of value -> Op
    kept : set of values
        What the caller gets: outputs, gradients, updates of buffers.
    """

    __slots__ = ("_readers", "kept", "maker")

    def __init__(self, oplist: OpList) -> None:
        self.maker: dict[int, Op] = {}
        self._readers: dict[int, list[Op]] = {}
        for op in oplist.ops:
            for value in op.inputs:
                self._readers.setdefault(value, []).append(op)
            for value in op.outputs:
                self.maker[value] = op
        self.kept = kept(oplist)

    def readers(self, value: int) -> list[Op]:
        """Return the operations that read a value, one that reads it twice two times."""
        return self._readers.get(value, [])

    def only_reader(self, value: int) -> Op | None:
        """Return the operation that alone sees a value; None if others do."""
        readers = self._readers.get(value, [])
        return readers[0] if len(readers) == 1 and value not in self.kept else None

    def root(self, value: int) -> int:
        """Return the value behind views."""
        while value in self.maker and find(self.maker[value].name).view:
            value = self.maker[value].inputs[0]
        return value

    def last(self, value: int) -> int | None:
        """Return the value at the end of the views; None if another reader sees one of them."""
        while value not in self.kept:
            readers = self.readers(value)
            if len(readers) != 1 or not find(readers[0].name).view:
                return value
            value = readers[0].outputs[0]
        return None


def origin(oplist: OpList, value: int) -> str:
    """Return the name of the list's input whose elements a value holds; "" if it is none.

    A list of one input and one target needs no names in messages.
    """
    if len(oplist.inputs) <= 2:
        return ""
    links = Links(oplist)
    while value in links.maker and find(links.maker[value].name).moves:
        value = links.maker[value].inputs[0]
    return next((name for name, place in oplist.inputs if place == value), "")


def kept(oplist: OpList) -> set[int]:
    """Return the values the caller gets."""
    pairs = (oplist.outputs, oplist.gradients, oplist.updates)
    return {value for group in pairs for _, value in group}


def remove_dead(oplist: OpList) -> None:
    """Drop the operations whose results nobody reads and that do nothing beside."""
    needed = kept(oplist)
    alive: list[Op] = []
    for op in reversed(oplist.ops):
        if needed.intersection(op.outputs) or find(op.name).effects:
            needed.update(op.inputs)
            alive.append(op)
    oplist.ops = alive[::-1]


def batch_values(oplist: OpList) -> tuple[set[int], int]:
    """Return the values whose axis 0 counts samples, and the batch size.

    Sizes alone do not tell: a batch of 16 looks like 16 channels.
    """
    first = oplist.values[oplist.inputs[0][1]].shape if oplist.inputs else ()
    batch = first[0] if first else 1

    def has_batch(value: int) -> bool:
        shape = oplist.values[value].shape
        return bool(shape) and shape[0] == batch

    found = {value for _, value in oplist.inputs if has_batch(value)}
    for op in oplist.ops:
        if not found.intersection(op.inputs):
            continue
        outputs = op.outputs[: find(op.name).batch_outputs]
        found.update(value for value in outputs if has_batch(value))
    return found, batch
