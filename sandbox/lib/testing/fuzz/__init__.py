"""Random models over all operations, run in every mode and compared.

`generate(seed)` makes one; `check(graph)` runs it natively and by the reference, eagerly and as
programs, to train and to predict; `shrink` makes one that differs as short as it can be.

Examples
--------
>>> graph = generate(3)
>>> check(graph)
[]
"""

from __future__ import annotations

from .draw import EXCEPTIONS as EXCEPTIONS
from .draw import generate as generate
from .draw import names as names
from .draw import sequence as sequence
from .graph import Graph as Graph
from .graph import merged as merged
from .judge import Difference as Difference
from .judge import check as check
from .judge import check_together as check_together
from .shrink import shrink as shrink
