"""Operations by family: a file holds shape rules, NumPy kernels, native lowerings and records.

A family's file is imported here, which registers its records; nothing else lists operations.
"""

from __future__ import annotations

from ..operation import OPERATIONS, Operation, find, register
from . import activation as activation
from . import arithmetic as arithmetic
from . import arrange as arrange
from . import cast as cast
from . import comparison as comparison
from . import control as control
from . import convolution as convolution
from . import ctc as ctc
from . import detection as detection
from . import functions as functions
from . import gradients as gradients
from . import group as group
from . import index as index
from . import int8 as int8
from . import linear as linear
from . import loss as loss
from . import norm as norm
from . import peaks as peaks
from . import pooling as pooling
from . import random as random
from . import recurrent as recurrent
from . import reduce as reduce
from . import regions as regions
from . import resize as resize
from . import sequence as sequence
from . import shape as shape
from . import softmax as softmax
from . import sort as sort
from . import sparse as sparse
from . import transposed as transposed
from . import unfold as unfold

OURS = frozenset(OPERATIONS)
"""Names of the operations the engine brings along; all others are their users'."""

__all__ = ["OPERATIONS", "OURS", "Operation", "find", "register"]
