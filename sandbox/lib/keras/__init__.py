"""A Keras-style front: names, defaults and shapes of Keras over `sandbox.lib.nn`."""

from __future__ import annotations

from . import layers as layers
from . import losses as losses
from . import metrics as metrics
from . import optimizers as optimizers
from .models import History as History
from .models import Model as Model
from .models import Sequential as Sequential
from .random import set_random_seed as set_random_seed
from .tensor import Input as Input
from .tensor import KerasTensor as KerasTensor
