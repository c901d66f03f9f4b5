"""The names of `sandbox.lib.bigdl.zoo.pipeline.api`."""

from sandbox.lib.bigdl.zoo.pipeline.api import *
