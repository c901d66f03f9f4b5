"""A sum of products in one pass over memory: the products themselves are never written."""

from __future__ import annotations

import math

from ..links import Links
from ..oplist import Op, OpList
from ..ops.reduce import FEW

_PRODUCTS = ("multiply", "square")


def sum_products(oplist: OpList) -> None:
    """Let a sum multiply its terms by itself, where nobody else reads the products.

    Norms, cosines, dot products of rows, and the gradients of what divides by them.
    """
    links = Links(oplist)
    oplist.ops = [_multiplied(oplist, links, op) if op.name == "sum" else op for op in oplist.ops]


def _multiplied(oplist: OpList, links: Links, op: Op) -> Op:
    """Return the sum with its factors as inputs; the sum itself where that does not do."""
    (value,) = op.inputs
    maker = links.maker.get(value)
    if maker is None or maker.name not in _PRODUCTS or links.only_reader(value) is not op:
        return op
    factors = maker.inputs * (3 - len(maker.inputs))  # a square has one
    spec = oplist.values[value]
    terms = math.prod(spec.shape[axis] for axis in op.attrs["axes"])
    same = all(oplist.values[factor] == spec for factor in factors)
    if not same or spec.dtype != "float32" or terms > FEW or maker.attrs.get("post_ops"):
        return op
    return Op("sum_of_products", factors, op.outputs, op.attrs, op.path)
