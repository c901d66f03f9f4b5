"""The contract of modules and criterions, checked over their cases.

`check_module(MyModule)` and `check_criterion(MyCriterion)` raise an `AssertionError` that names the
case and the clause. Each clause is a function of its own, so that a test can run them one by one.
"""

from __future__ import annotations

from ..engine import names as _names
from .criterions import CRITERION_CLAUSES as CRITERION_CLAUSES
from .criterions import check_criterion as check_criterion
from .modules import MODULE_CLAUSES as MODULE_CLAUSES
from .modules import check_module as check_module
from .tools import inputs_of as inputs_of
from .tools import make as make
from .tools import own_cases as own_cases
from .tools import run as run

_names.suggest(__name__)
