"""The names of `sandbox.lib.bigdl.models.ml_pipeline.dl_classifier`."""

from sandbox.lib.bigdl.models.ml_pipeline.dl_classifier import *
