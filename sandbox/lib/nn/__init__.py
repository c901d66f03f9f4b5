"""Modules: named holders of parameters that compute with operations. See README.md."""

from __future__ import annotations

from ..engine import names as _names
from . import init as init
from . import registry as registry
from . import zoo as zoo
from .activation import *
from .attention import *
from .calls import observe as observe
from .case import Case as Case
from .container import *
from .convolution import *
from .detection import *
from .linear import *
from .meaning import meaning_of as meaning_of
from .meaning import output_meanings as output_meanings
from .module import Module as Module
from .node import Input as Input
from .node import Node as Node
from .noise import *
from .normalization import *
from .padding import *
from .penalty import *
from .pooling import *
from .recurrent import *
from .registry import deserialize as deserialize
from .registry import register as register
from .registry import registered as registered
from .registry import serialize as serialize
from .shape import *
from .table import *

_names.suggest(__name__)
