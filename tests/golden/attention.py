"""Attention and Transformer layers."""

from __future__ import annotations

from functools import partial

import numpy as np

from sandbox.lib import nn

from .pairs import Arrays, Pair

PARTS = ("query", "key", "value")


def theirs(state: Arrays, where: tuple[tuple[str, str], ...] = (("", ""),)) -> Arrays:
    """Put queries, keys and values together; their keys have a bias, which changes nothing."""
    state = dict(state)
    found = {}
    for ours, name in where:
        weights = [state.pop(f"{ours}{part}.weight") for part in PARTS]
        biases = [state.pop(f"{ours}{part}.bias", None) for part in PARTS]
        if len({w.shape for w in weights}) == 1:
            found[f"{name}in_proj_weight"] = np.concatenate(weights)
        else:
            found |= {f"{name}{p[0]}_proj_weight": w for p, w in zip(PARTS, weights, strict=True)}
        if biases[0] is not None:
            biases[1] = np.zeros_like(biases[0])
            found[f"{name}in_proj_bias"] = np.concatenate(biases)
        for kind in ("weight", "bias"):
            if f"{ours}out.{kind}" in state:
                found[f"{name}out_proj.{kind}"] = state.pop(f"{ours}out.{kind}")
    return found | {k.replace("fc", "linear"): v for k, v in state.items()}


def ours(gradients: Arrays, where: tuple[tuple[str, str], ...] = (("", ""),)) -> Arrays:
    """Take queries, keys and values apart."""
    gradients, found = dict(gradients), {}
    for own, name in where:
        if f"{name}in_proj_weight" in gradients:
            weights = np.split(gradients.pop(f"{name}in_proj_weight"), 3)
        else:
            weights = [gradients.pop(f"{name}{part[0]}_proj_weight") for part in PARTS]
        found |= {f"{own}{p}.weight": w for p, w in zip(PARTS, weights, strict=True)}
        if f"{name}in_proj_bias" in gradients:
            biases = np.split(gradients.pop(f"{name}in_proj_bias"), 3)
            found |= {f"{own}query.bias": biases[0], f"{own}value.bias": biases[2]}
        for kind in ("weight", "bias"):
            if f"{name}out_proj.{kind}" in gradients:
                found[f"{own}out.{kind}"] = gradients.pop(f"{name}out_proj.{kind}")
    return found | {k.replace("linear", "fc"): v for k, v in gradients.items()}


ENCODER = (("attention.", "self_attn."),)
DECODER = (*ENCODER, ("memory_attention.", "multihead_attn."))


def named(where: tuple[tuple[str, str], ...]) -> dict[str, object]:
    return {"convert": partial(theirs, where=where), "returned": partial(ours, where=where)}


def later(torch, time):
    """Return where a step may not look."""
    return torch.triu(torch.ones(time, time, dtype=torch.bool), 1)


def itself(torch):
    layer = torch.nn.MultiheadAttention(6, 2, batch_first=True)

    class Itself(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.__dict__["_modules"].update(layer._modules)
            self.__dict__["_parameters"].update(layer._parameters)

        def forward(self, x):
            return layer.double()(x, x, x, attn_mask=later(torch, x.shape[1]))[0]

    return Itself()


def across(torch):
    layer = torch.nn.MultiheadAttention(6, 3, kdim=4, vdim=4, bias=False, batch_first=True)

    class Across(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.__dict__["_modules"].update(layer._modules)
            self.__dict__["_parameters"].update(layer._parameters)

        def forward(self, x, memory):
            return layer(x, memory, memory)[0]

    return Across()


def decoder(torch, **options):
    layer = torch.nn.TransformerDecoderLayer(6, 2, 8, dropout=0.0, batch_first=True, **options)
    forward = layer.forward
    layer.forward = lambda x, memory: forward(x, memory, tgt_mask=later(torch, x.shape[1]))
    return layer


PAIRS = [
    Pair(
        "nn.MultiHeadAttention, causal",
        lambda: nn.MultiHeadAttention(6, 2, causal=True),
        itself,
        ((2, 5, 6),),
        **named((("", ""),)),
    ),
    Pair(
        "nn.MultiHeadAttention, to a memory of other features",
        lambda: nn.MultiHeadAttention(6, 3, memory_features=4, bias=False),
        across,
        ((2, 5, 6), (2, 3, 4)),
        **named((("", ""),)),
    ),
    *(
        Pair(
            f"nn.TransformerEncoderLayer, norm_first={first}",
            lambda first=first: nn.TransformerEncoderLayer(6, 2, hidden=8, norm_first=first),
            lambda torch, first=first: torch.nn.TransformerEncoderLayer(
                *(6, 2, 8),
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=first,
            ),
            ((2, 5, 6),),
            training=True,  # in inference PyTorch takes a fused path
            **named(ENCODER),
        )
        for first in (True, False)
    ),
    *(
        Pair(
            f"nn.TransformerDecoderLayer, norm_first={first}",
            lambda first=first: nn.TransformerDecoderLayer(
                6, 2, hidden=8, norm_first=first, activation="relu"
            ),
            lambda torch, first=first: decoder(torch, norm_first=first),
            ((2, 5, 6), (2, 3, 6)),
            **named(DECODER),
        )
        for first in (True, False)
    ),
]
