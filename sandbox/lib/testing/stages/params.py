"""Clauses about Params: names, values, copies and maps."""

from __future__ import annotations

import copy
from functools import partial

from ..tools import require
from .case import StageCase, error_of, values_of


def params_are_named_and_explained(case: StageCase) -> None:
    """Check that each Param is an attribute of its name, is the stage's own and has a text."""
    stage = case.make()
    lines = stage.explainParams().splitlines()
    for param in stage.params:
        require(getattr(stage, param.name) is param, f"{param}: must be attribute {param.name!r}")
        require(param.parent == stage.uid, f"{param}: must be of {stage.uid}; got {param.parent}")
        require(bool(param.doc), f"{param}: must have a text")
        require(
            sum(line.startswith(f"{param.name}: ") for line in lines) == 1,
            f"{param}: explainParams must have one line of it",
        )
        require(stage.hasParam(param.name), f"{param}: hasParam must tell of it")
    require(not stage.hasParam("noSuchParam"), "hasParam must be False of what is no Param")


def each_stage_has_its_own_uid(case: StageCase) -> None:
    """Check that uids differ and begin with the class's name."""
    one, other = case.make(), case.make()
    require(one.uid != other.uid, f"two stages must have two uids; got {one.uid}")
    name = type(one).__name__
    require(one.uid.startswith(f"{name}_"), f"uid must begin with {name}_; got {one.uid}")


def defaults_are_no_values(case: StageCase) -> None:
    """Check that a default is told as such until a value is set, and again once it is cleared."""
    stage = case.make()
    for name, value in case.changes.items():
        param = stage.getParam(name)
        if stage.isSet(param):
            continue
        before = stage.getOrDefault(param) if stage.hasDefault(param) else None
        require(stage.isDefined(param) == stage.hasDefault(param), f"{param}: isDefined")
        stage.set(param, value)
        require(stage.isSet(param), f"{param}: isSet must be True once it is set")
        stage.clear(param)
        require(not stage.isSet(param), f"{param}: isSet must be False once it is cleared")
        if stage.hasDefault(param):
            require(stage.getOrDefault(param) == before, f"{param}: its default has changed")


def setters_give_the_stage(case: StageCase) -> None:
    """Check that `setX` returns the stage and `getX` the value."""
    stage = case.make()
    for name, value in case.changes.items():
        word = name[0].upper() + name[1:]
        require(getattr(stage, f"set{word}")(value) is stage, f"set{word} must give the stage")
        require(getattr(stage, f"get{word}")() == value, f"get{word} must give {value!r}")


def keywords_are_as_setters(case: StageCase) -> None:
    """Check that the constructor takes Params by name."""
    stage = case.made(**case.changes)
    for name, value in case.changes.items():
        require(stage.getOrDefault(name) == value, f"{name}={value!r}: not taken by constructor")


def wrong_values_are_refused_when_set(case: StageCase) -> None:
    """Check that a value of a wrong kind ends in an error at once, and changes nothing."""
    for name, value in case.wrong.items():
        stage = case.make()
        before = values_of(stage)
        param = stage.getParam(name)
        for how in (partial(stage.set, param, value), partial(case.made, **{name: value})):
            error = error_of(how, f"{name}={value!r}")
            require(isinstance(error, TypeError | ValueError), f"{name}={value!r}: got {error!r}")
        require(values_of(stage) == before, f"{name}={value!r}: the refused value has been set")


def unknown_params_are_refused(case: StageCase) -> None:
    """Check that a name that is no Param is refused by constructor and `getParam`."""
    stage = case.make()
    error_of(lambda: case.made(noSuchParam=1), "a keyword that is no Param")
    error_of(lambda: stage.getParam("noSuchParam"), "a Param that there is not")


def copies_are_equal_and_apart(case: StageCase) -> None:
    """Check that a copy has uid and values of the stage, and that neither changes the other."""
    stage = case.make()
    before = values_of(stage)
    made = stage.copy()
    require(made is not stage, "copy must give another object")
    require(made.uid == stage.uid, f"a copy must have uid {stage.uid}; got {made.uid}")
    require(values_of(made) == before, "a copy must have the same values")
    for name, value in case.changes.items():
        made.set(made.getParam(name), value)
    require(values_of(stage) == before, "what is set on a copy must not change the stage")
    shallow = copy.copy(stage)
    require(shallow.uid == stage.uid, "copy.copy must give the same stage")


def maps_win_over_values_over_defaults(case: StageCase) -> None:
    """Check the order of `extractParamMap` and of `copy(extra)`: map, value, default."""
    stage = case.make()
    before = values_of(stage)
    extra = {stage.getParam(name): value for name, value in case.changes.items()}
    for source in (stage.extractParamMap(extra), stage.copy(extra).extractParamMap()):
        for param, value in extra.items():
            require(source[param] == value, f"{param}: must be {value!r}; got {source[param]!r}")
    require(values_of(stage) == before, "a map must not change the stage")
    for param, value in stage._defaultParamMap.items():
        if not stage.isSet(param):
            require(stage.extractParamMap()[param] == value, f"{param}: must have its default")


def maps_of_other_stages_do_not_count(case: StageCase) -> None:
    """Check that a Param of another stage is not taken for one of the same name."""
    stage, other = case.make(), case.make()
    made = stage.copy({other.getParam(name): value for name, value in case.changes.items()})
    require(values_of(made) == values_of(stage), "a map of another stage's Params must not count")
