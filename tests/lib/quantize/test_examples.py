"""What docstrings of this room show runs as it stands."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from sandbox.lib import quantize

MODULES = [f"{quantize.__name__}.{found.name}" for found in pkgutil.iter_modules(quantize.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name):
    result = doctest.testmod(importlib.import_module(name))

    assert result.failed == 0
