"""The names of `sandbox.lib.bigdl.zoo.pipeline.nnframes.nn_classifier`."""

from sandbox.lib.bigdl.zoo.pipeline.nnframes.nn_classifier import *
