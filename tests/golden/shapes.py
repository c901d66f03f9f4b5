"""Modules and operations that move, cut, choose, order and reduce elements."""

from __future__ import annotations

from typing import Any

from sandbox.lib import nn
from sandbox.lib.core import ops

from .pairs import Pair


def pair(name: str, ours: Any, theirs: Any, *shapes: tuple[int, ...], **named: Any) -> Pair:
    """Return a pair of functions of values."""
    return Pair(name, lambda: ours, theirs, shapes, **named)


def same(name: str, their_name: str = "", **named: Any) -> Pair:
    """Return a pair of functions of one number that PyTorch has under the same name."""
    ours = getattr(ops, name)
    shape = (3, 5)
    return pair(
        f"ops.{name}", ours, lambda torch: getattr(torch, their_name or name), shape, **named
    )


EVERYWHERE = ("sin", "cos", "tan", "atan", "sinh", "cosh", "asinh", "exp2", "expm1", "erf")
STEPS = ("floor", "ceil", "round", "trunc")
BETWEEN = {0: (-0.9, 0.9)}
POSITIVE = {0: (0.1, 3.0)}
ABOVE_ONE = {0: (1.1, 3.0)}
IDS = {1: (0, 4)}

PAIRS = [
    *[same(name) for name in (*EVERYWHERE, *STEPS)],
    *[same(name, within=BETWEEN) for name in ("asin", "acos", "atanh")],
    *[same(name, within=POSITIVE) for name in ("log2", "log10", "log1p", "rsqrt", "reciprocal")],
    same("acosh", within=ABOVE_ONE),
    pair("ops.atan2", ops.atan2, lambda torch: torch.atan2, (3, 4), (3, 4)),
    pair("ops.pow", ops.pow, lambda torch: torch.pow, (3, 4), (4,), within=POSITIVE),
    pair("ops.remainder", ops.remainder, lambda torch: torch.remainder, (3, 4), (4,)),
    pair("ops.fmod", ops.fmod, lambda torch: torch.fmod, (3, 4), (4,)),
    # moved, repeated, framed
    pair(
        "ops.slicing, steps",
        lambda x: x[1::2, :, 3:0:-2],
        lambda torch: lambda x: x[1::2, :, 1:4].flip(2)[..., ::2],
        (5, 2, 4),
    ),
    pair(
        "ops.slicing, arrays",
        lambda x: x[:, [0, 2], [[1], [-1]]],
        lambda torch: lambda x: x[:, torch.tensor([0, 2]), torch.tensor([[1], [-1]])],
        (2, 3, 4),
    ),
    *[
        pair(
            f"ops.pad, {ours}",
            lambda x, mode=ours: ops.pad(x, ((0, 0), (0, 0), (2, 1), (0, 3)), mode, 0.5),
            lambda torch, mode=theirs: (
                lambda x: torch.nn.functional.pad(
                    x, (0, 3, 2, 1), mode, **({"value": 0.5} if mode == "constant" else {})
                )
            ),
            (2, 2, 4, 5),
        )
        for ours, theirs in (
            ("constant", "constant"),
            ("reflect", "reflect"),
            ("edge", "replicate"),
            ("circular", "circular"),
        )
    ],
    pair("ops.tile", lambda x: ops.tile(x, (2, 3)), lambda torch: lambda x: x.tile(2, 3), (2, 3)),
    pair(
        "ops.repeat",
        lambda x: ops.repeat(x, 2, 1),
        lambda torch: lambda x: x.repeat_interleave(2, 1),
        (2, 3),
    ),
    pair("ops.roll", lambda x: ops.roll(x, 2, 1), lambda torch: lambda x: x.roll(2, 1), (2, 5)),
    pair(
        "ops.flip", lambda x: ops.flip(x, (0, 2)), lambda torch: lambda x: x.flip(0, 2), (2, 3, 4)
    ),
    pair("ops.triu", lambda x: ops.triu(x, 1), lambda torch: lambda x: x.triu(1), (2, 3, 4)),
    pair("ops.tril", lambda x: ops.tril(x, -1), lambda torch: lambda x: x.tril(-1), (4, 3)),
    pair(
        "ops.stack",
        lambda a, b: ops.stack([a, b], 1),
        lambda torch: lambda a, b: torch.stack([a, b], 1),
        (2, 3),
        (2, 3),
    ),
    pair("ops.unstack", lambda x: ops.unstack(x, 1), lambda torch: lambda x: x.unbind(1), (2, 3)),
    pair(
        "ops.split",
        lambda x: ops.split(x, (1, 4), 1),
        lambda torch: lambda x: x.split((1, 4), 1),
        (2, 5),
    ),
    # chosen
    pair(
        "ops.take",
        lambda x, ids: ops.take(x, ids, 1),
        lambda torch: lambda x, ids: x.index_select(1, ids),
        (2, 4, 3),
        (6,),
        integers=IDS,
    ),
    pair(
        "ops.gather",
        lambda x, ids: ops.gather(x, ids, 1),
        lambda torch: lambda x, ids: x.gather(1, ids),
        (2, 4, 3),
        (2, 5, 3),
        integers=IDS,
    ),
    pair(
        "ops.scatter, add",
        lambda x, ids, u: ops.scatter(x, ids, u, 1, reduce="add"),
        lambda torch: lambda x, ids, u: x.scatter_add(1, ids, u),
        (2, 4, 3),
        (2, 5, 3),
        (2, 5, 3),
        integers=IDS,
    ),
    *[
        pair(
            f"ops.scatter, {ours}",
            lambda x, ids, u, reduce=ours: ops.scatter(x, ids, u, 1, reduce=reduce),
            lambda torch, reduce=theirs: lambda x, ids, u: x.scatter_reduce(1, ids, u, reduce),
            (2, 4),
            (2, 5),
            (2, 5),
            integers=IDS,
        )
        for ours, theirs in (("multiply", "prod"), ("maximum", "amax"), ("minimum", "amin"))
    ],
    pair(
        "ops.masked_fill",
        lambda x: ops.masked_fill(x, x > 0.0, 2.0),
        lambda torch: lambda x: x.masked_fill(x > 0.0, 2.0),
        (3, 4),
    ),
    pair(
        "ops.masked_select",
        lambda x: ops.masked_select(x, x > 0.0),
        lambda torch: lambda x: x.masked_select(x > 0.0),
        (3, 4),
    ),
    pair(
        "ops.masked_scatter",
        lambda x, v: ops.masked_scatter(x, x > 0.0, v),
        lambda torch: lambda x, v: x.masked_scatter(x > 0.0, v),
        (3, 4),
        (12,),
    ),
    pair(
        "ops.one_hot",
        lambda ids: ops.one_hot(ids, 4, "int64"),
        lambda torch: lambda ids: torch.nn.functional.one_hot(ids, 4),
        (2, 3),
        integers={0: (0, 4)},
    ),
    # ordered, summed up
    pair("ops.sort", lambda x: ops.sort(x, 1), lambda torch: lambda x: x.sort(1)[0], (2, 4, 3)),
    pair(
        "ops.arg_sort, descending",
        lambda x: ops.arg_sort(x, 0, descending=True),
        lambda torch: lambda x: x.argsort(0, descending=True),
        (5, 2),
    ),
    pair(
        "ops.top_k", lambda x: ops.top_k(x, 2, 1), lambda torch: lambda x: x.topk(2, 1), (2, 4, 3)
    ),
    pair(
        "ops.top_k, smallest",
        lambda x: ops.top_k(x, 2, largest=False),
        lambda torch: lambda x: x.topk(2, largest=False),
        (3, 4),
    ),
    pair("ops.arg_max", ops.arg_max, lambda torch: lambda x: x.argmax(-1), (3, 4)),
    pair("ops.arg_min", ops.arg_min, lambda torch: lambda x: x.argmin(-1), (3, 4)),
    pair("ops.cum_sum", lambda x: ops.cum_sum(x, 1), lambda torch: lambda x: x.cumsum(1), (2, 4)),
    pair(
        "ops.cum_prod", lambda x: ops.cum_prod(x, 0), lambda torch: lambda x: x.cumprod(0), (4, 2)
    ),
    # reduced
    pair("ops.max", lambda x: ops.max(x, 1), lambda torch: lambda x: x.amax(1), (2, 3, 4)),
    pair(
        "ops.min", lambda x: ops.min(x, (0, 2)), lambda torch: lambda x: x.amin((0, 2)), (2, 3, 4)
    ),
    pair("ops.prod", lambda x: ops.prod(x, 1), lambda torch: lambda x: x.prod(1), (2, 3, 4)),
    *[
        pair(
            f"ops.norm, {p}",
            lambda x, p=p: ops.norm(x, p, 1),
            lambda torch, p=p: lambda x: torch.linalg.vector_norm(x, p, 1),
            (3, 5),
        )
        for p in (1.0, 2.0, 2.5, float("inf"))
    ],
    pair(
        "ops.logsumexp",
        lambda x: ops.logsumexp(x, 1),
        lambda torch: lambda x: x.logsumexp(1),
        (3, 5),
    ),
    pair(
        "ops.variance, corrected",
        lambda x: ops.variance(x, 1, correction=1),
        lambda torch: lambda x: x.var(1),
        (3, 5),
    ),
    pair(
        "ops.std",
        lambda x: ops.std(x, (0, 1), keepdims=True),
        lambda torch: lambda x: x.std((0, 1), correction=0, keepdim=True),
        (3, 5),
    ),
    *[
        pair(
            f"ops.einsum, {equation}",
            lambda *xs, equation=equation: ops.einsum(equation, *xs),
            lambda torch, equation=equation: lambda *xs: torch.einsum(equation, *xs),
            *shapes,
        )
        for equation, shapes in {
            "bhqd,bhkd->bhqk": ((2, 2, 3, 4), (2, 2, 5, 4)),
            "...ij,...jk->...ik": ((2, 1, 2, 3), (5, 3, 4)),
            "ij,kj,l->ikl": ((2, 3), (4, 3), (2,)),
            "iji->j": ((3, 2, 3),),
        }.items()
    ],
    pair("ops.matmul, a vector", ops.matmul, lambda torch: torch.matmul, (4,), (2, 4, 3)),
    pair("ops.matmul, repeated", ops.matmul, lambda torch: torch.matmul, (2, 1, 3, 4), (5, 4, 2)),
    # modules
    Pair("nn.Flatten", lambda: nn.Flatten(), lambda torch: torch.nn.Flatten(), ((2, 3, 4),)),
    Pair("nn.Identity", lambda: nn.Identity(), lambda torch: torch.nn.Identity(), ((2, 3),)),
    Pair(
        "nn.Reshape",
        lambda: nn.Reshape((3, -1)),
        lambda torch: torch.nn.Unflatten(1, (3, -1)),
        ((2, 12),),
    ),
    Pair("nn.Squeeze", lambda: nn.Squeeze(2), lambda torch: lambda x: x.squeeze(2), ((2, 3, 1),)),
    Pair(
        "nn.Unsqueeze", lambda: nn.Unsqueeze(2), lambda torch: lambda x: x.unsqueeze(2), ((2, 3),)
    ),
    Pair(
        "nn.Transpose",
        lambda: nn.Transpose((0, 2, 1)),
        lambda torch: lambda x: x.permute(0, 2, 1),
        ((2, 3, 4),),
    ),
    Pair(
        "nn.Select",
        lambda: nn.Select(1, -1),
        lambda torch: lambda x: x.select(1, -1),
        ((2, 3, 4),),
    ),
    Pair(
        "nn.Narrow",
        lambda: nn.Narrow(2, 1, 2),
        lambda torch: lambda x: x.narrow(2, 1, 2),
        ((2, 3, 4),),
    ),
    Pair("nn.Tile", lambda: nn.Tile(3), lambda torch: lambda x: x.tile(1, 3), ((2, 4),)),
    Pair("nn.Flip", lambda: nn.Flip(), lambda torch: lambda x: x.flip(1), ((2, 4),)),
    Pair("nn.Roll", lambda: nn.Roll(2), lambda torch: lambda x: x.roll(2, 1), ((2, 5),)),
    Pair(
        "nn.PadAxis",
        lambda: nn.PadAxis(1, 2, 2, value=0.5),
        lambda torch: torch.nn.ConstantPad1d((1, 2), 0.5),
        ((2, 3, 4),),
    ),
    Pair(
        "nn.Gather",
        lambda: nn.Gather(),
        lambda torch: lambda x, ids: x.gather(1, ids[..., None].expand(2, 5, 3)),
        ((2, 4, 3), (2, 5)),
        integers=IDS,
    ),
    Pair(
        "nn.MaskedSelect",
        lambda: nn.MaskedSelect(),
        lambda torch: lambda x, mask: x.masked_select(mask > 0),
        ((2, 4), (2, 4)),
        integers={1: (0, 2)},
    ),
    *[
        Pair(
            f"nn.{name}",
            lambda name=name: getattr(nn, name)(1),
            lambda torch, theirs=theirs: lambda x: getattr(torch, theirs)(x, 1),
            ((2, 4, 3),),
        )
        for name, theirs in {
            "Sum": "sum",
            "Mean": "mean",
            "Max": "amax",
            "Min": "amin",
            "Prod": "prod",
        }.items()
    ],
]
