"""Every public callable with each wrong kind of argument answers with an error of ours.

The calls are made by walking the rooms: every public function and constructor with a right call of
`examples.py`, every module and criterion with its contract's cases, and methods of what was made.
One argument at a time is replaced by each of `KINDS`. Then there is an error of ours, or a result
where the kind is legal.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import types
import warnings

import numpy as np
import pytest

from sandbox.lib import criterion, nn
from sandbox.lib.core import tree
from sandbox.lib.core.errors import SandboxError
from sandbox.lib.testing.criterions import _draw
from sandbox.lib.testing.tools import arranged, inputs_of, make
from tests.contract.examples import by_name, examples, methods, rows

ROOMS = [
    "core", "core.ops", "core.random", "nn", "nn.init", "nn.zoo",
    "criterion", "optim", "data", "data.augment", "data.order", "data.sets.cards",
    "data.sets.mnist", "data.sets.reviews", "data.sets.sources", "data.transforms",
    "data.vision", "metrics", "summary", "quantize", "train", "testing", "engine",
]  # fmt: skip

KINDS = {
    "None": lambda: None,
    "str": lambda: "spam",
    "empty str": lambda: "",
    "array of str": lambda: np.array(["a", "b"]),
    "array of objects": lambda: np.array([None, {}], dtype=object),
    "array of complex": lambda: np.ones((2, 3), "c8"),
    "array": lambda: np.ones((2, 3), "f4"),
    "array of rank 0": lambda: np.ones((), "f4"),
    "array of rank 7": lambda: np.ones((1,) * 7, "f4"),
    "array of int": lambda: np.ones((2, 3), "i8"),
    "empty array": lambda: np.zeros((0, 3), "f4"),
    "array of NaN": lambda: np.full((2, 3), np.nan, "f4"),
    "NaN": lambda: float("nan"),
    "-1": lambda: -1,
    "0.5": lambda: 0.5,
    "empty list": list,
    "empty dict": dict,
    "list of None": lambda: [None],
    "rows of unlike length": lambda: [[1.0, 2.0], [3.0]],
    "tuple of arrays": lambda: (np.ones((2, 3), "f4"), np.ones((2, 3), "f4")),
    "dict of arrays": lambda: {"a": np.ones((2, 3), "f4")},
    "Dataset": rows,
    "class": lambda: nn.ReLU,
    "object": object,
}

# What rooms hand each other: called by the library alone, with what it has checked before.
INTERNAL = {
    "core.Context", "core.EagerPredictProgram", "core.EagerTrainProgram", "core.Function",
    "core.PredictProgram", "core.Profile", "core.TrainProgram", "core.add_path",
    "core.enter_scope", "core.leave_scope", "criterion.check_labels", "criterion.check_numbers",
    "criterion.check_shares", "data.sets.sources.fetch", "data.transforms.into", "engine.execute",
    "nn.meaning_of",
    "testing.inputs_of", "testing.make", "testing.own_cases", "testing.run",
}  # fmt: skip

# Python's own, and right, for a wrong number or name of arguments: a dict is arguments by name, and
# a class or a function is called with what it does not take.
ARITY = re.compile(r"missing \d+ required|takes .* positional argument|unexpected keyword")

REGISTERED = list(dict.fromkeys(nn.registered().values()))  # in one order: workers must agree


def public(room):
    """Go through the callables a room offers: its `__all__`, else what it defines or exports."""
    module = importlib.import_module(f"sandbox.lib.{room}")
    package = hasattr(module, "__path__")
    for name in getattr(module, "__all__", tuple(vars(module))):
        thing = getattr(module, name)
        home = getattr(thing, "__module__", None) or ""
        if name.startswith("_") or isinstance(thing, types.ModuleType) or not callable(thing):
            continue
        if home.startswith("sandbox.lib") and (package or home == module.__name__):
            yield f"{room}.{name}", thing


def only_named(name, thing):
    """Tell whether nobody calls it: bases, protocols, errors, and records of the library's own."""
    if not inspect.isclass(thing):
        return name in INTERNAL
    base = issubclass(thing, nn.Module | criterion.Criterion) and thing not in REGISTERED
    record = dataclasses.is_dataclass(thing) or issubclass(thing, tuple)
    protocol = getattr(thing, "_is_protocol", False)
    abstract = inspect.isabstract(thing) or issubclass(thing, Exception)
    return name in INTERNAL or base or record or protocol or abstract


CALLABLES = {}
for room in ROOMS:
    for name, thing in public(room):
        if not only_named(name, thing) and thing not in CALLABLES.values():
            CALLABLES[name] = thing
MODULES = [cls for cls in REGISTERED if issubclass(cls, nn.Module) and "cases" in vars(cls)]
CRITERIONS = [cls for cls in REGISTERED if issubclass(cls, criterion.Criterion)]


