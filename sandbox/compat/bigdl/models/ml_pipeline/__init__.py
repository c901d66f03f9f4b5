"""The names of `sandbox.lib.bigdl.models.ml_pipeline`."""

from sandbox.lib.bigdl.models.ml_pipeline import *
