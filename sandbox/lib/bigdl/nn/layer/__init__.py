"""BigDL's `bigdl.nn.layer`: all layers; the star lets out what it did there (np, RDD, ...)."""

from __future__ import annotations

import sys as sys

import numpy as np  # noqa: F401

from ...util.common import *  # noqa: F403
from ..base import Layer as Layer
from ..graph import Node as Node
from .activation import ELU as ELU
from .activation import Abs as Abs
from .activation import AddConstant as AddConstant
from .activation import Exp as Exp
from .activation import HardSigmoid as HardSigmoid
from .activation import HardTanh as HardTanh
from .activation import LeakyReLU as LeakyReLU
from .activation import Log as Log
from .activation import LogSigmoid as LogSigmoid
from .activation import LogSoftMax as LogSoftMax
from .activation import MulConstant as MulConstant
from .activation import Negative as Negative
from .activation import Power as Power
from .activation import ReLU as ReLU
from .activation import ReLU6 as ReLU6
from .activation import Sigmoid as Sigmoid
from .activation import SoftMax as SoftMax
from .activation import SoftMin as SoftMin
from .activation import SoftPlus as SoftPlus
from .activation import SoftSign as SoftSign
from .activation import Sqrt as Sqrt
from .activation import Square as Square
from .activation import Tanh as Tanh
from .activation import TanhShrink as TanhShrink
from .activation import Threshold as Threshold
from .container import Concat as Concat
from .container import ConcatTable as ConcatTable
from .container import Container as Container
from .container import Input as Input
from .container import Model as Model
from .container import ParallelTable as ParallelTable
from .container import Sequential as Sequential
from .container import TimeDistributed as TimeDistributed
from .convolution import SpatialConvolution as SpatialConvolution
from .convolution import SpatialMaxPooling as SpatialMaxPooling
from .linear import Linear as Linear
from .normalization import BatchNormalization as BatchNormalization
from .normalization import SpatialBatchNormalization as SpatialBatchNormalization
from .pooling import SpatialAveragePooling as SpatialAveragePooling
from .pooling import SpatialCrossMapLRN as SpatialCrossMapLRN
from .pooling import SpatialZeroPadding as SpatialZeroPadding
from .shape import Dropout as Dropout
from .shape import Identity as Identity
from .shape import InferReshape as InferReshape
from .shape import Narrow as Narrow
from .shape import Reshape as Reshape
from .shape import Select as Select
from .shape import Transpose as Transpose
from .shape import View as View
from .table import CAddTable as CAddTable
from .table import CDivTable as CDivTable
from .table import CMaxTable as CMaxTable
from .table import CMinTable as CMinTable
from .table import CMulTable as CMulTable
from .table import CSubTable as CSubTable
from .table import FlattenTable as FlattenTable
from .table import JoinTable as JoinTable
from .table import SelectTable as SelectTable
