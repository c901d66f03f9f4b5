"""First values of weights: named rules, each a function of a shape and an explicit generator.

The default of every layer is `he_normal` (He et al. 2015): zero biases, and weights drawn from a
normal distribution of variance 2/fan_in, which keeps the size of the signals constant through ReLU
layers.
"""

from __future__ import annotations

from ...engine import names as _names
from .base import Array, Rng, Rule, deviating, drawing, fans, generator
from .plain import (
    constant,
    normal,
    ones,
    random_normal,
    random_truncated_normal,
    random_uniform,
    zeros,
)
from .rules import DEFAULT, MAKERS, RULES, current_name, draw, draw_by, find, skipped
from .scaled import (
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
    truncated_normal,
    uniform,
    variance_scaling,
    xavier_normal,
    xavier_uniform,
)
from .structured import bilinear, dirac, identity, orthogonal, scaled_orthogonal, sparse

__all__ = [
    "DEFAULT",
    "MAKERS",
    "RULES",
    "Array",
    "Rng",
    "Rule",
    "bilinear",
    "constant",
    "current_name",
    "deviating",
    "dirac",
    "draw",
    "draw_by",
    "drawing",
    "fans",
    "find",
    "generator",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "ones",
    "orthogonal",
    "random_normal",
    "random_truncated_normal",
    "random_uniform",
    "scaled_orthogonal",
    "skipped",
    "sparse",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]

_names.suggest(__name__)
