"""Public operations by family. A new family is three lines here, a new operation none."""

from __future__ import annotations

from ...engine import names as _names
from . import activation as _activation
from . import arithmetic as _arithmetic
from . import arrange as _arrange
from . import attention as _attention
from . import cast as _cast
from . import comparison as _comparison
from . import control as _control
from . import convolution as _convolution
from . import detection as _detection
from . import einsum as _einsum
from . import functions as _functions
from . import gradients as _gradients
from . import host as _host
from . import index as _index
from . import int8 as _int8
from . import linear as _linear
from . import loss as _loss
from . import norm as _norm
from . import pooling as _pooling
from . import random as _random
from . import recurrent as _recurrent
from . import reduce as _reduce
from . import regions as _regions
from . import resize as _resize
from . import scan as _scan
from . import sequence as _sequence
from . import shape as _shape
from . import sort as _sort
from . import sparse as _sparse
from .activation import *
from .arithmetic import *
from .arrange import *
from .attention import *
from .cast import *
from .comparison import *
from .control import *
from .convolution import *
from .detection import *
from .einsum import *
from .functions import *
from .gradients import *
from .host import *
from .index import *
from .linear import *
from .loss import *
from .norm import *
from .pooling import *
from .random import *
from .recurrent import *
from .reduce import *
from .regions import *
from .resize import *
from .scan import *
from .sequence import *
from .shape import *
from .sort import *
from .sparse import *

__all__: list[str] = []
__all__ += _activation.__all__
__all__ += _arithmetic.__all__
__all__ += _arrange.__all__
__all__ += _attention.__all__
__all__ += _cast.__all__
__all__ += _comparison.__all__
__all__ += _control.__all__
__all__ += _convolution.__all__
__all__ += _detection.__all__
__all__ += _einsum.__all__
__all__ += _functions.__all__
__all__ += _host.__all__
__all__ += _index.__all__
__all__ += _gradients.__all__
__all__ += _int8.__all__
__all__ += _linear.__all__
__all__ += _loss.__all__
__all__ += _norm.__all__
__all__ += _pooling.__all__
__all__ += _random.__all__
__all__ += _recurrent.__all__
__all__ += _reduce.__all__
__all__ += _regions.__all__
__all__ += _resize.__all__
__all__ += _scan.__all__
__all__ += _sequence.__all__
__all__ += _shape.__all__
__all__ += _sort.__all__
__all__ += _sparse.__all__

_names.suggest(__name__)
