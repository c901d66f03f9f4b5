"""What docstrings of this room show runs as it stands: examples, and code within sentences."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import pkgutil
import re

import pytest

from sandbox.lib import optim

MODULES = [found.name for found in pkgutil.walk_packages(optim.__path__, f"{optim.__name__}.")]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def test_every_public_class_but_bases_and_bare_parts_has_an_example():
    bases = {"Clip", "Combined", "LayerwiseAdaptive", "Regulariser", "Span", "Wrapper"}
    lacking = {
        name
        for name, cls in vars(optim).items()
        if inspect.isclass(cls) and ">>>" not in (cls.__doc__ or "")
    }
    assert lacking == bases


def sentences():
    """Give the code in sentences that is whole: a call of one of our names, or of another."""
    for name, cls in vars(optim).items():
        if inspect.isclass(cls):
            for code in re.findall(r"`([A-Za-z.]+\([^`]*\))`", cls.__doc__ or ""):
                if "..." not in code and code.split("(")[0] in vars(optim):
                    yield name, code


def test_code_in_sentences_is_none_that_only_looks_as_if_it_ran():
    """A call in a sentence is run by nobody: it belongs into the examples."""
    for name, code in sentences():
        call = ast.parse(code, mode="eval").body
        assert isinstance(call, ast.Call)
        arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
        assert all(isinstance(value, ast.Name | ast.Constant) for value in arguments), (name, code)
