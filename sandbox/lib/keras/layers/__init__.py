"""Layers: recipes over the modules of `sandbox.lib.nn`."""

from __future__ import annotations

from .base import Layer as Layer
from .convolution import Conv2D as Conv2D
from .convolution import MaxPooling2D as MaxPooling2D
from .core import Activation as Activation
from .core import Add as Add
from .core import Dense as Dense
from .core import Dropout as Dropout
from .core import Flatten as Flatten
