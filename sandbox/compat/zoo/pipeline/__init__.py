"""The names of `sandbox.lib.bigdl.zoo.pipeline`."""

from sandbox.lib.bigdl.zoo.pipeline import *
