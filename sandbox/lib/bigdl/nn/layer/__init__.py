"""BigDL's `bigdl.nn.layer`: all layers; the star lets out what it did there (np, RDD, ...)."""

from __future__ import annotations

import sys as sys

import numpy as np  # noqa: F401

from ...util.common import *  # noqa: F403
from ..base import Layer as Layer
from .activation import LogSoftMax as LogSoftMax
from .activation import ReLU as ReLU
from .activation import Sigmoid as Sigmoid
from .activation import Tanh as Tanh
from .container import Concat as Concat
from .container import ConcatTable as ConcatTable
from .container import Container as Container
from .container import ParallelTable as ParallelTable
from .container import Sequential as Sequential
from .convolution import SpatialConvolution as SpatialConvolution
from .convolution import SpatialMaxPooling as SpatialMaxPooling
from .linear import Linear as Linear
from .shape import Dropout as Dropout
from .shape import Identity as Identity
from .shape import Reshape as Reshape
from .shape import View as View
