"""The names of `sandbox.lib.bigdl.zoo.pipeline.nnframes.nn_image_reader`."""

from sandbox.lib.bigdl.zoo.pipeline.nnframes.nn_image_reader import *
