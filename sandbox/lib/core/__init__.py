"""Operations with gradients, tape, traced programs, parameters; see README.md of this room."""

from __future__ import annotations

from ..engine import names as _names
from ..engine.oplist import Op, OpList, Spec
from ..engine.random import RandomKey
from . import errors, ops, random, tree, validate
from .cache import ProgramCache
from .compile import predict_program, train_program
from .context import context, enter_scope, leave_scope, path, scope, using
from .eager_programs import EagerPredictProgram, EagerTrainProgram
from .errors import (
    ArgumentError,
    CheckpointError,
    DataError,
    DivergedError,
    EngineError,
    GradientError,
    SandboxError,
    ShapeError,
    SparkSetupError,
    TraceError,
    TrainingError,
    add_path,
)
from .flat import Bucket, FlatParameters
from .function import FUNCTIONS, Function, as_operand, as_value, operation
from .gradcheck import gradcheck, in_float64
from .parameter import Buffer, Parameter
from .profile import Profile, profile
from .program import PredictProgram, TrainProgram
from .serial import from_oplist, to_oplist
from .state import Context
from .tape import Tape
from .tracing import trace_inference, trace_training
from .value import Array, Input, Operand, Value

__all__ = [
    "FUNCTIONS",
    "ArgumentError",
    "Array",
    "Bucket",
    "Buffer",
    "CheckpointError",
    "Context",
    "DataError",
    "DivergedError",
    "EagerPredictProgram",
    "EagerTrainProgram",
    "EngineError",
    "FlatParameters",
    "Function",
    "GradientError",
    "Input",
    "Op",
    "OpList",
    "Operand",
    "Parameter",
    "PredictProgram",
    "Profile",
    "ProgramCache",
    "RandomKey",
    "SandboxError",
    "ShapeError",
    "SparkSetupError",
    "Spec",
    "Tape",
    "TraceError",
    "TrainProgram",
    "TrainingError",
    "Value",
    "add_path",
    "as_operand",
    "as_value",
    "context",
    "enter_scope",
    "errors",
    "from_oplist",
    "gradcheck",
    "in_float64",
    "leave_scope",
    "operation",
    "ops",
    "path",
    "predict_program",
    "profile",
    "random",
    "scope",
    "to_oplist",
    "trace_inference",
    "trace_training",
    "train_program",
    "tree",
    "using",
    "validate",
]

_names.suggest(__name__)