def sampled(things):
    """Mark three of four for the whole run alone: a thousand callables, 24 wrong kinds each."""
    campaign = pytest.mark.campaign
    return [pytest.param(x, marks=campaign if k % 4 else ()) for k, x in enumerate(things)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("arguments")


@pytest.fixture(autouse=True)
def _elsewhere(folder, monkeypatch):
    """Keep files with odd names out of the working folder, and do not fetch anything."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SANDBOX_OFFLINE", "1")


@pytest.fixture(scope="module")
def known(folder):
    return examples(folder), by_name(folder)


def example(name, thing, known):
    """Give the arguments of a right call, by name."""
    own, names = known
    if name in own:
        args, kwargs = own[name]()
        return dict(inspect.signature(thing).bind(*args, **kwargs).arguments)
    parameters = inspect.signature(thing).parameters.values()
    found = {}
    if thing in REGISTERED:
        case = thing.cases[0]
        made = make(case) if issubclass(thing, nn.Module) else case.make()
        found = made.config()
    for parameter in parameters:
        wanted = parameter.default is parameter.empty or parameter.name == "rng"
        if wanted and parameter.name not in found and parameter.kind not in (2, 4):
            found[parameter.name] = names[parameter.name]
    return found


def places(function, arguments):
    """Go through the places of arguments: (label, name, key); the key is one in *args, **kwargs."""
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            yield from ((f"*{name}[{k}]", name, k) for k in range(len(arguments.get(name, ()))))
        elif parameter.kind is parameter.VAR_KEYWORD:
            yield from ((f"**{name}[{k}]", name, k) for k in arguments.get(name, ()))
        else:
            yield name, name, None


def replaced(arguments, name, key, value):
    """Give the arguments with another value at one place."""
    if isinstance(key, int):
        items = list(arguments[name])
        items[key] = value
        return {**arguments, name: tuple(items)}
    return {**arguments, name: value if key is None else {**arguments[name], key: value}}


def called(function, arguments):
    """Call with arguments by name; a generator or a `with` block is gone through."""
    args, kwargs = [], {}
    parameters = inspect.signature(function).parameters
    rest = any(p.kind is p.VAR_POSITIONAL for p in parameters.values())
    for name, parameter in parameters.items():
        if name not in arguments:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            args += arguments[name]
        elif parameter.kind is parameter.VAR_KEYWORD:
            kwargs |= arguments[name]
        elif parameter.kind is parameter.POSITIONAL_ONLY or (
            parameter.kind is parameter.POSITIONAL_OR_KEYWORD and rest
        ):
            args.append(arguments[name])
        else:
            kwargs[name] = arguments[name]
    result = function(*args, **kwargs)
    if type(result).__name__ == "_GeneratorContextManager":
        with result:
            pass


def faults(call, label):
    """Call with each wrong kind; give what comes back that is no error of ours."""
    found = []
    for kind, value in KINDS.items():
        try:
            call(value())
        except SandboxError:
            pass
        except Exception as error:
            if not (isinstance(error, TypeError) and ARITY.search(str(error))):
                found.append(f"{label} = {kind}: {type(error).__name__}: {str(error)[:90]}")
    return found


def all_faults(function, fresh):
    """Try each place of the arguments that `fresh()` gives anew."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy about NaN, and of what a legal value leads to
        called(function, fresh())
        found = []
        for label, name, key in places(function, fresh()):
            found += faults(
                lambda value, n=name, k=key: called(function, replaced(fresh(), n, k, value)), label
            )
    return found


@pytest.mark.parametrize("name", sampled(CALLABLES))
def test_functions_and_constructors_refuse_wrong_kinds_with_errors_of_ours(name, known):
    thing = CALLABLES[name]
    assert all_faults(thing, lambda: example(name, thing, known)) == []


def test_methods_refuse_wrong_kinds_with_errors_of_ours(folder):
    found = {}
    for name, (method, (args, kwargs)) in methods(folder).items():
        bound = inspect.signature(method).bind(*args, **kwargs)
        wrong = all_faults(method, lambda bound=bound: dict(bound.arguments))
        if wrong:
            found[name] = wrong
    assert found == {}


@pytest.mark.parametrize("cls", sampled(MODULES), ids=lambda cls: cls.__name__)
def test_modules_refuse_wrong_inputs_with_errors_of_ours(cls):
    case = cls.cases[0]
    module, leaves = make(case), inputs_of(case)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in range(len(leaves)):

            def call(value, k=k):
                given = [*leaves[:k], value, *leaves[k + 1 :]]
                tree.call(module, arranged(case.inputs, given))

            found += faults(call, f"input {k}")
    assert found == []


@pytest.mark.parametrize("cls", CRITERIONS, ids=lambda cls: cls.__name__)
def test_criterions_refuse_wrong_outputs_and_targets_with_errors_of_ours(cls):
    case = cls.cases[0]
    made, (output, target) = case.make(), _draw(case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = faults(lambda value: made(value, target), "output")
        found += faults(lambda value: made(output, value), "target")
    assert found == []


def test_a_new_public_callable_without_an_example_is_named(known):
    def fresh(novelty):
        return novelty

    with pytest.raises(KeyError, match="novelty"):
        example("room.fresh", fresh, known)
