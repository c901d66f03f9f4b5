"""The names of `sandbox.lib.bigdl.zoo.pipeline.nnframes`."""

from sandbox.lib.bigdl.zoo.pipeline.nnframes import *
